"""Emotion recognition: one label per utterance, the emotion in the manifest's column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from gigaam.audio import SAMPLE_RATE
from gigaam.dataset.manifests import Utterance, read_manifest
from gigaam.errors import ModelError
from gigaam.evaluation.emotion_report import EMOTION_COLUMN, FIGURES
from gigaam.evaluation.evaluating import OnDone, evaluate
from gigaam.evaluation.report_text import FIGURE_NAMES
from gigaam.model import GigaAM, GigaAMEmo
from gigaam.store.configs import emotion_head
from gigaam.training.corpus import Limits, gather, readable
from gigaam.training.data import SpeechFiles
from gigaam.training.epochs import EpochLoader
from gigaam.training.loader import Batch
from gigaam.training.objective import Objective, encode
from gigaam.training.options import RunOptions
from gigaam.training.origin import Origin, headless_config
from gigaam.training.tasks.task import Assessment, ErrorCount, Material, Share, shown

__all__ = ["EmotionObjective", "EmotionTask", "prepare_emotion", "read_emotions"]


class EmotionObjective(Objective):
    """The cross-entropy of an emotion model; an example's one label is its emotion.

    Args:
        model: The model to be trained.
    """

    model: GigaAMEmo

    def __init__(self, model: GigaAMEmo) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, *, freeze_encoder: bool = False) -> Tensor:
        """The loss of a batch; see `Objective.forward`."""
        encoded, lengths = encode(self.model, batch, freeze_encoder)
        with torch.autocast(encoded.device.type, enabled=False):
            logits = self.model.logits(encoded, lengths)
        return F.cross_entropy(logits, batch.labels[:, 0], reduction="sum")


@dataclass(frozen=True)
class _EmotionLabels:
    """The labels of a "text" that is an emotion's name: its one number."""

    numbers: Mapping[str, int]

    def __call__(self, emotion: str) -> list[int]:
        if emotion not in self.numbers:
            raise ModelError(f"the model knows no emotion {emotion!r}")
        return [self.numbers[emotion]]


@dataclass(frozen=True)
class EmotionTask:
    """Training an emotion model.

    Attributes:
        material: What the run works with; an utterance's text is its emotion.
        labels: Returns the labels of an emotion.
    """

    material: Material
    labels: _EmotionLabels
    error_name: ClassVar[str] = "wrong emotions on dev"
    configuration: ClassVar[str] = "emotion"

    def objective(self) -> Objective:
        """See `gigaam.training.tasks.task.Task.objective`."""
        model = self.material.initial_model()
        assert isinstance(model, GigaAMEmo)
        return EmotionObjective(model)

    def batches(self, share: Share) -> EpochLoader:
        """See `gigaam.training.tasks.task.Task.batches`."""
        return self.material.labelled_batches(self.labels, share)

    def count_errors(
        self, model: GigaAM, utterances: Sequence[Utterance], files: SpeechFiles
    ) -> ErrorCount:
        """Utterances taken for another emotion, and all utterances."""
        assert isinstance(model, GigaAMEmo)
        predicted = (model.get_probs(files.read(u), input_rate=SAMPLE_RATE) for u in utterances)
        wrong = sum(
            max(probabilities, key=probabilities.__getitem__) != utterance.text
            for probabilities, utterance in zip(predicted, utterances, strict=True)
        )
        return ErrorCount(wrong, len(utterances))

    def assess(self, model: GigaAM, manifest: str, on_done: OnDone) -> Assessment:
        """Accuracies and F1 on a manifest."""
        assert isinstance(model, GigaAMEmo)
        scores = evaluate(model, manifest, on_done=on_done).scores
        measured = zip(FIGURES, scores.values, scores.intervals, strict=True)
        figures = [
            (FIGURE_NAMES[name], shown(value, interval)) for name, value, interval in measured
        ]
        return Assessment(manifest, scores.utterances, figures)

    def describe(self, model: GigaAM) -> str:
        """See `gigaam.training.tasks.task.Task.describe`."""
        return "An emotion recogniser"


def prepare_emotion(origin: Origin, options: RunOptions) -> EmotionTask:
    """The task of a run with the head "emo".

    Args:
        origin: Where training begins.
        options: The run's options.

    Raises:
        DatasetError: A manifest is invalid, or there is nothing to learn from.
    """
    data = options.data
    train = read_emotions(data.train)
    emotions = sorted({utterance.text for utterance in train} - {""})
    config = _config(origin.config, emotions, options.model_name)
    labels = _EmotionLabels({emotion: number for number, emotion in config["id2name"].items()})
    dev = read_emotions(data.dev)
    limits = Limits(labels, data.max_s, max_labels_per_s=float("inf"), column=EMOTION_COLUMN)
    corpus = gather(train, limits)
    dev_set = readable(dev, EMOTION_COLUMN, silence=False)
    return EmotionTask(Material(options, origin, config, corpus, dev_set), labels)


def read_emotions(manifests: Sequence[str]) -> list[Utterance]:
    """The utterances of manifests, their emotions as `text`; empty where there is none.

    Args:
        manifests: Paths of the manifests.

    Raises:
        DatasetError: A manifest is invalid.
    """
    utterances = [u for path in manifests for u in read_manifest(path, required=(EMOTION_COLUMN,))]
    emotions = [utterance.columns[EMOTION_COLUMN] for utterance in utterances]
    return [
        replace(utterance, text=emotion if emotion.strip() else "")
        for utterance, emotion in zip(utterances, emotions, strict=True)
    ]


def _config(old: Mapping[str, Any], emotions: Sequence[str], name: str) -> dict[str, Any]:
    """The config of an emotion model; an old head that knows these emotions is kept."""
    config = headless_config(old, "emo", name)
    if old["model_class"] == "emo" and set(emotions) <= set(old["id2name"].values()):
        return config | {"head": old["head"], "id2name": old["id2name"]}
    return config | {
        "head": emotion_head(config["encoder"]["d_model"], len(emotions)),
        "id2name": dict(enumerate(emotions)),
    }
