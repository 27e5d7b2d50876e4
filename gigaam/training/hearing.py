"""Transcriptions by a model that is being trained."""

from __future__ import annotations

from collections.abc import Sequence

from gigaam.dataset.manifests import Utterance
from gigaam.model import GigaAMASR
from gigaam.recognition.scheduler import Item, Limits, Scheduler
from gigaam.training.data import SpeechFiles


def transcribe_utterances(
    model: GigaAMASR,
    utterances: Sequence[Utterance],
    files: SpeechFiles,
    batch_s: float = 100.0,
) -> list[str]:
    """The text of each utterance, in their order."""
    texts = [""] * len(utterances)
    recognizer = model.recognizer()
    waiting: Scheduler[int] = Scheduler(Limits(max_padded_s=batch_s))
    waiting.add([Item(i, utterance.n_samples) for i, utterance in enumerate(utterances)])
    training = model.training
    model.eval()
    try:
        while batch := [item.payload for item in waiting.take()]:
            results = recognizer.transcribe_batch([files.read(utterances[i]) for i in batch])
            for i, result in zip(batch, results, strict=True):
                texts[i] = str(result)
    finally:
        model.train(training)
    return texts
