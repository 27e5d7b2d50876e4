"""The parts of the tiny recipe that make many speakers, as far as they need no voice."""

import random
import shutil
import struct
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recipes.tiny import codecs, prepare, rhvoice, stress, warped
from recipes.tiny.codecs import Codec
from recipes.tiny.manifest import SplitWriter, read_rows
from recipes.tiny.rhvoice import Job, Speaker
from recipes.tiny.sentences import HeldOutTexts, Line

needs_sox = pytest.mark.skipif(shutil.which("sox") is None, reason="needs sox")


def tone(seconds: float, hertz: float = 440.0, rate: int = 16_000) -> NDArray[np.int16]:
    t = np.arange(round(seconds * rate)) / rate
    return (8000 * np.sin(2 * np.pi * hertz * t)).astype(np.int16)


def pitch(pcm: NDArray[np.int16]) -> float:
    """The strongest frequency, in Hz at 16 kHz."""
    windowed = pcm * np.hanning(len(pcm))
    return float(np.argmax(np.abs(np.fft.rfft(windowed))) * 16_000 / len(pcm))


class TestStress:
    @pytest.mark.parametrize(
        ("marked", "with_acutes"),
        [
            ("З+амок н+а гор+е, +а т+ы?", "За\u0301мок на горе\u0301, а ты?"),
            ("вс+ё ещ+ё +ёлка", "всё ещё\u0301 ё\u0301лка"),
            ("к+ое-чт+о", "ко\u0301е-что"),
            ("в два", "в два"),
        ],
    )
    def test_marks_become_acutes_in_words_of_several_syllables(
        self, marked: str, with_acutes: str
    ) -> None:
        assert stress.with_acutes(marked) == with_acutes


class TestSpeakers:
    def test_those_who_may_not_be_learned_from_are_in_no_plan(self) -> None:
        voices = {speaker.voice for speaker in (*rhvoice.RUSSIAN, *rhvoice.UKRAINIAN)}
        assert voices == {"Elena", "Anna", "Anatol", "Natalia"}

    def test_names_tell_speakers_apart(self) -> None:
        speakers = [*rhvoice.RUSSIAN, *rhvoice.UKRAINIAN, rhvoice.IRINA]
        assert len({speaker.name for speaker in speakers}) == len(speakers)


def lines(prefix: str, count: int) -> list[Line]:
    texts = [
        f"{prefix} слово номер {'а' * (i % 7 + 1)} {'б' * (i // 7 + 1)}о" for i in range(count)
    ]
    return [Line(text, text) for text in texts]


class TestPlan:
    def planned(self, count: int, seed: int = 3) -> list[Job]:
        held_out = HeldOutTexts(["слово номер"])
        return list(islice(rhvoice.plan([lines("мы", 400), lines("вы", 9)], held_out, seed), count))

    def test_is_a_function_of_its_seed(self) -> None:
        assert self.planned(300) == self.planned(300)
        assert self.planned(300) != self.planned(300, seed=4)

    def test_every_sentence_is_read_once_and_phrases_are_clear(self) -> None:
        jobs = self.planned(1000)
        sentences = [job.line.text for job in jobs if len(job.line.text.split()) == 5]
        assert Counter(sentences).most_common(1)[0][1] <= 2  # as a phrase, once more
        assert {line.text for line in [*lines("мы", 400), *lines("вы", 9)]} <= set(sentences)
        phrases = [job.line for job in jobs if len(job.line.text.split()) < 5]
        assert phrases
        assert not any("слово номер" in phrase.transcription for phrase in phrases)

    def test_shares(self) -> None:
        jobs = self.planned(400)
        accented = sum(job.speaker in rhvoice.UKRAINIAN for job in jobs) / len(jobs)
        coded = sum(job.codec is not None for job in jobs) / len(jobs)
        assert accented == pytest.approx(rhvoice.ACCENTED, abs=0.05)
        assert coded == pytest.approx(rhvoice.CODED, abs=0.07)


class Speaking:
    """An engine that hums, and counts how often it does."""

    def __init__(self, counted: Path) -> None:
        self._counted = counted

    def speak(self, jobs: list[Job]) -> list[NDArray[np.int16]]:
        with self._counted.open("a") as file:
            file.write("x")
        return [tone(1.0 + len(job.line.text) / 100) for job in jobs]


class TestSpeech:
    def test_answers_are_taken_apart(self) -> None:
        some = [np.array([1, -2, 3], "<i2"), np.zeros(0, "<i2"), np.array([7], "<i2")]
        raw = b"".join(struct.pack("<iI", 24_000, len(each)) + each.tobytes() for each in some)
        answers = list(rhvoice._answers(raw))
        assert [rate for rate, _ in answers] == [24_000] * 3
        assert [pcm.tolist() for _, pcm in answers] == [[1, -2, 3], [], [7]]

    @pytest.mark.parametrize("factor", rhvoice.WARPS)
    def test_a_warp_moves_what_is_heard(self, factor: float) -> None:
        spoken = tone(2.0, 500.0, rate=24_000)
        heard = rhvoice._warped(24_000, spoken, factor)
        assert len(heard) == pytest.approx(2.0 * 16_000 / factor, abs=2)
        assert pitch(heard) == pytest.approx(500 * factor, rel=0.005)

    def test_what_was_spoken_is_not_spoken_again(self, tmp_path: Path) -> None:
        counted = tmp_path / "counted"
        engine = Speaking(counted)
        jobs = [Job(line, Speaker("Anna")) for line in lines("мы", 5)]
        first = rhvoice._speak_once(jobs, engine, tmp_path)  # type: ignore[arg-type]
        again = rhvoice._speak_once(jobs, engine, tmp_path)  # type: ignore[arg-type]
        assert counted.read_text() == "x"
        assert [job for job, _ in again] == jobs
        for (_, one), (_, other) in zip(first, again, strict=True):
            np.testing.assert_array_equal(one, other)
        other_jobs = [Job(job.line, Speaker("Elena")) for job in jobs]
        rhvoice._speak_once(other_jobs, engine, tmp_path)  # type: ignore[arg-type]
        assert counted.read_text() == "xx"


@pytest.mark.parametrize(
    "codec",
    [
        Codec("ogg", 8),
        Codec("ogg", 24),
        Codec("mp3", 16),
        Codec("mp3", 48),
        pytest.param(Codec("gsm"), marks=needs_sox),
    ],
    ids=str,
)
def test_codecs_keep_length_pitch_and_place(codec: Codec) -> None:
    silence = np.zeros(8_000, np.int16)
    pcm = np.concatenate([silence, tone(1.0, 600.0), silence])
    heard = codec.heard(pcm)
    assert (heard.dtype, len(heard)) == (np.dtype(np.int16), len(pcm))
    assert not np.array_equal(heard, pcm)
    assert pitch(heard) == pytest.approx(600, rel=0.01)
    loud = np.flatnonzero(np.abs(heard) > 2000)
    assert loud[0] == pytest.approx(8_000, abs=700)
    assert loud[-1] == pytest.approx(24_000, abs=2_000)  # in GSM a tone rings on
    np.testing.assert_array_equal(heard, codec.heard(pcm))


def test_any_codec_is_among_all() -> None:
    chance = random.Random(1)
    assert {codecs.any_codec(chance).format for _ in range(50)} == {"ogg", "mp3", "gsm"}


@needs_sox
@pytest.mark.parametrize("factor", warped.WARPS)
def test_a_warped_recording_keeps_its_tempo(factor: float) -> None:
    heard = warped.warp(tone(3.0, 500.0), factor)
    assert len(heard) == pytest.approx(3 * 16_000, rel=0.01)
    assert pitch(heard) == pytest.approx(500 * factor, rel=0.01)


@needs_sox
def test_a_warped_table(tmp_path: Path) -> None:
    with SplitWriter(tmp_path, "dev_one") as writer:
        for number in range(3):
            writer.add(tone(1.0, 300.0 + 100 * number), f"слово {number}", "она")
    warped.write_split(tmp_path, "dev_warped", ["dev_one"])
    rows = read_rows(tmp_path / "dev_warped.tsv")
    assert [row.speaker for row in rows] == ["она_0.86", "она_1.16", "она_0.86"]
    assert [row.transcription for row in rows] == ["слово 0", "слово 1", "слово 2"]


@pytest.mark.parametrize("name", ["some.txt", "some.txt.xz"])
def test_texts_are_read_line_by_line(name: str, tmp_path: Path) -> None:
    import lzma

    content = "Первая строка.\n Вторая. \n".encode()
    (tmp_path / name).write_bytes(lzma.compress(content) if name.endswith(".xz") else content)
    assert list(prepare.read_text(tmp_path / name)) == ["Первая строка.", "Вторая."]
