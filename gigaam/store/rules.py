"""Rules of what a value from a file may be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gigaam.errors import CheckpointError
from gigaam.quoting import brief

__all__ = [
    "Choice", "FileName", "Limits", "Maybe", "Names", "Odd", "Real", "Rule", "Section", "Source",
    "Text", "Texts", "Whole",
]  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What the tensors of a file allow; by default, without a file, anything reasonable.

    Attributes:
        side: Elements along the longest side of any tensor.
        tensors: Their number.
    """

    side: int = 1 << 16
    tensors: int = 1 << 16

    @classmethod
    def of(cls, shapes: Iterable[Sequence[int]]) -> Limits:
        """Those of tensors of these shapes."""
        sides = [max(shape, default=1) for shape in shapes]
        return cls(max(sides, default=1), len(sides))


class Rule:
    """What one value may be."""

    def fault(self, value: object, limits: Limits) -> str | None:
        """What it must be instead, in words; None if it is."""
        raise NotImplementedError

    def check(self, value: object, limits: Limits, where: str) -> None:
        """Raises `CheckpointError` for a value, which stands at the dotted path ``where``."""
        if fault := self.fault(value, limits):
            raise CheckpointError(f"the config's {where} is {brief(value)}, but it {fault}")


@dataclass(frozen=True)
class Whole(Rule):
    """A whole number.

    Attributes:
        low: Least value.
        high: Largest value.
        bound: What a file's tensors allow, if they tell.
    """

    low: int
    high: int
    bound: Callable[[Limits], int] | None = None

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        high = self.high if self.bound is None else min(self.high, self.bound(limits))
        if type(value) is int and self.low <= value <= high:
            return None
        return f"must be a whole number from {self.low} to {high}"


@dataclass(frozen=True)
class Odd(Whole):
    """An odd number: of a kernel, which then has a middle."""

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        if type(value) is int and not value % 2:
            return "must be odd"
        return super().fault(value, limits)


@dataclass(frozen=True)
class Real(Rule):
    """A finite number."""

    low: float
    high: float

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        if type(value) in (int, float) and self.low <= value <= self.high:  # type: ignore[operator]
            return None
        return f"must be a number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Choice(Rule):
    """One of a few values."""

    values: tuple[Any, ...]

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        if any(type(value) is type(each) and value == each for each in self.values):
            return None
        return f"must be one of {', '.join(map(str, self.values))}"


@dataclass(frozen=True)
class Text(Rule):
    """A text."""

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        return None if isinstance(value, str) and "\0" not in value else "must be a text"


@dataclass(frozen=True)
class FileName(Rule):
    """A name that begins those of files, and so leads to no other directory."""

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        if isinstance(value, str) and 0 < len(value) <= 200 and not set(value) & set("/\\\0"):
            return None
        return "must be a short text without slashes"


class Source(Rule):
    """A file, or its content, which programs may give but no file of a config can hold."""

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        known = isinstance(value, (str, bytes, os.PathLike))
        return None if known and value not in ("", b"") else "must be the path of a file"


@dataclass(frozen=True)
class Names(Rule):
    """Distinct texts in the order of a model's classes: a list, or a mapping from their numbers.

    Attributes:
        most: How many there may be.
    """

    most: int

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        must = f"must be a list of distinct texts, at most {self.most}"
        if isinstance(value, Mapping):
            if any(type(key) is not int for key in value) or {*value} != {*range(len(value))}:
                return "must number its names from 0 on"
            value = [*value.values()]
        if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
            return must
        # A plain digit in a YAML file written by hand is a number.
        if len(value) > self.most or not all(type(each) in (str, int) for each in value):
            return must
        texts = [str(each) for each in value]
        return must if "" in texts or len({*texts}) < len(texts) else None


@dataclass(frozen=True)
class Texts(Names):
    """Such names as this library itself writes them: a list, and no numbers among them."""

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        if isinstance(value, (list, tuple)) and all(type(each) is str for each in value):
            return super().fault(value, limits)
        return f"must be a list of distinct texts, at most {self.most}"


@dataclass(frozen=True)
class Maybe(Rule):
    """A value or None."""

    rule: Rule

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`."""
        return None if value is None else self.rule.fault(value, limits)


@dataclass(frozen=True)
class Section(Rule):
    """A mapping, of which the values known here are checked.

    Attributes:
        fields: What each may be.
        required: Those that must be there.
    """

    fields: Mapping[str, Rule]
    required: tuple[str, ...] = ()

    def fault(self, value: object, limits: Limits) -> str | None:
        """See `Rule`; tells nothing of the values inside."""
        return None if isinstance(value, Mapping) else "must be a mapping"

    def check(self, value: Any, limits: Limits, where: str) -> None:
        """See `Rule`."""
        super().check(value, limits, where or "content")
        path = f"{where}." if where else ""
        for name in self.required:
            if name not in value:
                raise CheckpointError(f"the config has no {path}{name}")
        for name, rule in self.fields.items():
            if name in value:
                rule.check(value[name], limits, path + name)
