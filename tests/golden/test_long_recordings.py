"""Long recordings with the packaged model: nothing that was said may get lost.

The hour, and the six hours of constant memory, are of the slow tier.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import gigaam
from gigaam.evaluation.scoring import ErrorRates, error_rates
from tests.long_recordings import RATE, Spoken, held_out, write_long

SEGMENTATION = os.environ.get("GIGAAM_TEST_SEGMENTATION")
"""A segmentation model of pyannote, for its test."""


@pytest.fixture(scope="module")
def recordings() -> list[Spoken]:
    return held_out()


@dataclass(frozen=True)
class Long:
    """A long recording, what is said in it, and the errors of its parts one by one."""

    path: Path
    text: str
    alone: ErrorRates

    def added_cer(self, model: gigaam.GigaAMASR, **options: Any) -> float:
        """CER of the long form less that of the parts."""
        found = error_rates([self.text], [model.transcribe_longform(self.path, **options).text])
        print(f"{options}: {found}, one by one {self.alone}")
        return found.cer - self.alone.cer


def long_recording(
    model: gigaam.GigaAMASR, recordings: list[Spoken], path: Path, seconds: float
) -> Long:
    texts = write_long(path, recordings, seconds)
    spoken = [each for each in recordings if each.text in texts]
    results = model.transcribe([each.samples for each in spoken], input_rate=RATE)
    heard = {each.text: str(result) for each, result in zip(spoken, results, strict=True)}
    text = " ".join(texts)
    return Long(path, text, error_rates([text], [" ".join(heard[each] for each in texts)]))


@pytest.fixture(scope="module")
def five_minutes(packaged_model, recordings, tmp_path_factory: pytest.TempPathFactory) -> Long:
    path = tmp_path_factory.mktemp("five") / "long.wav"
    return long_recording(packaged_model, recordings, path, 300)


@pytest.fixture(scope="module")
def hour(packaged_model, recordings, tmp_path_factory: pytest.TempPathFactory) -> Long:
    path = tmp_path_factory.mktemp("hour") / "long.wav"
    return long_recording(packaged_model, recordings, path, 3600)


LIMITS = [("silero", 0.01), ("none", 0.02)]


@pytest.mark.parametrize(("vad", "limit"), LIMITS)
def test_five_minutes(packaged_model, five_minutes: Long, vad: str, limit: float) -> None:
    assert five_minutes.added_cer(packaged_model, vad=vad) <= limit


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("vad", "limit"), LIMITS)
def test_an_hour(packaged_model, hour: Long, vad: str, limit: float) -> None:
    assert hour.added_cer(packaged_model, vad=vad) <= limit


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not SEGMENTATION, reason="GIGAAM_TEST_SEGMENTATION names no model")
def test_an_hour_with_pyannote(packaged_model, hour: Long) -> None:
    assert hour.added_cer(packaged_model, vad="pyannote", pyannote_model=SEGMENTATION) <= 0.01


MEASURE = """
import json, sys, time
from pathlib import Path
import gigaam

def peak_mb():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024

path, vad, example = sys.argv[1:]
model = gigaam.load_model("tiny_ctc", device="cpu")
model.transcribe(example)
before = peak_mb()
began = time.monotonic()
first = None
for segment in model.iter_longform(path, vad=vad):
    if first is None:
        first = time.monotonic() - began
print(json.dumps({
    "first_s": first, "all_s": time.monotonic() - began, "end_s": segment.end,
    "more_mb": peak_mb() - before,
}))
"""


def measured(path: Path, vad: str, example: Path) -> dict[str, float]:
    """What a fresh process needs for a long recording."""
    command = [sys.executable, "-c", MEASURE, str(path), vad, str(example)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    report: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(path.name, vad, report)
    return report


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("vad", ["silero", "none"])
def test_six_hours_need_no_more_memory_than_one(
    recordings, example: Path, tmp_path: Path, vad: str
) -> None:
    write_long(tmp_path / "one.wav", recordings, 3600)
    write_long(tmp_path / "six.wav", recordings, 6 * 3600)
    one = measured(tmp_path / "one.wav", vad, example)
    six = measured(tmp_path / "six.wav", vad, example)
    assert six["end_s"] > 5.9 * 3600
    assert six["more_mb"] <= 300
    assert six["all_s"] <= 1.3 * 6 * one["all_s"]
    assert max(one["first_s"], six["first_s"]) <= 10
