"""Real pyannote.audio with a pipeline of untrained nets, and a hub that refuses or gives it."""

import json
import os
import subprocess
import sys
import warnings
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gigaam.errors import ArgumentError, CheckpointError, ModelError, UnsafeCheckpointError
from gigaam.speakers import SpeakerCount, diarize
from gigaam.speakers.pyannote import PyannoteDiarizer
from gigaam.vad.pyannote import import_pyannote
from tests.http_server import Fault, FileServer
from tests.speaker_nets import HIGH_HZ, LOW_HZ, voice


def _has_pyannote() -> bool:
    try:
        return find_spec("pyannote.audio") is not None
    except ModuleNotFoundError:
        return False


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _has_pyannote(), reason="needs pyannote.audio (gigaam[longform])"),
]

NAME = "pyannote/speaker-diarization-community-1"
CONFIG = """
dependencies: {pyannote.audio: 4.0.0}
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: VBxClustering
    segmentation: $model/segmentation
    embedding: $model/embedding
    embedding_exclude_overlap: true
    plda: $model/plda
params:
  clustering: {threshold: 0.6, Fa: 0.07, Fb: 0.8}
  segmentation: {min_duration_off: 0.0}
"""
CLIENT = """
import json, os, sys
from gigaam.errors import GigaAMError
from gigaam.speakers.pyannote import PyannoteDiarizer
try:
    PyannoteDiarizer.load(*sys.argv[1:], device="cpu")
    print(json.dumps(["loaded", os.environ["PYANNOTE_METRICS_ENABLED"]]))
except GigaAMError as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


def _save(model: Any, path: Path) -> None:
    checkpoint = {"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams)}
    model.on_save_checkpoint(checkpoint)
    path.parent.mkdir(parents=True)
    torch.save(checkpoint, path)


def write_pipeline(folder: Path) -> None:
    """Hears one person at a time everywhere, and voices by chance."""
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import XVectorSincNet
    from pyannote.audio.models.segmentation import PyanNet

    torch.manual_seed(0)
    options = {"duration": 10.0, "classes": ["speaker#1", "speaker#2", "speaker#3"]}
    segmentation = PyanNet(lstm={"hidden_size": 8, "num_layers": 1}, linear={"num_layers": 0})
    segmentation.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        powerset_max_classes=2,
        permutation_invariant=True,
        **options,
    )
    segmentation.setup()
    with torch.no_grad():
        segmentation.classifier.bias[1] += 100
    _save(segmentation, folder / "segmentation" / "pytorch_model.bin")
    embedding = XVectorSincNet(dimension=16)
    embedding.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, **options
    )
    embedding.setup()
    _save(embedding, folder / "embedding" / "pytorch_model.bin")
    (folder / "plda").mkdir()
    chance, n = np.random.default_rng(0), 16
    rotation, _ = np.linalg.qr(chance.standard_normal((n, n)))
    transform = {"mean1": np.zeros(n), "mean2": np.zeros(n), "lda": rotation}
    np.savez(folder / "plda" / "xvec_transform.npz", **transform)
    plda = {"mu": np.zeros(n), "tr": np.eye(n), "psi": np.linspace(2.0, 1.0, n)}
    np.savez(folder / "plda" / "plda.npz", **plda)
    (folder / "config.yaml").write_text(CONFIG)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_pyannote()
        where = tmp_path_factory.mktemp("pipeline") / NAME / "resolve" / "main"
        where.mkdir(parents=True)
        write_pipeline(where)
    return where


@pytest.fixture(scope="module")
def diarizer(folder: Path) -> PyannoteDiarizer:
    return PyannoteDiarizer.load(folder, device="cpu")


TWO = np.concatenate([voice(LOW_HZ, 15), voice(HIGH_HZ, 15)])


def test_turns_are_of_one_person_at_a_time_and_within_the_recording(
    diarizer: PyannoteDiarizer,
) -> None:
    turns = diarize((16_000, TWO), diarizer)
    assert turns[0].start < 0.2
    assert turns[-1].end == pytest.approx(30, abs=0.2)
    assert turns[0].speaker == "SPEAKER_00"
    assert all(one.end <= other.start for one, other in pairwise(turns))


@pytest.mark.parametrize("count", [(1, 1), (2, 2), (2, 3)])
def test_number_of_people_reaches_the_pipeline(
    diarizer: PyannoteDiarizer, count: tuple[int, int]
) -> None:
    stream = diarizer.stream(SpeakerCount(*count))
    for start in range(0, len(TWO), 16_000):
        stream.feed(TWO[start : start + 16_000])
    people = {turn.speaker for turn in stream.finish()}
    assert count[0] <= len(people) <= count[1]


def test_recordings_of_hardly_anything(diarizer: PyannoteDiarizer) -> None:
    assert diarizer.stream(SpeakerCount()).finish() == []
    stream = diarizer.stream(SpeakerCount())
    stream.feed(np.zeros(10, np.float32))
    assert all(turn.end <= 0.001 for turn in stream.finish())


def test_it_knows_nobody_by_voice(diarizer: PyannoteDiarizer) -> None:
    with pytest.raises(ArgumentError, match="PyannoteDiarizer knows nobody by voice"):
        diarize((16_000, TWO), diarizer, known_speakers={"Анна": (16_000, TWO)})


def test_pipeline_without_exclusive_turns_is_refused(folder: Path) -> None:
    pipeline = PyannoteDiarizer.load(folder, device="cpu").pipeline
    pipeline.legacy = True
    with pytest.raises(ModelError, match="Annotation, without exclusive turns"):
        diarize((16_000, TWO), PyannoteDiarizer(pipeline))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("SpeakerDiarization", "VoiceActivityDetection", "is not pyannote's SpeakerDiarization"),
        ("$model/embedding", "pyannote/embedding", "takes its embedding from 'pyannote/embedding'"),
        ("$model/plda", "$model/../plda", "takes its plda from"),
        ("$model/plda", "$model/none", "holds no none/xvec_transform.npz"),
        ("$model/embedding", "$model/segmentation", "is no model of pyannote for embedding"),
        ("clustering: VBx", "clustering: Other", "makes no pipeline of pyannote"),
        ("pipeline:", "pipe:", "is no configuration of pyannote"),
    ],
)
def test_other_directories_are_refused(
    folder: Path, tmp_path: Path, old: str, new: str, told: str
) -> None:
    for part in ("segmentation", "embedding", "plda"):
        (tmp_path / part).symlink_to(folder / part)
    (tmp_path / "config.yaml").write_text(CONFIG.replace(old, new))
    with pytest.raises(CheckpointError) as caught:
        PyannoteDiarizer.load(tmp_path, device="cpu")
    assert told in str(caught.value)


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_weights_never_runs(folder: Path, tmp_path: Path) -> None:
    for part in ("segmentation", "plda", "config.yaml"):
        (tmp_path / part).symlink_to(folder / part)
    (tmp_path / "embedding").mkdir()
    trace = tmp_path / "trace"
    torch.save({"state_dict": Touch(trace)}, tmp_path / "embedding" / "pytorch_model.bin")
    with pytest.raises(UnsafeCheckpointError):
        PyannoteDiarizer.load(tmp_path, device="cpu")
    assert not trace.exists()


# ---------------------------------------------------------------------------- the hub


def _ask(url: str, home: Path, *names: str, **environment: str) -> tuple[str, str]:
    """What a process of its own says, as the hub's client reads its address once."""
    settings = {
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_HUB_ETAG_TIMEOUT": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_TOKEN": "hf_token",
    }
    inherited = {k: v for k, v in os.environ.items() if k != "PYANNOTE_METRICS_ENABLED"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CLIENT, *names],
        env={**inherited, **settings, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    kind, text = json.loads(done.stdout)
    return kind, text


def test_refusals_name_the_page_and_the_token(folder: Path, tmp_path: Path) -> None:
    with FileServer(folder.parents[3]) as server:
        server.fault = lambda path, headers: Fault(status=401)
        kind, text = _ask(server.url, tmp_path, HF_TOKEN="")
        assert kind == "DownloadError"
        assert f"https://huggingface.co/{NAME}" in text
        assert "put it into HF_TOKEN" in text
        server.fault = lambda path, headers: Fault(status=403)
        kind, text = _ask(server.url, tmp_path)
        assert "with the account that the token is of" in text
        assert f"{NAME} answered 403" in text
    kind, text = _ask("http://127.0.0.1:9", tmp_path, GIGAAM_OFFLINE="1")
    assert kind == "OfflineError"
    assert NAME in text
    kind, text = _ask("http://127.0.0.1:9", tmp_path, "no_such_directory")
    assert kind == "CheckpointError"
    assert "neither an existing directory nor" in text


def test_pipeline_comes_from_the_hub_and_then_from_the_cache(folder: Path, tmp_path: Path) -> None:
    with FileServer(folder.parents[3]) as server:
        server.fault = lambda path, headers: Fault(headers={"X-Repo-Commit": "0123456789" * 4})
        assert _ask(server.url, tmp_path) == ("loaded", "0")
        asked = [each.path for each in server.requests if "/resolve/" in each.path]
        assert {path.partition("/main/")[2] for path in asked} == {
            "config.yaml",
            "segmentation/pytorch_model.bin",
            "embedding/pytorch_model.bin",
            "plda/plda.npz",
            "plda/xvec_transform.npz",
        }
        server.requests.clear()
        assert _ask(server.url, tmp_path, HF_TOKEN="") == ("loaded", "0")
        assert server.requests == []


def test_without_the_package(tmp_path: Path) -> None:
    program = (
        "import sys, importlib.util as util; find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'pyannote.audio' else find(name)\n"
        "from gigaam.speakers.pyannote import PyannoteDiarizer\n"
        "from gigaam.errors import MissingDependencyError\n"
        "try: PyannoteDiarizer.load(sys.argv[1])\n"
        "except MissingDependencyError as error: print(error)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "pyannote.audio is not installed: pip install '.[longform]'" in done.stdout
