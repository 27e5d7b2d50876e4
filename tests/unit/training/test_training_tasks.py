"""A task of one's own: registered, then trained, validated, judged and resumed like the others."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor, nn

import gigaam
from gigaam.errors import ArgumentError
from gigaam.training import fine_tune, read_options, tasks
from gigaam.training.corpus import Limits, gather, read_transcriptions, readable
from gigaam.training.data import SpeechFiles
from gigaam.training.epochs import EpochLoader
from gigaam.training.loader import Batch
from gigaam.training.objective import Objective, encode
from gigaam.training.options import RunOptions
from gigaam.training.origin import Origin, find_origin, headless_config
from gigaam.training.tasks.task import Assessment, ErrorCount, Material, Share
from tests.toy_recordings import words, write_manifest
from tests.toy_training import toy_config


def count_letters(text: str) -> list[int]:
    return [len(text)]


class LengthObjective(Objective):
    """How far a linear layer over the mean encoding is from the number of letters."""

    def __init__(self, model: gigaam.GigaAM) -> None:
        super().__init__()
        self.model = model
        self.length = nn.Linear(model.encoder.d_model, 1)

    def forward(self, batch: Batch, *, freeze_encoder: bool = False) -> Tensor:
        encoded, _ = encode(self.model, batch, freeze_encoder)
        return (self.length(encoded.mean(2)) - batch.labels).abs().sum()


@dataclass(frozen=True)
class LengthTask:
    """Counting letters; what is validated and judged is whether embeddings are finite."""

    material: Material
    error_name: str = "wrong lengths on dev"
    configuration: str = "fine_tune"

    def objective(self) -> Objective:
        return LengthObjective(self.material.initial_model())

    def batches(self, share: Share) -> EpochLoader:
        return self.material.labelled_batches(count_letters, share)

    def count_errors(
        self, model: gigaam.GigaAM, utterances: Sequence, files: SpeechFiles
    ) -> ErrorCount:
        embedded = [model.embed_audio(files.read(u), input_rate=16_000)[0] for u in utterances]
        return ErrorCount(sum(not each.isfinite().all() for each in embedded), len(utterances))

    def assess(self, model: gigaam.GigaAM, manifest: str, on_done) -> Assessment:
        utterances = read_transcriptions([manifest], normalize=True)
        errors, total = self.count_errors(model, utterances, SpeechFiles())
        return Assessment(manifest, total, [("wrong", str(errors))])

    def describe(self, model: gigaam.GigaAM) -> str:
        return "A counter of letters"


def prepare_lengths(origin: Origin, options: RunOptions) -> LengthTask:
    train, dev = (read_transcriptions(m, True) for m in (options.data.train, options.data.dev))
    config = headless_config(origin.config, "ssl", options.model_name)
    corpus = gather(train, Limits(count_letters, options.data.max_s, float("inf")))
    dev_set = readable(dev, "transcription", silence=False)
    return LengthTask(Material(options, origin, config, corpus, dev_set))


@pytest.fixture
def options(tmp_path, monkeypatch) -> RunOptions:
    monkeypatch.chdir(tmp_path)
    Path("toy.yaml").write_text(yaml.safe_dump(toy_config("ctc")))
    write_manifest(Path("train.tsv"), words(24))
    write_manifest(Path("dev.tsv"), words(6, seed=1))
    given = ["out=counter", "model.architecture=toy.yaml", "model.head=length", "data.batch_s=6"]
    given += ["data.train=train.tsv", "data.dev=dev.tsv", "training.accelerator=cpu"]
    return read_options("from_nothing", [*given, "training.steps=6", "training.eval_every=3"])


def test_a_registered_task_is_trained_from_its_head(options, monkeypatch):
    monkeypatch.setattr(tasks, "_BUILDERS", dict(tasks._BUILDERS))
    tasks.register_task("length", prepare_lengths)
    model = fine_tune(options, progress=False)
    card = Path("counter/README.md").read_text(encoding="utf-8")
    assert "A counter of letters, " in card
    assert "| `dev.tsv` | 6 | 0 |" in card
    last = torch.load("counter/checkpoints/last.ckpt", weights_only=True)
    assert "objective.length.weight" in last["state_dict"]
    opened = gigaam.load_model("counter", device="cpu")
    for name, tensor in model.state_dict().items():
        assert torch.equal(opened.state_dict()[name], tensor)


def test_copies_of_a_task_share_its_material(options):
    """Lightning copies it together with the weights that are averaged."""
    task = prepare_lengths(find_origin(options.model), options)
    assert deepcopy(task).material is task.material


def test_a_head_without_a_task_is_refused(options):
    with pytest.raises(ArgumentError, match=r"model\.head must be one of ctc, rnnt, emo"):
        fine_tune(options, progress=False)
    assert not Path("counter").exists()
