"""What the results of a run depend on: the release, the model's files, the options."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gigaam
from gigaam.decoding import DecodingOptions
from gigaam.errors import ArgumentError
from gigaam.recognition import SpeechRecognition
from gigaam.store.digests import model_digest
from gigaam.store.download import hexdigest
from gigaam.store.resolver import find

if TYPE_CHECKING:
    from gigaam.recognition import LongformArguments

__all__ = ["differences", "identity_of", "made_by"]

_OF_FILES = ("lm", "hotwords", "pyannote_model")
"""Options that may name a file: what it holds counts, not where it lies."""

_NOT_FOR_WORKERS = ("progress", "input_rate", "fr_num_workers")


def identity_of(model: str, listening: LongformArguments) -> dict[str, Any]:
    """What must be the same for all rows of a run, as plain data.

    Args:
        model: A name or path.
        listening: Arguments of ``transcribe_longform``.

    Raises:
        ArgumentError: An option means nothing in a bulk run, or cannot be told to other processes.
        GigaAMError: There is no such model.
    """
    for name in _NOT_FOR_WORKERS:
        if listening.get(name) is not None:
            raise ArgumentError(f"{name} means nothing in a bulk run")
    parameters = signature(SpeechRecognition.transcribe_longform).parameters
    if unknown := [name for name in listening if name not in parameters]:
        raise ArgumentError(
            f"there is no option {unknown[0]}; those of the workers are told to their executor, as "
            "LocalExecutor(workers=4, threads=1)"
        )
    given = {name: value for name, value in listening.items() if value != parameters[name].default}
    plain = {name: _plain(name, given[name]) for name in sorted(given)}
    return {
        "gigaam": gigaam.__version__,
        "model": {"name": model, "sha256": model_digest(find(model))},
        "options": {name: value for name, value in plain.items() if value not in ({}, [])},
    }


def made_by(identity: Mapping[str, Any]) -> dict[str, str]:
    """What every row says of how it was made."""
    options = json.dumps(identity["options"], ensure_ascii=False, sort_keys=True)
    return {"model": identity["model"]["name"], "options": options}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How two identities differ, for people; models of the same files are the same."""
    told = []
    if before["gigaam"] != now["gigaam"]:
        told.append(f"gigaam {before['gigaam']}, not {now['gigaam']}")
    if before["model"]["sha256"] != now["model"]["sha256"]:
        names = before["model"]["name"], now["model"]["name"]
        other = f"another {names[1]}" if names[0] == names[1] else f"{names[0]}, not {names[1]}"
        told.append(f"the model {other}")
    options = before["options"], now["options"]
    for name in sorted({*options[0], *options[1]}):
        values = [each.get(name) for each in options]
        if values[0] != values[1]:
            told.append(f"{name} {_shown(values[0])}, not {_shown(values[1])}")
    return told


def _shown(value: object) -> str:
    return "left out" if value is None else json.dumps(value, ensure_ascii=False)


def _plain(name: str, value: object) -> Any:
    """A value as JSON has it; of files, their digests."""
    if name in _OF_FILES and isinstance(value, (str, os.PathLike)) and os.path.isfile(value):
        return {"sha256": hexdigest(Path(value), "sha256")}
    if isinstance(value, DecodingOptions):
        told = _plain_fields(value)
        if value.hotwords is not None:
            told["hotwords"] = {each.text: each.weight for each in value.phrases}
        return told
    if isinstance(value, Mapping) and name != "known_speakers":
        return {str(key): _plain("", each) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return _plain_fields(value)
    if name == "known_speakers" and isinstance(value, Mapping):
        return {who: _voice(who, source) for who, source in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_plain("", each) for each in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ArgumentError(
        f"{name} is a {type(value).__name__}, which the workers of a bulk run cannot be told: give "
        "it by name or number"
    )


def _plain_fields(value: Any) -> dict[str, Any]:
    told = {each.name: getattr(value, each.name) for each in fields(value)}
    defaults = {each.name: each.default for each in fields(value)}
    return {
        name: _plain(name, told[name])
        for name in told
        if told[name] is not None and told[name] != defaults[name] and name != "hotwords"
    }


def _voice(who: str, source: object) -> dict[str, str]:
    if not isinstance(source, (str, os.PathLike)):
        raise ArgumentError(f"known_speakers: {who} must be the path of a recording")
    return {"sha256": hexdigest(Path(source), "sha256")}
