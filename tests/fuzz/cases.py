"""What a case is: an input made from a random generator, and a call that is given it."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from random import Random

KINDS = ("audio", "models", "graphs", "downloads", "searches")

LONGEST_S = 20.0
MOST_GROWTH_BYTES = 1 << 30


class BrokenPromiseError(Exception):
    """A call returned or failed, but not as is promised."""


@dataclass(frozen=True)
class Case:
    """One input and what is done with it.

    Attributes:
        description: The input and the call in words.
        run: Makes the call and tells the outcome in a few words.
    """

    description: str
    run: Callable[[], str]


def make_case(kind: str, seed: int, index: int, folder: Path) -> Case:
    """The same case for the same kind, seed and index; its files are written to the folder."""
    rng = Random(f"{kind}/{seed}/{index}")
    case: Case = import_module(f"tests.fuzz.{kind}").make(rng, folder)
    return case
