"""Draws docs/figures/chunks.svg: how a long recording is cut, as `plan_chunks` cuts it.

python -m scripts.draw_chunks
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE
from gigaam.audio.tape import QUIETEST_DB
from gigaam.recognition.chunking import Chunk, ChunkingOptions, plan_chunks
from gigaam.vad import Region
from scripts.drawing import (
    BLUE,
    GREY,
    INK,
    LINE,
    MUTED,
    ORANGE,
    ROOT,
    VIOLET,
    Picture,
    number,
    save,
)

TARGET = ROOT / "docs" / "figures" / "chunks.svg"

SPEECH_S = ((1.2, 8.0), (8.9, 12.4), (13.1, 18.6), (19.5, 25.0), (25.4, 33.0), (41.0, 97.0))
SPEECH_S = (*SPEECH_S, (117.0, 124.5), (125.2, 131.0))
LOUD_S = (98.5, 116.0)  # music, or speech that the detector missed
LENGTH_S = 134.0

SCALE, LEFT = 7.0, 32.0


def levels(start: int, end: int) -> NDArray[np.float32]:
    """Level of the recording, dBFS, for each 100 ms of a stretch."""
    moments = np.arange(start, end, SAMPLE_RATE // 10) / SAMPLE_RATE
    loud = np.zeros(len(moments), bool)
    for first, last in (*SPEECH_S, LOUD_S):
        loud |= (moments >= first) & (moments < last)
    return np.where(loud, -20.0, QUIETEST_DB).astype(np.float32)


def planned() -> list[Chunk]:
    """The plan of the recording."""
    regions = [Region(*(round(moment * SAMPLE_RATE) for moment in span)) for span in SPEECH_S]
    return plan_chunks(regions, round(LENGTH_S * SAMPLE_RATE), ChunkingOptions(), levels)


def place(samples: int) -> float:
    """Where a sample is drawn."""
    return LEFT + samples / SAMPLE_RATE * SCALE


def draw_recording(picture: Picture) -> None:
    """The speech that was found, and the stretch that is merely loud."""
    picture.text(LEFT, 34, "what the detector finds", 15, anchor="start", bold=True)
    for first, last in SPEECH_S:
        picture.box(LEFT + first * SCALE, 50, (last - first) * SCALE, 26, BLUE.strong, radius=3)
    first, last = LOUD_S
    x, width = LEFT + first * SCALE, (last - first) * SCALE
    picture.box(x, 50, width, 26, GREY.tint, GREY.strong, radius=3)
    picture.text(x + width / 2, 68, "loud, no speech", 14, colour=MUTED)
    picture.path(f"M{number(LEFT)} 88H{number(LEFT + LENGTH_S * SCALE)}", LINE)
    for second in range(0, int(LENGTH_S) + 1, 20):
        x = LEFT + second * SCALE
        picture.path(f"M{number(x)} 88v6", LINE)
        picture.text(x, 110, f"{second} s", 14, colour=MUTED)


def draw_chunk(picture: Picture, chunk: Chunk, lane: int) -> None:
    """What is recognised in one pass, light; what of it is this chunk's text, strong."""
    hue = ORANGE if chunk.uncertain else VIOLET
    y = 162 + 44 * lane
    start, end = place(chunk.start), place(chunk.end)
    core_start, core_end = place(chunk.core_start), place(chunk.core_end)
    picture.box(start, y, end - start, 30, hue.tint, hue.strong, radius=3)
    picture.box(core_start, y + 22, core_end - core_start, 8, hue.strong, radius=2)
    seconds = (chunk.end - chunk.start) / SAMPLE_RATE
    picture.text((start + end) / 2, y + 17, f"{seconds:.1f} s", 14, colour=INK)


def figure() -> str:
    """The picture's text."""
    title = "Speech packed into chunks that end in pauses; a long stretch in windows that overlap"
    picture = Picture(1002, 296, title)
    draw_recording(picture)
    picture.text(LEFT, 146, "what is recognised in one pass", 15, anchor="start", bold=True)
    lane, previous_end = 0, 0
    for chunk in planned():
        lane = 1 - lane if chunk.start < previous_end else 0
        draw_chunk(picture, chunk, lane)
        previous_end = chunk.end
    draw_legend(picture)
    return picture.svg()


def draw_legend(picture: Picture) -> None:
    """What the colours mean."""
    entries = (
        (VIOLET.strong, 32, "speech whose text is the chunk's"),
        (VIOLET.tint, 330, "context and overlap"),
        (ORANGE.strong, 530, "loud gap: only words the model is sure of are kept"),
    )
    for colour, x, words in entries:
        picture.box(x, 262, 16, 12, colour, VIOLET.strong if colour == VIOLET.tint else "none")
        picture.text(x + 24, 273, words, 15, anchor="start", colour=MUTED)


if __name__ == "__main__":
    save(TARGET, figure())
