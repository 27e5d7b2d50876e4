"""FFmpeg's frames as mono samples at one rate: the only resampler and downmix of the library.

Legend: n samples. Rates are in Hz.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

FRAME_SAMPLES = 65_536  # queued before the filter graph runs: each run costs a Python exception

# What FFmpeg assumes of n channels that nobody named, from one to eight.
LAYOUTS = ("mono", "stereo", "2.1", "4.0", "5.0", "5.1", "6.1", "7.1")


class _Resampler:
    """One swresample conversion to mono, for frames of one format, rate and layout."""

    def __init__(self, frame: AudioFrame, sample_rate: int, sample_fmt: str) -> None:
        """Set up for frames like ``frame``; ``sample_fmt`` of the output is s16 or flt."""
        layout = frame.layout.name
        unnamed = re.fullmatch(r"(\d+) channels", layout)
        if unnamed and 1 <= int(unnamed[1]) <= len(LAYOUTS):
            layout = LAYOUTS[int(unnamed[1]) - 1]
        self._dtype = np.dtype(np.int16 if sample_fmt == "s16" else np.float32)
        self._queued = 0
        self._graph: av.filter.Graph | None = None
        same_format = frame.format.name in (sample_fmt, f"{sample_fmt}p")
        if same_format and layout == "mono" and frame.sample_rate == sample_rate:
            return  # nothing to convert
        # Without a maximum, a downmix to floats is louder than the same one to integers.
        options = {"sample_rate": str(sample_rate), "rematrix_maxval": "1"}
        if sample_fmt == "s16" and frame.format.bytes <= 2:
            # FFmpeg 8 would use floats, and differ from all versions before by up to 5 units.
            options["internal_sample_fmt"] = "s16p"
        graph = self._graph = av.filter.Graph()
        graph.threads = 1
        graph.link_nodes(
            graph.add_abuffer(
                sample_rate=frame.sample_rate, format=frame.format.name, layout=layout
            ),
            graph.add("aresample", **options),
            graph.add("aformat", sample_fmts=sample_fmt, channel_layouts="mono"),
            graph.add("abuffersink"),
        ).configure()

    def push(self, frame: AudioFrame) -> list[NDArray[Any]]:
        """Take a frame; the chunks ``[n]`` that are ready, often none."""
        if self._graph is None:
            return [self._samples(frame)]
        self._graph.push(frame)
        self._queued += frame.samples
        return self._pull() if self._queued >= FRAME_SAMPLES else []

    def flush(self) -> list[NDArray[Any]]:
        """The chunks still inside, once no frame follows."""
        if self._graph is None:
            return []
        self._graph.push(None)
        return self._pull()

    def _pull(self) -> list[NDArray[Any]]:
        assert self._graph is not None
        self._queued = 0
        chunks: list[NDArray[Any]] = []
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return chunks
            chunks.append(self._samples(frame))  # type: ignore[arg-type]

    def _samples(self, frame: AudioFrame) -> NDArray[Any]:
        plane: Any = frame.planes[0]  # a buffer, which its stub does not say
        samples: NDArray[Any] = np.frombuffer(plane, self._dtype, frame.samples)
        return samples


def converted(
    frames: Iterable[AudioFrame], sample_rate: int, sample_fmt: str
) -> Iterator[NDArray[Any]]:
    """Mono chunks ``[n]`` from frames, which may change their format on the way."""
    resampler: _Resampler | None = None
    current: tuple[str, int, str] | None = None
    for frame in frames:
        form = (frame.format.name, frame.sample_rate, frame.layout.name)
        if resampler is None or form != current:
            if resampler is not None:
                yield from resampler.flush()
            resampler = _Resampler(frame, sample_rate, sample_fmt)
            current = form
        yield from resampler.push(frame)
    if resampler is not None:
        yield from resampler.flush()
