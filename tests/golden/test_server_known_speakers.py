"""People whom the server knows by voice, as clients meet them; small nets tell tones apart."""

from __future__ import annotations

import signal
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from openai.types.audio import TranscriptionDiarized, TranscriptionTextSegmentEvent

import gigaam
from gigaam.server import ServerSettings
from gigaam.speakers import LocalDiarizer
from gigaam.speakers.graphs import VARIABLE
from tests.job_server import JobClient
from tests.recognition_server import RunningServer, running_server, server_process
from tests.speaker_nets import HIGH_HZ, LOW_HZ, silence, voice, write_nets
from tests.waves import write_wav

RATE = 16_000
NAMES = ["Анна", "Пётр Ильич"]
BOTH = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}


@pytest.fixture(scope="module", autouse=True)
def nets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("nets")
    write_nets(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(folder))
        yield folder


def spoken(example: Path, hertz: float) -> np.ndarray:
    """The packaged speech, faint beside the tone that a person is to the nets."""
    speech = gigaam.load_audio(example).numpy()
    return (speech / 20 + voice(hertz, len(speech) / RATE)).astype(np.float32) / 2


@pytest.fixture(scope="module")
def dialogue(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Path:
    """Some minutes of two people in turns."""
    low, high = (spoken(example, hertz) for hertz in (LOW_HZ, HIGH_HZ))
    turns = [low, silence(1.5), high, silence(1.5)] * 4
    return write_wav(tmp_path_factory.mktemp("dialogue") / "dialogue.wav", np.concatenate(turns))


def data_url(folder: Path, samples: np.ndarray) -> str:
    path = write_wav(folder / "known.wav", samples)
    return f"data:audio/wav;base64,{b64encode(path.read_bytes()).decode()}"


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory, example: Path) -> list[str]:
    folder = tmp_path_factory.mktemp("known")
    return [data_url(folder, spoken(example, hertz)) for hertz in (LOW_HZ, HIGH_HZ)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    jobs_dir = tmp_path_factory.mktemp("jobs")
    settings = ServerSettings(models=("tiny_ctc",), speakers=True, jobs_dir=jobs_dir)
    with running_server(settings) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: RunningServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0)


def ask(client: openai.OpenAI, path: Path, **wishes: Any) -> Any:
    with open(path, "rb") as file:
        return client.audio.transcriptions.create(
            **{"file": file, "model": "gpt-4o-transcribe-diarize", **wishes}
        )


def diarized(client: openai.OpenAI, path: Path, references: list[str], **wishes: Any) -> Any:
    return ask(
        client,
        path,
        response_format="diarized_json",
        chunking_strategy="auto",
        known_speaker_names=NAMES[: len(references)],
        known_speaker_references=references,
        **wishes,
    )


def assert_one_is_known(answer: TranscriptionDiarized) -> None:
    """Of two people one has a name, the other a letter."""
    name, letter = sorted({each.speaker for each in answer.segments}, reverse=True)
    assert (name, letter in ("A", "B")) == ("Анна", True)


def test_segments_bear_names(
    client: openai.OpenAI,
    dialogue: Path,
    references: list[str],
    packaged_model: gigaam.GigaAMASR,
    example: Path,
) -> None:
    answer = diarized(client, dialogue, references)
    assert isinstance(answer, TranscriptionDiarized)
    assert answer == TranscriptionDiarized.model_validate(answer.to_dict())
    voices = ((RATE, spoken(example, hertz)) for hertz in (LOW_HZ, HIGH_HZ))
    known = dict(zip(NAMES, voices, strict=True))
    expected = packaged_model.transcribe_longform(dialogue, speakers="auto", known_speakers=known)
    assert [(each.speaker, each.text) for each in answer.segments] == [
        (each.speaker, each.text) for each in expected
    ]
    assert {each.speaker for each in answer.segments} == set(NAMES)
    one = diarized(client, dialogue, references[:1])
    assert_one_is_known(one)


def test_a_stream_tells_names(client: openai.OpenAI, dialogue: Path, references: list[str]) -> None:
    whole = diarized(client, dialogue, references)
    *told, done = diarized(client, dialogue, references, stream=True)
    segments = [each for each in told if each.type == "transcript.text.segment"]
    assert all(isinstance(each, TranscriptionTextSegmentEvent) for each in segments)
    assert [each.to_dict() for each in segments] == [each.to_dict() for each in whole.segments]
    deltas = [each for each in told if each.type == "transcript.text.delta"]
    assert [each.segment_id for each in deltas] == [each.id for each in segments]
    assert (done.type, done.text) == ("transcript.text.done", whole.text)


def test_names_in_all_formats(
    client: openai.OpenAI, dialogue: Path, references: list[str], server: RunningServer
) -> None:
    wishes = {"known_speaker_names": NAMES, "known_speaker_references": references}
    wishes["extra_body"] = {"speakers": "2"}
    vtt = ask(client, dialogue, response_format="vtt", **wishes)
    assert "<v Пётр Ильич>" in vtt
    assert "SPEAKER" not in vtt
    assert "[Анна] " in ask(client, dialogue, response_format="text", **wishes)
    words = ask(
        client, dialogue, response_format="verbose_json", timestamp_granularities=["word"], **wishes
    ).words
    assert {word.speaker for word in words} == set(NAMES)


@pytest.mark.parametrize("stream", [True, False])
def test_recordings_that_tell_nothing(
    client: openai.OpenAI, dialogue: Path, references: list[str], tmp_path: Path, stream: bool
) -> None:
    low, high = references
    noise = "data:audio/wav;base64," + b64encode(b"no sound" * 100).decode()
    for second, told in (
        (data_url(tmp_path, voice(HIGH_HZ, 1.5)), "at least 2 s"),
        (data_url(tmp_path, voice(HIGH_HZ, 31)), "too long"),
        (low, "have the same voice"),
        (noise, "cannot be decoded"),
    ):
        with pytest.raises(openai.BadRequestError, match=told) as raised:
            diarized(client, dialogue, [low, second], stream=stream)
        assert raised.value.param == "known_speaker_references"
    with pytest.raises(openai.BadRequestError, match="need the response_format") as raised:
        ask(client, dialogue, known_speaker_names=["Анна"], known_speaker_references=[high])
    assert raised.value.param == "known_speaker_names"


def test_references_are_bounded_together(
    client: openai.OpenAI, dialogue: Path, example: Path, tmp_path: Path
) -> None:
    long = data_url(tmp_path, np.tile(spoken(example, LOW_HZ), 4)[: 29 * RATE])
    assert len(long) > 1 << 20  # as ten seconds are at a higher rate
    answer = diarized(client, dialogue, [long])
    assert_one_is_known(answer)
    with pytest.raises(openai.BadRequestError, match="over 4 MB together"):
        diarized(client, dialogue, [data_url(tmp_path, voice(LOW_HZ, 100))])


def form(references: list[str]) -> dict[str, Any]:
    return {
        "speakers": "auto",
        "known_speaker_names[]": NAMES[: len(references)],
        "known_speaker_references[]": references,
    }


def uploads(server: RunningServer) -> Path:
    folder = server.service.settings.jobs_dir
    assert folder is not None
    return folder / "uploads"


def is_emptied(folder: Path) -> bool:
    """Whether all files are deleted, which is soon after a job is known to have ended."""
    end = time.monotonic() + 10
    while list(folder.iterdir()):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_jobs(
    server: RunningServer,
    client: openai.OpenAI,
    dialogue: Path,
    references: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard, knowing = [], LocalDiarizer.knowing
    monkeypatch.setattr(LocalDiarizer, "knowing", lambda *given: heard.append(1) or knowing(*given))
    jobs = JobClient(server.url)
    id = jobs.make(dialogue, **form(references))
    result = jobs.result(id, response_format="diarized_json").json()
    assert len(heard) == 1
    assert result == diarized(client, dialogue, references).to_dict()
    assert is_emptied(uploads(server))
    told = [data for kind, data, _ in jobs.events(id) if kind == "segment"]
    assert [each["speaker"] for each in told] == [each["speaker"] for each in result["segments"]]


def test_jobs_refuse_what_they_cannot_use(
    server: RunningServer, dialogue: Path, references: list[str], tmp_path: Path
) -> None:
    jobs = JobClient(server.url)
    noise = "data:audio/wav;base64," + b64encode(b"no sound" * 100).decode()
    for fields, told in (
        (form([noise]), "cannot be decoded"),
        ({**form(references), "known_speaker_names[]": NAMES[:1]}, "there are 1 and 2"),
    ):
        answer = jobs.post(dialogue, **fields)
        assert (answer.status_code, answer.json()["error"]["param"]) == (
            400,
            "known_speaker_references",
        )
        assert told in answer.json()["error"]["message"]
    id = jobs.make(dialogue, **form([references[0], references[0]]))
    error = jobs.wait(id)["error"]
    assert (error["param"], error["code"]) == ("known_speaker_references", "invalid_value")
    assert "have the same voice" in error["message"]
    assert is_emptied(uploads(server))


def test_a_cancelled_job_leaves_no_voices(
    server: RunningServer, dialogue: Path, references: list[str]
) -> None:
    jobs = JobClient(server.url)
    first = jobs.make(dialogue, **form(references))
    second = jobs.make(dialogue, **form(references))
    assert len(list(uploads(server).glob(f"{second}*"))) == 2
    jobs.ask("POST", f"/{second}/cancel")
    assert list(uploads(server).glob(f"{second}*")) == []
    jobs.wait(first)
    assert is_emptied(uploads(server))


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, dialogue: Path) -> Path:
    samples = gigaam.load_audio(dialogue).numpy()
    return write_wav(tmp_path_factory.mktemp("long") / "long.wav", np.tile(samples, 3))


def test_a_killed_job_goes_on_with_the_same_names(
    server: RunningServer, long: Path, references: list[str], tmp_path: Path
) -> None:
    options = ("--jobs-dir", str(tmp_path / "jobs"), "--speakers")
    # Tones that are repeated to the sample make clusters of their own.
    two_people = {**form(references), "speakers": "2"}
    folder = tmp_path / "jobs" / "uploads"
    with server_process(tmp_path / "log", *options) as killed:
        jobs = JobClient(killed.url)
        id, other = (jobs.make(long, **two_people) for _ in range(2))
        job = jobs.wait(id, lambda job: job["progress"]["done_s"] > 0)
        assert (job["status"], job["n_segments"]) == ("running", 0)
        killed.process.send_signal(signal.SIGKILL)
        killed.process.wait()
    kept = [id, f"{id}.voices", other, f"{other}.voices"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(kept)
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    (folder / f"{other}.voices").unlink()
    with server_process(tmp_path / "log", *options) as again:
        jobs = JobClient(again.url)
        result = jobs.result(id, **BOTH).json()
        assert jobs.result(other).status_code == 410
        assert jobs.look(other)["error"]["param"] == "known_speaker_references"
        assert is_emptied(folder)
    assert {each["speaker"] for each in result["segments"]} == set(NAMES)
    undisturbed = JobClient(server.url)
    made = undisturbed.make(long, **two_people)
    assert result == undisturbed.result(made, **BOTH).json()
