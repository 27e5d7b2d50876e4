"""Long recordings made of the held-out ones, and what is said in them."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recipes.tiny import festvox, prompts
from recipes.tiny.manifest import read_wav

RATE = 16_000
ROOM_LEVEL = 10.0  # of the faint noise that is everywhere, in units of 16 bits


@dataclass(frozen=True)
class Spoken:
    """One recording: int16 samples [n], 16 kHz, and its normalised text."""

    samples: NDArray[np.int16]
    text: str


def held_out(split: str = "test") -> list[Spoken]:
    """The man's sentences and the woman's prompts of a split.

    Raises:
        FileNotFoundError: They are not installed.
    """
    if not (festvox.VOICE.exists() and prompts.TEXTS.exists() and prompts.SOUNDS.exists()):
        raise FileNotFoundError(
            "festvox-ru, asterisk-core-sounds-ru and its -g722 are not installed"
        )
    sentences = [
        Spoken(read_wav(festvox.VOICE / "wav" / f"{s.recording}.wav"), s.transcription)
        for s in festvox.read_sentences()
        if s.split == split
    ]
    announcements = [
        Spoken(prompts.read_g722(prompts.SOUNDS / f"{p.name}.g722"), p.transcription)
        for p in prompts.read_prompts()
        if p.split == split
    ]
    return sentences + announcements


def white_noise(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Hiss that swells and fades, of full scale 1."""
    return rng.standard_normal(n) * np.hanning(n) / 4


def music(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Chords of a few partials that change every half second, of full scale 1."""
    time = np.arange(n) / RATE
    sound = np.zeros(n)
    for first in range(0, n, RATE // 2):
        part = time[first : first + RATE // 2]
        root = 110 * 2 ** (rng.integers(0, 12) / 12)
        for interval in (0, 4, 7):
            for partial in range(1, 5):
                frequency = root * 2 ** (interval / 12) * partial
                sound[first : first + RATE // 2] += np.sin(2 * np.pi * frequency * part) / partial
        sound[first : first + RATE // 2] *= np.exp(-2 * (part - part[0]))
    return sound / 8


def pause(rng: np.random.Generator) -> NDArray[np.float64]:
    """0.2 to 8 seconds, a third of which are silence, a third noise and a third music."""
    n = int(rng.uniform(0.2, 8.0) * RATE)
    level = rng.uniform(300, 2000)
    kind = rng.integers(3)
    return np.zeros(n) if kind == 0 else level * (white_noise if kind == 1 else music)(rng, n)


def parts(
    recordings: list[Spoken], seconds: float, seed: int
) -> Iterator[tuple[NDArray[np.float64], str]]:
    """Pauses and recordings in random order, with their texts, until they are this long."""
    rng = np.random.default_rng(seed)
    written = 0
    while True:
        for index in rng.permutation(len(recordings)):
            if written >= seconds * RATE:
                return
            spoken = recordings[index]
            between = pause(rng)
            yield between, ""
            yield spoken.samples.astype(np.float64), spoken.text
            written += len(between) + len(spoken.samples)


def write_long(path: Path, recordings: list[Spoken], seconds: float, seed: int = 0) -> list[str]:
    """Writes a WAV file of about this length; gives the texts in it, in order."""
    room = np.random.default_rng(seed + 1)
    texts = []
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        for samples, text in parts(recordings, seconds, seed):
            noisy = samples + ROOM_LEVEL * room.standard_normal(len(samples))
            file.writeframes(np.clip(np.rint(noisy), -32768, 32767).astype("<i2").tobytes())
            if text:
                texts.append(text)
    return texts
