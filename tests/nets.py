"""Small random nets of every family, whose heads are scaled so that noise gives words."""

from typing import Any

import torch

from gigaam.decoder import CTCHead
from gigaam.loading import build_model
from gigaam.model import GigaAM, GigaAMASR, GigaAMEmo
from gigaam.store.configs import builtin_config

CHARACTERS = [" ", *"абвгдежзийклмнопрстуфхцчшщъыьэюя"]


def reduced(config: dict[str, Any], d_model: int = 32, n_layers: int = 2) -> dict[str, Any]:
    """The config of a narrow, shallow net of the same family."""
    config["encoder"] |= {"d_model": d_model, "n_layers": n_layers, "n_heads": 4}
    head = config.get("head")
    if head and "joint" in head:
        head["joint"] |= {"enc_hidden": d_model, "pred_hidden": 24, "joint_hidden": 24}
        head["decoder"] |= {"pred_hidden": 24}
    elif head:
        head["in_features" if "in_features" in head else "feat_in"] = d_model
    return config


def random_asr(name: str, seed: int = 0) -> GigaAMASR:
    """A random recogniser of the family of a published character model."""
    config = reduced(builtin_config(name))
    classes = len(CHARACTERS) + 1
    config["decoding"] |= {"vocabulary": CHARACTERS}
    for section in (config["head"], *config["head"].values()):
        if isinstance(section, dict) and "num_classes" in section:
            section["num_classes"] = classes
    torch.manual_seed(seed)
    model = build_model(config).eval()
    assert isinstance(model, GigaAMASR)
    make_talkative(model)
    return model


def random_ssl(name: str, seed: int = 0, n_layers: int = 2) -> GigaAM:
    """A random self-supervised encoder of the family of a published one."""
    torch.manual_seed(seed)
    return build_model(reduced(builtin_config(name), n_layers=n_layers)).eval()


def random_emo(seed: int = 0) -> GigaAMEmo:
    """A random emotion recogniser."""
    config = reduced(builtin_config("emo"))
    torch.manual_seed(seed)
    model = build_model(config).eval()
    assert isinstance(model, GigaAMEmo)
    return model


def make_talkative(model: GigaAMASR, space: int | None = 0) -> None:
    """Sets a random head so that noise gives words: tokens as likely as one another, now and then.

    The last layer's logits over a second of noise are brought to mean 0 and deviation 1, so that
    the most probable token changes from frame to frame; blank and the space then get a head start.
    """
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(1, 32_000, generator=generator) * 0.1
    head = model.head
    with torch.no_grad():
        encoded, _ = model(noise, torch.tensor([noise.size(1)]))
        if isinstance(head, CTCHead):
            last = head.decoder_layers[0]
            inputs = encoded[0].T
        else:
            last = head.joint.joint_net[1]
            start, _ = head.decoder.predict(None)
            inputs = torch.relu(head.joint.enc(encoded[0].T) + head.joint.pred(start[0]))
        logits = inputs @ last.weight.flatten(1).T
        scale = 1.0 / logits.std(0).clamp(min=1e-6)
        last.weight.mul_(scale.view(-1, *[1] * (last.weight.dim() - 1)))
        last.bias.copy_(-logits.mean(0) * scale)
        if space is not None:
            last.bias[space] += 1.8
        last.bias[-1] += 1.0 if isinstance(head, CTCHead) else 2.3  # about a token per frame
