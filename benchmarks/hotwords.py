"""What hotwords mend and what they spoil: rare words given to the search, fifty at a time.

The words are chosen before anything is decoded. Manifests of `benchmarks.hotword_voices` name
theirs; of other manifests, all words that no training text has are taken, and every list of them
is given to all utterances. Each utterance is encoded once. In those *with*, a word of the list is
said, or a form of it; in those *without* none is.

    python -m benchmarks.hotwords tiny_ctc dev_with.tsv --without dev_without.tsv [--inflect]
    python -m benchmarks.hotwords tiny_ctc dev.tsv --train train.tsv [--weights 0.5 1 2]

Columns: *said*, *missed*: how often hotwords were, and of them *other forms* than the listed one;
*false*: heard where not said, in utterances with and without hotwords; *wer*: of all their words.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import jiwer

import gigaam
from benchmarks.hotword_texts import forms
from benchmarks.machine import report
from gigaam.dataset.excerpts import iter_excerpts
from gigaam.dataset.manifests import Utterance, read_manifest
from gigaam.dataset.text import normalize_text
from gigaam.decoding import context_graph
from gigaam.decoding.pruning import Pruning
from gigaam.decoding.searches import build_search

_BATCH = 16


@dataclass(frozen=True)
class HotwordList:
    """Words that are loaded together.

    Attributes:
        listed: As they are given to the search.
        other_forms: Of these words, said but not listed.
        expected: All that may be heard because of them.
        spoken: Places of the utterances in which they may be said.
        plain: Places of those in which none is.
    """

    listed: tuple[str, ...]
    other_forms: frozenset[str]
    expected: frozenset[str]
    spoken: tuple[int, ...]
    plain: tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """Encoded recordings, and which utterances they are."""

    places: tuple[int, ...]
    encoded: Any


def words_of(utterances: Sequence[Utterance]) -> list[list[str]]:
    """The words of each utterance's transcription."""
    return [normalize_text(each.text).split() for each in utterances]


def rare_words(
    said: Sequence[Sequence[str]], known: set[str], letters: int, size: int
) -> list[tuple[str, ...]]:
    """All words that are not known, in lists of one size, in random order; the rest is left out."""
    rare = sorted({w for text in said for w in text if len(w) >= letters} - known)
    random.Random(0).shuffle(rare)
    firsts = range(0, max(len(rare) - size + 1, 1), size)
    return [tuple(rare[first : first + size]) for first in firsts]


def lists_of(
    spoken: Sequence[Utterance], plain: Sequence[Utterance], rare: Sequence[tuple[str, ...]]
) -> list[HotwordList]:
    """The lists with the utterances of each, as places in both sequences in a row.

    Args:
        spoken: Utterances with hotwords.
        plain: Utterances without; shared out among the lists.
        rare: Lists of hotwords, each for all utterances, which then do not name theirs.
    """
    if rare:
        return [_anywhere(each, spoken, plain) for each in rare]
    count = 1 + max(int(each.columns["list"]) for each in spoken)
    lists = []
    for number in range(count):
        own = [i for i, each in enumerate(spoken) if int(each.columns["list"]) == number]
        words = tuple(dict.fromkeys(spoken[i].columns["said"] for i in own))
        others = range(len(spoken) + number, len(spoken) + len(plain), count)
        lists.append(HotwordList(words, frozenset(), frozenset(words), tuple(own), tuple(others)))
    return lists


def _anywhere(
    words: tuple[str, ...], spoken: Sequence[Utterance], plain: Sequence[Utterance]
) -> HotwordList:
    """A list for all utterances: which of them have a form of its words is found out."""
    every, wanted = [*spoken, *plain], forms(words)
    own = [i for i, said in enumerate(words_of(every)) if not wanted.isdisjoint(said)]
    others = sorted(set(range(len(every))) - set(own))
    return HotwordList(words, frozenset(), frozenset(words), tuple(own), tuple(others))


def in_the_nominative(one: HotwordList, spoken: Sequence[Utterance]) -> HotwordList:
    """The list with the nominatives of what is said, names capital, for ``inflect``."""
    from gigaam.decoding.hotwords import Phrase
    from gigaam.decoding.inflection import inflect

    named = [spoken[i].columns for i in one.spoken]
    listed = tuple(
        dict.fromkeys(
            each["hotword"].capitalize() if each["kind"] == "name" else each["hotword"]
            for each in named
        )
    )
    inflected = {normalize_text(phrase.text) for phrase in inflect(map(Phrase, listed))}
    other = frozenset(each["said"] for each in named if each["said"] != each["hotword"])
    return replace(one, listed=listed, other_forms=other, expected=frozenset(inflected | other))


def counts(
    said: Sequence[Sequence[str]], heard: Sequence[Sequence[str]], words: frozenset[str]
) -> Counter[str]:
    """How often the words were said, missed, and heard where they were not said."""
    totals: Counter[str] = Counter()
    for reference, found in zip(said, heard, strict=True):
        wanted = Counter(word for word in reference if word in words)
        got = Counter(word for word in found if word in words)
        totals["said"] += wanted.total()
        totals["missed"] += (wanted - got).total()
        totals["false"] += (got - wanted).total()
    return totals


class Trial:
    """Encoded utterances, and the lists of words to look for in them."""

    def __init__(
        self, model: Any, utterances: Sequence[Utterance], lists: Sequence[HotwordList]
    ) -> None:
        self._model = model
        self._lists = lists
        self._said = words_of(utterances)
        sounds: dict[int, Any] = dict(iter_excerpts(utterances))
        encoded: dict[tuple[int, ...], Batch] = {}
        self._batches: list[list[Batch]] = []
        for each in lists:
            places = sorted([*each.spoken, *each.plain], key=lambda i: (len(sounds[i]), i))
            self._batches.append([])
            for first in range(0, len(places), _BATCH):
                own = tuple(places[first : first + _BATCH])
                if own not in encoded:
                    encoded[own] = Batch(own, model.encode([sounds[i] for i in own]))
                self._batches[-1].append(encoded[own])

    def run(self, options: gigaam.DecodingOptions, with_words: bool) -> dict[str, Any]:
        """What is found with these options, and the list's words if they are to be given."""
        totals: Counter[str] = Counter()
        began = time.process_time()
        heard = [
            self._heard(each, batches, options, with_words)
            for each, batches in zip(self._lists, self._batches, strict=True)
        ]
        taken = time.process_time() - began
        for each, texts in zip(self._lists, heard, strict=True):
            for name, places in (("with", each.spoken), ("without", each.plain)):
                said, found = [self._said[i] for i in places], [texts[i] for i in places]
                both = counts(said, found, each.expected)
                totals.update({f"{key}_{name}": count for key, count in both.items()})
                other = counts(said, found, each.other_forms)
                totals.update({f"other_{key}_{name}": count for key, count in other.items()})
                totals[f"sentences_{name}"] += len(places)
                totals[f"words_{name}"] += sum(map(len, said))
                totals[f"errors_{name}"] += errors(said, found)
        return {**_row(totals), "cpu_s": taken}

    def _heard(
        self,
        words: HotwordList,
        batches: Sequence[Batch],
        options: gigaam.DecodingOptions,
        with_words: bool,
    ) -> dict[int, list[str]]:
        if with_words:
            options = replace(options, hotwords=list(words.listed))
        decoding = copy(self._model.decoding)  # searches are remembered by it
        search = build_search(decoding, options)
        decode = decoding.tokenizer.decode
        return {
            place: normalize_text(decode(found.ids.tolist())).split()
            for batch in batches
            for place, found in zip(
                batch.places, search.find(self._model, batch.encoded), strict=True
            )
        }


def errors(said: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> int:
    """Wrong, missing and additional words."""
    if not said:
        return 0
    compared = jiwer.process_words([" ".join(t) for t in said], [" ".join(t) for t in found])
    return int(compared.substitutions + compared.deletions + compared.insertions)


def _row(totals: Counter[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"said": totals["said_with"], "missed": totals["missed_with"]}
    if totals["other_said_with"]:
        row |= {
            "said_other": totals["other_said_with"],
            "missed_other": totals["other_missed_with"],
        }
    row |= {"false_with": totals["false_with"], "false_without": totals["false_without"]}
    if totals["sentences_without"]:
        row["sentences_without"] = totals["sentences_without"]
        row["without_per_100"] = 100 * totals["false_without"] / totals["sentences_without"]
    for name in ("with", "without"):
        if totals[f"words_{name}"]:
            row[f"wer_{name}"] = 100 * totals[f"errors_{name}"] / totals[f"words_{name}"]
    return row


def settings(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """What is to be compared, each as a row's first columns."""
    rows = [{"beam": 1, "weight": 0.0}]
    rows += [{"beam": beam, "weight": 0.0} for beam in arguments.plain_beams]
    names = ("beam", "rewards", "weight", "threshold")
    choices = (arguments.beams, arguments.rewards, arguments.weights, arguments.token_thresholds)
    for values in product(*choices):
        row = dict(zip(names, values, strict=True))
        rows.append({key: value for key, value in row.items() if value is not None})
    return rows


def options_of(row: dict[str, Any], inflect: bool) -> gigaam.DecodingOptions:
    """Those of a row, still without words; sets what phrases are worth."""
    if "rewards" in row:
        values = map(float, row["rewards"].split(":"))
        names = ("_REWARD", "_REWARD_PER_CHARACTER", "_LENDING_EXPONENT")
        for name, value in zip(names, values, strict=True):
            setattr(context_graph, name, value)
    given: dict[str, Any] = {"beam_size": row["beam"]}
    if row["weight"]:
        given |= {"hotwords": ["—"], "hotword_weight": row["weight"], "inflect": inflect}
    if "threshold" in row:
        given["pruning"] = Pruning(token_threshold=row["threshold"])
    return gigaam.DecodingOptions(**given)


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("manifests", nargs="+", help="in which hotwords are said")
    parser.add_argument("--without", nargs="+", default=[], help="in which none is")
    parser.add_argument("--train", nargs="+", default=[], help="manifests whose words are known")
    parser.add_argument("--inflect", action="store_true", help="give nominatives and `inflect`")
    parser.add_argument("--weights", nargs="+", type=float, default=[1.0])
    parser.add_argument("--beams", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--plain-beams", nargs="+", type=int, default=[], help="without hotwords")
    parser.add_argument("--token-thresholds", nargs="+", type=float, default=[None])
    parser.add_argument(
        "--rewards", nargs="+", default=[None], help="REWARD:PER_CHARACTER:LENDING_EXPONENT"
    )
    parser.add_argument("--count", type=int, default=50, help="hotwords in a list")
    parser.add_argument("--lists", type=int, default=4, help="at most, without columns")
    parser.add_argument("--letters", type=int, default=5, help="of the shortest, without columns")
    return parser.parse_args()


def main() -> None:
    """Measures what the command line asks for."""
    arguments = parsed()
    spoken = [each for path in arguments.manifests for each in read_manifest(path)]
    plain = [each for path in arguments.without for each in read_manifest(path)]
    rare: list[tuple[str, ...]] = []
    if "said" not in spoken[0].columns:
        known = {
            word
            for path in arguments.train
            for text in words_of(read_manifest(path))
            for word in text
        }
        rare = rare_words(words_of(spoken), known, arguments.letters, arguments.count)
        rare = rare[: arguments.lists]
    lists = lists_of(spoken, plain, rare)
    if arguments.inflect:
        lists = [in_the_nominative(each, spoken) for each in lists]
    trial = Trial(gigaam.load_model(arguments.model, device="cpu"), [*spoken, *plain], lists)
    rows = []
    for row in settings(arguments):
        found = trial.run(options_of(row, arguments.inflect), bool(row["weight"]))
        rows.append({**row, **found})
        print(rows[-1], file=sys.stderr, flush=True)
    report("hotwords", rows)


if __name__ == "__main__":
    main()
