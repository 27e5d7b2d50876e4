"""The model that training begins with: weights taken over from another one, or random ones."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gigaam.assembly import build_model
from gigaam.dataset.manifests import Utterance
from gigaam.decoding.tokenizer import Tokenizer, build_tokenizer
from gigaam.model import GigaAM
from gigaam.training.data import SpeechFiles
from gigaam.training.dropout import add_dropout
from gigaam.training.first_layer import band_statistics, standardize_first_layer
from gigaam.training.origin import Origin

__all__ = ["initial_model", "round_front_end", "tokenizer_of"]

logger = logging.getLogger(__name__)

_STATISTICS_UTTERANCES = 100  # from which a new first layer learns each band's mean and deviation

_PER_TOKEN = (
    "head.decoder_layers.0.weight",
    "head.decoder_layers.0.bias",
    "head.decoder.embed.weight",
    "head.joint.joint_net.1.weight",
    "head.joint.joint_net.1.bias",
)
"""Tensors of heads that have one row per token; the last row is the blank's."""


def initial_model(
    config: Mapping[str, Any],
    origin: Origin,
    utterances: Sequence[Utterance],
    *,
    seed: int,
    dropout: float,
) -> GigaAM:
    """The model of a config, ready to be trained.

    Args:
        config: The model's config.
        origin: Where its weights come from, if they fit; the others are random.
        utterances: The training set, from which the first layer of a random encoder learns the
            statistics of its inputs.
        seed: Seed of the random weights.
        dropout: Dropout rate on each module's residual branch.
    """
    torch.manual_seed(seed)
    model = _with_weights(config, origin)
    if not origin.weights and config["encoder"].get("subsampling") == "conv1d":
        round_front_end(model.preprocessor)
        files = SpeechFiles()
        chosen = utterances[:: -(-len(utterances) // _STATISTICS_UTTERANCES)]
        statistics = band_statistics(model.preprocessor, (files.read(u) for u in chosen))
        standardize_first_layer(model, *statistics)
    add_dropout(model.encoder, dropout)
    return model


def round_front_end(preprocessor: nn.Module) -> None:
    """Rounds window and mel matrix to bfloat16 values, as the v3 checkpoints hold them."""
    with torch.no_grad():
        for buffer in preprocessor.buffers():
            buffer.copy_(buffer.bfloat16().float())


def tokenizer_of(config: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer of a recogniser's config."""
    decoding = config["decoding"]
    return build_tokenizer(decoding.get("vocabulary"), decoding.get("model_path"))


def _with_weights(config: Mapping[str, Any], origin: Origin) -> GigaAM:
    """The model of a config, with the origin's weights where they fit.

    From a head over another vocabulary, the rows of tokens in both vocabularies are taken.
    """
    model = build_model(config)
    state = model.state_dict()
    random = []
    for name, tensor in state.items():
        old = origin.weights.get(name)
        if old is not None and old.shape[1:] == tensor.shape[1:] and name in _PER_TOKEN:
            new_rows, old_rows = _common_rows(config, origin.config)
            tensor[new_rows] = old[old_rows]
        elif old is not None and old.shape == tensor.shape:
            tensor.copy_(old)
        else:
            random.append(name)
    if origin.weights and random:
        logger.info(
            "randomly initialised: %d of %d tensors (%s)", len(random), len(state), _parts(random)
        )
    return model


def _parts(tensors: Sequence[str]) -> str:
    """The parts of the model that some tensors belong to."""
    return ", ".join(dict.fromkeys(name.rpartition(".")[0] for name in tensors))


def _common_rows(new: Mapping[str, Any], old: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Ids of the tokens in both vocabularies, and of blank: in the new one and in the old one."""
    pieces, old_pieces = tokenizer_of(new).pieces, tokenizer_of(old).pieces
    old_ids = {piece: i for i, piece in enumerate(old_pieces)}
    pairs = [(i, old_ids[piece]) for i, piece in enumerate(pieces) if piece in old_ids]
    pairs.append((len(pieces), len(old_pieces)))
    ids = torch.tensor(pairs)
    return ids[:, 0], ids[:, 1]
