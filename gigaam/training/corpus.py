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
from gigaam.evaluation.report_text import counted, place
from gigaam.evaluation.scoring import tidy_text

__all__ = ["Corpus", "Limits", "gather", "read_texts", "readable"]

logger = logging.getLogger(__name__)

_SHOWN_PLACES, _SHOWN_TEXT = 3, 60


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
    def duration_s(self) -> float:
        """Their length, in seconds."""
        return sum(utterance.duration_s for utterance in self.utterances)


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
        return [
            replace(u, text=u.columns[column] if u.columns[column].strip() else "")
            for u in utterances
        ]
    return [replace(u, text=clean(u.text)) for u in utterances]


@dataclass(frozen=True)
class Limits:
    """What an utterance may be.

    Attributes:
        encode: Gives the labels of a text.
        max_s: Longer utterances are left out.
        max_labels_per_s: Those with more labels are left out: CTC has but one per frame.
        column: What the manifest calls the text.
        silence: Whether those without a text stay, as recordings in which nobody speaks.
    """

    encode: Callable[[str], Sequence[int]]
    max_s: float
    max_labels_per_s: float
    column: str = "transcription"
    silence: bool = False

    def obstacle(self, utterance: Utterance) -> str | None:
        """Why nothing can be learnt from an utterance, if so."""
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
            return "more text than the sound has room for"
        return None


def gather(utterances: Sequence[Utterance], limits: Limits) -> Corpus:
    """What can be learnt from; what cannot is told, with the first places.

    Args:
        utterances: All there are.
        limits: What they may be.

    Raises:
        DatasetError: Nothing is left.
    """
    corpus = _sorted_out(utterances, limits.obstacle, "train")
    if not corpus.utterances:
        raise DatasetError(f"there is nothing to learn from: {_reasons(corpus)}")
    silent = [utterance for utterance in corpus.utterances if not utterance.text]
    if silent:
        logger.info("learnt as silence: %s: %s", counted(len(silent), "utterance"), _places(silent))
    return corpus


def readable(utterances: Sequence[Utterance], column: str, silence: bool) -> Sequence[Utterance]:
    """Those of a development set by which a model can be judged; others are told.

    Args:
        utterances: All there are.
        column: What the manifest calls the text.
        silence: Whether those without a text count, as recordings in which nobody speaks.

    Raises:
        DatasetError: Nothing is left.
    """
    corpus = _sorted_out(utterances, lambda utterance: unusable(utterance, column, silence), "dev")
    if utterances and not corpus.utterances:
        raise DatasetError(f"the development set has nothing to judge by: {_reasons(corpus)}")
    return corpus.utterances


def unusable(utterance: Utterance, column: str, silence: bool) -> str | None:
    """What an utterance lacks for any use, if so."""
    if not (utterance.text or silence):
        return f"no {column}"
    if not utterance.path.exists():
        return "no such file"
    if not utterance.n_samples:
        return "no duration in the manifest, nor in the file's header"
    return None


def _sorted_out(
    utterances: Sequence[Utterance], obstacle: Callable[[Utterance], str | None], name: str
) -> Corpus:
    """The utterances without an obstacle; a warning for each kind of the others."""
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
    """Where the first of some utterances are."""
    shown = [_place(utterance) for utterance in utterances[:_SHOWN_PLACES]]
    return "; ".join(shown) + ("; …" if len(utterances) > _SHOWN_PLACES else "")


def _place(utterance: Utterance) -> str:
    """Where an utterance is, in its manifest and on the disk, and what it is to say."""
    text = f" ({utterance.text[:_SHOWN_TEXT]!r})" if utterance.text else ""
    row = f"{utterance.manifest}, line {utterance.line}: " if utterance.manifest else ""
    return f"{row}{place(utterance)}{text}"
