"""The command line: what goes to stdout, what to stderr, and the exit codes."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import gigaam
import gigaam.onnx
from gigaam.cli import app
from gigaam.store import registry
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
        (["transcribe", "https://there.is/a.mp3"], "https://there.is/a.mp3 is not fetched"),
        (["transcribe", "--format", "", "a.wav"], "--format"),
        *(
            (["transcribe", "--format", name, "a.wav", "b.wav"], "--format")
            for name in ("srt", "vtt", "json", "tsv")
        ),
        (["transcribe", "--skip-existing", "a.wav"], "--skip-existing"),
        (["transcribe", "--model", "tiny_ctc", "--onnx", "onnx", "a.wav"], "--model"),
        (["transcribe", "--onnx", "nowhere", "a.wav"], "there is no directory nowhere"),
        (["transcribe", "--json", "--format", "srt", "--output-dir", "o", "a.wav"], "--json"),
        (["transcribe", "--timestamps", "--output-dir", "o", "a.wav"], "--word-timestamps"),
        (["transcribe", "--timestamps", "--format", "srt", "a.wav"], "--word-timestamps"),
        (["transcribe", "-o", "a.txt", "--output-dir", "o", "a.wav"], "--output"),
        (["transcribe", "-o", "a.txt", "a.wav", "b.wav"], "--output"),
        (["transcribe", "-o", "a.doc", "a.wav"], "--output"),
        (["transcribe", "-o", "a.srt", "--format", "srt,vtt", "a.wav"], "--format"),
        (["transcribe", "-o", "a.txt", "a.txt"], "is the recording itself"),
        (["transcribe", "-o", "a.json", "--json", "a.wav"], "--json"),
        (["transcribe", "--output-dir", __file__, "a.wav"], "--output-dir"),
        (["transcribe", "--quiet", "--verbose", "a.wav"], "--quiet"),
        (["transcribe", "--inflect", "a.wav"], "--inflect: means nothing without --hotword"),
        (["transcribe", "--hotword-weight", "2", "a.wav"], "--hotword-weight"),
        (["transcribe", "--hotword", " ", "--hotword-weight", "2", "a.wav"], "--hotword"),
        (["transcribe", "--hotword", "а", "--hotword-weight", "nan", "a.wav"], "--hotword-weight"),
        (["transcribe", "--hotwords", "nowhere.txt", "a.wav"], "--hotwords: there is no file"),
        (["transcribe", "--hotword", "а" * 300, "a.wav"], "--hotword: a hotword has at most"),
        (["transcribe", "--beam-size", "0", "a.wav"], "--beam-size"),
        (["eval", "--hotwords", "nowhere.txt", "tiny_ctc", "a.tsv"], "--hotwords"),
        (["export", "v3_ctcc", "onnx"], "Did you mean v3_ctc"),
        (["export", "tiny_ctc", __file__], "is a file"),
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
    recording = write_noise(tmp_path / "a.wav", 1, seed=0)
    for arguments in (["transcribe", recording], ["export", "v3_ctc", tmp_path / "onnx"]):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "GIGAAM_OFFLINE" in result.stderr
        assert "tiny_ctc and tiny_rnnt need no download" in result.stderr
    assert "v3_rnnt" in run("transcribe", recording).stderr  # where none is named


def test_missing_recordings_are_noticed_before_a_model_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIGAAM_OFFLINE", "1")
    monkeypatch.setenv("GIGAAM_CACHE", str(tmp_path))
    result = run("transcribe", "one.wav", "two.wav")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "gigaam: one.wav: there is no such file",
        "gigaam: two.wav: there is no such file",
        "gigaam: 2 of 2 recordings failed",
    ]


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


def test_one_file_in_the_format_of_its_extension(
    model: Path, recordings: list[Path], texts: list[str], tmp_path: Path
) -> None:
    for name, more in (("new/a.json", []), ("b.bak", ["--format", "json"])):
        result = run("transcribe", "--model", model, "-o", tmp_path / name, *more, recordings[0])
        assert (result.exit_code, result.stdout) == (0, "")
        content = json.loads((tmp_path / name).read_text(encoding="utf-8"))
        assert content["text"] == texts[0]
    again = run(
        *("transcribe", "--model", model, "-o", tmp_path / "b.bak", "--format", "json"),
        *("--skip-existing", recordings[0]),
    )
    assert "nothing to do" in again.stderr


def test_quiet_says_only_what_failed_and_verbose_where_it_ran(
    model: Path, recordings: list[Path], tmp_path: Path
) -> None:
    whole = recordings[2].read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])  # a warning
    command = ["transcribe", "--model", model, "--device", "cpu"]
    files = ["--output-dir", tmp_path / "out", tmp_path / "cut.wav"]
    result = run(*command, "--quiet", *files)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    (tmp_path / "text.wav").write_text("not a recording")
    failed = run(*command, "-q", tmp_path / "text.wav")
    assert failed.exit_code == 1
    assert len(failed.stderr.splitlines()) == 1
    told = run(*command, "-v", recordings[0], tmp_path / "text.wav")
    assert f"{model} computes on cpu" in told.stderr
    assert "Traceback" in told.stderr


@pytest.mark.parametrize("device", ["nonsense", "cuda", "cuda:0", "cpu:1", ""])
def test_exported_models_compute_where_they_are_told_or_not_at_all(
    device: str, exported_model: Path, example: Path, tmp_path: Path
) -> None:
    manifest = tmp_path / "m.tsv"
    manifest.write_text(f"path\tduration\ttranscription\n{example}\t5\tда\n", encoding="utf-8")
    for arguments in (["transcribe", example], ["eval", manifest]):
        refused = run(*arguments, "--onnx", exported_model, "--device", device)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert "--device" in refused.stderr
        assert "ONNX Runtime has cpu here" in refused.stderr
    with pytest.raises(gigaam.ArgumentError, match="ONNX Runtime has cpu here"):
        gigaam.onnx.load(exported_model, device=device)


def test_exported_models_compute_on_the_cpu_by_name(exported_model: Path, example: Path) -> None:
    assert run("transcribe", "--onnx", exported_model, "--device", "cpu", example).exit_code == 0
    assert gigaam.onnx.load(exported_model, device="cpu").device == "cpu"
    with pytest.raises(gigaam.ArgumentError, match="give one"):
        gigaam.onnx.load(exported_model, device="cpu", providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    "arguments", [[], ["transcribe"], ["eval"], ["train"], ["export"], ["download"], ["models"]]
)
def test_h_is_help(arguments: list[str]) -> None:
    result = run(*arguments, "-h")
    assert result.exit_code == 0
    assert result.stdout == run(*arguments, "--help").stdout
    assert result.stdout.startswith("Usage: ")


@pytest.mark.parametrize(
    ("shell", "variables"),
    [
        ("bash", {"COMP_WORDS": "gigaam transcribe --model tiny", "COMP_CWORD": "3"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "gigaam transcribe --model tiny"}),
        (
            "fish",
            {
                "_TYPER_COMPLETE_ARGS": "gigaam transcribe --model tiny",
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            },
        ),
    ],
)
def test_shells_complete_models(shell: str, variables: dict[str, str]) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.argv[0] = 'gigaam'; from gigaam.cli import main; main()",
        ],
        env=os.environ | variables | {"_GIGAAM_COMPLETE": f"complete_{shell}"},
        capture_output=True,
        text=True,
    )
    assert set(re.findall(r"tiny_\w+", done.stdout)) == {"tiny_ctc", "tiny_rnnt"}


@pytest.mark.skipif(sys.platform == "win32", reason="shells another way")
@pytest.mark.parametrize("closed", ["2>&-", "2>&- <&-"])
def test_closed_streams_are_no_matter(
    closed: str, model: Path, recordings: list[Path], texts: list[str], tmp_path: Path
) -> None:
    command = [*COMMAND, "transcribe", "--model", model, "-o", tmp_path / "a.txt", recordings[0]]
    done = in_shell(command, closed)
    assert (done.returncode, done.stdout) == (0, b"")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == f"{texts[0].strip()}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="shells another way")
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&- <&-"])
def test_results_that_cannot_be_printed_are_a_failure(
    closed: str, model: Path, recordings: list[Path], tmp_path: Path
) -> None:
    done = in_shell([*COMMAND, "transcribe", "--model", model, recordings[0]], closed)
    assert done.returncode == 1
    if "2>&-" not in closed:
        assert done.stderr == b"gigaam: cannot write to the standard output: Bad file descriptor\n"
    listed = in_shell([*COMMAND, "models"], closed)
    assert (listed.returncode, listed.stderr) == (1, done.stderr)
    written = in_shell(
        [*COMMAND, "transcribe", "--model", model, "-o", tmp_path / "a.txt", recordings[0]], closed
    )
    assert written.returncode == 0
    assert (tmp_path / "a.txt").stat().st_size > 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk to be had")
def test_a_full_disk_ends_the_run(model: Path, recordings: list[Path]) -> None:
    done = in_shell([*COMMAND, "transcribe", "--model", model, *recordings], ">/dev/full")
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert b"No space left" in done.stderr


def in_shell(command: list[object], redirections: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a command as a shell does that was told so."""
    words = shlex.join(str(word) for word in command)
    return subprocess.run(["sh", "-c", f"{words} {redirections}"], capture_output=True)


def test_waiting_threads_leave_the_cores_alone_unless_the_user_says_otherwise() -> None:
    program = (
        "import os; from gigaam.cli import main\n"
        "try: main()\n"
        "finally: print(os.environ.get('OMP_WAIT_POLICY'))"
    )
    unset = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    for more, expected in (
        ({}, "passive"),
        ({"OMP_WAIT_POLICY": "active"}, "active"),
        ({"GOMP_SPINCOUNT": "1000"}, "None"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, "--version"], env=unset | more, capture_output=True
        )
        assert done.stdout.split()[-1].decode() == expected


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
