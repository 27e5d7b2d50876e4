"""Where the SentencePiece model of a model file is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gigaam.errors import DownloadError, TokenizerNotFoundError
from gigaam.quoting import brief
from gigaam.store.download import cache_root, fetch_tokenizer
from gigaam.store.registry import MODELS

__all__ = ["tokenizer_path"]


def tokenizer_path(
    config: Mapping[str, Any],
    beside: Path,
    cache: str | os.PathLike[str] | None,
    started_from: str | None = None,
) -> Path | None:
    """The SentencePiece model of a model that needs one.

    It is beside it, else where its config says, else that of the published model it started from.

    Args:
        config: Of the model, as plain data.
        beside: Where the tokenizer is to be.
        cache: Cache directory.
        started_from: The full name of the model that a fine-tuned one says it was made of.

    Raises:
        TokenizerNotFoundError: There is none.
    """
    decoding = config.get("decoding")
    if not isinstance(decoding, dict) or decoding.get("vocabulary"):
        return None
    if config.get("labels") and "model_path" not in decoding:
        return None
    stated = decoding.get("model_path")
    for candidate in (beside, *_stated_places(stated, beside.parent, cache)):
        if os.path.isfile(candidate):
            return candidate
    message = (
        f"the model works on SentencePiece pieces, but there is neither {beside} nor the file its "
        f"configuration names ({brief(stated)}, beside the model or in the cache)"
    )
    try:
        found = _published_tokenizer(started_from, cache)
    except DownloadError as error:
        raise TokenizerNotFoundError(f"{message}. {error}") from error
    if found is None:
        raise TokenizerNotFoundError(message)
    return found


def _stated_places(
    stated: object, directory: Path, cache: str | os.PathLike[str] | None
) -> Iterator[Path]:
    """Where the tokenizer that a config names may be: below the model's directory or in the cache.

    A file must not make its reader open just any other one. Of a path that leads elsewhere, as of
    the machine where the file was written, the last name counts, beside the model.
    """
    if not isinstance(stated, str) or not stated:
        return
    place = Path(os.path.abspath(directory / stated))
    homes = (directory, cache_root(None if cache is None else Path(cache)))
    if any(place.is_relative_to(os.path.abspath(home)) for home in homes):
        yield place
    yield directory / place.name


def _published_tokenizer(name: str | None, cache: str | os.PathLike[str] | None) -> Path | None:
    """The tokenizer of a published model, if it is one that has one."""
    info = None if name is None else MODELS.get(name)
    return None if info is None else fetch_tokenizer(info, None if cache is None else Path(cache))
