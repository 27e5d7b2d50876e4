"""Published names of the cache and of what fetches models into it; attributes of ``gigaam``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gigaam.published.assigned import MODEL_HASHES, added_model
from gigaam.store import download, registry

if TYPE_CHECKING:
    _CACHE_DIR: str
    _URL_DIR: str

_MODEL_HASHES = MODEL_HASHES


def __getattr__(name: str) -> str:
    """The settings in force, which depend on the environment."""
    if name == "_CACHE_DIR":
        return str(download.cache_root())
    if name == "_URL_DIR":
        return download.base_url()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def hash_path(ckpt_path: str | os.PathLike[str]) -> str:
    """The md5 of a file, in hexadecimal digits."""
    return download.hexdigest(Path(ckpt_path), "md5")


def _download_model(
    model_name: str, download_root: str | os.PathLike[str] | None = None
) -> tuple[str, str]:
    """Full name and file of a model, fetched if need be; short names mean the v3 line here.

    Args:
        model_name: A name.
        download_root: Cache directory; by default as for ``load_model``.
    """
    info = _info(model_name)
    return info.name, str(download.fetch(info, _path(download_root)))


def _download_tokenizer(
    model_name: str, download_root: str | os.PathLike[str] | None = None
) -> str | None:
    """The SentencePiece model of a model, fetched if need be; None if it has none.

    Args:
        model_name: A name.
        download_root: Cache directory; by default as for ``load_model``.
    """
    info = _info(model_name)
    path = download.fetch_tokenizer(info, _path(download_root))
    return None if path is None else str(path)


def _info(name: str) -> registry.ModelInfo:
    return added_model(name) or registry.resolve(registry.fine_tuned_name(name))


def _path(root: str | os.PathLike[str] | None) -> Path | None:
    return None if root is None else Path(root)
