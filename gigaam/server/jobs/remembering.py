"""Recognition that remembers: what the nets have said of a chunk once, they need not say again.

A job that goes on after the process has died is decoded, searched for speech and cut anew, which is
cheap and gives the same chunks. Those that were recognised already come from the store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import gigaam
from gigaam.audio import SAMPLE_RATE, read_audio
from gigaam.decoding import DecodingOptions
from gigaam.decoding.searches import Search, build_search
from gigaam.example_recording import EXAMPLE
from gigaam.recognition.batcher import Batcher
from gigaam.recognition.recognizer import Recognizer
from gigaam.recognition.scheduler import Priority
from gigaam.recognition.shared import SharedRecognition
from gigaam.recognition.speech_recognition import SpeechRecognition
from gigaam.server.jobs.plain import chunk_from, chunk_json
from gigaam.server.jobs.store import JobStore
from gigaam.types import TranscriptionResult

__all__ = ["Memory", "RememberingRecognition", "signature"]

Waveform = NDArray[np.float32]


@dataclass
class Memory:
    """What is known of the chunks of a job.

    Attributes:
        store: Where they are kept.
        job: Its name.
        model: Gives what stands for what recognises it, see `signature`; asked once.
        on_sound: Told the seconds of sound that went through the nets.
        working: Open while they are at work.
        failure: What went wrong here; nothing more is to be told of the recording then, as what
            comes next is not what comes next in it.
    """

    store: JobStore
    job: str
    model: Callable[[], str]
    on_sound: Callable[[float], Any] = lambda seconds: None
    working: Callable[[], AbstractContextManager[Any]] = nullcontext
    failure: Exception | None = None

    def recall(
        self,
        waveforms: Sequence[Waveform],
        decoding: DecodingOptions | None,
        recognize: Callable[[Sequence[Waveform]], Sequence[TranscriptionResult]],
    ) -> list[TranscriptionResult]:
        """The results of waveforms; those that are not known are recognised, and kept.

        Args:
            waveforms: Chunks, each float32 [n].
            decoding: How tokens are searched for.
            recognize: Gives the results of those that are not known.
        """
        if self.failure is not None:
            raise self.failure
        try:
            keys = [self._key(each, decoding) for each in waveforms]
            known = self.store.remembered(self.job, list(dict.fromkeys(keys)))
            new = {key: each for key, each in zip(keys, waveforms, strict=True) if key not in known}
            if new:
                with self.working():
                    found = dict(zip(new, recognize(list(new.values())), strict=True))
                self.store.remember(self.job, found)
                # As it will be read next time: there is no telling one from the other.
                known |= {key: chunk_from(chunk_json(result)) for key, result in found.items()}
                self.on_sound(sum(map(len, new.values())) / SAMPLE_RATE)
        except Exception as error:
            self.failure = error
            raise
        return [known[key] for key in keys]

    @cached_property
    def _model(self) -> str:
        return self.model()

    def _key(self, waveform: Waveform, decoding: DecodingOptions | None) -> bytes:
        """Stands for the samples, and for all that their result depends on."""
        how = repr((gigaam.__version__, self._model, decoding)).encode()
        digest = hashlib.blake2b(len(how).to_bytes(8, "little") + how, digest_size=32)
        digest.update(np.ascontiguousarray(waveform, np.float32).data)
        return digest.digest()


def signature(recognizer: Recognizer) -> str:
    """Stands for a model and its search by what they say of a known recording.

    A name would stand for another model as soon as somebody exports or trains it again. Two
    decimals are enough to tell nets apart, however alike, and too few for their rounding to show.
    """
    result = recognizer.transcribe_batch([read_audio(EXAMPLE)])[0]
    found = result.hypothesis
    assert found is not None
    log_probs = [round(float(each), 2) for each in found.log_probs]
    return repr((result.text, found.frames.tolist(), log_probs, round(found.score, 2)))


class RememberingRecognition(SharedRecognition):
    """Recognition in turns with others, of which chunks of long recordings are remembered."""

    def __init__(
        self,
        model: SpeechRecognition,
        batcher: Batcher,
        memory: Memory,
        *,
        caller: Hashable = None,
        priority: Priority = Priority.BULK,
    ) -> None:
        """Recognition on behalf of a job.

        Args:
            model: Runs the nets.
            batcher: That of all who share them.
            memory: What is known already.
            caller: Who is to get a fair share.
            priority: Whether others go first.
        """
        super().__init__(model, batcher, caller=caller, priority=priority)
        self._memory = memory

    def recognizer(
        self,
        decoding: DecodingOptions | None = None,
        *,
        batcher: Batcher | None = None,
        caller: Hashable = None,
        priority: Priority | None = None,
    ) -> Recognizer:
        """Recognition by the model itself, which looks into the memory first."""
        return _Remembering(
            (self._memory, decoding),
            self._model,  # not this view of it: equal passes share batches
            build_search(self.decoding, decoding),
            batcher=batcher or self._batcher,
            caller=self._caller if caller is None else caller,
            priority=self._priority if priority is None else priority,
        )


class _Remembering(Recognizer):
    """A recogniser that looks into a memory first."""

    def __init__(
        self,
        known: tuple[Memory, DecodingOptions | None],
        model: SpeechRecognition,
        search: Search,
        *,
        batcher: Batcher,
        caller: Hashable,
        priority: Priority,
    ) -> None:
        super().__init__(
            model,
            model.decoding.tokenizer,
            search,
            batcher=batcher,
            caller=caller,
            priority=priority,
        )
        self._memory, self._decoding = known

    def transcribe_batch(
        self, waveforms: Sequence[Waveform], word_timestamps: bool = False
    ) -> list[TranscriptionResult]:
        recognize = partial(super().transcribe_batch, word_timestamps=True)
        return self._memory.recall(waveforms, self._decoding, recognize)
