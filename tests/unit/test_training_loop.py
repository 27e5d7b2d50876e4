"""The loop: it learns, keeps its schedule by the clock, and goes on from a checkpoint."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from gigaam.training.augment import SpectrogramMasks
from gigaam.training.ctc import (
    CTCNetwork,
    StandardizedConv1d,
    ctc_loss,
    hide,
    plain_state_dict,
    round_front_end,
    standardize_first_layer,
)
from gigaam.training.loader import Batch
from gigaam.training.loop import OptimizerOptions, Trainer

CONFIG = {
    "preprocessor": {
        "_target_": "gigaam.preprocess.FeatureExtractor",
        "features": 16,
        "n_fft": 320,
        "win_length": 320,
        "center": False,
    },
    "encoder": {
        "_target_": "gigaam.encoder.ConformerEncoder",
        "feat_in": 16,
        "n_layers": 1,
        "d_model": 32,
        "subsampling": "conv1d",
        "subs_kernel_size": 5,
        "subsampling_factor": 4,
        "ff_expansion_factor": 2,
        "self_attention_model": "rotary",
        "pos_emb_max_len": 5000,
        "n_heads": 4,
        "conv_kernel_size": 5,
        "conv_norm_type": "layer_norm",
        "flash_attn": False,
    },
    "head": {"_target_": "gigaam.decoder.CTCHead", "feat_in": 32, "num_classes": 5},
}


class Clock:
    """Advances by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def make_network() -> CTCNetwork:
    torch.manual_seed(0)
    network = CTCNetwork(CONFIG)
    round_front_end(network.preprocessor)
    standardize_first_layer(network, torch.full((16,), -6.0), torch.full((16,), 3.0))
    return network


def tones(seed: int = 0) -> Batch:
    """Four one-second examples, each of three tones named by labels 0 to 3."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.stack([torch.randperm(4, generator=generator)[:3] for _ in range(4)])
    hz = torch.tensor([300.0, 900.0, 2000.0, 4000.0])[labels].repeat_interleave(5000, 1)
    wav = 0.3 * torch.sin(2 * math.pi * hz * torch.arange(15000) / 16000)
    wav += 0.01 * torch.randn(wav.shape, generator=generator)
    none = SpectrogramMasks((), ())
    lengths = torch.full((4,), 15000)
    return Batch(wav, lengths, labels, torch.full((4,), 3), (none,) * 4)


def make_trainer(directory: Path, budget_s: float = 1000.0) -> Trainer:
    options = OptimizerOptions(peak_lr=3e-3, warmup=0.0, ema_decay=0.9)
    return Trainer(
        make_network(), options, budget_s=budget_s, directory=directory, workers=1, clock=Clock()
    )


def test_loss_falls_on_a_toy_set(tmp_path):
    trainer = make_trainer(tmp_path)
    losses = [trainer.step(tones(i))["loss"] for i in range(90)]
    assert sum(losses[-10:]) < 0.2 * sum(losses[:10])
    trainer.swap_average()
    batch = tones(1000)
    with torch.inference_mode():
        log_probs, lengths = trainer.network(batch.wav, batch.lengths)
    loss = ctc_loss(log_probs, lengths, batch.labels, batch.label_lengths) / 12
    assert loss < 0.2 * losses[0]


def test_resumed_run_takes_the_steps_of_an_uninterrupted_one(tmp_path):
    whole = make_trainer(tmp_path)
    plan = {"seed": 1, "number": 2, "progress": 0.5, "sizes": {"a": 3}}
    whole.position.pass_plan = plan
    for i in range(3):
        whole.step(tones(i))
    whole.save()
    expected = [whole.step(tones(i))["loss"] for i in range(3, 6)]
    resumed = make_trainer(tmp_path)
    assert resumed.resume()
    assert resumed.position.step == resumed.position.batch == 3
    assert resumed.position.pass_plan == plan
    assert [resumed.step(tones(i))["loss"] for i in range(3, 6)] == pytest.approx(expected)


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


def test_parts_of_a_batch_give_the_gradients_of_the_whole(tmp_path):
    batch = tones()
    gradients = []
    for parts in (1, 3):
        trainer = Trainer(
            make_network(),
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


def test_standardized_layer_folds_into_a_plain_convolution():
    network = make_network()
    plain = CTCNetwork(CONFIG)
    plain.load_state_dict(plain_state_dict(network))
    assert type(plain.encoder.pre_encode.conv[0]) is nn.Conv1d
    assert isinstance(network.encoder.pre_encode.conv[0], StandardizedConv1d)
    batch = tones()
    lengths = torch.tensor([15000, 9000, 4000, 700])
    with torch.inference_mode():
        expected, frames = network(batch.wav, lengths)
        actual, _ = plain(batch.wav, lengths)
    for row, other, n in zip(actual, expected, frames.tolist(), strict=True):
        torch.testing.assert_close(row[:n], other[:n], rtol=1e-4, atol=1e-4)


def test_front_end_holds_bfloat16_values():
    for buffer in make_network().preprocessor.buffers():
        assert buffer.dtype == torch.float32
        assert torch.equal(buffer, buffer.bfloat16().float())


def test_masks_hide_bins_and_frames_behind_the_mean():
    features = torch.arange(2 * 4 * 10, dtype=torch.float32).view(2, 4, 10)
    before = features.clone()
    masks = (SpectrogramMasks(((1, 3),), ((0, 2),)), SpectrogramMasks((), ((5, 60),)))
    hide(features, torch.tensor([10, 5]), masks)
    assert (features[0, 1:3] == before[0].mean()).all()
    assert (features[0, :, :2] == before[0].mean()).all()
    assert torch.equal(features[0, 0, 2:], before[0, 0, 2:])
    assert torch.equal(features[1, :, :5], before[1, :, :5])
