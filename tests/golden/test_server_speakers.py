"""Speakers as clients of the server meet them; what is told is what the library tells."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
import requests
from openai.types.audio import TranscriptionDiarized, TranscriptionTextSegmentEvent

import gigaam
from gigaam.server import ServerSettings
from gigaam.speakers.graphs import VARIABLE
from gigaam.types import LongformTranscriptionResult
from tests.job_server import JobClient
from tests.readmes import blocks
from tests.recognition_server import RunningServer, running_server, server_process
from tests.waves import write_wav

BOTH = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
LETTERS = {"SPEAKER_00": "A", "SPEAKER_01": "B"}


@pytest.fixture(scope="module", autouse=True)
def nets(speaker_nets: Path) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(speaker_nets))
        yield speaker_nets


@pytest.fixture(scope="module")
def dialogue(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Path:
    """Three quarters of a minute of the packaged recording and of a far lower voice, in turns."""
    high = gigaam.load_audio(example).numpy()
    places = np.arange(0, len(high) - 1, 0.72)
    low = np.interp(places, np.arange(len(high)), high).astype(np.float32)
    pause = np.zeros(8_000, np.float32)
    return write_wav(
        tmp_path_factory.mktemp("dialogue") / "dialogue.wav",
        np.concatenate([high, pause, low, pause] * 3),
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    jobs_dir = tmp_path_factory.mktemp("jobs")
    settings = ServerSettings(models=("tiny_ctc",), speakers=True, jobs_dir=jobs_dir)
    with running_server(settings) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: RunningServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0)


@pytest.fixture(scope="module")
def expected(packaged_model: gigaam.GigaAMASR, dialogue: Path) -> LongformTranscriptionResult:
    result = packaged_model.transcribe_longform(dialogue, word_timestamps=True, speakers=2)
    assert {segment.speaker for segment in result} == set(LETTERS)
    return result


def ask(client: openai.OpenAI, path: Path, speakers: str | None = None, **wishes: Any) -> Any:
    further = {} if speakers is None else {"extra_body": {"speakers": speakers}}
    with open(path, "rb") as file:
        return client.audio.transcriptions.create(
            file=file, model="gpt-4o-transcribe-diarize", **wishes, **further
        )


def test_diarized_json(
    client: openai.OpenAI, dialogue: Path, expected: LongformTranscriptionResult
) -> None:
    answer = ask(client, dialogue, "2", response_format="diarized_json", chunking_strategy="auto")
    assert isinstance(answer, TranscriptionDiarized)
    assert answer == TranscriptionDiarized.model_validate(answer.to_dict())
    assert (answer.text, answer.task) == (expected.text, "transcribe")
    assert answer.duration == pytest.approx(expected.duration, abs=0.001)
    told = [(each.id, each.speaker, each.start, each.text) for each in answer.segments]
    assert told == [
        (str(n), LETTERS[str(each.speaker)], round(each.start, 3), each.text)
        for n, each in enumerate(expected)
    ]


def test_a_short_recording_has_a_speaker(
    client: openai.OpenAI, example: Path, packaged_model: gigaam.GigaAMASR
) -> None:
    answer = ask(client, example, response_format="diarized_json")
    expected = packaged_model.transcribe_longform(example, speakers="auto")
    assert [each.text for each in answer.segments] == [each.text for each in expected]
    assert {each.speaker for each in answer.segments} <= set(LETTERS.values())


@pytest.mark.parametrize("format", ["text", "srt", "vtt"])
def test_files_have_speakers(
    client: openai.OpenAI,
    dialogue: Path,
    expected: LongformTranscriptionResult,
    tmp_path: Path,
    format: str,
) -> None:
    path = tmp_path / f"it.{'txt' if format == 'text' else format}"
    saved = expected.save(path).read_text(encoding="utf-8")
    assert "SPEAKER_01" in saved
    assert ask(client, dialogue, "2-2", response_format=format) == saved


def test_json_of_all_kinds_has_speakers(
    client: openai.OpenAI, dialogue: Path, expected: LongformTranscriptionResult
) -> None:
    wishes = {"timestamp_granularities": ["word", "segment"], "response_format": "verbose_json"}
    answer = ask(client, dialogue, "2", **wishes)
    assert [each.speaker for each in answer.segments] == [each.speaker for each in expected]
    words = [(each.word, each.speaker, getattr(each, "overlapped", False)) for each in answer.words]
    assert words == [(each.text, each.speaker, each.overlapped) for each in expected.words or ()]
    plain = ask(client, dialogue, "2")
    assert plain.text == expected.text
    diarized = ask(client, dialogue, "2", response_format="diarized_json")
    assert plain.segments == [each.to_dict() for each in diarized.segments]


def test_a_stream(client: openai.OpenAI, dialogue: Path) -> None:
    whole = ask(client, dialogue, "2", response_format="diarized_json")
    *told, done = ask(client, dialogue, "2", response_format="diarized_json", stream=True)
    segments = [each for each in told if each.type == "transcript.text.segment"]
    assert all(isinstance(each, TranscriptionTextSegmentEvent) for each in segments)
    assert [each.to_dict() for each in segments] == [each.to_dict() for each in whole.segments]
    deltas = [each for each in told if each.type == "transcript.text.delta"]
    assert [each.type for each in told] == [deltas[0].type, segments[0].type] * len(segments)
    assert (done.type, done.text) == ("transcript.text.done", whole.text)
    assert "".join(each.delta for each in deltas) == whole.text
    assert "segments" not in done.to_dict()


def test_jobs(server: RunningServer, client: openai.OpenAI, dialogue: Path) -> None:
    jobs = JobClient(server.url)
    id = jobs.make(dialogue, speakers="2")
    for format in ("text", "srt", "vtt"):
        direct = ask(client, dialogue, "2", response_format=format)
        assert jobs.result(id, response_format=format).text == direct
    for format in ("json", "verbose_json", "diarized_json"):
        direct = ask(client, dialogue, "2", response_format=format).to_dict()
        assert jobs.result(id, response_format=format).json() == json.loads(json.dumps(direct))
    told = [data for kind, data, _ in jobs.events(id) if kind == "segment"]
    result = jobs.result(id, **BOTH).json()
    assert [each["speaker"] for each in told] == [each["speaker"] for each in result["segments"]]
    assert {each["speaker"] for each in result["words"]} == set(LETTERS)


def test_a_job_that_was_made_without_speakers(server: RunningServer, example: Path) -> None:
    jobs = JobClient(server.url)
    refused = jobs.result(jobs.make(example), response_format="diarized_json")
    assert refused.status_code == 400
    assert "speakers=auto" in refused.json()["error"]["message"]


def test_a_killed_job_goes_on_with_the_same_speakers(
    server: RunningServer, dialogue: Path, tmp_path: Path
) -> None:
    options = ("--jobs-dir", str(tmp_path / "jobs"), "--speakers")
    with server_process(tmp_path / "log", *options) as killed:
        id = JobClient(killed.url).make(dialogue, speakers="2")
        job = JobClient(killed.url).wait(id, lambda job: job["progress"]["done_s"] > 0)
        assert (job["status"], job["n_segments"]) == ("running", 0)
        killed.process.kill()
        killed.process.wait()
    undisturbed = JobClient(server.url)
    with server_process(tmp_path / "log", *options) as again:
        result = JobClient(again.url).result(id, **BOTH).json()
    assert result == undisturbed.result(undisturbed.make(dialogue, speakers="2"), **BOTH).json()


def test_the_snippet_of_the_documentation(
    server: RunningServer, example: Path, tmp_path: Path
) -> None:
    (snippet,) = [
        block.code
        for block in blocks("docs/server.md")
        if "curl" in block.code and "diarized_json" in block.code
    ]
    shutil.copy(example, tmp_path / "example.wav")
    command = ["bash", "-c", snippet.replace("http://127.0.0.1:8000", server.url)]
    told = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path).stdout
    assert TranscriptionDiarized.model_validate_json(told).segments[0].speaker == "A"


def test_who_can_tell_says_so(server: RunningServer, example: Path) -> None:
    assert requests.get(f"{server.url}/ready", timeout=10).json()["speakers"] is True
    with running_server(ServerSettings(models=("tiny_ctc",), speakers=False)) as other:
        assert requests.get(f"{other.url}/ready", timeout=10).json()["speakers"] is False
        with open(example, "rb") as file:
            url = f"{other.url}/v1/audio/transcriptions"
            answer = requests.post(url, data={"speakers": "auto"}, files={"file": file}, timeout=60)
    assert answer.status_code == 400
    assert "--no-speakers" in answer.json()["error"]["message"]
