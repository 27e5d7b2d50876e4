"""The nets of a transducer, asked about sequences of many recordings' beams in one call.

Shapes: H sequences, W frames of a block, M tokens tried at a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from typing import Generic, NamedTuple

import numpy as np

from gigaam.decoding.log_probs import LogProbs, check_classes
from gigaam.decoding.nets import BLOCK_FRAMES, StatesT, Transducer
from gigaam.decoding.prefixes import Prefixes
from gigaam.decoding.pruning import NOT_NUMBERS
from gigaam.errors import ModelError

__all__ = ["Asking", "SharedNets"]


@dataclass(frozen=True, eq=False)
class _Batch(Generic[StatesT]):
    """States of some sequences, as the nets gave them."""

    states: StatesT
    size: int


class _Heard:
    """What the nets said in one call.

    Attributes:
        blank: Log-probabilities of blank, [H][W].
    """

    def __init__(self, log_probs: LogProbs, blank_id: int, tokens: int) -> None:
        self.blank: list[list[float]] = log_probs.of(blank_id).tolist()
        if isnan(sum(map(sum, self.blank))):
            raise ModelError(NOT_NUMBERS)
        self._log_probs: LogProbs | None = log_probs
        self._count = min(tokens, blank_id) + 1

    @cached_property
    def top(self) -> tuple[list[list[list[int]]], list[list[list[float]]]]:
        """The likeliest classes, the most probable first, and their log-probabilities, [H][W][M].

        Where nothing but blank is heard, nobody asks for them.
        """
        assert self._log_probs is not None
        labels, log_probs = self._log_probs.top(self._count)
        if np.isnan(log_probs).any():
            raise ModelError(NOT_NUMBERS)
        self._log_probs = None
        return labels.tolist(), log_probs.tolist()


class _Block(NamedTuple):
    """What the nets said of one sequence."""

    heard: _Heard
    row: int
    first: int
    """Its first frame."""


class Asking(Generic[StatesT]):
    """A recording's beam, as far as the nets are concerned.

    Attributes:
        recording: Its number.
        at: The frame whose turn it is.
        prefixes: All sequences that were ever tried.
        places: Where the nets' states of some of them are.
        blocks: What the nets said of some of them.
    """

    def __init__(self, recording: int, prefixes: Prefixes) -> None:
        self.recording, self.at = recording, 0
        self.prefixes = prefixes
        self.places: dict[int, tuple[_Batch[StatesT], int]] = {}
        self.blocks: dict[int, _Block] = {}

    def blank(self, sequence: int) -> float:
        """Log-probability of blank at this frame."""
        heard, row, first = self.blocks[sequence]
        return heard.blank[row][self.at - first]

    def blanks(self, sequence: int) -> list[float]:
        """Log-probabilities of blank from this frame to the end of the sequence's block."""
        heard, row, first = self.blocks[sequence]
        return heard.blank[row][self.at - first :]

    def top(self, sequence: int) -> tuple[list[int], list[float]]:
        """The likeliest classes at this frame and their log-probabilities, best first."""
        heard, row, first = self.blocks[sequence]
        labels, log_probs = heard.top
        return labels[row][self.at - first], log_probs[row][self.at - first]

    def unheard(self, sequences: Sequence[int]) -> list[int]:
        """Those of which nothing is known at this frame."""
        first, blocks = self.at - BLOCK_FRAMES, self.blocks
        return [each for each in sequences if each not in blocks or blocks[each].first <= first]

    def forget(self, but: set[int]) -> None:
        """Lets go of what the nets said of other sequences, where it is out of reach."""
        first = self.at - BLOCK_FRAMES
        kept = but | {each for each, block in self.blocks.items() if block.first > first}
        self.places = {each: place for each, place in self.places.items() if each in kept}
        self.blocks = {each: block for each, block in self.blocks.items() if each in kept}


class SharedNets(Generic[StatesT]):
    """The nets, asked about sequences of many recordings at once."""

    def __init__(self, transducer: Transducer[StatesT], blank_id: int, tokens: int) -> None:
        self._transducer = transducer
        self._blank_id, self._tokens = blank_id, tokens

    def start(self, beams: Sequence[Asking[StatesT]], count: int) -> None:
        """Gives each recording of ``count`` its first state."""
        batch = _Batch(self._transducer.start(), count)
        for beam in beams:
            beam.places[0] = batch, beam.recording

    def hear(self, asked: Sequence[tuple[Asking[StatesT], int]]) -> None:
        """Notes what the nets say of these sequences from their recordings' frames on."""
        known = [each for each in asked if each[1] in each[0].places]
        new = [each for each in asked if each[1] not in each[0].places]
        parts = []
        if known:
            order, states = _gathered([beam.places[each] for beam, each in known])
            known = [known[i] for i in order]
            parts.append(states)
        if new:
            order, states = _gathered(
                [beam.places[beam.prefixes.parents[each]] for beam, each in new]
            )
            new = [new[i] for i in order]
            labels = np.array([beam.prefixes.tokens[each] for beam, each in new], np.int64)
            states = self._transducer.advance(states, labels)
            batch = _Batch(states, len(new))
            for row, (beam, each) in enumerate(new):
                beam.places[each] = batch, row
            parts.append(states)
        states = parts[0] if len(parts) == 1 else parts[0].joined(parts[1])
        self._join(states, [*known, *new])

    def _join(self, states: StatesT, asked: Sequence[tuple[Asking[StatesT], int]]) -> None:
        log_probs = self._transducer.join(
            states,
            np.array([beam.recording for beam, _ in asked], np.int64),
            np.array([beam.at for beam, _ in asked], np.int64),
            BLOCK_FRAMES,
        )
        check_classes(log_probs.classes, self._blank_id)
        heard = _Heard(log_probs, self._blank_id, self._tokens)
        for row, (beam, each) in enumerate(asked):
            beam.blocks[each] = _Block(heard, row, beam.at)


def _gathered(places: Sequence[tuple[_Batch[StatesT], int]]) -> tuple[list[int], StatesT]:
    """States from several batches as one, and which place each is of."""
    groups: dict[int, list[int]] = {}
    for i, (batch, _) in enumerate(places):
        groups.setdefault(id(batch), []).append(i)
    found: StatesT | None = None
    for members in groups.values():
        batch = places[members[0]][0]
        rows = [places[i][1] for i in members]
        whole = rows == list(range(batch.size))
        states = batch.states if whole else batch.states.select(np.array(rows, np.int64))
        found = states if found is None else found.joined(states)
    assert found is not None
    return [i for members in groups.values() for i in members], found
