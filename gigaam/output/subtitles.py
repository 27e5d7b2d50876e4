"""Subtitles as cues: the words of a transcript cut into lines that people can read in time.

Where to cut is a search for the cheapest of all cuts, once for the cues of a stretch of speech and
once for the lines of a cue: a cue or a line costs more the emptier it is, and a cut costs nothing
after a sentence, little after a comma, more inside a phrase. Everything counts in whole
milliseconds, so that rounding can make no two cues overlap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from gigaam.errors import ArgumentError

if TYPE_CHECKING:
    from gigaam.types import Segment

_SENTENCE_ENDS = (".", "?", "!", "…")
_CLAUSE_ENDS = (",", ";", ":", "—", "–")
_CLOSING_MARKS = "»”\"')]"
_CLAUSE_COST = 0.15
_WORD_COST = 0.4
_SHORT_WORD_COST = 0.6  # a preposition or conjunction belongs to the word after it
_SHORT_WORD_LENGTH = 3
_SPOKEN_BREAK_MS = 500  # a pause this long makes any place as good as the end of a sentence
_LINE_COST = 1000.0  # above all other costs together: no more lines than needed


@dataclass(frozen=True)
class SubtitleOptions:
    """How srt and vtt files are laid out; the defaults are what broadcasters ask for.

    Attributes:
        max_line_length: Characters in a line, at most, a speaker's prefix in srt included. Words
            are never cut: a longer one has a line of its own.
        max_lines: Lines in a cue, at most; for each speaker where two share a cue.
        max_cue_s: Seconds that a cue stays, at most.
        min_cue_s: Seconds that a cue stays, unless the next one comes earlier.
        max_gap_s: A pause this long, in seconds, always ends a cue; ``math.inf`` for never.
        speakers: Names of the channels, from channel 0, for what has no speaker of its own. Others
            are "channel 0", "channel 1" …
    """

    max_line_length: int = 42
    max_lines: int = 2
    max_cue_s: float = 7.0
    min_cue_s: float = 5 / 6
    max_gap_s: float = 1.0
    speakers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("max_line_length", "max_lines"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0.001 <= self.max_cue_s < math.inf:
            raise ArgumentError(f"max_cue_s is {self.max_cue_s}; it must be at least 0.001")
        if not 0 <= self.min_cue_s <= self.max_cue_s:
            raise ArgumentError(
                f"min_cue_s is {self.min_cue_s}; it must be between 0 and max_cue_s, "
                f"{self.max_cue_s}"
            )
        if not self.max_gap_s >= 0:
            raise ArgumentError(f"max_gap_s is {self.max_gap_s}; it must not be negative")

    @property
    def max_cue_ms(self) -> int:
        """Milliseconds that a cue stays, at most."""
        return round(self.max_cue_s * 1000)

    @property
    def min_cue_ms(self) -> int:
        """Milliseconds that a cue stays where there is room."""
        return round(self.min_cue_s * 1000)


@dataclass(frozen=True)
class Speech:
    """What one speaker says in a cue: lines of plain text, not escaped, the channel, the name."""

    lines: tuple[str, ...]
    channel: int | None = None
    speaker: str | None = None

    @property
    def voice(self) -> str | int | None:
        """What tells one who speaks from another: the name, else the channel."""
        return self.channel if self.speaker is None else self.speaker


@dataclass(frozen=True)
class Cue:
    """What is on the screen from ``start_ms`` to ``end_ms``, the first before the second."""

    start_ms: int
    end_ms: int
    speeches: tuple[Speech, ...]

    @property
    def duration_ms(self) -> int:
        """How long it stays, in milliseconds."""
        return self.end_ms - self.start_ms


def milliseconds(seconds: float) -> int:
    """A moment of a recording in whole milliseconds, not before its beginning."""
    if not math.isfinite(seconds):
        raise ArgumentError(f"a result has the time {seconds}, which no file can hold")
    return max(0, round(seconds * 1000))


def lay_out(
    segments: Iterable[Segment],
    options: SubtitleOptions,
    *,
    prefix_length: Callable[[Segment], int] = lambda segment: 0,
) -> list[Cue]:
    """Cues with every word of the segments, in order of time, none over another.

    A cue holds words of one segment; what two speakers say at once may share a cue. A segment
    without word times is timed by its characters.

    Args:
        segments: In any order.
        options: The limits.
        prefix_length: Characters that the writer puts before the first line of a segment's speech.
    """
    # Cues that begin together keep the order of their segments, whatever order those came in.
    in_order = sorted(segments, key=lambda segment: milliseconds(segment.start))
    cues = [
        cue
        for segment in in_order
        for cue in _segment_cues(segment, options, prefix_length(segment))
    ]
    cues.sort(key=lambda cue: cue.start_ms)
    return _prolonged(_apart(cues, options), options)


class _Timed(NamedTuple):
    text: str
    start_ms: int
    end_ms: int


def _segment_cues(segment: Segment, options: SubtitleOptions, prefix: int) -> Iterator[Cue]:
    for stretch in _stretches(_timed_words(segment), options.max_gap_s * 1000):
        for cue_words in _pieces(len(stretch), _cue_costs(stretch, options, prefix)):
            words = stretch[cue_words]
            line_costs = _line_costs(words, options.max_line_length, prefix)
            lines = tuple(
                " ".join(word.text for word in words[line])
                for line in _pieces(len(words), line_costs)
            )
            start = words[0].start_ms
            end = min(max(words[-1].end_ms, start + 1), start + options.max_cue_ms)
            yield Cue(start, end, (Speech(lines, segment.channel, segment.speaker),))


def _timed_words(segment: Segment) -> list[_Timed]:
    """The words of a segment, no time running backwards.

    Word times count only while they are the times of the text: one that was corrected by hand
    since is timed by its characters.
    """
    words = segment.words or ()
    if "".join(segment.text.split()) != "".join("".join(word.text.split()) for word in words):
        return _timed_by_characters(segment)
    timed: list[_Timed] = []
    for word in words:
        if not (plain := " ".join(word.text.split())):
            continue
        start, end = milliseconds(word.start), milliseconds(word.end)
        if timed:
            start = max(start, timed[-1].start_ms)
            timed[-1] = timed[-1]._replace(end_ms=min(timed[-1].end_ms, start))
        timed.append(_Timed(plain, start, max(start, end)))
    return timed


def _timed_by_characters(segment: Segment) -> list[_Timed]:
    texts = segment.text.split()
    start = milliseconds(segment.start)
    duration = max(0, milliseconds(segment.end) - start)
    total = sum(len(text) + 1 for text in texts)
    passed = 0
    timed = []
    for text in texts:
        begin = start + duration * passed // total
        passed += len(text) + 1
        timed.append(_Timed(text, begin, start + duration * passed // total))
    return timed


def _stretches(words: Sequence[_Timed], max_gap_ms: float) -> Iterator[Sequence[_Timed]]:
    """The words cut at long pauses."""
    begin = 0
    for index, (word, following) in enumerate(pairwise(words), start=1):
        gap = following.start_ms - word.end_ms
        if gap > 0 and gap >= max_gap_ms:
            yield words[begin:index]
            begin = index
    if words:
        yield words[begin:]


_PieceCosts = Callable[[int], Iterable[tuple[int, float]]]
"""From the first item of a piece: where it may end (behind its last item) and what it costs."""


def _pieces(count: int, costs: _PieceCosts) -> list[slice]:
    """The cheapest cut of that many items into pieces."""
    cheapest = [math.inf] * count + [0.0]
    ends = [count] * count
    for begin in reversed(range(count)):
        for end, cost in costs(begin):
            if cost + cheapest[end] < cheapest[begin]:
                cheapest[begin] = cost + cheapest[end]
                ends[begin] = end
    pieces = []
    begin = 0
    while begin < count:
        pieces.append(slice(begin, ends[begin]))
        begin = ends[begin]
    return pieces


def _cue_costs(words: Sequence[_Timed], options: SubtitleOptions, prefix: int) -> _PieceCosts:
    limit, longest = options.max_line_length, options.max_cue_ms
    room = limit * options.max_lines
    cuts = _cut_costs(words)

    def costs(begin: int) -> Iterator[tuple[int, float]]:
        lines, width, characters = 1, prefix + len(words[begin].text), 0
        for end in range(begin + 1, len(words) + 1):
            last = words[end - 1]
            if end > begin + 1:
                width += 1 + len(last.text)
                if width > limit:
                    lines, width = lines + 1, len(last.text)
            spoken = last.end_ms - words[begin].start_ms
            if end > begin + 1 and (lines > options.max_lines or spoken > longest):
                return
            characters += len(last.text) + 1
            full = max((prefix + characters) / room, spoken / longest)
            cost = max(0.0, 1 - full) ** 2 + cuts[end]
            if end < len(words) and options.min_cue_ms:
                shown = words[end].start_ms - words[begin].start_ms
                cost += max(0.0, 1 - shown / options.min_cue_ms)
            yield end, cost

    return costs


def _line_costs(words: Sequence[_Timed], limit: int, prefix: int) -> _PieceCosts:
    cuts = _cut_costs(words)

    def costs(begin: int) -> Iterator[tuple[int, float]]:
        width = -1 if begin else prefix - 1
        for end in range(begin + 1, len(words) + 1):
            width += 1 + len(words[end - 1].text)
            if width > limit and end > begin + 1:
                return
            emptiness = max(0.0, 1 - width / limit) ** 2
            yield end, _LINE_COST + emptiness + cuts[end]

    return costs


def _cut_costs(words: Sequence[_Timed]) -> list[float]:
    """How much it disturbs the reader that a cue or line ends before each word, or after all."""
    inside = [_cut_cost(word, following) for word, following in pairwise(words)]
    return [0.0, *inside, 0.0]


def _cut_cost(word: _Timed, following: _Timed) -> float:
    text = word.text.rstrip(_CLOSING_MARKS)
    if text.endswith(_SENTENCE_ENDS):
        return 0.0
    if text.endswith(_CLAUSE_ENDS):
        cost = _CLAUSE_COST
    else:
        cost = _SHORT_WORD_COST if len(text) <= _SHORT_WORD_LENGTH else _WORD_COST
    pause = following.start_ms - word.end_ms
    return cost * max(0.0, 1 - pause / _SPOKEN_BREAK_MS)


def _apart(cues: Iterable[Cue], options: SubtitleOptions) -> list[Cue]:
    """The same cues, none beginning before the one ahead of it has ended."""
    placed: list[Cue] = []
    for cue in cues:
        if placed and cue.start_ms < placed[-1].end_ms:
            placed[-1:] = _settled(placed[-1], cue, options)
        else:
            placed.append(cue)
    return placed


def _settled(first: Cue, second: Cue, options: SubtitleOptions) -> tuple[Cue, ...]:
    """Two overlapping cues made one after the other, or one.

    One of them gives way while at least half of it is left; otherwise two speakers share one cue,
    so that neither flashes by. The cues of one speaker overlap only where a result is odd: they
    keep their order and a readable time each, at the cost of being late.
    """
    if 2 * (second.start_ms - first.start_ms) >= first.duration_ms:
        cut = second.start_ms
    elif 2 * (second.end_ms - first.end_ms) >= second.duration_ms:
        cut = first.end_ms
    elif not {s.voice for s in first.speeches} & {s.voice for s in second.speeches}:
        end = min(max(first.end_ms, second.end_ms), first.start_ms + options.max_cue_ms)
        return (Cue(first.start_ms, end, first.speeches + second.speeches),)
    else:
        shortest = max(1, min(options.min_cue_ms, first.duration_ms))
        cut = max(second.start_ms, first.start_ms + shortest)
    shortest = max(1, min(options.min_cue_ms, second.duration_ms))
    return (
        replace(first, end_ms=cut),
        replace(second, start_ms=cut, end_ms=max(second.end_ms, cut + shortest)),
    )


def _prolonged(cues: Sequence[Cue], options: SubtitleOptions) -> list[Cue]:
    """The same cues, short ones staying longer where nothing comes after them."""
    prolonged = []
    for index, cue in enumerate(cues):
        end = max(cue.end_ms, cue.start_ms + options.min_cue_ms)
        if index + 1 < len(cues):
            end = min(end, cues[index + 1].start_ms)
        prolonged.append(replace(cue, end_ms=end))
    return prolonged
