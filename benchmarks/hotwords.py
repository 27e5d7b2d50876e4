"""What hotwords mend and what they spoil: rare words of a manifest, given to the search.

The words are chosen before anything is decoded: those of the manifest that no training text has.
All of them are given to every utterance, so that those that are not said in it show what is heard
that is not there.

    python -m benchmarks.hotwords tiny_ctc dev.tsv --train train.tsv [--weights 0.5 1 2]
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence

import gigaam
from benchmarks.machine import report
from gigaam.audio import SAMPLE_RATE
from gigaam.dataset.excerpts import iter_excerpts
from gigaam.dataset.manifests import Utterance, read_manifest
from gigaam.dataset.text import normalize_text
from gigaam.recognition import SpeechRecognition


def words_of(utterances: Sequence[Utterance]) -> list[list[str]]:
    """The words of each utterance's transcription."""
    return [normalize_text(each.text).split() for each in utterances]


def counts(said: list[list[str]], heard: list[list[str]], words: set[str]) -> dict[str, float]:
    """How often the words were said, missed, and heard where they were not said."""
    totals: Counter[str] = Counter()
    for reference, found in zip(said, heard, strict=True):
        wanted = Counter(word for word in reference if word in words)
        got = Counter(word for word in found if word in words)
        totals["said"] += wanted.total()
        totals["missed"] += (wanted - got).total()
        totals["false"] += (got - wanted).total()
    return {**totals, "false_per_100": 100 * totals["false"] / len(said)}


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("manifests", nargs="+")
    parser.add_argument("--train", nargs="+", default=[], help="manifests whose words are known")
    parser.add_argument("--weights", nargs="+", type=float, default=[1.0])
    parser.add_argument("--beams", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--count", type=int, default=50, help="hotwords")
    parser.add_argument("--letters", type=int, default=5, help="of the shortest")
    arguments = parser.parse_args()
    utterances = [each for path in arguments.manifests for each in read_manifest(path)]
    known = {
        word for path in arguments.train for text in words_of(read_manifest(path)) for word in text
    }
    said = words_of(utterances)
    rare = sorted({w for text in said for w in text if len(w) >= arguments.letters} - known)
    hotwords = random.Random(0).sample(rare, min(arguments.count, len(rare)))
    model = gigaam.load_model(arguments.model, device="cpu")
    assert isinstance(model, SpeechRecognition)
    sounds = [samples for _, samples in iter_excerpts(utterances)]
    rows = []
    settings = [(beam, weight) for beam in arguments.beams for weight in arguments.weights]
    for beam, weight in [(1, 0.0), *settings]:
        options = gigaam.DecodingOptions(beam_size=beam)
        if weight:
            options = gigaam.DecodingOptions(
                beam_size=beam, hotwords=hotwords, hotword_weight=weight
            )
        began = time.process_time()
        texts = model.transcribe(sounds, input_rate=SAMPLE_RATE, decoding=options)
        heard = [str(text).split() for text in texts]
        found = counts(said, heard, set(hotwords))
        rows.append({"beam": beam, "weight": weight, **found, "cpu_s": time.process_time() - began})
        print(rows[-1], file=sys.stderr)
    report("hotwords", rows)


if __name__ == "__main__":
    main()
