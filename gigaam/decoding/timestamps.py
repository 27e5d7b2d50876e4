"""From tokens with frames to words with seconds."""

from __future__ import annotations

from collections.abc import Iterator

from gigaam.decoding.hypotheses import Hypothesis, mean_probability
from gigaam.decoding.tokenizer import Tokenizer
from gigaam.types import Word


def words_from_hypothesis(
    hypothesis: Hypothesis, tokenizer: Tokenizer, seconds_per_frame: float
) -> list[Word]:
    """The words of one recording, in order; starts never decrease, nor do ends.

    A word starts with the frame of its first token and ends after the frame of its last one. Joined
    by single spaces the words are the decoded text with its runs of spaces made single.

    Args:
        hypothesis: The recording's tokens.
        tokenizer: What spells them.
        seconds_per_frame: The recording's seconds divided by its encoder frames.
    """
    words = []
    for first, end in _word_spans(hypothesis.ids.tolist(), tokenizer):
        # Decoding a word by itself keeps what spans tokens (bytes of one character) together.
        text = tokenizer.decode(hypothesis.ids[first:end].tolist()).strip()
        if text:  # a lone ▁ or a control token spells nothing
            words.append(
                Word(
                    text=text,
                    start=float(hypothesis.frames[first] * seconds_per_frame),
                    end=float((hypothesis.frames[end - 1] + 1) * seconds_per_frame),
                    confidence=mean_probability(hypothesis.log_probs[first:end]),
                )
            )
    return words


def _word_spans(ids: list[int], tokenizer: Tokenizer) -> Iterator[tuple[int, int]]:
    """The ranges [first, end) of tokens that form a word."""
    first = 0
    for position, token in enumerate(ids):
        alone = tokenizer.stands_alone(token)
        if first < position and (
            alone or tokenizer.is_space(token) or tokenizer.starts_word(token)
        ):
            yield first, position
            first = position
        if tokenizer.is_space(token):
            first = position + 1
        elif alone:
            yield position, position + 1
            first = position + 1
    if first < len(ids):
        yield first, len(ids)
