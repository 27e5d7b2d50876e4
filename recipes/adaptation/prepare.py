"""Recordings for three exercises: ``python -m recipes.adaptation.prepare DATA OUTPUT``.

`whisper_*`: espeak-ng whispering, which the tiny models never heard. They learn sentences from
fortunes-ru and are tested on the held-out sentences of festvox-ru, which no training set contains.

`accent_*`: the same sentences read by espeak-ng's Tatar voice, by the rules of that language.

`kazakh_*`: espeak-ng's Kazakh, random words of hunspell-kk. No test sentence is in the training
set, though its words may be.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from gigaam.training import read_manifest
from recipes.tiny.espeak import VARIANTS, say
from recipes.tiny.manifest import SplitWriter
from recipes.tiny.sentences import HeldOutTexts, read_fortunes, usable_sentences

SEED = 20
VOICES = {"whisper": "ru+whisper", "accent": "tt"}
TRAIN_SENTENCES, DEV_SENTENCES = 400, 40
KAZAKH_WORDS = Path("/usr/share/hunspell/kk_KZ.dic")
KAZAKH_SENTENCES = {"train": 1200, "dev": 40, "test": 100}
SPEED = (120, 200)  # words per minute

_KAZAKH_WORD = re.compile(r"[аәбвгғдеёжзийкқлмнңоөпрстуұүфхһцчшщъыіьэюя]{3,12}")


def prepare_voices(data: Path, output: Path) -> None:
    """The tables `NAME_train`, `NAME_dev` and `NAME_test` of every voice, with the same texts."""
    held_out = [
        utterance.text
        for name in ("dev_festvox", "test_festvox")
        for utterance in read_manifest(data / f"{name}.tsv")
    ]
    lines = usable_sentences(read_fortunes(), HeldOutTexts(held_out))
    for name, voice in VOICES.items():
        assert voice.removeprefix("ru+") not in VARIANTS
        chance = random.Random(SEED)
        sample = chance.sample(lines, TRAIN_SENTENCES + DEV_SENTENCES)
        chosen = [line.transcription for line in sample]
        for part, texts in {
            "train": chosen[:TRAIN_SENTENCES],
            "dev": chosen[TRAIN_SENTENCES:],
            "test": held_out,
        }.items():
            write(output, f"{name}_{part}", texts, voice, chance)


def prepare_kazakh(output: Path) -> None:
    """The tables `kazakh_train`, `kazakh_dev` and `kazakh_test`."""
    chance = random.Random(SEED)
    sentences = kazakh_sentences(chance)
    for name, n in KAZAKH_SENTENCES.items():
        write(output, f"kazakh_{name}", [next(sentences) for _ in range(n)], "kk", chance)


def kazakh_sentences(chance: random.Random) -> Iterator[str]:
    """Endless distinct sentences of two to six random words."""
    entries = KAZAKH_WORDS.read_text(encoding="utf-8-sig").splitlines()[1:]
    words = [w for w in (entry.partition("/")[0] for entry in entries) if _KAZAKH_WORD.fullmatch(w)]
    said: set[str] = set()
    while True:
        sentence = " ".join(chance.sample(words, chance.randint(2, 6)))
        if sentence not in said:
            said.add(sentence)
            yield sentence


def write(output: Path, name: str, texts: Iterable[str], voice: str, chance: random.Random) -> None:
    """One table and its recording."""
    with SplitWriter(output, name) as writer:
        for text in texts:
            pcm = say(text, "-v", voice, "-s", str(chance.randint(*SPEED)))
            writer.add(pcm, text, f"espeak_{voice}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="output of recipes.tiny.prepare")
    parser.add_argument("output", type=Path, help="directory for the WAV files and tables")
    arguments = parser.parse_args()
    prepare_voices(arguments.data, arguments.output)
    prepare_kazakh(arguments.output)


if __name__ == "__main__":
    main()
