"""Recordings in files and streams: what may be opened, and the audio that is in it.

FFmpeg runs in-process, through PyAV. It reads the sources it is handed, never a file or address of
its own choice, and no format that names other files.

Legend: n samples.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import av
import numpy as np
from numpy.typing import NDArray

from gigaam.audio.channel_levels import ChannelLevels, channels_of
from gigaam.audio.clock import LONGEST_SILENCE_S, Clock, silence
from gigaam.audio.headers import (
    ends_in_part_of_a_frame,
    has_mp3_tag,
    holds_plain_samples,
    is_open_ended,
    unread_rest,
)
from gigaam.audio.resampling import MAX_CHANNELS, RATE_RANGE, converted, converted_apart
from gigaam.audio.sources import open_source
from gigaam.audio.tracks import chosen_track, listed
from gigaam.errors import AudioDecodingError, AudioError, AudioWarning
from gigaam.quoting import cut

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

T = TypeVar("T")

_LENGTH_TOLERANCE_S = 0.1  # codec delay and padding, in which header and samples may differ
_FLOAT_CODECS = ("pcm_f", "wavpack")
_MAX_POWER = 16.0  # clipped floats stay far below, integers in a float file are far above

# Tags of old files are in old encodings, which PyAV refuses by default before its release 19.
_TAGS_IN_OLD_ENCODINGS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
)

_PROTOCOLS = "file,pipe"
# FFmpeg would look at up to five seconds of a stream before it gives the first sample.
_NO_ANALYSIS = {"analyzeduration": "1", "probesize": "4096", "max_probe_packets": "1"}
# FFmpeg would look for other formats in a megabyte of samples, which takes it 3 ms.
_NO_GUESS = {"max_probe_packets": "1"}
# Formats that name other files or addresses. Those that open devices are left out by a flag.
_REFERRING_FORMATS = "concat,dash,hls,imf,image2,mlv,rtp,rtsp,sap,sdp,vobsub,webm_dash_manifest"
# Formats with no length of their own: what FFmpeg says of them is file size over bit rate.
_UNMEASURED_FORMATS = "aac,ac3,amr,dts,dtshd,eac3,latm,loas,mlp,mpeg,mpegts,mpegtsraw,truehd"
# Formats whose header counts the samples of the audio, so that fewer samples mean a cut file.
# Not MP4: an edit list may rightly play less than the track holds. Not WAV: FFmpeg corrects its
# count by the size of the file, and marks the last packet.
_COUNTED_FORMATS = ("aiff", "au", "flac", "matroska,webm", "mp3", "tta", "wv")

# Formats whose clock counts samples: what is missing in between was lost.
_GAPLESS_FORMATS = ("aiff", "au", "flac", "mp3", "ogg", "tta", "wav", "w64", "wv")


@cache
def _allowed_formats() -> str:
    """The containers FFmpeg may recognise, as its ``format_whitelist`` takes them."""
    names = set()
    for name in av.formats_available:
        try:
            container_format = av.ContainerFormat(name, "r")
        except ValueError:  # one that can only be written
            continue
        if not container_format.no_file:
            names.update(name.split(","))
    return ",".join(sorted(names.difference(_REFERRING_FORMATS.split(","))))


class Track:
    """One audio track of a file, opened, and what turned out to be wrong with it."""

    def __init__(self, source: object, track: int | None = None, *, live: bool = False) -> None:
        """Open a path, the bytes of a file, or a binary file object.

        Args:
            source: What is opened.
            track: Which audio track, from 0; by default the one that the ffmpeg program takes.
            live: Whether it is to be decoded while it arrives.
        """
        self._live = live
        self._source = open_source(source, live=live)
        self._title = self._source.title
        try:
            self._rest = unread_rest(self._source)
            self._container = self._open()
            self._tracks = self._container.streams.audio
            self._track = chosen_track(self._tracks, track, self._title)
            self._stream = self._only_track()
            start = self._container.start_time
            self._origin_s = None if start is None else start / av.time_base
            self.stated_s = self._stated_s()
        except BaseException:
            self.close()
            raise
        self._others = ""  # the tracks that nobody chose between; they are gone once it is closed
        if track is None and len(self._tracks) > 1:
            self._others = cut(listed(self._tracks))
        counted = self._container.format.name in _COUNTED_FORMATS
        if len(self._container.streams) > 1 and "matroska" in self._container.format.name:
            counted = False  # its length is that of the longest stream
        self._counted_s = self.stated_s if counted else None
        self._clock = Clock(self._origin_s)
        self._reached_s = 0.0  # where packets end, decoded or not
        self._loudest = 0.0  # power of frames of floats, of full scale 1
        self._found = False
        self._damaged_packets = 0
        self._cut = False
        self._last_packet: Packet[AudioStream] | None = None
        self._first_error: Exception | None = None

    def close(self) -> None:
        """Let go of the file; a file object stays open."""
        if hasattr(self, "_container"):
            self._container.close()
        self._source.close()

    @property
    def n_channels(self) -> int:
        """Channels of the track, as its header states them."""
        count: int = self._stream.codec_context.layout.nb_channels
        if not count:
            raise AudioError(f"{self._title}: its header does not tell how many channels it has")
        return count

    def chunks(
        self, sample_rate: int, channel: int | None, queue_s: float = math.inf
    ) -> Iterator[NDArray[np.int16]]:
        """Mono int16 chunks ``[n]``; warnings at the end of what was lost or may surprise.

        Args:
            sample_rate: The rate wanted.
            channel: The one to be heard; None for all.
            queue_s: How much may be decoded ahead of what was given, in seconds.
        """
        frames = self._clock.placed(self._frames())
        levels = ChannelLevels()
        if channel is None:
            frames = levels.of_channels(frames)
        chunks = converted(frames, sample_rate, "s16", channel, queue_s)
        return self._watched(levels.of_mix(chunks), levels)

    def chunks_apart(
        self, sample_rate: int, n_channels: int, queue_s: float = math.inf
    ) -> Iterator[Sequence[NDArray[np.int16]]]:
        """Int16 chunks ``[n]`` of each channel, decoded together; as `chunks` in all else."""
        frames = self._clock.placed(self._frames())
        channels = range(n_channels)
        chunks = converted_apart(frames, sample_rate, "s16", channels, queue_s)
        return self._watched(chunks, ChannelLevels())

    def _watched(self, chunks: Iterator[T], levels: ChannelLevels) -> Iterator[T]:
        """The chunks; then the file is closed, and what was wrong with it told."""
        try:
            yield from chunks
        except av.FFmpegError as error:
            raise self._undecodable(error) from error
        finally:
            self.close()
        if not self._found:
            if isinstance(self._first_error, av.FFmpegError):
                raise self._undecodable(self._first_error) from self._first_error
            raise self._first_error or AudioError(f"{self._title}: the recording holds no samples")
        for problem in filter(None, (*self._problems(), levels.problem())):
            warnings.warn(f"{self._title}: {problem}", AudioWarning, stacklevel=2)

    def _open(self) -> InputContainer:
        options = {"protocol_whitelist": _PROTOCOLS, "format_whitelist": _allowed_formats()}
        if self._rest == "samples":
            options["ignore_length"] = "1"
        if holds_plain_samples(self._source.head):
            options |= _NO_GUESS
        if self._live and not self._source.seekable():
            options |= _NO_ANALYSIS
        try:
            container: InputContainer = av.open(
                self._source, "r", container_options=options, **_TAGS_IN_OLD_ENCODINGS
            )
        except av.ArgumentError as error:  # the answer to a format outside the list
            self._source.check()
            raise AudioDecodingError(
                f"{self._title}: playlists, and other formats that only name files, are not read"
            ) from error
        except av.FFmpegError as error:
            self._source.check()
            raise self._undecodable(error) from error
        try:
            self._source.check()
        except BaseException:
            container.close()
            raise
        return container

    def _only_track(self) -> AudioStream:
        """The stream of the track, with all others left unread."""
        streams = self._container.streams
        audio = self._tracks[self._track]
        audio.codec_context.thread_count = 1  # audio gains nothing, and callers have threads
        for stream in streams:
            if stream is not audio:
                stream.discard = av.stream.Discard.all
        if rate := audio.codec_context.sample_rate:
            self._check_rate(rate)
        if (count := audio.codec_context.layout.nb_channels) > MAX_CHANNELS:
            raise AudioError(f"{self._title}: it has {count} channels, over {MAX_CHANNELS}")
        return audio

    def _check_rate(self, rate: int) -> None:
        low, high = RATE_RANGE
        if not low <= rate <= high:
            raise AudioError(f"{self._title}: its sample rate is {rate} Hz, not {low} to {high}")

    def _stated_s(self) -> float | None:
        """The length in the header, in seconds; None where FFmpeg would only guess it."""
        name, head, stream = self._container.format.name, self._source.head, self._stream
        # An encoder that is named is all that is to be seen of a tag after long titles.
        untagged = name == "mp3" and not has_mp3_tag(head) and "encoder" not in stream.metadata
        if name in _UNMEASURED_FORMATS.split(",") or untagged:
            return None
        if is_open_ended(head) or self._rest == "samples":
            return None
        start_s = self._origin_s or 0.0
        if stream.duration and stream.time_base:
            late_s = 0.0
            if stream.start_time is not None:
                late_s = max(0.0, float(stream.start_time * stream.time_base) - start_s)
            return late_s + float(stream.duration * stream.time_base)
        if not self._container.duration:
            return None
        length_s = self._container.duration / av.time_base
        return length_s - max(0.0, start_s) if "matroska" in name else length_s

    def _packets(self) -> Iterator[Packet[AudioStream] | None]:
        """Packets, and last an empty one, which takes the rest out of the decoder."""
        unit_s, start_s = float(self._stream.time_base or 0), self._origin_s or 0.0
        try:
            for packet in self._container.demux(self._stream):
                self._source.check()
                self._cut = self._cut or packet.is_corrupt  # shorter than its header said
                if packet.size:
                    self._last_packet = packet
                    if packet.pts is not None:
                        end_s = (packet.pts + (packet.duration or 0)) * unit_s
                        self._reached_s = max(self._reached_s, end_s - start_s)
                yield packet
        except av.FFmpegError as error:
            self._source.check()
            self._cut = True
            self._first_error = self._first_error or error
            yield None

    def _frames(self) -> Iterator[AudioFrame]:
        """Frames as they decode. Damaged packets are left out, as the ffmpeg program does."""
        # What other codecs make of damage may be loud, but is no more wrong for being infinite.
        holds_floats = self._stream.codec_context.name.startswith(_FLOAT_CODECS)
        rate = 0
        for packet in self._packets():
            try:
                frames = self._stream.codec_context.decode(packet)
            except av.FFmpegError as error:
                self._leave_out(error)
                continue
            except ValueError as error:  # what PyAV 19 says of a codec that it does not know
                raise AudioDecodingError(
                    f"{self._title}: cannot be decoded as audio: {error}"
                ) from error
            for frame in frames:
                if frame.sample_rate != rate:
                    rate = frame.sample_rate
                    self._check_rate(rate)
                if not holds_floats or self._is_finite(frame):
                    self._found = True
                    yield frame
                else:
                    self._leave_out(AudioError(f"{self._title}: it holds NaN or infinity"))
                    yield from silence(frame, frame.samples)

    def _leave_out(self, error: Exception) -> None:
        """Take note of a packet that could not be used, but for what pads the end of a file."""
        if self.stated_s is None or self._clock.position_s < self.stated_s:
            self._damaged_packets += 1
            self._first_error = self._first_error or error

    def _is_finite(self, frame: AudioFrame) -> bool:
        """Whether a frame holds no NaN or infinity; how loud it is, is noted if it could be."""
        samples = channels_of(frame)
        if samples is None or samples.dtype.kind != "f":
            return True
        power = float(np.vdot(samples, samples)) / samples.size
        if not math.isfinite(power):  # squares may overflow
            return bool(np.isfinite(samples).all())
        self._loudest = max(self._loudest, power)
        return True

    def _problems(self) -> Iterator[str]:
        """What was not read, or not as it stands in the file."""
        yield from self._damage()
        if self._clock.refused_s:
            hours = self._clock.refused_s / 3600
            yield (
                f"its clock jumps by {hours:.0f} hours, which were not filled with silence (at"
                f" most {LONGEST_SILENCE_S / 3600:.0f} in a file): what follows comes earlier"
            )
        if self._rest == "recording":
            yield "another recording follows the one that its header counts, and was not read"
        elif self._rest == "samples" and "wav" in self._container.format.name:
            yield "it holds more samples than its header says; all of them were read"
        elif self._rest == "samples":
            yield "more samples follow than its header counts, and were not read"
        if self._others:
            yield (
                f"only audio track {self._track} of several was read (track= or"
                f" --track chooses): {self._others}"
            )
        if self._loudest > _MAX_POWER:
            peak = math.sqrt(self._loudest)
            yield f"its floats reach {peak:.3g} times full scale, and were clipped to it"

    def _damage(self) -> Iterator[str]:
        """Whether packets are damaged, or the end of the file is missing."""
        heard_s = self._clock.position_s
        if self._counted_s is not None:
            cut = max(heard_s, self._reached_s) < self._counted_s - _LENGTH_TOLERANCE_S
        else:
            cut = self._cut and not (is_open_ended(self._source.head) or self._rest == "samples")
        if self._container.format.name == "mp3" and self._last_packet is not None:
            cut = cut or ends_in_part_of_a_frame(bytes(self._last_packet))
        if cut:
            of = "" if self._counted_s is None else f" of {self._counted_s:.2f} s"
            yield f"the recording is cut short: {heard_s:.2f} s{of} could be read"
        elif self._damaged_packets:
            yield f"the recording is damaged: packets left out: {self._damaged_packets}"
        elif self._container.format.name in _GAPLESS_FORMATS and self._clock.silence_s:
            yield f"the recording is damaged: {self._clock.silence_s:.2f} s of it are silence now"

    def _undecodable(self, error: av.FFmpegError) -> AudioDecodingError:
        if error.filename:  # what FFmpeg calls it is no name that anybody knows
            error.args = (*error.args[:2], self._title.strip("'"), *error.args[3:])
        return AudioDecodingError(f"{self._title}: cannot be decoded as audio: {error.strerror}")
