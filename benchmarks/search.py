"""Time of searches on real speech, beside that of the encoder and of greedy search.

Posteriors of random nets are flat, which no search is made for: a recogniser and recordings are
needed. Each batch is encoded once, and all searches hear the same encodings.

    python -m benchmarks.search tiny_rnnt test.tsv [--batch 8] [--hotwords 50 1000]
"""

import argparse
import random
import time
from collections.abc import Callable
from typing import Any

import gigaam
from benchmarks.machine import report
from gigaam.audio import SAMPLE_RATE
from gigaam.dataset.excerpts import iter_excerpts
from gigaam.dataset.manifests import read_manifest
from gigaam.decoding.searches import build_search


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


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("manifest")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--beams", nargs="+", type=int, default=[1, 4, 8, 16])
    parser.add_argument("--hotwords", nargs="+", type=int, default=[50, 1000])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    model: Any = gigaam.load_model(arguments.model, device="cpu")
    sounds = [each for _, each in iter_excerpts(read_manifest(arguments.manifest))]
    sounds.sort(key=len)
    batches = [sounds[i : i + arguments.batch] for i in range(0, len(sounds), arguments.batch)]
    seconds = sum(map(len, sounds)) / SAMPLE_RATE
    encoder = cpu_seconds(lambda: [model.encode(batch) for batch in batches], arguments.repeats)
    encoded = [model.encode(batch) for batch in batches]
    rows = []
    for beam in arguments.beams:
        for count in (0, *arguments.hotwords):
            options = gigaam.DecodingOptions(
                beam_size=beam, hotwords=invented(count) if count else None
            )
            search = build_search(model.decoding, options)
            taken = cpu_seconds(
                lambda search=search: [search.find(model, each) for each in encoded],
                arguments.repeats,
            )
            rows.append(
                {
                    "beam": beam,
                    "hotwords": count,
                    "ms_per_20_s": 20_000 * taken / seconds,
                    "of_greedy": taken / rows[0]["cpu_s"] if rows else 1.0,
                    "of_encoder": taken / encoder,
                    "cpu_s": taken,
                }
            )
    report("search", rows)


if __name__ == "__main__":
    main()
