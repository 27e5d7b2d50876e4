"""FFmpeg shows the cues that were written: the same texts at the same times."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import av
import pytest

from gigaam.output.formats import render, save
from gigaam.output.subtitles import SubtitleOptions, lay_out
from gigaam.types import LongformTranscriptionResult, Segment, TranscriptionResult, Word

LECTURE = "Добрый день, коллеги! Сегодня — о том, как устроено распознавание речи: 1 час, 2 слайда."
CALL = [
    Segment(LECTURE, 1.0, 9.5, channel=0),
    Segment("угу", 2.0, 2.4, channel=1),
    Segment("42\n\n43", 10.0, 12.0, channel=1),
    Segment("a & b > c --> d", 12.5, 14.0, channel=0),
    Segment("спустя сто часов", 359_999.0, 360_002.25, channel=0),
]
ALONE = [Segment(s.text, s.start, s.end) for s in CALL if s.text != "угу"]


def read_back(content: str, name: str) -> list[tuple[int, int, str]]:
    """Start and end in milliseconds and the text of each cue, as FFmpeg decodes them."""
    cues = []
    demuxer = {"srt": "srt", "vtt": "webvtt"}[name]
    with av.open(io.BytesIO(content.encode()), format=demuxer) as container:
        stream = container.streams.subtitles[0]
        for packet in container.demux(stream):
            if packet.pts is None or not packet.duration:
                continue
            start = round(packet.pts * packet.time_base * 1000)
            end = start + round(packet.duration * packet.time_base * 1000)
            text = "\n".join(
                subtitle.dialogue.decode()
                for subtitle in stream.codec_context.decode2(packet).rects
            )
            cues.append((start, end, text))
    return cues


def expected(segments: Sequence[Segment], name: str) -> list[tuple[int, int, str]]:
    def spoken(channel: int | None) -> str:
        return "" if channel is None or name == "vtt" else f"[channel {channel}] "

    cues = lay_out(
        segments, SubtitleOptions(), prefix_length=lambda segment: len(spoken(segment.channel))
    )
    return [
        (
            cue.start_ms,
            cue.end_ms,
            "\n".join(spoken(part.channel) + "\n".join(part.lines) for part in cue.speeches),
        )
        for cue in cues
    ]


@pytest.mark.parametrize("segments", [ALONE, CALL], ids=["alone", "call"])
@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_cues_come_back(name: str, segments: list[Segment]) -> None:
    found = read_back(render(segments, name), name)
    wanted = expected(segments, name)
    if name == "srt":
        wanted = [(start, end, text.replace("-->", "→")) for start, end, text in wanted]
    assert len(wanted) > 4
    assert [cue[:2] for cue in found] == [cue[:2] for cue in wanted]
    assert [cue[2] for cue in found] == [cue[2] for cue in wanted]


@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_saved_file_is_recognised_for_what_it_is(name: str, tmp_path: Path) -> None:
    words = [Word("добрый", 1.0, 1.4, 0.9), Word("день", 1.48, 2.8, 0.7)]
    path = TranscriptionResult("добрый день", words=words).save(tmp_path / f"a.{name}")
    with av.open(str(path)) as container:
        (stream,) = container.streams
        assert stream.type == "subtitle"
        assert re.match({"srt": "subrip|srt", "vtt": "webvtt"}[name], stream.codec_context.name)
        packets = [packet for packet in container.demux(stream) if packet.size]
    assert [bytes(packet).decode() for packet in packets] == ["добрый день"]


def test_vtt_of_silence_is_a_file_without_cues(tmp_path: Path) -> None:
    path = save(LongformTranscriptionResult(), tmp_path / "a.vtt")
    assert read_back(path.read_text("utf-8"), "vtt") == []
