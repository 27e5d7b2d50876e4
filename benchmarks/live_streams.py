"""Streams of held-out recordings, and how they are pushed: as a microphone would, or at once."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE
from gigaam.live import Event
from gigaam.recognition.speech_recognition import SpeechRecognition
from recipes.tiny.long_recordings import ROOM_LEVEL, Spoken, parts

PIECE_SAMPLES = SAMPLE_RATE // 10
TAIL_S = 2.0  # after the last recording, so that its endpoint is heard

Samples = NDArray[np.int16]


class Session(Protocol):
    """What is pushed sound and tells events."""

    def push(self, piece: Samples, /) -> Sequence[Event]:
        """What these further samples let it tell."""

    def finish(self) -> Sequence[Event]:
        """The last events."""


@dataclass(frozen=True)
class Said:
    """A recording in a stream; times are of the stream.

    Attributes:
        start_s: Where it begins.
        end_s: Where it ends.
        text: What is said, normalised.
        onset_s: Where its first word begins; None if that is not known.
        after_silence: Whether the pause before it is neither noise nor music.
        before_silence: Whether the pause after it is neither.
    """

    start_s: float
    end_s: float
    text: str
    onset_s: float | None
    after_silence: bool
    before_silence: bool


@dataclass(frozen=True)
class Stream:
    """Samples, int16 [n], 16 kHz, and what is said in them, in order."""

    samples: Samples
    said: tuple[Said, ...]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True)
class Heard:
    """An event, and when it came.

    Attributes:
        event: What was told.
        at_s: When, in seconds of the stream's clock: of real time, or the sound's position.
        took_s: From the push of the piece that made it possible to the event, in seconds.
        pushed_s: How much sound had been pushed.
    """

    event: Event
    at_s: float
    took_s: float
    pushed_s: float


@dataclass
class Played:
    """A stream that was pushed.

    Attributes:
        heard: Its events.
        late_s: For each push, how far its end lies behind the clock when it returns, in seconds.
    """

    heard: list[Heard] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)


def onset_s(model: SpeechRecognition, spoken: Spoken) -> float | None:
    """Where the first word of a recording begins, as it is recognised alone."""
    words = model.transcribe(spoken.samples, word_timestamps=True, input_rate=SAMPLE_RATE).words
    return words[0].start if words else None


def join(
    recordings: Sequence[Spoken],
    onsets: Sequence[float | None],
    seed: int,
    shorten: float = 1.0,
) -> Stream:
    """All recordings once, in random order, with pauses between them.

    Args:
        recordings: What is said.
        onsets: Where their first words begin, in seconds.
        seed: Of their order and of the pauses.
        shorten: What is kept of the pauses, as a share.
    """
    onset_of = dict(zip((each.text for each in recordings), onsets, strict=True))
    chosen = list(islice(parts(list(recordings), math.inf, seed), 2 * len(recordings)))
    chosen.append((np.zeros(round(TAIL_S * SAMPLE_RATE)), ""))
    blocks = [b if text else b[: round(shorten * len(b))] for b, text in chosen]
    ends = np.cumsum([len(block) for block in blocks])
    said = []
    for n, (block, (_, text)) in enumerate(zip(blocks, chosen, strict=True)):
        if text:
            start_s, onset = (ends[n] - len(block)) / SAMPLE_RATE, onset_of[text]
            said.append(
                Said(
                    start_s,
                    ends[n] / SAMPLE_RATE,
                    text,
                    None if onset is None else start_s + onset,
                    not blocks[n - 1].any(),
                    not blocks[n + 1].any(),
                )
            )
    sound = np.concatenate(blocks)
    room = np.random.default_rng(seed + 1).standard_normal(len(sound))
    noisy = np.rint(sound + ROOM_LEVEL * room)
    return Stream(np.clip(noisy, -32768, 32767).astype(np.int16), tuple(said))


def play(session: Session, samples: Samples, pace: float, finish: bool = True) -> Played:
    """Push a stream.

    Args:
        session: What is pushed.
        samples: int16 [n].
        pace: Seconds of sound per second. A piece is pushed when its last sample would have been
            recorded; to a session that is late all that are due at once. 0 pushes each at once.
        finish: Whether the session ends with it.
    """
    played = Played()
    clock = _clock(pace)
    for piece, pushed_s in _pieces(samples, clock, pace):
        _take(played, lambda p=piece: session.push(p), clock, pushed_s)
    if finish:
        _take(played, session.finish, clock, len(samples) / SAMPLE_RATE)
    return played


def _clock(pace: float) -> Callable[[], float] | None:
    began = time.perf_counter()
    return (lambda: (time.perf_counter() - began) * pace) if pace else None


def _pieces(
    samples: Samples, clock: Callable[[], float] | None, pace: float
) -> Iterator[tuple[Samples, float]]:
    """What is to be pushed next, once it is due, and where it ends."""
    start = 0
    while start < len(samples):
        end = start + PIECE_SAMPLES
        if clock is not None:
            due = int(clock() * SAMPLE_RATE) // PIECE_SAMPLES * PIECE_SAMPLES
            if due < end:
                time.sleep(max(end / SAMPLE_RATE - clock(), 0.0) / pace)
                continue
            end = due
        end = min(end, len(samples))
        yield samples[start:end], end / SAMPLE_RATE
        start = end


def _take(
    played: Played,
    tell: Callable[[], Sequence[Event]],
    clock: Callable[[], float] | None,
    pushed_s: float,
) -> None:
    began = time.perf_counter()
    events = tell()
    took_s = time.perf_counter() - began
    at_s = pushed_s if clock is None else clock()
    played.heard += [Heard(event, at_s, took_s, pushed_s) for event in events]
    played.late_s.append(at_s - pushed_s)
