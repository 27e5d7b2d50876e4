"""Options of live sessions side by side, without the time that decoding takes."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha1
from itertools import product
from typing import Any, cast

from benchmarks.live_quality import (
    edits,
    error_rates,
    file_words,
    lags,
    listen,
    open_model,
    percentiles,
    stability,
    streams_of,
)
from gigaam.live import LiveOptions
from gigaam.recognition.feed import Waveform
from gigaam.recognition.speech_recognition import SpeechRecognition
from gigaam.types import TranscriptionResult

_SHOWN = ("commit_p50", "settled_p50", "first_p50", "first_p95", "final_quiet_p50")


class Remembering:
    """A model that recognises the same sound once: options share most of their windows."""

    def __init__(self, model: SpeechRecognition) -> None:
        self.device = model.device
        self._recognizer = model.recognizer()
        self._known: dict[bytes, TranscriptionResult] = {}

    def recognizer(self, *_: Any, **__: Any) -> "Remembering":
        """Itself."""
        return self

    def transcribe_batch(
        self, waveforms: Sequence[Waveform], word_timestamps: bool = False
    ) -> list[TranscriptionResult]:
        """As `Recognizer.transcribe_batch`, one by one."""
        return [self._result(each) for each in waveforms]

    def _result(self, waveform: Waveform) -> TranscriptionResult:
        key = sha1(waveform.tobytes()).digest()
        if key not in self._known:
            (self._known[key],) = self._recognizer.transcribe_batch([waveform], True)
        return self._known[key]


def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each model and combination of options."""
    rows = []
    for name in arguments.models:
        model = open_model(name, False, arguments.threads)
        streams = streams_of(model, arguments.split, 1, arguments.minutes)
        file = edits(streams, [file_words(model, each) for each in streams])
        known = cast(SpeechRecognition, Remembering(model))
        choices = (arguments.window, arguments.context, arguments.stride, arguments.hold_back)
        for window_s, context_s, stride_s, hold_back_s in product(*choices):
            changes = {
                "hold_back_s": hold_back_s,
                "stride_s": stride_s,
                "context_s": context_s,
                "window_s": window_s,
            }
            options = replace(LiveOptions(word_timestamps=True), **changes)
            heard = listen(known, streams, options, pace=0)
            row = {"model": name, **changes, **stability(heard)}
            found = percentiles(lags(heard))
            row |= {of: found[of] for of in _SHOWN}
            row["wer_more"] = error_rates(edits(streams, heard.words), file)["wer_more"]
            rows.append(row)
            print(row, file=sys.stderr, flush=True)  # all of them take half an hour
    return rows
