"""From texts to a model's file."""

from __future__ import annotations

import hashlib
import os
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gigaam.dataset.text import normalize_text
from gigaam.errors import ArgumentError, DatasetError
from gigaam.ngrams.arpa import arpa_lines
from gigaam.ngrams.counting import CountedLevel, Spool, count
from gigaam.ngrams.entropy_pruning import Pruner
from gigaam.ngrams.estimates import Estimates
from gigaam.ngrams.kneser_ney import estimate
from gigaam.ngrams.model import END_ID, SPECIAL, START_ID, Unit
from gigaam.ngrams.model_file import serialized
from gigaam.ngrams.packed import PackedModel
from gigaam.ngrams.packing import pack
from gigaam.ngrams.texts import COMPRESSED, STDIN, read_lines
from gigaam.output.whole_file import write_whole
from gigaam.quoting import brief

__all__ = ["PieceTokenizer", "train"]

_HELD_OUT_EVERY = 200  # lines; the first of them is not held out
_MOST_HELD_OUT = 10_000
_FLUSHED_IDS = 1 << 20


class PieceTokenizer(Protocol):
    """What is asked of the tokenizer of a model of pieces."""

    @property
    def pieces(self) -> list[str]:
        """Every token as it is written, by id."""

    @property
    def serialized(self) -> bytes | None:
        """The SentencePiece model."""

    def encode(self, text: str) -> list[int]:
        """The ids that spell a text."""


def train(
    texts: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    order: int = 3,
    prune: float | Sequence[int] | None = None,
    max_size: int | None = None,
    vocabulary_size: int | None = None,
    held_out: Sequence[str | os.PathLike[str]] = (),
    tokenizer: PieceTokenizer | None = None,
    quantized: bool = True,
    memory: int = 1 << 29,
    report: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Trains an n-gram model by modified Kneser-Ney smoothing, and writes it.

    The same texts and options give the same bytes.

    Args:
        texts: Files in UTF-8 with a sentence a line, plain or compressed (.gz, .xz, .bz2), ``-``
            for the standard input. Words are normalised as transcriptions for training are.
        out: The file; one that ends in ``.arpa`` becomes an ARPA file.
        order: Words of the longest n-gram, 1 to 6.
        prune: By order, counts up to which n-grams are left out, as lmplz has it ((0, 0, 1) leaves
            out 3-grams that are there once); or the relative rise of perplexity below which an
            n-gram is left out (1e-8).
        max_size: Bytes that the file may have, if it is no ARPA file; n-grams are left out as for
            a rise of perplexity.
        vocabulary_size: Only that many words, the most frequent ones; the rest are unknown ones.
        held_out: Texts to measure perplexity on; by default every 200th line of ``texts``, which is
            then not trained on.
        tokenizer: Counts the pieces of this SentencePiece tokenizer instead of words.
        quantized: Whether logarithms become one byte each; otherwise they are float32.
        memory: Bytes to sort n-grams in. What is then estimated takes some 150 more for each
            different n-gram.
        report: Is told what is being done.

    Returns:
        The card: names and sizes of texts, n-grams of each order, perplexity.

    Raises:
        ArgumentError: An option is out of its range.
        DatasetError: A text cannot be read, or there are no words in them.
        OSError: The file cannot be written.
    """
    options = _Options(
        order, prune, max_size, vocabulary_size, tokenizer, quantized, memory, report or _silent
    )
    options.check(texts, out)
    _check_out(Path(out), [*texts, *held_out])
    with tempfile.TemporaryDirectory() as folder:
        corpus = _Corpus(Path(folder), options)
        corpus.read(texts, hold_out=not held_out)
        for text in held_out:
            units = map(corpus.units, read_lines(os.fspath(text)))
            corpus.held_out += (each for each in units if each)
        estimates = _estimated(corpus, options, Path(folder))
    return _written(Path(out), estimates, corpus, options)


def _check_out(out: Path, texts: Sequence[str | os.PathLike[str]]) -> None:
    """Raises if a text would be overwritten, or the name promises what is not written."""
    if out.suffix.lower() in COMPRESSED:
        raise ArgumentError(f"models are written as they are, not compressed as {out.name} says")
    for text in texts:
        if os.fspath(text) != STDIN and out.exists() and Path(text).exists() and out.samefile(text):
            raise ArgumentError(f"{out} is a text: the model would be written over it")


def _silent(what: str) -> None:
    """Tells nobody."""


@dataclass
class _Options:
    """What `train` was asked for."""

    order: int
    prune: float | Sequence[int] | None
    max_size: int | None
    vocabulary_size: int | None
    tokenizer: PieceTokenizer | None
    quantized: bool
    memory: int
    report: Callable[[str], None]

    def check(self, texts: Sequence[Any], out: str | os.PathLike[str]) -> None:
        """Raises unless all is in its range."""
        if isinstance(texts, str | bytes | os.PathLike):
            raise ArgumentError(f"texts must be a list of files, such as [{brief(texts)}]")
        if not texts:
            raise ArgumentError("no texts to train on")
        for name, least, most in (
            ("order", 1, 6),
            ("memory", 1 << 20, None),
            ("max_size", 1, None),
            ("vocabulary_size", 1, None),
        ):
            self._check_whole(name, least, most)
        if self.max_size is not None and Path(out).suffix == ".arpa":
            raise ArgumentError("max_size is for the file of a mapped model, not for ARPA")
        if not self._prunes_in_range():
            raise ArgumentError(
                f"prune must be a rise of perplexity from 0 to 1, or counts by order, not "
                f"{brief(self.prune)}"
            )
        if self.tokenizer is not None and self.tokenizer.serialized is None:
            raise ArgumentError("models of pieces need a SentencePiece tokenizer")
        cutoffs = self.cutoffs
        if cutoffs[0] != 0 or sorted(cutoffs) != cutoffs or len(cutoffs) > self.order:
            raise ArgumentError(
                f"counts to prune by must begin with 0, not fall, and be at most {self.order}, "
                f"one an order; they are {cutoffs}"
            )

    def told(self) -> dict[str, Any]:
        """Those that change the model, for its card."""
        names = ("order", "prune", "max_size", "vocabulary_size", "quantized")
        return {name: getattr(self, name) for name in names}

    def _check_whole(self, name: str, least: int, most: int | None) -> None:
        value = getattr(self, name)
        if value is None and name in ("max_size", "vocabulary_size"):
            return
        if not isinstance(value, int) or value < least or (most is not None and value > most):
            limits = f"from {least:,}" if most is None else f"from {least} to {most}"
            raise ArgumentError(f"{name} must be a whole number {limits}, not {brief(value)}")

    def _prunes_in_range(self) -> bool:
        if self.prune is None or isinstance(self.prune, float | int):
            return self.prune is None or 0 <= self.prune < 1
        return not isinstance(self.prune, str | bytes) and all(
            isinstance(each, int) for each in self.prune
        )

    @property
    def unit(self) -> Unit:
        """What is counted."""
        return "word" if self.tokenizer is None else "piece"

    @property
    def cutoffs(self) -> list[int]:
        """By order, counts up to which n-grams are left out; the last is that of all above."""
        if self.prune is None or isinstance(self.prune, float | int) or not len(self.prune):
            return [0]
        return list(self.prune)

    @property
    def threshold(self) -> float:
        """The rise of perplexity below which n-grams are left out."""
        return float(self.prune) if isinstance(self.prune, float | int) else 0.0


@dataclass
class _Corpus:
    """The texts as numbers of words, on disk."""

    folder: Path
    options: _Options
    names: list[str] = field(default_factory=list)
    held_out: list[list[str]] = field(default_factory=list)
    n_sentences: int = 0
    n_words: int = 0

    def __post_init__(self) -> None:
        self._ids = {word: index for index, word in enumerate(SPECIAL)}
        self._spool = Spool(self.folder, np.int32)
        self._pieces = self.options.tokenizer.pieces if self.options.tokenizer else []

    def units(self, line: str) -> list[str]:
        """The words or pieces of a line."""
        if self.options.tokenizer is not None:
            return [self._pieces[token] for token in self.options.tokenizer.encode(line.strip())]
        return [word for word in normalize_text(line).split(" ") if word not in ("", *SPECIAL)]

    def read(self, texts: Sequence[str | os.PathLike[str]], hold_out: bool) -> None:
        """Takes texts; of every 200 lines the last is held out, if that is wanted."""
        waiting, ids = array("i"), self._ids
        for line in self._all_lines(texts):
            words = self.units(line)
            if not words:
                continue
            self.n_sentences += 1
            its_turn = hold_out and self.n_sentences % _HELD_OUT_EVERY == 0
            if its_turn and len(self.held_out) < _MOST_HELD_OUT:
                self.held_out.append(words)
                continue
            self.n_words += len(words)
            waiting.append(START_ID)
            waiting.extend([ids.setdefault(word, len(ids)) for word in words])
            waiting.append(END_ID)
            if len(waiting) > _FLUSHED_IDS:
                self._spool.add(np.array(waiting))
                waiting = array("i")
        self._spool.add(np.array(waiting))
        if not self.n_words:
            raise DatasetError(f"there are no words in {', '.join(map(str, texts))}")
        self.n_sentences -= len(self.held_out) if hold_out else 0

    def _all_lines(self, texts: Sequence[str | os.PathLike[str]]) -> Iterator[str]:
        for text in texts:
            name = os.fspath(text)
            self.names.append("standard input" if name == STDIN else Path(name).name)
            self.options.report(f"reading {self.names[-1]}")
            yield from read_lines(name)

    def numbered(self) -> tuple[Spool, list[str]]:
        """Ids in the order of the vocabulary, and the vocabulary."""
        provisional = self._spool.numbers()
        words = list(self._ids)
        counts = np.bincount(provisional, minlength=len(words))
        plain = sorted(self._most_frequent(words, counts))
        vocabulary = [*SPECIAL, *plain]
        new_ids = np.zeros(len(words), np.int32)
        new_ids[[self._ids[word] for word in vocabulary]] = np.arange(len(vocabulary))
        final = Spool(self.folder, np.int32)
        for first in range(0, len(provisional), _FLUSHED_IDS):
            final.add(new_ids[provisional[first : first + _FLUSHED_IDS]])
        return final, vocabulary

    def _most_frequent(self, words: list[str], counts: NDArray[Any]) -> list[str]:
        plain, limit = words[len(SPECIAL) :], self.options.vocabulary_size
        if limit is None or limit >= len(plain):
            return plain
        order = np.argsort(-counts[len(SPECIAL) :], kind="stable")[:limit]
        return [plain[index] for index in order.tolist()]


def _estimated(corpus: _Corpus, options: _Options, folder: Path) -> Estimates:
    """The model, pruned as was asked."""
    ids, words = corpus.numbered()
    options.report("counting")
    counted = count(ids, len(words), options.order, folder, options.memory)
    ids.remove()
    options.report("estimating")
    cutoffs = options.cutoffs
    cutoffs += [cutoffs[-1]] * (options.order - len(cutoffs))
    estimates = estimate(counted, words, options.unit, cutoffs)
    if options.order == 1 or not (options.threshold or options.max_size):
        return estimates
    options.report("pruning")
    pruner = Pruner(estimates, _context_probs(counted, cutoffs))
    return _pruned(pruner, estimates, options)


def _context_probs(
    counted: Sequence[CountedLevel], cutoffs: Sequence[int]
) -> list[NDArray[np.float64]]:
    total = float(counted[0].counts.sum())
    kept = [np.ones(len(counted[0].counts), bool)]
    kept += [each.counts > cut for each, cut in zip(counted[1:], cutoffs[1:], strict=True)]
    return [each.counts[mask] / total for each, mask in zip(counted[:-1], kept[:-1], strict=True)]


def _pruned(pruner: Pruner, estimates: Estimates, options: _Options) -> Estimates:
    """Without what raises perplexity least: as much of it as was asked, or as makes it fit."""
    threshold = options.threshold
    most = options.max_size
    if most is None:
        return pruner.pruned(threshold)
    fixed = len(_content(Estimates(estimates.words, estimates.levels[:1]), options, {})) + 4096
    allowed = most
    while True:
        found = pruner.pruned(
            max(threshold, pruner.threshold_for(_size_of(fixed, options, estimates), allowed))
        )
        size = len(_content(found, options, {})) + 4096  # the card comes on top
        if size <= most:
            return found
        if not sum(map(len, found.levels[1:])):
            raise ArgumentError(
                f"{len(estimates.words):,} words alone take {size:,} bytes, more than max_size "
                f"{most:,}: give a vocabulary_size"
            )
        allowed -= size - most + most // 200


def _size_of(fixed: int, options: _Options, estimates: Estimates) -> Callable[[list[int]], int]:
    """Bytes of a model with so many n-grams of each order, about."""
    number, size = (1 if options.quantized else 4), len(estimates.words)
    word = 2 if size <= 1 << 16 else 3 if size <= 1 << 24 else 4

    def size_of(counts: list[int]) -> int:
        inner = sum(counts[1:-1]) * (word + 2 * number + 1.2)
        return fixed + int(3.1 * counts[0] + inner + counts[-1] * (word + number))

    return size_of


def _content(estimates: Estimates, options: _Options, card: dict[str, Any]) -> bytes:
    arrays = pack(estimates, options.quantized)
    return serialized(estimates.words, len(estimates.levels), estimates.unit, arrays, card)


def _written(out: Path, estimates: Estimates, corpus: _Corpus, options: _Options) -> dict[str, Any]:
    options.report("measuring")
    arrays = pack(estimates, options.quantized)
    model = PackedModel(estimates.words, len(estimates.levels), estimates.unit, arrays, {})
    card: dict[str, Any] = {
        "texts": corpus.names,
        "sentences": corpus.n_sentences,
        "words": corpus.n_words,
        "ngrams": [len(level) for level in estimates.levels],
        "options": options.told(),
    }
    if corpus.held_out:
        measured = model.perplexity(" ".join(words) for words in corpus.held_out)
        card["held_out"] = {
            "perplexity": round(measured.value, 2) if measured.value == measured.value else None,
            "sentences": len(corpus.held_out),
            "words": measured.n_words,
            "unknown_words": measured.n_unknown,
        }
    if options.tokenizer is not None and options.tokenizer.serialized is not None:
        card["tokenizer"] = hashlib.sha256(options.tokenizer.serialized).hexdigest()
    options.report(f"writing {out}")
    if out.suffix == ".arpa":
        lines: Iterable[str] = arpa_lines(estimates)
        content = "".join(f"{line}\n" for line in lines).encode()
    else:
        content = serialized(estimates.words, model.order, model.unit, arrays, card)
    write_whole(out, content)
    return card
