"""Feeds: the same chunks however the samples come, and channels that are read together."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import gigaam
from gigaam.audio import read_audio
from gigaam.audio.sources import Source
from gigaam.errors import ArgumentError
from gigaam.model import GigaAMASR
from gigaam.recognition.chunking import Chunk, ChunkingOptions
from gigaam.recognition.feed import Batch, Buffering, Feed
from gigaam.recognition.longform import LongformTranscriber
from gigaam.recognition.reading_ahead import ReadAhead
from gigaam.recognition.recognizer import Recognizer
from gigaam.recognition.stitching import Stitcher
from gigaam.types import Segment
from gigaam.vad import EverythingIsSpeech, Region, SpeechDetector
from gigaam.vad.silero import SileroDetector
from gigaam.vad.speech import SpeechStream
from tests.examples import examples
from tests.unit.test_longform import (
    RATE,
    EnergyDetector,
    silence,
    speak,
    threads,
    tone_reader,
    transcriber,
    words_of,
)

Samples = NDArray[np.float32]


class Watched:
    """A detector that takes down the regions of another, joined where they continue."""

    def __init__(self, detector: SpeechDetector) -> None:
        self.detector = detector
        self.regions: list[Region] = []

    def stream(self) -> SpeechStream:
        return _WatchedStream(self.detector.stream(), self.regions)


class _WatchedStream:
    def __init__(self, stream: SpeechStream, regions: list[Region]) -> None:
        self.stream, self.regions = stream, regions

    @property
    def decided(self) -> int:
        return self.stream.decided

    def push(self, block: Samples) -> list[Region]:
        return self._noted(self.stream.push(block))

    def finish(self) -> list[Region]:
        return self._noted(self.stream.finish())

    def _noted(self, found: list[Region]) -> list[Region]:
        for region in found:
            start = region.start
            if self.regions and self.regions[-1].end == start:
                start = self.regions.pop().start
            self.regions.append(Region(start, region.end))
        return found


def fed(feed: Feed, blocks: Iterable[Samples]) -> list[Batch]:
    batches = [batch for block in blocks for batch in feed.push(block)]
    return batches + feed.finish()


def chunks_of(batches: Sequence[Batch]) -> list[Chunk]:
    return [chunk for batch in batches for chunk in batch.chunks]


def segments_of(batches: Sequence[Batch]) -> list[Segment]:
    """What a driver makes of batches: recognised, and joined."""
    backend = tone_reader()
    recognizer = Recognizer(backend, backend.decoding.tokenizer, backend.decoding)
    stitcher = Stitcher(0.5, True)
    segments = []
    for batch in batches:
        if batch.chunks:
            results = recognizer.transcribe_batch(batch.waveforms, word_timestamps=True)
            for chunk, result in zip(batch.chunks, results, strict=True):
                segments += stitcher.push(chunk, result)
    return segments


def talk() -> Samples:
    """Four minutes: sentences, long speech, long gaps, some too quiet to detect, and a voice."""
    words = words_of(260, seed=4)
    parts = [silence(2.1)]
    for number, first in enumerate(range(0, 120, 12)):
        parts += [speak(words[first : first + 12]), silence(0.3 + number % 4)]
    parts += [silence(13), speak(words[120:130], level=0.005), silence(12.5)]
    voice = read_audio(Path(gigaam.__file__).parent / "assets" / "example.wav")
    parts += [np.concatenate([voice, silence(1 + number)]) for number in range(4)]
    parts += [speak(words[130:220]), silence(0.6), speak(words[220:224], level=0.05)]
    return np.concatenate([*parts, speak(words[224:])])


TALK = talk()
DETECTORS = {
    "energy": EnergyDetector(),
    "silero": SileroDetector(),
    "none": EverythingIsSpeech(),
}
WHOLE: dict[str, tuple[list[Region], list[Chunk], list[Segment]]] = {}


def whole(name: str) -> tuple[list[Region], list[Chunk], list[Segment]]:
    """Regions, chunks and segments in blocks of 10 s, as of a file."""
    if name not in WHOLE:
        watched = Watched(DETECTORS[name])
        batches = fed(
            Feed(watched, ChunkingOptions(), 8), np.split(TALK, range(160_000, len(TALK), 160_000))
        )
        WHOLE[name] = watched.regions, chunks_of(batches), segments_of(batches)
    return WHOLE[name]


@pytest.mark.parametrize("name", DETECTORS)
def test_the_recording_is_worth_feeding(name: str) -> None:
    regions, chunks, segments = whole(name)
    assert len(chunks) >= 6
    assert any(chunk.overlaps_next for chunk in chunks) or name == "silero"
    assert len(regions) == 1 if name == "none" else len(regions) > 2
    assert segments
    whole_file = transcriber(detector=DETECTORS[name]).transcribe(
        TALK, input_rate=RATE, word_timestamps=True
    )
    assert segments == list(whole_file)


@pytest.mark.parametrize("name", DETECTORS)
@settings(max_examples=examples(8))
@given(data=st.data())
def test_any_blocks_give_the_regions_chunks_and_segments_of_the_file(
    name: str, data: st.DataObject
) -> None:
    sizes = data.draw(
        st.one_of(
            st.lists(st.integers(0, len(TALK)), max_size=12),
            st.integers(3_000, 200_000).map(lambda size: list(range(size, len(TALK), size))),
        )
    )
    batch_size = data.draw(st.integers(1, 9))
    watched = Watched(DETECTORS[name])
    feed = Feed(watched, ChunkingOptions(), batch_size)
    batches = fed(feed, np.split(TALK, sorted(sizes)))
    regions, chunks, segments = whole(name)
    assert watched.regions == regions
    assert chunks_of(batches) == chunks
    assert segments_of(batches) == segments
    for batch in batches:
        for chunk, samples in zip(batch.chunks, batch.waveforms, strict=True):
            np.testing.assert_array_equal(samples, TALK[chunk.start : chunk.end])
    done = [batch.done_to for batch in batches]
    assert done == sorted(done)
    assert done[-1] == feed.n_samples == len(TALK)


@pytest.mark.parametrize("blocks", [[], [np.zeros(0, np.float32)], [np.zeros(1, np.float32)]])
def test_next_to_nothing_can_be_fed(blocks: list[Samples]) -> None:
    batches = fed(Feed(EnergyDetector(), ChunkingOptions(), 8), blocks)
    assert chunks_of(batches) == []


@pytest.mark.parametrize("latency_s", [0.02, 0.5, 3.0])
def test_little_latency_hears_the_same(latency_s: float) -> None:
    backend = tone_reader()
    prompt = LongformTranscriber(
        Recognizer(backend, backend.decoding.tokenizer, backend.decoding),
        EnergyDetector(),
        buffering=Buffering(latency_s),
    )
    recording = TALK[: 60 * RATE]
    usual = transcriber().transcribe(recording, input_rate=RATE, word_timestamps=True)
    assert prompt.transcribe(recording, input_rate=RATE, word_timestamps=True) == usual


def test_buffers_follow_from_the_latency(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, short = Buffering(), Buffering(0.4)
    assert (usual.block_s, usual.detector_s, usual.patience_s) == (10, None, 60)
    assert (short.block_s, short.detector_s) == (0.2, 0.2)
    detector = SileroDetector()

    def judged(buffering: Buffering) -> int:
        """Samples after which the detector first decides."""
        feed = Feed(detector, ChunkingOptions(), 8, buffering=buffering)
        while not feed._opened().decided:
            feed.push(np.zeros(1600, np.float32))
        return feed.n_samples

    assert judged(short) <= 0.4 * RATE
    assert judged(usual) > 8 * RATE
    for latency_s in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match="latency_s"):
            Buffering(latency_s)


def test_prompt_silero_hears_the_same_speech(example: Path) -> None:
    speech = read_audio(example)
    detector = SileroDetector()
    usual = detector.stream()
    expected = usual.push(speech) + usual.finish()
    prompt = detector.prompt_stream(0.1)
    found = prompt.push(speech) + prompt.finish()
    assert [(r.start, r.end) for r in found] == [(r.start, r.end) for r in expected]


# Channels that are read together


class Counting(io.BytesIO):
    """A file that counts what is read of it."""

    given = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.given += len(data)
        return data


def wav(*channels: Samples) -> bytes:
    file = io.BytesIO()
    length = max(map(len, channels))
    rows = np.stack([np.pad(each, (0, length - len(each))) for each in channels], axis=1)
    with wave.open(file, "wb") as writer:
        writer.setparams((len(channels), 2, RATE, 0, "NONE", ""))
        writer.writeframes((rows * 32767).astype("<i2").tobytes())
    return file.getvalue()


@pytest.mark.parametrize("channels", ["mix", "split"])
@pytest.mark.parametrize("with_progress", [False, True])
@pytest.mark.parametrize("kind", ["path", "file"])
def test_a_file_is_opened_and_decoded_once(
    channels: str,
    with_progress: bool,
    kind: str,
    tmp_path: Path,
    packaged_model: GigaAMASR,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = wav(TALK[: 40 * RATE], TALK[60 * RATE : 95 * RATE])
    path = tmp_path / "call.wav"
    path.write_bytes(content)
    opened: list[Any] = []
    given = 0
    really_open, really_read = av.open, Source._bytes

    def count_opened(*arguments: Any, **options: Any) -> Any:
        opened.append(arguments)
        return really_open(*arguments, **options)

    def count_read(source: Source, size: int) -> bytes:
        nonlocal given
        data = really_read(source, size)
        given += len(data)
        return data

    monkeypatch.setattr(av, "open", count_opened)
    monkeypatch.setattr(Source, "_bytes", count_read)
    file = Counting(content)
    told: list[tuple[float, float | None]] = []
    result = packaged_model.transcribe_longform(
        path if kind == "path" else file,
        channels=channels,  # type: ignore[arg-type]
        progress=(lambda *each: told.append(each)) if with_progress else None,
    )
    assert result.duration == 40
    assert len(opened) == 1
    assert len(content) <= given < 1.1 * len(content)  # the beginning is looked at before
    if kind == "file":
        assert file.given == given
    if with_progress:
        assert {total for _, total in told} == {40.0}


def test_a_pipe_is_split_while_it_is_written() -> None:
    """What FFmpeg cannot go back in gives all channels as well."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            header = bytearray(wav(np.zeros(1, np.float32), np.zeros(1, np.float32))[:44])
            header[4:8] = header[40:44] = b"\xff" * 4
            self.data = bytes(header)
            self.given = 0
            speech = speak(words_of(40))
            frames = np.stack([speech, np.roll(speech, RATE // 100 * 48)], axis=1)
            self.body = (frames * 32767).astype("<i2").tobytes()

        def seekable(self) -> bool:
            return False

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            if self.data:
                data, self.data = self.data[:size], self.data[size:]
                return data
            first = self.given % len(self.body)
            data = self.body[first : first + min(size, 1 << 15)]
            self.given += len(data)
            return data

    pipe = Pipe()
    segments = transcriber(batch_size=2).iter_segments(pipe, channels="split")  # type: ignore[arg-type]
    found = [next(segments) for _ in range(20)]
    assert {segment.channel for segment in found} == {0, 1}
    assert pipe.given / (4 * RATE) < found[-1].start + 400
    segments.close()
    assert not threads()


def held(ahead: ReadAhead) -> int:
    """Samples that a reader and its feeds keep."""
    ready = (
        len(samples)
        for output in ahead._outputs.values()
        for batch in list(output._ready)
        for samples in batch.waveforms
    )
    return sum(feed.n_held for feed in ahead.feeds) + sum(ready)


def test_who_hardly_speaks_does_not_make_the_others_wait_in_memory() -> None:
    """Two hours of a lecture, with a listener who says a word every 50 seconds."""
    lecture = np.concatenate([speak(words_of(40)), silence(0.8)])
    listener = np.concatenate([silence(49.5), speak(words_of(1))])

    def blocks() -> Iterable[tuple[Samples, Samples]]:
        rows = [np.resize(each, 2 * 3600 * RATE) for each in (lecture, listener)]
        for start in range(0, len(rows[0]), 10 * RATE):
            yield rows[0][start : start + 10 * RATE], rows[1][start : start + 10 * RATE]

    feeds = [
        Feed(EnergyDetector(), ChunkingOptions(), 2, channel=number, longest_span_s=660)
        for number in range(2)
    ]
    ahead = ReadAhead(iter(blocks()), feeds)
    taken = [0, 0]
    most = 0
    with ahead.running():
        batches = [ahead.batches(feed) for feed in feeds]
        while True:  # as `interleaved` does
            last = taken.index(min(taken))
            batch = next(batches[last], None)
            if batch is None:
                break
            taken[last] = batch.done_to
            most = max(most, held(ahead))
    assert min(taken) == 2 * 3600 * RATE
    assert most / RATE < 2 * 660 + 300


def test_a_detector_that_fails_ends_its_channel_alone() -> None:
    class Failing(EnergyDetector):
        def stream(self):  # type: ignore[no-untyped-def]
            if self.streams:
                raise LookupError("one stream is all")
            return super().stream()

    words = words_of(100)
    call = np.stack([speak(words), speak(words)])
    segments = transcriber(detector=Failing()).iter_segments(
        call, input_rate=RATE, channels="split"
    )
    found: list[Segment] = []
    with pytest.raises(LookupError, match="one stream"):
        found.extend(segments)
    assert " ".join(segment.text for segment in found).split() == words
    assert len({segment.channel for segment in found}) == 1
    assert not threads()


def test_all_channels_are_heard_up_to_an_error() -> None:
    words = words_of(300)

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 4 * RATE * 100:
                raise ConnectionResetError("the other side hung up")
            return super().read(size)

    source = Broken(wav(speak(words), speak(words)))
    segments = transcriber().iter_segments(source, channels="split")
    found: list[Segment] = []
    with pytest.raises(ConnectionResetError, match="hung up"):
        found.extend(segments)
    for channel in range(2):
        texts = [segment.text for segment in found if segment.channel == channel]
        assert " ".join(texts).split()[:180] == words[:180]
    assert not threads()


def test_a_recogniser_that_fails_for_one_channel_leaves_the_other() -> None:
    class Once:
        """Fails for the second batch."""

        def __init__(self) -> None:
            backend = tone_reader()
            self.recognizer = Recognizer(backend, backend.decoding.tokenizer, backend.decoding)
            self.n_calls = 0

        def transcribe_batch(self, waveforms: Sequence[Samples], word_timestamps: bool) -> Any:
            self.n_calls += 1
            if self.n_calls == 2:
                raise RuntimeError("out of memory")
            return self.recognizer.transcribe_batch(waveforms, word_timestamps)

    words = words_of(250)
    call = np.stack([speak(words), speak(words)])
    whole_call = LongformTranscriber(Once(), EnergyDetector(), batch_size=1)  # type: ignore[arg-type]
    found: list[Segment] = []
    with pytest.raises(RuntimeError, match="out of memory"):
        found.extend(whole_call.iter_segments(call, input_rate=RATE, channels="split"))
    spoken = [
        " ".join(s.text for s in found if s.channel == channel).split() for channel in range(2)
    ]
    assert sorted(map(len, spoken))[1] == len(words)
    assert not threads()
