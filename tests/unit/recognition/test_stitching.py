from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.recognition.chunking import Chunk
from gigaam.recognition.stitching import Stitcher, find_seam, join_words, trusted
from gigaam.types import TranscriptionResult, Word
from tests.examples import examples

RATE = 16_000


def words(text: str, start: float, confidence: float = 0.9, step: float = 0.4) -> list[Word]:
    """Words of 0.3 s, one each 0.4 s."""
    return [
        Word(word, start + step * n, start + step * n + 0.75 * step, confidence)
        for n, word in enumerate(text.split())
    ]


def texts(found: list[Word]) -> str:
    return " ".join(word.text for word in found)


def joined(left: list[Word], right: list[Word], overlap: tuple[float, float]) -> str:
    return texts(join_words(left, right, find_seam(left, right, overlap)))


def test_windows_are_joined_at_a_word_both_found():
    left = words("раз два три четыре пять шес", 0)
    right = words("ире пять шесть семь", 1.2)
    seam = find_seam(left, right, (1.2, 2.4))
    assert texts(join_words(left, right, seam)) == "раз два три четыре пять шесть семь"
    assert (seam.kept_left, seam.first_right) == (5, 2)
    assert seam.time_s == pytest.approx(left[4].end)


def test_case_punctuation_and_yo_make_no_difference():
    left = words("вот он, Пётр. и", 0)
    right = words("он петр и пошёл", 0.4)
    assert joined(left, right, (0.4, 1.6)) == "вот он, Пётр. и пошёл"


def test_a_word_may_drift_but_not_far():
    left = words("а б в г", 0)
    near = words("в г д", 0.8 + 0.35)
    assert joined(left, near, (0.8, 2.0)) == "а б в г д"
    far = words("в ж", 2.0)
    assert joined(left, far, (0.8, 2.4)) == "а б в г в ж"  # another "в", not the same one


def test_repeated_words_are_matched_in_order():
    left = words("ну да да да да", 0)
    right = words("да да да конец", 0.9)  # 0.1 s late
    assert joined(left, right, (0.7, 2.1)) == "ну да да да да конец"


def test_without_a_common_word_the_middle_parts_them():
    left = words("а б в г", 0)
    right = words("д е ж з", 0.8)
    seam = find_seam(left, right, (0.8, 1.6))
    assert texts(join_words(left, right, seam)) == "а б в е ж з"
    assert seam.time_s == pytest.approx(1.2)


@pytest.mark.parametrize("shift", [-0.05, 0.05], ids=["both kept", "neither kept"])
@pytest.mark.parametrize("sure", ["left", "right"])
def test_of_a_sound_in_the_middle_heard_differently_the_surer_is_kept(shift, sure):
    left = [*words("а", 8.0), Word("порог", 9.8 + shift, 10.1 + shift, 0.8)]
    right = [
        Word("пирог", 9.8 - shift, 10.1 - shift, 0.9 if sure == "right" else 0.7),
        *words("б", 11.5),
    ]
    expected = "пирог" if sure == "right" else "порог"
    assert joined(left, right, (9.0, 10.9)) == f"а {expected} б"


def test_sides_without_words():
    some = words("а б", 9.0)
    assert joined([], [], (9.0, 11.0)) == ""
    assert joined(some, [], (9.0, 11.0)) == "а б"
    assert joined([], words("в г", 10.5), (9.0, 11.0)) == "в г"


@settings(deadline=None, max_examples=examples(80))
@given(
    st.lists(
        st.sampled_from(["да", "нет", "ну", "и", "вот", "так", "Вот,", "ёлка"]),
        min_size=30,
        max_size=60,
    ),
    st.integers(0, 2**32 - 1),
)
def test_the_same_speech_heard_twice_is_written_once(spoken, seed):
    """Whatever is repeated in it, and though each window times its words a little differently."""
    rng = np.random.default_rng(seed)
    lengths = rng.uniform(0.25, 0.6, len(spoken))
    ends = np.cumsum(lengths)
    truth = [
        Word(text, float(end - length), float(end - 0.02), 0.9)
        for text, length, end in zip(spoken, lengths, ends, strict=True)
    ]

    def heard(start: float, end: float) -> list[Word]:
        """Words of a window: those at its edges are cut, and spelt as something else."""
        found = []
        for word in truth:
            shift = float(rng.uniform(-0.06, 0.06))
            whole = word.start >= start and word.end <= end
            if word.end > start + 0.1 and word.start < end - 0.1:
                text = word.text if whole else "э"
                found.append(
                    Word(text, max(start, word.start + shift), min(end, word.end + shift), 0.9)
                )
        return found

    total = float(ends[-1])
    cut = rng.uniform(3, total - 3)
    left, right = heard(0, cut + 1), heard(cut - 1, total)
    result = join_words(left, right, find_seam(left, right, (cut - 1, cut + 1)))
    assert [word.text.strip(",").lower() for word in result] == [
        word.strip(",").lower() for word in spoken
    ]


any_words = st.lists(
    st.tuples(
        st.sampled_from(["да", "нет", "Да.", "—"]),
        st.floats(0, 1),
        st.floats(0, 0.8),
        st.floats(0, 1),
    ),
    max_size=15,
)


@settings(deadline=None, max_examples=examples(80))
@given(any_words, any_words)
def test_joined_words_are_in_order_whatever_was_heard(left_drawn, right_drawn):
    def placed(drawn, start):
        found = []
        for text, pause, length, confidence in drawn:
            found.append(Word(text, start + pause, start + pause + length, confidence))
            start = found[-1].end
        return found

    left, right = placed(left_drawn, 0.0), placed(right_drawn, 3.0)
    seam = find_seam(left, right, (3.0, 5.0))
    result = join_words(left, right, seam)
    assert len(result) == seam.kept_left + len(right) - seam.first_right
    assert [word.text for word in result] == [
        word.text for word in left[: seam.kept_left] + right[seam.first_right :]
    ]
    for before, after in pairwise(result):
        assert before.start <= after.start
        assert before.end <= after.end
    assert all(word.start <= word.end for word in result)
    assert all(word.end <= seam.time_s for word in result[: seam.kept_left])
    assert all(word.start >= seam.time_s for word in result[seam.kept_left :])
    # Words that lie clear of the overlap are never touched.
    assert seam.kept_left >= sum(word.end < 3.0 for word in left)
    assert len(right) - seam.first_right >= sum(word.start > 5.0 for word in right)


# Segments


def result_of(found: list[Word], confidence: float = 0.8) -> TranscriptionResult:
    return TranscriptionResult(texts(found), words=found, confidence=confidence)


def chunk(
    start: float, end: float, core: tuple[float, float] | None = None, **flags: bool
) -> Chunk:
    core_start, core_end = core or (start, end)
    bounds = (round(moment * RATE) for moment in (core_start, core_end, start, end))
    return Chunk(*bounds, **flags)


def test_a_chunk_is_a_segment_of_its_speech():
    stitcher = Stitcher(word_timestamps=True)
    (segment,) = stitcher.push(chunk(10, 20, (10.4, 19)), result_of(words("да нет", 1.0)))
    assert (segment.text, segment.start, segment.end) == ("да нет", 10.4, 19.0)
    assert segment.confidence == 0.8
    assert [word.start for word in segment.words] == pytest.approx([11.0, 11.4])


def test_boundaries_hold_words_of_the_context():
    found = words("да", 0.1) + words("нет", 9.5)
    (segment,) = Stitcher().push(chunk(10, 20, (10.4, 19.6)), result_of(found))
    assert (segment.start, segment.end) == pytest.approx((10.1, 19.8))
    assert segment.words is None


def test_nothing_recognised_is_no_segment():
    stitcher = Stitcher()
    assert stitcher.push(chunk(0, 5), TranscriptionResult("", words=[])) == []
    assert stitcher.push(chunk(5, 9), TranscriptionResult(" ", words=[])) == []


def test_overlapping_chunks_wait_for_one_another():
    stitcher = Stitcher(word_timestamps=True)
    first = chunk(0, 10, (0, 9), overlaps_next=True)
    second = chunk(8, 18, (9, 18))
    assert stitcher.push(first, result_of(words("раз два три чет", 8.2), 0.5)) == []
    left, right = stitcher.push(second, result_of(words("ва три четыре пять", 0.6), 0.5))
    assert (left.text, right.text) == ("раз два три", "четыре пять")
    assert left.start == 0
    assert left.end == right.start == pytest.approx(9.3)
    assert right.end == 18
    assert texts(left.words) == left.text
    assert left.confidence == right.confidence == pytest.approx(0.9)


def test_a_window_whose_words_all_go_to_its_neighbour_is_no_segment():
    stitcher = Stitcher()
    assert stitcher.push(chunk(0, 10, (0, 9), overlaps_next=True), result_of(words("э", 9.5))) == []
    segments = stitcher.push(chunk(8, 18, (9, 18)), result_of(words("это", 1.5)))
    assert [segment.text for segment in segments] == ["это"]


def test_unsure_words_of_loud_gaps_are_dropped():
    found = words("шум", 1.0, 0.3) + words("да", 2.0, 0.9) + words("шум", 3.0, 0.49)
    gap = chunk(10, 20, uncertain=True)
    (segment,) = Stitcher(word_timestamps=True).push(gap, result_of(found))
    assert segment.text == "да"
    assert (segment.start, segment.end) == pytest.approx((12.0, 12.3))
    assert segment.confidence == pytest.approx(0.9)
    (all_kept,) = Stitcher(min_confidence=0.0).push(gap, result_of(found))
    assert all_kept.text == "шум да шум"
    assert Stitcher(min_confidence=0.95).push(gap, result_of(found)) == []
    (speech,) = Stitcher().push(chunk(10, 20), result_of(found))
    assert speech.text == "шум да шум"


def test_words_that_noise_may_have_made_are_dropped():
    sure = words("да конечно", 0, confidence=0.9)
    less = words("приеду завтра", 1.0, confidence=0.6)
    unsure = words("ммм", 2.0, confidence=0.3)
    alone = words("дп гд", 5.0, confidence=0.6)
    assert trusted([*sure, *less, *unsure, *alone], 0.5, 0.75) == [*sure, *less]
    assert trusted([*alone, *words("и", 5.8, confidence=0.8)], 0.5, 0.75)[:2] == alone
    assert trusted([*unsure, *alone], 0.0, 0.0) == [*unsure, *alone]
    many = words("приеду завтра утром", 0, confidence=0.6)
    assert trusted(many, 0.5, 0.75) == many
    assert trusted([], 0.5, 0.75) == []
