"""The file of a model: a line of JSON, then arrays, which are mapped and not read.

    8 bytes    GIGAAMLM
    8 bytes    length of the header, little-endian
    header     JSON: format, order, unit, card, words, arrays with name, dtype, length, offset
    arrays     each at a multiple of 64 bytes from the start of the file

The words are the array ``vocabulary``: lines of UTF-8, compressed as xz. Nothing depends on the
time or the machine: one model is one sequence of bytes.
"""

from __future__ import annotations

import json
import lzma
import mmap
import os
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from gigaam.errors import CheckpointError
from gigaam.ngrams.model import SPECIAL
from gigaam.ngrams.packed import PackedModel
from gigaam.ngrams.packing import BLOCK_BITS, Arrays, starts, unpacked_words
from gigaam.quoting import brief
from gigaam.regular_files import open_regular

__all__ = ["MAGIC", "open_model_file", "serialized"]

MAGIC = b"GIGAAMLM"
_FORMAT = 1
_ALIGNMENT = 64
_MOST_HEADER = 1 << 20
_MOST_ORDER = 10
_MOST_BYTES_PER_WORD = 1 << 7  # on average
_DTYPES = {"u1": np.uint8, "u2": np.uint16, "u4": np.uint32, "u8": np.uint64, "f4": np.float32}
_NAME = re.compile(r"[a-z_]{1,20}[0-9]{0,2}")


def serialized(
    words: Sequence[str], order: int, unit: str, arrays: Arrays, card: Mapping[str, Any]
) -> bytes:
    """The content of a model's file."""
    lines = "\n".join(words[len(SPECIAL) :]).encode()
    vocabulary = np.frombuffer(lzma.compress(lines), np.uint8)
    parts = {"vocabulary": vocabulary, **arrays}
    header = {"format": _FORMAT, "order": order, "unit": unit, "n_words": len(words)}
    header |= {"vocabulary_bytes": len(lines), "card": card}
    table, place = [], 0
    for name, array in parts.items():
        dtype = f"{array.dtype.kind}{array.dtype.itemsize}"
        table.append({"name": name, "dtype": dtype, "length": len(array), "offset": place})
        place += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    text = json.dumps(header | {"arrays": table}, ensure_ascii=False, sort_keys=True).encode()
    head = MAGIC + len(text).to_bytes(8, "little") + text
    content = [head.ljust(_first(len(text)), b"\0")]
    for array in parts.values():
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()
        content.append(data.ljust(-(-len(data) // _ALIGNMENT) * _ALIGNMENT, b"\0"))
    return b"".join(content)


def _first(header_bytes: int) -> int:
    """Where the arrays begin, after a header of that length."""
    return -(-(len(MAGIC) + 8 + header_bytes) // _ALIGNMENT) * _ALIGNMENT


def open_model_file(path: Path) -> PackedModel:
    """The model of a file, which is to stay as it is while the model is used.

    Raises:
        FileNotFoundError: There is none.
        CheckpointError: It is not such a file, or damaged; the message names it and says why.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} cannot be mapped: {error}") from error
    return _Opening(path, content, size).model()


class _Opening:
    """A file on the way to a model: every number in it may be a lie.

    Args:
        path: For messages.
        content: All of it.
        size: Its bytes.
    """

    def __init__(self, path: Path, content: mmap.mmap, size: int) -> None:
        self._path, self._content, self._size = path, content, size

    def _refuse(self, why: str) -> NoReturn:
        raise CheckpointError(f"{self._path} is not a language model, or damaged: {why}")

    def model(self) -> PackedModel:
        """The model, once all is seen to be in order."""
        header, first = self._header()
        order, n_words = self._number(header, "order"), self._number(header, "n_words")
        if not 1 <= order <= _MOST_ORDER:
            self._refuse(f"order {order}")
        if header.get("unit") not in ("word", "piece"):
            self._refuse(f"unit {brief(header.get('unit'))}")
        card = header.get("card")
        if not isinstance(card, dict):
            self._refuse("no card")
        arrays = self._arrays(header.get("arrays"), first)
        if (count := len(arrays.get("log_probs1", ()))) != n_words:
            self._refuse(f"{count:,} single words, not {n_words:,}")
        words = self._words(arrays.pop("vocabulary", None), header, n_words)
        for each in range(1, order + 1):
            self._check_level(arrays, each, order, n_words)
        return PackedModel(words, order, header["unit"], arrays, card)

    def _header(self) -> tuple[dict[str, Any], int]:
        if self._content[: len(MAGIC)] != MAGIC:
            self._refuse(f"it begins with {brief(self._content[:8])}")
        length = int.from_bytes(self._content[len(MAGIC) : len(MAGIC) + 8], "little")
        if length > min(_MOST_HEADER, self._size):
            self._refuse(f"a header of {length:,} bytes")
        text = self._content[len(MAGIC) + 8 : len(MAGIC) + 8 + length]
        try:
            header = json.loads(text)
        except (ValueError, RecursionError) as error:
            self._refuse(f"its header is no JSON: {error}")
        if not isinstance(header, dict):
            self._refuse("its header is no object")
        if header.get("format") != _FORMAT:
            self._refuse(
                f"its format is {brief(header.get('format'))}, this release reads {_FORMAT}"
            )
        return header, _first(length)

    def _number(self, fields: Mapping[str, Any], name: str) -> int:
        value = fields.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 48:
            self._refuse(f"{name} is {brief(value)}")
        return value

    def _arrays(self, table: Any, first: int) -> dict[str, NDArray[Any]]:
        if not isinstance(table, list) or not all(isinstance(entry, dict) for entry in table):
            self._refuse("no list of arrays")
        arrays = {}
        for entry in table:
            name, dtype = entry.get("name"), entry.get("dtype")
            if not isinstance(name, str) or not _NAME.fullmatch(name) or name in arrays:
                self._refuse(f"an array with the name {brief(name)}")
            if not isinstance(dtype, str) or dtype not in _DTYPES:
                self._refuse(f"{name} has numbers of the kind {brief(dtype)}")
            length, offset = self._number(entry, "length"), self._number(entry, "offset")
            kind = np.dtype(_DTYPES[dtype])
            end = first + offset + length * kind.itemsize
            if offset % _ALIGNMENT or end > self._size:
                self._refuse(f"{name} ends at byte {end:,} of {self._size:,}")
            array = np.frombuffer(self._content, kind, length, first + offset)
            arrays[name] = array.byteswap() if sys.byteorder == "big" else array
        return arrays

    def _words(self, packed: NDArray[Any] | None, header: Mapping[str, Any], n: int) -> list[str]:
        length = self._number(header, "vocabulary_bytes")
        if packed is None or packed.dtype != np.uint8 or length > n * _MOST_BYTES_PER_WORD:
            self._refuse("no vocabulary")
        try:
            unpacking = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=1 << 28)
            data = unpacking.decompress(packed.tobytes(), length + 1)
            words = data.decode().split("\n") if data else []
        except (lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
            self._refuse(f"its vocabulary cannot be read: {error}")
        if len(data) != length or len(words) != n - len(SPECIAL):
            self._refuse(f"{len(words):,} words, not {n - len(SPECIAL):,}")
        if any(not one or one >= next for one, next in pairwise([*words, "\U0010ffff"])):
            self._refuse("its words are not in order")
        words = [*SPECIAL, *words]
        if len(set(words)) != n:
            self._refuse("a word is there twice")
        return words

    def _check_level(self, arrays: Arrays, order: int, longest: int, n_words: int) -> None:
        """Raises unless the arrays of an order have the lengths and numbers that they must."""
        log_probs = self._numbers(arrays, "log_prob", order, None)
        count = len(log_probs)
        if order > 1:
            self._check_words(arrays, order, count, n_words)
        if order < longest:
            self._numbers(arrays, "back_off", order, count)
            self._check_starts(arrays, order, count)

    def _array(self, arrays: Arrays, name: str, kinds: str, count: int | None) -> NDArray[Any]:
        """An array that has to be there, of unsigned numbers (u) or fractions (f)."""
        array = arrays.get(name)
        if array is None:
            self._refuse(f"no array {name}")
        if array.dtype.kind not in kinds or (count is not None and len(array) != count):
            self._refuse(f"{name} has {len(array):,} numbers {array.dtype.str}")
        return array

    def _numbers(self, arrays: Arrays, name: str, order: int, count: int | None) -> NDArray[Any]:
        numbers = self._array(arrays, f"{name}s{order}", "uf", count)
        values = numbers
        if numbers.dtype.kind == "u":
            values = self._array(arrays, f"{name}_values{order}", "f", 256)
            if numbers.dtype != np.uint8:
                self._refuse(f"{name}s{order} are no bytes")
        elif f"{name}_values{order}" in arrays:
            self._refuse(f"{name}s{order} are values and codes at once")
        most = 1e-4 if name == "log_prob" else 1e3
        if not np.isfinite(values).all() or (values > most).any() or (values < -1e4).any():
            self._refuse(f"a number in {name}s{order} is out of its range")
        return numbers

    def _check_words(self, arrays: Arrays, order: int, count: int, n_words: int) -> None:
        low = self._array(arrays, f"words{order}", "u", count)
        if f"high{order}" in arrays:
            high = self._array(arrays, f"high{order}", "u", count)
            if low.dtype != np.uint16 or high.dtype != np.uint8:
                self._refuse(f"high{order} are no bytes")
        words = unpacked_words(arrays, order)
        if (words >= n_words).any():
            self._refuse(f"an n-gram of order {order} has a word beyond the vocabulary")
        bounds = starts(arrays, order - 1)
        if bounds[-1] != count:
            self._refuse(f"{count:,} n-grams of order {order}, not {bounds[-1]:,}")
        falls = np.flatnonzero(words[1:] <= words[:-1]) + 1
        if not np.isin(falls, bounds).all():
            self._refuse(f"n-grams of order {order} are not in order")

    def _check_starts(self, arrays: Arrays, order: int, count: int) -> None:
        self._array(arrays, f"starts{order}", "u", count + 1)
        self._array(arrays, f"bases{order}", "u", (count >> BLOCK_BITS) + 1)
        if arrays[f"starts{order}"].dtype == np.uint64:
            self._refuse(f"starts{order} are too wide")
        bounds = starts(arrays, order)
        if bounds[0] != 0 or (np.diff(bounds) < 0).any():
            self._refuse(f"the ranges of order {order} overlap")
