"""The loop: it learns, keeps its schedule by the clock, and goes on from a checkpoint."""

import math
from pathlib import Path

import pytest
import torch

from gigaam.dataset.manifests import Utterance
from gigaam.loading import build_model, load_model
from gigaam.model import GigaAMASR
from gigaam.training.augment import SpectrogramMasks
from gigaam.training.data import SpeechFiles
from gigaam.training.first_layer import plain_state_dict
from gigaam.training.hearing import transcribe_utterances
from gigaam.training.loader import Batch
from gigaam.training.optimizer import OptimizerOptions
from recipes.training.loop import Trainer
from tests.toy_training import LETTERS, tones, toy_config, toy_objective
from tests.waves import write_wav


class Clock:
    """Advances by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture(params=["ctc", "rnnt"])
def kind(request) -> str:
    return request.param


def make_trainer(
    directory: Path, kind: str = "ctc", budget_s: float = 1000.0, dropout: float = 0.0
) -> Trainer:
    return Trainer(
        toy_objective(kind, auxiliary_ctc=0.3 if kind == "rnnt" else 0.0, dropout=dropout),
        OptimizerOptions(peak_lr=1e-2, warmup=0.0, ema_decay=0.9),
        budget_s=budget_s,
        directory=directory,
        workers=1,
        clock=Clock(),
    )


def spelt(batch: Batch) -> list[str]:
    return ["".join(LETTERS[label] for label in row) for row in batch.labels.tolist()]


def test_loss_falls_on_a_toy_set_and_the_model_spells_it(tmp_path, kind):
    """What was learnt is there for the loss, for `transcribe_utterances`, and in a saved model."""
    trainer = make_trainer(tmp_path, kind)
    losses = [trainer.step(tones(i))["loss"] for i in range({"ctc": 90, "rnnt": 140}[kind])]
    assert sum(losses[-10:]) < 0.2 * sum(losses[:10])
    trainer.swap_average()
    batch = tones(1000)
    with torch.inference_mode():
        assert float(trainer.objective(batch)) / 12 < 0.2 * losses[0]

    utterances = written(tmp_path / "tones.wav", batch)
    model = trainer.objective.model
    assert transcribe_utterances(model, utterances, SpeechFiles(), batch_s=2.0) == spelt(batch)
    assert model.training

    exported = build_model(toy_config(kind))
    exported.load_state_dict(plain_state_dict(model))
    exported.save(tmp_path / "model", encoder_dtype="float16")
    loaded = load_model(tmp_path / "model", device="cpu")
    assert isinstance(loaded, GigaAMASR)
    assert loaded.transcribe(list(batch.wav.numpy()), input_rate=16_000) == spelt(batch)


def written(path: Path, batch: Batch) -> list[Utterance]:
    """The examples, one after another in a file."""
    write_wav(path, batch.wav.numpy().ravel())
    n = batch.wav.size(1)
    return [Utterance(path, i * n, n, text) for i, text in enumerate(spelt(batch))]


def test_resumed_run_takes_the_steps_of_an_uninterrupted_one(tmp_path, kind):
    whole = make_trainer(tmp_path, kind, dropout=0.02)
    plan = {"seed": 1, "number": 2, "progress": 0.5, "sizes": {"a": 3}}
    whole.position.pass_plan = plan
    for i in range(3):
        whole.step(tones(i))
    whole.save()
    expected = [whole.step(tones(i))["loss"] for i in range(3, 6)]
    resumed = make_trainer(tmp_path, kind, dropout=0.02)
    assert resumed.resume()
    assert resumed.position.step == resumed.position.batch == 3
    assert resumed.position.pass_plan == plan
    assert [resumed.step(tones(i))["loss"] for i in range(3, 6)] == expected


def test_without_a_checkpoint_a_run_is_new(tmp_path):
    assert not make_trainer(tmp_path).resume()


def test_interrupted_save_keeps_the_previous_checkpoint(tmp_path, monkeypatch):
    trainer = make_trainer(tmp_path)
    trainer.step(tones())
    trainer.save()

    def fail(content: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    trainer.step(tones())
    with pytest.raises(OSError, match="disk full"):
        trainer.save()
    other = make_trainer(tmp_path)
    assert other.resume()
    assert other.position.step == 1


def test_schedule_rises_then_falls_to_almost_nothing():
    options = OptimizerOptions(peak_lr=1.0, warmup=0.1, final_lr=0.01)
    rates = [options.lr_at(i / 100) for i in range(101)]
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[0] > 0
    assert rates[10] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.01)


def test_progress_follows_the_clock(tmp_path):
    trainer = make_trainer(tmp_path, budget_s=4.0)
    rates = [trainer.step(tones())["lr"] for _ in range(5)]
    assert rates[-1] < 0.02 * rates[0]
    assert trainer.progress == 1.0


def test_parts_of_a_batch_give_the_gradients_of_the_whole(tmp_path, kind):
    batch = tones()
    gradients = []
    for parts in (1, 3):
        trainer = Trainer(
            toy_objective(kind, auxiliary_ctc=0.3 if kind == "rnnt" else 0.0),
            OptimizerOptions(),
            budget_s=10,
            directory=tmp_path,
            workers=2,
            parts=parts,
        )
        trainer._gradients(batch)
        gradients.append([p.grad for p in trainer._parameters])
    for whole, split in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, split, rtol=1e-3, atol=1e-5)


def test_batches_in_which_nothing_is_said_teach_blank(tmp_path, kind):
    trainer = make_trainer(tmp_path, kind)
    wav = 0.01 * torch.randn(3, 8000, generator=torch.Generator().manual_seed(0))
    nothing = Batch(
        wav,
        torch.full((3,), 8000),
        torch.zeros(3, 0, dtype=torch.int64),
        torch.zeros(3, dtype=torch.int64),
        (SpectrogramMasks((), ()),) * 3,
    )
    losses = [trainer.step(nothing)["loss"] for _ in range(20)]
    assert all(math.isfinite(loss) and loss > 0 for loss in losses)
    assert losses[-1] < 0.3 * losses[0]
