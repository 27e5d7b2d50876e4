"""A model whose nets are shared with others: its recognition takes turns with theirs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gigaam.decoding import DecodingOptions
from gigaam.decoding.log_probs import LogProbs
from gigaam.decoding.nets import Transducer
from gigaam.recognition.batcher import Batcher
from gigaam.recognition.recognizer import Recognizer
from gigaam.recognition.scheduler import Priority
from gigaam.recognition.speech_recognition import SpeechRecognition

__all__ = ["SharedRecognition"]


class SharedRecognition(SpeechRecognition):
    """Recognition by a model, in which a batcher decides whose turn it is."""

    def __init__(
        self,
        model: SpeechRecognition,
        batcher: Batcher,
        *,
        caller: Hashable = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> None:
        """Recognition on behalf of a caller.

        Args:
            model: Runs the nets.
            batcher: That of all who share them.
            caller: Who is to get a fair share; by default each batch by itself.
            priority: Whether others go first.
        """
        self.decoding = model.decoding
        self._model = model
        self._batcher = batcher
        self._caller = caller
        self._priority = priority

    @property
    def device(self) -> Any:
        """Where the nets run."""
        return self._model.device

    def encode(self, waveforms: Sequence[NDArray[np.float32]]) -> Any:
        """The encoder's output for one batch of recordings, each float32 [n], mono, 16 kHz."""
        return self._model.encode(waveforms)

    def emissions(self, encodings: Any) -> LogProbs:
        """Log-probabilities [B, T, V] of a batch."""
        return self._model.emissions(encodings)

    def transducer(self, encodings: Any) -> Transducer[Any]:
        """A batch as an RNN-T search sees it."""
        return self._model.transducer(encodings)

    def recognizer(
        self,
        decoding: DecodingOptions | None = None,
        *,
        batcher: Batcher | None = None,
        caller: Hashable = None,
        priority: Priority | None = None,
    ) -> Recognizer:
        """Recognition by the model itself, as this view says unless the arguments do."""
        return self._model.recognizer(
            decoding,
            batcher=batcher or self._batcher,
            caller=self._caller if caller is None else caller,
            priority=self._priority if priority is None else priority,
        )
