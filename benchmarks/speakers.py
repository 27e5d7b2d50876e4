"""Who speaks when: how much of conversations goes to the wrong person, and what it costs.

The conversations are those of ``python -m recipes.speakers.conversations OUT``; their words are the
reference's, so that mistakes of recognition don't count.

    python -m benchmarks.speakers OUT/test [--kinds two three …] [--directory NETS]

`der`: missed, false and confused speech as shares of all, without a collar, overlaps included, with
the number of speakers given (`known`) and not (`auto`); `words`: those with the right speaker;
`count`: conversations in which as many people were found as there are; `x`: seconds of sound per
second, one conversation at a time. Calls have a channel for each: they are heard apart.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.machine import report
from gigaam.recognition.longform import Channels
from gigaam.speakers import Turn, diarize, load
from gigaam.speakers.attribution import attributed as words_of_turns
from gigaam.types import Word
from recipes.speakers import scoring
from recipes.speakers.conversations import read_manifest
from recipes.speakers.references import read_rttm, read_words

GROUPS = {
    "two": ("two", "women", "men", "russian"),
    "three to five": ("three", "four", "five"),
    "one": ("one", "second"),
    "calls": ("call",),
}


@dataclass(frozen=True)
class Heard:
    """What was found in a conversation, with and without the number of its speakers."""

    kind: str
    known: scoring.DiarizationErrors
    auto: scoring.DiarizationErrors
    words: scoring.Counted
    words_auto: scoring.Counted
    is_count_right: bool
    seconds: float
    took_s: float


def hear(folder: Path, told: dict[str, Any], diarizer: Any) -> Heard:
    """One conversation, heard twice."""
    path, n_speakers = folder / f"{told['name']}.wav", told["n_speakers"]
    is_call = told["channels"] > 1
    reference, said = (read(path.with_suffix(end)) for read, end in READERS)
    channels: Channels = "split" if is_call else "mix"
    started = time.perf_counter()
    known = diarize(path, (diarizer, 1 if is_call else n_speakers), channels=channels)
    took_s = time.perf_counter() - started
    auto = known if is_call else diarize(path, diarizer)
    return Heard(
        told["kind"],
        scoring.der(reference, known),
        scoring.der(reference, auto),
        scoring.attributed(said, spoken(said, known)),
        scoring.attributed(said, spoken(said, auto)),
        len({turn.speaker for turn in auto}) == n_speakers,
        told["duration"],
        took_s,
    )


READERS: Any = ((read_rttm, ".rttm"), (read_words, ".words.json"))


def spoken(said: Sequence[Any], turns: Sequence[Turn]) -> list[Word]:
    """Words with the speakers that the turns give them."""
    plain = [Word(word.text, word.start, word.end) for word in said]
    found = words_of_turns(sorted(plain, key=lambda word: word.start), turns)
    return [replace(word, speaker=word.speaker or "nobody") for word in found]


def row(name: str, heard: Sequence[Heard]) -> dict[str, Any]:
    """The figures of several conversations."""
    figures: dict[str, Any] = {"speakers": name, "conversations": len(heard)}
    for title, key in (("der known", "known"), ("der auto", "auto")):
        errors = [getattr(each, key) for each in heard]
        rate, interval = scoring.over_conversations(errors)
        figures[title] = rate
        figures[f"{title} 95 %"] = interval and f"{interval.low:.3f}–{interval.high:.3f}"
    for title, key in (("words known", "words"), ("words auto", "words_auto")):
        figures[title] = scoring.over_conversations([getattr(each, key) for each in heard])[0]
    figures["count"] = sum(each.is_count_right for each in heard)
    figures["x"] = sum(each.seconds for each in heard) / sum(each.took_s for each in heard)
    return figures


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", nargs="*")
    parser.add_argument("--directory", type=Path, help="exported nets")
    arguments = parser.parse_args()
    diarizer = load(arguments.directory)
    heard = [
        hear(arguments.folder, told, diarizer)
        for told in read_manifest(arguments.folder).values()
        if told["n_speakers"] and (not arguments.kinds or told["kind"] in arguments.kinds)
    ]
    rows = []
    for name, kinds in GROUPS.items():
        if some := [each for each in heard if each.kind in kinds]:
            rows.append(row(name, some))
    report("who speaks", rows)


if __name__ == "__main__":
    main()
