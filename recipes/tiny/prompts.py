"""The woman: telephone prompts of the Debian packages asterisk-core-sounds-ru{,-g722}."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from gigaam.dataset.text import is_russian, normalize_text
from recipes.tiny.manifest import SAMPLE_RATE, SplitWriter

TEXTS = Path("/usr/share/doc/asterisk-core-sounds-ru/core-sounds-ru.txt.gz")
SOUNDS = Path("/usr/share/asterisk/sounds/ru_RU_f_IvrvoiceRU")
SPEAKER = "asterisk_ivrvoice_ru"
TEST_PERCENT, DEV_PERCENT = 15, 5

# What is read as a word or describes a sound: the text does not spell what is heard.
_NOT_SPELT = re.compile(r"[0-9\[\](){}<>]")
# "теста».Чтобы": a forgotten space must not glue two words together.
_FORGOTTEN_SPACE = re.compile(r"(?<=[.,:;!?…])(?=[^\W\d_])")


@dataclass(frozen=True)
class Prompt:
    """One prompt: the sound file's name without extension, its text as written and normalised."""

    name: str
    text: str
    transcription: str

    @property
    def split(self) -> str:
        """`test`, `dev` or `train`, decided by the text alone: equal texts are never separated."""
        bucket = text_bucket(self.transcription)
        if bucket < TEST_PERCENT:
            return "test"
        return "dev" if bucket < TEST_PERCENT + DEV_PERCENT else "train"


def text_bucket(transcription: str) -> int:
    """The text's place in 0..99: its SHA-256 as a number, modulo 100."""
    return int(hashlib.sha256(transcription.encode()).hexdigest(), 16) % 100


def parse_prompts(table: str) -> list[Prompt]:
    """The usable prompts of `core-sounds-ru.txt`, in its order.

    Comments, empty texts, and texts with digits, brackets or letters the model lacks are skipped.
    """
    prompts = []
    for line in table.splitlines():
        name, colon, text = line.partition(":")
        if line.startswith(";") or not colon or _NOT_SPELT.search(text):
            continue
        text = _FORGOTTEN_SPACE.sub(" ", text).strip()
        transcription = normalize_text(text)
        if is_russian(transcription):
            prompts.append(Prompt(name.strip(), text, transcription))
    return prompts


def read_prompts(texts: Path = TEXTS, sounds: Path = SOUNDS) -> list[Prompt]:
    """The usable prompts whose recordings are installed."""
    table = gzip.decompress(texts.read_bytes()).decode()
    return [p for p in parse_prompts(table) if (sounds / f"{p.name}.g722").exists()]


def read_g722(path: Path) -> NDArray[np.int16]:
    """The samples of a raw G.722 file: 16 kHz, mono, int16 [samples]."""
    with av.open(str(path), format="g722") as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        layout = container.streams.audio[0].rate
    if layout != SAMPLE_RATE:
        raise ValueError(f"{path}: expected 16 kHz, got {layout}")
    pcm: NDArray[np.int16] = np.concatenate(frames, axis=1)[0].astype(np.int16, copy=False)
    return pcm


def write_splits(directory: Path, texts: Path = TEXTS, sounds: Path = SOUNDS) -> None:
    """Writes `{train,dev,test}_prompts` under `directory`, every recording whole."""
    prompts = read_prompts(texts, sounds)
    for split in ("train", "dev", "test"):
        with SplitWriter(directory, f"{split}_prompts") as writer:
            for prompt in prompts:
                if prompt.split == split:
                    writer.add(
                        read_g722(sounds / f"{prompt.name}.g722"), prompt.transcription, SPEAKER
                    )
