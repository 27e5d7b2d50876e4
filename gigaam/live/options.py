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

_SHORTEST_S = 0.1  # of what is looked at, or waited for


@dataclass(frozen=True)
class LiveOptions:
    """How a live session listens, and what it tells.

    Attributes:
        stride_s: Sound from one partial to the next, in seconds. Decoding that takes more than two
            thirds of it widens it.
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
        vad: What finds speech: "silero", "none", or a detector that does not wait long.
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
            value = getattr(self, field.name)
            if field.name.endswith("_s") and value is not None:
                least = 0.0 if field.name in ("hold_back_s", "context_s") else _SHORTEST_S
                if not (math.isfinite(value) and value >= least):
                    raise ArgumentError(
                        f"{field.name}={value!r} must be at least {least:g} seconds"
                    )
        if self.window_s > LONGEST_PASS_S:
            raise ArgumentError(
                f"window_s={self.window_s!r}: the models recognise up to {LONGEST_PASS_S:g} s in "
                "one pass"
            )
        if self.longest_wait_s + self.context_s > self.window_s:
            raise ArgumentError(
                f"window_s={self.window_s!r} must hold context_s and longest_wait_s, "
                f"{self.context_s + self.longest_wait_s:g} s together"
            )
        if self.channels not in ("mix", "split"):
            raise ArgumentError(f'channels must be "mix" or "split", not {self.channels!r}')
        if self.vad in ("auto", "pyannote"):
            raise ArgumentError(
                f"vad={self.vad!r}: pyannote looks at ten minutes at a time; live there are "
                '"silero", "none" and detectors of your own'
            )

    @property
    def chunking(self) -> ChunkingOptions:
        """How the sound of an utterance is cut."""
        return ChunkingOptions(max_duration_s=self.longest_utterance_s)


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
