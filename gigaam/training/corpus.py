"""The utterances of a run's manifests that can be learnt from, and why the others cannot."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from gigaam.dataset.manifests import Utterance, read_manifest
from gigaam.dataset.text import normalize_text
from gigaam.errors import DatasetError, ModelError
from gigaam.evaluation.report_text import place
from gigaam.evaluation.scoring import tidy_text
from gigaam.quoting import counted

__all__ = ["Corpus", "Limits", "gather", "read_transcriptions", "readable"]

logger = logging.getLogger(__name__)

_SHOWN_PLACES, _SHOWN_TEXT = 3, 60


@dataclass(frozen=True)
class Corpus:
    """Utterances for training.

    Attributes:
        utterances: Those that can be learnt from; `text` is what the model is to output.
        left_out: Number of the others, by reason.
    """

    utterances: Sequence[Utterance]
    left_out: Counter[str]

    @property
    def duration_s(self) -> float:
        """Total length, in seconds."""
        return sum(utterance.duration_s for utterance in self.utterances)


def read_transcriptions(manifests: Sequence[str], normalize: bool) -> list[Utterance]:
    """The utterances of manifests, their texts as the model is to spell them.

    Args:
        manifests: Paths of the manifests.
        normalize: Lower-case texts and strip punctuation; otherwise only tidy their spaces.

    Raises:
        DatasetError: A manifest is invalid.
    """
    clean = normalize_text if normalize else tidy_text
    return [
        replace(utterance, text=clean(utterance.text))
        for path in manifests
        for utterance in read_manifest(path)
    ]


@dataclass(frozen=True)
class Limits:
    """What makes an utterance usable for training.

    Attributes:
        encode: Returns the labels of a text.
        max_s: Longest utterance, in seconds.
        max_labels_per_s: Most labels per second: CTC has room for one per frame only.
        column: The manifest's column that the text comes from.
        silence: Whether utterances without a text are kept, as recordings in which nobody speaks.
    """

    encode: Callable[[str], Sequence[int]]
    max_s: float
    max_labels_per_s: float
    column: str = "transcription"
    silence: bool = False

    def obstacle(self, utterance: Utterance) -> str | None:
        """Why nothing can be learnt from an utterance; None if something can."""
        if why := unusable(utterance, self.column, self.silence):
            return why
        if utterance.duration_s > self.max_s:
            return f"longer than {self.max_s:g} s"
        try:
            labels = self.encode(utterance.text)
        except ModelError:
            return "characters outside the vocabulary"
        repeats = sum(left == right for left, right in pairwise(labels))
        if len(labels) + repeats > self.max_labels_per_s * utterance.duration_s:
            return "more text than fits into the recording"
        return None


def gather(utterances: Sequence[Utterance], limits: Limits) -> Corpus:
    """The utterances that can be learnt from; warns of the others and where the first ones are.

    Args:
        utterances: All utterances of the training manifests.
        limits: What makes them usable.

    Raises:
        DatasetError: None is usable.
    """
    corpus = _sorted_out(utterances, limits.obstacle, "train")
    if not corpus.utterances:
        raise DatasetError(f"there is nothing to learn from: {_reasons(corpus)}")
    silent = [utterance for utterance in corpus.utterances if not utterance.text]
    if silent:
        logger.info("learnt as silence: %s: %s", counted(len(silent), "utterance"), _places(silent))
    return corpus


def readable(utterances: Sequence[Utterance], column: str, silence: bool) -> Sequence[Utterance]:
    """The utterances that a model can be validated on; warns of the others.

    Args:
        utterances: All utterances of the development manifests.
        column: The manifest's column that the text comes from.
        silence: Whether utterances without a text count, as recordings in which nobody speaks.

    Raises:
        DatasetError: None is usable.
    """
    corpus = _sorted_out(utterances, lambda utterance: unusable(utterance, column, silence), "dev")
    if utterances and not corpus.utterances:
        raise DatasetError(f"the development set has no usable utterance: {_reasons(corpus)}")
    return corpus.utterances


def unusable(utterance: Utterance, column: str, silence: bool) -> str | None:
    """What an utterance lacks for any use; None if nothing."""
    if not (utterance.text or silence):
        return f"no {column}"
    if not utterance.path.exists():
        return "no such file"
    if not utterance.n_samples:
        return "no duration in the manifest or in the file's header"
    return None


def _sorted_out(
    utterances: Sequence[Utterance], obstacle: Callable[[Utterance], str | None], name: str
) -> Corpus:
    """The utterances without an obstacle; one warning per kind of obstacle among the others."""
    kept: list[Utterance] = []
    left_out: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        why = obstacle(utterance)
        if why is None:
            kept.append(utterance)
        else:
            left_out.setdefault(why, []).append(utterance)
    for why, which in left_out.items():
        total = counted(len(utterances), "utterance")
        logger.warning(
            "data.%s: left out %d of %s, %s: %s", name, len(which), total, why, _places(which)
        )
    return Corpus(kept, Counter({why: len(which) for why, which in left_out.items()}))


def _reasons(corpus: Corpus) -> str:
    return "; ".join(f"{why}: {n}" for why, n in corpus.left_out.most_common()) or "no utterances"


def _places(utterances: Sequence[Utterance]) -> str:
    """The places of the first few utterances."""
    shown = [_place(utterance) for utterance in utterances[:_SHOWN_PLACES]]
    return "; ".join(shown) + ("; …" if len(utterances) > _SHOWN_PLACES else "")


def _place(utterance: Utterance) -> str:
    """Where an utterance is, in its manifest and on disk, and its text."""
    text = f" ({utterance.text[:_SHOWN_TEXT]!r})" if utterance.text else ""
    row = f"{utterance.manifest}, line {utterance.line}: " if utterance.manifest else ""
    return f"{row}{place(utterance)}{text}"
