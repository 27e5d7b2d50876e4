"""A transducer in plain numpy with random weights: LSTM predictor, sine joint. No torch.

With the usual ReLU, random weights emit at a frame either nothing or the same label up to the cap;
a sine makes each label change what follows, and all counts between occur.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding.log_probs import ArrayLogProbs


def _sigmoid(x: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-x))


@dataclass(frozen=True)
class States:
    h: NDArray
    c: NDArray

    def select(self, index: NDArray) -> "States":
        return States(self.h[index], self.c[index])

    def joined(self, others: "States") -> "States":
        return States(np.concatenate([self.h, others.h]), np.concatenate([self.c, others.c]))


class NumpyTransducer:
    """A batch of random encodings [B, T, D] under seeded weights.

    The encodings of a recording depend only on its own seed, so that it can be searched alone.
    """

    def __init__(
        self, seeds: list[int], lengths: list[int], *, classes: int, blank_bias: float, hidden=12
    ) -> None:
        rng = np.random.default_rng(7)
        self.embedding = 3 * rng.normal(size=(classes, hidden))
        self.w_ih = rng.normal(size=(hidden, 4 * hidden))
        self.w_hh = rng.normal(size=(hidden, 4 * hidden))
        self.bias = rng.normal(size=4 * hidden)
        self.w_out = 2 * rng.normal(size=(hidden, classes))
        self.b_out = np.zeros(classes)
        self.b_out[-1] = blank_bias
        self.encoded = rng.normal(size=(len(lengths), max([*lengths, 1]), hidden))  # junk padding
        for row, (seed, length) in enumerate(zip(seeds, lengths, strict=True)):
            own = np.random.default_rng(seed).normal(size=(length, hidden))
            self.encoded[row, :length] = 2 * own
        self.joined_rows: list[int] = []

    def cell(self, x: NDArray, h: NDArray, c: NDArray) -> tuple[NDArray, NDArray]:
        i, f, g, o = np.split(x @ self.w_ih + h @ self.w_hh + self.bias, 4, axis=-1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        return _sigmoid(o) * np.tanh(c), c

    def log_probs(self, encoded: NDArray, h: NDArray) -> NDArray[np.float32]:
        logits = np.sin(encoded + 8 * h) @ self.w_out + self.b_out
        return (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype(np.float32)

    # The protocol of gigaam.decoding.nets.Transducer.

    def start(self) -> States:
        zeros = np.zeros((len(self.encoded), self.encoded.shape[-1]))
        return States(*self.cell(zeros, zeros, zeros))

    def advance(self, states: States, labels: NDArray, index: NDArray | None = None) -> States:
        if index is None:
            index = np.arange(len(labels))
        h, c = states.h.copy(), states.c.copy()
        h[index], c[index] = self.cell(self.embedding[labels], h[index], c[index])
        return States(h, c)

    def join(
        self, states: States, recordings: NDArray, first_frames: NDArray, width: int
    ) -> ArrayLogProbs:
        self.joined_rows.append(len(recordings))
        frames = (first_frames[:, None] + np.arange(width)).clip(max=self.encoded.shape[1] - 1)
        encoded = self.encoded[recordings[:, None], frames]
        return ArrayLogProbs(self.log_probs(encoded, states.h[:, None]))

    def search_one(self, row: int, length: int, cap: int) -> list[tuple[int, int, float]]:
        """The oracle: (label, frame, log-probability), frame after frame, one recording."""
        zeros = np.zeros(self.encoded.shape[-1])
        h, c = self.cell(zeros, zeros, zeros)
        found = []
        for frame in range(length):
            for _ in range(cap):
                log_probs = self.log_probs(self.encoded[row, frame], h)
                label = int(log_probs.argmax())
                if label == len(log_probs) - 1:
                    break
                found.append((label, frame, float(log_probs[label])))
                h, c = self.cell(self.embedding[label], h, c)
        return found
