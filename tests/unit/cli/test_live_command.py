"""``gigaam live`` on the command line: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gigaam import GigaAMASR
from gigaam.cli import app
from gigaam.cli.live_printing import PartialLine
from gigaam.live import Final, LiveSession, Partial
from gigaam.types import LongformTranscriptionResult, Segment
from tests.portaudio import PortAudio


def run(*arguments: object, sound: bytes = b"") -> Result:
    command = ["live", "--model", "tiny_ctc", *map(str, arguments)]
    return CliRunner().invoke(app, command, input=sound)


@pytest.fixture(scope="module")
def sound(example: Path) -> bytes:
    return example.read_bytes()


@pytest.fixture(scope="module")
def expected(packaged_model: GigaAMASR, example: Path) -> LongformTranscriptionResult:
    return packaged_model.transcribe_longform(example, word_timestamps=True)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard input is one."""
    monkeypatch.setattr("gigaam.cli.live_sources.sys", SimpleNamespace(stdin=Terminal()))


class Terminal:
    def isatty(self) -> bool:
        return True


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch, sound: bytes) -> PortAudio:
    played = PortAudio(sound[44:], rate=16_000)
    monkeypatch.setitem(sys.modules, "sounddevice", played)
    return played


def test_finals_are_lines(sound: bytes, expected: LongformTranscriptionResult) -> None:
    for arguments in ([], ["--format", "txt"], ["--no-partials"], ["--quiet"]):
        result = run(*arguments, sound=sound)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == f"{expected.text}\n"


def test_raw_sound(sound: bytes, expected: LongformTranscriptionResult) -> None:
    result = run("--raw", "s16le", sound=sound[44:])
    assert (result.exit_code, result.stdout) == (0, f"{expected.text}\n")
    stereo = bytearray(2 * len(sound[44:]))
    stereo[0::4], stereo[1::4] = sound[44::2], sound[45::2]
    options = ("--raw", "s16le", "--rate", 16_000, "--input-channels", 2, "--channels", "split")
    result = run(*options, sound=bytes(stereo))
    assert (result.exit_code, result.stdout) == (0, f"[channel 0] {expected.text}\n")


def test_events_are_objects(sound: bytes, expected: LongformTranscriptionResult) -> None:
    events = [
        json.loads(line) for line in run("--format", "jsonl", sound=sound).stdout.split("\n")[:-1]
    ]
    assert [each["type"] for each in events][-1] == "final"
    assert events[-1]["text"] == expected.text
    assert "words" not in events[-1] or events[-1]["words"] is None
    (final,) = (
        json.loads(line)
        for line in run(
            "--format", "jsonl", "--no-partials", "--word-timestamps", sound=sound
        ).stdout.splitlines()
    )
    assert [word["text"] for word in final["words"]] == expected.text.split()


def test_words_are_lines(sound: bytes, expected: LongformTranscriptionResult) -> None:
    lines = run("--word-timestamps", sound=sound).stdout.splitlines()
    assert [line.split("\t")[2] for line in lines] == expected.text.split()
    assert [float(line.split("\t")[0]) for line in lines] == pytest.approx(
        [word.start for word in expected.words or ()], abs=0.05
    )


@pytest.mark.parametrize("format", ["srt", "vtt", "json", "tsv"])
def test_the_whole_is_printed_at_the_end_or_written(
    format: str, sound: bytes, tmp_path: Path
) -> None:
    printed = run("--format", format, sound=sound)
    path = tmp_path / "new" / f"talk.{format}"
    written = run("-o", path, "-o", tmp_path / "talk.txt", sound=sound)
    assert (printed.exit_code, written.exit_code) == (0, 0)
    assert path.read_text(encoding="utf-8") == printed.stdout
    assert (tmp_path / "talk.txt").read_text(encoding="utf-8") == written.stdout
    if format == "json":
        found = json.loads(printed.stdout)
        assert found["duration"] == pytest.approx(7.0625)
        assert found["segments"][0]["words"]


def test_hotwords_reach_the_search(sound: bytes, expected: LongformTranscriptionResult) -> None:
    result = run("--hotword", "наплевать", "--hotword-weight", 3, sound=sound)
    assert result.exit_code == 0
    assert result.stdout != f"{expected.text}\n"


def test_without_torch_s_models(
    exported_model: Path, sound: bytes, expected: LongformTranscriptionResult
) -> None:
    result = CliRunner().invoke(app, ["live", "--onnx", str(exported_model)], input=sound)
    assert (result.exit_code, result.stdout) == (0, f"{expected.text}\n")


WRONG = [
    (["--raw", "s16"], "--raw: 's16' is not one of s16le, "),
    (["--rate", "8000"], "--rate: means nothing without --raw or --microphone"),
    (["--input-channels", "2"], "--input-channels: means nothing without --raw or --microphone"),
    (["--raw", "u8", "--track", "0"], "--track: does not go with --raw"),
    (["--microphone", "0", "--raw", "u8"], "--raw: does not go with --microphone"),
    (["--microphone", "0", "--track", "0"], "--track: does not go with --microphone"),
    (["--microphone", "Nothing"], "--microphone: 'Nothing' cannot be used: No input device "),
    (["--microphone", "1"], "--microphone: 1 cannot be used: Not an input device"),
    (["-o", "talk.doc"], "--output: the extension of talk.doc is none of txt, srt, "),
    (["--format", "srt", "--word-timestamps"], "--word-timestamps: prints a line per word"),
    (["--endpoint-silence", "0.15"], "--endpoint-silence: "),
    (["--onnx", "onnx"], "--model: does not go with --onnx"),
    (["--vad", "pyannote"], "--vad: 'pyannote' is not one of silero, none"),
    (["-q", "-v"], "--quiet: does not go with --verbose"),
    (["--lm-weight", "1"], "--lm-weight: means nothing without --lm"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=lambda each: " ".join(each))
def test_what_would_be_dropped_is_refused(
    arguments: list[str], message: str, portaudio: PortAudio
) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"gigaam: {message}")


def test_raw_sound_that_nobody_pipes_in(terminal: None) -> None:
    result = run("--raw", "s16le")
    assert result.exit_code == 2
    assert result.stderr.startswith("gigaam: --raw: nothing is piped in: ffmpeg ")


@pytest.mark.parametrize(
    ("arguments", "data", "message"),
    [
        ([], b"", "the recording holds no samples"),
        (["--raw", "s16le"], b"", "the stream holds no samples"),
        ([], b"no sound" * 99, "cannot be decoded as audio: .*; PCM without a header needs --raw"),
        (["-o", "file/talk.txt"], b"", "file: "),
    ],
)
def test_what_fails_is_told(
    arguments: list[str],
    data: bytes,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("no folder")
    result = run(*arguments, sound=data)
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("gigaam: ")
    assert re.search(message, line)


def test_what_was_said_before_a_failure_is_kept(
    portaudio: PortAudio, expected: LongformTranscriptionResult, tmp_path: Path
) -> None:
    result = run("--microphone", "default", "-o", tmp_path / "talk.txt")
    assert (result.exit_code, result.stdout) == (1, f"{expected.text}\n")
    assert result.stderr.splitlines() == [
        "gigaam: listening to Built-in; Ctrl-C ends",
        "gigaam: the microphone 'Built-in' fails: unplugged",
    ]
    assert (tmp_path / "talk.txt").read_text(encoding="utf-8") == result.stdout


def test_what_was_said_before_an_error_of_the_model_is_kept(
    sound: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    final = Final(Segment("готово", 0.0, 1.0, None), "silence", (0.0, 1.0))
    monkeypatch.setattr(LiveSession, "push", lambda *_: [final])

    def fail(_: Any) -> Any:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(LiveSession, "finish", fail)
    result = run("-o", tmp_path / "talk.txt", sound=sound)
    assert result.exit_code == 1
    assert result.stderr == "gigaam: RuntimeError: out of memory\n"
    assert set((tmp_path / "talk.txt").read_text(encoding="utf-8").split()) == {"готово"}


def test_plain_is_the_microphone_if_nothing_is_piped_in(
    terminal: None, portaudio: PortAudio, expected: LongformTranscriptionResult
) -> None:
    result = run()
    assert result.stdout == f"{expected.text}\n"
    assert portaudio.asked["device"] == 0
    portaudio.default.device = (-1, 0)
    portaudio.devices = []
    result = run()
    assert result.exit_code == 1
    assert result.stderr == (
        "gigaam: there is no microphone on this machine; sound can be piped in as well\n"
    )


def test_microphones_are_listed(portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("--list-microphones")
    assert (result.exit_code, result.stdout) == (0, "0\tBuilt-in\t2\tdefault\n2\tHeadset\t2\n")
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    for option in (["--list-microphones"], ["--microphone", "default"]):
        result = run(*option)
        assert result.exit_code == 1
        assert 'need the extra "live"' in result.stderr


# The line that is rewritten


def shown(width: int, *events: Partial | Final) -> str:
    from rich.console import Console

    console = Console(width=width, force_terminal=True, record=True)
    line = PartialLine(console)
    for event in events:
        line.hear(event)
    with console.capture() as capture:
        line.show()
    return capture.get()


def test_a_partial_fits_into_the_line() -> None:
    erase = "\r\x1b[2K"
    partial = Partial("раз два три", "четыре", 0.0, 2.0, 0.4)
    assert shown(40, partial) == f"{erase}раз два три \x1b[2mчетыре\x1b[0m"
    assert shown(15, partial) == f"{erase}…а три \x1b[2mчетыре\x1b[0m"
    assert shown(8, partial) == f"{erase}…\x1b[2mетыре\x1b[0m"
    assert shown(40, Partial("", "раз", 0.0, 2.0, 0.4)) == f"{erase}\x1b[2mраз\x1b[0m"
    assert shown(40, Partial("", "", 0.0, 2.0, 0.4)) == erase
    final = Final(Segment("раз", 0.0, 1.0, None), "silence", (0.0, 1.0))
    assert shown(40, partial, final) == erase


def test_two_channels_share_the_line() -> None:
    both = [Partial("раз два три", "", 0.0, 2.0, 0.4, channel) for channel in (1, 0)]
    assert shown(60, *both) == "\r\x1b[2K[channel 0] раз два три [channel 1] раз два три"
    assert shown(41, *both) == "\r\x1b[2K[channel 0] …ва три [channel 1] …ва три"
    final = Final(Segment("раз", 0.0, 1.0, None, channel=0), "silence", (0.0, 1.0))
    assert shown(60, *both, final) == "\r\x1b[2K[channel 1] раз два три"
