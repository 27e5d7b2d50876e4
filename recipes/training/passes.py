"""Passes over the training data, planned ahead: which examples, in which batches.

Everything random about a pass is a pure function of (seed, pass number, place in the pass), so a
run stopped anywhere resumes with exactly the batches it would have had.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gigaam.dataset.manifests import Utterance
from gigaam.training.loader import Draw


@dataclass(frozen=True)
class Source:
    """How often a pass draws from one manifest, and how it varies what it draws.

    Attributes:
        repeats: Copies of every utterance in a pass, at the beginning and at the end of training
            (linear in between; fractions draw a random part).
        speed: Range of the speed factor; pitch changes with it.
        join: Probability that a short utterance is joined to another one of the same manifest.
    """

    repeats: tuple[float, float]
    speed: tuple[float, float] = (0.9, 1.1)
    join: float = 0.0

    def repeats_at(self, progress: float) -> float:
        """Copies of every utterance when a fraction `progress` of the training is done."""
        first, last = self.repeats
        return first + (last - first) * progress


@dataclass(frozen=True)
class PassPlan:
    """Everything that determines a pass: with it, `plan_pass` always returns the same batches.

    Attributes:
        seed: The run's seed.
        number: Number of the pass, from 0.
        progress: Fraction of the training done when the pass began.
        sizes: Utterances per manifest; manifests may grow or appear between passes.
    """

    seed: int
    number: int
    progress: float
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class BatchLimits:
    """How examples are packed.

    Attributes:
        batch_s: Audio per batch in seconds, padding included.
        max_s: Longest example, in seconds; longer ones are left out.
        join_below_s: Utterances shorter than this, in seconds, may be joined.
        silence_s: Longest silence before or after an example, in seconds.
        mix: Fraction of the examples that are followed by another one, whoever speaks it, as in a
            conversation.
        pause_s: Longest pause around and between the examples of a conversation, in seconds.
        max_characters_per_s: Faster examples are left out (CTC needs a frame per character).
    """

    batch_s: float = 100.0
    max_s: float = 20.0
    join_below_s: float = 4.0
    silence_s: float = 0.7
    mix: float = 0.0
    pause_s: float = 4.0
    max_characters_per_s: float = 22.0


def plan_pass(
    plan: PassPlan,
    manifests: Mapping[str, Sequence[Utterance]],
    sources: Mapping[str, Source],
    limits: BatchLimits,
) -> list[list[Draw]]:
    """The batches of one pass: examples of similar length together, batches in random order.

    The very first pass goes from short examples to long ones.
    """
    rng = np.random.default_rng([plan.seed, plan.number])
    draws: list[Draw] = []
    for name in sorted(plan.sizes):
        utterances = manifests[name][: plan.sizes[name]]
        chosen = _repeat(utterances, sources[name].repeats_at(plan.progress), rng)
        draws += _draw(chosen, sources[name], limits, rng, first_number=len(draws))
    usable = [
        d
        for d in _mixed(draws, limits, rng)
        if d.duration_s <= limits.max_s
        and len(d.text) * d.speed
        <= limits.max_characters_per_s * sum(u.duration_s for u in d.utterances)
    ]
    batches = _pack(usable, limits.batch_s, rng)
    if plan.number == 0:
        return batches  # short examples first: CTC finds its first alignments there
    return [batches[i] for i in rng.permutation(len(batches))]


def _repeat(
    utterances: Sequence[Utterance], repeats: float, rng: np.random.Generator
) -> list[Utterance]:
    """Every utterance `repeats` times, in random order; fractions draw a random part."""
    n = round(repeats * len(utterances))
    chosen: list[Utterance] = []
    while len(chosen) < n:
        order = rng.permutation(len(utterances))[: n - len(chosen)]
        chosen += [utterances[i] for i in order]
    return chosen


def _draw(
    chosen: list[Utterance],
    source: Source,
    limits: BatchLimits,
    rng: np.random.Generator,
    first_number: int,
) -> list[Draw]:
    draws: list[Draw] = []
    i = 0
    while i < len(chosen):
        n = 1
        while (
            n < 3
            and i + n < len(chosen)
            and max(u.duration_s for u in chosen[i : i + n + 1]) < limits.join_below_s
            and rng.random() < source.join
        ):
            n += 1
        # Half of the examples begin and end where the recording does.
        lead_s, trail_s = np.maximum(rng.uniform(-1, 1, size=2), 0) * limits.silence_s
        speed, gap_s = rng.uniform(*source.speed), rng.uniform(0.05, 0.5)
        number = first_number + len(draws)
        draws.append(
            Draw(tuple(chosen[i : i + n]), float(speed), lead_s, float(gap_s), trail_s, number)
        )
        i += n
    return draws


def _mixed(draws: Sequence[Draw], limits: BatchLimits, rng: np.random.Generator) -> Iterator[Draw]:
    """The examples, some of them followed by another one after a pause."""
    order = iter(rng.permutation(len(draws)))
    for first in order:
        draw = draws[first]
        if rng.random() < limits.mix and (second := next(order, None)) is not None:
            lead_s, gap_s, trail_s = limits.pause_s * rng.uniform(size=3) ** 2
            utterances = draw.utterances + draws[second].utterances
            both = Draw(utterances, draw.speed, lead_s, gap_s, trail_s, draw.number)
            if both.duration_s <= limits.max_s:
                yield both
                continue
            yield draws[second]
        yield draw


def _pack(draws: Sequence[Draw], batch_s: float, rng: np.random.Generator) -> list[list[Draw]]:
    """Examples sorted by slightly randomised length, cut into batches of at most `batch_s`."""
    blur = rng.uniform(0.95, 1.05, size=len(draws))
    order = np.argsort([d.duration_s * b for d, b in zip(draws, blur, strict=True)], kind="stable")
    batches: list[list[Draw]] = []
    longest = 0.0
    for i in order:
        longest = max(longest, draws[i].duration_s)
        if not batches or longest * (len(batches[-1]) + 1) > batch_s:
            batches.append([])
            longest = draws[i].duration_s
        batches[-1].append(draws[i])
    return batches
