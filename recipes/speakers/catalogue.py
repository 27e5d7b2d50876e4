"""Which conversations a set consists of: kinds, variants and who takes part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal, get_args

import numpy as np

from recipes.speakers.voices import VOICES, Sex, Voice

Kind = Literal[
    "two", "three", "four", "five", "call", "women", "men", "russian",
    "one", "silence", "music", "second",
]  # fmt: skip
Casting = Literal["real", "warped", "mixed", "synthetic", "nobody"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SPEAKERS: dict[Kind, int] = {"two": 2, "three": 3, "four": 4, "five": 5}
SPEAKERS |= {"call": 2, "women": 2, "men": 2, "russian": 2}
SPEAKERS |= {"one": 1, "second": 1, "silence": 0, "music": 0}
SEXES: dict[Kind, Sex] = {"women": "f", "men": "m"}
CONVERSATION_S = (180.0, 335.0)  # the last turn goes beyond
SHORT_S: dict[Kind, float] = {"silence": 60.0, "music": 60.0, "second": 1.0}

# "women" and "men" are two speakers of one sex; "russian" are two who speak it, the language whose
# words the models of this library can find. Variants: "clean", "noiseN" (pink noise at N dB),
# "phone" (8 kHz, μ-law). Not all of one kind first, so that a part of the list is a mixture, too.
ROUND: tuple[tuple[Kind, Casting, str], ...] = (
    ("two", "real", "clean"),
    ("three", "real", "clean"),
    ("call", "real", "clean"),
    ("women", "real", "clean"),
    ("four", "real", "clean"),
    ("second", "real", "clean"),
    ("two", "real", "noise10"),
    ("one", "real", "clean"),
    ("two", "synthetic", "clean"),
    ("five", "real", "clean"),
    ("silence", "nobody", "clean"),
    ("two", "real", "phone"),
    ("three", "real", "noise10"),
    ("call", "real", "phone"),
    ("russian", "real", "clean"),
    ("music", "nobody", "clean"),
    ("men", "real", "phone"),
    ("four", "synthetic", "clean"),
    ("two", "real", "noise20"),
    ("three", "mixed", "clean"),
    ("five", "synthetic", "clean"),
    ("two", "mixed", "clean"),
    ("call", "synthetic", "clean"),
    ("two", "real", "noise5"),
    ("four", "mixed", "phone"),
    ("women", "real", "noise10"),
    ("three", "real", "phone"),
    ("two", "real", "clean"),
    ("silence", "nobody", "noise20"),
    ("call", "real", "clean"),
    ("five", "mixed", "noise20"),
    ("two", "synthetic", "noise10"),
    ("three", "synthetic", "clean"),
    ("russian", "real", "phone"),
    ("one", "synthetic", "phone"),
    ("call", "mixed", "noise10"),
    ("men", "real", "clean"),
    ("two", "real", "phone"),
    ("four", "real", "noise10"),
    ("second", "synthetic", "clean"),
    ("two", "real", "clean"),
    ("call", "real", "phone"),
    ("women", "synthetic", "clean"),
    ("three", "mixed", "noise20"),
)


@dataclass(frozen=True)
class Plan:
    """A conversation to make: `number` counts within the set, `duration_s` is the least."""

    set: str
    number: int
    kind: Kind
    casting: Casting
    variant: str
    voices: tuple[Voice, ...]
    duration_s: float

    @property
    def name(self) -> str:
        """The name of its files: dev_003_women_real_clean."""
        return f"{self.set}_{self.number:03d}_{self.kind}_{self.casting}_{self.variant}"

    def rng(self, seed: int) -> np.random.Generator:
        """Decides all that is left open; depends on nothing but the seed, set and number."""
        return np.random.default_rng([seed, list(VOICES).index(self.set), self.number])


def plans(part: str, seed: int, hours: float | None = None) -> Iterator[Plan]:
    """The conversations of "dev" or "test": one round (about 2.5 h), or until `hours` are planned.

    Fewer hours are the beginning of more.
    """
    rng = np.random.default_rng([seed, list(VOICES).index(part)])
    cast: Counter[str] = Counter()
    planned = 0.0
    for number in count():
        if planned >= hours * 3600 if hours is not None else number == len(ROUND):
            return
        kind, casting, variant = ROUND[number % len(ROUND)]
        voices = choose(_fit(VOICES[part], kind), SPEAKERS[kind], casting, cast, rng)
        duration_s = float(rng.uniform(*CONVERSATION_S))
        duration_s = SHORT_S.get(kind, duration_s)
        planned += duration_s
        yield Plan(part, number, kind, casting_of(voices), variant, voices, duration_s)


def _fit(voices: Sequence[Voice], kind: Kind) -> list[Voice]:
    if kind == "russian":
        return [voice for voice in voices if voice.language == "ru"]
    return [voice for voice in voices if SEXES.get(kind) in (None, voice.sex)]


def casting_of(voices: Sequence[Voice]) -> Casting:
    """The one source of the voices, or "mixed"."""
    sources = {voice.source for voice in voices}
    return "nobody" if not sources else sources.pop() if len(sources) == 1 else "mixed"


def choose(
    voices: Sequence[Voice],
    n: int,
    casting: Casting,
    cast: Counter[str],
    rng: np.random.Generator,
) -> tuple[Voice, ...]:
    """So many voices of different people, those first that had the fewest conversations.

    Args:
        voices: Those that fit.
        n: How many are wanted.
        casting: "real" ones, joined by warped and then synthetic ones where these are too few;
            only "synthetic" ones; or "mixed": any.
        cast: How often each voice was chosen so far; this choice is counted.
        rng: Breaks ties.

    Raises:
        ValueError: There are not so many people.
    """
    fit = [voice for voice in voices if casting != "synthetic" or voice.source == "synthetic"]

    def later(voice: Voice) -> tuple[int, int, float]:
        rank = ("real", "warped", "synthetic").index(voice.source) if casting == "real" else 0
        return rank, cast[voice.name], float(rng.random())

    chosen: list[Voice] = []
    for voice in sorted(fit, key=later):
        if len(chosen) < n and voice.person not in {other.person for other in chosen}:
            chosen.append(voice)
    if len(chosen) < n:
        raise ValueError(f"{n} {casting} voices of different people are not among {len(voices)}")
    cast.update(voice.name for voice in chosen)
    return tuple(chosen)
