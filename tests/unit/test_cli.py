"""The command line: what goes to stdout, what to stderr, and the exit codes."""

import json
import os
import signal
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import gigaam
from gigaam import registry
from gigaam.cli import app
from tests.nets import random_asr

COMMAND = [sys.executable, "-m", "gigaam"]


def write_noise(path: Path, seconds: float, seed: int) -> Path:
    samples = np.random.default_rng(seed).normal(0, 3000, int(16_000 * seconds)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a random recogniser."""
    directory = tmp_path_factory.mktemp("model")
    random_asr("v3_ctc").save(directory)
    return directory


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    directory = tmp_path_factory.mktemp("recordings")
    names = ["один.wav", "two words.wav", "three.wav"]
    return [write_noise(directory / name, 1 + i, seed=i) for i, name in enumerate(names)]


@pytest.fixture(scope="module")
def texts(model: Path, recordings: list[Path]) -> list[str]:
    """What the library says about the recordings."""
    recogniser = gigaam.load_model(model, device="cpu")
    assert isinstance(recogniser, gigaam.GigaAMASR)
    texts = [str(text) for text in recogniser.transcribe(recordings)]
    assert len(set(texts)) == len(recordings)
    return texts


def test_version() -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"gigaam {gigaam.__version__}\n")


def test_one_recording_prints_its_text_alone(
    model: Path, recordings: list[Path], texts: list[str]
) -> None:
    result = run("transcribe", "--model", model, recordings[0])
    assert (result.exit_code, result.stdout, result.stderr) == (0, texts[0] + "\n", "")


def test_several_recordings_print_paths_and_texts_in_order(
    model: Path, recordings: list[Path], texts: list[str]
) -> None:
    result = run("transcribe", "--model", model, "--batch-size", 1, *recordings)
    expected = [f"{path}\t{text}" for path, text in zip(recordings, texts, strict=True)]
    assert (result.exit_code, result.stdout.splitlines()) == (0, expected)


def test_timestamps_print_a_line_per_word(
    model: Path, recordings: list[Path], texts: list[str]
) -> None:
    result = run("transcribe", "--model", model, "--timestamps", recordings[2])
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [word for _, _, word in rows] == texts[2].split()
    times = [(float(start), float(end)) for start, end, _ in rows]
    assert all(0 <= start < end <= 3 for start, end in times)
    assert times == sorted(times)

    both = run("transcribe", "--model", model, "--timestamps", *recordings[1:])
    last = both.stdout.splitlines()[-len(rows) :]
    assert last == ["\t".join([str(recordings[2]), *row]) for row in rows]


def test_json_prints_one_object_per_recording(
    model: Path, recordings: list[Path], texts: list[str]
) -> None:
    result = run("transcribe", "--model", model, "--json", *recordings)
    assert texts[0] in result.stdout  # letters, not escapes
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert [fields["path"] for fields in objects] == [str(path) for path in recordings]
    assert [fields["text"] for fields in objects] == texts
    assert all(0 < fields["confidence"] <= 1 and "words" not in fields for fields in objects)

    timed = run("transcribe", "--model", model, "--json", "--timestamps", recordings[1])
    words = json.loads(timed.stdout)["words"]
    assert [set(word) for word in words] == [{"text", "start", "end", "confidence"}] * len(words)
    assert [word["text"] for word in words] == texts[1].split()


def test_failed_recordings_do_not_stop_the_others(
    model: Path, recordings: list[Path], texts: list[str], tmp_path: Path
) -> None:
    (tmp_path / "text.wav").write_text("not a recording")
    (tmp_path / "empty.wav").touch()
    bad = [tmp_path / "missing.wav", tmp_path / "text.wav", tmp_path / "empty.wav"]
    result = run("transcribe", "--model", model, bad[0], recordings[0], *bad[1:], recordings[1])
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{recordings[0]}\t{texts[0]}",
        f"{recordings[1]}\t{texts[1]}",
    ]
    *reasons, summary = result.stderr.splitlines()
    assert summary == "gigaam: 3 of 5 recordings failed"
    assert [str(path) in reason for path, reason in zip(bad, reasons, strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["transcribe"], "FILE"),
        (["transcribe", "--batch-size", "0", "a.wav"], "batch-size"),
        (["transcribe", "--model", "v3_ctcc", "a.wav"], "Did you mean v3_ctc"),
        (["transcribe", "--model", "emo", "a.wav"], "does not recognise speech"),
        (["transcribe", "--model", "v3_ssl", "a.wav"], "does not recognise speech"),
        (["download", "tiny_ctc", "nothing"], "'nothing' is neither"),
        (["listen"], "listen"),
        (["transcribe", "--format", "srt,vtt", "a.wav"], "--output-dir"),
        (["transcribe", "--format", "doc", "a.wav"], "'doc' is not one of txt, srt"),
        (["transcribe", "--format", "srt", "--json", "a.wav"], "--json"),
        (["transcribe", "--json", "--output-dir", "out", "a.wav"], "--format json"),
        (["transcribe", "nothing/*.wav"], "no file matches"),
    ],
)
def test_wrong_command_line_exits_with_2(arguments: list[str], complaint: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in " ".join(result.stderr.split())


def test_model_that_cannot_be_had_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIGAAM_OFFLINE", "1")
    monkeypatch.setenv("GIGAAM_CACHE", str(tmp_path))
    result = run("transcribe", "--model", "v3_rnnt", "a.wav")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "GIGAAM_OFFLINE" in result.stderr


def test_models_lists_the_registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIGAAM_CACHE", str(tmp_path))
    (tmp_path / "v3_ssl.ckpt").touch()
    header, *rows = run("models").stdout.splitlines()
    assert header.split() == ["NAME", "ALIAS", "LINE", "TASK", "PARAMETERS", "SIZE", "CACHED"]
    assert [row.split()[0] for row in rows] == list(registry.MODELS)
    (row,) = (row for row in rows if row.startswith("v2_rnnt"))
    assert row.split() == ["v2_rnnt", "rnnt", "v2", "rnnt", "233.8M", "935", "MB", "no"]

    lines = run("models", "--json").stdout.splitlines()
    models = {fields["name"]: fields for fields in map(json.loads, lines)}
    assert list(models) == list(registry.MODELS)
    assert models["v3_ssl"]["path"] == str(tmp_path / "v3_ssl.ckpt")
    published = [fields for fields in models.values() if fields["line"] != "packaged"]
    assert [fields["name"] for fields in published if fields["cached"]] == ["v3_ssl"]
    assert models["emo"]["aliases"] == ["v1_emo"]


def test_download_prints_paths_and_goes_on_after_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIGAAM_OFFLINE", "1")
    monkeypatch.setenv("GIGAAM_CACHE", str(tmp_path))
    result = run("download", "v3_ssl", "tiny_ctc")
    assert result.exit_code == 1
    assert result.stdout == f"{registry.MODELS['tiny_ctc'].directory}\n"
    assert result.stderr.startswith("gigaam: v3_ssl: ")


def test_example_prints_the_path_of_the_packaged_recording(example: Path) -> None:
    assert run("example").stdout == f"{example}\n"
    assert example.is_file()


def test_process_writes_utf8_in_any_locale(
    model: Path, recordings: list[Path], texts: list[str]
) -> None:
    environment = os.environ | {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    done = subprocess.run(
        [*COMMAND, "transcribe", "--model", model, recordings[0], "missing.wav"],
        capture_output=True,
        env=environment,
    )
    assert done.returncode == 1
    assert done.stdout.decode("utf-8") == f"{recordings[0]}\t{texts[0]}\n"
    assert len(done.stderr.splitlines()) == 2
    assert b"missing.wav" in done.stderr


def test_reader_that_goes_away_is_no_error_message() -> None:
    with subprocess.Popen(
        [*COMMAND, "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode != 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals another way")
def test_interrupt_ends_quietly_after_the_results_so_far(
    model: Path, recordings: list[Path], texts: list[str]
) -> None:
    many = [str(recordings[0])] * 3000
    arguments = [*COMMAND, "transcribe", "--model", str(model), "--batch-size", "2", *many]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
    assert process.returncode == 130
    assert first == f"{recordings[0]}\t{texts[0]}\n"
    assert len(rest.splitlines()) < len(many) - 1
    assert errors.strip() == ""
