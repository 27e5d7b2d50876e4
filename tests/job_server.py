"""Servers with jobs, as clients meet them, and a model that waits until it is let go on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import requests

from gigaam.decoding.log_probs import LogProbs
from gigaam.recognition import SpeechRecognition

__all__ = ["Gated", "JobClient", "with_pauses"]

_PATIENCE_S = 120.0


class JobClient:
    """Somebody who has jobs on a server."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self._url = f"{url}/v1/jobs"
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    def ask(self, method: str, path: str = "", **further: Any) -> requests.Response:
        """Any request."""
        headers = {**self._headers, **further.pop("headers", {})}
        return requests.request(method, self._url + path, headers=headers, timeout=60, **further)

    def post(self, file: Path | None = None, /, name: str = "x.wav", **fields: Any) -> Any:
        """The answer to a new job."""
        if file is None:
            return self.ask("POST", files={key: (None, value) for key, value in fields.items()})
        with open(file, "rb") as opened:
            return self.ask("POST", data=fields, files={"file": (name, opened)})

    def make(self, file: Path | None = None, /, **fields: Any) -> str:
        """The name of a new job."""
        answer = self.post(file, **fields)
        assert answer.status_code == 202, answer.text
        assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
        return str(answer.json()["id"])

    def look(self, id: str) -> dict[str, Any]:
        """A job object."""
        answer = self.ask("GET", f"/{id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wait(self, id: str, is_so: Callable[[dict[str, Any]], Any] | None = None) -> dict[str, Any]:
        """A job once it is so; by default finished."""
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            job = self.look(id)
            if is_so(job) if is_so else job["finished_at"] is not None:
                return job
            time.sleep(0.01)
        raise TimeoutError(f"it stays so: {job}")

    def result(self, id: str, **query: Any) -> requests.Response:
        """The result of a job, once it is finished."""
        self.wait(id)
        return self.ask("GET", f"/{id}/result", params=query)

    def events(self, id: str, last: int | None = None) -> Iterator[tuple[str, Any, str | None]]:
        """Kind, data and id of the events of a job, as they come."""
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        with self.ask("GET", f"/{id}/events", headers=headers, stream=True) as answer:
            assert answer.status_code == 200, answer.text
            assert answer.headers["X-Accel-Buffering"] == "no"
            fields: dict[str, str] = {}
            for line in answer.iter_lines(1):
                name, _, value = line.decode().partition(": ")
                if line:
                    fields[name] = value
                elif "data" in fields:
                    yield fields["event"], json.loads(fields["data"]), fields.get("id")
                    fields = {}


class Gated(SpeechRecognition):
    """A model that recognises as many batches as it is let."""

    def __init__(self, model: SpeechRecognition) -> None:
        self.decoding = model.decoding
        self.n_encoded = 0
        self._model = model
        self._permits = threading.Semaphore(0)
        self._is_open = True

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Each batch needs a permit meanwhile."""
        self._is_open = False
        try:
            yield
        finally:
            self._is_open = True
            self.permit(1_000)

    def permit(self, n_batches: int) -> None:
        """Let it go on for so many batches."""
        self._permits.release(n_batches)

    @property
    def device(self) -> Any:
        """Where the nets run."""
        return self._model.device

    def encode(self, waveforms: Sequence[np.ndarray]) -> Any:
        """The encoder's output, when it is let."""
        if not self._is_open:
            self._permits.acquire()
        self.n_encoded += 1
        return self._model.encode(waveforms)

    def emissions(self, encodings: Any) -> LogProbs:
        """Log-probabilities of a batch."""
        return self._model.emissions(encodings)


def with_pauses(samples: np.ndarray, minutes: float, seed: int) -> np.ndarray:
    """A long recording in which the same is said again and again, never quite the same."""
    rng = np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < minutes * 60 * 16_000:
        pause = rng.normal(0, 1e-4, int(16_000 * rng.uniform(0.1, 4))).astype(np.float32)
        parts += [samples * np.float32(rng.uniform(0.3, 1)), pause]
    return np.concatenate(parts)
