"""inference_example.ipynb runs from top to bottom without a network, and was saved after it had."""

import base64
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

import gigaam
from scripts import run_notebook

pytestmark = pytest.mark.timeout(900)

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def committed() -> Any:
    """The notebook as it is in the repository."""
    return run_notebook.read()


@pytest.fixture(scope="module")
def executed(committed: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook after a run of its own."""
    before = run_notebook.NOTEBOOK.read_bytes()
    notebook = run_notebook.executed(committed, tmp_path_factory.mktemp("notebook"))
    assert run_notebook.NOTEBOOK.read_bytes() == before
    return notebook


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


def heard(notebook: Any) -> str:
    """What it prints as the text of the packaged recording."""
    (line,) = re.findall(r"^heard: (.+)$", printed(notebook), flags=re.MULTILINE)
    return line


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


@pytest.mark.parametrize("which", ["committed", "executed"])
def test_pictures(which: str, request: pytest.FixtureRequest) -> None:
    found = pictures(request.getfixturevalue(which))
    assert len(found) == 6
    assert all(picture.startswith(PNG) and len(picture) > 8_000 for picture in found)


@pytest.mark.parametrize("which", ["committed", "executed"])
def test_words_of_the_recording(
    which: str,
    request: pytest.FixtureRequest,
    packaged_model: gigaam.GigaAMASR,
    example: Path,
    example_text: str,
) -> None:
    """A text that is not what the model hears now was saved with another one: run it again."""
    notebook = request.getfixturevalue(which)
    result = packaged_model.transcribe(example, word_timestamps=True)
    again = "python -m scripts.run_notebook"
    assert heard(notebook) == result, again
    assert f"said:  {example_text}" in printed(notebook)
    rows = re.findall(
        r"^ *(\d+\.\d\d) – +(\d+\.\d\d) s +(\d\.\d\d) +(\S+)$", printed(notebook), re.MULTILINE
    )
    assert [row[3] for row in rows] == [word.text for word in result.words or ()]
    for row, word in zip(rows, result.words or (), strict=True):
        found = [float(number) for number in row[:3]]
        assert found == pytest.approx([word.start, word.end, word.confidence], abs=0.05)


@pytest.mark.parametrize("which", ["committed", "executed"])
def test_segments_of_the_talk(which: str, request: pytest.FixtureRequest) -> None:
    text = printed(request.getfixturevalue(which))
    (length,) = re.findall(r"^(\d+) s$", text, flags=re.MULTILINE)
    segments = re.findall(
        r"^(\d\d):(\d\d):(\d\d) – (\d\d):(\d\d):(\d\d)  (.+)$", text, flags=re.MULTILINE
    )
    times = [
        60 * int(minutes) + int(seconds) + int(hundredths) / 100
        for *clock, _ in segments
        for minutes, seconds, hundredths in (clock[:3], clock[3:])
    ]
    assert len(segments) >= 4
    assert times == sorted(times)
    assert times[-1] <= int(length) + 1
    assert min(len(segment[-1].split()) for segment in segments) >= 4


@pytest.mark.parametrize("which", ["committed", "executed"])
def test_subtitles(which: str, request: pytest.FixtureRequest) -> None:
    text = printed(request.getfixturevalue(which))
    cues = re.findall(r"^(\d)\n\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}\n.+", text, re.M)
    assert cues == ["1", "2", "3"]


@pytest.mark.parametrize("which", ["committed", "executed"])
def test_exports_hear_the_same(which: str, request: pytest.FixtureRequest) -> None:
    text = printed(request.getfixturevalue(which))
    exports = re.findall(r"^(\w+) +([\d.]+) MB   the same text: (\w+)$", text, flags=re.MULTILINE)
    sizes = {dtype: float(size) for dtype, size, _ in exports}
    assert dict((dtype, same) for dtype, _, same in exports)["float32"] == "True"
    assert sizes["int8"] < sizes["float32"] / 2
    (difference,) = re.findall(r"log-probability, float32: (\S+)$", text, flags=re.MULTILINE)
    assert float(difference) < 1e-3


def test_run_prints_what_the_committed_one_does(committed: Any, executed: Any) -> None:
    """The same kinds of output from the same cells."""
    kinds = [
        [[output.output_type for output in cell.outputs] for cell in code_cells(notebook)]
        for notebook in (committed, executed)
    ]
    assert kinds[0] == kinds[1]
