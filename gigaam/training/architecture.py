"""What is to be trained: a model's config with the head it is to have, and its first weights."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml  # type: ignore[import-untyped]
from torch import Tensor

from gigaam.assembly import build_model, with_files
from gigaam.decoding.tokenizer import Tokenizer, build_tokenizer
from gigaam.errors import ArgumentError, DatasetError
from gigaam.model import GigaAM
from gigaam.store.checkpoints import read_checkpoint
from gigaam.store.configs import (
    BUILTIN_NAMES,
    builtin_config,
    decoding_section,
    emotion_head,
    plain_config,
    recognition_head,
)
from gigaam.store.registry import RECOGNITION_TASKS
from gigaam.store.resolver import checkpoint_path
from gigaam.training.options import ModelOptions
from gigaam.training.starting_point import in_float32

__all__ = [
    "Origin",
    "emotion_config",
    "first_model",
    "origin",
    "recognition_config",
    "tokenizer_of",
]

logger = logging.getLogger(__name__)

_PER_TOKEN = (
    "head.decoder_layers.0.weight",
    "head.decoder_layers.0.bias",
    "head.decoder.embed.weight",
    "head.joint.joint_net.1.weight",
    "head.joint.joint_net.1.bias",
)
"""Tensors of heads with a row for each token; the last row is the blank's."""


@dataclass(frozen=True)
class Origin:
    """Where a training begins.

    Attributes:
        config: A model's config, as plain data.
        weights: Its tensors by name; none for a random beginning.
    """

    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]


def origin(options: ModelOptions) -> Origin:
    """The model that is asked for to start from, or to be like.

    Raises:
        ArgumentError: Not exactly one of them is asked for.
        UnknownModelError: There is no such model.
    """
    if (options.init is None) == (options.architecture is None):
        raise ArgumentError("give model.init or model.architecture, one of the two")
    if options.init is not None:
        checkpoint = read_checkpoint(checkpoint_path(options.init))
        return Origin(with_files(checkpoint.config, checkpoint), in_float32(checkpoint.state_dict))
    name = str(options.architecture)
    if name in BUILTIN_NAMES:
        return Origin(builtin_config(name), {})
    if name.endswith((".yaml", ".yml")):
        try:
            content = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise ArgumentError(f"model.architecture: {error}") from error
        return Origin(plain_config(content, name), {})
    checkpoint = read_checkpoint(checkpoint_path(name))
    return Origin(with_files(checkpoint.config, checkpoint), {})


def recognition_config(
    old: Mapping[str, Any], options: ModelOptions, texts: Sequence[str], name: str
) -> dict[str, Any]:
    """The config of a recogniser with the head that is asked for.

    Args:
        old: The config of the model it starts from.
        options: What is asked for.
        texts: Transcriptions of the training set, to make a vocabulary of.
        name: What the model is called.

    Raises:
        ArgumentError: There is no head, or no vocabulary.
    """
    kind = options.head or old["model_class"]
    if kind not in RECOGNITION_TASKS:
        raise ArgumentError("the model has no head to train: model.head must be ctc, rnnt or emo")
    config = _headless(old, kind, name)
    keeps_kind = kind == old["model_class"]
    if keeps_kind and options.vocabulary is None:
        return config | {"head": old["head"], "decoding": old["decoding"]}
    spelling = _spelling(options, old.get("decoding"), texts)
    classes = len(build_tokenizer(**spelling)) + 1
    predictor_width = options.predictor_width
    if keeps_kind and kind == "rnnt":
        predictor_width = old["head"]["decoder"]["pred_hidden"]
    width = config["encoder"]["d_model"]
    config["head"] = recognition_head(kind, width, classes, predictor_width)
    config["decoding"] = decoding_section(kind) | spelling
    return config


def emotion_config(old: Mapping[str, Any], emotions: Sequence[str], name: str) -> dict[str, Any]:
    """The config of an emotion model; an old one that knows these emotions keeps its head.

    Args:
        old: The config of the model it starts from.
        emotions: Those of the training set, each once.
        name: What the model is called.
    """
    config = _headless(old, "emo", name)
    if old["model_class"] == "emo" and set(emotions) <= set(old["id2name"].values()):
        return config | {"head": old["head"], "id2name": old["id2name"]}
    return config | {
        "head": emotion_head(config["encoder"]["d_model"], len(emotions)),
        "id2name": dict(enumerate(emotions)),
    }


def _headless(old: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    """What models over one encoder have in common."""
    kept = {part: old[part] for part in ("sample_rate", "preprocessor", "encoder") if part in old}
    return {"model_class": kind, **kept, "model_name": name}


def tokenizer_of(config: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer of a recogniser's config."""
    decoding = config["decoding"]
    return build_tokenizer(decoding.get("vocabulary"), decoding.get("model_path"))


def first_model(config: Mapping[str, Any], start: Origin) -> GigaAM:
    """The model of a config, with the weights of another where they fit, else random ones.

    Of a head over another vocabulary the rows of tokens that are in both are taken over.
    """
    model = build_model(config)
    state = model.state_dict()
    fresh = []
    for name, tensor in state.items():
        old = start.weights.get(name)
        if old is not None and old.shape[1:] == tensor.shape[1:] and name in _PER_TOKEN:
            new_rows, old_rows = _common_rows(config, start.config)
            tensor[new_rows] = old[old_rows]
        elif old is not None and old.shape == tensor.shape:
            tensor.copy_(old)
        else:
            fresh.append(name)
    if start.weights and fresh:
        logger.info("random at first: %d of %d tensors (%s)", len(fresh), len(state), _named(fresh))
    return model


def _named(tensors: Sequence[str]) -> str:
    """What parts of the model some tensors are of."""
    return ", ".join(dict.fromkeys(name.rpartition(".")[0] for name in tensors))


def _common_rows(new: Mapping[str, Any], old: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Ids of the tokens, and of blank, that are in both vocabularies: in the new and in the old."""
    pieces, old_pieces = tokenizer_of(new).pieces, tokenizer_of(old).pieces
    old_ids = {piece: i for i, piece in enumerate(old_pieces)}
    pairs = [(i, old_ids[piece]) for i, piece in enumerate(pieces) if piece in old_ids]
    pairs.append((len(pieces), len(old_pieces)))
    ids = torch.tensor(pairs)
    return ids[:, 0], ids[:, 1]


def _spelling(
    options: ModelOptions, decoding: Mapping[str, Any] | None, texts: Sequence[str]
) -> dict[str, Any]:
    """The arguments of a tokenizer."""
    if options.vocabulary is None:
        if decoding is None:
            raise ArgumentError(
                "the model spells nothing yet: model.vocabulary must be a file of characters, a "
                "SentencePiece model, or manifest"
            )
        return {key: decoding.get(key) for key in ("vocabulary", "model_path")}
    if options.vocabulary == "manifest":
        characters = sorted(set("".join(texts)))
        if not characters:
            raise DatasetError("the training manifests have no texts to make a vocabulary of")
        return {"vocabulary": characters}
    path = Path(options.vocabulary)
    if path.suffix == ".model":
        return {"vocabulary": None, "model_path": str(path)}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"model.vocabulary: {error}") from error
    return {"vocabulary": [line for line in lines if line]}
