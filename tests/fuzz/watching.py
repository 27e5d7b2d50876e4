"""The watch over a process that runs cases: hangs, crashes and memory end it, not the run."""

import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fuzz.cases import LONGEST_S, MOST_GROWTH_BYTES
from tests.fuzz.worker import memory_bytes

_ROOT = Path(__file__).parents[2]
_START_S = 120.0
_LOOK_S = 0.05
_TOLD_CHARACTERS = 3000
# Our own warnings to a logger are printed if nobody takes them. What ONNX Runtime does outside of
# sessions goes to a logger of the whole process, whose level is the program's to set.
_PRINTED = re.compile(rb"\[\w:onnxruntime:(?!Default)[^\x1b]*")


class Watched:
    """A worker that is started when a case needs it, and anew after one that ended it.

    Args:
        kinds: The kinds of cases that it is for.
        longest_s: How long a case may take.
        growth_bytes: What a case may hold more than the worker did once it was started.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        longest_s: float = LONGEST_S,
        growth_bytes: int = MOST_GROWTH_BYTES,
    ) -> None:
        self._kinds = kinds
        self._longest_s, self._growth_bytes = longest_s, growth_bytes
        self._process: subprocess.Popen[str] | None = None
        self._base_bytes = 0
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *error: object) -> None:
        self._end()
        self._errors.close()

    def run(self, kind: str, seed: int, index: int, folder: Path | None = None) -> dict[str, Any]:
        """The outcome of a case, as the worker or the watch tells it.

        Args:
            kind: One of those that the worker is for.
            seed: Of the run.
            index: Of the case.
            folder: Where its files stay; by default they do not.
        """
        if self._process is None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        asked = {"kind": kind, "seed": seed, "index": index, "folder": folder and str(folder)}
        started = time.monotonic()
        self._errors.seek(0)
        self._errors.truncate(0)
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        answer = self._wait(started + self._longest_s)
        answer = {"kind": kind, "index": index, "description": "", "finding": None, **answer}
        answer["growth_bytes"] = max(0, answer.pop("peak_bytes", 0) - self._base_bytes)
        if answer["growth_bytes"] > self._growth_bytes and not answer["finding"]:
            answer["outcome"] = "took memory"
            answer["finding"] = f"{answer['growth_bytes'] >> 20} MB more than after loading"
            self._end()  # what it keeps of that is not the next case's
        self._errors.seek(0)
        if not answer["finding"] and (printed := _PRINTED.search(self._errors.read())):
            answer["outcome"] = "let the engine print"
            answer["finding"] = f"stderr: {printed[0][:_TOLD_CHARACTERS]!r}"
        answer.setdefault("seconds", time.monotonic() - started)
        return answer

    def _start(self) -> None:
        threads = {"OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", *self._kinds],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            cwd=_ROOT,
            env={**os.environ, **threads},
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        told = self._lines.get(timeout=_START_S)
        if not told:
            raise RuntimeError(f"the worker does not start: {self._last_words()}")
        self._base_bytes = json.loads(told)["ready"]

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        lines = self._lines
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    def _wait(self, deadline: float) -> dict[str, Any]:
        """The worker's answer; a worker that gives none in time, dies or grows is ended."""
        assert self._process is not None
        known: dict[str, Any] = {}
        while time.monotonic() < deadline:
            try:
                line = self._lines.get(timeout=_LOOK_S)
            except queue.Empty:
                held = memory_bytes(self._process.pid)
                if held - self._base_bytes > self._growth_bytes:
                    return {**known, "outcome": "", "peak_bytes": held}
                continue
            if not line:
                return {**known, "outcome": "crashed", "finding": self._last_words()}
            known |= json.loads(line)
            if "outcome" in known:
                return known
        self._end()
        return {**known, "outcome": "hung", "finding": f"no answer in {self._longest_s:.0f} s"}

    def _last_words(self) -> str:
        """How a worker ended that was not told to."""
        assert self._process is not None
        try:
            status: object = self._process.wait(_START_S)
        except subprocess.TimeoutExpired:
            status = "nothing"
        self._end()
        self._errors.seek(0)
        told = self._errors.read().decode("utf-8", "replace")
        return f"the process ended with {status}\n{told[-_TOLD_CHARACTERS:]}"

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
