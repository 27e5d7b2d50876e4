"""People whose voices are known from recordings of theirs, and which of them were heard.

Legend: D dimensions of a voice (192).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import AudioSource, iter_audio
from gigaam.errors import ArgumentError, AudioError
from gigaam.speakers.clustering import voices_by_speaker
from gigaam.speakers.speech import SpeakerNets, SpeechStream
from gigaam.speakers.trees import MOST_LEAVES, assignment, cosine_tree, cut_at
from gigaam.speakers.turns import is_label
from gigaam.speakers.voices import Piece

__all__ = ["KnownVoices", "enrolled", "recognised"]

KnownVoices: TypeAlias = Mapping[str, NDArray[np.float32]]
"""Name → what the voice is like, float32 [D] of length 1."""

_LEAST_S = 2.0  # of speech that tells who somebody is
_TELLING_S = 0.7  # a shorter piece says little of whose it is

# Of conversations of 15 voices. A person of a conversation and ten seconds of theirs from another
# have a cosine of 0.84 and more, with noise as without, but only 0.44 to 0.64 if one of the two is
# over a telephone; two people have at most 0.67, those who are not alike less than 0.5. Parts of
# one person's recording are no further apart than 0.6 in the mean.
_NEAR_ENOUGH = 0.6  # cosine, to be the person
_SAME_PERSON = 0.8  # cosine, under two names
_SOMEBODY_ELSE = 0.65  # one less the cosine, in the same recording


def enrolled(nets: SpeakerNets, known: Mapping[str, AudioSource]) -> KnownVoices:
    """The voice of each person.

    Args:
        nets: Hear the recordings.
        known: Name → a recording in which nobody else speaks.

    Raises:
        ArgumentError: A name cannot be one, a recording cannot be used, or two are of one person.
    """
    found: dict[str, NDArray[np.float32]] = {}
    for name, source in known.items():
        _check(name)
        found[name] = _voice(name, _pieces(name, source, nets))
    for one, other in combinations(found, 2):
        alike = float(found[one] @ found[other])
        if alike >= _SAME_PERSON:
            raise ArgumentError(
                f"the known speakers {one!r} and {other!r} have the same voice (cosine "
                f"{alike:.2f}): give each a recording of their own"
            )
    return found


def recognised(heard: NDArray[np.float32], known: KnownVoices) -> list[str | None]:
    """The name of each voice of a recording, None for those of nobody who is known.

    Args:
        heard: float32 [people, D] of length 1, or 0 where nothing is known of a voice.
        known: At most one of the people gets each name.
    """
    names: list[str | None] = [None] * len(heard)
    if not known:
        return names
    cosines = heard @ np.stack(list(known.values())).T
    # What is not near enough counts for nothing, so that it keeps no name from somebody else.
    gain = np.where(cosines >= _NEAR_ENOUGH, cosines, 0.0)
    labels = list(known)
    for person, which in zip(*assignment(-gain), strict=True):
        if gain[person, which] > 0:
            names[person] = labels[which]
    return names


def _check(name: object) -> None:
    if not isinstance(name, str) or not name.strip():
        raise ArgumentError(f"the name of a known speaker must be a text, not {name!r}")
    if is_label(name):
        raise ArgumentError(
            f"a known speaker cannot be called {name!r}: those who are not known are called so"
        )


def _pieces(name: str, source: AudioSource, nets: SpeakerNets) -> list[Piece]:
    """The pieces of speech in which one person speaks."""
    stream = SpeechStream(nets)
    try:
        for block in iter_audio(source):
            stream.feed(block)
    except AudioError as error:
        told = f"the recording of the known speaker {name!r} cannot be used: {error}"
        raise ArgumentError(told) from error
    return stream.finish()


def _voice(name: str, pieces: Sequence[Piece]) -> NDArray[np.float32]:
    heard = [piece for piece in pieces if piece.voice is not None]
    total_s = sum(piece.seconds for piece in heard)
    if total_s < _LEAST_S:
        raise ArgumentError(
            f"the recording of the known speaker {name!r} holds {total_s:.1f} s of speech; at "
            f"least {_LEAST_S:.0f} s of one person are needed, better 10"
        )
    if _second_s(heard) >= _LEAST_S:
        raise ArgumentError(
            f"somebody else speaks in the recording of the known speaker {name!r}: give one in "
            "which nobody does"
        )
    return np.asarray(voices_by_speaker(heard, np.zeros(len(heard), np.int64))[0])


def _second_s(pieces: Sequence[Piece]) -> float:
    """How long somebody else speaks than whoever speaks most."""
    telling = [piece for piece in pieces if piece.seconds >= _TELLING_S]
    telling = telling[:: len(telling) // MOST_LEAVES + 1]
    if len(telling) < 2:
        return 0.0
    voices = np.stack([piece.voice for piece in telling if piece.voice is not None])
    people = cut_at(cosine_tree(voices), _SOMEBODY_ELSE)
    talks = np.bincount(people, weights=[piece.seconds for piece in telling])
    return float(np.sort(talks)[-2])
