"""Frequent Russian words, many of them missing from the other texts, in random order.

The list is that of the package `wordfreq` (R. Speer, doi:10.5281/zenodo.7199437), compiled from
subtitles, books, news, Wikipedia and Twitter.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator

import wordfreq

WORDS = 240_000
LINE_WORDS = (3, 9)

# What has no vowel is mostly an abbreviation.
_WORD = re.compile("[а-яё]*[аеёиоуыэюя][а-яё]*")


def read_lines(seed: int) -> Iterator[str]:
    """Every frequent word spelt in Russian letters, once each, in lines of three to nine."""
    chance = random.Random(seed)
    listed = itertools.islice(wordfreq.iter_wordlist("ru", "large"), WORDS)
    words = [word for word in listed if _WORD.fullmatch(word)]
    chance.shuffle(words)
    remaining = iter(words)
    while line := list(itertools.islice(remaining, chance.randint(*LINE_WORDS))):
        yield " ".join(line)
