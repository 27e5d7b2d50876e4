"""Segments of transcripts for tests: spoken evenly, or as odd as a result can be."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import strategies as st

from gigaam.types import Segment, Word

PLAIN_WORD = st.text(st.sampled_from("абвгжщ.,!?-«»"), min_size=1, max_size=12)
TIME = st.one_of(st.floats(0, 60), st.floats(-1, 1e6), st.integers(0, 30))


def speech(text: str, start: float = 0.0, word_s: float = 0.3, gap_s: float = 0.1) -> Segment:
    """A segment with words of one length, one after the other."""
    words = []
    for index, word in enumerate(text.split()):
        begin = start + index * (word_s + gap_s)
        words.append(Word(word, begin, begin + word_s, 1.0))
    return Segment(text, start, words[-1].end, words)


@st.composite
def segments_of(draw: st.DrawFn, word: st.SearchStrategy[str] = PLAIN_WORD) -> list[Segment]:
    """Segments in any order, over each other, with and without words, with odd times."""
    segments = []
    for _ in range(draw(st.integers(0, 5))):
        texts = draw(st.lists(word, max_size=25))
        start = draw(TIME)
        words = None
        end = start + draw(st.floats(0, 40))
        if draw(st.booleans()):
            words, moment = [], start
            for text in texts:
                moment += draw(st.sampled_from([-0.1, 0.0, 0.0, 0.04, 0.2, 2.0]))
                length = draw(st.sampled_from([0.0, 0.04, 0.3, 0.6, 9.0]))
                words.append(Word(text, moment, moment + length, 0.5))
                moment += length
        channel = draw(st.sampled_from([None, 0, 1, 1]))
        segments.append(Segment(" ".join(texts), start, end, words, channel=channel))
    return segments


def words_of(segments: Sequence[Segment]) -> Counter[tuple[str, int | None]]:
    """Each word with its channel, and how often it is there."""
    return Counter((text, s.channel) for s in segments for text in s.text.split())
