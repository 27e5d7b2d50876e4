"""What a model's name or path means, and what opens there."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

import gigaam
import gigaam.onnx
from gigaam.cli import app
from gigaam.errors import ArgumentError, CheckpointError, GigaAMError, UnknownModelError
from gigaam.store import registry
from gigaam.store.exports import Export, find_export
from gigaam.store.resolver import checkpoint_path, find
from tests.nets import random_asr


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """A directory with what looks like two exported models."""
    directory = tmp_path / "several"
    directory.mkdir()
    for name in ("a.onnx", "b_encoder.onnx", "b_decoder.onnx", "b_joint.onnx", "a.yaml"):
        (directory / name).write_bytes(b"no graph")
    return directory


# ── the chain ─────────────────────────────────────────────────────────────────────────────────────


def test_a_name_wins_over_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "v3_ctc").mkdir()
    (tmp_path / "v3_rnnt_encoder.onnx").touch()
    for name in ("v3_ctc", "v3_rnnt"):
        assert find(name) is registry.MODELS[name]
    assert find("rnnt") is registry.MODELS["v2_rnnt"]
    assert find("./v3_ctc") == find(Path("v3_ctc")) == Path("v3_ctc")
    assert find("./v3_rnnt") == Export(Path(), "v3_rnnt")


def test_a_name_that_a_program_has_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gigaam, "_MODEL_HASHES", {"mine": "0" * 32}, raising=False)
    place = find("mine")
    assert isinstance(place, registry.ModelInfo)
    assert place.name == "mine"


def test_directories_of_exports(several: Path, tmp_path: Path) -> None:
    assert find(several) == find(str(several)) == find_export(several) == Export(several)
    for name in ("a", "b"):
        assert find(several / name) == find_export(several / name) == Export(several, name)
        assert str(find(several / name)) == str(several / name)
    for none, told in (
        (several / "c", "no exported c in .*several; there are: a, b"),
        (several / "b_joint", "no exported b_joint in"),
        (tmp_path / "x" / "a", "neither a known model nor an existing file"),
    ):
        assert find_export(none) is None
        with pytest.raises(UnknownModelError, match=told):
            find(none)
    assert (
        "of that name; there are: a, b"
        in run("transcribe", "--onnx", several / "c", "a.wav").stderr
    )
    assert find(tmp_path) == tmp_path  # holds nothing: what opens it says so
    assert find_export(tmp_path) == Export(tmp_path)


@pytest.mark.parametrize(
    "weights",
    ["model.safetensors", "pytorch_model.bin", "model.safetensors.index.json"],
)
def test_a_directory_with_weights_is_a_checkpoint(several: Path, weights: str) -> None:
    (several / "config.json").touch()
    assert find(several) == Export(several)
    (several / weights).touch()
    assert find(several) == several
    assert find(several / "a") == find_export(several / "a") == Export(several, "a")


def test_a_graph_is_no_model(several: Path) -> None:
    with pytest.raises(CheckpointError, match=r"a\.onnx is a graph: give the directory"):
        find(several / "a.onnx")


@given(st.text())
def test_any_other_text_is_an_unknown_model(text: str) -> None:
    for name in (text, f"{text}/{text}", f"~{text}", text * 1000):
        with suppress(GigaAMError):
            find(name)
        assert find_export(Path(name)) is None or Path(name).is_dir()


def test_weights_are_of_checkpoints_alone(several: Path) -> None:
    assert checkpoint_path("tiny_ctc") == registry.MODELS["tiny_ctc"].directory
    assert checkpoint_path(several.parent) == several.parent
    with pytest.raises(CheckpointError, match="b is an exported model: it runs, but cannot be tr"):
        checkpoint_path(several / "b")


# ── gigaam.load_model ─────────────────────────────────────────────────────────────────────────────


def test_load_model_opens_exports(exported_model: Path, example: Path, example_text: str) -> None:
    for place in (exported_model, str(exported_model), exported_model / "tiny_ctc"):
        model = gigaam.load_model(place)
        assert repr(model) == "<OnnxASR tiny_ctc (ctc) on cpu>"
        expected = gigaam.onnx.load(exported_model).transcribe(example, word_timestamps=True)
        found = model.transcribe(example, word_timestamps=True)
        assert found.to_dict() == expected.to_dict()


def test_an_export_among_several(several: Path, exported_model: Path) -> None:
    (several / "tiny_ctc.onnx").symlink_to(exported_model / "tiny_ctc.onnx")
    with pytest.raises(CheckpointError, match="holds a, b, tiny_ctc: say which"):
        gigaam.load_model(several)
    assert isinstance(gigaam.load_model(several / "tiny_ctc"), gigaam.onnx.OnnxASR)
    with pytest.raises(CheckpointError, match="cannot be run"):
        gigaam.load_model(several / "a")


@pytest.mark.parametrize(
    "asked",
    [
        {"fp16_encoder": False},
        {"use_flash": True},
        {"encoder_dtype": "float16"},
        {"encoder_dtype": torch.float32},
    ],
)
def test_what_only_torch_can_do_is_refused(asked: dict, exported_model: Path) -> None:
    with pytest.raises(ArgumentError, match=f"{next(iter(asked))}= is for torch"):
        gigaam.load_model(exported_model, **asked)


def test_exports_take_the_defaults_and_devices(exported_model: Path) -> None:
    for device in ("cpu", torch.device("cpu")):
        model = gigaam.load_model(exported_model, True, False, device, None)
        assert isinstance(model, gigaam.onnx.OnnxASR)
    for device in ("cuda:1", torch.device("cuda"), "nonsense", ""):
        with pytest.raises(ArgumentError, match="ONNX Runtime has cpu here"):
            gigaam.load_model(exported_model, device=device)


WITHOUT_TORCH = """
import json, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchaudio", "hydra", "lightning", "pyannote"):
            raise ModuleNotFoundError(f"there is no {name}", name=name)

sys.meta_path.insert(0, Blocker())
import gigaam

directory, example = sys.argv[1:]
found = [gigaam.load_model(directory).transcribe(example)]
for name in ("tiny_ctc", "v3_rnnt"):
    try:
        gigaam.load_model(name)
    except gigaam.MissingDependencyError as error:
        found.append(str(error))
print(json.dumps(found))
from gigaam.cli import app
app(["transcribe", "--model", directory, example])
"""


def test_exports_open_without_torch(
    exported_model: Path, example: Path, example_text: str, tmp_path: Path
) -> None:
    """Of the others it is said that torch is missing, before anything is fetched."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, exported_model, example],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.stderr == ""
    printed, on_the_command_line = done.stdout.splitlines()
    text, *refused = json.loads(printed)
    assert text == on_the_command_line == gigaam.onnx.load(exported_model).transcribe(example)
    assert len(refused) == 2
    for message in refused:
        assert message.startswith("gigaam.load_model needs the package torch, which is not inst")


# ── the command line ──────────────────────────────────────────────────────────────────────────────


def test_commands_take_exports_as_models(
    exported_model: Path, example: Path, tmp_path: Path
) -> None:
    manifest = tmp_path / "m.tsv"
    manifest.write_text(f"path\tduration\ttranscription\n{example}\t5\tда\n", encoding="utf-8")
    for wanted in (exported_model, exported_model / "tiny_ctc"):
        found = run("transcribe", "--model", wanted, example)
        assert (found.exit_code, found.stderr) == (0, "")
        assert found.stdout == run("transcribe", "--onnx", wanted, example).stdout
        found = run("eval", wanted, manifest, "--json", tmp_path / "a.json")
        assert (found.exit_code, found.stderr) == (0, "")
        run("eval", "--onnx", wanted, manifest, "--json", tmp_path / "b.json")
        reports = [json.loads((tmp_path / name).read_text()) for name in ("a.json", "b.json")]
        for report in reports:
            for each in report["reports"]:
                each.pop("seconds", None)
        assert reports[0]["model"] == reports[1]["model"] == str(wanted)


def test_device_of_an_export_that_is_the_model(exported_model: Path, example: Path) -> None:
    refused = run("transcribe", "--model", exported_model, "--device", "cuda", example)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--device: " in refused.stderr


def test_exports_are_not_exported_again(exported_model: Path, tmp_path: Path) -> None:
    refused = run("export", exported_model, tmp_path / "onnx")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "is an exported model already" in " ".join(refused.stderr.split())
    assert not (tmp_path / "onnx").exists()


def test_training_does_not_begin_with_an_export(exported_model: Path, tmp_path: Path) -> None:
    from gigaam.training.options import ModelOptions
    from gigaam.training.origin import find_origin

    for options in (
        ModelOptions(init=str(exported_model)),
        ModelOptions(architecture=str(exported_model)),
    ):
        with pytest.raises(CheckpointError, match="cannot be trained"):
            find_origin(options)


def test_a_model_beside_its_export_is_the_model(
    exported_model: Path, example: Path, tmp_path: Path
) -> None:
    """``to_onnx()`` writes into the current directory unless told otherwise."""
    random_asr("v3_ctc").save(tmp_path)
    (tmp_path / "tiny_ctc.onnx").symlink_to(exported_model / "tiny_ctc.onnx")
    assert isinstance(gigaam.load_model(tmp_path, device="cpu"), gigaam.GigaAMASR)
    assert run("transcribe", "--onnx", tmp_path, example).exit_code == 0
