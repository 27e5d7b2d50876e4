"""What the command line says to people: help, errors, summaries, completion."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gigaam import GigaAMASR
from gigaam.cli import app
from gigaam.cli.completion import TRAINING_KEYS, complete_configuration
from gigaam.training.configuration import configurations
from gigaam.training.options import RunOptions

COMMANDS = ["transcribe", "live", "export", "eval", "train", "models", "download", "example"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


# Help


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("transcribe", "FILE..."),
        ("live", ""),
        ("export", "MODEL DIR"),
        ("eval", "MODEL MANIFEST..."),
        ("train", "CONFIG [KEY=VALUE]..."),
        ("models", ""),
        ("download", "NAME..."),
        ("example", ""),
    ],
)
def test_usage_names_arguments_as_people_do(command: str, usage: str) -> None:
    line = run(command, "-h").stdout.splitlines()[0]
    assert line.endswith(f"{command} [OPTIONS] {usage}".rstrip())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_no_types(command: str) -> None:
    text = run(command, "-h").stdout
    assert not re.search(r"<[a-z\[\] |]+>|[{}\\]|\bTEXT\b|\bINTEGER\b|\brange\b", text)


# Errors


WRONG = [
    (["listen"], "no such command 'listen'"),
    (["transcribe"], "missing argument FILE"),
    (["transcribe", "a.wav", "--vad", "bad"], "--vad: 'bad' is not one of auto, silero, "),
    (["transcribe", "a.wav", "--channels", "a"], "--channels: 'a' is not one of mix, split"),
    (["transcribe", "a.wav", "--format", "doc"], "--format: 'doc' is not one of txt, srt, "),
    (["transcribe", "a.wav", "--track", "x"], "--track: "),
    (["transcribe", "a.wav", "--batch-size", "0"], "--batch-size: "),
    (["transcribe", "a.wav", "--model"], "option --model requires an argument"),
    (["transcribe", "a.wav", "--max-pause", "2"], "--max-pause: needs --segments phrases"),
    (["transcribe", "a.wav", "--loud"], "no such option: --loud"),
    (["transcribe", "a.wav", "-q", "-v"], "--quiet: does not go with --verbose"),
    (["export", "tiny_ctc"], "missing argument DIR"),
    (["export", "tiny_ctc", "onnx", "--dtype", "half"], "--dtype: 'half' is not one of float32, "),
    (["export", "tiny", "onnx"], "MODEL: 'tiny' is neither a known model "),
    (["eval", "tiny_ctc"], "MANIFEST: none given"),
    (["eval", "tiny", "a.tsv"], "MODEL: 'tiny' is neither a known model "),
    (["eval", "tiny_ctc", "a.tsv", "--worst", "-1"], "--worst: "),
    (["train"], "missing argument CONFIG"),
    (["train", "nothing"], "there is no configuration 'nothing'"),
    (["train", "fine_tune", "training.step=2"], "there is no option 'training.step'"),
    (["train", "fine_tune", "out"], "'out' is not an option: write KEY=VALUE"),
    (["download", "tiny"], "NAME: 'tiny' is neither a known model "),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=lambda each: " ".join(each))
def test_wrong_usage_is_told_in_one_way(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    first, *rest = result.stderr.splitlines()
    assert first.startswith(f"gigaam: {message}")
    assert not re.search(r"[Vv]alue error|Input should|Invalid value|'-|\.$", first)
    assert all(re.fullmatch(r"Try '.* -h' for help\.", line) for line in rest)


@pytest.mark.parametrize(
    "arguments",
    [
        ["transcribe", "--model", "tiny_ctc", "no.wav"],
        ["transcribe", "--model", "tiny_ctc", "--output-dir", "file/out", "example.wav"],
        ["export", "tiny_ctc", "file/out"],
        ["export", "bad.ckpt", "onnx"],
        ["eval", "tiny_ctc", "no.tsv"],
        ["eval", "tiny_ctc", "lost.tsv"],
        ["eval", "bad.ckpt", "good.tsv"],
        ["train", "fine_tune", "model.init=tiny_ctc", "data.train=no.tsv", "out=o"],
        ["download", "v3_ssl"],
    ],
    ids=" ".join,
)
def test_what_fails_is_told_in_one_way(
    arguments: list[str], example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIGAAM_OFFLINE", "1")
    monkeypatch.setenv("GIGAAM_CACHE", str(tmp_path))
    shutil.copy(example, "example.wav")
    for name in ("file", "bad.ckpt"):
        Path(name).write_text("nothing")
    for name, recording in (("good.tsv", "example.wav"), ("lost.tsv", "lost.wav")):
        Path(name).write_text(f"path\tduration\ttranscription\n{recording}\t5\tda\n")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert re.match(r"gigaam: [^'\[]", line)
    assert "Errno" not in line


def test_tracebacks_name_the_recording(tmp_path: Path) -> None:
    (tmp_path / "call.wav").write_text("not a recording")
    shown = run("transcribe", "--model", "tiny_ctc", "--verbose", tmp_path / "call.wav").stderr
    assert "Traceback" in shown
    assert "stream.wav" not in shown
    assert f"gigaam: {tmp_path / 'call.wav'}: cannot be decoded as audio" in shown


# Summaries


@pytest.fixture
def calls(example: Path, tmp_path: Path) -> Path:
    """Two recordings and a file that is none, of which one recording is transcribed already."""
    (tmp_path / "calls").mkdir()
    (tmp_path / "out").mkdir()
    for name in ("a.wav", "b.wav"):
        shutil.copy(example, tmp_path / "calls" / name)
    (tmp_path / "calls" / "broken.wav").write_text("not a recording")
    (tmp_path / "out" / "a.txt").touch()
    return tmp_path / "calls"


def told(calls: Path, *names: str) -> list[str]:
    """What is said at the end of a run that goes on."""
    command = ("transcribe", "--model", "tiny_ctc", "--skip-existing", "--output-dir")
    files = [calls / name for name in names]
    return run(*command, calls.parent / "out", *files).stderr.splitlines()


SPEED = r"gigaam: 7\.1 s of sound in \d+\.\d s, \d+\.\d× real time"
SKIPPED = "recordings skipped: their files exist"


def test_a_run_that_goes_on_tells_what_it_left_out(calls: Path, packaged_model: GigaAMASR) -> None:
    reason, done, failed = told(calls, "a.wav", "b.wav", "broken.wav")
    assert "broken.wav: cannot be decoded" in reason
    assert re.fullmatch(f"{SPEED}; 1 of 3 {SKIPPED}", done)
    assert failed == "gigaam: 1 of 3 recordings failed"


def test_where_nothing_was_transcribed_there_is_no_speed(calls: Path) -> None:
    for missing in ("broken.wav", "none.wav"):
        _, done, failed = told(calls, "a.wav", missing)
        assert done == f"gigaam: 1 of 2 {SKIPPED}"
        assert failed == "gigaam: 1 of 2 recordings failed"
    assert len(told(calls, "broken.wav")) == 1
    assert told(calls, "a.wav") == ["gigaam: nothing to do: its files exist already"]


def test_what_could_not_be_written_is_no_success(calls: Path) -> None:
    (calls.parent / "out" / "b.txt").mkdir()
    (reason,) = told(calls, "b.wav")
    assert "b.txt" in reason
    assert "Errno" not in reason


# Completion


def test_all_options_of_training_are_completed() -> None:
    known = {
        f"{section}.{name}" if isinstance(content, dict) else section
        for section, content in asdict(RunOptions()).items()
        for name in (content if isinstance(content, dict) else [section])
    }
    assert set(TRAINING_KEYS) == known
    assert complete_configuration("") == configurations()


LINES = [
    ("eval tiny_c", "eval tiny_ctc"),
    ("eval --onnx onnx te", "eval --onnx onnx test.tsv"),
    ("train new_", "train new_language"),
    ("train fine_tune data.tr", "train fine_tune data.train="),
    ("train fine_tune out=o data.dev=calls/", "train fine_tune out=o data.dev=calls/new.jsonl"),
    ("train fine_tune model.init=tiny_r", "train fine_tune model.init=tiny_rnnt"),
]


@pytest.mark.skipif(sys.platform == "win32", reason="shells another way")
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_shells_complete_lines(shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a terminal: each line is typed, and then Tab."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "gigaam"
    program.write_text(f"#!{sys.executable}\nfrom gigaam.cli import main\nmain()\n")
    program.chmod(0o755)
    (tmp_path / "work" / "calls").mkdir(parents=True)
    for name in ("test.tsv", "train.tsv", "other.tsv", "calls/new.jsonl"):
        (tmp_path / "work" / name).touch()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, sys.path)))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    options = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"]}[shell]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [shell, *options, "-i"], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        if shell == "zsh":
            os.write(ours, b"autoload -U compinit; compinit -u -D\n")
        # The shell completes the program's lines and runs, when they are sent, the function.
        show = "gigaam() { printf '<<%s>>' \"$*\"; }"
        os.write(ours, f'eval "$(gigaam --show-completion {shell})"; {show}; gigaam\n'.encode())
        until(ours, "<<>>")
        for typed, completed in LINES:
            os.write(ours, f"gigaam {typed}\t\n".encode())
            shown = until(ours, ">>").rpartition("<<")[2]
            assert shown.partition(">>")[0] == completed
        process.kill()
    os.close(ours)


def until(terminal: int, end: str, timeout_s: float = 60) -> str:
    """What a terminal shows up to this."""
    shown, last = "", time.monotonic() + timeout_s
    while end not in shown:
        ready, _, _ = select.select([terminal], [], [], max(last - time.monotonic(), 0))
        assert ready, shown
        shown += os.read(terminal, 65536).decode(errors="replace")
    return shown
