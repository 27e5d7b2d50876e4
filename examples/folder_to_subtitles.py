"""Subtitles for all recordings and videos of a folder and the folders in it.

Writes an .srt file beside each, or into the same places of another folder. A file that cannot be
read is reported and the rest go on. Files that have their subtitles are left out, so a run that
was interrupted can be started again; talk.mp3 and talk.mp4 share one talk.srt.

Needs:  pip install .
Run:    python examples/folder_to_subtitles.py lectures --output-dir subtitles
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

import gigaam
from gigaam.jobs import MEDIA_SUFFIXES


def recordings_below(folder: Path) -> Iterator[Path]:
    """The audio and video files of a folder, at any depth, by their extensions."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in MEDIA_SUFFIXES and path.is_file():
            yield path


def main(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False)],
    output_dir: Annotated[Path | None, typer.Option(help="Where to; by default FOLDER.")] = None,
    model: Annotated[str, typer.Option(help="For real work v3_e2e_rnnt.")] = "tiny_ctc",
) -> None:
    """Write subtitles for all recordings and videos below FOLDER."""
    recogniser = gigaam.load_model(model)
    if not isinstance(recogniser, gigaam.GigaAMASR):
        raise typer.BadParameter(f"{model} does not recognise speech", param_hint="--model")
    recordings = list(recordings_below(folder))
    if not recordings:
        raise typer.BadParameter(f"no recordings in {folder}", param_hint="FOLDER")
    failed = 0
    for recording in recordings:
        relative = recording.relative_to(folder)
        subtitles = (output_dir or folder) / relative.with_suffix(".srt")
        if subtitles.exists():
            print(f"{relative}: has subtitles")
            continue
        try:
            # With the times of words, lines break and appear where the speaker pauses.
            result = recogniser.transcribe_longform(recording, word_timestamps=True)
            subtitles.parent.mkdir(parents=True, exist_ok=True)
            result.save(subtitles)
            print(f"{relative}: {result.duration:.0f} s of sound")
        except (gigaam.GigaAMError, OSError) as error:
            print(f"{relative}: failed: {error}", file=sys.stderr)
            failed += 1
    if failed:
        raise typer.Exit(1)


if __name__ == "__main__":
    try:
        typer.run(main)
    except gigaam.GigaAMError as error:
        sys.exit(f"{error}")
