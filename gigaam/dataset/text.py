"""The text normalisation shared by training, scoring and data preparation.

A model that spells with the 33 characters of `RUSSIAN_CHARACTERS` can only be trained and scored
fairly if every transcription passes through the same function, so there is exactly one.
"""

from __future__ import annotations

import unicodedata

RUSSIAN_CHARACTERS = " абвгдежзийклмнопрстуфхцчшщъыьэюя"
"""The space and the 32 letters left once ё becomes е: the alphabet of the v1-v3 models."""

# Apostrophe look-alikes that people and keyboards produce; not all are punctuation to Unicode.
_APOSTROPHES = "'`´ʹʻʼʽˈ‘’‛′＇"

# Dictionaries and texts for reading aloud mark stress, which is not part of the spelling.
_STRESS_MARKS = "\u0300\u0301"

_REPLACEMENTS = str.maketrans(
    {
        **{apostrophe: "'" for apostrophe in _APOSTROPHES},
        **{mark: None for mark in _STRESS_MARKS},
        "ё": "е",
        "ѐ": "е",  # NFC composes a grave accent with these two
        "ѝ": "и",
    }
)


def normalize_text(text: str) -> str:
    """Lower-case words separated by single spaces, without punctuation.

    Dashes become spaces, apostrophe look-alikes become ``'``, ё becomes е, other punctuation and
    invisible format characters disappear, whitespace is collapsed. Digits, symbols and foreign
    letters are unchanged: whether they are acceptable is up to the caller (`is_russian`).

    Args:
        text: Any text.

    Returns:
        The normalised text; normalising it again changes nothing.
    """
    lowered = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    kept = "".join(_plain(character) for character in lowered.translate(_REPLACEMENTS))
    return " ".join(unicodedata.normalize("NFC", kept).split())


def _plain(character: str) -> str:
    if character == "'":
        return character
    category = unicodedata.category(character)
    if category == "Pd":
        return " "
    if category.startswith("P") or category == "Cf":
        return ""
    return character


def is_russian(text: str) -> bool:
    """Whether a normalised text is not empty and uses only the 33 `RUSSIAN_CHARACTERS`."""
    return bool(text) and all(character in RUSSIAN_CHARACTERS for character in text)
