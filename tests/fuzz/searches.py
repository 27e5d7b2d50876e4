"""Language models and lists of hotwords that are damaged, or lie about themselves."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np

import gigaam
import gigaam.ngrams
from gigaam.decoding import DecodingOptions
from gigaam.decoding.searches import build_search
from gigaam.errors import GigaAMError
from tests.fuzz.cases import BrokenPromiseError, Case
from tests.fuzz.mutations import mutated
from tests.nets import random_asr

KENLM = Path(__file__).parents[1] / "unit" / "ngrams" / "small.kenlm"
SENTENCES = ["добрый день", "полис каско на год", "добрый вечер мария", "каско или осаго"] * 9
HOTWORDS = "# клиенты\nМария Седых\nполис каско:2\nВатутин :0.5\n1С:Бухгалтерия\n".encode()


@cache
def net(name: str) -> gigaam.GigaAMASR:
    """A recogniser so small that cases take no time."""
    return random_asr(name)


@cache
def trained(ending: str, quantized: bool) -> bytes:
    """A language model's file."""
    with TemporaryDirectory() as folder:
        text, model = Path(folder) / "text.txt", Path(folder) / f"model.{ending}"
        text.write_text("\n".join(SENTENCES), encoding="utf-8")
        gigaam.ngrams.train([text], model, order=3, quantized=quantized)
        return model.read_bytes()


def make(rng: Random, folder: Path) -> Case:
    """A damaged file, given to a search of half a second of noise."""
    kind = rng.choice((_own, _own, _own, _arpa, _arpa, _kenlm, _hotwords, _hotwords))
    options, what = kind(rng, folder)
    name = rng.choice(("v3_ctc", "v3_rnnt"))
    return Case(f"{name}, {what}", lambda: _searched(name, options))


def _own(rng: Random, folder: Path) -> tuple[Callable[[], DecodingOptions], str]:
    return _damaged(trained("lm", rng.random() < 0.7), rng, folder / "model.lm")


def _arpa(rng: Random, folder: Path) -> tuple[Callable[[], DecodingOptions], str]:
    content, path = trained("arpa", True), folder / "model.arpa"
    if rng.random() < 0.5:
        return _damaged(content, rng, path)
    lines = content.decode().splitlines()
    at = rng.randrange(len(lines))
    lines[at] = rng.choice(
        (
            "",
            "ngram 1=99999999",
            "\\9-grams:",
            "-1\tкаско\t-inf",
            "nan\tкаско",
            "1e9\tа\tб\tв",
            "a" * 9999,
        )
    )
    path.write_text("\n".join(lines), encoding="utf-8")
    return lambda: DecodingOptions(lm=path), f"model.arpa: line {at + 1} is {lines[at][:20]!r}"


def _kenlm(rng: Random, folder: Path) -> tuple[Callable[[], DecodingOptions], str]:
    return _damaged(KENLM.read_bytes(), rng, folder / "model.kenlm")


def _damaged(content: bytes, rng: Random, path: Path) -> tuple[Callable[[], DecodingOptions], str]:
    content, what = mutated(content, rng)
    path.write_bytes(content)
    return lambda: DecodingOptions(lm=path), f"{path.name}: {what}"


def _hotwords(rng: Random, folder: Path) -> tuple[Callable[[], DecodingOptions], str]:
    content, what = mutated(HOTWORDS, rng)
    path = folder / "names.txt"
    path.write_bytes(content)
    return lambda: DecodingOptions(hotwords=path, beam_size=2), f"names.txt: {what}"


def _searched(name: str, options: Callable[[], DecodingOptions]) -> str:
    """Opens the file and searches with it."""
    model = net(name)
    noise = (np.random.default_rng(1).standard_normal(8000) * 0.1).astype(np.float32)
    try:
        search = build_search(model.decoding, options())
    except GigaAMError as error:
        if not str(error):
            raise BrokenPromiseError(f"{type(error).__name__} without a word") from error
        return type(error).__name__
    (found,) = search.find(model, model.encode([noise]))
    if not np.isfinite(found.score):
        raise BrokenPromiseError(f"a score of {found.score}")
    return "searched"
