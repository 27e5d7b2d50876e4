"""Recordings in files and streams: what may be opened, and the audio that is in it.

FFmpeg runs in-process, through PyAV. It may read local files and the streams it is handed, never
the network, and no format that names other files.

Legend: n samples.
"""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

import av
import numpy as np
from numpy.typing import NDArray

from gigaam.errors import AudioDecodingError, AudioError, AudioFileNotFoundError, AudioWarning
from gigaam.resampling import converted

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

_LENGTH_TOLERANCE_S = 0.1  # codec delay and padding, in which header and samples may differ
_HEAD_BYTES = 4096  # enough to see the tag of an MP3 behind short titles
_MPEG1_KILOBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KILOBITS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_COPY_BYTES = 1 << 20
_SPOOL_BYTES = 64 << 20  # a longer stream goes to disk, if it has to be kept at all
_UNKNOWN_RIFF_SIZE = 0x7FFF_0000  # sox writes a little less than 2 GiB, ffmpeg 4 GiB - 1

# Tags of old files are in old encodings, which PyAV refuses by default before its release 19.
_TAGS_IN_OLD_ENCODINGS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
)

_PROTOCOLS = "file,pipe"
# Formats that name other files or addresses. Those that open devices are left out by a flag.
_REFERRING_FORMATS = "concat,dash,hls,imf,image2,mlv,rtp,rtsp,sap,sdp,vobsub,webm_dash_manifest"
# Formats with no length of their own: what FFmpeg says of them is file size over bit rate.
_UNMEASURED_FORMATS = "aac,ac3,amr,dts,dtshd,eac3,latm,loas,mlp,mpeg,mpegts,mpegtsraw,truehd"
# Formats whose header counts the samples of the audio, so that fewer samples mean a cut file.
# Not MP4: an edit list may rightly play less than the track holds. Not WAV: FFmpeg corrects its
# count by the size of the file, and marks the last packet.
_COUNTED_FORMATS = ("aiff", "au", "flac", "matroska,webm", "mp3", "tta", "wv")


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


def is_seekable(file: Any) -> bool:
    """Whether a file object can go back, asked of the method and of what tell() then says."""
    try:
        if hasattr(file, "seekable") and not file.seekable():
            return False
        file.seek(file.tell())
    except (AttributeError, OSError, ValueError):
        return False
    return True


class _Reader:
    """What FFmpeg sees of a file object: its bytes from here on, and no way to close it."""

    def __init__(self, file: Any) -> None:
        name = getattr(file, "name", "")  # the extension helps to recognise headerless formats
        self.name = "stream" + (os.path.splitext(name)[1] if isinstance(name, str) else "")
        self._file = file
        self._ahead = b""  # read, but not yet seen by FFmpeg
        self._whole: IO[bytes] | None = None
        self._seekable = is_seekable(file)
        self._start = file.tell() if self._seekable else 0
        self.head = self._read_head()
        if self._seekable:
            file.seek(self._start)
        elif self.head[4:8] == b"ftyp":  # MP4: the index it begins with may stand at the end
            self._start, self._seekable = 0, True
            self._file = self._whole = self._spooled()
        else:
            self._ahead = self.head

    def read(self, size: int) -> bytes:
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        data = self._file.read(size)
        if isinstance(data, str):
            raise AudioError("the file object gives text: open it in binary mode ('rb')")
        if data is None:
            raise AudioError("the file object does not block: it gave None in place of bytes")
        data = bytes(data)
        if len(data) > size:  # FFmpeg's buffer ends there, and PyAV does not look
            raise AudioError(f"the file object gave {len(data)} bytes when asked for {size}")
        return data

    def seekable(self) -> bool:
        return self._seekable

    def tell(self) -> int:
        return int(self._file.tell()) - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._file.seek(offset + self._start if whence == os.SEEK_SET else offset, whence)
        return self.tell()

    def release(self) -> None:
        """Delete the copy of a stream, if one had to be made."""
        if self._whole is not None:
            self._whole.close()

    def _read_head(self) -> bytes:
        head = b""
        while len(head) < _HEAD_BYTES and (more := self.read(_HEAD_BYTES - len(head))):
            head += more
        return head

    def _spooled(self) -> IO[bytes]:
        """A temporary file with all of the stream, in memory as long as it is small."""
        whole = SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115
        whole.write(self.head)
        while data := self.read(_COPY_BYTES):
            whole.write(data)
        whole.seek(0)
        return whole


class Recording:
    """The first audio stream of a file, opened, and what turned out to be wrong with it."""

    def __init__(self, source: object) -> None:
        """Open a path, the bytes of a file, or a binary file object."""
        self._name, self._file, self._head = _located(source)
        try:
            self._container = self._open()
            self._stream = self._first_audio()
            self.stated_s = self._stated_s()
        except BaseException:
            self.close()
            raise
        counted = self._container.format.name in _COUNTED_FORMATS
        if len(self._container.streams) > 1 and "matroska" in self._container.format.name:
            counted = False  # its length is that of the longest stream
        self._counted_s = self.stated_s if counted else None
        self._decoded_s = 0.0
        self._damaged_packets = 0
        self._cut = False
        self._last_packet: Packet[AudioStream] | None = None
        self._first_error: av.FFmpegError | None = None

    def close(self) -> None:
        """Let go of the file; a file object stays open."""
        if hasattr(self, "_container"):
            self._container.close()
        if isinstance(self._file, _Reader):
            self._file.release()

    @property
    def n_channels(self) -> int:
        """Channels of the stream, as its header states them."""
        return self._stream.codec_context.layout.nb_channels

    def chunks(self, sample_rate: int, channel: int | None) -> Iterator[NDArray[np.int16]]:
        """Mono int16 chunks ``[n]``; a warning at the end if the file is damaged or cut."""
        try:
            yield from converted(self._frames(), sample_rate, "s16", channel)
        except av.FFmpegError as error:
            raise self._undecodable(error) from error
        finally:
            self.close()
        if not self._decoded_s:
            if self._first_error is not None:
                raise self._undecodable(self._first_error) from self._first_error
            raise AudioError(f"{self._name}: the recording holds no samples")
        self._warn()

    def _open(self) -> InputContainer:
        options = {"protocol_whitelist": _PROTOCOLS, "format_whitelist": _allowed_formats()}
        try:
            container: InputContainer = av.open(
                self._file, "r", container_options=options, **_TAGS_IN_OLD_ENCODINGS
            )
        except av.ArgumentError as error:  # the answer to a format outside the list
            raise AudioDecodingError(
                f"{self._name}: playlists, and other formats that only name files, are not read"
            ) from error
        except av.FFmpegError as error:
            raise self._undecodable(error) from error
        return container

    def _first_audio(self) -> AudioStream:
        streams = self._container.streams
        if not streams.audio:
            raise AudioDecodingError(f"{self._name}: the file has no audio stream")
        audio = streams.audio[0]
        if audio.codec_context is None:
            raise AudioDecodingError(f"{self._name}: FFmpeg has no decoder for its audio")
        audio.codec_context.thread_count = 1  # audio gains nothing, and callers have threads
        for stream in streams:
            if stream is not audio:
                stream.discard = av.stream.Discard.all
        return audio

    def _stated_s(self) -> float | None:
        """The length in the header, in seconds; None where FFmpeg would only guess it."""
        name = self._container.format.name
        untagged = name == "mp3" and not self._has_mp3_tag()
        if name in _UNMEASURED_FORMATS.split(",") or untagged or _is_open_ended(self._head):
            return None
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration:
            return self._container.duration / av.time_base
        return None

    def _has_mp3_tag(self) -> bool:
        """Whether an MP3 states its sample count: the tag itself, or the encoder it names."""
        named = "encoder" in self._stream.metadata  # all that is to be seen after long titles
        return named or any(tag in self._head for tag in (b"Xing", b"Info", b"VBRI"))

    def _packets(self) -> Iterator[Packet[AudioStream] | None]:
        """Packets, and last an empty one, which takes the rest out of the decoder."""
        try:
            for packet in self._container.demux(self._stream):
                self._cut = self._cut or packet.is_corrupt  # shorter than its header said
                if packet.size:
                    self._last_packet = packet
                yield packet
        except av.FFmpegError as error:
            self._cut = True
            self._first_error = self._first_error or error
            yield None

    def _frames(self) -> Iterator[AudioFrame]:
        """Frames as they decode. Damaged packets are left out, as the ffmpeg program does."""
        for packet in self._packets():
            try:
                frames = self._stream.codec_context.decode(packet)
            except av.FFmpegError as error:
                self._damaged_packets += 1
                self._first_error = self._first_error or error
                continue
            for frame in frames:
                self._decoded_s += frame.samples / frame.sample_rate
                yield frame

    def _warn(self) -> None:
        """Say what could not be read, if anything."""
        if self._counted_s is not None:
            cut = self._decoded_s < self._counted_s - _LENGTH_TOLERANCE_S
        else:
            cut = self._cut and not _is_open_ended(self._head)
        if cut or self._ends_in_part_of_a_frame():
            of = "" if self._counted_s is None else f" of {self._counted_s:.2f} s"
            what = f"is cut short: {self._decoded_s:.2f} s{of} could be read"
        elif self._damaged_packets:
            what = f"is damaged: packets left out: {self._damaged_packets}"
        else:
            return
        warnings.warn(f"{self._name}: the recording {what}", AudioWarning, stacklevel=2)

    def _ends_in_part_of_a_frame(self) -> bool:
        """Whether the last frame of an MP3 is shorter than it says: its decoder does not mind."""
        if self._last_packet is None or self._container.format.name != "mp3":
            return False
        return self._last_packet.size < _mp3_frame_bytes(bytes(self._last_packet)[:4])

    def _undecodable(self, error: av.FFmpegError) -> AudioDecodingError:
        return AudioDecodingError(f"{self._name}: cannot be decoded as audio: {error.strerror}")


def _located(source: object) -> tuple[str, str | _Reader, bytes]:
    """How messages call a source, what FFmpeg is given for it, and its first bytes if a file."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        if not source:
            raise AudioError("the recording holds no samples: it is 0 bytes long")
        reader = _Reader(BytesIO(source))
        return f"<{len(source)} bytes>", reader, reader.head
    if isinstance(source, (str, os.PathLike)):
        path = os.fsdecode(source)
        return repr(path), f"file:{path}", _head_of_file(path)  # "a:b.wav" is no protocol "a"
    if hasattr(source, "read"):
        reader = _Reader(source)
        if not reader.head:
            raise AudioError("the recording holds no samples: the file object is at its end")
        return f"<{type(source).__name__}>", reader, reader.head
    raise AudioError(
        "audio is a path, bytes, a binary file object, a numpy array or a torch tensor,"
        f" not {type(source).__name__}"
    )


def _head_of_file(path: str) -> bytes:
    """The first bytes of a file, or the error that says why it cannot be a recording."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: a null character
        hint = "; URLs are not fetched, download the file first" if "://" in path else ""
        raise AudioFileNotFoundError(f"no such file: {path[:200]!r}{hint}") from error
    if stat.S_ISDIR(mode):
        raise AudioError(f"{path!r} is a directory: give the recordings in it")
    if not stat.S_ISREG(mode):
        return b""  # a pipe gives its bytes only once
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise AudioError(f"{path!r} cannot be read: {error.strerror}") from error
    if not head:
        raise AudioError(f"{path!r}: the recording holds no samples: it is 0 bytes long")
    return head


def _is_open_ended(head: bytes) -> bool:
    """Whether a WAV was written to a pipe: its header states no size, so none can be missed."""
    size = int.from_bytes(head[4:8], "little")
    return head[:4] == b"RIFF" and (size == 0 or size >= _UNKNOWN_RIFF_SIZE)


def _mp3_frame_bytes(header: bytes) -> int:
    """Length of the MP3 frame that a header opens; 0 if it opens none, or one of free format."""
    bits = int.from_bytes(header, "big")
    version, layer = bits >> 19 & 3, bits >> 17 & 3
    bit_rate, rate, padding = bits >> 12 & 15, bits >> 10 & 3, bits >> 9 & 1
    if bits >> 21 != 0x7FF or version == 1 or layer != 1 or bit_rate in (0, 15) or rate == 3:
        return 0
    first = version == 3  # MPEG-1; the others halve or quarter its rates
    kilobits = (_MPEG1_KILOBITS if first else _MPEG2_KILOBITS)[bit_rate - 1]
    sample_rate = (44100, 48000, 32000)[rate] // {3: 1, 2: 2, 0: 4}[version]
    return (144 if first else 72) * 1000 * kilobits // sample_rate + padding
