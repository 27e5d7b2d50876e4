"""Cases that end in every way there is, for the tests of the watch itself."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from gigaam.errors import AudioError
from tests.fuzz.cases import BrokenPromiseError, Case


def make(rng: Random, folder: Path) -> Case:
    """The way to end that the folder is called after."""
    return Case(f"to end: {folder.name}", _ENDINGS[folder.name])


def _hung() -> str:
    time.sleep(600)
    return ""


def _crashed() -> str:
    os.kill(os.getpid(), signal.SIGSEGV)
    return ""


def _took_memory() -> str:
    return str(len(b"x" * (200 << 20)))


def _took_memory_and_time() -> str:
    held = b"x" * (200 << 20)
    time.sleep(600)
    return str(len(held))


def _refused() -> str:
    raise AudioError("no")


def _foreign() -> str:
    raise KeyError("x")


def _broken() -> str:
    raise BrokenPromiseError("not as promised")


def _printed() -> str:
    os.write(1, b"noise")
    return "fine"


def _let_the_engine_print() -> str:
    os.write(2, b"\x1b[1;31m [E:onnxruntime:, sequential_executor.cc:1 Run] noise\x1b[m\n")
    return "fine"


def _fine() -> str:
    return "fine"


_ENDINGS: dict[str, Callable[[], str]] = {
    "hung": _hung,
    "crashed": _crashed,
    "took memory": _took_memory,
    "took memory and time": _took_memory_and_time,
    "AudioError": _refused,
    "raised KeyError": _foreign,
    "broken promise": _broken,
    "wrote to stdout": _printed,
    "let the engine print": _let_the_engine_print,
    "fine": _fine,
}
