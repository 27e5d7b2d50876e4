"""Error rates of recognised text against references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gigaam.decoding import CTCGreedyDecoding
from gigaam.errors import MissingDependencyError
from gigaam.training.ctc import CTCNetwork
from gigaam.training.data import SpeechFiles, Utterance
from gigaam.training.loader import pad
from gigaam.training.text import normalize_text


@dataclass(frozen=True)
class ErrorRates:
    """Errors over a whole set.

    Attributes:
        cer: edits per reference character, spaces counted.
        wer: edits per reference word.
        utterances: how many were compared.
    """

    cer: float
    wer: float
    utterances: int


def error_rates(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorRates:
    """Character and word error rates: total edits over total reference length.

    Both sides are normalised first.

    Raises:
        MissingDependencyError: the jiwer package is not installed.
    """
    try:
        import jiwer
    except ImportError as error:
        raise MissingDependencyError(
            "error rates need the jiwer package: pip install 'gigaam[train]'"
        ) from error
    expected = [normalize_text(text) for text in references]
    said = [normalize_text(text) for text in hypotheses]
    return ErrorRates(
        float(jiwer.cer(expected, said)), float(jiwer.wer(expected, said)), len(expected)
    )


def recognize(
    network: CTCNetwork,
    utterances: Sequence[Utterance],
    vocabulary: Sequence[str],
    files: SpeechFiles,
    batch_s: float = 100.0,
) -> list[str]:
    """What the network hears in each utterance (greedy search), in their order."""
    decoding = CTCGreedyDecoding(vocabulary)
    texts = [""] * len(utterances)
    order = sorted(range(len(utterances)), key=lambda i: utterances[i].n_samples)
    training = network.training
    network.eval()
    while order:
        longest_s = utterances[order[-1]].duration_s
        batch = order[-max(1, int(batch_s / longest_s)) :]
        del order[-len(batch) :]
        wav, lengths = pad([files.read(utterances[i]) for i in batch], np.float32)
        with torch.inference_mode():
            log_probs, frames = network(wav, lengths)
        hypotheses = decoding.search(log_probs.numpy(), frames.numpy())
        for i, hypothesis in zip(batch, hypotheses, strict=True):
            texts[i] = decoding.tokenizer.decode(hypothesis.ids)
    network.train(training)
    return texts
