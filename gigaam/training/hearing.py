"""Transcriptions by a model that is being trained."""

from __future__ import annotations

from collections.abc import Sequence

from gigaam.dataset.manifests import Utterance
from gigaam.model import GigaAMASR
from gigaam.training.data import SpeechFiles


def transcribe_utterances(
    model: GigaAMASR,
    utterances: Sequence[Utterance],
    files: SpeechFiles,
    batch_s: float = 100.0,
) -> list[str]:
    """The text of each utterance, in their order."""
    texts = [""] * len(utterances)
    order = sorted(range(len(utterances)), key=lambda i: utterances[i].n_samples)
    recognizer = model.recognizer()
    training = model.training
    model.eval()
    while order:
        longest_s = utterances[order[-1]].duration_s
        batch = order[-max(1, int(batch_s / longest_s)) :]
        del order[-len(batch) :]
        results = recognizer.transcribe_batch([files.read(utterances[i]) for i in batch])
        for i, result in zip(batch, results, strict=True):
            texts[i] = str(result)
    model.train(training)
    return texts
