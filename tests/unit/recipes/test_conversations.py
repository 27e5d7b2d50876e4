"""Conversations of made-up speakers: no Debian package is needed."""

import json
import wave
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gigaam.speakers import Turn
from gigaam.speakers.rttm import read_rttm
from recipes.speakers import catalogue, conversations, effects, mixing, references, speech
from recipes.speakers.references import Word
from recipes.speakers.speech import RATE
from recipes.speakers.voices import VOICES, Utterance, Voice, warped

NAMES = ("anna", "boris", "vera")


def tone(hz: float, seconds: float, level: float = 3000.0) -> NDArray[np.int16]:
    samples = level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)
    return np.rint(samples).astype(np.int16)


def silence(seconds: float) -> NDArray[np.int16]:
    return np.zeros(round(seconds * RATE), np.int16)


def said(hz: float) -> list[Utterance]:
    """Eight utterances of 0.5 to 4 s; the longest has a pause of 0.8 s, the shortest no text."""
    whole = [Utterance(tone(hz, 0.5 + i / 2), ("раз", "два", "четыре")) for i in range(7)]
    paused = np.concatenate([tone(hz, 2), silence(0.8), tone(hz, 1.2)])
    return [Utterance(whole[0].samples, None), *whole[1:], Utterance(paused, ("да", "нет"))]


def talk(
    n_speakers: int, seconds: float = 60.0, seed: int = 0, **options: float
) -> mixing.Conversation:
    speakers = {name: said(300.0 + 100 * i) for i, name in enumerate(NAMES[:n_speakers])}
    return mixing.converse(speakers, seconds, np.random.default_rng(seed), **options)


class TestSpeech:
    def test_stretches_end_at_pauses(self) -> None:
        parts = [silence(0.3), tone(400, 1), silence(0.1), tone(400, 1), silence(0.6), tone(400, 1)]
        found = speech.stretches(np.concatenate(parts))
        np.testing.assert_allclose(np.array(found) / RATE, [(0.3, 2.4), (3.0, 4.0)], atol=0.011)

    def test_what_is_faint_is_a_pause(self) -> None:
        samples = np.concatenate([tone(400, 1), tone(400, 1, level=20), tone(400, 1)])
        assert len(speech.stretches(samples)) == 2

    def test_noisy_recordings_have_a_smaller_range(self) -> None:
        hiss = np.random.default_rng(0).normal(0, 60, 4 * RATE)  # 31 dB below
        clean = np.concatenate([silence(1), tone(400, 2), silence(1)])
        noisy = np.rint(clean + hiss).astype(np.int16)
        assert speech.dynamic_range([clean]) == speech.dynamic_range([]) == speech.RANGE_DB
        found = speech.stretches(noisy, speech.dynamic_range([noisy]))
        np.testing.assert_allclose(np.array(found) / RATE, [(1.0, 3.0)], atol=0.011)

    @pytest.mark.parametrize("samples", [silence(0), silence(1), silence(0.004)])
    def test_silence_has_none(self, samples: NDArray[np.int16]) -> None:
        assert speech.stretches(samples) == []
        assert len(speech.trim(samples)) == 0
        assert speech.gain_to_level([samples]) == 1.0

    def test_loudness_is_that_of_the_speech_alone(self) -> None:
        quiet = tone(400, 1, level=500)
        gain = speech.gain_to_level([np.concatenate([quiet, silence(5)])])
        rms = gain * np.sqrt(np.mean(quiet.astype(float) ** 2))
        assert 20 * np.log10(rms / 32768) == pytest.approx(speech.LEVEL_DB, abs=0.1)


class TestConverse:
    @pytest.mark.parametrize("n_speakers", [1, 2, 3])
    def test_everything_is_within_the_recording(self, n_speakers: int) -> None:
        made = talk(n_speakers)
        duration = made.sound.shape[1] / RATE
        assert 60 < duration < 60 + 12 + 1.1
        for spoken in [*made.turns, *made.words]:
            assert 0 <= spoken.start < spoken.end <= duration
        assert {t.speaker for t in made.turns} == set(NAMES[:n_speakers])

    def test_words_lie_within_turns_of_their_speaker(self) -> None:
        made = talk(3)
        for word in made.words:
            assert any(
                t.speaker == word.speaker and t.start <= word.start and word.end <= t.end
                for t in made.turns
            )
        made_up = [w.text for w in made.words if w.text.startswith("w")]
        assert len(made_up) == len(set(made_up)) > 0

    def test_turns_are_where_the_sound_is(self) -> None:
        made = talk(2, stereo=True)
        for channel, sound in enumerate(made.sound):
            inside = np.zeros(len(sound), bool)
            for turn in made.turns:
                if turn.channel == channel:
                    # Times have four digits: 1.6 samples.
                    inside[round(turn.start * RATE) - 2 : round(turn.end * RATE) + 2] = True
            assert np.abs(sound[~inside]).max(initial=0) < 0.02 * np.abs(sound).max()
            assert np.mean(np.abs(sound[inside]) > 100) > 0.8
        assert {t.speaker: t.channel for t in made.turns} == {"anna": 0, "boris": 1}

    def test_pauses_over_half_a_second_end_turns(self) -> None:
        for name in NAMES:
            turns = sorted((t.start, t.end) for t in talk(3).turns if t.speaker == name)
            assert all(b[0] - a[1] > 0.5 for a, b in pairwise(turns))

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
    def test_about_the_asked_share_of_changes_overlaps(self, share: float) -> None:
        made = talk(2, 3000.0, overlap_share=share)
        spread = 4 * np.sqrt(share * (1 - share) / made.changes)
        assert made.overlaps / made.changes == pytest.approx(share, abs=spread)
        _, overlap = conversations.speech_and_overlap(made.turns)
        assert 0.2 * made.overlaps <= overlap <= 1.5 * made.overlaps

    def test_never_three_at_once(self) -> None:
        turns = talk(3, 600.0, overlap_share=1.0).turns
        edges = sorted([(t.start, 1) for t in turns] + [(t.end, -1) for t in turns])
        assert max(np.cumsum([step for _, step in edges])) == 2

    def test_the_seed_decides(self) -> None:
        first, again, other = talk(3), talk(3), talk(3, seed=1)
        np.testing.assert_array_equal(first.sound, again.sound)
        assert (first.turns, first.words) == (again.turns, again.words)
        assert first.turns != other.turns

    def test_too_long_utterances_are_refused(self) -> None:
        with pytest.raises(ValueError, match="at most 12 s"):
            mixing.Deck([Utterance(tone(300, 13), None)], np.random.default_rng(0))


class TestReferences:
    def test_files_round_trip(self, tmp_path: Path) -> None:
        turns = [Turn(2.0, 3.0, "анна", channel=1), Turn(0.5, 1.25, "борис")]
        words = [Word("да", 0.5, 1.0, "анна")]
        references.write_rttm(tmp_path / "a.rttm", turns)
        references.write_words(tmp_path / "a.words.json", words)
        lines = (tmp_path / "a.rttm").read_text(encoding="utf-8").splitlines()
        assert [line.split()[2] for line in lines] == ["1", "2"]
        assert read_rttm(tmp_path / "a.rttm") == {
            "a": [Turn(0.5, 1.25, "борис"), Turn(2.0, 3.0, "анна")]
        }
        assert references.read_words(tmp_path / "a.words.json") == words
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.rttm", "a.words.json"]

    def test_words_share_the_speech_by_letters(self) -> None:
        placed = references.spread(["аб", "абвг", "аб"], [(1000, 1400), (2000, 2400)])
        assert placed == [("аб", 1000, 1200), ("абвг", 2000, 2200), ("аб", 2200, 2400)]


class TestEffects:
    def test_a_telephone_lets_only_its_band_through(self) -> None:
        loudness = [np.std(effects.telephone(tone(hz, 1).astype(np.float32))) for hz in (100, 1000)]
        assert loudness[1] > 2000 > 100 > loudness[0]
        assert np.std(effects.telephone(tone(5000, 1).astype(np.float32))) < 100

    def test_noise_has_the_asked_level(self) -> None:
        noise = effects.noisy(np.zeros(RATE * 4, np.float32), 10.0, np.random.default_rng(0))
        assert 20 * np.log10(np.std(noise) / 32768) == pytest.approx(speech.LEVEL_DB - 10, abs=0.1)

    def test_mu_law_keeps_loud_and_faint(self) -> None:
        sound = np.array([-20000, -500, -10, 0, 10, 500, 20000], np.float32)
        np.testing.assert_allclose(effects.mu_law(sound), sound, rtol=0.05, atol=6)


class TestCatalogue:
    @pytest.mark.parametrize("part", ["dev", "test"])
    def test_people_and_sexes(self, part: str) -> None:
        for plan in catalogue.plans(part, 0):
            assert len({v.person for v in plan.voices}) == catalogue.SPEAKERS[plan.kind]
            sexes = {v.sex for v in plan.voices}
            assert {"women": {"f"}, "men": {"m"}}.get(plan.kind, sexes) == sexes
            assert all(v.language == "ru" for v in plan.voices if plan.kind == "russian")

    def test_no_person_is_in_both_sets(self) -> None:
        dev, test = ({voice.person for voice in VOICES[part]} for part in ("dev", "test"))
        assert not dev & test

    def test_names_of_voices_are_distinct(self) -> None:
        names = Counter(voice.name for part in VOICES.values() for voice in part)
        assert set(names.values()) == {1}

    def test_a_round_is_about_two_and_a_half_hours(self) -> None:
        plans = list(catalogue.plans("test", 0))
        assert 2.4 < sum(p.duration_s for p in plans) / 3600 < 3.1
        assert {p.kind for p in plans} == set(catalogue.KINDS)

    def test_fewer_hours_are_the_beginning_of_more(self) -> None:
        some, more = (list(catalogue.plans("dev", 0, hours)) for hours in (0.5, 4.0))
        assert more[: len(some)] == some
        assert len(more) > len(catalogue.ROUND) > len(some) > 5

    def test_too_few_people_are_refused(self) -> None:
        rng = np.random.default_rng(0)
        with pytest.raises(ValueError, match="2 real voices"):
            catalogue.choose([VOICES["test"][0]], 2, "real", Counter(), rng)


def say_little(voice: Voice) -> list[Utterance]:
    return said(200.0 + 7 * len(voice.name))


def short_plans() -> list[catalogue.Plan]:
    """One conversation of each kind, of 15 s where it has speakers."""
    plans = {p.kind: p for p in catalogue.plans("dev", 0)}.values()
    return [p if p.kind in catalogue.SHORT_S else replace(p, duration_s=15.0) for p in plans]


class TestWriteSet:
    def test_files_manifest_and_resuming(self, tmp_path: Path) -> None:
        write = partial(conversations.write_set, tmp_path, say=say_little, seed=3)
        plans = short_plans()
        first = tmp_path / f"{plans[0].name}.wav"
        write(wanted=plans[:1])
        kept = first.stat().st_mtime_ns
        write(wanted=plans)
        assert first.stat().st_mtime_ns == kept
        made = conversations.read_manifest(tmp_path)
        assert sorted(made) == sorted(p.name for p in plans)
        for name, line in made.items():
            with wave.open(str(tmp_path / f"{name}.wav")) as file:
                assert file.getnframes() / RATE == pytest.approx(line["duration"], abs=1e-4)
                assert file.getnchannels() == line["channels"] == 1 + (line["kind"] == "call")
            turns = read_rttm(tmp_path / f"{name}.rttm")
            assert list(turns) == ([name] if line["n_speakers"] > 0 else [])
            json.loads((tmp_path / f"{name}.words.json").read_text())
        assert not list(tmp_path.glob("*.part"))

    def test_another_seed_is_refused(self, tmp_path: Path) -> None:
        conversations.write_set(tmp_path, short_plans()[-1:], say_little, 0)
        with pytest.raises(ValueError, match="--seed 0, not 1"):
            conversations.write_set(tmp_path, short_plans(), say_little, 1)

    def test_silence_music_and_a_second(self) -> None:
        kinds = {p.kind: p for p in reversed(list(catalogue.plans("dev", 0)))}
        made = {
            kind: conversations.make(plan, say_little, 0)
            for kind, plan in kinds.items()
            if kind in ("silence", "music", "second")
        }
        assert not made["silence"].sound.any()
        assert made["music"].sound.std() > 1000
        (turn,) = made["second"].turns
        assert turn.end - turn.start == pytest.approx(1.0, abs=0.02)


def test_a_warped_voice_is_higher_and_shorter() -> None:
    plain = Voice("a", "a", "f", "real", "ru", 8000, lambda _: [(tone(400, 2), "да")])
    (utterance,) = warped(plain, 1.25, "f").utterances(Path())
    assert len(utterance.samples) / RATE == pytest.approx(1.6, abs=0.02)
    spectrum = np.abs(np.fft.rfft(utterance.samples))
    assert spectrum.argmax() * RATE / len(utterance.samples) == pytest.approx(500, abs=2)
