"""From the results of chunks to segments: words recognised twice in an overlap are joined.

Words are in seconds of the recording throughout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gigaam.audio import SAMPLE_RATE
from gigaam.recognition.chunking import Chunk
from gigaam.recognition.phrases import in_phrases, in_turns, joint_confidence
from gigaam.recognition.words import DRIFT_S, middle_s, moved, plain
from gigaam.types import Segment, TranscriptionResult, Word

_BESIDE_S = 1.0  # the longest pause between words of which one makes the other likely
_MANY_WORDS = 3  # in a row are rarely noise
_SAME_PLACE_S = 0.1  # words that follow one another are rarely nearer


@dataclass(frozen=True)
class Seam:
    """Where two lists of words are joined.

    Attributes:
        kept_left: How many words are taken from the left list.
        first_right: The first word taken from the right list.
        time_s: The moment that parts them.
    """

    kept_left: int
    first_right: int
    time_s: float


def find_seam(left: Sequence[Word], right: Sequence[Word], overlap_s: tuple[float, float]) -> Seam:
    """Where to go over from the words of one window to those of the next.

    That is after a word that both found at about the same time, the one nearest to the middle of
    the overlap; if there is none, in the middle.

    Args:
        left: Words of the first window, in order.
        right: Words of the second window, in order.
        overlap_s: The stretch that is in both.
    """
    middle = sum(overlap_s) / 2
    pairs = _aligned(left, right, overlap_s)
    if pairs:
        i, j = min(pairs, key=lambda pair: abs(middle_s(left[pair[0]]) - middle))
        return _seam(left, right, i + 1, j + 1, left[i].end)
    return _cut(left, right, middle)


def join_words(left: Sequence[Word], right: Sequence[Word], seam: Seam) -> list[Word]:
    """The words of both sides, once each, with starts and ends that never decrease."""
    return [*left[: seam.kept_left], *_from_seam(right, seam)]


def _from_seam(right: Sequence[Word], seam: Seam) -> list[Word]:
    return [
        word
        if word.start >= seam.time_s
        else replace(word, start=seam.time_s, end=max(word.end, seam.time_s))
        for word in right[seam.first_right :]
    ]


def _seam(
    left: Sequence[Word], right: Sequence[Word], kept: int, first: int, wanted_s: float
) -> Seam:
    """A seam as near to the wanted moment as the words beside it allow."""
    time_s = min(wanted_s, right[first].start) if first < len(right) else wanted_s
    return Seam(kept, first, max(time_s, left[kept - 1].end) if kept else time_s)


def _aligned(
    left: Sequence[Word], right: Sequence[Word], overlap_s: tuple[float, float]
) -> list[tuple[int, int]]:
    """Pairs of equal words (i, j) of the overlap, in order; as many and as near as possible."""
    lefts, rights = (
        [n for n, word in enumerate(words) if overlap_s[0] <= middle_s(word) <= overlap_s[1]]
        for words in (left, right)
    )
    # best[a][b]: score and pairs over the first a and b words.
    best: list[list[tuple[float, tuple[tuple[int, int], ...]]]] = [
        [(0.0, ()) for _ in range(len(rights) + 1)] for _ in range(len(lefts) + 1)
    ]
    for a, i in enumerate(lefts):
        for b, j in enumerate(rights):
            options = [best[a][b + 1], best[a + 1][b]]
            drift = abs(middle_s(left[i]) - middle_s(right[j]))
            if drift <= DRIFT_S and plain(left[i]) and plain(left[i]) == plain(right[j]):
                score, pairs = best[a][b]
                options.append((score + 1 - drift / (2 * DRIFT_S), (*pairs, (i, j))))
            best[a + 1][b + 1] = max(options, key=lambda option: option[0])
    return list(best[-1][-1][1])


def _cut(left: Sequence[Word], right: Sequence[Word], middle: float) -> Seam:
    """A seam in the middle; of a sound there that the sides spell differently, one is kept."""
    kept = sum(middle_s(word) < middle for word in left)
    first = sum(middle_s(word) < middle for word in right)
    if kept and first < len(right) and _same_sound(left[kept - 1], right[first]):
        # Both are kept.
        if left[kept - 1].confidence >= right[first].confidence:
            first += 1
        else:
            kept -= 1
    elif kept < len(left) and first and _same_sound(left[kept], right[first - 1]):
        # Neither is.
        if left[kept].confidence >= right[first - 1].confidence:
            kept += 1
        else:
            first -= 1
    return _seam(left, right, kept, first, middle)


def _same_sound(one: Word, other: Word) -> bool:
    """Whether two words are about at one place: by their middles, or by what they share."""
    if abs(middle_s(one) - middle_s(other)) <= _SAME_PLACE_S:
        return True
    shared = min(one.end, other.end) - max(one.start, other.start)
    return shared > min(one.end - one.start, other.end - other.start) / 2


def trusted(words: Sequence[Word], min_confidence: float, sure_confidence: float) -> list[Word]:
    """The words that noise is unlikely to have made.

    Args:
        words: In order.
        min_confidence: All that are kept have at least this.
        sure_confidence: Of those that follow each other closely, if they are few, one has at
            least this.
    """
    kept: list[Word] = []
    run: list[Word] = []

    def end_run() -> None:
        is_sure = any(word.confidence >= sure_confidence for word in run)
        if is_sure or len(run) >= _MANY_WORDS:
            kept.extend(run)
        run.clear()

    for word in words:
        if word.confidence < min_confidence or (run and word.start - run[-1].end > _BESIDE_S):
            end_run()
        if word.confidence >= min_confidence:
            run.append(word)
    end_run()
    return kept


@dataclass
class _Recognised:
    """A chunk with its result, as far as it is joined."""

    chunk: Chunk
    result: TranscriptionResult
    words: list[Word]
    start_s: float
    end_s: float

    def segment(self, min_confidence: float, sure_confidence: float) -> Segment | None:
        """The segment, whose boundaries hold its words; None if nothing was recognised."""
        words = self.words
        if self.chunk.uncertain:
            words = trusted(words, min_confidence, sure_confidence)
        text, confidence = self.result.text, self.result.confidence
        if len(words) < len(self.result.words or ()):
            text, confidence = " ".join(word.text for word in words), joint_confidence(words)
        if not text.strip():
            return None
        start_s, end_s = self.start_s, self.end_s
        if words:
            start_s = words[0].start if self.chunk.uncertain else min(start_s, words[0].start)
            end_s = words[-1].end if self.chunk.uncertain else max(end_s, words[-1].end)
        return Segment(text, start_s, end_s, words=words, confidence=confidence)


class Stitcher:
    """Makes the segments of one recording from its chunks' results, in order."""

    def __init__(
        self,
        min_confidence: float = 0.5,
        word_timestamps: bool = False,
        max_pause_s: float = math.inf,
        sure_confidence: float = 0.75,
    ) -> None:
        """A stitcher.

        Args:
            min_confidence: Words of uncertain chunks are dropped below this.
            word_timestamps: Whether segments hold their words.
            max_pause_s: A pause this long ends a segment; if infinite, segments are chunks.
            sure_confidence: One or two words of uncertain chunks that stand alone are dropped,
                too, if neither has at least this.
        """
        self._min_confidence = min_confidence
        self._word_timestamps = word_timestamps
        self._max_pause_s = max_pause_s
        self._sure_confidence = sure_confidence
        self._open: _Recognised | None = None

    def push(self, chunk: Chunk, result: TranscriptionResult) -> list[Segment]:
        """The segments that are complete once this chunk's result is known: of up to two chunks.

        Args:
            chunk: The next chunk.
            result: What was recognised in it, with words from the start of the chunk.
        """
        offset_s = chunk.start / SAMPLE_RATE
        words = [moved(word, offset_s) for word in result.words or ()]
        start_s, end_s = chunk.core_start / SAMPLE_RATE, chunk.core_end / SAMPLE_RATE
        current = _Recognised(chunk, result, words, start_s, end_s)
        done = []
        if self._open is not None:
            self._join(self._open, current)
            done.append(self._open)
            self._open = None
        if chunk.overlaps_next:
            self._open = current
        else:
            done.append(current)
        return [segment for each in done for segment in self._segments(each)]

    def _segments(self, recognised: _Recognised) -> list[Segment]:
        """A chunk's phrases, or the whole of it speaker by speaker, if anything was recognised."""
        segment = recognised.segment(self._min_confidence, self._sure_confidence)
        if segment is None:
            return []
        by_chunks = math.isinf(self._max_pause_s)
        segments = in_turns(segment) if by_chunks else in_phrases(segment, self._max_pause_s)
        if self._word_timestamps:
            return segments
        return [replace(segment, words=None) for segment in segments]

    @staticmethod
    def _join(left: _Recognised, right: _Recognised) -> None:
        overlap_s = right.chunk.start / SAMPLE_RATE, left.chunk.end / SAMPLE_RATE
        seam = find_seam(left.words, right.words, overlap_s)
        left.words, right.words = left.words[: seam.kept_left], _from_seam(right.words, seam)
        left.end_s = right.start_s = seam.time_s
