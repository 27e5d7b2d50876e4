"""Languages: what clients call them, what models understand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gigaam.server.refusals import Refusal
from gigaam.store import registry

__all__ = ["check_languages", "language_codes", "languages_of"]

_NAMES = {"russian": "ru", "english": "en", "kazakh": "kk", "kyrgyz": "ky", "uzbek": "uz"}


def language_codes(names: Iterable[str]) -> tuple[str, ...]:
    """The ISO 639-1 codes of languages: "ru-RU" and "Russian" are "ru", "auto" is nothing."""
    plain = [name.strip().lower().replace("_", "-") for name in names]
    codes = [_NAMES.get(name, name.partition("-")[0]) for name in plain]
    return tuple(dict.fromkeys(code for code in codes if code and code != "auto"))


def languages_of(model: Any) -> tuple[str, ...]:
    """The languages that a model is meant for, as codes; of an unknown one none."""
    name = getattr(getattr(model, "metadata", None), "name", None)
    name = name or getattr(getattr(model, "cfg", None), "model_name", None)
    return registry.resolve(name).languages if name and registry.is_known(name) else ()


def check_languages(known: Sequence[str], named: Sequence[str]) -> None:
    """Refuses languages of which a model knows none.

    Args:
        known: To the model; if there are none, that is not known.
        named: By the client.

    Raises:
        Refusal: They have none in common.
    """
    if known and named and not set(known) & set(named):
        told = f"the model understands {', '.join(known)}, not {', '.join(named)[:100]}"
        raise Refusal(400, told, code="unsupported_language", param="language")
