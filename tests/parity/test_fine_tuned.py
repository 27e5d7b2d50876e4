"""What fine-tuning leaves behind is a model like any other: it is killed, resumed, exported."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

import gigaam
from gigaam.onnx import load
from gigaam.training import fine_tune, read_manifest, read_options
from gigaam.training.data import SpeechFiles
from tests.toy_recordings import words, write_manifest
from tests.toy_training import toy_config

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:lightning.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture
def toys(tmp_path: Path) -> Path:
    """A folder with manifests and architectures."""
    for kind in ("ctc", "rnnt"):
        (tmp_path / f"{kind}.yaml").write_text(yaml.safe_dump(toy_config(kind)))
    write_manifest(tmp_path / "train.tsv", words(40))
    write_manifest(tmp_path / "dev.tsv", words(6, seed=1))
    return tmp_path


def arguments(folder: Path, out: str, kind: str = "ctc", steps: int = 12) -> list[str]:
    return [
        f"out={folder / out}",
        f"model.architecture={folder / kind}.yaml",
        f"data.train=[{folder / 'train.tsv'}]",
        f"data.dev=[{folder / 'dev.tsv'}]",
        "data.batch_s=6",
        f"training.steps={steps}",
        f"training.eval_every={steps}",
        "training.save_every=5",
        "training.accelerator=cpu",
        "optimizer.peak_lr=1e-2",
    ]


@pytest.mark.parametrize("kind", ["ctc", "rnnt"])
def test_exported_to_onnx_it_says_the_same(toys: Path, kind: str) -> None:
    model = fine_tune(read_options("from_nothing", arguments(toys, kind, kind)), progress=False)
    assert isinstance(model, gigaam.GigaAMASR)
    model.to_onnx(toys / "onnx")
    exported = load(toys / "onnx")
    waveforms = [SpeechFiles().read(each) for each in read_manifest(toys / "dev.tsv")]
    texts = model.transcribe(waveforms, input_rate=16_000)
    assert [str(text) for text in exported.transcribe(waveforms, input_rate=16_000)] == texts


@pytest.mark.slow
def test_killed_command_goes_on_as_if_it_had_not_been(toys: Path) -> None:
    """A real SIGKILL, at any moment after the first checkpoint."""
    steps = 60

    def command(out: str) -> list[str]:
        options = arguments(toys, out, steps=steps)
        return [sys.executable, "-m", "gigaam", "train", "from_nothing", *options, "--quiet"]

    subprocess.run(command("whole"), check=True)
    process = subprocess.Popen(command("cut"))
    last = toys / "cut" / "checkpoints" / "last.ckpt"
    while not last.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (toys / "cut" / "model.safetensors").exists()
    subprocess.run(command("cut"), check=True)
    whole, resumed = (gigaam.load_model(toys / name, device="cpu") for name in ("whole", "cut"))
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_stopped_command_goes_on_as_if_it_had_not_been(toys: Path) -> None:
    """A real Ctrl-C, for a program of its own."""
    steps = 200  # more than are done before it comes
    whole = fine_tune(
        read_options("from_nothing", arguments(toys, "whole", steps=steps)), progress=False
    )
    given = arguments(toys, "cut", steps=steps)
    process = subprocess.Popen(
        [sys.executable, "-m", "gigaam", "train", "from_nothing", *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    last = toys / "cut" / "checkpoints" / "last.ckpt"
    while not last.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    step = torch.load(last, weights_only=True)["global_step"]
    assert 5 <= step < steps
    assert f"gigaam: stopped: step {step} is saved; to resume:\n  gigaam train" in err
    assert not (toys / "cut" / "model.safetensors").exists()
    resumed = fine_tune(read_options("from_nothing", given), progress=False)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


@pytest.mark.slow
def test_two_processes_learn_together(toys: Path) -> None:
    """Each takes its share; the encoder, frozen at first, is thawed in both."""
    options = [
        *arguments(toys, "both", steps=12),
        "training.devices=2",
        "training.strategy=ddp",
        "training.freeze_encoder_steps=4",
    ]
    subprocess.run(
        [sys.executable, "-m", "gigaam", "train", "from_nothing", *options, "--quiet"],
        check=True,
        timeout=250,
    )
    gigaam.load_model(toys / "both", device="cpu")
