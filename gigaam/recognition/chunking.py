"""The plan of a long recording: from regions of speech to the chunks that are recognised.

Regions are packed into chunks of 15–22 s that begin and end in pauses. A region too long for one
pass is cut into windows that overlap, so that every word is whole in one of them. Long gaps that
are about as loud as the speech are cut into windows as well: a detector may miss speech.

The plan is incremental and needs a bounded stretch of the recording at a time, but its chunks
depend on the regions alone, not on how they arrive. Positions are samples at 16 kHz.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Protocol

from gigaam.audio import SAMPLE_RATE
from gigaam.audio.tape import Levels, Loudness
from gigaam.errors import ArgumentError

LONGEST_PASS_S = 30.0
"""The models were trained on recordings of up to this length; above it they lose words."""


class Span(Protocol):
    """A stretch of the recording; a detector's regions are spans."""

    @property
    def start(self) -> int:
        """Its first sample."""

    @property
    def end(self) -> int:
        """The sample after its last."""


@dataclass(frozen=True)
class ChunkingOptions:
    """How a long recording is cut. Where limits contradict each other, the lower one holds.

    Attributes:
        max_duration_s: Regions are packed into a chunk up to this length.
        min_duration_s: From this length on, a chunk ends at the next pause.
        strict_limit_duration_s: What is longer is cut within speech; at most 30.
        new_chunk_threshold_s: The shortest pause at which a chunk of at least ``min_duration_s``
            ends.
        context_s: Sound before and after a chunk's speech that is recognised with it (detectors
            notice the beginning of speech late), as far as the pause allows.
        window_s: Length of the windows of regions over the strict limit.
        overlap_s: How much of a window the next one repeats; at most a quarter of a window.
        decode_loud_gaps: Whether loud gaps without speech are recognised as well.
        gap_s: Chunks never span a longer gap, and one that is longer may be a loud gap.
        gap_level_db: A gap is loud if the 90th percentile of its level is at most this far below
            the median level of all speech before it …
        gap_floor_dbfs: … or, where no speech came before, at least this.
        gap_min_confidence: Words in loud gaps are dropped if the model is less sure of them …
        gap_sure_confidence: … and one or two alone, as noise makes, if neither is that sure.
    """

    max_duration_s: float = 22.0
    min_duration_s: float = 15.0
    strict_limit_duration_s: float = 30.0
    new_chunk_threshold_s: float = 0.2
    context_s: float = 0.4
    window_s: float = 24.0
    overlap_s: float = 2.0
    decode_loud_gaps: bool = True
    gap_s: float = 10.0
    gap_level_db: float = 20.0
    gap_floor_dbfs: float = -50.0
    gap_min_confidence: float = 0.5
    gap_sure_confidence: float = 0.75

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value) or (value < 0 and field.name.endswith("_s")):
                raise ArgumentError(f"{field.name}={value!r} must be a finite number of seconds")
        for name in ("max_duration_s", "strict_limit_duration_s", "window_s"):
            if getattr(self, name) < 0.1:
                raise ArgumentError(f"{name}={getattr(self, name)!r} must be at least 0.1 s")
        if self.strict_limit_duration_s > LONGEST_PASS_S:
            raise ArgumentError(
                f"strict_limit_duration_s={self.strict_limit_duration_s!r}: the models recognise "
                f"up to {LONGEST_PASS_S:g} s in one pass"
            )


@dataclass(frozen=True)
class Chunk:
    """A stretch that is recognised in one pass; ``start <= core_start < core_end <= end``.

    Attributes:
        core_start: Where the speech begins whose text is this chunk's.
        core_end: Where that speech ends.
        start: Where the stretch that is recognised begins.
        end: Where it ends.
        overlaps_next: Whether the next chunk begins before the end of this one: the words of the
            overlap are recognised twice, and are to be joined.
        uncertain: Whether no speech was detected here.
    """

    core_start: int
    core_end: int
    start: int
    end: int
    overlaps_next: bool = False
    uncertain: bool = False


def plan_chunks(
    regions: Iterable[Span],
    n_samples: int,
    options: ChunkingOptions | None = None,
    levels: Levels | None = None,
) -> list[Chunk]:
    """The chunks of a recording, in order; their cores hold each sample of speech exactly once.

    Args:
        regions: Where there is speech, in order. Regions that touch are one.
        n_samples: Length of the recording.
        options: How it is cut.
        levels: Tells how loud the recording is; without it no gap counts as loud.
    """
    return ChunkPlan(options or ChunkingOptions(), levels).finish(regions, n_samples)


class _Sizes:
    """The options in samples, with the contradictions among them resolved."""

    def __init__(self, options: ChunkingOptions) -> None:
        self.strict = _samples(options.strict_limit_duration_s)
        self.longest = min(_samples(options.max_duration_s), self.strict)
        self.shortest = min(_samples(options.min_duration_s), self.longest)
        self.pause = _samples(options.new_chunk_threshold_s)
        self.gap = _samples(options.gap_s)
        self.context = min(_samples(options.context_s), self.gap // 2)
        self.window = min(_samples(options.window_s), self.strict)
        self.overlap = min(_samples(options.overlap_s), self.window // 4)
        # From this length on a stretch is sure to begin with a whole window, however it ends.
        self.surely_cut = max(self.strict, 2 * self.window - self.overlap)


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


class _Windows:
    """Cuts a stretch whose end may not be known yet into windows; only the last can differ."""

    def __init__(self, start: int, sizes: _Sizes) -> None:
        self.start = start  # of the next window
        self._core_start = start
        self._sizes = sizes

    def cut(self, end: int, closed: bool) -> list[Chunk]:
        """The windows that are certain when the stretch reaches ``end``, or ends there.

        The last one takes up to the strict limit; what is over that is halved between the last
        two, since short windows are recognised worse.
        """
        sizes = self._sizes
        windows = []
        while (left := end - self.start) > 0:
            if left > sizes.surely_cut:
                length = sizes.window
            elif not closed:
                break
            elif left > sizes.strict:
                length = (left + sizes.overlap + 1) // 2
            else:
                windows.append(Chunk(self._core_start, end, self.start, end))
                break
            cut = self.start + length
            core_end = cut - sizes.overlap // 2
            windows.append(Chunk(self._core_start, core_end, self.start, cut, overlaps_next=True))
            self.start, self._core_start = cut - sizes.overlap, core_end
        return windows


class ChunkPlan:
    """Plans chunks while the regions come in."""

    def __init__(self, options: ChunkingOptions, levels: Levels | None = None) -> None:
        """A plan for one recording.

        Args:
            options: How it is cut.
            levels: Tells how loud the recording is, from `needed_from` on; without it no gap
                counts as loud.
        """
        self._sizes = _Sizes(options)
        self._loudness = (
            Loudness(levels, options.gap_level_db, options.gap_floor_dbfs)
            if levels is not None and options.decode_loud_gaps
            else None
        )
        self._started = False
        self._waiting: list[Span] = []
        self._decided = 0
        self._ready: list[Chunk] = []
        self._taken_to = 0  # no later chunk but an overlapping one begins before this
        self._speech_start = 0  # of the latest region, which may still grow while _growing
        self._speech_end = 0
        self._growing = False
        self._heard = False  # any speech
        self._windows: _Windows | None = None  # of the latest region, if it is a long one
        self._packed: Chunk | None = None  # may still take regions; its end is not yet set
        self._gap: _Windows | None = None
        self._loud: Chunk | None = None  # a window of the gap; the next one may overlap it

    def push(self, regions: Iterable[Span], decided: int) -> list[Chunk]:
        """The chunks that are now certain, in order.

        Args:
            regions: The next regions of speech.
            decided: No later region begins before this sample.
        """
        self._waiting += regions
        self._decided = max(self._decided, decided)
        # A recording that fits in one chunk is recognised whole, so it must be known to be longer.
        self._started = self._started or self._decided > self._sizes.longest
        return self._advance() if self._started else []

    def finish(self, regions: Iterable[Span], n_samples: int) -> list[Chunk]:
        """The remaining chunks of a recording that turned out to have ``n_samples``."""
        self._waiting = [
            _Stretch(region.start, min(region.end, n_samples))
            for region in (*self._waiting, *regions)
            if region.start < min(region.end, n_samples)
        ]
        self._decided = n_samples
        if not self._started and n_samples <= self._sizes.longest:
            return self._whole(n_samples)
        self._advance_regions()
        self._speech_end = min(self._speech_end, n_samples)
        self._close_region()
        if self._heard:
            self._end_gap(n_samples, n_samples)
        else:  # a detector that found nothing at all is not to be trusted with short gaps either
            self._cut_gap(n_samples, closed=True)
        if self._packed is not None:
            self._flush(n_samples - self._packed.core_end)
        return self._handed_out()

    @property
    def needed_from(self) -> int:
        """No later chunk, and no level, is of a stretch that begins before this sample."""
        if not self._started:
            return 0
        if self._windows is not None:
            position = self._windows.start
        elif self._growing:
            position = max(self._taken_to, self._speech_start - self._sizes.context)
        elif self._gap is not None:
            position = self._gap.start
        elif self._loudness is not None:
            position = max(self._taken_to, self._speech_end)
        else:
            position = max(self._taken_to, self._decided - self._sizes.context)
        pending = [chunk.start for chunk in (self._packed, self._loud) if chunk is not None]
        return min([position, *pending])

    def _whole(self, n_samples: int) -> list[Chunk]:
        """The one chunk of a short recording, as ``transcribe`` would take it."""
        if self._waiting:
            first = max(0, self._waiting[0].start)
            return [Chunk(first, max(region.end for region in self._waiting), 0, n_samples)]
        if self._loudness is not None and n_samples and self._loudness.is_loud(0, n_samples):
            return [Chunk(0, n_samples, 0, n_samples, uncertain=True)]
        return []

    def _advance(self) -> list[Chunk]:
        self._advance_regions()
        if self._growing and self._decided > self._speech_end:
            self._close_region()
        if not self._growing and self._decided - self._speech_end > self._sizes.gap:
            self._flush(self._sizes.context)
            # Speech may begin right here, and its context is not the gap's.
            self._cut_gap(self._decided - self._sizes.context, closed=False)
        return self._handed_out()

    def _handed_out(self) -> list[Chunk]:
        ready, self._ready = self._ready, []
        return ready

    def _emit(self, chunk: Chunk) -> None:
        self._ready.append(chunk)
        self._taken_to = max(self._taken_to, chunk.end)

    # Speech

    def _advance_regions(self) -> None:
        for region in self._waiting:
            start = max(region.start, self._speech_end)
            if region.end <= start:
                continue
            if not (self._growing and start == self._speech_end):
                self._close_region()
                self._end_gap(start, start - self._sizes.context)
                self._speech_start, self._growing, self._heard = start, True, True
            self._speech_end = region.end
            if region.end - self._speech_start > self._sizes.surely_cut:
                self._cut_region(closed=False)
        self._waiting = []

    def _close_region(self) -> None:
        """Plan the latest region now that it is known where it ends."""
        if not self._growing:
            return
        self._growing = False
        if self._speech_end - self._speech_start > self._sizes.strict:
            self._cut_region(closed=True)
        else:
            self._pack(self._speech_start, self._speech_end)
        self._windows = None

    def _cut_region(self, closed: bool) -> None:
        """Cut the latest region into windows; its last one may take further regions."""
        first = self._windows is None
        if self._windows is None:
            if self._packed is not None:
                self._flush((self._speech_start - self._packed.core_end) // 2)
            self._windows = _Windows(self._speech_start, self._sizes)
        for chunk in self._windows.cut(self._speech_end, closed):
            self._hear(chunk.core_start, chunk.core_end)
            if first:
                chunk = replace(chunk, start=self._with_context(chunk.start, chunk.end))
                first = False
            if chunk.overlaps_next:
                self._emit(chunk)
            else:
                self._packed = chunk

    def _pack(self, start: int, end: int) -> None:
        """Add a region to the open chunk if it fits, else open the next chunk with it."""
        sizes, packed = self._sizes, self._packed
        self._hear(start, end)
        if packed is not None:
            is_long = packed.core_end - packed.core_start >= sizes.shortest
            at_pause = is_long and start - packed.core_end >= sizes.pause
            fits = end - packed.core_start <= sizes.longest and end - packed.start <= sizes.strict
            if fits and not at_pause:
                self._packed = replace(packed, core_end=end, end=end)
                return
            self._flush((start - packed.core_end) // 2)
        self._packed = Chunk(start, end, self._with_context(start, end), end)

    def _with_context(self, start: int, end: int) -> int:
        """Where a chunk begins whose speech begins at ``start``."""
        return max(start - self._sizes.context, end - self._sizes.strict, self._taken_to)

    def _flush(self, room: int) -> None:
        """Emit the open chunk, if there is one, with at most ``room`` samples after its speech."""
        if self._packed is None:
            return
        limit = self._packed.start + self._sizes.strict
        end = self._packed.core_end + min(self._sizes.context, room)
        self._emit(replace(self._packed, end=min(end, limit)))
        self._packed = None

    def _hear(self, start: int, end: int) -> None:
        if self._loudness is not None:
            self._loudness.hear_speech(start, end)

    # Gaps

    def _end_gap(self, end: int, windows_end: int) -> None:
        """Plan the rest of a gap that ends; its windows leave the next chunk its context."""
        if end - self._speech_end > self._sizes.gap:
            self._flush(self._sizes.context)
            self._cut_gap(windows_end, closed=True)
        self._gap = None

    def _cut_gap(self, end: int, closed: bool) -> None:
        """Emit the loud ones among the windows that are certain of a gap up to ``end``."""
        if self._loudness is None:
            return
        if self._gap is None:
            self._gap = _Windows(max(self._speech_end, self._taken_to), self._sizes)
        for window in self._gap.cut(end, closed):
            loud = self._loudness.is_loud(window.start, window.end)
            follows = loud and self._loud is not None and window.start < self._loud.end
            self._emit_loud(overlaps_next=follows)
            if loud:
                self._loud = replace(window, overlaps_next=False, uncertain=True)
        self._taken_to = max(self._taken_to, self._gap.start)
        if closed:
            self._emit_loud(overlaps_next=False)

    def _emit_loud(self, overlaps_next: bool) -> None:
        if self._loud is not None:
            self._emit(replace(self._loud, overlaps_next=overlaps_next))
            self._loud = None


class _Stretch(NamedTuple):
    start: int
    end: int
