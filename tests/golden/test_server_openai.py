"""The server as OpenAI's own client meets it, on a real port; texts are those of the library."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import openai
import pytest
import requests

import gigaam
from gigaam.server import ServerSettings
from tests.recognition_server import RunningServer, running_server
from tests.waves import write_wav


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(ServerSettings(models=("tiny_ctc", "tiny_rnnt"), speakers=False)) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: RunningServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Path:
    """The packaged recording six times, with pauses between: over what is recognised in one go."""
    samples = gigaam.load_audio(example).numpy()
    parts = [np.concatenate([samples, np.zeros(8_000 * (n + 1), np.float32)]) for n in range(6)]
    return write_wav(tmp_path_factory.mktemp("long") / "long.wav", np.concatenate(parts))


def ask(client: openai.OpenAI, path: Path, **wishes: Any) -> Any:
    with open(path, "rb") as file:
        return client.audio.transcriptions.create(file=file, **{"model": "whisper-1", **wishes})


def test_json(client: openai.OpenAI, packaged_model: gigaam.GigaAMASR, example: Path) -> None:
    answer = ask(client, example)
    assert answer.text == packaged_model.transcribe(example)
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == pytest.approx(7.06, abs=0.01)


@pytest.mark.parametrize("name", ["short", "long"])
def test_texts_are_those_of_the_command(
    client: openai.OpenAI, example: Path, long: Path, tmp_path: Path, name: str
) -> None:
    path = example if name == "short" else long
    from gigaam.recognition.runner import BatchRunner

    model = gigaam.load_model("tiny_ctc")
    (outcome,) = BatchRunner(model, word_timestamps=True).run([(None, path)])
    assert not isinstance(outcome.result, Exception)
    assert ask(client, path).text == outcome.result.text
    for format in ("srt", "vtt"):
        saved = outcome.result.save(tmp_path / f"it.{format}").read_text(encoding="utf-8")
        assert ask(client, path, response_format=format) == saved
    assert ask(client, path, response_format="text") == f"{outcome.result.text}\n"


def test_verbose_json(client: openai.OpenAI, packaged_model: gigaam.GigaAMASR, long: Path) -> None:
    both = ask(
        client, long, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    result = packaged_model.transcribe_longform(long, word_timestamps=True)
    assert (both.language, both.text) == ("russian", result.text)
    assert both.duration == pytest.approx(result.duration, abs=0.001)
    assert [(s.id, s.text) for s in both.segments] == [*enumerate(s.text for s in result)]
    words = [(word.word, word.start) for word in both.words]
    assert words == [(word.text, round(word.start, 3)) for word in result.words or ()]
    assert all(0 < word.model_extra["confidence"] <= 1 for word in both.words)
    segments = ask(client, long, response_format="verbose_json")
    assert segments.words is None
    assert segments.segments == both.segments


def test_logprobs(client: openai.OpenAI, example: Path) -> None:
    answer = ask(client, example, include=["logprobs"])
    assert "".join(each.token for each in answer.logprobs) == answer.text
    assert all(bytes(map(int, each.bytes)).decode() == each.token for each in answer.logprobs)
    assert all(each.logprob <= 0 for each in answer.logprobs)


@pytest.mark.parametrize("name", ["short", "long"])
def test_streaming(client: openai.OpenAI, example: Path, long: Path, name: str) -> None:
    path = example if name == "short" else long
    events = list(ask(client, path, stream=True))
    *deltas, done = events
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert done.type == "transcript.text.done"
    assert "".join(event.delta for event in deltas) == done.text == ask(client, path).text
    assert len(deltas) == 1 if name == "short" else len(deltas) > 1


def test_streamed_segments_have_words(server: RunningServer, long: Path) -> None:
    fields = {"stream": "true", "response_format": "verbose_json"}
    with open(long, "rb") as file:
        answer = requests.post(
            f"{server.url}/v1/audio/transcriptions", data=fields, files={"file": file}, stream=True
        )
        lines = [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith(b"data:")]
    segments = [line for line in lines if line["type"] == "transcript.text.segment"]
    assert [each["id"] for each in segments] == [str(n) for n in range(len(segments))]
    for each in segments:
        assert " ".join(word["word"] for word in each["words"]) == each["text"]
    assert answer.headers["x-accel-buffering"] == "no"


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny_ctc", "tiny_rnnt"]
    assert client.models.retrieve("tiny_rnnt").owned_by == "gigaam"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("whisper-1")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("org/whisper")


def test_the_model_is_the_named_one_or_the_default(client: openai.OpenAI, example: Path) -> None:
    transducer = gigaam.load_model("tiny_rnnt").transcribe(example)
    assert ask(client, example, model="tiny_rnnt").text == transducer
    for name in ("gpt-transcribe", "/etc/passwd", "v3_rnnt", "org/model"):
        assert ask(client, example, model=name).text == ask(client, example).text


def test_keywords_are_hotwords(
    client: openai.OpenAI, packaged_model: gigaam.GigaAMASR, example: Path
) -> None:
    words = ["отеперь", "плевать сколько"]
    wanted = packaged_model.transcribe(example, hotwords=words)
    assert ask(client, example, extra_body={"keywords": words}).text == wanted
    assert ask(client, example, extra_body={"hotwords": "\n".join(words)}).text == wanted


def test_chunking_strategy_in_both_encodings(server: RunningServer, long: Path) -> None:
    strategy = {"type": "server_vad", "silence_duration_ms": 700}
    spelled = {f"chunking_strategy[{name}]": str(value) for name, value in strategy.items()}
    texts = []
    for fields in ({"chunking_strategy": json.dumps(strategy)}, spelled):
        with open(long, "rb") as file:
            answer = requests.post(
                f"{server.url}/v1/audio/transcriptions",
                data={**fields, "response_format": "verbose_json"},
                files={"file": file},
            )
        texts.append([segment["text"] for segment in answer.json()["segments"]])
    assert texts[0] == texts[1]
    assert len(texts[0]) >= 5  # phrases, between the pauses
    automatic = {"chunking_strategy": "auto"}
    with open(long, "rb") as file:
        url = f"{server.url}/v1/audio/transcriptions"
        assert requests.post(url, data=automatic, files={"file": file}).status_code == 200


def test_what_has_no_effect_is_told(server: RunningServer, example: Path) -> None:
    fields = {"prompt": "Ну", "temperature": "0.3", "vad_filter": "1", "language": "ru"}
    with open(example, "rb") as file:
        answer = requests.post(
            f"{server.url}/v1/audio/transcriptions", data=fields, files={"file": file}
        )
    assert answer.headers["x-gigaam-ignored"] == "prompt, temperature, vad_filter"
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("wishes", "param", "words"),
    [
        ({"language": "fr"}, "language", "understands ru, not fr"),
        ({"temperature": 2}, "temperature", "from 0 to 1"),
        ({"response_format": "xml"}, "response_format", "one of json"),
        ({"response_format": "diarized_json"}, "response_format", "speakers"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities", "verbose_json"),
        ({"response_format": "text", "include": ["logprobs"]}, "include", "json"),
        ({"chunking_strategy": "always"}, "chunking_strategy", "server_vad"),
        ({"extra_body": {"keywords": ["я" * 300]}}, "keywords", "200 characters"),
        ({"extra_body": {"speakers": "auto"}}, "speakers", "--no-speakers"),
        ({"extra_body": {"known_speaker_names": ["Анна"]}}, "known_speaker_names", "speakers"),
    ],
)
def test_refusals_say_what_is_wrong(
    client: openai.OpenAI, example: Path, wishes: dict[str, Any], param: str, words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, example, **wishes)
    assert raised.value.param == param
    assert words in raised.value.message
    assert raised.value.type == "invalid_request_error"
    assert raised.value.request_id


def test_no_recording(client: openai.OpenAI, tmp_path: Path) -> None:
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"nothing that could be heard" * 100)
    with pytest.raises(openai.BadRequestError, match=r"'noise\.wav'.*cannot be decoded") as raised:
        ask(client, noise)
    assert raised.value.code == "invalid_audio"
    for stream in (True, False):
        with pytest.raises(openai.BadRequestError):
            ask(client, noise, stream=stream)


def test_a_busy_server_is_asked_again(example: Path, packaged_model: gigaam.GigaAMASR) -> None:
    """The client comes again when it is told to."""
    settings = ServerSettings(models=("tiny_ctc",), max_wait_s=0.01)
    with running_server(settings) as server, ExitStack() as held:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=2)
        admission = server.service.admission
        ticket = held.enter_context(admission.admitted("another", 0))
        ticket.measured(600.0)
        with pytest.raises(openai.InternalServerError) as raised:
            ask(client.with_options(max_retries=0), example)
        assert raised.value.response.headers["retry-after"] in ("1", "2")
        Timer(0.5, held.close).start()
        started = time.monotonic()
        assert ask(client, example).text == packaged_model.transcribe(example)
        assert 0.9 <= time.monotonic() - started < 30


def test_silence_is_an_empty_text(client: openai.OpenAI, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "silence.wav", np.zeros(16_000 * 40, np.float32))
    answer = ask(client, path, response_format="verbose_json")
    assert (answer.text, answer.segments) == ("", [])
