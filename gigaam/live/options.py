"""How a live session listens."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TypedDict

from gigaam.decoding import DecodingOptions
from gigaam.decoding.hotwords import HotwordSource
from gigaam.decoding.options import LanguageModelSource
from gigaam.errors import ArgumentError
from gigaam.recognition.chunking import LONGEST_PASS_S, ChunkingOptions
from gigaam.recognition.longform import Channels
from gigaam.vad.speech import Vad, VadOptions

__all__ = ["LiveArguments", "LiveOptions"]

# The range of each option, in seconds, where it is not from 0.1 on.
_RANGES = {
    "context_s": (0.0, LONGEST_PASS_S),
    "hold_back_s": (0.0, LONGEST_PASS_S),
    "window_s": (1.0, LONGEST_PASS_S),  # the models recognise no more in one pass
    "endpoint_blank_s": (0.5, math.inf),  # within words there are shorter ones
    "longest_utterance_s": (1.0, LONGEST_PASS_S),
}


@dataclass(frozen=True)
class LiveOptions:
    """How a live session listens, and what it tells.

    Attributes:
        stride_s: Sound from one partial to the next, in seconds. Decoding that takes over two
            thirds of that widens it.
        window_s: Sound of which partials are made, at most, in seconds: less costs accuracy, and
            the time of a partial is proportional to it.
        context_s: How much of what is committed already is heard again before new words, at
            least, in seconds.
        hold_back_s: Words that end nearer than this to the edge stay tentative, in seconds; those
            of which the model is not sure within 2 seconds.
        longest_wait_s: Words that end further than this from the edge are committed even where
            hypotheses do not agree, in seconds.
        partials: Whether there are any; without them sound is decoded only for finals.
        endpoint_silence_s: A silence this long ends an utterance, in seconds: 0.3 for commands,
            1.2 for dictation.
        endpoint_blank_s: So does speech, as the detector takes it, in which partials show no word
            for that many seconds. By default it does not: finals then depend on the sound alone,
            not on when partials are made.
        longest_utterance_s: One that is longer is cut, as ``transcribe_longform`` with this
            ``max_duration`` cuts a recording, in seconds.
        word_timestamps: Whether segments hold their words.
        channels: "mix" recognises all channels as one, "split" each by itself.
        vad: What finds speech: "silero", "none", or a detector. One that has ``prompt_stream`` must
            decide at once unless it hears speech; of others utterances begin, and partials come,
            once a region of theirs has ended.
        vad_options: What counts as speech.
        decoding: How tokens are searched for.
        hotwords: Words and phrases to expect; see `gigaam.DecodingOptions`.
        lm: A language model: "packaged", its file, or an opened one.
    """

    stride_s: float = 0.4
    window_s: float = 12.0
    context_s: float = 4.0
    hold_back_s: float = 0.6
    longest_wait_s: float = 4.0
    partials: bool = True
    endpoint_silence_s: float = 0.5
    endpoint_blank_s: float | None = None
    longest_utterance_s: float = 22.0
    word_timestamps: bool = False
    channels: Channels = "mix"
    vad: Vad = "silero"
    vad_options: VadOptions | None = None
    decoding: DecodingOptions | None = None
    hotwords: HotwordSource | None = None
    lm: LanguageModelSource | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name.endswith("_s"):
                _check_seconds(field.name, getattr(self, field.name))
        if self.longest_wait_s + self.context_s > self.window_s:
            raise ArgumentError(
                f"window_s={self.window_s!r} must hold context_s and longest_wait_s, "
                f"{self.context_s + self.longest_wait_s:g} s together"
            )
        if self.stride_s > self.window_s:
            raise ArgumentError(
                f"stride_s={self.stride_s!r} must not be longer than window_s={self.window_s!r}"
            )
        if self.endpoint_blank_s is not None and not self.partials:
            raise ArgumentError("endpoint_blank_s needs partials, which tell where words are")
        if self.channels not in ("mix", "split"):
            raise ArgumentError(f'channels must be "mix" or "split", not {self.channels!r}')
        self._check_detector()

    def _check_detector(self) -> None:
        if self.vad in ("auto", "pyannote"):
            raise ArgumentError(
                f"vad={self.vad!r}: pyannote looks at ten minutes at a time; live there are "
                '"silero", "none" and detectors of your own'
            )
        if self.vad != "silero":
            if self.vad_options is not None:
                raise ArgumentError('vad_options are for vad="silero"')
            return
        vad = self.vad_options or VadOptions()
        shortest_s = max(vad.min_silence_s, 2 * vad.speech_pad_s)
        if self.endpoint_silence_s < shortest_s:
            raise ArgumentError(
                f"endpoint_silence_s={self.endpoint_silence_s!r}: by vad_options a silence under "
                f"{shortest_s:g} s is no pause"
            )

    @property
    def speech_pad_s(self) -> float:
        """What the detector adds at both ends of speech, in seconds, as far as that is known."""
        return (self.vad_options or VadOptions()).speech_pad_s if self.vad == "silero" else 0.0

    @property
    def chunking(self) -> ChunkingOptions:
        """How the sound of an utterance is cut."""
        return ChunkingOptions(max_duration_s=self.longest_utterance_s)


def _check_seconds(name: str, value: object) -> None:
    if value is None and name == "endpoint_blank_s":
        return
    low, high = _RANGES.get(name, (0.1, math.inf))
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number and math.isfinite(value) and low <= value <= high):  # type: ignore[arg-type, operator]
        upper = "" if math.isinf(high) else f" and at most {high:g}"
        raise ArgumentError(f"{name}={value!r} must be at least {low:g}{upper} seconds")


class LiveArguments(TypedDict, total=False):
    """The fields of `LiveOptions` as keyword arguments of ``model.live``."""

    stride_s: float
    window_s: float
    context_s: float
    hold_back_s: float
    longest_wait_s: float
    partials: bool
    endpoint_silence_s: float
    endpoint_blank_s: float | None
    longest_utterance_s: float
    word_timestamps: bool
    channels: Channels
    vad: Vad
    vad_options: VadOptions | None
    decoding: DecodingOptions | None
    hotwords: HotwordSource | None
    lm: LanguageModelSource | None
