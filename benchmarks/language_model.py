"""Error rates with language models: a curve over models, weights, bonuses and beams.

Recordings are encoded once, and all searches hear the same encodings.

    python -m benchmarks.language_model tiny_rnnt dev.tsv --lm a.lm b.lm [--weights 0.3 0.5]
"""

import argparse
import itertools
import sys
import time
from typing import Any

import gigaam
from benchmarks.machine import report
from gigaam.audio import SAMPLE_RATE
from gigaam.dataset.excerpts import iter_excerpts
from gigaam.dataset.manifests import read_manifest
from gigaam.decoding.searches import build_search
from gigaam.evaluation.scoring import error_rates


class Encoded:
    """A manifest's recordings behind the encoder, and what is said in them."""

    def __init__(self, model: Any, manifest: str, batch: int) -> None:
        utterances = list(read_manifest(manifest))
        found = sorted(iter_excerpts(utterances), key=lambda each: len(each[1]))
        self.references = [utterances[index].text for index, _ in found]
        sounds = [samples for _, samples in found]
        self.seconds = sum(map(len, sounds)) / SAMPLE_RATE
        self._model = model
        self._batches = [
            model.encode(sounds[first : first + batch]) for first in range(0, len(sounds), batch)
        ]

    def rates(self, options: gigaam.DecodingOptions) -> dict[str, Any]:
        """Error rates in per cent, and the time of the search."""
        search = build_search(self._model.decoding, options)
        decode = self._model.decoding.tokenizer.decode
        began = time.process_time()
        found = [each for batch in self._batches for each in search.find(self._model, batch)]
        taken = time.process_time() - began
        rates = error_rates(self.references, [decode(each.ids.tolist()) for each in found])
        return {
            "wer": 100 * rates.wer,
            "cer": 100 * rates.cer,
            "ms_per_20_s": 20_000 * taken / self.seconds,
        }


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("manifests", nargs="+")
    parser.add_argument("--lm", nargs="+", default=[])
    parser.add_argument("--weights", nargs="+", type=float, default=[None])
    parser.add_argument("--bonuses", nargs="+", type=float, default=[None])
    parser.add_argument("--beams", nargs="+", type=int, default=[8])
    parser.add_argument("--batch", type=int, default=8)
    arguments = parser.parse_args()
    model: Any = gigaam.load_model(arguments.model, device="cpu")
    sets = {path: Encoded(model, path, arguments.batch) for path in arguments.manifests}
    settings: list[dict[str, Any]] = [{}]
    settings += [
        {"lm": lm, "lm_weight": weight, "word_bonus": bonus, "beam_size": beam}
        for lm, beam, weight, bonus in itertools.product(
            arguments.lm, arguments.beams, arguments.weights, arguments.bonuses
        )
    ]
    rows = []
    for setting in settings:
        options = gigaam.DecodingOptions(**setting)
        for path, encoded in sets.items():
            rows.append({**setting, "set": path, **encoded.rates(options)})
            print(rows[-1], file=sys.stderr)
    report("language models", rows)


if __name__ == "__main__":
    main()
