"""What synthetic voices say: espeak-ng's variants and festival in Russian, flite in English."""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gigaam.dataset.text import normalize_text
from recipes.speakers.packages import FORTUNES
from recipes.tiny import espeak as tiny_espeak
from recipes.tiny import festival as tiny_festival
from recipes.tiny import prompts
from recipes.tiny.manifest import read_wav
from recipes.tiny.sentences import HeldOutTexts, Line, read_fortunes, usable_sentences

if TYPE_CHECKING:
    from recipes.speakers.voices import Said

Say = Callable[[Path], "Iterable[Said]"]

UTTERANCES = 60  # of each voice
ENGLISH_WORDS = range(3, 26)


def espeak(packages: Path, *, variant: str, pitch: tuple[int, int]) -> Iterator[Said]:
    """Russian sentences in a variant of espeak-ng, which has a speed and a pitch of its own."""
    chance = random.Random(variant)
    options = ["-v", f"ru+{variant}", "-s", str(chance.randint(*tiny_espeak.WORDS_PER_MINUTE))]
    options += ["-p", str(chance.randint(*pitch))]
    for line in russian_lines(packages, variant):
        yield tiny_espeak.say(line.text, *options), line.transcription


def festival(packages: Path) -> Iterator[Said]:
    """Russian sentences in festival's installed voice, cut from the recordings of festvox-ru."""
    for spoken in tiny_festival.speak(russian_lines(packages, "festival"), tiny_festival.LIBRARY):
        yield spoken.pcm, spoken.line.transcription


def flite(packages: Path, *, voice: str) -> Iterator[Said]:
    """English prompts in a voice of flite."""
    from recipes.speakers.voices import read_texts

    texts = [t for t in read_texts(packages, "en").values() if _is_spelt(t)]
    with tempfile.TemporaryDirectory() as scratch:
        wav = Path(scratch, "said.wav")
        for text in random.Random(voice).sample(texts, UTTERANCES):
            command = ["flite", "-voice", voice, "-t", text, "-o", str(wav)]
            subprocess.run(command, check=True, capture_output=True)
            yield read_wav(wav), normalize_text(text)


def _is_spelt(text: str) -> bool:
    plain = prompts._NOT_SPELT.search(text) is None
    return plain and len(text.split()) in ENGLISH_WORDS


def russian_lines(packages: Path, voice: str) -> list[Line]:
    """Sentences of fortunes-ru, others for each voice."""
    sentences = usable_sentences(read_fortunes(packages / FORTUNES), HeldOutTexts(()))
    return random.Random(voice).sample(sentences, UTTERANCES)
