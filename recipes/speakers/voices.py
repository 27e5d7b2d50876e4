"""The people and synthetic voices that talk in the conversations, and what they can say."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gigaam.dataset.text import normalize_text
from recipes.speakers import synthetic
from recipes.speakers.packages import DOCUMENTS, SOUNDS
from recipes.speakers.speech import RANGE_DB, RATE, dynamic_range, gain_to_level, trim
from recipes.tiny import festvox, prompts
from recipes.tiny.manifest import read_wav
from recipes.tiny.sound import decoded, resampled

Sex = Literal["f", "m"]
Source = Literal["real", "warped", "synthetic"]
Said = tuple[NDArray[np.int16], str | None]
"""Samples int16 [n], 16 kHz, and the text, None if nobody wrote it down."""

SHORTEST_S, LONGEST_S = 0.3, 12.0
# Tones, silence and monkeys. A text in brackets, in any language, marks these as well.
_NOT_SPEECH = re.compile(r"beep|tone|silence|monkeys|^tt-")
_DIGITS_OR_BRACKETS = re.compile(r"[0-9\[\](){}<>]")


@dataclass(frozen=True)
class Utterance:
    """Samples int16 [n], 16 kHz, from the first speech to the last, and the normalised words.

    `words` is None if nobody wrote them down; `range_db` is for `speech.stretches`.
    """

    samples: NDArray[np.int16]
    words: tuple[str, ...] | None
    range_db: float = RANGE_DB


@dataclass(frozen=True)
class Voice:
    """Somebody who can be heard.

    Attributes:
        name: The speaker's name in the references.
        person: Whose recordings the voice is made of; two voices of one person are never together.
        sex: As it sounds: "f" for a median pitch over 165 Hz, except for one lively man.
        source: "real", "warped" (a real one played at another speed) or "synthetic".
        language: What is spoken.
        band_hz: Up to where there is sound: 8000, or 4000 for recordings with 8 kHz.
        say: Returns what the voice can say, given the unpacked packages.
    """

    name: str
    person: str
    sex: Sex
    source: Source
    language: str
    band_hz: int
    say: Callable[[Path], Iterable[Said]]

    def utterances(self, packages: Path) -> list[Utterance]:
        """All utterances of 0.3 to 12 s, in a fixed order, brought to the usual loudness."""
        recorded = list(self.say(packages))
        range_db = dynamic_range([samples for samples, _ in recorded])
        said = [(trim(samples, range_db), text) for samples, text in recorded]
        fit = [s for s in said if SHORTEST_S * RATE <= len(s[0]) <= LONGEST_S * RATE]
        if not fit:
            raise ValueError(f"{self.name}: nothing to say under {packages}")
        gain = gain_to_level([samples for samples, _ in fit])
        words = [None if text is None else tuple(text.split()) for _, text in fit]
        return [
            Utterance(_louder(samples, gain), texts, range_db)
            for (samples, _), texts in zip(fit, words, strict=True)
        ]


def _louder(samples: NDArray[np.int16], gain: float) -> NDArray[np.int16]:
    return np.clip(np.rint(samples * gain), -32768, 32767).astype(np.int16)


def festvox_man(_packages: Path) -> Iterable[Said]:
    """The man's test sentences of `recipes.tiny`."""
    for sentence in festvox.read_sentences():
        if sentence.split == "test":
            path = festvox.VOICE / "wav" / f"{sentence.recording}.wav"
            yield read_wav(path), sentence.transcription


def russian_woman(packages: Path) -> Iterable[Said]:
    """The woman's test prompts of `recipes.tiny`."""
    texts = packages / DOCUMENTS / prompts.TEXTS.parent.name / prompts.TEXTS.name
    sounds = packages / SOUNDS / prompts.SOUNDS.name
    for prompt in prompts.read_prompts(texts, sounds):
        if prompt.split == "test":
            yield prompts.read_g722(sounds / f"{prompt.name}.g722"), prompt.transcription


def announcements(packages: Path, *, folder: str, ending: str, texts: str | None) -> Iterable[Said]:
    """The prompts of a package, in order of their names.

    Args:
        packages: Where the packages lie unpacked.
        folder: That of the sounds.
        ending: Of the names of the files: g722, gsm or wav.
        texts: The language of the table of texts, None if the package has none.
    """
    table = read_texts(packages, texts) if texts else {}
    tones = {n for n, text in read_texts(packages, "en").items() if re.match(r"\s*[\[(]", text)}
    sounds = packages / SOUNDS / folder
    for path in sorted(sounds.rglob(f"*.{ending}")):
        name = path.relative_to(sounds).with_suffix("").as_posix()
        text = table.get(name)
        if name in tones or _NOT_SPEECH.search(name) or (text and re.match(r"\s*[\[(]", text)):
            continue
        samples = read_any(path)
        if len(samples):
            spelt = bool(text) and not _DIGITS_OR_BRACKETS.search(text or "")
            yield samples, (normalize_text(text or "") or None) if spelt else None


def read_texts(packages: Path, language: str) -> dict[str, str]:
    """The texts of the core sounds in a language, by the sounds' names."""
    table = f"asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz"
    content = gzip.decompress((packages / DOCUMENTS / table).read_bytes()).decode("utf-8-sig")
    rows = (line.partition(":") for line in content.splitlines() if not line.startswith(";"))
    return {name.strip(): text.strip() for name, colon, text in rows if colon}


def read_any(path: Path) -> NDArray[np.int16]:
    """The samples of a sound file of any rate, int16 [n], 16 kHz; empty if it holds none."""
    return decoded(str(path), None if path.suffix == ".wav" else path.suffix[1:])


def warped(voice: Voice, speed: float, sex: Sex) -> Voice:
    """Another speaker: a voice played at another speed, which moves its pitch and formants."""
    name = f"{voice.name}_x{speed:.2f}"
    return replace(voice, name=name, sex=sex, source="warped", say=partial(_warp, voice, speed))


def _warp(voice: Voice, speed: float, packages: Path) -> Iterable[Said]:
    ratio = 1 / Fraction(speed).limit_denominator(100)
    for samples, text in voice.say(packages):
        yield resampled(samples, ratio), text


def _announcer(
    name: str, sex: Sex, language: str, folder: str, ending: str, person: str = ""
) -> Voice:
    narrow = ending != "g722"
    say = partial(announcements, folder=folder, ending=ending, texts=None if narrow else language)
    band_hz = 4000 if narrow else 8000
    return Voice(name, person or name, sex, "real", language, band_hz, say)


def _synthetic(name: str, sex: Sex, language: str, say: synthetic.Say, person: str = "") -> Voice:
    return Voice(name, person or name, sex, "synthetic", language, 8000, say)


def _espeak(variants: str, sex: Sex) -> list[Voice]:
    pitch = (55, 75) if sex == "f" else (25, 50)
    return [
        _synthetic(f"espeak_{v}", sex, "ru", partial(synthetic.espeak, variant=v, pitch=pitch))
        for v in variants.split()
    ]


def _flite(name: str, sex: Sex) -> Voice:
    return _synthetic(f"flite_{name}", sex, "en", partial(synthetic.flite, voice=name))


# Allison Smith recorded the English and the Spanish prompts: one person, so both are in dev.
ALLISON = _announcer("allison", "f", "en", "en_US_f_Allison", "g722")
ALLISON_ES = _announcer("allison_es", "f", "es", "es_MX_f_Allison", "g722", "allison")
JULY = _announcer("july", "f", "es", "es", "gsm")
PAOLA = _announcer("paola", "f", "it", "it_IT_f_Menardi", "wav")
MAN = Voice("shmyrev", "shmyrev", "m", "real", "ru", 8000, festvox_man)
WOMAN = Voice("ivrvoice", "ivrvoice", "f", "real", "ru", 8000, russian_woman)
JUNE = _announcer("june", "f", "fr", "fr_CA_f_June", "g722")
CARLO = _announcer("carlo", "m", "it", "it_IT_m_Carlo", "g722")
ARMELLE = _announcer("armelle", "f", "fr", "fr", "gsm")
FESTIVAL = _synthetic("festival", "m", "ru", synthetic.festival, MAN.person)

VOICES: dict[str, list[Voice]] = {
    "dev": [
        *(ALLISON, ALLISON_ES, JULY, PAOLA),
        *(warped(ALLISON, 0.78, "m"), warped(JULY, 0.72, "m"), warped(PAOLA, 0.78, "m")),
        *(_flite("rms", "m"), _flite("slt", "f")),
        *_espeak("f2 Annie steph2", "f"),
        *_espeak("m1 Andy Gene", "m"),
    ],
    "test": [
        *(MAN, WOMAN, JUNE, CARLO, ARMELLE),
        *(warped(WOMAN, 0.76, "m"), warped(JUNE, 0.78, "m"), warped(MAN, 1.32, "f")),
        *(warped(CARLO, 0.86, "m"), warped(ARMELLE, 1.16, "f"), FESTIVAL),
        *(_flite("awb", "m"), _flite("kal16", "m")),
        *_espeak("f4 linda belinda", "f"),
        *_espeak("m3 max Denis", "m"),
    ],
}
"""The voices of each set: no person is in both."""
