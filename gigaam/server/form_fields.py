"""The fields of a form, by the ways in which clients write them.

A list is a repeated ``name[]``, as OpenAI's client sends it, or a repeated ``name``, or JSON. An
object is ``name[key]`` for each key, or JSON.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import FormData

from gigaam.server.refusals import Refusal

__all__ = ["FormFields", "checked_number"]


class FormFields:
    """Reads the texts of a form, and knows which were never asked for.

    Attributes:
        asked: Names of the fields that were.
    """

    def __init__(self, form: FormData) -> None:
        self._texts: dict[str, list[str]] = {}
        for name, value in form.multi_items():
            if isinstance(value, str):
                self._texts.setdefault(name, []).append(value)
        self.asked: set[str] = set()

    @property
    def unread(self) -> list[str]:
        """Fields that nobody has asked for."""
        return sorted(set(self._texts) - self.asked)

    def text(self, name: str) -> str | None:
        """The value of a field; None where there is none, or a blank one."""
        self.asked.add(name)
        values = self._texts.get(name, [])
        if len(set(values)) > 1:
            raise Refusal(400, f"{name} is given twice", code="invalid_value", param=name)
        return (values[0].strip() or None) if values else None

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """One of some words."""
        value = self.text(name)
        if value is None:
            return default
        if value not in choices:
            told = f"{name} must be one of {', '.join(choices)}, not {value[:100]!r}"
            raise Refusal(400, told, code="invalid_value", param=name)
        return value

    def flag(self, name: str) -> bool:
        """Whether a field says so."""
        value = (self.text(name) or "false").lower()
        if value not in ("true", "false", "1", "0"):
            told = f"{name} must be true or false, not {value[:100]!r}"
            raise Refusal(400, told, code="invalid_value", param=name)
        return value in ("true", "1")

    def number(self, name: str, low: float, high: float) -> float | None:
        """A number in a range, or None."""
        value = self.text(name)
        return None if value is None else checked_number(name, value, low, high)

    def list(self, name: str, *, with_blank: bool = False) -> list[str]:
        """All values of a list.

        Args:
            name: Its name, without "[]".
            with_blank: Whether blank ones count: where values belong to those of another list.
        """
        found: list[str] = []
        for key in (f"{name}[]", name):
            self.asked.add(key)
            for value in self._texts.get(key, ()):
                found += _listed(name, value)
        return [each.strip() for each in found if with_blank or each.strip()]

    def object(self, name: str) -> dict[str, Any] | str | None:
        """An object, or the word that stands in its place."""
        nested: dict[str, Any] = {}
        for key, values in self._texts.items():
            if key.startswith(f"{name}[") and key.endswith("]"):
                self.asked.add(key)
                nested[key[len(name) + 1 : -1]] = values[-1]
        value = self.text(name)
        if nested:
            return nested
        if value is None or not value.startswith("{"):
            return value
        parsed = _json(name, value)
        assert isinstance(parsed, dict)
        return parsed


def checked_number(name: str, value: Any, low: float, high: float) -> float:
    """A number in a range.

    Raises:
        Refusal: It is none.
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):  # a number of hundreds of digits
        number = float("nan")
    if isinstance(value, bool) or not low <= number <= high:
        told = f"{name} must be a number from {low:g} to {high:g}, not {str(value)[:100]!r}"
        raise Refusal(400, told, code="invalid_value", param=name)
    return number


def _listed(name: str, value: str) -> list[str]:
    """The texts of a list in JSON; what is none is a text, whatever it begins with."""
    try:
        parsed = json.loads(value) if value.lstrip().startswith("[") else value
    except (ValueError, RecursionError):
        parsed = value
    if not isinstance(parsed, list):
        return [value]
    if not all(isinstance(each, str) for each in parsed):
        raise Refusal(400, f"{name} must be a list of texts", code="invalid_value", param=name)
    return parsed


def _json(name: str, value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        told = f"{name} is no JSON: {str(error)[:200]}"
        raise Refusal(400, told, code="invalid_value", param=name) from error
