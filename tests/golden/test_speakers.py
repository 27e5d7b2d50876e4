"""Two people talk, by the real nets: turns, words, channels, the command line."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

import gigaam
from gigaam.errors import ArgumentError, CheckpointError
from gigaam.speakers import LocalDiarizer, Turn, diarize, load
from gigaam.speakers.speech import SpeakerNets
from tests.waves import write_wav

RATE = 16_000


@pytest.fixture(scope="module", autouse=True)
def nets(speaker_nets: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIGAAM_SPEAKERS", str(speaker_nets))
        yield speaker_nets


@pytest.fixture(scope="module")
def people(example: Path) -> tuple[np.ndarray, np.ndarray]:
    """A man, and the same recording so much faster that it is somebody else."""
    man = gigaam.load_audio(example).numpy()
    return man, resample_poly(man, 20, 27).astype(np.float32)


def talk(people: tuple[np.ndarray, np.ndarray], n_turns: int) -> tuple[np.ndarray, list[Turn]]:
    """A conversation, with pauses of half a second, and who speaks when."""
    rng = np.random.default_rng(3)
    parts, turns, at = [rng.normal(0, 1e-4, RATE // 2)], [], 0.5
    for n in range(n_turns):
        said = people[n % 2]
        turns.append(Turn(at, at + len(said) / RATE, f"SPEAKER_{n % 2:02}"))
        parts += [said, rng.normal(0, 1e-4, RATE // 2)]
        at += len(said) / RATE + 0.5
    return np.concatenate(parts).astype(np.float32), turns


def agreement(found: list[Turn], wanted: list[Turn], seconds: float) -> float:
    """The share of time at which the same people speak; less than one, as the recordings of which
    conversations are made begin and end with silence."""
    grids = [np.zeros((2, round(seconds * 100)), bool) for _ in range(2)]
    for grid, turns in zip(grids, (found, wanted), strict=True):
        for turn in turns:
            grid[int(turn.speaker[-1]), round(turn.start * 100) : round(turn.end * 100)] = True
    return float((grids[0] == grids[1]).all(axis=0).mean())


@pytest.mark.parametrize("speakers", ["auto", 2, (1, 4)])
def test_turns(people: tuple[np.ndarray, np.ndarray], speakers: object) -> None:
    sound, turns = talk(people, 6)
    found = diarize(sound, speakers, input_rate=RATE)  # type: ignore[arg-type]
    assert {turn.speaker for turn in found} == {"SPEAKER_00", "SPEAKER_01"}
    assert agreement(found, turns, len(sound) / RATE) > 0.85


def test_a_few_seconds_of_each_are_enough(people: tuple[np.ndarray, np.ndarray]) -> None:
    sound, turns = talk(people, 2)
    found = diarize(sound, input_rate=RATE)
    assert agreement(found, turns, len(sound) / RATE) > 0.85


def test_the_pieces_in_which_sound_comes_change_nothing(
    people: tuple[np.ndarray, np.ndarray],
) -> None:
    sound, _ = talk(people, 5)
    diarizer = load()
    found = []
    for size in (len(sound), 480_000, 7_001):
        stream = diarizer.stream(gigaam.speakers.SpeakerCount())
        for first in range(0, len(sound), size):
            stream.feed(sound[first : first + size])
        found.append(stream.finish())
    assert found[0] == found[1] == found[2]


def test_words_have_speakers(
    packaged_model: gigaam.GigaAMASR, people: tuple[np.ndarray, np.ndarray]
) -> None:
    sound, turns = talk(people, 4)
    result = packaged_model.transcribe_longform(
        sound, word_timestamps=True, speakers=2, input_rate=RATE
    )
    words = [word for segment in result for word in segment.words or ()]
    right = [
        next(turn.speaker for turn in turns if word.start < turn.end + 0.25) == word.speaker
        for word in words
    ]
    assert len(words) > 30
    assert np.mean(right) >= 0.97
    for segment in result:
        assert {word.speaker for word in segment.words or ()} == {segment.speaker}
    plain = packaged_model.transcribe_longform(sound, speakers=2, input_rate=RATE)
    assert [segment.words for segment in plain] == [None] * len(plain)
    assert [(s.text, s.speaker) for s in plain] == [(s.text, s.speaker) for s in result]


def test_channels_have_speakers_of_their_own(
    packaged_model: gigaam.GigaAMASR, people: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    man, other = people
    quiet = np.zeros(RATE * 8, np.float32)
    left = np.concatenate([man, quiet[: len(other)]])
    right = np.concatenate([quiet[: len(man)], other])
    call = write_wav(tmp_path / "call.wav", left, right)
    found = list(packaged_model.iter_longform(call, channels="split", speakers=1))
    assert {(each.channel, each.speaker) for each in found} == {
        (0, "SPEAKER_00"),
        (1, "SPEAKER_01"),
    }


def test_what_is_no_conversation(people: tuple[np.ndarray, np.ndarray]) -> None:
    assert diarize(np.zeros(RATE * 20, np.float32), input_rate=RATE) == []
    assert diarize(np.zeros(100, np.float32), input_rate=RATE) == []
    alone = diarize(people[0], input_rate=RATE)
    assert {turn.speaker for turn in alone} == {"SPEAKER_00"}
    second = diarize(people[0][RATE : 2 * RATE], 3, input_rate=RATE)
    assert {turn.speaker for turn in second} == {"SPEAKER_00"}
    assert all(0 <= turn.start < turn.end <= 1.0 for turn in second)


def test_arguments_that_cannot_be(packaged_model: gigaam.GigaAMASR, example: Path) -> None:
    for speakers in (0, "two", (3, 2)):
        with pytest.raises(ArgumentError, match="speakers must be"):
            packaged_model.transcribe_longform(example, speakers=speakers)


def test_own_diarizers(packaged_model: gigaam.GigaAMASR, example: Path) -> None:
    class Halves:
        """Takes the first three seconds for one person, and the rest for another."""

        def stream(self, count: object) -> "Halves":
            return self

        def feed(self, samples: np.ndarray) -> None:
            assert samples.dtype == np.float32

        def finish(self) -> list[Turn]:
            return [Turn(0, 3, "Анна"), Turn(3, 8, "Пётр")]

    result = packaged_model.transcribe_longform(example, speakers=Halves())
    assert [segment.speaker for segment in result] == ["Анна", "Пётр"]


def test_nets_that_are_not_there(tmp_path: Path, speaker_nets: Path) -> None:
    with pytest.raises(CheckpointError, match="gigaam export speakers"):
        load(tmp_path)
    assert load(speaker_nets) is load(speaker_nets)
    assert isinstance(load().nets, SpeakerNets)
    assert isinstance(load(), LocalDiarizer)


def test_what_the_page_shows(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(example, "example.wav")
    page = (Path(__file__).parents[2] / "docs" / "speakers.md").read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, {})


def test_the_command(people: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    sound, _ = talk(people, 4)
    path = write_wav(tmp_path / "my talk.wav", sound)

    def gigaam_says(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gigaam", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    said = gigaam_says("diarize", str(path), "--speakers", "2")
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert {line.split()[7] for line in lines} == {"SPEAKER_00", "SPEAKER_01"}
    assert all(line.startswith("SPEAKER my_talk 1 ") for line in lines)
    missing = gigaam_says("diarize", "missing.wav", str(path), "-o", "out.rttm")
    assert missing.returncode == 1
    assert "missing.wav" in missing.stderr
    assert (tmp_path / "out.rttm").read_text().count("\n") >= 4
    wrong = gigaam_says("transcribe", str(path), "--speakers", "0-2")
    assert (wrong.returncode, "--speakers" in wrong.stderr) == (2, True)
    told = gigaam_says("transcribe", str(path), "--model", "tiny_ctc", "--speakers", "2", "--json")
    segments = json.loads(told.stdout)["segments"]
    assert {each["speaker"] for each in segments} == {"SPEAKER_00", "SPEAKER_01"}
