"""People who are known by voice; small nets tell tones apart, as the real ones do with voices."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gigaam.errors import ArgumentError
from gigaam.speakers import LocalDiarizer, diarize, load
from gigaam.speakers.enrolment import recognised
from tests.speaker_nets import (
    HIGH_HZ,
    LOW_HZ,
    MIDDLE_HZ,
    silence,
    voice,
    write_nets,
)
from tests.waves import write_wav

RATE = 16_000
LOW, HIGH = (RATE, voice(LOW_HZ, 4)), (RATE, voice(HIGH_HZ, 4))
TWO = np.concatenate(
    [silence(1), voice(LOW_HZ, 5), silence(1), voice(HIGH_HZ, 6), silence(1), voice(LOW_HZ, 4)]
)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> LocalDiarizer:
    folder = tmp_path_factory.mktemp("nets")
    write_nets(folder)
    return load(folder)


def names(local: LocalDiarizer, known: Mapping[str, Any] | None) -> list[str]:
    return [turn.speaker for turn in diarize((RATE, TWO), local, known_speakers=known)]


def test_turns_bear_the_names_of_those_who_are_known(local: LocalDiarizer) -> None:
    assert names(local, None) == names(local, {}) == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_00"]
    assert names(local, {"Анна": LOW}) == ["Анна", "SPEAKER_00", "Анна"]
    assert names(local, {"Анна": HIGH, "Борис": LOW}) == ["Борис", "Анна", "Борис"]
    assert names(local, {"Вера": (RATE, voice(MIDDLE_HZ, 4))}) == names(local, None)


def test_times_are_the_same_with_names_and_without(local: LocalDiarizer) -> None:
    plain, named = diarize((RATE, TWO), local), diarize((RATE, TWO), local.knowing({"Анна": LOW}))
    assert [(turn.start, turn.end) for turn in plain] == [(turn.start, turn.end) for turn in named]


def test_recordings_may_be_files(local: LocalDiarizer, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "anna.wav", voice(LOW_HZ, 4))
    assert names(local, {"Анна": path}) == names(local, {"Анна": path.read_bytes()})
    assert names(local, {"Анна": str(path)})[0] == "Анна"


def test_people_keep_their_names_in_every_channel(local: LocalDiarizer) -> None:
    call = (RATE, np.stack([TWO, TWO]))
    turns = diarize(call, local, channels="split", known_speakers={"Анна": LOW})
    left, right = ([turn.speaker for turn in turns if turn.channel == each] for each in (0, 1))
    assert left == ["Анна", "SPEAKER_00", "Анна"]
    assert right == ["Анна", "SPEAKER_01", "Анна"]


def test_each_name_is_given_once_and_for_the_best_sum() -> None:
    def unit(*angles: float) -> NDArray[np.float32]:
        radians = np.radians(angles)
        return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)

    known = dict(zip("АБ", unit(0, 90), strict=True))
    assert recognised(unit(0, 20), known) == ["А", None]  # the other is 70° away from Б
    assert recognised(unit(40, 10), known) == ["Б", "А"]  # who is nearest to А is not alone so
    assert recognised(unit(180, 135), known) == [None, "Б"]
    assert recognised(np.zeros((1, 2), np.float32), known) == [None]  # too short to tell
    assert recognised(unit(0), {}) == [None]


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({"Анна": (RATE, voice(LOW_HZ, 1.5))}, r"'Анна' holds 1\.\d s of speech; at least 2 s"),
        ({"Анна": (RATE, silence(5))}, r"'Анна' holds 0\.0 s of speech"),
        ({"Анна": (RATE, TWO)}, "somebody else speaks in the recording of .* 'Анна'"),
        ({"Анна": LOW, "Ольга": LOW}, "'Анна' and 'Ольга' have the same voice"),
        ({"Анна": "no_such.wav"}, r"'Анна' cannot be used: .*no_such\.wav"),
        ({"Анна": b"no sound"}, "'Анна' cannot be used"),
        ({"Анна": voice(LOW_HZ, 4)}, "'Анна' cannot be used: .*rate"),
        ({" ": LOW}, "must be a text, not ' '"),
        ({7: LOW}, "must be a text, not 7"),
        ({"SPEAKER_01": LOW}, "cannot be called 'SPEAKER_01'"),
    ],
)
def test_recordings_that_tell_nothing_are_refused(
    local: LocalDiarizer, known: Mapping[str, Any], told: str
) -> None:
    with pytest.raises(ArgumentError, match=told):
        diarize((RATE, TWO), local, known_speakers=known)


def test_the_local_diarizer_is_what_known_speakers_go_with(
    local: LocalDiarizer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_nets(tmp_path)
    monkeypatch.setenv("GIGAAM_SPEAKERS", str(tmp_path))
    turns = diarize((RATE, TWO), 2, known_speakers={"Анна": LOW})
    assert [turn.speaker for turn in turns] == ["Анна", "SPEAKER_00", "Анна"]


def test_threads_share_a_diarizer(local: LocalDiarizer) -> None:
    knowing = local.knowing({"Анна": LOW})
    expected = diarize((RATE, TWO), knowing)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: diarize((RATE, TWO), knowing), range(3)))
    assert found == [expected] * 3
