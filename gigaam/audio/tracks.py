"""The audio tracks of a file: which is heard, and what there is to choose from."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import av

from gigaam.errors import AudioDecodingError, AudioError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.audio.stream import AudioStream

__all__ = ["chosen_track", "listed"]


def chosen_track(tracks: Sequence[AudioStream], wanted: int | None, title: str) -> int:
    """Which track is to be heard, as its number among the audio tracks, from 0.

    Without a wish it is the one that the ffmpeg program takes: of those with sound in them, one
    flagged as the default, then the one with the most channels, then the first.

    Args:
        tracks: Those of the file.
        wanted: A number among them.
        title: How messages call the file.

    Raises:
        AudioDecodingError: The file has no audio, or FFmpeg cannot decode the track.
        AudioError: There is no such track.
    """
    if not tracks:
        raise AudioDecodingError(f"{title}: the file has no audio stream")
    if wanted is None:
        number = max(range(len(tracks)), key=lambda i: (_preference(tracks[i]), -i))
    else:
        number = _checked(wanted, tracks, title)
    if tracks[number].codec_context is None:
        raise AudioDecodingError(f"{title}: FFmpeg has no decoder for its audio")
    return number


def listed(tracks: Sequence[AudioStream]) -> str:
    """The tracks in a line, for messages."""
    return "; ".join(f"{i}: {_described(track)}" for i, track in enumerate(tracks))


def _preference(track: AudioStream) -> tuple[bool, bool, int]:
    codec = track.codec_context
    if codec is None:
        return False, False, 0
    is_default = bool(track.disposition & av.stream.Disposition.default)
    n_channels = codec.layout.nb_channels
    return bool(n_channels and codec.sample_rate), is_default, n_channels


def _checked(wanted: object, tracks: Sequence[AudioStream], title: str) -> int:
    try:
        number = operator.index(wanted)  # type: ignore[arg-type]
    except TypeError as error:
        raise AudioError(f"track={wanted!r} must be the number of an audio track") from error
    if not 0 <= number < len(tracks):
        raise AudioError(
            f"{title}: track={number}, but the audio tracks of the file are {listed(tracks)}"
        )
    return number


def _described(track: AudioStream) -> str:
    codec = track.codec_context
    if codec is None:
        return "of an unknown codec"
    n_channels = codec.layout.nb_channels
    channels = {1: "mono", 2: "stereo"}.get(n_channels, f"{n_channels} channels")
    parts = [codec.name, channels, f"{codec.sample_rate} Hz"]
    parts += filter(None, (track.language, track.metadata.get("title", "")))
    if track.disposition & av.stream.Disposition.default:
        parts.append("default")
    return ", ".join(parts)
