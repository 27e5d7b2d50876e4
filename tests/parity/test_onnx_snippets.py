"""The two ONNX snippets of the published documentation, word for word."""

import shutil
import wave
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import gigaam
from gigaam.onnx_utils import load_onnx_sessions, transcribe_sample
from tests.publishing import talkative_head

EXPORT = """\
onnx_dir = "onnx"
model_type = "rnnt" # or "ctc"

model = gigaam.load_model(
   model_type,
   fp16_encoder=False,  # only fp32 tensors
   use_flash=False,  # disable flash attention
)
model.to_onnx(dir_path=onnx_dir)
"""
TRANSCRIBE = """\
from gigaam.onnx_utils import load_onnx_sessions, transcribe_sample

sessions = load_onnx_sessions(onnx_dir, model_type)
transcribe_sample("example.wav", model_type, sessions)
"""
NAMED = '"rnnt" # or "ctc"'
"""What stands for another model when it is replaced: the only change to what is documented."""


@pytest.fixture
def directory(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that holds the recording."""
    directory = tmp_path / "work"
    directory.mkdir()
    shutil.copy(example, directory / "example.wav")
    monkeypatch.chdir(directory)
    return directory


def write_noise(path: Path) -> None:
    noise = np.random.default_rng(5).standard_normal(4 * 16_000) * 0.1
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.round(noise * 32767).astype("<i2").tobytes())


def run(export: str) -> tuple[dict[str, Any], str]:
    """Runs both snippets; gives their names, and the text of the last line."""
    assert export in (EXPORT, *(EXPORT.replace(NAMED, f'"{name}"') for name in ("ctc", "tiny_ctc")))
    names: dict[str, Any] = {"gigaam": gigaam}
    exec(export, names)
    body, last = TRANSCRIBE.rstrip().rsplit("\n", 1)
    exec(body, names)
    return names, eval(last, names)


@pytest.mark.parametrize("model_type", ["rnnt", pytest.param("ctc", marks=pytest.mark.slow)])
def test_as_written(model_type: str, publish, directory: Path, tmp_path: Path) -> None:
    """With a small random model, published under the documented name, that hears noise."""
    write_noise(directory / "example.wav")
    publish(f"v2_{model_type}", talkative_head(f"v2_{model_type}", tmp_path / "plain"))
    names, text = run(EXPORT if model_type == "rnnt" else EXPORT.replace(NAMED, '"ctc"'))
    assert text == names["model"].transcribe("example.wav")
    assert len(text.split()) >= 5
    # Sessions that the user opened, of a model in another directory and under its full name.
    parts = ["_encoder", "_decoder", "_joint"] if model_type == "rnnt" else [""]
    opened = [
        onnxruntime.InferenceSession(
            f"onnx/v2_{model_type}{part}.onnx", providers=["CPUExecutionProvider"]
        )
        for part in parts
    ]
    assert len(names["sessions"]) == len(opened)
    assert transcribe_sample("example.wav", model_type, opened) == text
    assert transcribe_sample("example.wav", f"v2_{model_type}", opened) == text
    # Beside a model of another version the documented name is the second one's, as published.
    for path in Path("onnx").iterdir():
        shutil.copy(path, path.with_name(path.name.replace("v2", "v1")))
    assert len(load_onnx_sessions("onnx", model_type)) == len(opened)
    assert len(load_onnx_sessions("onnx", model_type, "v1")) == len(opened)


def test_with_the_packaged_model(
    packaged_model: gigaam.GigaAMASR, directory: Path, example_text: str
) -> None:
    names, text = run(EXPORT.replace(NAMED, '"tiny_ctc"'))
    assert text == packaged_model.transcribe("example.wav")
    assert len(text.split()) >= 5
    by_kind = load_onnx_sessions("onnx", "ctc")
    assert transcribe_sample("example.wav", "ctc", by_kind) == text
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    opened = [
        onnxruntime.InferenceSession(
            "onnx/tiny_ctc.onnx", options, providers=["CPUExecutionProvider"]
        )
    ]
    assert transcribe_sample("example.wav", "ctc", opened) == text
    assert [each.name for each in names["sessions"][0].get_inputs()] == [
        "features",
        "feature_lengths",
    ]
