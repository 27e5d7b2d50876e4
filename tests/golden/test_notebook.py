"""inference_example.ipynb runs from top to bottom without a network, and was saved after it had."""

import base64
import re
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
import pytest

import gigaam
from scripts import run_notebook

ASSETS = run_notebook.ROOT / "gigaam" / "assets"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def committed() -> Any:
    """The notebook as it is in the repository."""
    return run_notebook.read()


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(notebook: Any) -> str:
    """Everything the cells print, in order."""
    outputs = (output for cell in code_cells(notebook) for output in cell.outputs)
    return "".join(output.text for output in outputs if output.output_type == "stream")


def pictures(notebook: Any) -> list[bytes]:
    """The pictures, in order."""
    outputs = (output for cell in code_cells(notebook) for output in cell.outputs)
    found = (output.get("data", {}).get("image/png") for output in outputs)
    return [base64.b64decode(data) for data in found if data]


def test_committed_notebook_was_run_in_order(committed: Any) -> None:
    counts = [cell.execution_count for cell in code_cells(committed)]
    assert counts == list(range(1, len(counts) + 1))
    assert len(counts) >= 10


def test_committed_outputs_are_clean(committed: Any) -> None:
    outputs = [output for cell in code_cells(committed) for output in cell.outputs]
    assert {output.output_type for output in outputs} == {"stream", "display_data"}
    assert {output.name for output in outputs if output.output_type == "stream"} == {"stdout"}


def test_committed_file_is_small_and_says_nothing_of_its_machine(committed: Any) -> None:
    assert run_notebook.NOTEBOOK.stat().st_size < 1_000_000
    assert {str(cell.metadata) for cell in committed.cells} == {"{}"}
    assert set(committed.metadata) == {"kernelspec", "language_info"}
    assert set(committed.metadata.language_info) == {"name"}
    nbformat.validate(committed)


def check_pictures(notebook: Any) -> None:
    found = pictures(notebook)
    assert len(found) == 7
    assert all(picture.startswith(PNG) and len(picture) > 8_000 for picture in found)


def check_words(notebook: Any) -> None:
    """A text that is not what the model hears now was saved with another one."""
    model = gigaam.load_model("tiny_ctc", device="cpu")
    assert isinstance(model, gigaam.GigaAMASR)
    result = model.transcribe(ASSETS / "example.wav", word_timestamps=True)
    text = printed(notebook)
    (heard,) = re.findall(r"^heard: (.+)$", text, flags=re.MULTILINE)
    assert heard == result, "run it again: python -m scripts.run_notebook"
    said = (ASSETS / "example.txt").read_text(encoding="utf-8").strip()
    assert f"said:  {said}\n" in text
    rows = re.findall(r"^ *(\d+\.\d\d) – +(\d+\.\d\d) s +(\d\.\d\d) +(\S+)$", text, re.M)
    for row, word in zip(rows, result.words or (), strict=True):
        assert row[3] == word.text
        found = [float(number) for number in row[:3]]
        assert found == pytest.approx([word.start, word.end, word.confidence], abs=0.05)


def check_segments(notebook: Any) -> None:
    text = printed(notebook)
    (length,) = re.findall(r"^(\d+) s$", text, flags=re.MULTILINE)
    segments = re.findall(r"^(\d+):(\d\d\.\d) – (\d+):(\d\d\.\d)  (.+)$", text, re.M)
    times = [
        60 * int(minutes) + float(seconds)
        for *clock, _ in segments
        for minutes, seconds in (clock[:2], clock[2:])
    ]
    assert len(segments) >= 4
    assert times == sorted(times)
    assert times[-1] <= int(length) + 1
    assert min(len(segment[-1].split()) for segment in segments) >= 4


def check_subtitles(notebook: Any) -> None:
    cue = r"^(\d)\n\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}\n.+"
    assert re.findall(cue, printed(notebook), flags=re.MULTILINE) == ["1", "2", "3"]


def check_exports(notebook: Any) -> None:
    text = printed(notebook)
    exports = re.findall(r"^(\w+) +([\d.]+) MB   the same text: (\w+)$", text, flags=re.MULTILINE)
    megabytes = {dtype: float(size) for dtype, size, _ in exports}
    same = {dtype: answer for dtype, _, answer in exports}
    assert same["float32"] == "True"
    assert megabytes["int8"] < megabytes["float32"] / 2
    (difference,) = re.findall(r"log-probability, float32: (\S+)$", text, flags=re.MULTILINE)
    assert float(difference) < 1e-3


def check_speakers(notebook: Any) -> None:
    turns = re.findall(r"^(SPEAKER_\d\d): (.+)$", printed(notebook), flags=re.MULTILINE)
    spoken = [
        (who, [text for _, text in said]) for who, said in groupby(turns, lambda turn: turn[0])
    ]
    assert [who for who, _ in spoken] == ["SPEAKER_00", "SPEAKER_01"] * 2
    assert all(8 <= len(" ".join(texts).split()) <= 14 for _, texts in spoken)


CHECKS = [
    check_pictures,
    check_words,
    check_segments,
    check_subtitles,
    check_speakers,
    check_exports,
]


@pytest.mark.parametrize("check", CHECKS)
def test_committed_outputs(committed: Any, check: Callable[[Any], None]) -> None:
    check(committed)


@pytest.mark.timeout(900)  # on busy cores
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Jupyter's packages
def test_runs_from_top_to_bottom(
    committed: Any, tmp_path: Path, speaker_nets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives outputs that pass the same checks, and leaves the committed file alone."""
    monkeypatch.setenv("GIGAAM_SPEAKERS", str(speaker_nets))
    before = run_notebook.NOTEBOOK.read_bytes()
    notebook = run_notebook.executed(committed, tmp_path)
    assert run_notebook.NOTEBOOK.read_bytes() == before
    for check in CHECKS:
        check(notebook)
    assert kinds(notebook) == kinds(committed)


def kinds(notebook: Any) -> list[list[str]]:
    """What kinds of output each cell has."""
    return [[output.output_type for output in cell.outputs] for cell in code_cells(notebook)]
