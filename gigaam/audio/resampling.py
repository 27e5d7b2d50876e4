"""FFmpeg's frames as mono samples at one rate: the only resampler and downmix of the library.

Legend: n samples. Rates are in Hz.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from numpy.typing import NDArray

from gigaam.requirements import require

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

require(av)
require(np)

FRAME_SAMPLES = 65_536  # queued before the filter graph runs: each run costs a Python exception

# What FFmpeg assumes of n channels that nobody named, from one to eight.
LAYOUTS = ("mono", "stereo", "2.1", "4.0", "5.0", "5.1", "6.1", "7.1")

RATE_RANGE = (1_000, 1_000_000)
MAX_CHANNELS = 64  # of swresample


class Resampler:
    """One swresample conversion to mono, for frames of one format, rate and layout."""

    def __init__(
        self,
        frame: AudioFrame,
        sample_rate: int,
        sample_fmt: str,
        channel: int | None,
        queue_s: float,
    ) -> None:
        """Set up for frames like ``frame``.

        Args:
            frame: The first frame.
            sample_rate: Of the output.
            sample_fmt: Of the output, s16 or flt.
            channel: The one to be heard; None for all.
            queue_s: How much may be held back until the filters run, in seconds.
        """
        layout = frame.layout.name
        unnamed = re.fullmatch(r"(\d+) channels", layout)
        if unnamed and 1 <= int(unnamed[1]) <= len(LAYOUTS):
            layout = LAYOUTS[int(unnamed[1]) - 1]
        self._rates = frame.sample_rate, sample_rate
        self._input = {
            "sample_rate": str(frame.sample_rate),
            "sample_fmt": frame.format.name,
            "channel_layout": layout,
        }
        # Without a maximum, a downmix to floats is louder than the same one to integers.
        self._options = {"sample_rate": str(sample_rate), "rematrix_maxval": "1"}
        if sample_fmt == "s16" and frame.format.bytes <= 2:
            # FFmpeg 8 would use floats, and differ from all versions before by up to 5 units.
            self._options["internal_sample_fmt"] = "s16p"
        self._output = {"sample_fmts": sample_fmt, "channel_layouts": "mono"}
        self._dtype = np.dtype(np.int16 if sample_fmt == "s16" else np.float32)
        same_format = frame.format.name in (sample_fmt, f"{sample_fmt}p")
        unchanged = same_format and layout == "mono" and frame.sample_rate == sample_rate
        self._choice: list[tuple[str, str]] = []
        if channel is not None and layout != "mono":
            self._choice = [("pan", f"mono|c0=c{channel}")]
        elif layout == frame.layout.name and unnamed:  # no place is known, and a guess loses some
            self._choice = [_evenly(int(unnamed[1]))]
        self._graph = None if unchanged else self._mixing_chain(frame.layout.nb_channels)
        self._limit = min(queue_s * frame.sample_rate, FRAME_SAMPLES)
        self._queued = 0
        self._n_samples = 0
        self._first: list[AudioFrame] | None = []  # all frames so far, while nothing came of them

    def push(self, frame: AudioFrame) -> list[NDArray[Any]]:
        """Take a frame; the chunks ``[n]`` that are ready, often none."""
        if self._graph is None:
            return [self._samples(frame)]
        self._graph.push(frame)
        self._queued += frame.samples
        if self._first is not None:
            self._n_samples += frame.samples
            self._first.append(frame)
        if self._queued < self._limit:
            return []
        self._queued = 0
        chunks = self._pull(self._graph)
        if chunks or self._n_samples >= FRAME_SAMPLES:
            self._first = None
        return chunks

    def flush(self) -> list[NDArray[Any]]:
        """The chunks still inside, once no frame follows."""
        if self._graph is None:
            return []
        self._graph.push(None)
        return self._pull(self._graph) or self._padded()

    def _padded(self) -> list[NDArray[Any]]:
        """What frames shorter than the filter give with silence after them: without, nothing."""
        if not self._first:
            return []
        graph = self._chain(("apad", f"pad_len={FRAME_SAMPLES}"))
        for frame in [*self._first, None]:
            graph.push(frame)
        input_rate, sample_rate = self._rates
        wanted = -(-self._n_samples * sample_rate // input_rate)
        return [np.concatenate(self._pull(graph))[:wanted]]

    def _mixing_chain(self, n_channels: int) -> av.filter.Graph:
        """The filters that mix by the places of the channels, or evenly where those are unknown."""
        try:
            return self._chain()
        except av.ArgumentError:  # places that FFmpeg has no rule for
            if self._choice or n_channels > MAX_CHANNELS:
                raise
            self._choice = [_evenly(n_channels)]
        return self._chain()

    def _chain(self, *first: tuple[str, str]) -> av.filter.Graph:
        """The filters, after those that are named with their arguments."""
        graph = av.filter.Graph()
        graph.threads = 1
        graph.link_nodes(
            graph.add("abuffer", **self._input),
            *(graph.add(name, arguments) for name, arguments in (*first, *self._choice)),
            graph.add("aresample", **self._options),
            graph.add("aformat", **self._output),
            graph.add("abuffersink"),
        ).configure()
        return graph

    def _pull(self, graph: av.filter.Graph) -> list[NDArray[Any]]:
        chunks: list[NDArray[Any]] = []
        while True:
            try:
                frame: Any = graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return chunks
            chunks.append(self._samples(frame))

    def _samples(self, frame: AudioFrame) -> NDArray[Any]:
        plane: Any = frame.planes[0]  # a buffer, which its stub does not say
        samples: NDArray[Any] = np.frombuffer(plane, self._dtype, frame.samples)
        return samples


def _evenly(n_channels: int) -> tuple[str, str]:
    """The filter, and its argument, that takes the mean of all channels."""
    channels = "+".join(f"c{i}" for i in range(n_channels))
    return "pan", f"mono|c0<{channels}"


def converted(
    frames: Iterable[AudioFrame],
    sample_rate: int,
    sample_fmt: str,
    channel: int | None = None,
    queue_s: float = math.inf,
) -> Iterator[NDArray[Any]]:
    """Mono chunks ``[n]`` of all channels or one, from frames that may change their format."""
    for (chunks,) in _conversions(frames, sample_rate, sample_fmt, [channel], queue_s):
        yield from chunks


def converted_apart(
    frames: Iterable[AudioFrame],
    sample_rate: int,
    sample_fmt: str,
    channels: Sequence[int | None],
    queue_s: float = math.inf,
) -> Iterator[Sequence[NDArray[Any]]]:
    """Chunks ``[n]`` of some channels, always of one length, from frames of any format.

    Args:
        frames: In order; they may change their format.
        sample_rate: Of the output.
        sample_fmt: Of the output, s16 or flt.
        channels: Those to be heard, each by itself; None is their mix.
        queue_s: How much may be held back to be converted at once, in seconds.
    """
    for each in _conversions(frames, sample_rate, sample_fmt, channels, queue_s):
        yield from zip(*each, strict=True)


def _conversions(
    frames: Iterable[AudioFrame],
    sample_rate: int,
    sample_fmt: str,
    channels: Sequence[int | None],
    queue_s: float,
) -> Iterator[list[list[NDArray[Any]]]]:
    """The chunks of each channel whenever there are some."""
    resamplers: list[Resampler] = []
    current: tuple[str, int, str] | None = None
    for frame in frames:
        form = (frame.format.name, frame.sample_rate, frame.layout.name)
        if form != current:
            if resamplers:
                yield [each.flush() for each in resamplers]
            resamplers = [
                Resampler(frame, sample_rate, sample_fmt, channel, queue_s) for channel in channels
            ]
            current = form
        chunks = [each.push(frame) for each in resamplers]
        if chunks[0]:
            yield chunks
    if resamplers:
        yield [each.flush() for each in resamplers]
