"""What the first bytes of a recording say, where FFmpeg does not tell or believes too much."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from gigaam.audio.sources import Source

__all__ = [
    "ends_in_part_of_a_frame",
    "has_mp3_tag",
    "holds_plain_samples",
    "is_open_ended",
    "unread_rest",
]

_MPEG1_KILOBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KILOBITS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_UNKNOWN_RIFF_SIZE = 0x7FFF_0000  # sox writes a little less than 2 GiB, ffmpeg 4 GiB - 1
_UNKNOWN_SIZE = 0xFFFF_FFFF

_LEAST_DTS_RATE = 32_000

_SMALLEST_REST = 4096  # bytes; below lie tags and padding
_MOST_CHUNKS = 1000
_PROBES = 64
_FORMS = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM")
_TAGS = (b"TAG", b"ID3", b"APET")


def is_open_ended(head: bytes) -> bool:
    """Whether a WAV was written to a pipe: its header states no size, so none can be missed."""
    size = int.from_bytes(head[4:8], "little")
    return head[:4] == b"RIFF" and (size == 0 or size >= _UNKNOWN_RIFF_SIZE)


def holds_plain_samples(head: bytes) -> bool:
    """Whether a WAV is surely what it says: DTS may hide in two channels of 44.1 or 48 kHz."""
    if (head[:4], head[8:16], head[20:22]) != (b"RIFF", b"WAVEfmt ", b"\1\0"):
        return False
    n_channels, rate = (int.from_bytes(head[at:end], "little") for at, end in ((22, 24), (24, 28)))
    return n_channels == 1 or rate < _LEAST_DTS_RATE


def has_mp3_tag(head: bytes) -> bool:
    """Whether an MP3 begins with a frame that states how many follow."""
    return any(tag in head for tag in (b"Xing", b"Info", b"VBRI"))


def ends_in_part_of_a_frame(last_packet: bytes) -> bool:
    """Whether the last frame of an MP3 is shorter than it says: its decoder does not mind."""
    return len(last_packet) < _mp3_frame_bytes(last_packet[:4])


def unread_rest(source: Source) -> Literal["", "samples", "recording"]:
    """What follows the samples that a WAV or AIFF counts, and would not be read.

    Counts over 4 GiB wrap, and some recorders never correct their first guess. Other chunks, tags
    and zeros are nothing; ``cat`` of two files leaves a whole recording.
    """
    if source.head[:4] not in _FORMS or not source.seekable():
        return ""
    total = source.size()
    for name, start, size in _chunks(source, 12, total):
        if name in (b"data", b"SSND"):
            return "" if size in (0, _UNKNOWN_SIZE) else _judged(source, start + size, total)
    return ""


def _chunks(source: Source, at: int, total: int) -> Iterator[tuple[bytes, int, int]]:
    """Names of chunks, where their contents start, and how long they are, in bytes."""
    order: Literal["big", "little"] = "big" if source.head[:4] in (b"RIFX", b"FORM") else "little"
    long_size = _UNKNOWN_SIZE
    for _ in range(_MOST_CHUNKS):
        header = source.at(at, 8)
        if len(header) < 8 or at >= total:
            return
        name, size = header[:4], int.from_bytes(header[4:], order)
        if name == b"ds64":  # of RF64: the sizes that take over 32 bits
            long_size = int.from_bytes(source.at(at + 16, 8), order)
        if name == b"data" and size == _UNKNOWN_SIZE:
            size = long_size
        yield name, at + 8, size
        at += 8 + size + size % 2


def _judged(source: Source, end: int, total: int) -> Literal["", "samples", "recording"]:
    """What lies from the end of the samples to the end of the file."""
    if total - end < _SMALLEST_REST:
        return ""
    for start in {end, end + end % 2}:  # some do not pad odd sizes
        name, at, size = next(_chunks(source, start, total))
        if name in _FORMS:
            return "recording"
        if name.startswith(_TAGS) or (_is_name(name) and at + size <= total):
            return ""
    step = (total - end) // _PROBES
    probes = (source.at(end + i * step, 16) for i in range(_PROBES))
    return "samples" if any(any(probe) for probe in probes) else ""


def _is_name(name: bytes) -> bool:
    return name.isascii() and name.decode("ascii").isprintable()


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
