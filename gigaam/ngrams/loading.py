"""From a file to a model, whatever its format."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from gigaam.errors import CheckpointError, UnknownModelError
from gigaam.ngrams.arpa import read_arpa
from gigaam.ngrams.kenlm_binary import KENLM_MAGIC, KenLMModel
from gigaam.ngrams.model import NGramModel
from gigaam.ngrams.model_file import MAGIC, open_model_file
from gigaam.ngrams.packed import PackedModel
from gigaam.ngrams.packing import pack
from gigaam.regular_files import open_regular

__all__ = ["PACKAGED", "load", "shared"]

PACKAGED = "packaged"
"""The name of the model that comes with this package."""

_PACKAGED_FILE = Path(__file__).parents[1] / "assets" / "packaged.lm"

_COMPRESSED = {b"\x1f\x8b", b"\xfd7", b"BZ"}


def load(path: str | os.PathLike[str]) -> NGramModel:
    """The n-gram model of a file.

    Args:
        path: "packaged" for the model in this package; a file that `gigaam lm` wrote; an ARPA file,
            which may be compressed (.gz, .xz, .bz2); or a binary file of KenLM, which needs the
            extra ``lm``. It must stay as it is while the model is used: files are mapped.

    Raises:
        UnknownModelError: There is no such file.
        CheckpointError: It is damaged or something else; the message says what is wrong.
        MissingDependencyError: It is KenLM's, and kenlm is not installed.
    """
    path = _PACKAGED_FILE if path == PACKAGED else Path(path)
    try:
        with open_regular(path) as file:
            head = file.read(max(len(MAGIC), len(KENLM_MAGIC)))
        if head.startswith(MAGIC):
            return open_model_file(path)
        if head.startswith(KENLM_MAGIC):
            return KenLMModel(path)
        if b"\0" in head and head[:2] not in _COMPRESSED:
            raise CheckpointError(
                f"{path} is not a language model: neither of 'gigaam lm', nor ARPA, nor KenLM's"
            )
        estimates = read_arpa(path)
    except FileNotFoundError as error:
        raise UnknownModelError(f"there is no language model {path}") from error
    arrays = pack(estimates, quantized=False)
    return PackedModel(estimates.words, len(estimates.levels), estimates.unit, arrays, {})


def shared(model: NGramModel | str | os.PathLike[str]) -> NGramModel:
    """The model itself, or that of a file, opened once for as long as the file stays the same."""
    if isinstance(model, NGramModel):
        return model
    path = _PACKAGED_FILE if model == PACKAGED else Path(model)
    try:
        found = path.stat()
    except (OSError, ValueError):
        return load(model)  # which says what is wrong
    return _opened(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=4)
def _opened(path: Path, changed_ns: int, size: int) -> NGramModel:
    return load(path)
