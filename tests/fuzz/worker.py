"""The process in which cases run: told which on stdin, it answers with a line of JSON each.

Answers go to a copy of stdout; stdout itself is a file, which must stay empty: programs pipe it.
"""

import gc
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.fuzz.cases import BrokenPromiseError, Case, make_case

_TOLD_CHARACTERS = 3000


def memory_bytes(pid: int | str = "self", field: str = "VmRSS") -> int:
    """What a process holds in memory, or held at most; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(field)), 0)


def _forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def run_case(case: Case) -> dict[str, Any]:
    """The outcome of a case, and what was wrong with it, if anything."""
    from gigaam.errors import GigaAMError

    answer: dict[str, Any] = {"finding": None}
    _forget_peak()
    started = time.perf_counter()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            answer["outcome"] = case.run()
        if any(type(each.message).__name__ == "AudioWarning" for each in caught):
            answer["outcome"] += ", with a warning"
    except GigaAMError as error:
        answer["outcome"] = type(error).__name__
        answer["message"] = str(error)[:_TOLD_CHARACTERS]
    except BaseException as error:
        broken = isinstance(error, BrokenPromiseError)
        answer["outcome"] = "broken promise" if broken else f"raised {type(error).__name__}"
        answer["finding"] = traceback.format_exc()[-_TOLD_CHARACTERS:]
    answer["seconds"] = time.perf_counter() - started
    answer["peak_bytes"] = memory_bytes(field="VmHWM")
    return answer


def _check_stdout(answer: dict[str, Any]) -> None:
    printed = os.fstat(1).st_size
    if printed and not answer["finding"]:
        os.lseek(1, 0, os.SEEK_SET)
        answer["finding"] = f"stdout: {os.read(1, _TOLD_CHARACTERS)!r}"
        answer["outcome"] = "wrote to stdout"
    os.ftruncate(1, 0)
    os.lseek(1, 0, os.SEEK_SET)


def main() -> None:
    """Load the kinds that are named, say so, and run each case that a line on stdin tells."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryDirectory() as scratch:
        os.dup2(stdout.fileno(), 1)
        for kind in sys.argv[1:]:
            import_module(f"tests.fuzz.{kind}")
        print(json.dumps({"ready": memory_bytes()}), file=answers, flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            folder = Path(asked.get("folder") or Path(scratch, "case"))
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            case = make_case(asked["kind"], asked["seed"], asked["index"], folder)
            told = {"description": case.description}  # before it can hang or crash
            print(json.dumps(told), file=answers, flush=True)
            answer = run_case(case)
            sys.stdout.flush()
            _check_stdout(answer)
            gc.collect()
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
