"""A run's task: the model's config and the manifests, each made to fit the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gigaam.dataset.manifests import Utterance
from gigaam.decoding.tokenizer import Tokenizer
from gigaam.errors import ArgumentError, ModelError
from gigaam.evaluation.emotion_report import EMOTION_COLUMN
from gigaam.model import GigaAMASR, GigaAMEmo
from gigaam.training.architecture import (
    Origin,
    emotion_config,
    first_model,
    origin,
    recognition_config,
    tokenizer_of,
)
from gigaam.training.configuration import typed
from gigaam.training.corpus import Corpus, Limits, gather, read_texts, readable
from gigaam.training.data import SpeechFiles
from gigaam.training.dropout import add_dropout
from gigaam.training.first_layer import band_statistics, standardize_first_layer
from gigaam.training.objective import EmotionObjective, LossOptions, Objective
from gigaam.training.options import RunOptions, check_ranges
from gigaam.training.starting_point import round_front_end

__all__ = ["Task", "first_objective", "prepare"]

_STATISTICS_UTTERANCES = 100  # recordings from which a new first layer learns how loud bands are
_RNNT_LABELS_PER_FRAME = 10


@dataclass(frozen=True)
class Task:
    """What a run is about.

    Attributes:
        start: Where the training begins.
        config: Of the model to be trained.
        encode: Gives the labels of a text.
        corpus: What it learns from.
        dev: What it is watched on.
        measure: What it does wrong there.
    """

    start: Origin
    config: dict[str, Any]
    encode: Callable[[str], Sequence[int]]
    corpus: Corpus
    dev: Sequence[Utterance]
    measure: str


@dataclass(frozen=True)
class _EmotionLabels:
    """The labels of a "text" that is an emotion's name: its one number."""

    numbers: dict[str, int]

    def __call__(self, emotion: str) -> list[int]:
        if emotion not in self.numbers:
            raise ModelError(f"the model knows no emotion {emotion!r}")
        return [self.numbers[emotion]]


@dataclass(frozen=True)
class _Spelling:
    """The labels of a text."""

    tokenizer: Tokenizer

    def __call__(self, text: str) -> list[int]:
        labels = self.tokenizer.encode(text)
        if any(map(self.tokenizer.stands_alone, labels)):  # <unk>: nobody wants to read that
            raise ModelError(f"the vocabulary cannot spell {text!r}")
        return labels


def prepare(options: RunOptions) -> Task:
    """Manifests and the model's config, each made to fit the other."""
    check_ranges(options)
    data, start = options.data, origin(options.model)
    name = options.model.name or Path(options.out).name
    if not data.train:
        raise ArgumentError("data.train names no manifest: give one, as in data.train=train.tsv")
    if (options.model.head or start.config["model_class"]) == "emo":
        column, silence, labels_per_s = EMOTION_COLUMN, False, float("inf")
        measure = "wrong emotions on dev"
        train = read_texts(data.train, column, normalize=False)
        emotions = sorted({u.text for u in train} - {""})
        config = emotion_config(start.config, emotions, name)
        encode: Callable[[str], Sequence[int]] = _EmotionLabels(
            {emotion: number for number, emotion in config["id2name"].items()}
        )
        dev = read_texts(data.dev, column, normalize=False)
    else:
        column, silence, measure = "transcription", data.silence, "CER on dev"
        normalize = _normalizes(options, start)
        train = read_texts(data.train, column, normalize)
        config = recognition_config(start.config, options.model, [u.text for u in train], name)
        encode = _Spelling(tokenizer_of(config))
        dev = read_texts(data.dev, column, normalize)
        labels_per_s = _labels_per_s(config) / max(data.speed)
    corpus = gather(train, Limits(encode, data.max_s, labels_per_s, column, silence))
    return Task(start, config, encode, corpus, readable(dev, column, silence), measure)


def _normalizes(options: RunOptions, start: Origin) -> bool:
    """Whether texts lose their capitals and punctuation."""
    if options.data.normalize is not None:
        return options.data.normalize
    if options.model.vocabulary == "manifest":
        return True
    pieces = tokenizer_of(recognition_config(start.config, options.model, (), "")).pieces
    return not any(piece != piece.lower() for piece in pieces)


def _labels_per_s(config: dict[str, Any]) -> float:
    """How many labels a second of sound has room for."""
    front_end = config["preprocessor"]
    hop_s = front_end.get("hop_length", 160) / front_end.get("sample_rate", 16_000)
    frames_per_s: float = 1 / hop_s / config["encoder"].get("subsampling_factor", 4)
    return frames_per_s * (1 if config["model_class"] == "ctc" else _RNNT_LABELS_PER_FRAME)


def first_objective(task: Task, options: RunOptions) -> Objective | EmotionObjective:
    """The loss of the model with its first weights."""
    torch.manual_seed(options.seed)
    model = first_model(task.config, task.start)
    if not task.start.weights and task.config["encoder"].get("subsampling") == "conv1d":
        round_front_end(model.preprocessor)
        files, utterances = SpeechFiles(), task.corpus.utterances
        chosen = utterances[:: -(-len(utterances) // _STATISTICS_UTTERANCES)]
        statistics = band_statistics(model.preprocessor, (files.read(u) for u in chosen))
        standardize_first_layer(model, *statistics)
    add_dropout(model.encoder, options.training.dropout)
    if isinstance(model, GigaAMEmo):
        return EmotionObjective(model)
    assert isinstance(model, GigaAMASR)
    return Objective(model, typed(LossOptions, "loss", options.loss))
