"""Where Russian words are stressed, and which е are ё, by the package `silero-stress` (MIT)."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

ACUTE = "\N{COMBINING ACUTE ACCENT}"

_WORD = re.compile(r"[\w+]+")
_STRESSED = re.compile(r"\+(.)")
_VOWELS = set("аеёиоуыэюяАЕЁИОУЫЭЮЯ")


def stressed(text: str) -> str:
    """The text with ё where it is spoken and an acute after the stressed vowel of longer words.

    Whether words of one syllable are stressed a voice knows better: most of them are clitics.
    """
    return with_acutes(_accentor()(text))


def with_acutes(text: str) -> str:
    """`+` before a stressed vowel made an acute after it, or nothing in words of one syllable."""
    return _WORD.sub(lambda word: _with_acute(word[0]), text)


def _with_acute(word: str) -> str:
    if sum(letter in _VOWELS for letter in word) < 2:
        return word.replace("+", "")
    return _STRESSED.sub(rf"\1{ACUTE}", word)


@functools.cache
def _accentor() -> Callable[[str], str]:
    from silero_stress import load_accentor  # type: ignore[import-untyped]

    accentor: Callable[[str], str] = load_accentor()
    return accentor
