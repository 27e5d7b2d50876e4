"""Feeds: the same chunks however the samples come, and buffers that follow from the latency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import gigaam
from gigaam.audio import read_audio
from gigaam.errors import ArgumentError
from gigaam.recognition.chunking import Chunk, ChunkingOptions
from gigaam.recognition.feed import Batch, Buffering, Feed
from gigaam.recognition.longform import LongformTranscriber
from gigaam.recognition.recognizer import Recognizer
from gigaam.recognition.stitching import Stitcher
from gigaam.types import Segment
from gigaam.vad import EverythingIsSpeech, Region, SpeechDetector
from gigaam.vad.silero import SileroDetector
from gigaam.vad.speech import SpeechStream
from tests.examples import examples
from tests.unit.recognition.test_longform import (
    RATE,
    EnergyDetector,
    silence,
    speak,
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


def test_buffers_follow_from_the_latency() -> None:
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
