"""The utterances of a run's manifests that can be learnt from, and why others cannot."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from gigaam.dataset.manifests import Utterance, read_manifest
from gigaam.dataset.text import normalize_text
from gigaam.errors import DatasetError, ModelError
from gigaam.evaluation.scoring import tidy_text

__all__ = ["Corpus", "gather", "read_texts"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Corpus:
    """Utterances for training.

    Attributes:
        utterances: Those that can be learnt from; `text` is what the model is to say.
        left_out: How many others there are, by the reason.
    """

    utterances: Sequence[Utterance]
    left_out: Counter[str]

    @property
    def hours(self) -> float:
        """Their length."""
        return sum(utterance.duration_s for utterance in self.utterances) / 3600


def read_texts(manifests: Sequence[str], column: str, normalize: bool) -> list[Utterance]:
    """The utterances of manifests, their texts what the model is to say.

    Args:
        manifests: Files.
        column: The column that says it.
        normalize: Lower-case, without punctuation; else only spaces are tidied.

    Raises:
        DatasetError: A manifest is not what it should be.
    """
    clean = normalize_text if normalize else tidy_text
    utterances = [u for path in manifests for u in read_manifest(path, required=(column,))]
    if column != "transcription":
        return [replace(u, text=u.columns[column]) for u in utterances]
    return [replace(u, text=clean(u.text)) for u in utterances]


def gather(
    utterances: Sequence[Utterance],
    *,
    encode: Callable[[str], Sequence[int]],
    max_s: float,
    max_labels_per_s: float,
) -> Corpus:
    """What can be learnt from.

    Args:
        utterances: All there are.
        encode: Gives the labels of a text.
        max_s: Longer utterances are left out.
        max_labels_per_s: Those with more labels are left out: CTC has but one per frame.

    Raises:
        DatasetError: Nothing is left.
    """
    kept: list[Utterance] = []
    left_out: Counter[str] = Counter()
    for utterance in utterances:
        why = _obstacle(utterance, encode, max_s, max_labels_per_s)
        if why is None:
            kept.append(utterance)
            continue
        if not left_out[why]:
            logger.warning("left out: %s: %s (%r)", utterance.path, why, utterance.text)
        left_out[why] += 1
    if not kept:
        raise DatasetError(f"there is nothing to learn from: {dict(left_out) or 'no utterances'}")
    return Corpus(kept, left_out)


def _obstacle(
    utterance: Utterance,
    encode: Callable[[str], Sequence[int]],
    max_s: float,
    max_labels_per_s: float,
) -> str | None:
    """Why nothing can be learnt from an utterance, if so."""
    if utterance.duration_s > max_s:
        return f"longer than {max_s:g} s"
    try:
        labels = encode(utterance.text)
    except ModelError:
        return "characters outside the vocabulary"
    repeats = sum(left == right for left, right in pairwise(labels))
    if len(labels) + repeats > max_labels_per_s * utterance.duration_s:
        return "more text than the sound has room for"
    return None
