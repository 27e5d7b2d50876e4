"""Small random nets of every family, whose heads are scaled so that noise gives words."""

from typing import Any

import torch
from omegaconf import OmegaConf

from gigaam.configs import builtin_config
from gigaam.decoder import CTCHead, RNNTHead
from gigaam.loading import build_model
from gigaam.model import GigaAM, GigaAMASR, GigaAMEmo

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
            start = head.decoder(torch.zeros(1, 0, dtype=torch.long))
            inputs = torch.relu(head.joint.enc(encoded[0].T) + head.joint.pred(start[0]))
        logits = inputs @ last.weight.flatten(1).T
        scale = 1.0 / logits.std(0).clamp(min=1e-6)
        last.weight.mul_(scale.view(-1, *[1] * (last.weight.dim() - 1)))
        last.bias.copy_(-logits.mean(0) * scale)
        if space is not None:
            last.bias[space] += 1.8
        last.bias[-1] += 1.0 if isinstance(head, CTCHead) else 2.3  # about a token per frame


def transducer_of(model: GigaAMASR) -> GigaAMASR:
    """A CTC model as an RNN-T one, of the published predictor's size, that hears as much.

    The joint network computes the logits of the CTC head, less a lot for the last label, which the
    predictor remembers: a label that lasts comes out once. No other takes its place, since at most
    one label of a frame exceeds blank. Doubled letters become one.
    """
    ctc = model.head
    assert isinstance(ctc, CTCHead)
    weight, bias = ctc.decoder_layers[0].weight.flatten(1), ctc.decoder_layers[0].bias
    classes, width = weight.shape
    config = builtin_config("v3_rnnt")
    own = OmegaConf.to_container(model.cfg)
    assert isinstance(own, dict)
    config["encoder"], config["preprocessor"] = own["encoder"], own["preprocessor"]
    config["decoding"]["vocabulary"] = own["decoding"]["vocabulary"]
    config["head"]["decoder"]["num_classes"] = config["head"]["joint"]["num_classes"] = classes
    config["head"]["joint"] |= {"enc_hidden": width, "joint_hidden": 3 * (classes - 1) + 1}
    transducer = build_model(config | {"model_name": "tiny_rnnt"}).eval()
    assert isinstance(transducer, GigaAMASR)
    transducer.encoder.load_state_dict(model.encoder.state_dict())
    transducer.preprocessor.load_state_dict(model.preprocessor.state_dict())
    head = transducer.head
    assert isinstance(head, RNNTHead)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        # z: logits less their mean. In most frames that CTC gives a label the best z is over 9.5,
        # the second is not. Hidden units: relu(z), relu(-z) and relu(z - 9.5) of the labels,
        # relu(z - 9.5) of blank. Output of a label: its z, less what other labels have over 9.5;
        # of blank: its z, 9.5 at least.
        labels, floor = classes - 1, 9.5
        eye = torch.eye(labels)
        weight, bias = weight - weight[:-1].mean(0), bias - bias[:-1].mean()
        enc, out = head.joint.enc, head.joint.joint_net[1]
        enc.weight.copy_(torch.cat([weight[:-1], -weight[:-1], weight]))
        enc.bias.copy_(torch.cat([bias[:-1], -bias[:-1], bias - floor]))
        out.weight[:-1, :-1] = torch.cat([eye, -eye, eye - 1.0], dim=1)
        out.weight[-1, -1], out.bias[-1] = 1.0, floor
        head.joint.pred.weight[: 2 * labels, :labels] = -30 * torch.cat([eye, -eye])
        # Unit k of the LSTM is 1 after label k, else 0: gates open, nothing kept.
        decoder, units = head.decoder, head.decoder.pred_hidden
        decoder.embed.weight[:labels, :labels] = eye
        gates = decoder.lstm.bias_ih_l0.view(4, units)  # input, forget, cell, output
        gates[0], gates[1], gates[3] = 20.0, -20.0, 20.0
        decoder.lstm.weight_ih_l0.view(4, units, units)[2] = 20 * torch.eye(units)
    return transducer
