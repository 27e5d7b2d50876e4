"""Speakers by the real sherpa-onnx, over small nets that tell tones apart."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gigaam.errors import ArgumentError, CheckpointError, MissingDependencyError
from gigaam.speakers import SpeakerCount, diarize
from gigaam.speakers.sherpa import SherpaDiarizer
from tests.speaker_nets import (
    HIGH_HZ,
    LOW_HZ,
    silence,
    voice,
    write_embedding,
    write_segmentation,
)

TWO = np.concatenate(
    [silence(1), voice(LOW_HZ, 5), silence(1), voice(HIGH_HZ, 6), silence(1), voice(LOW_HZ, 4)]
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    pytest.importorskip("sherpa_onnx")
    folder = tmp_path_factory.mktemp("sherpa")
    return (
        write_segmentation(folder / "segmentation.onnx", for_sherpa=True),
        write_embedding(folder / "embedding.onnx", for_sherpa=True),
    )


def test_turns_of_two_in_order_of_appearance(files: tuple[Path, Path]) -> None:
    turns = diarize((16_000, TWO), SherpaDiarizer(*files))
    assert [turn.speaker for turn in turns] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_00"]
    bounds = np.array([(turn.start, turn.end) for turn in turns])
    np.testing.assert_allclose(bounds, [(1, 6), (7, 13), (14, 18)], atol=0.1)


def test_blocks_give_what_the_whole_gives(files: tuple[Path, Path]) -> None:
    diarizer = SherpaDiarizer(*files)
    stream = diarizer.stream(SpeakerCount())
    buffer = np.empty(1600, np.float32)
    for start in range(0, len(TWO), 1600):
        buffer[:] = TWO[start : start + 1600]  # the same memory every time
        stream.feed(buffer)
    assert stream.finish() == diarize((16_000, TWO), diarizer)
    assert diarizer.stream(SpeakerCount()).finish() == []


def test_an_exact_number_is_taken_and_a_range_is_refused(
    files: tuple[Path, Path],
) -> None:
    diarizer = SherpaDiarizer(*files)
    one = diarizer.stream(SpeakerCount(1, 1))
    one.feed(TWO)
    assert {turn.speaker for turn in one.finish()} == {"SPEAKER_00"}
    with pytest.raises(ArgumentError, match="no range of speakers such as 2 to 4"):
        diarizer.stream(SpeakerCount(2, 4))
    some = diarizer.stream(SpeakerCount())
    some.feed(TWO)
    assert len({turn.speaker for turn in some.finish()}) == 2  # nothing is left of the first call


def test_threshold_decides_where_the_number_is_open(files: tuple[Path, Path]) -> None:
    turns = diarize((16_000, TWO), SherpaDiarizer(*files, threshold=1.99))
    assert {turn.speaker for turn in turns} == {"SPEAKER_00"}


def test_it_knows_nobody_by_voice(files: tuple[Path, Path]) -> None:
    with pytest.raises(ArgumentError, match="SherpaDiarizer knows nobody by voice"):
        diarize((16_000, TWO), SherpaDiarizer(*files), known_speakers={"Анна": (16_000, TWO)})


def test_files_that_would_end_the_process_are_refused(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    bare = write_segmentation(tmp_path / "bare.onnx")
    with pytest.raises(CheckpointError, match=r"bare\.onnx lacks the metadata .*num_speakers"):
        SherpaDiarizer(bare, files[1])
    with pytest.raises(CheckpointError, match=r"lacks the metadata .*embedding.*output_dim"):
        SherpaDiarizer(files[0], files[0])
    with pytest.raises(CheckpointError, match="none is no file"):
        SherpaDiarizer(files[0], tmp_path / "none")


@pytest.mark.parametrize("options", [{"threshold": 0.0}, {"threads": 0}, {"threads": 1.5}])
def test_values_that_make_no_sense(files: tuple[Path, Path], options: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(options))):
        SherpaDiarizer(*files, **options)  # type: ignore[arg-type]


def test_without_the_package() -> None:
    program = (
        "import sys; sys.modules['sherpa_onnx'] = None\n"
        "from gigaam.errors import MissingDependencyError\n"
        "from gigaam.speakers.sherpa import SherpaDiarizer\n"
        "try: SherpaDiarizer('a', 'b')\n"
        "except MissingDependencyError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "pip install sherpa-onnx" in done.stdout
    assert issubclass(MissingDependencyError, ImportError)
