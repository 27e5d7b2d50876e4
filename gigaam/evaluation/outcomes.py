"""The outcome of a model's run over a manifest: results, failures, time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gigaam.dataset.manifests import Utterance
from gigaam.errors import ArgumentError, GigaAMError

__all__ = [
    "EvaluationRun",
    "by_column",
    "check_column",
    "failure_to_dict",
    "number",
    "place_to_dict",
    "why",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class EvaluationRun(Generic[T_co]):
    """The outcome of a model's run over a manifest, in the manifest's order.

    Attributes:
        results: Utterances and the model's results for them.
        failures: Utterances that could not be read or processed, and why.
        elapsed_s: Time spent in the model, in seconds; loading it and decoding files not included.
    """

    results: Sequence[tuple[Utterance, T_co]]
    failures: Sequence[tuple[Utterance, Exception]]
    elapsed_s: float

    @property
    def duration_s(self) -> float:
        """Total length of the utterances with results, in seconds."""
        return sum(utterance.duration_s for utterance, _ in self.results)

    @property
    def rtfx(self) -> float:
        """Seconds of sound per second spent in the model; NaN without results."""
        return self.duration_s / self.elapsed_s if self.results else math.nan


def check_column(utterances: Sequence[Utterance], name: str) -> None:
    """Checks that there is such a further column.

    Raises:
        ArgumentError: No utterance has it.
    """
    columns = sorted({column for utterance in utterances for column in utterance.columns})
    if name not in columns:
        others = f"; there are {', '.join(columns)}" if columns else ", nor any other to group by"
        raise ArgumentError(f"the manifest has no column {name!r}{others}")


def by_column(
    results: Sequence[T], utterances: Sequence[Utterance], name: str | None
) -> Mapping[str, list[T]]:
    """The results grouped by their utterances' values in a column, sorted by value."""
    groups: dict[str, list[T]] = {}
    if name is not None:
        for result, utterance in zip(results, utterances, strict=True):
            groups.setdefault(utterance.columns.get(name, ""), []).append(result)
    return dict(sorted(groups.items()))


def number(value: float) -> float | None:
    """A number for JSON: rounded to six places, None for NaN."""
    return None if math.isnan(value) else round(float(value), 6)


def place_to_dict(utterance: Utterance) -> dict[str, Any]:
    """The place of an utterance, as plain data."""
    return {
        "line": utterance.line,
        "path": str(utterance.path),
        "offset_s": number(utterance.offset_s),
        "duration_s": number(utterance.duration_s),
    }


def failure_to_dict(utterance: Utterance, error: Exception) -> dict[str, Any]:
    """A failure as plain data."""
    return {**place_to_dict(utterance), "error": why(error)}


def why(error: Exception) -> str:
    """An error's message, with its type if the error is not one of ours."""
    return str(error) if isinstance(error, GigaAMError) else f"{type(error).__name__}: {error}"
