"""The package where the modules and calls of Unix are missing, as they are on Windows."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import gigaam

WITHOUT_UNIX = """
import os, sys

for name in ("fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "syslog"):
    sys.modules[name] = None  # importing it raises ModuleNotFoundError
for name in ("fork", "forkpty", "mkfifo", "geteuid", "getuid", "getpgid",
             "setsid", "setpgid", "killpg", "O_NONBLOCK", "O_NOFOLLOW", "O_CLOEXEC", "O_DIRECTORY",
             "statvfs", "sched_getaffinity"):
    vars(os).pop(name, None)
"""


def run(code: str, *arguments: object) -> str:
    """What a process without Unix prints."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_UNIX + textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def modules() -> list[str]:
    """Every module of the package but those that act when imported."""
    package = Path(gigaam.__file__).parent
    paths = [path.relative_to(package.parent).with_suffix("") for path in package.rglob("*.py")]
    names = {".".join(path.parts).removesuffix(".__init__") for path in paths}
    return sorted(name for name in names if not name.endswith("__main__"))


def test_every_module_is_imported_without_unix() -> None:
    code = """
    import importlib, json, traceback

    failures = {}
    for name in json.loads(sys.argv[1]):
        try:
            importlib.import_module(name)
        except BaseException:
            failures[name] = traceback.format_exc()
    print(json.dumps(failures))
    """
    names = modules()
    assert len(names) > 90
    assert json.loads(run(code, json.dumps(names))) == {}


def test_recordings_are_recognised_without_unix(
    example: Path, packaged_model: gigaam.GigaAMASR
) -> None:
    code = """
    import gigaam

    model = gigaam.load_model("tiny_ctc", device="cpu")
    print(model.transcribe(sys.argv[1]))
    with open(sys.argv[1], "rb") as file:
        print(model.transcribe(file))
    print(model.transcribe_longform(sys.argv[1]).text)
    """
    text = str(packaged_model.transcribe(example))
    assert run(code, example).splitlines() == [text] * 3


def test_the_command_line_works_without_unix(
    example: Path, packaged_model: gigaam.GigaAMASR, tmp_path: Path
) -> None:
    code = "from gigaam.cli import main; sys.argv[0] = 'gigaam'; main()"
    options = ("--model", "tiny_ctc", "--device", "cpu")
    text = str(packaged_model.transcribe(example))
    run(code, "transcribe", example, *options, "--output-dir", tmp_path)
    (written,) = tmp_path.iterdir()
    assert text in written.read_text(encoding="utf-8")
