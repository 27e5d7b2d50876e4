"""``gigaam bulk export`` and ``gigaam bulk report`` on the command line."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from gigaam.cli.bulk_results import export_results, report_results
from gigaam.cli.command_group import Command, CommandGroup
from gigaam.types import Segment
from tests.bulk_runs import failed_row, make_run, spoken_row

app = typer.Typer(cls=CommandGroup, rich_markup_mode=None, pretty_exceptions_enable=False)
app.command("export", cls=Command)(export_results)
app.command("report", cls=Command)(report_results)

SHARDS = [[spoken_row("a.wav"), failed_row("b.wav")], [spoken_row("c.wav")]]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run in "out", where the commands run; its last shard is not done."""
    monkeypatch.chdir(tmp_path)
    make_run("out", SHARDS, left=[1])
    return tmp_path / "out"


def test_export(out: Path) -> None:
    result = run("export", "out", "--format", "TXT, srt", "--output-dir", "texts")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines() == [
        "gigaam: texts: 2 files of 1 recording",
        "gigaam: 1 recording failed in the run, without files here: gigaam bulk report out tells "
        "why",
        "gigaam: the run is not finished: left are 1 recording of 1 shard",
    ]
    assert sorted(os.listdir(out.parent / "texts")) == ["a.srt", "a.txt"]


def test_quiet_export(out: Path) -> None:
    result = run("export", "out", "--output-dir", "texts", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert os.listdir(out.parent / "texts") == ["a.txt"]


def test_export_of_what_a_format_cannot_hold(tmp_path: Path) -> None:
    segment = Segment("раз", float("nan"), 1.0, [])
    odd = [replace(spoken_row(f"{n}.wav"), segments=(segment,)) for n in range(12)]
    make_run(tmp_path / "out", [[*odd, spoken_row("a.wav")]])
    result = run("export", tmp_path / "out", "--format", "json", "--output-dir", tmp_path / "x")
    assert result.exit_code == 1
    told = result.stderr.splitlines()
    assert told[0].endswith(": 1 file of 1 recording")
    assert told[1].startswith("gigaam: 0.wav: JSON cannot hold the result")
    assert told[-1] == "gigaam: 2 more could not be written"
    assert len(told) == 12


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["export", "out"], 2, "missing option --output-dir"),
        (
            ["export", "out", "--output-dir", "x", "--format", "doc"],
            2,
            "--format: 'doc' is not one",
        ),
        (["export", "out", "--output-dir", "out/x"], 2, "--output-dir: out/x is in the directory"),
        (
            ["export", "out", "--output-dir", "no://x"],
            2,
            "--output-dir: no://x: Protocol not known",
        ),
        (["export", "no://x", "--output-dir", "x"], 2, "OUT: no://x: Protocol not known"),
        (["export", "none", "--output-dir", "x"], 1, "none holds no bulk run"),
        (["export", "out", "--output-dir", "file"], 1, "file"),
        (["report", "none"], 1, "none holds no bulk run"),
        (["report", "no://x"], 2, "OUT: no://x: Protocol not known"),
        (["report", "out", "--json", "--html", "x"], 2, "--html: does not go with --json"),
        (["report", "out", "--lowest", "-1"], 2, "--lowest"),
        (["report", "out", "--html", "file/x.html"], 1, "file"),
    ],
)
def test_what_cannot_be_done(arguments: list[str], code: int, told: str, out: Path) -> None:
    (out.parent / "file").write_bytes(b"")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert all(line.startswith(("gigaam: ", "Try '")) for line in result.stderr.splitlines())
    assert told in result.stderr


def test_report(out: Path) -> None:
    result = run("report", "out", "--lowest", "0")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "Bulk run out"
    assert "Not finished: 1 of 2 shards are missing, with 1 recording." in lines
    assert "lowest" not in result.stdout


def test_report_as_json(out: Path) -> None:
    make_run("odd", [[spoken_row("\udcff.wav")]])
    result = run("report", "odd", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    plain = json.loads(result.stdout)
    assert (plain["n_planned"], plain["lowest"][0]["id"]) == (1, "\udcff.wav")


def test_report_as_page(out: Path) -> None:
    result = run("report", "out", "--html", "pages/run.html")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    page = (out.parent / "pages/run.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "Not finished" in page


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_report_that_cannot_be_printed(out: Path) -> None:
    code = "from tests.unit.cli.test_bulk_results import app; app()"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code, "report", "out"],
            cwd=out.parent,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr == "gigaam: cannot write to the standard output: No space left on device\n"
