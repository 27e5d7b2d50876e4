"""What a program has put in place of the published package's settings and functions.

Such a program assigns to attributes of ``gigaam``, as in ``gigaam._CACHE_DIR = "models"``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gigaam.store.registry import MODELS, ModelInfo, RemoteFile

__all__ = ["MODEL_HASHES", "added_model", "cache_directory", "hasher", "mirror", "with_hash"]

MODEL_HASHES: dict[str, str] = {
    name: info.file.md5 for name, info in MODELS.items() if info.file and info.file.md5
}
"""md5 of every published model; programs may change it."""

_AS_PUBLISHED = dict(MODEL_HASHES)


def cache_directory() -> str | None:
    """What was assigned to ``_CACHE_DIR``."""
    directory: str | None = _assigned("_CACHE_DIR")
    return directory


def mirror() -> str | None:
    """What was assigned to ``_URL_DIR``."""
    url: str | None = _assigned("_URL_DIR")
    return url


def hasher() -> Callable[[str], str] | None:
    """What was assigned to ``hash_path``, if it is not what stood there."""
    function: Callable[[str], str] | None = _assigned("hash_path")
    own = getattr(sys.modules.get("gigaam.published.files"), "hash_path", None)
    return None if function is own else function


def with_hash(info: ModelInfo) -> ModelInfo:
    """A model's entry, with the md5 that a program has put into ``_MODEL_HASHES``."""
    md5 = _hashes().get(info.name)
    if info.file is None or md5 is None or md5 == _AS_PUBLISHED.get(info.name):
        return info
    return replace(info, file=RemoteFile(path=info.file.path, md5=md5))


def added_model(name: str) -> ModelInfo | None:
    """The entry of a model that only ``_MODEL_HASHES`` knows; what it is, its file says."""
    md5 = None if name in MODELS else _hashes().get(name)
    if md5 is None:
        return None
    return ModelInfo(
        name=name, line="v3", task="ctc", file=RemoteFile(path=f"{name}.ckpt", md5=md5)
    )


def _hashes() -> dict[str, str]:
    hashes: dict[str, str] | None = _assigned("_MODEL_HASHES")
    return MODEL_HASHES if hashes is None else hashes


def _assigned(name: str) -> Any:
    return vars(sys.modules["gigaam"]).get(name)
