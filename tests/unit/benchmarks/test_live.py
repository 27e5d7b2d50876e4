"""How live sessions are measured: utterances, what is taken back, how late text comes."""

import numpy as np
import pytest

from benchmarks.live_measures import (
    Contradictions,
    Told,
    commit_lags,
    commits,
    confirmations,
    contradictions,
    final_lag,
    first_text_lag,
    heard_of,
    overlap,
    places,
    settled_lags,
    utterances,
)
from benchmarks.live_rivals import FixedWindows, PrefixAgreement
from benchmarks.live_streams import PIECE_SAMPLES, Heard, Said, join, play
from benchmarks.machine import figures
from gigaam.audio import SAMPLE_RATE
from gigaam.live import Event, Final, Partial
from gigaam.live.events import Reason
from gigaam.types import Segment, Word
from recipes.tiny.long_recordings import Spoken


def words(text: str, start: float = 0.0) -> list[Word]:
    """Words of 0.4 s, half a second apart."""
    return [Word(w, start + n / 2, start + n / 2 + 0.4) for n, w in enumerate(text.split())]


def partial(committed: str, tentative: str, at_s: float) -> Heard:
    return Heard(Partial(committed, tentative, 0.0, at_s, 0.4), at_s, 0.0, at_s)


def final(text: str, at_s: float, reason: Reason = "silence", start: float = 0.0) -> Heard:
    found = words(text, start)
    segment = Segment(text, start, found[-1].end if found else at_s, found)
    return Heard(Final(segment, reason, (0.0, at_s)), at_s, 0.0, at_s)


TOLD = Told(
    [
        partial("", "мама", 0.5),
        partial("мама", "мыла", 1.0),
        partial("мама мыло", "ра", 1.5),
        final("мама мыла раму", 2.4),
    ]
)

CUT = Told(
    [
        partial("а б в г", "", 2.1),
        final("а б в", 2.2, "cut"),
        partial("г д", "е", 2.8),
        final("г д е", 3.5, start=1.5),
    ]
)


def test_utterances_end_with_a_final_that_is_no_cut():
    assert utterances([*TOLD.heard, *CUT.heard]) == [TOLD, CUT]
    assert utterances([]) == []
    assert [each.text for each in CUT.words] == ["а", "б", "в", "г", "д", "е"]


def test_places_and_overlap():
    assert places(["а", "б", "в"], ["а", "в"]) == [0, None, 1]
    assert places("абв", "абг") == [0, 1, None]
    assert overlap(["а", "б", "в"], ["б", "в", "г"]) == 2
    assert overlap(["а"], ["б"]) == overlap([], ["а"]) == 0


def test_a_word_is_committed_once_also_across_a_cut():
    assert [(each.word, each.at_s) for each in commits(TOLD)] == [("мама", 1.0), ("мыло", 1.5)]
    assert [each.word for each in commits(CUT)] == ["а", "б", "в", "г", "д"]


def test_contradictions():
    assert contradictions(TOLD) == Contradictions(
        committed=2,
        committed_wrong=1,
        letters=8,
        letters_wrong=1,
        tentative=3,
        tentative_wrong=1,
        erased=3,  # "мыла" for "мыло", and "мыло ра" for the final
        final=3,
    )
    assert contradictions(CUT) == Contradictions(5, 0, 5, 0, 1, 0, 0, 6)
    assert (contradictions(TOLD) + contradictions(CUT)).committed == 7


def test_what_was_not_committed_yet_is_not_contradicted():
    assert confirmations(TOLD) == [True, None, None]
    assert confirmations(CUT) == [True] * 5 + [None]
    told = Told([partial("раз двое три", "", 1.6), final("раз два три пять", 2.6)])
    assert confirmations(told) == [True, False, True, None]


def test_lags():
    assert commit_lags(TOLD) == pytest.approx([0.6])
    assert settled_lags(TOLD) == pytest.approx([0.6, 1.5, 1.0])
    assert final_lag(TOLD, 0.5) == pytest.approx(0.5)
    assert final_lag(Told([final("а", 2.0, "finish")]), 0.5) is None
    assert final_lag(Told([final("", 2.0)]), 0.5) is None


def test_first_text_is_that_of_speech_which_begins_the_utterance():
    assert first_text_lag(TOLD, 0.1) == pytest.approx(0.4)
    assert first_text_lag(TOLD, 0.6) is None  # words were heard before it
    assert first_text_lag(TOLD, -3.0) is None  # an utterance before began with it


def test_words_belong_to_the_nearest_recording():
    said = [Said(0, 1, "а", 0.1, True, True), Said(3, 4, "б", 3.1, True, True)]
    assert heard_of(said, words("Раз, два", 1.0) + words("три", 2.5)) == ["раз два", "три"]
    assert heard_of(said, []) == ["", ""]


class Recorder:
    """A session that keeps what it is pushed and tells how much that is."""

    def __init__(self) -> None:
        self.pieces: list[np.ndarray] = []

    def push(self, piece: np.ndarray) -> list[Event]:
        self.pieces.append(piece)
        return [Partial("", "а", 0.0, sum(map(len, self.pieces)) / SAMPLE_RATE, 0.4)]

    def finish(self) -> list[Event]:
        return []


@pytest.mark.parametrize("pace", [0.0, 20.0])
def test_all_sound_is_pushed_and_never_early(pace: float):
    samples = np.arange(2 * SAMPLE_RATE + 7, dtype=np.int16)
    session = Recorder()
    played = play(session, samples, pace)
    assert np.array_equal(np.concatenate(session.pieces), samples)
    assert all(each.at_s >= each.pushed_s == each.event.end for each in played.heard)
    assert len(played.late_s) == len(session.pieces) + 1
    if not pace:
        assert {len(piece) for piece in session.pieces[:-1]} == {PIECE_SAMPLES}
        assert not any(played.late_s)


def test_a_stream_has_every_recording_once_where_it_says():
    recordings = [
        Spoken(np.full(SAMPLE_RATE, 8000, np.int16), "один"),
        Spoken(np.full(2 * SAMPLE_RATE, -8000, np.int16), "два"),
    ]
    stream = join(recordings, [0.25, None], seed=1)
    assert sorted(each.text for each in stream.said) == ["два", "один"]
    for each in stream.said:
        sound = stream.samples[round(each.start_s * SAMPLE_RATE) : round(each.end_s * SAMPLE_RATE)]
        level = 8000 if each.text == "один" else -8000
        assert abs(sound.astype(float).mean() - level) < 1
        assert each.onset_s == (each.start_s + 0.25 if each.text == "один" else None)
    assert stream.said[-1].before_silence
    assert join(recordings, [0.25, None], 1, shorten=0.1).seconds < stream.seconds


def test_prefix_agreement_commits_what_two_hypotheses_share():
    method = PrefixAgreement(0)
    method.hear(words("мама мыла ра"), SAMPLE_RATE)
    assert not method.committed
    method.hear(words("мама мыла раму"), 2 * SAMPLE_RATE)
    assert [each.text for each in method.committed] == ["мама", "мыла"]
    assert [each.text for each in method.tentative] == ["раму"]
    assert method.window_start(10 * SAMPLE_RATE) == 0
    assert method.window_start(16 * SAMPLE_RATE) == round(0.9 * SAMPLE_RATE)
    assert method.window_start(60 * SAMPLE_RATE) == 30 * SAMPLE_RATE


def test_fixed_windows_take_each_stretch_from_one_window():
    method = FixedWindows(0)
    assert method.window_start(SAMPLE_RATE) == 0
    assert method.window_start(4 * SAMPLE_RATE) == round(1.5 * SAMPLE_RATE)
    method.hear(words("раз два три"), round(1.2 * SAMPLE_RATE))
    assert [each.text for each in method.committed] == ["раз", "два"]
    assert [each.text for each in method.tentative] == ["три"]
    method.hear(words("двое три", 0.5), 2 * SAMPLE_RATE)
    assert [each.text for each in method.committed] == ["раз", "два", "три"]


def test_figures_turn_rows_round():
    rows = [{"n": 1, "a": 2}, {"n": 3, "b": 4}]
    assert figures(rows, "n") == [
        {"what": "a", "n 1": 2, "n 3": None},
        {"what": "b", "n 1": None, "n 3": 4},
    ]
