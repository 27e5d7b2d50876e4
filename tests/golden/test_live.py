"""Live sessions with the packaged models: their finals are what the file path gives."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import gigaam
from gigaam.live import Event, Final, LiveRecognizer, LiveSession, Partial
from gigaam.recognition import SpeechRecognition
from gigaam.types import Segment
from recipes.tiny.long_recordings import ROOM_LEVEL, music, parts, white_noise
from tests.exports import export_once
from tests.long_recordings import RATE, Spoken, held_out

Sound = NDArray[np.int16]


@pytest.fixture(scope="module")
def recordings() -> list[Spoken]:
    return held_out("dev")


@pytest.fixture(scope="module")
def talk(recordings: list[Spoken]) -> Sound:
    """Two minutes of sentences with pauses, noise and music between them."""
    return in_a_room([part for pair in parts(recordings, 120, 3) for part in pair[:1]])


@pytest.fixture(scope="module", params=["tiny_ctc", "tiny_rnnt", "tiny_ctc int8", "tiny_rnnt int8"])
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> SpeechRecognition:
    name, _, dtype = request.param.partition(" ")
    loaded = gigaam.load_model(name, device="cpu")
    if not dtype:
        return loaded
    directory = export_once(tmp_path_factory, name, loaded, "int8")
    return gigaam.load_model(directory)


def in_a_room(sounds: Sequence[NDArray[np.float64]]) -> Sound:
    sound = np.concatenate(sounds)
    noise = ROOM_LEVEL * np.random.default_rng(1).standard_normal(len(sound))
    return np.clip(np.rint(sound + noise), -32768, 32767).astype(np.int16)


def followed(live: LiveSession, sound: Sound, piece_s: float = 0.1) -> list[Event]:
    size = round(piece_s * RATE)
    events: list[Event] = []
    for start in range(0, len(sound), size):
        events += live.push(sound[start : start + size].tobytes())
    return events + live.finish()


def finals(events: Sequence[Event]) -> list[Final]:
    return [event for event in events if isinstance(event, Final)]


def of_the_file(model: SpeechRecognition, sound: Sound, final: Final) -> list[Segment]:
    """What the long form gives for an utterance's sound alone, timed in the stream."""
    start, end = final.utterance
    stretch = sound[round(start * RATE) : round(end * RATE)]
    found = model.transcribe_longform(stretch, True, vad="silero", input_rate=RATE)
    return [
        replace(
            segment,
            start=segment.start + start,
            end=segment.end + start,
            words=[replace(w, start=w.start + start, end=w.end + start) for w in segment.words],
        )
        for segment in found
    ]


def without_confidences(segments: Sequence[Segment]) -> list[Segment]:
    """They differ by rounding: the long form has batches."""
    return [
        replace(segment, confidence=None, words=[replace(w, confidence=1.0) for w in segment.words])
        for segment in segments
    ]


def confidences(segments: Sequence[Segment]) -> list[float]:
    return [word.confidence for segment in segments for word in segment.words]


def test_finals_are_what_the_file_path_gives(model: SpeechRecognition, talk: Sound) -> None:
    events = followed(model.live(RATE, word_timestamps=True), talk)
    told = [final.segment for final in finals(events) if final.segment.text]
    ends = [final for final in finals(events) if final.reason != "cut"]
    wanted = [segment for end in ends for segment in of_the_file(model, talk, end)]
    assert without_confidences(told) == without_confidences(wanted)
    assert confidences(told) == pytest.approx(confidences(wanted), abs=1e-5)
    assert len(told) > 10
    assert sum(isinstance(event, Partial) for event in events) > 50


def test_hotwords_and_a_language_model_are_heard_live(packaged_model, example: Path) -> None:
    sound = gigaam.load_audio(str(example)).numpy()
    options = {"hotwords": ["довольно хныкать"], "lm": "packaged"}
    live = packaged_model.live(RATE, **options)
    events = [e for at in range(0, len(sound), 1600) for e in live.push(sound[at : at + 1600])]
    events += live.finish()
    text = " ".join(final.segment.text for final in finals(events))
    assert "довольно хныкать" in text
    assert any("довольно хныкать" in event.text for event in events if isinstance(event, Partial))


def test_eight_sessions_in_threads_get_what_each_gets_alone(packaged_model, recordings) -> None:
    sounds = [
        in_a_room([part for pair in parts(recordings, 12, seed) for part in pair[:1]])
        for seed in range(8)
    ]
    alone = [finals(followed(packaged_model.live(RATE, word_timestamps=True), s)) for s in sounds]
    shared = LiveRecognizer(packaged_model)

    def together(sound: Sound) -> list[Final]:
        return finals(followed(shared.session(RATE, word_timestamps=True), sound))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(together, sounds)) == alone


@pytest.mark.parametrize("kind", [white_noise, music])
def test_noise_gives_no_more_text_than_the_file_path(packaged_model, kind) -> None:
    rng = np.random.default_rng(11)
    sound = in_a_room([1500 * kind(rng, 20 * RATE), np.zeros(2 * RATE)])
    live = packaged_model.live(RATE, word_timestamps=True)
    told = [final.segment for final in finals(followed(live, sound))]
    file = packaged_model.transcribe_longform(sound, True, vad="silero", input_rate=RATE)
    assert sum(len(segment.words) for segment in told) <= len(file.words)


MEASURE = """
import json, sys, time
from pathlib import Path
import numpy as np
import gigaam
from gigaam.audio import iter_audio

def now_mb():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024

path = sys.argv[1]
live = gigaam.load_model("tiny_ctc", device="cpu").live(16000)
began, sizes, events, seconds = time.process_time(), [], 0, 0.0
for block in iter_audio(path, block_s=0.1):
    events += len(live.push(block))
    seconds += 0.1
    if round(seconds * 10) % 6000 == 0:
        sizes.append(now_mb())
events += len(live.finish())
print(json.dumps({"cpu_s": time.process_time() - began, "mb": sizes, "events": events}))
"""


def measured(path: Path) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], check=True, capture_output=True, text=True
    )
    report = json.loads(done.stdout.splitlines()[-1])
    print(path.name, report)
    return report


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hours_in_constant_memory(recordings: list[Spoken], tmp_path: Path) -> None:
    from tests.long_recordings import write_long

    write_long(tmp_path / "two.wav", recordings, 2 * 3600)
    sizes = measured(tmp_path / "two.wav")["mb"]
    assert max(sizes[3:]) - max(sizes[:3]) < 30


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_hour_of_silence_costs_little(tmp_path: Path) -> None:
    import wave

    room = np.random.default_rng(2)
    with wave.open(str(tmp_path / "silence.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        for _ in range(3600):
            noise = ROOM_LEVEL * room.standard_normal(RATE)
            file.writeframes(np.rint(noise).astype("<i2").tobytes())
    report = measured(tmp_path / "silence.wav")
    assert report["events"] == 0
    assert report["cpu_s"] < 0.03 * 3600
