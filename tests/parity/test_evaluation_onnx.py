"""Exported models are evaluated as the models are, and without torch."""

import json
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

import gigaam
from gigaam.model import GigaAM
from tests.nets import random_asr, random_emo

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from gigaam.cli import main; main()"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("set")
    samples = np.random.default_rng(5).normal(0, 3000, 16_000 * 4).astype("<i2")
    with wave.open(str(directory / "noise.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    fields = {"path": "noise.wav", "duration": 1, "transcription": "да", "emotion": "sad"}
    lines = [json.dumps(fields | {"offset": offset}) for offset in range(4)]
    (directory / "m.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return directory / "m.jsonl"


@pytest.mark.parametrize("kind", ["ctc", "emo"])
def test_export_says_what_the_model_says(kind: str, manifest: Path, tmp_path: Path) -> None:
    model: GigaAM = random_emo() if kind == "emo" else random_asr("v3_ctc")
    model.save(tmp_path / "model")
    model.to_onnx(tmp_path / "onnx")
    calls = [
        [sys.executable, "-c", WITHOUT_TORCH, "eval", "--onnx", tmp_path / "onnx"],
        [sys.executable, "-m", "gigaam", "eval", tmp_path / "model", "--device", "cpu"],
    ]
    found = []
    for number, call in enumerate(calls):
        file = tmp_path / f"{number}.json"
        done = subprocess.run([*call, manifest, "--json", file], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        content = json.loads(file.read_text(encoding="utf-8"))
        assert content["gigaam"] == gigaam.__version__
        found.append(content["reports"][0])
    exported, own = found
    assert len(own["results"]) == 4
    for one, other in zip(exported["results"], own["results"], strict=True):
        if kind == "emo":
            assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)
        else:
            assert one["hypothesis"] == other["hypothesis"]
    if kind == "ctc":
        assert len({each["hypothesis"] for each in own["results"]}) == 4
        assert exported["raw"] == own["raw"]


def test_one_of_several_models_in_a_directory(manifest: Path, tmp_path: Path) -> None:
    """Named as if it were a file; the directory alone does not say which."""
    random_emo().to_onnx(tmp_path)
    random_asr("v3_ctc").to_onnx(tmp_path)
    evaluate = [sys.executable, "-c", WITHOUT_TORCH, "eval", manifest, "--onnx"]
    both = subprocess.run([*evaluate, tmp_path], capture_output=True, text=True)
    assert both.returncode == 1
    assert "emo, v3_ctc: say which (name=, or DIRECTORY/NAME)" in both.stderr
    one = subprocess.run([*evaluate, tmp_path / "emo"], capture_output=True, text=True)
    assert (one.returncode, one.stderr) == (0, "")
    assert "accuracy" in one.stdout
