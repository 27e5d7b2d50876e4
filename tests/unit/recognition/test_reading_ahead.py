"""Files that are read once, ahead of their results, and channels that are read together."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from gigaam.audio.sources import Source
from gigaam.model import GigaAMASR
from gigaam.recognition.chunking import ChunkingOptions
from gigaam.recognition.feed import Feed
from gigaam.recognition.longform import LongformTranscriber
from gigaam.recognition.reading_ahead import ReadAhead
from gigaam.recognition.recognizer import Recognizer
from gigaam.types import Segment
from tests.unit.recognition.test_feed import TALK
from tests.unit.recognition.test_longform import (
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


def test_nothing_is_read_for_a_channel_that_nobody_takes() -> None:
    rows = speak(words_of(600))
    blocks = ((block, block) for block in np.split(rows, range(80_000, len(rows), 80_000)))
    feeds = [Feed(EnergyDetector(), ChunkingOptions(), 1, channel=number) for number in range(2)]
    ahead = ReadAhead(blocks, feeds)
    with ahead.running():
        left, right = (ahead.batches(feed) for feed in feeds)
        next(left)
        left.close()
        assert sum(len(batch.chunks) for batch in right) > 10
    assert feeds[0].n_samples < feeds[1].n_samples == len(rows)
    assert not threads()


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
