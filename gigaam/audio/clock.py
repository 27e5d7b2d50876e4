"""Where the sound of a file lies by the file's own clock: what is missing becomes silence.

FFmpeg stamps each frame with the time at which it is to be heard. Put one after another, frames
tell nothing of sound that starts late, of pauses that were never written, or of packets that were
lost; here they are put where their stamps say, counted from the start of the file: of its video,
if that comes first, as ``ffmpeg -i`` does.

Clocks lie, so they are believed within limits:

- A frame up to `TOLERANCE_S` early or late follows the one before, as it is: containers round to
  milliseconds, encoders delay, recorders jitter. What adds up to more becomes silence at once.
  Sound that starts up to `START_TOLERANCE_S` late starts with the file: decoders swallow packets.
- A jump is believed once the frames after it agree with it; single stamps that lie, and noise, have
  no effect.
- Sound is never dropped. Where frames overlap they follow each other, and a gap after them makes
  up for it.
- A clock that goes back by more than `RESET_S` begins anew, as where recordings were joined or a
  counter wrapped: what follows comes right after what was before.
- The silence in one file is at most `LONGEST_SILENCE_S`. Jumps beyond are taken for a new
  beginning, and `Clock.refused_s` tells of them.

A file whose frames follow each other within the tolerance gives the very same samples as without.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import av

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

__all__ = ["LONGEST_SILENCE_S", "RESET_S", "START_TOLERANCE_S", "TOLERANCE_S", "Clock", "silence"]

TOLERANCE_S = 0.1  # that of ffmpeg's own compensation, aresample=async=1
START_TOLERANCE_S = 0.2  # WMA of 8 kHz begins with 0.128 s that give no sound
RESET_S = 10.0  # from here on ffmpeg, too, takes a jump for a new beginning
LONGEST_SILENCE_S = 4 * 3600.0  # as float32 samples just under 1 GB
_AGREEING_FRAMES = 3
_SILENT_SAMPLES = 32_768  # of one frame of silence, which is all that is held of a long gap


class Clock:
    """Puts the frames of one recording where its clock says.

    Attributes:
        silence_s: Silence that was put in, in seconds.
        position_s: How far the recording has come, in seconds: where the next frame would follow.
        refused_s: The longest jump that was not taken for silence, in seconds.
    """

    def __init__(self, origin_s: float | None) -> None:
        """A clock.

        Args:
            origin_s: The stamp of the start of the file, in seconds; None if that is unknown, so
                that it starts with the first frame.
        """
        self._origin_s = origin_s
        self._unit_s = 0.0
        self.silence_s = 0.0
        self.position_s = 0.0
        self.refused_s = 0.0

    def placed(self, frames: Iterable[AudioFrame]) -> Iterator[AudioFrame]:
        """The frames, with frames of silence where sound is missing."""
        held: list[AudioFrame] = []  # after a jump of which it is not clear yet whether it is one
        held_s = jump_s = 0.0
        for frame in frames:
            ahead_s = self._ahead_s(frame, held_s, jump_s if held else 0.0)
            if held and abs(ahead_s - jump_s) > TOLERANCE_S:
                yield from self._passed(held)
                held, held_s = [], 0.0
            if not held:
                if not self.position_s and 0 < ahead_s <= START_TOLERANCE_S:
                    self._put_back(ahead_s)
                    ahead_s = 0.0
                if -RESET_S <= ahead_s <= TOLERANCE_S:
                    self.position_s += _length_s(frame)
                    yield frame
                    continue
                jump_s = ahead_s
            held.append(frame)
            held_s += _length_s(frame)
            if len(held) > _AGREEING_FRAMES:
                yield from self._after_jump(jump_s, held)
                held, held_s = [], 0.0
        if len(held) > 1 or not self.position_s:
            yield from self._after_jump(jump_s, held)
        else:
            yield from self._passed(held)

    def _ahead_s(self, frame: AudioFrame, held_s: float, unstamped_s: float) -> float:
        """How much later the frame is by the clock than if it followed what came before."""
        stamp = frame.pts
        if stamp is None:
            return unstamped_s
        if not self._unit_s:  # of all frames alike: each takes long to tell
            self._unit_s = float(frame.time_base or 0)
        stamp_s = stamp * self._unit_s
        if self._origin_s is None:
            self._origin_s = stamp_s - self.position_s
        return stamp_s - self._origin_s - self.position_s - held_s

    def _passed(self, frames: Iterable[AudioFrame]) -> Iterator[AudioFrame]:
        for frame in frames:
            self.position_s += _length_s(frame)
            yield frame

    def _after_jump(self, jump_s: float, frames: list[AudioFrame]) -> Iterator[AudioFrame]:
        """Frames that come after a jump of the clock, which is believed."""
        if not frames:
            return
        if 0 < jump_s <= LONGEST_SILENCE_S - self.silence_s:
            self.silence_s += jump_s
            yield from self._passed(silence(frames[0], round(jump_s * frames[0].sample_rate)))
        else:
            self._put_back(jump_s)
            self.refused_s = max(self.refused_s, jump_s)
        yield from self._passed(frames)

    def _put_back(self, ahead_s: float) -> None:
        """From now on the clock is taken to show so much less."""
        assert self._origin_s is not None  # or it could not be ahead
        self._origin_s += ahead_s


def _length_s(frame: AudioFrame) -> float:
    return frame.samples / frame.sample_rate


def silence(like: AudioFrame, n_samples: int) -> Iterator[AudioFrame]:
    """Frames of silence in the form of another; long ones are one frame again and again."""
    repeats, rest = divmod(n_samples, _SILENT_SAMPLES)
    if repeats:
        frame = _silent_frame(like, _SILENT_SAMPLES)
        for _ in range(repeats):
            yield frame
    if rest:
        yield _silent_frame(like, rest)


def _silent_frame(like: AudioFrame, n_samples: int) -> AudioFrame:
    graph = av.filter.Graph()
    graph.threads = 1
    form = {"r": str(like.sample_rate), "cl": like.layout.name, "n": str(n_samples)}
    graph.link_nodes(
        graph.add("anullsrc", **form),
        graph.add("aformat", sample_fmts=like.format.name),
        graph.add("abuffersink"),
    ).configure()
    frame: Any = graph.pull()
    return frame  # type: ignore[no-any-return]
