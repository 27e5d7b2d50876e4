"""A toy task and nets that learn it in seconds: three of four tones, spelt with four letters."""

import math
from typing import Any

import torch

from gigaam.loading import build_model
from gigaam.model import GigaAMASR
from gigaam.training.augment import SpectrogramMasks
from gigaam.training.dropout import add_dropout
from gigaam.training.first_layer import standardize_first_layer
from gigaam.training.initial_model import round_front_end
from gigaam.training.loader import Batch
from gigaam.training.objective import LossOptions
from gigaam.training.tasks.recognition import RecognitionObjective

LETTERS = "abcd"
EXAMPLE_SAMPLES = 15000


def toy_config(kind: str, n_layers: int = 1) -> dict[str, Any]:
    """The config of a small v3-like net, kind "ctc" or "rnnt"."""
    classes = len(LETTERS) + 1
    head: dict[str, Any] = {"_target_": "CTCHead", "feat_in": 32, "num_classes": classes}
    if kind == "rnnt":
        head = {
            "_target_": "RNNTHead",
            "decoder": {"pred_hidden": 16, "pred_rnn_layers": 1, "num_classes": classes},
            "joint": {
                "enc_hidden": 32, "pred_hidden": 16, "joint_hidden": 24, "num_classes": classes
            },
        }  # fmt: skip
    return {
        "model_class": kind,
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
            "n_layers": n_layers,
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
        "head": head,
        "decoding": {"_target_": f"{kind.upper()}GreedyDecoding", "vocabulary": list(LETTERS)},
    }


def toy_model(kind: str) -> GigaAMASR:
    """A net with random weights, its first layer a plain convolution."""
    model = build_model(toy_config(kind))
    assert isinstance(model, GigaAMASR)
    return model


def toy_objective(
    kind: str, auxiliary_ctc: float = 0.0, seed: int = 0, dropout: float = 0.0
) -> RecognitionObjective:
    """What a run begins with."""
    torch.manual_seed(seed)
    model = toy_model(kind)
    round_front_end(model.preprocessor)
    standardize_first_layer(model, torch.full((16,), -6.0), torch.full((16,), 3.0))
    add_dropout(model.encoder, dropout)
    return RecognitionObjective(model, LossOptions(auxiliary_ctc))


def tones(seed: int = 0) -> Batch:
    """Four one-second examples, each of three tones named by labels 0 to 3."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.stack([torch.randperm(4, generator=generator)[:3] for _ in range(4)])
    hz = torch.tensor([300.0, 900.0, 2000.0, 4000.0])[labels].repeat_interleave(5000, 1)
    wav = 0.3 * torch.sin(2 * math.pi * hz * torch.arange(EXAMPLE_SAMPLES) / 16000)
    wav += 0.01 * torch.randn(wav.shape, generator=generator)
    none = SpectrogramMasks((), ())
    lengths = torch.full((4,), EXAMPLE_SAMPLES)
    return Batch(wav, lengths, labels, torch.full((4,), 3), (none,) * 4, seed)
