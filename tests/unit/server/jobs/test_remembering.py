"""Recognition that remembers: the nets are asked once, and nobody can tell the difference."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gigaam
from gigaam.decoding import DecodingOptions
from gigaam.recognition.batcher import Batcher
from gigaam.server.jobs.database import Database
from gigaam.server.jobs.job import Job
from gigaam.server.jobs.remembering import Memory, RememberingRecognition, signature
from gigaam.server.jobs.store import JobStore
from gigaam.server.work import Abandoned
from gigaam.types import TranscriptionResult
from tests.job_server import Gated, with_pauses
from tests.small_arpa import write_arpa


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    store = JobStore(Database(tmp_path / "jobs"))
    store.add(Job(id="a", client="me", model="m", filename="x"))
    store.begin("a")
    yield store
    store.database.close()


@pytest.fixture
def long(example: Path) -> np.ndarray:
    return with_pauses(gigaam.load_audio(example).numpy(), 2, seed=5)


def listen(model: Gated, store: JobStore, sound: np.ndarray, name: str = "m", **how: Any) -> Any:
    view = RememberingRecognition(model, Batcher(), Memory(store, "a", lambda: name))
    return view.transcribe_longform(sound, True, 1, input_rate=16_000, **how)


def test_the_nets_are_asked_once(
    packaged_model: gigaam.GigaAMASR, store: JobStore, long: np.ndarray
) -> None:
    model = Gated(packaged_model)
    plain = packaged_model.transcribe_longform(long, True, 1, input_rate=16_000)
    first = listen(model, store, long)
    n_encoded = model.n_encoded
    assert n_encoded > 3
    assert listen(model, store, long) == first
    assert model.n_encoded == n_encoded
    assert first == plain


@pytest.mark.parametrize("change", ["model", "search", "sound"])
def test_what_is_not_the_same_is_asked_again(
    packaged_model: gigaam.GigaAMASR, store: JobStore, long: np.ndarray, change: str
) -> None:
    model = Gated(packaged_model)
    how: dict[str, Any] = {}
    listen(model, store, long, **how)
    n_encoded = model.n_encoded
    if change == "search":
        how["decoding"] = DecodingOptions(hotwords=["рябина"])
    sound = np.concatenate([long[16_000:], long[:16_000]]) if change == "sound" else long
    listen(model, store, sound, "another" if change == "model" else "m", **how)
    assert model.n_encoded > n_encoded + 1


def test_equal_chunks_are_asked_once(store: JobStore) -> None:
    asked: list[int] = []
    heard: list[float] = []

    def recognize(new: Sequence[np.ndarray]) -> list[TranscriptionResult]:
        asked.extend(map(len, new))
        return [TranscriptionResult(str(len(each)), words=[], confidence=1.0) for each in new]

    memory = Memory(store, "a", lambda: "m", heard.append)
    chunks = [np.zeros(n, np.float32) for n in (16_000, 8_000, 16_000)]
    assert memory.recall(chunks, None, recognize) == ["16000", "8000", "16000"]
    assert memory.recall(chunks, None, recognize) == ["16000", "8000", "16000"]
    assert asked == [16_000, 8_000]
    assert heard == [1.5]


def test_work_is_what_the_nets_do(store: JobStore) -> None:
    at_work: list[str] = []

    @contextmanager
    def working() -> Iterator[None]:
        at_work.append("begins")
        yield
        at_work.append("ends")

    memory = Memory(store, "a", lambda: "m", working=working)
    for _ in range(2):
        memory.recall([np.zeros(5, np.float32)], None, lambda new: [TranscriptionResult("раз")])
    assert at_work == ["begins", "ends"]


@pytest.mark.parametrize("other", ["tiny_rnnt", "less", "lm"])
def test_models_are_told_apart(
    packaged_model: gigaam.GigaAMASR, other: str, tmp_path: Path
) -> None:
    model = gigaam.load_model("tiny_ctc")
    assert signature(model.recognizer()) == signature(packaged_model.recognizer())
    decoding = None
    if other == "tiny_rnnt":
        model = gigaam.load_model("tiny_rnnt")
    elif other == "less":
        with torch.no_grad():
            next(model.encoder.parameters()).mul_(0.98)
    else:
        decoding = DecodingOptions(lm=write_arpa(tmp_path / "lm.arpa"))
    assert signature(model.recognizer(decoding)) != signature(packaged_model.recognizer())


def test_after_a_failure_nothing_more_is_told(store: JobStore) -> None:
    """Channels that are recognised apart go on by themselves; the text would lack one."""

    def recognize(new: Sequence[np.ndarray]) -> list[TranscriptionResult]:
        return [TranscriptionResult("раз", words=[]) for _ in new]

    memory = Memory(store, "a", lambda: "m")
    memory.recall([np.zeros(5, np.float32)], None, recognize)
    store.cancel("a")
    for _ in range(2):
        with pytest.raises(Abandoned):
            memory.recall([np.ones(5, np.float32)], None, recognize)
    with pytest.raises(Abandoned):
        memory.recall([np.zeros(5, np.float32)], None, recognize)
