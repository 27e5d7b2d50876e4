"""Speech recognition as a service: upload a recording, get its text, words and segments as JSON.

The model is loaded once. Requests are recognised side by side, each in a thread, since threads may
share a model; more than --at-once wait. A recording that cannot be used gives status 400 and the
reason. Recordings may be of any length and format; http://127.0.0.1:8000/docs describes the rest.

Needs:  pip install . fastapi uvicorn python-multipart
Run:    python examples/service.py
Then:   curl -F recording=@call.mp3 http://127.0.0.1:8000/transcribe
"""

import sys
from threading import Semaphore
from typing import Annotated, Any

import fastapi
import typer
import uvicorn

import gigaam


def build_app(model: gigaam.GigaAMASR, at_once: int) -> fastapi.FastAPI:
    """The service around a model."""
    app = fastapi.FastAPI(title="Speech recognition")
    turns = Semaphore(at_once)

    @app.post("/transcribe")
    def transcribe(recording: fastapi.UploadFile) -> dict[str, Any]:  # `def`: runs in a thread
        """The text of an uploaded recording, its words and its segments, with times in seconds."""
        try:
            with turns:
                result = model.transcribe_longform(recording.file, word_timestamps=True)
        except gigaam.GigaAMError as error:
            raise fastapi.HTTPException(400, f"{recording.filename}: {error}") from error
        segments = [{"text": s.text, "start": s.start, "end": s.end} for s in result]
        words = [word.to_dict() for word in result.words or ()]
        return {
            "text": result.text,
            "duration": result.duration,
            "segments": segments,
            "words": words,
        }

    return app


def main(
    model: Annotated[str, typer.Option(help="For real work v3_e2e_rnnt.")] = "tiny_ctc",
    host: Annotated[str, typer.Option(help="0.0.0.0 to be reached from outside.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any free one.")] = 8000,
    at_once: Annotated[int, typer.Option(min=1, help="Recordings at the same time.")] = 4,
) -> None:
    """Serve speech recognition over HTTP."""
    recogniser = gigaam.load_model(model)
    if not isinstance(recogniser, gigaam.GigaAMASR):
        raise typer.BadParameter(f"{model} does not recognise speech", param_hint="--model")
    uvicorn.run(build_app(recogniser, at_once), host=host, port=port)


if __name__ == "__main__":
    try:
        typer.run(main)
    except gigaam.GigaAMError as error:
        sys.exit(f"{error}")
