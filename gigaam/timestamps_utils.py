"""Times of words, under the function names of the published package.

`gigaam.decoding.timestamps` does the same from hypotheses, with confidences.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gigaam.audio import SAMPLE_RATE
from gigaam.decoding import Hypothesis
from gigaam.decoding.timestamps import words_from_hypothesis
from gigaam.decoding.tokenizer import Tokenizer
from gigaam.types import Word

__all__ = ["compute_frame_shift", "frames_to_words"]


def compute_frame_shift(audio_length: int, encoded_length: int) -> float:
    """Seconds from one frame of a recording's encodings to the next.

    Args:
        audio_length: Samples of the recording, at 16 kHz.
        encoded_length: Its frames.
    """
    return audio_length / SAMPLE_RATE / max(encoded_length, 1)


def frames_to_words(
    tokenizer: Tokenizer, token_ids: Sequence[int], token_frames: Sequence[int], frame_shift: float
) -> list[Word]:
    """The words of one recording, whose confidence nobody knows and which is therefore 1.

    Args:
        tokenizer: What spells the tokens: ``model.decoding.tokenizer``.
        token_ids: What ``model.decoding.decode`` gives.
        token_frames: The frame of each token.
        frame_shift: From `compute_frame_shift`.
    """
    ids, frames = np.asarray(token_ids, np.int64), np.asarray(token_frames, np.int64)
    certain = np.zeros(len(ids), np.float32)
    return words_from_hypothesis(Hypothesis(ids, frames, certain), tokenizer, frame_shift)
