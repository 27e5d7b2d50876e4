"""What a network hears while it is being trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from gigaam.decoding import CTCGreedyDecoding
from gigaam.training.ctc import CTCNetwork
from gigaam.training.data import SpeechFiles
from gigaam.training.loader import pad
from gigaam.training.manifests import Utterance


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
