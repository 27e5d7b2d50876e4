"""Live sessions of many threads over one model."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gigaam.audio.pushed import PushedAudio
from gigaam.decoding.options import with_words
from gigaam.errors import ArgumentError
from gigaam.live.options import LiveArguments, LiveOptions
from gigaam.live.session import LiveSession
from gigaam.recognition.batcher import Batcher
from gigaam.recognition.scheduler import Limits, Priority
from gigaam.vad.detectors import build_detector

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from gigaam.recognition import SpeechRecognition

__all__ = ["LiveRecognizer", "live_limits"]

_TOGETHER = Limits(max_count=8)


def live_limits(model: SpeechRecognition) -> Limits | None:
    """How much live sound goes through the nets at once: None where more at once is no faster."""
    return None if str(model.device) == "cpu" else _TOGETHER


class LiveRecognizer:
    """Makes the sessions over one model; threads may share it.

    All decoding goes through one batcher, so that one net runs at a time, for whoever has waited
    longest. Recognition of files takes its turns there as well, after that of live sessions, if
    it is given the same batcher: ``model.recognizer(batcher=live.batcher)``.

    Attributes:
        batcher: Decides whose sound is decoded next.
    """

    def __init__(self, model: SpeechRecognition, batcher: Batcher | None = None) -> None:
        """A recogniser of live speech.

        Args:
            model: Runs the nets.
            batcher: That of other recognition on the same machine; by default a new one.
        """
        if batcher is None:
            batcher = Batcher(live_limits(model))
        self._model = model
        self.batcher = batcher

    def session(
        self,
        input_rate: int | None = None,
        *,
        sample_format: str = "s16le",
        n_channels: int = 1,
        options: LiveOptions | None = None,
        **changes: Unpack[LiveArguments],
    ) -> LiveSession:
        """A session for one stream; the arguments are those of ``model.live``."""
        options = replace(options or LiveOptions(), **changes)
        decoding = with_words(options.decoding, options.hotwords, options.lm)
        if decoding is not None and decoding.n_best > 1:
            raise ArgumentError("n_best is for recordings recognised in one pass: `transcribe`")
        recognizer = self._model.recognizer(decoding, batcher=self.batcher, priority=Priority.LIVE)
        detector = build_detector(options.vad, options=options.vad_options)
        audio = PushedAudio(
            input_rate,
            sample_format=sample_format,
            n_channels=n_channels,
            apart=options.channels == "split",
        )
        recognize = partial(recognizer.transcribe_batch, word_timestamps=True)
        return LiveSession(recognize, detector, options, audio)
