"""Draws docs/figures/live.svg: one utterance in a live session, from its sound to its final.

    python -m scripts.draw_live

The packaged model hears the packaged recording in pieces of 100 ms; times are those of the sound,
so that the picture is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gigaam import DecodingOptions, load_model
from gigaam.audio import SAMPLE_RATE, read_audio
from gigaam.audio.pushed import PushedAudio
from gigaam.example_recording import EXAMPLE
from gigaam.live import Final, LiveOptions, LiveSession, Partial
from gigaam.live.pace import Pace
from gigaam.vad.detectors import build_detector
from scripts.drawing import (
    BLUE,
    GREY,
    INK,
    LINE,
    MUTED,
    ORANGE,
    ROOT,
    TEAL,
    Picture,
    number,
    polyline,
    save,
)

TARGET = ROOT / "docs" / "figures" / "live.svg"

TITLE = "When each word of an utterance is spoken, first shown, committed, and final"

PIECE = SAMPLE_RATE // 10
PAUSE_S = 1.0  # of silence after the sentence
DECIDED_LATE_S = 0.1  # an utterance ends a little before the detector says so
SCALE, LEFT, TOP, ROW = 103.0, 156.0, 158.0, 30.0


@dataclass
class Shown:
    """A word of the final on its way through the partials; times are in seconds.

    Attributes:
        text: As the final has it.
        spoken: Where it begins and ends in the sound.
        seen_s: When a partial first had it, if one did.
        committed_s: When it was committed, if it was before the final.
    """

    text: str
    spoken: tuple[float, float]
    seen_s: float | None = None
    committed_s: float | None = None


def heard() -> tuple[NDArray[np.float32], list[Partial], Final]:
    """The sound, and what was told of it."""
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE), np.float32)
    sound = np.concatenate([read_audio(EXAMPLE), pause])
    options = LiveOptions(word_timestamps=True)
    model = load_model("tiny_rnnt", device="cpu")
    recognizer = model.recognizer(DecodingOptions(lm="packaged"))
    live = LiveSession(
        partial(recognizer.transcribe_batch, word_timestamps=True),
        build_detector("silero"),
        options,
        PushedAudio(SAMPLE_RATE),
        Pace(options.stride_s, clock=lambda: 0.0),  # of a machine that is fast enough
    )
    events = [e for at in range(0, len(sound), PIECE) for e in live.push(sound[at : at + PIECE])]
    events += live.finish()
    (final,) = (event for event in events if isinstance(event, Final))
    return sound, [event for event in events if isinstance(event, Partial)], final


def followed(partials: Sequence[Partial], final: Final) -> list[Shown]:
    """The words of the final, each with when it was first seen and when committed."""
    shown = [Shown(word.text, (word.start, word.end)) for word in final.segment.words or ()]
    for event in partials:
        committed, texts = event.committed.split(), event.text.split()
        for place, word in enumerate(shown):
            if word.seen_s is None and texts[place : place + 1] == [word.text]:
                word.seen_s = event.end
            if word.committed_s is None and committed[place : place + 1] == [word.text]:
                word.committed_s = event.end
    return shown


def place_of(seconds: float) -> float:
    """Where a moment is drawn."""
    return LEFT + seconds * SCALE


def draw_sound(picture: Picture, sound: NDArray[np.float32]) -> None:
    """The loudness of the sound, and its seconds."""
    picture.text(24, 62, "sound", 16, anchor="start", bold=True)
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    peaks = np.abs(frames).max(1) / np.abs(sound).max()
    upper = [(place_of(n / 100), 57 - 26 * float(peak)) for n, peak in enumerate(peaks)]
    lower = [(x, 114 - y) for x, y in upper]
    picture.path(f"{polyline([*upper, *reversed(lower)])}z", fill=GREY.strong)
    for second in range(int(len(sound) / SAMPLE_RATE) + 1):
        x = place_of(second)
        picture.path(f"M{number(x)} 92v6", LINE)
        picture.text(x, 116, f"{second} s", 14, colour=MUTED)
    picture.path(f"M{number(LEFT)} 92H{number(place_of(len(sound) / SAMPLE_RATE))}", LINE)


def draw_word(picture: Picture, word: Shown, row: int, final_s: float) -> None:
    """When a word is spoken, first seen, and committed."""
    y = TOP + ROW * row
    picture.text(LEFT - 12, y + 15, word.text, 16, anchor="end")
    start, end = map(place_of, word.spoken)
    settled = place_of(final_s if word.committed_s is None else word.committed_s)
    if word.seen_s is not None:
        seen = place_of(word.seen_s)
        picture.box(seen, y + 3, settled - seen, 14, ORANGE.tint, ORANGE.strong, radius=3)
    picture.box(start, y, end - start, 20, BLUE.strong, radius=3)
    if word.committed_s is not None:
        picture.box(settled - 3, y - 1, 6, 22, TEAL.strong, radius=2)


def draw_final(picture: Picture, final_s: float, silence_s: float, n_rows: int) -> None:
    """The silence that ends the utterance, and the moment of its final."""
    x, bottom = place_of(final_s), TOP + ROW * n_rows
    picture.path(f"M{number(x)} 26V{number(bottom)}", INK, width=2)
    picture.text(x + 8, 40, "final", 16, anchor="start", bold=True)
    begin = place_of(final_s - silence_s)
    picture.arrow((begin, 134), (x, 134), colour=MUTED)
    picture.text((begin + x) / 2, 152, f"{silence_s:.2f} s", 14, colour=MUTED)


def draw_legend(picture: Picture, y: float) -> None:
    """What the colours mean."""
    entries = (
        (BLUE.strong, "none", 156, "spoken"),
        (ORANGE.tint, ORANGE.strong, 290, "shown as tentative"),
        (TEAL.strong, "none", 500, "committed"),
    )
    for colour, outline, x, words in entries:
        picture.box(x, y, 16, 12, colour, outline)
        picture.text(x + 24, y + 11, words, 15, anchor="start", colour=MUTED)


def figure() -> str:
    """The picture's text."""
    sound, partials, final = heard()
    words = followed(partials, final)
    final_s = final.utterance[1] + DECIDED_LATE_S
    bottom = TOP + ROW * len(words)
    picture = Picture(1002, round(bottom + 44), TITLE)
    draw_sound(picture, sound)
    draw_final(picture, final_s, final_s - words[-1].spoken[1], len(words))
    for row, word in enumerate(words):
        draw_word(picture, word, row, final_s)
    draw_legend(picture, bottom + 14)
    return picture.svg()


if __name__ == "__main__":
    save(TARGET, figure())
