"""Draws gigaam_scheme.svg: from a recording to what the heads say of it.

    python -m scripts.draw_scheme

The waveform and its log-mel features are those of the packaged recording.
"""

from __future__ import annotations

import wave

import numpy as np
from numpy.typing import NDArray

from gigaam.preprocess import hann_window, mel_matrix
from scripts.drawing import (
    BLUE,
    GREY,
    INK,
    LINE,
    MUTED,
    ORANGE,
    ROOT,
    TEAL,
    VIOLET,
    Picture,
    number,
    save,
)

TARGET = ROOT / "gigaam_scheme.svg"
EXAMPLE = ROOT / "gigaam" / "assets" / "example.wav"

RATE = 16_000
FIRST_S, SHOWN_S = 3.28, 1.3  # of the example: two words
HEAT = ("#123c55", "#17597a", "#1f7a99", "#3b9fae", "#79c4b8", "#c4e3c0", "#fbf3c4")
PANEL_Y, PANEL_HEIGHT = 268, 104
STROKE_STEP = 3


def read_example() -> NDArray[np.int16]:
    """The samples of the packaged recording, [n]."""
    with wave.open(str(EXAMPLE), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def envelope(samples: NDArray[np.int16], columns: int) -> tuple[list[int], list[int]]:
    """The lowest and the highest sample of each column."""
    parts = np.array_split(samples, columns)
    return [int(part.min()) for part in parts], [int(part.max()) for part in parts]


def draw_wave(
    picture: Picture, x: float, y: float, width: float, height: float, samples: NDArray[np.int16]
) -> None:
    """A waveform that fills the rectangle, as upright strokes."""
    columns = int(width // STROKE_STEP) + 1
    lows, highs = envelope(samples, columns)
    scale = (height - 2) / 2 / max(-min(lows), max(highs))
    middle = y + height / 2
    strokes = [
        f"M{number(x + STROKE_STEP * i)} {number(middle - high * scale)}"
        f"V{number(middle - low * scale + 0.5)}"
        for i, (low, high) in enumerate(zip(lows, highs, strict=True))
    ]
    picture.path("".join(strokes), BLUE.strong, width=1.8, round_ends=True)


def heat_levels(samples: NDArray[np.int16], bands: int, columns: int) -> NDArray[np.int64]:
    """Log-mel features as indices of colours, [bands, columns], low frequencies first."""
    window = hann_window(400).numpy().astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(samples / 32768, 400)[::160]
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    mel = power @ mel_matrix(201, bands, RATE).numpy().astype(np.float64)
    decibels = 10 * np.log10(mel + 1e-9)
    shown = np.stack([part.mean(0) for part in np.array_split(decibels, columns)], axis=1)
    low, high = np.percentile(shown, [8, 99])
    return np.clip((shown - low) / (high - low) * len(HEAT), 0, len(HEAT) - 1).astype(np.int64)


def draw_heat(
    picture: Picture, x: float, y: float, width: float, height: float, levels: NDArray[np.int64]
) -> None:
    """A map of coloured cells, one path per colour."""
    bands, columns = levels.shape
    cell_w, cell_h = width / columns, height / bands
    picture.box(x, y, width, height, HEAT[0], radius=0)
    for level in range(1, len(HEAT)):
        runs = []
        for band in range(bands):
            hits = np.flatnonzero(np.diff(levels[band] == level, prepend=False, append=False))
            top = y + height - (band + 1) * cell_h
            for first, end in hits.reshape(-1, 2).tolist():
                left, run = x + first * cell_w, (end - first) * cell_w
                runs.append(
                    f"M{number(left)} {number(top)}h{number(run)}v{number(cell_h)}h{number(-run)}z"
                )
        picture.path("".join(runs), fill=HEAT[level], crisp=True)


def draw_long_recordings(picture: Picture, samples: NDArray[np.int16]) -> None:
    """The upper part: speech is found, packed into chunks, and the texts become one again."""
    picture.text(40, 42, "Recordings of any length", 17, anchor="start", bold=True)
    picture.path("M36 92h536", LINE, width=1.4)
    stretches = [(40, 81), (137, 57), (210, 96), (346, 114), (480, 87)]
    for place, (left, width) in enumerate(stretches):
        part = np.roll(samples, -14_000 * place)[: width * 330]
        draw_wave(picture, left, 62, width, 60, part)
        picture.box(left - 3, 128, width + 6, 6, BLUE.strong, radius=3)
    for left, right in ((34, 312), (340, 573)):
        picture.path(f"M{left} 143v10h{right - left}v-10", MUTED, width=1.6)
    picture.text(588, 136, "speech (VAD)", 15, anchor="start", colour=BLUE.strong)
    picture.text(588, 158, "chunks, cut in pauses", 15, anchor="start", colour=MUTED)
    x, y = 772, 40
    picture.box(x, y, 204, 126, "#ffffff", LINE, radius=8)
    picture.text(x + 14, y + 27, "Stitched segments", 16, anchor="start", bold=True)
    lines = ("words with their times,", "as they are recognised", "txt · srt · vtt · json · tsv")
    for row, line in enumerate(lines):
        picture.text(x + 14, y + 56 + 26 * row, line, 15, anchor="start", colour=MUTED)


def draw_front(picture: Picture, samples: NDArray[np.int16]) -> None:
    """Waveform and log-mel, on the left."""
    part = samples[round(FIRST_S * RATE) : round((FIRST_S + SHOWN_S) * RATE)]
    for x, title, caption, hue in (
        (32, "Waveform", "16 kHz, mono", BLUE),
        (222, "Log-mel", "64 bands, every 10 ms", TEAL),
    ):
        picture.text(x + 74, PANEL_Y - 14, title, 17, bold=True, colour=hue.strong)
        picture.text(x + 74, PANEL_Y + PANEL_HEIGHT + 24, caption, 15, colour=MUTED)
    picture.box(32, PANEL_Y, 148, PANEL_HEIGHT, BLUE.tint, radius=6)
    draw_wave(picture, 38, PANEL_Y + 10, 136, PANEL_HEIGHT - 20, part)
    draw_heat(picture, 222, PANEL_Y, 148, PANEL_HEIGHT, heat_levels(part, 26, 74))
    middle = PANEL_Y + PANEL_HEIGHT / 2
    picture.arrow((184, middle), (218, middle))
    picture.arrow((374, middle), (408, middle))


def draw_encoder(picture: Picture) -> None:
    """The Conformer, in the middle."""
    x, y, width, height = 412, 202, 236, 262
    picture.box(x, y, width, height, VIOLET.tint, VIOLET.strong, radius=10)
    picture.text(x + width / 2, y + 30, "Conformer encoder", 17, bold=True, colour=VIOLET.strong)
    picture.box(x + 22, y + 46, width - 44, 32, "#ffffff", VIOLET.strong)
    picture.text(x + width / 2, y + 67, "subsampling × 4", 15)
    for offset in (12, 6, 0):
        picture.box(
            x + 22 + offset, y + 92 + offset, width - 56, 118, "#ffffff", VIOLET.strong, radius=6
        )
    parts = ("½ feed-forward", "self-attention", "convolution", "½ feed-forward")
    for row, part in enumerate(parts):
        picture.text(x + 22 + (width - 56) / 2, y + 117 + 27 * row, part, 15)
        if row:
            picture.path(f"M{x + 34} {y + 99 + 27 * row}h{width - 80}", VIOLET.tint, width=1.5)
    picture.text(x + width / 2, y + 246, "N layers, a vector per 40 ms", 15, colour=MUTED)


def draw_head(picture: Picture, y: float, name: str, result: str, note: str) -> None:
    """One head and what it gives."""
    x = 698
    picture.box(x, y, 278, 56, ORANGE.tint, ORANGE.strong, radius=8)
    picture.text(x + 14, y + 34, name, 16, anchor="start", bold=True, colour=ORANGE.strong)
    picture.text(x + 134, y + 24, result, 15, anchor="start")
    picture.text(x + 134, y + 44, note, 15, anchor="start", colour=MUTED)


def draw_heads(picture: Picture) -> None:
    """The heads, on the right."""
    heads = (
        ("CTC", "text", "words with times"),
        ("RNN-T", "text", "words with times"),
        ("Emotion", "probabilities", "of four emotions"),
        ("Embeddings", "vectors", "of the encoder"),
    )
    top, step = 202, 68.5
    trunk = 670
    for row, (name, result, note) in enumerate(heads):
        y = top + row * step
        draw_head(picture, y, name, result, note)
        picture.arrow((trunk, y + 28), (694, y + 28))
    picture.path(
        f"M648 333H{trunk}M{trunk} {top + 28}V{number(top + 3 * step + 28)}", MUTED, width=1.8
    )


def draw_runtimes(picture: Picture) -> None:
    """What runs it all, at the bottom."""
    runtimes = (
        (32, 462, "PyTorch", "CPU, CUDA · float32, float16, bfloat16"),
        (514, 462, "ONNX Runtime", "without torch · float32, float16, int8"),
    )
    for x, width, name, note in runtimes:
        picture.box(x, 492, width, 40, GREY.tint, LINE, radius=8)
        picture.text(x + 16, 518, name, 16, anchor="start", bold=True, colour=INK)
        picture.text(x + width - 16, 518, note, 15, anchor="end", colour=MUTED)


def scheme() -> str:
    """The picture's text."""
    samples = read_example()
    title = (
        "Waveform, log-mel features, Conformer encoder, and its interchangeable heads: CTC and "
        "RNN-T for text, emotion, embeddings. Long recordings are cut in pauses and stitched."
    )
    picture = Picture(1008, 548, title)
    draw_long_recordings(picture, samples)
    draw_front(picture, samples)
    draw_encoder(picture)
    draw_heads(picture)
    picture.arrow((106, 152), (106, 234))
    picture.arrow((874, 198), (874, 170))
    draw_runtimes(picture)
    return picture.svg()


if __name__ == "__main__":
    save(TARGET, scheme())
