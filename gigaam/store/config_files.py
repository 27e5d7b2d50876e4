"""Configurations as text: YAML and JSON of bounded size, as plain data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from gigaam.errors import CheckpointError
from gigaam.quoting import cut
from gigaam.regular_files import read_regular
from gigaam.store.configs import plain_config

__all__ = ["hugging_face_config", "parse_json", "parse_yaml"]

_MAX_BYTES = 256 << 10
_MAX_YAML_DEPTH = 32


def parse_yaml(path: Path) -> object:
    """What stands in a YAML file."""
    text = _read_text(path)
    try:
        refusal = _costly_yaml(text)
        data = None if refusal else yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid YAML: {cut(error)}") from error
    if refusal:
        raise CheckpointError(f"{path} {refusal}; write the values out plainly")
    return data


def _costly_yaml(text: str) -> str | None:
    """What in a YAML text could take endless time or memory to load, if anything does.

    A few lines of aliases stand for gigabytes, and deep nesting takes quadratic time.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            return "uses YAML aliases"
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_YAML_DEPTH:
            return f"is nested deeper than {_MAX_YAML_DEPTH} levels"
    return None


def parse_json(path: Path, most_bytes: int = _MAX_BYTES) -> dict[str, Any]:
    """The object in a JSON file."""
    text = _read_text(path, most_bytes)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON: {cut(error)}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} is not a JSON object")
    return data


def hugging_face_config(path: Path) -> dict[str, Any]:
    """The model's configuration inside ``config.json``: at ``cfg.model.cfg`` or near it."""
    level: list[dict[str, Any]] = [parse_json(path)]
    for _ in range(6):
        for candidate in level:
            if isinstance(candidate.get("encoder"), dict) and "preprocessor" in candidate:
                return _with_integer_ids(plain_config(candidate, str(path)))
        level = [child for node in level for child in node.values() if isinstance(child, dict)]
    raise CheckpointError(f"{path} holds no GigaAM configuration (expected at cfg.model.cfg)")


def _with_integer_ids(config: dict[str, Any]) -> dict[str, Any]:
    """The config with the class numbers of ``id2name`` as numbers, which JSON keys cannot be."""
    names = config.get("id2name")
    if isinstance(names, dict):
        config["id2name"] = {
            int(key) if isinstance(key, str) and key.isdecimal() else key: name
            for key, name in names.items()
        }
    return config


def _read_text(path: Path, most_bytes: int = _MAX_BYTES) -> str:
    try:
        return read_regular(path, most_bytes).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
