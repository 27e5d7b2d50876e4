"""Time and errors of searches on real speech, beside greedy search and an encoder of v3's size.

Posteriors of random nets are flat, which no search is made for: a recogniser and recordings are
needed. Each batch is encoded once, and all searches hear the same encodings. The encoder's time
does not depend on its weights: that of v3's size is measured with random ones, exported in 8 bits
on the first run (minutes) and kept in a directory. All times are processor seconds, of one thread
with OMP_NUM_THREADS=1.

    gigaam lm train.txt -o small.arpa
    python -m benchmarks.search tiny_rnnt dev.tsv --batch 1 --lm small.arpa --encoder DIR
    python -m benchmarks.search tiny_ctc dev.tsv --batch 1 --beside   # needs ctc-beam-decoder
"""

import argparse
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import gigaam
import gigaam.onnx
from benchmarks.machine import report
from gigaam.audio import SAMPLE_RATE
from gigaam.dataset.excerpts import iter_excerpts
from gigaam.dataset.manifests import read_manifest
from gigaam.decoding import searches
from gigaam.decoding.searches import build_search
from gigaam.evaluation.scoring import error_rates
from gigaam.loading import build_model
from gigaam.ngrams import loading
from gigaam.store.configs import builtin_config

SECONDS = 20
SIZE = "v3_ctc"


def invented(count: int) -> list[str]:
    """Words of six to twelve letters that nobody says."""
    chosen = random.Random(0)
    letters = "абвгдежзийклмнопрстуфхцчшщыьэюя"
    return ["".join(chosen.choices(letters, k=chosen.randint(6, 12))) for _ in range(count)]


def cpu_seconds(call: Callable[[], Any], repeats: int) -> float:
    """The least processor time of some runs."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return min(times)


def encoder_ms(directory: Path, repeats: int) -> float:
    """Milliseconds of an 8-bit encoder of v3's size for 20 s of sound."""
    if not (directory / f"{SIZE}.onnx").exists():
        torch.manual_seed(0)
        random_model: Any = build_model(builtin_config(SIZE)).eval()
        random_model.to_onnx(directory, dtype="int8")
    model: Any = gigaam.onnx.load(directory)
    noise = np.random.default_rng(0).standard_normal(SECONDS * SAMPLE_RATE).astype(np.float32)
    return 1_000 * cpu_seconds(lambda: model.encode([noise * 0.1]), repeats)


def settings(
    beams: Sequence[int], hotwords: Sequence[int], lm: str | None
) -> Iterator[tuple[dict[str, Any], gigaam.DecodingOptions]]:
    """Plain greedy search, and each beam without and with hotwords and a language model."""
    for beam in [1, *(each for each in beams if each > 1)]:
        for model in (None, lm) if lm else (None,):
            for count in (0, *hotwords):
                options = gigaam.DecodingOptions(
                    beam_size=beam, hotwords=invented(count) if count else None, lm=model
                )
                yield {"beam": beam, "lm": model is not None, "hotwords": count}, options


def searched(
    model: Any, batches: Sequence[Any], arguments: argparse.Namespace
) -> Iterator[tuple[dict[str, Any], float, list[str]]]:
    """What each setting is, its seconds for all batches, and its texts."""
    for name, options in settings(arguments.beams, arguments.hotwords, arguments.lm):
        decode = model.decoding.tokenizer.decode
        times = []
        for _ in range(arguments.repeats):
            forget()
            search = build_search(model.decoding, options)
            began = time.process_time()
            found = [each for batch in batches for each in search.find(model, batch)]
            times.append(time.process_time() - began)
        yield name, min(times), [decode(each.ids.tolist()) for each in found]


def forget() -> None:
    """Drops what scorers remember of words that were asked for: a new recording has others."""
    searches._shared_lm_scorer.cache_clear()
    searches._shared_graph.cache_clear()
    loading._opened.cache_clear()


def beside(
    model: Any, batches: Sequence[Any], arguments: argparse.Namespace
) -> Iterator[tuple[dict[str, Any], float, list[str]]]:
    """The same from the package ctc-beam-decoder, on the same posteriors, with its defaults."""
    from ctc_beam_decoder import build_ctcdecoder

    rows = [
        row[: int(end)]
        for each in batches
        for row, end in zip(model.emissions(each).numpy(), each.lengths, strict=True)
    ]
    for lm in (None, arguments.lm) if arguments.lm else (None,):
        decoder = build_ctcdecoder(list(model.decoding.tokenizer.pieces), kenlm_model_path=lm)
        for beam in arguments.beams:
            for count in (0, *arguments.hotwords):
                given = {"beam_width": beam, "hotwords": invented(count) or None}

                def decode(d: Any = decoder, g: dict[str, Any] = given) -> list[str]:
                    return [d.decode(row, **g) for row in rows]

                name = {"beam": beam, "lm": lm is not None, "hotwords": count}
                taken = cpu_seconds(decode, arguments.repeats)
                yield {"search": "ctc-beam-decoder", **name}, taken, decode()


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("manifests", nargs="+")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--beams", nargs="+", type=int, default=[1, 4, 16])
    parser.add_argument("--hotwords", nargs="*", type=int, default=[50])
    parser.add_argument("--lm", help="n-gram model; ARPA, if --beside is to use it, too")
    parser.add_argument("--encoder", type=Path, help="where the encoder of v3's size is kept")
    parser.add_argument("--beside", action="store_true", help="the package ctc-beam-decoder (CTC)")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    model: Any = gigaam.load_model(arguments.model, device="cpu")
    if arguments.beside and model.decoding.head != "ctc":
        parser.error("ctc-beam-decoder is for models with a CTC head")
    utterances = [each for path in arguments.manifests for each in read_manifest(path)]
    pairs = sorted(iter_excerpts(utterances), key=lambda pair: len(pair[1]))
    said, sounds = [utterances[i].text for i, _ in pairs], [each for _, each in pairs]
    starts = range(0, len(sounds), arguments.batch)
    encoded = [model.encode(sounds[i : i + arguments.batch]) for i in starts]
    seconds = sum(map(len, sounds)) / SAMPLE_RATE
    encoder = arguments.encoder and encoder_ms(arguments.encoder, arguments.repeats)
    rows: list[dict[str, Any]] = []
    searches = [searched, beside] if arguments.beside else [searched]
    for search in searches:
        for name, taken, texts in search(model, encoded, arguments):
            ms = 1_000 * SECONDS * taken / seconds
            row = {"search": "gigaam", **name, "ms_per_20_s": ms}
            row["of_greedy"] = ms / rows[0]["ms_per_20_s"] if rows else 1.0
            row["of_encoder"] = ms / encoder if encoder else None
            rows.append({**row, "wer": 100 * error_rates(said, texts).wer})
    tokens = sum(len(found) for each in encoded for found in model.decoding.find(model, each))
    report("search", rows, encoder_ms=encoder, tokens_per_s=tokens / seconds)


if __name__ == "__main__":
    main()
