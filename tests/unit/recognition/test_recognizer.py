import gc
import io
import threading
import wave
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gigaam.errors import (
    ArgumentError,
    AudioDecodingError,
    AudioError,
    AudioFileNotFoundError,
    AudioTooLongError,
)
from gigaam.recognition.recognizer import Recognizer
from gigaam.types import TranscriptionResult
from tests.examples import examples
from tests.tones import LETTERS, ToneReader, tone

RATE = 16_000
FRAME = 640  # samples per frame of the toy model: 40 ms


def speak(text: str, silence_frames: int = 0) -> NDArray[np.float32]:
    """A recording in which each letter is a tone of one frame, followed by a silent frame."""
    frames = np.zeros((2 * len(text) + silence_frames, FRAME), np.float32)
    for position, letter in enumerate(text):
        frames[2 * position] = 0.5 * tone(letter, FRAME)
    return frames.reshape(-1)


def write_wav(path: Path, samples: NDArray[np.float32]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def tone_reader(kind: type[ToneReader] = ToneReader, **options: float) -> ToneReader:
    return kind(FRAME, blank=50.0, softness=20.0, **options)


def recognizer(backend: ToneReader | None = None, **options: float) -> Recognizer:
    backend = backend or tone_reader()
    return Recognizer(backend, backend.decoding.tokenizer, backend.decoding, **options)


def texts_of(count: int) -> list[str]:
    rng = np.random.default_rng(count)
    return ["".join(rng.choice(list(LETTERS[1:]), size=rng.integers(1, 12))) for _ in range(count)]


# One recording


def test_one_recording_gives_one_result():
    result = recognizer().transcribe(speak("да нет"), input_rate=RATE)
    assert type(result) is TranscriptionResult
    assert result == "да нет"
    assert result.words is None
    assert 0.8 < result.confidence <= 1
    assert result.hypothesis.frames.tolist() == [0, 2, 4, 6, 8, 10]


def test_words_are_timed_by_the_recordings_own_frames():
    samples = np.append(speak("да нет"), np.zeros(300, np.float32))  # 12 frames and a bit
    result = recognizer().transcribe(samples, input_rate=RATE, word_timestamps=True)
    shift = len(samples) / RATE / 12
    assert [(word.text, word.start, word.end) for word in result.words] == [
        ("да", 0.0, pytest.approx(3 * shift)),
        ("нет", pytest.approx(6 * shift), pytest.approx(11 * shift)),
    ]


def test_every_form_of_one_recording(tmp_path):
    path = write_wav(tmp_path / "да.wav", speak("да"))
    content = path.read_bytes()
    for source in (path, str(path), content, io.BytesIO(content)):
        assert recognizer().transcribe(source) == "да"
    with path.open("rb") as file:
        assert recognizer().transcribe(file) == "да"
    stereo = np.stack([speak("да")] * 2)
    assert recognizer().transcribe(stereo, input_rate=RATE) == "да"


def test_silence_is_an_empty_text_without_words():
    result = recognizer().transcribe(np.zeros(RATE), input_rate=RATE, word_timestamps=True)
    assert result == ""
    assert result.words == []
    assert result.confidence == 0.0


def test_one_sample_is_enough():
    assert recognizer().transcribe(np.zeros(1, np.float32), input_rate=RATE) == ""


def test_error_of_one_recording(tmp_path):
    missing = tmp_path / "missing.wav"
    with pytest.raises(AudioFileNotFoundError, match=r"missing\.wav"):
        recognizer().transcribe(missing)
    error = recognizer().transcribe(missing, on_error="return")
    assert isinstance(error, AudioFileNotFoundError)


# Many recordings


def test_no_recordings_give_no_results():
    backend = tone_reader()
    assert recognizer(backend).transcribe([]) == []
    assert backend.batches == []


def test_a_list_of_one_is_a_list():
    assert recognizer().transcribe([speak("да")], input_rate=RATE) == ["да"]


@settings(deadline=None, max_examples=examples(30))
@given(
    st.lists(st.text(LETTERS[1:], min_size=1, max_size=8), max_size=40),
    st.integers(1, 9),
)
def test_results_come_in_order_whatever_the_batches(texts, batch_size):
    backend = tone_reader()
    sources = [speak(text) for text in texts]
    results = recognizer(backend).transcribe(sources, batch_size=batch_size, input_rate=RATE)
    assert results == texts
    assert max(map(len, backend.batches), default=0) <= batch_size


def test_sixteen_recordings_are_two_batches_of_like_lengths():
    backend = tone_reader()
    texts = texts_of(16)
    sources = [speak(text) for text in texts]
    assert recognizer(backend).transcribe(sources, batch_size=8, input_rate=RATE) == texts
    assert [len(batch) for batch in backend.batches] == [8, 8]
    longer, shorter = backend.batches
    assert min(longer) >= max(shorter)


def test_a_batch_changes_nothing():
    texts = texts_of(9)
    sources = [speak(text, silence_frames=index) for index, text in enumerate(texts)]
    options = {"input_rate": RATE, "word_timestamps": True}
    together = recognizer().transcribe(sources, batch_size=4, **options)
    for source, result in zip(sources, together, strict=True):
        alone = recognizer().transcribe(source, **options)
        assert alone.to_dict() == result.to_dict()


def test_many_may_be_any_iterable_of_sources(tmp_path):
    texts = ["да", "нет", "ага"]
    paths = [write_wav(tmp_path / f"{n}.wav", speak(text)) for n, text in enumerate(texts)]
    names = [str(path) for path in paths]
    for sources in (
        paths,
        tuple(names),
        (path for path in paths),
        map(str, paths),
        pd.DataFrame({"path": names})["path"],
        pd.Series(paths),
        np.array(names),
    ):
        assert recognizer().transcribe(sources) == texts


def test_a_generator_is_drawn_in_the_callers_thread_a_window_at_a_time():
    """So that memory does not grow with the number of recordings."""
    backend = tone_reader()
    drawn_before_each_batch = []
    threads = set()
    drawn = 0

    def sources():
        nonlocal drawn
        for text in texts:
            drawn += 1
            threads.add(threading.get_ident())
            yield speak(text)

    class Watched(ToneReader):
        def encode(self, waveforms):
            drawn_before_each_batch.append(drawn)
            return super().encode(waveforms)

    texts = texts_of(100)
    backend = tone_reader(Watched)
    results = recognizer(backend).transcribe(sources(), batch_size=2, input_rate=RATE)
    assert results == texts
    assert threads == {threading.get_ident()}
    assert len(backend.batches) == 50
    done_before = np.arange(50) * 2
    assert max(np.array(drawn_before_each_batch) - done_before) <= 32  # two windows of 8 batches


def test_next_recordings_are_loaded_while_the_encoder_runs():
    class SlowFile(io.BytesIO):
        def read(self, *args):
            loading.append(threading.current_thread() is not threading.main_thread())
            return super().read(*args)

    loading: list[bool] = []
    backend = tone_reader()
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((speak("да") * 32767).astype("<i2").tobytes())
    files = [SlowFile(buffer.getvalue()) for _ in range(20)]
    assert recognizer(backend).transcribe(files, batch_size=1) == ["да"] * 20
    assert not loading[0]
    assert loading[-1]


# Errors


def test_too_long_names_the_long_form(tmp_path):
    model = recognizer(max_duration_s=2.0)
    assert model.transcribe(speak("а" * 25), input_rate=RATE) == "а" * 25  # 2 s exactly
    long = np.zeros(2 * RATE + 160, np.float32)
    with pytest.raises(AudioTooLongError, match=r"2 s.*transcribe_longform") as caught:
        model.transcribe(long, input_rate=RATE)
    assert isinstance(caught.value, ValueError)
    path = write_wav(tmp_path / "lecture.wav", long)
    with pytest.raises(AudioTooLongError, match=r"lecture\.wav"):
        model.transcribe([path])


def test_limit_is_thirty_seconds():
    recognizer().transcribe(np.zeros(30 * RATE, np.float32), input_rate=RATE)
    with pytest.raises(AudioTooLongError, match="30 s"):
        recognizer().transcribe(np.zeros(30 * RATE + 100, np.float32), input_rate=RATE)


def test_failed_recordings_keep_their_places(tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_text("this is no recording")
    backend = tone_reader()
    sources = [
        speak("да"),
        tmp_path / "missing.wav",
        np.array([], np.float32),
        speak("нет"),
        broken,
        np.zeros(31 * RATE, np.float32),
        speak("ага"),
    ]
    results = recognizer(backend).transcribe(sources, on_error="return", input_rate=RATE)
    assert [results[0], results[3], results[6]] == ["да", "нет", "ага"]
    assert [type(results[i]) for i in (1, 4, 5)] == [
        AudioFileNotFoundError,
        AudioDecodingError,
        AudioTooLongError,
    ]
    assert isinstance(results[2], AudioError)
    assert len(backend.batches) == 1

    with pytest.raises(AudioFileNotFoundError):
        recognizer(backend).transcribe(sources, input_rate=RATE)
    assert len(backend.batches) == 1  # nothing was encoded in vain


def test_a_batch_that_does_not_fit_is_retried_one_by_one():
    texts = ["да", "нет", "а" * 40, "ага", "год"]
    backend = tone_reader(memory_samples=10_000)  # the long one does not fit even alone
    sources = [speak(text) for text in texts]
    results = recognizer(backend).transcribe(sources, on_error="return", input_rate=RATE)
    assert results[:2] + results[3:] == texts[:2] + texts[3:]
    assert isinstance(results[2], RuntimeError)
    assert [len(batch) for batch in backend.batches] == [5, 1, 1, 1, 1, 1]

    with pytest.raises(RuntimeError, match="out of memory"):
        recognizer(backend).transcribe(sources, input_rate=RATE)


def test_a_returned_error_does_not_hold_the_batch():
    class Holding(ToneReader):
        def encode(self, waveforms):
            held = np.zeros(10)
            holds.append(weakref.ref(held))
            return super().encode(waveforms)

    holds = []
    result = recognizer(tone_reader(Holding, memory_samples=1)).transcribe(
        [speak("да"), speak("нет")], on_error="return", input_rate=RATE
    )
    gc.collect()
    assert [type(error) for error in result] == [RuntimeError, RuntimeError]
    assert [ref() for ref in holds] == [None, None, None]


def test_an_error_of_the_callers_generator_is_the_callers():
    def sources():
        yield speak("да")
        raise LookupError("the list ended early")

    with pytest.raises(LookupError, match="ended early"):
        recognizer().transcribe(sources(), on_error="return", input_rate=RATE)


def test_no_thread_stays_behind_after_an_error():
    sources = [speak("да")] * 20
    with pytest.raises(RuntimeError, match="out of memory") as caught:
        recognizer(tone_reader(memory_samples=1)).transcribe(sources, batch_size=1, input_rate=RATE)
    assert caught.tb is not None  # and keeps every frame of the call alive
    assert not [t for t in threading.enumerate() if t.name.startswith("gigaam-audio")]


@pytest.mark.parametrize(
    "options", [{"batch_size": 0}, {"batch_size": -1}, {"on_error": "ignore"}], ids=str
)
def test_arguments_out_of_range(options):
    with pytest.raises(ArgumentError, match=next(iter(options))):
        recognizer().transcribe([], **options)


# Threads


def test_eight_threads_share_a_recognizer():
    shared = recognizer(tone_reader(seconds_per_batch=0.002))
    jobs = [texts_of(count) for count in range(20, 28)]

    def transcribe(texts):
        sources = [speak(text) for text in texts]
        return shared.transcribe(sources, batch_size=2, input_rate=RATE)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(transcribe, jobs)) == jobs
