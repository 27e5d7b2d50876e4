import gc
import inspect
import io
import subprocess
import sys
import threading
import time
import wave
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gigaam.errors import ArgumentError, AudioError, AudioFileNotFoundError
from gigaam.model import GigaAMASR
from gigaam.recognition import LongformArguments
from gigaam.recognition.chunking import ChunkingOptions
from gigaam.recognition.longform import LongformTranscriber
from gigaam.recognition.recognizer import Recognizer
from gigaam.types import LongformTranscriptionResult
from gigaam.vad import EverythingIsSpeech, Region
from tests.nets import random_asr
from tests.tones import LETTERS, ToneReader, tone

RATE = 16_000
FRAME = 320  # samples per frame of the toy model: 20 ms
VAD_FRAME = 640
WORD_FRAMES = 24  # each word of the recordings below is five letters and a pause: 0.48 s


# A recording one can read: each letter is a tone


def tone_reader(kind: type[ToneReader] = ToneReader, **options: float) -> ToneReader:
    return kind(FRAME, blank=8.0, softness=10.0, padding=0.0, **options)


def speak(words: list[str], level: float = 0.5) -> NDArray[np.float32]:
    """Words of five letters in 24 frames, without a pause that the detector below sees."""
    frames = np.zeros((len(words), WORD_FRAMES, FRAME), np.float32)
    for place, word in enumerate(words):
        for position, letter in enumerate(f"{word} "):
            # Two frames each, and two of silence: windows may begin in the middle of a frame.
            frames[place, 4 * position : 4 * position + 2] = level * tone(letter, FRAME)
    return frames.reshape(-1)


def words_of(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(LETTERS[1:]), 5)) for _ in range(count)]


def silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * RATE / VAD_FRAME) * VAD_FRAME, np.float32)


# Two detectors


class EnergyDetector:
    """Speech is what is louder than a threshold, with pauses of up to 0.16 s."""

    def __init__(self, threshold: float = 0.01) -> None:
        self.threshold = threshold
        self.streams: list[EnergyStream] = []

    def stream(self):
        self.streams.append(EnergyStream(self.threshold))
        return self.streams[-1]


class EnergyStream:
    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.rest = np.empty(0, np.float32)
        self.position = 0
        self.open: list[int] | None = None

    @property
    def decided(self) -> int:
        return self.position if self.open is None else self.open[0]

    def push(self, block):
        samples = np.concatenate([self.rest, block])
        whole = len(samples) // VAD_FRAME * VAD_FRAME
        self.rest = samples[whole:]
        regions = []
        for frame in samples[:whole].reshape(-1, VAD_FRAME):
            start, self.position = self.position, self.position + VAD_FRAME
            if np.abs(frame).max() > self.threshold:
                self.open = self.open or [start, start]
                self.open[1] = self.position
                if self.position - self.open[0] >= 20 * RATE:  # so that nobody waits for its end
                    regions.append(Region(*self.open))
                    self.open = [self.position, self.position]
            elif self.open and self.position - self.open[1] > 4 * VAD_FRAME:
                regions.append(Region(*self.open))
                self.open = None
        return regions

    def finish(self):
        regions = [Region(*self.open)] if self.open else []
        self.open = None
        return regions


def transcriber(backend=None, detector=None, batch_size=8, **options) -> LongformTranscriber:
    backend = backend or tone_reader()
    return LongformTranscriber(
        Recognizer(backend, backend.decoding.tokenizer, backend.decoding),
        detector or EnergyDetector(),
        ChunkingOptions(**options),
        batch_size,
    )


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "gigaam-longform"]


# Text, words, boundaries


@pytest.mark.parametrize("detector", [EnergyDetector(), EverythingIsSpeech()], ids=["vad", "none"])
def test_speech_without_a_pause_is_read_whole(detector):
    words = words_of(400)  # over three minutes
    result = transcriber(detector=detector).transcribe(
        speak(words), input_rate=RATE, word_timestamps=True
    )
    assert isinstance(result, LongformTranscriptionResult)
    assert result.text.split() == words
    assert [word.text for word in result.words] == words
    starts = np.array([word.start for word in result.words])
    assert np.abs(starts - 0.48 * np.arange(400)).max() < 0.05
    assert result.duration == pytest.approx(192)
    for before, after in pairwise(result):
        assert before.end == after.start  # no pause between windows
    assert max(segment.end - segment.start for segment in result) < 24


def test_sentences_are_timed_in_the_recording():
    words = words_of(120, seed=1)
    sentences = [words[n : n + 10] for n in range(0, 120, 10)]
    parts = []
    for number, sentence in enumerate(sentences):
        parts += [speak(sentence), silence(0.4 + number % 5)]
    recording = np.concatenate([silence(1.0), *parts])
    result = transcriber().transcribe(recording, input_rate=RATE, word_timestamps=True)
    assert result.text.split() == words
    position = 1.0
    expected = []
    for pause in parts[1::2]:
        expected += [position + 0.48 * n for n in range(10)]
        position += 4.8 + len(pause) / RATE
    assert [word.start for word in result.words] == pytest.approx(expected, abs=0.05)
    for segment in result:
        assert segment.start <= segment.words[0].start
        assert segment.end >= segment.words[-1].end
        assert segment.text.strip() == " ".join(word.text for word in segment.words)
        assert 0.5 < segment.confidence <= 1
        assert segment.end - segment.start <= 22


def test_words_are_there_when_asked_for_and_change_nothing():
    recording = speak(words_of(100))
    plain = transcriber().transcribe(recording, input_rate=RATE)
    timed = transcriber().transcribe(recording, input_rate=RATE, word_timestamps=True)
    assert plain.words is None
    assert not plain.has_word_timestamps
    assert [(s.text, s.start, s.end) for s in plain] == [(s.text, s.start, s.end) for s in timed]


def test_iterating_gives_the_same_segments():
    recording = speak(words_of(200))
    whole = transcriber().transcribe(recording, input_rate=RATE)
    assert list(transcriber().iter_segments(recording, input_rate=RATE)) == list(whole)


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_batches_change_nothing_but_stay_in_their_size(batch_size):
    parts = []
    for number, word in enumerate(words_of(100)):
        parts += [speak([word] * (1 + number % 7)), silence(0.2 + number % 11)]
    recording = np.concatenate(parts)
    backend = tone_reader()
    result = transcriber(backend, batch_size=batch_size).transcribe(recording, input_rate=RATE)
    assert result == transcriber().transcribe(recording, input_rate=RATE)
    sizes = [len(batch) * max(batch) / RATE for batch in backend.batches]
    assert max(sizes) <= 30 * batch_size
    assert sizes[0] <= 30
    assert max(sizes) > 15 * batch_size


def test_silence_gives_no_segments():
    backend = tone_reader()
    result = transcriber(backend).transcribe(silence(100), input_rate=RATE, word_timestamps=True)
    assert list(result) == []
    assert result.duration == 100
    assert result.words == []
    assert backend.batches == []


@pytest.mark.parametrize("samples", [1, 160, 1599])
@pytest.mark.parametrize("detector", [EnergyDetector(), EverythingIsSpeech()], ids=["vad", "none"])
def test_a_moment_is_enough(samples, detector):
    result = transcriber(detector=detector).transcribe(
        np.full(samples, 1e-3, np.float32), input_rate=RATE
    )
    assert list(result) == []
    assert result.duration == samples / RATE


def test_speech_the_detector_does_not_notice_is_not_lost():
    words = words_of(125)
    loud, quiet = speak(words[:50]), speak(words[50:100], level=0.2)
    pause = silence(1.0)
    recording = np.concatenate([loud, pause, quiet, pause, speak(words[100:])])
    deaf = EnergyDetector(threshold=0.3)
    result = transcriber(detector=deaf).transcribe(recording, input_rate=RATE)
    assert result.text.split() == words
    off = transcriber(detector=deaf, decode_loud_gaps=False)
    assert set(off.transcribe(recording, input_rate=RATE).text.split()).isdisjoint(words[50:100])
    nothing = EnergyDetector(threshold=2.0)
    assert (
        transcriber(detector=nothing).transcribe(quiet, input_rate=RATE).text.split()
        == (words[50:100])
    )


def test_unsure_words_of_a_loud_gap_are_dropped(rng):
    noise = rng.uniform(-0.39, 0.39, 30 * RATE).astype(np.float32)
    words = words_of(40)
    recording = np.concatenate([speak(words), silence(1), noise])
    detector = EnergyDetector(threshold=0.4)
    assert transcriber(detector=detector).transcribe(recording, input_rate=RATE).text.split() == (
        words
    )
    kept = transcriber(detector=detector, gap_min_confidence=0.0)
    assert len(kept.transcribe(recording, input_rate=RATE).text.split()) > 40


# The run


class Endless(io.RawIOBase):
    """A WAV stream that never ends, or breaks off with an error; it counts what is read."""

    def __init__(self, samples: NDArray[np.float32], fails_after_s: float | None = None) -> None:
        header = io.BytesIO()
        with wave.open(header, "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(b"\0\0")
        head = bytearray(header.getvalue()[:44])
        head[4:8] = head[40:44] = b"\xff\xff\xff\xff"
        self.data = (samples * 32767).astype("<i2").tobytes()
        self.head = bytes(head)
        self.given = 0
        self.fails_after = None if fails_after_s is None else round(fails_after_s * RATE * 2)

    @property
    def seconds_read(self) -> float:
        return self.given / RATE / 2

    def seekable(self):
        return False

    def readable(self):
        return True

    def read(self, size=-1):
        if self.head:
            piece, self.head = self.head[:size], self.head[size:]
            return piece
        if self.fails_after is not None and self.given > self.fails_after:
            raise ConnectionResetError("the other side hung up")
        size = min(max(size, 1), 1 << 16)
        first = self.given % len(self.data)
        piece = self.data[first : first + size]
        self.given += len(piece)
        return piece


def test_segments_come_while_the_recording_goes_on():
    stream = Endless(speak(words_of(500)))
    segments = transcriber(tone_reader(seconds_per_batch=0.01)).iter_segments(stream)
    first = next(segments)
    assert first.text.split() == words_of(500)[: len(first.text.split())]
    assert stream.seconds_read < 300  # a chunk, the batches after it and what the plan holds
    for _ in range(40):
        next(segments)
    assert threads()
    segments.close()
    assert not threads()
    time.sleep(0.05)
    read = stream.seconds_read
    time.sleep(0.1)
    assert stream.seconds_read == read


def test_what_is_held_does_not_grow():
    """The source is never further ahead of the results than some batches."""
    stream = Endless(np.concatenate([speak(words_of(60)), silence(3)]))
    ahead = []
    segments = transcriber(batch_size=2).iter_segments(stream)
    while stream.seconds_read < 1500:
        ahead.append(stream.seconds_read - next(segments).end)
    segments.close()
    assert max(ahead) < 2 * 2 * 30 + 240


def test_an_interruption_while_the_thread_starts_leaves_none():
    """Ctrl-C is handled wherever the main thread is, in a library's code as well."""

    def interrupt(frame, event, argument):
        if event == "return" and frame.f_code is threading.Thread.start.__code__:
            sys.setprofile(None)
            raise KeyboardInterrupt

    recording = np.tile(speak(words_of(60)), 20)
    segments = transcriber(detector=EverythingIsSpeech()).iter_segments(recording, input_rate=RATE)
    sys.setprofile(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            next(segments)
    finally:
        sys.setprofile(None)
    assert not threads()


OPEN_AT_THE_END = """
import sys
import numpy as np
import gigaam
from gigaam.audio import read_audio
recording = np.tile(read_audio(sys.argv[1]), 60)
segments = gigaam.load_model("tiny_ctc", device="cpu").iter_longform(recording, input_rate=16_000)
next(segments)
"""


def test_a_program_may_end_before_the_recording(example):
    done = subprocess.run(
        [sys.executable, "-c", OPEN_AT_THE_END, example], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_error_comes_after_the_segments_before_it():
    words = words_of(500)
    stream = Endless(speak(words), fails_after_s=100)
    segments = transcriber().iter_segments(stream)
    found = []
    with pytest.raises((OSError, AudioError)):
        found.extend(word for segment in segments for word in segment.text.split())
    assert found[:190] == words[:190]
    assert not threads()


def test_an_error_of_the_recogniser_or_the_detector_ends_the_run():
    class Broken(ToneReader):
        def encode(self, waveforms):
            if len(self.batches) == 2:
                raise RuntimeError("out of memory")
            return super().encode(waveforms)

    class BrokenDetector(EnergyDetector):
        def stream(self):
            raise LookupError("no such model")

    recording = speak(words_of(500))
    segments = transcriber(tone_reader(Broken), batch_size=1).iter_segments(
        recording, input_rate=RATE
    )
    next(segments)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(segments)
    with pytest.raises(LookupError, match="no such model"):
        transcriber(detector=BrokenDetector()).transcribe(recording, input_rate=RATE)
    assert not threads()


def test_arguments_and_files_are_checked_before_the_first_segment(tmp_path):
    with pytest.raises(AudioFileNotFoundError):
        transcriber().iter_segments(tmp_path / "missing.wav")
    with pytest.raises(AudioError, match="input_rate"):
        transcriber().iter_segments(np.zeros(100, np.float32))
    with pytest.raises(ArgumentError, match="batch_size"):
        transcriber(batch_size=0)
    unused = transcriber().iter_segments(np.zeros(100, np.float32), input_rate=RATE)
    del unused
    gc.collect()
    assert not threads()


def test_a_file_that_is_no_recording_fails(tmp_path):
    path = tmp_path / "empty.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(b"")
    with pytest.raises(AudioError, match="no samples"):
        transcriber().transcribe(path)


def test_progress_goes_up_to_the_whole():
    told = []
    recording = np.concatenate([speak(words_of(200)), silence(100), speak(words_of(50))])
    transcriber(batch_size=1).transcribe(
        recording, input_rate=RATE, progress=lambda done, total: told.append((done, total))
    )
    done = [seconds for seconds, _ in told]
    assert done == sorted(done)
    assert len(set(done)) > 5
    assert {total for _, total in told} == {220.0}
    assert told[-1] == (220.0, 220.0)

    class Cancelled(Exception):
        pass

    def cancel(done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        transcriber().transcribe(recording, input_rate=RATE, progress=cancel)
    assert not threads()


def test_progress_of_a_stream_has_no_total():
    told = []
    segments = transcriber(tone_reader()).iter_segments(
        Endless(speak(words_of(100))), progress=lambda done, total: told.append((done, total))
    )
    for _ in range(5):
        next(segments)
    segments.close()
    assert {total for _, total in told} == {None}


def test_threads_share_a_transcriber():
    shared = transcriber(tone_reader(seconds_per_batch=0.005))
    jobs = [words_of(80, seed) for seed in range(6)]
    found = {}

    def run(number):
        result = shared.transcribe(speak(jobs[number]), input_rate=RATE)
        found[number] = result.text.split()

    running = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert [found[number] for number in range(6)] == jobs


# The models' methods


@pytest.mark.parametrize("name", ["v3_ctc", "v2_rnnt"])
def test_a_short_recording_has_the_text_of_transcribe(name, rng):
    model = random_asr(name)
    recording = rng.normal(0, 0.1, 3 * RATE).astype(np.float32)
    short = model.transcribe(recording, input_rate=RATE, word_timestamps=True)
    assert short
    for vad in (EnergyDetector(), EverythingIsSpeech()):
        (segment,) = model.transcribe_longform(
            recording, input_rate=RATE, word_timestamps=True, vad=vad
        )
        assert segment.text == short.text
        assert segment.words == short.words
        assert segment.confidence == short.confidence


def test_published_keywords():
    model = random_asr("v3_ctc")
    recording = torch.randn(20 * RATE, generator=torch.Generator().manual_seed(0)) * 0.1
    result = model.transcribe_longform(
        recording,
        input_rate=RATE,
        vad=EverythingIsSpeech(),
        max_duration=5.0,
        min_duration=3.0,
        strict_limit_duration=6.0,
        new_chunk_threshold=0.3,
        fr_batch_size=2,
        fr_num_workers=0,
    )
    assert len(result) == 5
    segments = model.iter_longform(
        recording,
        input_rate=RATE,
        vad=EverythingIsSpeech(),
        strict_limit_duration=6.0,
        max_duration=5.0,
    )
    assert [segment["boundaries"] for segment in segments] == [
        segment.boundaries for segment in result
    ]
    with pytest.raises(ArgumentError, match="strict_limit_duration"):
        model.iter_longform(recording, input_rate=RATE, strict_limit_duration=200.0)


@pytest.mark.parametrize("vad", ["silero", "none"])
def test_named_detectors(vad, rng):
    model = random_asr("v3_ctc")
    silent = model.transcribe_longform(silence(30), input_rate=RATE, vad="silero")
    assert list(silent) == []
    noise = rng.normal(0, 0.1, 30 * RATE).astype(np.float32)
    segments = list(model.iter_longform(noise, input_rate=RATE, vad=vad, word_timestamps=True))
    assert all(0 <= segment.start < segment.end <= 30.01 for segment in segments)
    assert bool(segments) == (vad == "none")  # a random net is never sure


# Channels


def test_channels_are_recognised_apart_and_interleaved():
    talk = [words_of(100, seed=2), words_of(60, seed=3)]
    left = np.concatenate([speak(talk[0]), silence(70)])
    right = np.concatenate([silence(20), speak(talk[1]), silence(1)])
    length = max(len(left), len(right))
    call = np.stack([np.pad(each, (0, length - len(each))) for each in (left, right)])
    done = []
    result = transcriber().transcribe(
        call, input_rate=RATE, channels="split", progress=lambda *each: done.append(each)
    )
    for channel, words in enumerate(talk):
        own = [segment for segment in result if segment.channel == channel]
        alone = transcriber().transcribe(call[channel], input_rate=RATE, segments="phrases")
        assert [(s.text, s.start, s.end) for s in own] == [(s.text, s.start, s.end) for s in alone]
        assert " ".join(segment.text for segment in own).split() == words
    assert [s.start for s in result] == sorted(s.start for s in result)
    assert result.duration == pytest.approx(length / RATE)
    assert [seconds for seconds, _ in done] == sorted(seconds for seconds, _ in done)
    assert done[-1] == (pytest.approx(length / RATE),) * 2
    assert not threads()


def test_a_mixed_recording_has_no_channels_and_one_channel_is_the_first():
    recording = speak(words_of(5))
    (mixed,) = transcriber().transcribe(recording, input_rate=RATE)
    (split,) = transcriber().transcribe(recording, input_rate=RATE, channels="split")
    assert (mixed.channel, split.channel) == (None, 0)
    assert mixed.text.strip() == split.text


def test_a_stream_can_be_split(tmp_path):
    words = words_of(20)
    samples = (speak(words) * 32767).astype(np.int16)
    with wave.open(str(tmp_path / "call.wav"), "wb") as file:
        file.setparams((2, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.stack([samples, np.zeros_like(samples)], axis=1).tobytes())
    with (tmp_path / "call.wav").open("rb") as stream:
        result = transcriber().transcribe(stream, channels="split")
    assert {segment.channel for segment in result} == {0}
    assert result.text.split() == words


def test_a_dialogue_reads_as_one():
    """Turns that the pauses of one speaker leave to the other, up to eight seconds each."""
    turns = [words_of(count, seed=count) for count in (6, 12, 3, 16, 9, 2, 14)]
    pause = silence(0.6)
    channels = ([], [])
    for number, turn in enumerate(turns):
        spoken = np.concatenate([pause, speak(turn)])
        channels[number % 2].append(spoken)
        channels[1 - number % 2].append(np.zeros_like(spoken))
    call = np.stack([np.concatenate(channel) for channel in channels])
    result = transcriber().transcribe(call, input_rate=RATE, channels="split")
    assert [(s.channel, s.text) for s in result] == [
        (number % 2, " ".join(turn)) for number, turn in enumerate(turns)
    ]
    assert all(one.end < other.start for one, other in pairwise(result))
    chunks = transcriber().transcribe(call, input_rate=RATE, channels="split", segments="chunks")
    assert any(one.end > other.start for one, other in pairwise(chunks))
    assert [s.words for s in result] == [None] * len(turns)
    streamed = transcriber().iter_segments(
        call, input_rate=RATE, channels="split", word_timestamps=True
    )
    with_words = list(streamed)
    assert [(s.text, s.start, s.end, s.confidence) for s in with_words] == [
        (s.text, s.start, s.end, s.confidence) for s in result
    ]
    assert [s.text for s in with_words] == [" ".join(w.text for w in s.words) for s in with_words]


def test_phrases_end_at_the_pause_that_is_named():
    recording = np.concatenate([speak(words_of(5)), silence(2), speak(words_of(5, seed=1))])
    whole = transcriber().transcribe(recording, input_rate=RATE)
    assert len(whole) == 1

    def count(**call: object) -> int:
        return len(transcriber().transcribe(recording, input_rate=RATE, **call))

    assert count(segments="chunks") == 1
    assert count(segments="phrases") == 2
    assert count(segments="phrases", max_pause=1.9) == 2
    assert count(segments="phrases", max_pause=3.0) == 1
    assert count(channels="split", max_pause=3) == 1


@pytest.mark.parametrize(
    "call",
    [
        {"segments": "words"},
        {"max_pause": 1.0},
        {"max_pause": 1.0, "segments": "chunks", "channels": "split"},
        {"max_pause": 0.0, "segments": "phrases"},
        {"max_pause": float("nan"), "segments": "phrases"},
        {"max_pause": float("inf"), "channels": "split"},
        {"max_pause": "1", "segments": "phrases"},
        {"max_pause": True, "segments": "phrases"},
    ],
)
def test_segments_that_make_no_sense_are_refused(call):
    with pytest.raises(ArgumentError, match=r"segments|max_pause"):
        transcriber().iter_segments(silence(1), input_rate=RATE, **call)


def test_all_arguments_are_seen_in_both_signatures():
    whole, streamed = (
        inspect.signature(method)
        for method in (GigaAMASR.transcribe_longform, GigaAMASR.iter_longform)
    )
    assert whole.parameters == streamed.parameters
    own = ["self", "wav_file", "word_timestamps", "batch_size"]
    assert list(whole.parameters) == own + list(LongformArguments.__annotations__)
    for name, parameter in whole.parameters.items():
        if name not in own:
            assert parameter.annotation == LongformArguments.__annotations__[name].__forward_arg__
            assert parameter.kind == parameter.KEYWORD_ONLY
    documented = GigaAMASR.transcribe_longform.__doc__
    assert all(f" {name}: " in documented for name in list(whole.parameters)[1:])


def test_other_channels_are_refused():
    with pytest.raises(ArgumentError, match="channels"):
        transcriber().iter_segments(silence(1), input_rate=RATE, channels="left")
