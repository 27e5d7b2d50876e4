"""Who speaks when: how much of conversations goes to the wrong person, and what it costs.

The conversations are those of ``python -m recipes.speakers.conversations OUT``; their words are the
reference's, so that mistakes of recognition don't count.

    python -m benchmarks.speakers OUT/test [--kinds two three …] [--nets DIR] [--by sherpa]

`der`: missed, false and confused speech as shares of all, without a collar, overlaps included, with
the number of speakers given (`known`) and not (`auto`); `words`: those with the right speaker;
`cpwer`: the word error rate of each speaker's words; `count`: conversations in which as many people
were found as there are; `x`: seconds of sound per second, one conversation at a time. Calls have a
channel for each: they are heard apart. By sherpa-onnx the same nets are used.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.machine import report
from benchmarks.sherpa_nets import for_sherpa
from gigaam.evaluation.bootstrap import Interval, pooled_rate
from gigaam.evaluation.speaker_errors import DiarizationErrors, cpwer, der
from gigaam.recognition.longform import Channels
from gigaam.speakers import Turn, diarize, load
from gigaam.speakers.attribution import attributed as words_of_turns
from gigaam.speakers.rttm import read_rttm
from gigaam.speakers.sherpa import SherpaDiarizer
from gigaam.types import Word
from recipes.speakers.conversations import read_manifest
from recipes.speakers.references import read_words
from recipes.speakers.scoring import Counted, attributed

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
    known: DiarizationErrors
    auto: DiarizationErrors
    words: Counted
    words_auto: Counted
    cpwer: Counted
    cpwer_auto: Counted
    is_count_right: bool
    seconds: float
    took_s: float


def hear(folder: Path, told: dict[str, Any], diarizer: Any) -> Heard:
    """One conversation, heard twice."""
    path, n_speakers = folder / f"{told['name']}.wav", told["n_speakers"]
    is_call = told["channels"] > 1
    channels: Channels = "split" if is_call else "mix"
    reference = read_rttm(path.with_suffix(".rttm"))[path.stem]
    said = read_words(path.with_suffix(".words.json"))
    started = time.perf_counter()
    known = diarize(path, (diarizer, 1 if is_call else n_speakers), channels=channels)
    took_s = time.perf_counter() - started
    auto = known if is_call else diarize(path, diarizer)
    channels_of = {each["name"]: n for n, each in enumerate(told["speakers"])} if is_call else {}
    words, words_auto = (spoken(said, channels_of, turns) for turns in (known, auto))
    return Heard(
        told["kind"],
        der(reference, known),
        der(reference, auto),
        attributed(said, words),
        attributed(said, words_auto),
        word_errors(said, words),
        word_errors(said, words_auto),
        len({turn.speaker for turn in auto}) == n_speakers,
        told["duration"],
        took_s,
    )


def spoken(
    said: Sequence[Any], channels_of: Mapping[str, int], turns: Sequence[Turn]
) -> list[Word]:
    """Words with the speakers that the turns of their channels give them.

    Args:
        said: By the true speakers.
        channels_of: Channels of the speakers, where they have any.
        turns: That were found.
    """
    found: list[Word] = []
    for channel in dict.fromkeys(channels_of.values()) or [None]:
        own = [word for word in said if channels_of.get(word.speaker) == channel]
        plain = [Word(word.text, word.start, word.end) for word in own]
        here = [turn for turn in turns if turn.channel == channel]
        found += words_of_turns(sorted(plain, key=lambda word: word.start), here)
    return [replace(word, speaker=word.speaker or "nobody") for word in found]


def word_errors(said: Sequence[Any], told: Sequence[Word]) -> Counted:
    """The errors of each speaker's words."""
    errors = cpwer(said, told)
    return Counted(errors.errors, errors.length)


def row(name: str, heard: Sequence[Heard]) -> dict[str, Any]:
    """The figures of several conversations."""
    figures: dict[str, Any] = {"speakers": name, "conversations": len(heard)}
    for title, key in (("der known", "known"), ("der auto", "auto")):
        rate, interval = pooled([getattr(each, key) for each in heard])
        figures[title] = rate
        told = f"{interval.low:.3f}–{interval.high:.3f}"
        figures[f"{title} 95 %"] = None if math.isnan(interval.low) else told
    for key in ("words", "words_auto", "cpwer", "cpwer_auto"):
        figures[key.replace("_", " ")], _ = pooled([getattr(each, key) for each in heard])
    figures["count"] = sum(each.is_count_right for each in heard)
    figures["x"] = sum(each.seconds for each in heard) / sum(each.took_s for each in heard)
    return figures


def pooled(figures: Sequence[DiarizationErrors] | Sequence[Counted]) -> tuple[float, Interval]:
    """The share over several conversations, and its 95 % interval; NaN for one."""
    return pooled_rate([each.part for each in figures], [each.whole for each in figures])


def sherpa(nets: Path) -> SherpaDiarizer:
    """sherpa-onnx with the local diarizer's nets, and its own threshold."""
    with tempfile.TemporaryDirectory() as scratch:
        return SherpaDiarizer(*for_sherpa(nets, Path(scratch)), threads=2)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", nargs="*")
    parser.add_argument("--nets", type=Path, help="exported ones")
    parser.add_argument("--by", choices=["local", "sherpa"], default="local")
    arguments = parser.parse_args()
    diarizer: Any = load(arguments.nets)
    if arguments.by == "sherpa":
        diarizer = sherpa(arguments.nets)
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
