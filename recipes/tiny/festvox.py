"""The man: 620 sentences of the Debian package festvox-ru, read by one speaker at 16 kHz."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from gigaam.dataset.text import is_russian, normalize_text
from recipes.tiny.manifest import SplitWriter, read_wav

VOICE = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits")
SPEAKER = "festvox_msu_ru_nsh"
LAST_HELD_OUT_LINE = 600
EXAMPLE_LINE = 300

_ENTRY = re.compile(r'^\( *(\S+) +"(.*)" *\)$')


@dataclass(frozen=True)
class Sentence:
    """One line of `txt.done.data`: `line` counts from 1, `text` has its stress marks removed."""

    line: int
    recording: str
    text: str

    @property
    def transcription(self) -> str:
        """The normalised text; the apostrophe of д'Артуа, which the model lacks, is removed."""
        return normalize_text(self.text).replace("'", "")

    @property
    def split(self) -> str:
        """`test` for lines 10, 20, … 600, `dev` for lines 5, 15, … 595, `train` for the rest."""
        if self.line > LAST_HELD_OUT_LINE:
            return "train"
        return {0: "test", 5: "dev"}.get(self.line % 10, "train")


def parse_sentences(data: str) -> list[Sentence]:
    """The sentences of a `txt.done.data` file, in its order; `+` (stress mark) is deleted."""
    sentences = []
    for line, entry in enumerate(data.splitlines(), start=1):
        match = _ENTRY.match(entry.strip())
        if match is None:
            raise ValueError(f"line {line} is not a txt.done.data entry: {entry!r}")
        sentence = Sentence(line, match[1], match[2].replace("+", ""))
        if not is_russian(sentence.transcription):
            raise ValueError(f"line {line} is not spelt with Russian letters: {entry!r}")
        sentences.append(sentence)
    return sentences


def read_sentences(voice: Path = VOICE) -> list[Sentence]:
    """The sentences of the installed voice."""
    return parse_sentences((voice / "etc" / "txt.done.data").read_text(encoding="utf-8"))


def held_out_recordings(sentences: list[Sentence]) -> set[str]:
    """Names of the recordings in dev and test: no synthetic voice may use them."""
    return {sentence.recording for sentence in sentences if sentence.split != "train"}


def write_splits(directory: Path, voice: Path = VOICE) -> None:
    """Writes `{train,dev,test}_festvox` under `directory`, every recording whole."""
    sentences = read_sentences(voice)
    for split in ("train", "dev", "test"):
        with SplitWriter(directory, f"{split}_festvox") as writer:
            for sentence in sentences:
                if sentence.split == split:
                    pcm = read_wav(voice / "wav" / f"{sentence.recording}.wav")
                    writer.add(pcm, sentence.transcription, SPEAKER)


def write_example(directory: Path, voice: Path = VOICE) -> None:
    """Writes the packaged recording, a test sentence, as `example.wav` and `example.txt`."""
    example = read_sentences(voice)[EXAMPLE_LINE - 1]
    shutil.copyfile(voice / "wav" / f"{example.recording}.wav", directory / "example.wav")
    (directory / "example.txt").write_text(example.text + "\n", encoding="utf-8")
