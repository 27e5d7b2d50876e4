"""Speech recognition: the labels of an utterance spell its transcription; CTC or RNN-T heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from gigaam.dataset.manifests import Utterance
from gigaam.decoder import CTCHead
from gigaam.decoding.tokenizer import Tokenizer, build_tokenizer
from gigaam.errors import ArgumentError, DatasetError, ModelError
from gigaam.evaluation.evaluating import OnDone, evaluate
from gigaam.evaluation.scoring import compare
from gigaam.model import GigaAM, GigaAMASR
from gigaam.store.configs import decoding_section, recognition_head
from gigaam.training.configuration import typed
from gigaam.training.corpus import Limits, gather, read_transcriptions, readable
from gigaam.training.data import SpeechFiles
from gigaam.training.epochs import EpochLoader
from gigaam.training.hearing import transcribe_utterances
from gigaam.training.initial_model import tokenizer_of
from gigaam.training.loader import Batch
from gigaam.training.losses import CTCLoss, loss_of
from gigaam.training.objective import LossOptions, Objective, encode
from gigaam.training.options import ModelOptions, RunOptions
from gigaam.training.origin import Origin, headless_config
from gigaam.training.tasks.task import Assessment, ErrorCount, Material, Share, shown

__all__ = ["RecognitionObjective", "RecognitionTask", "prepare_recognition"]

_RNNT_LABELS_PER_FRAME = 10


class RecognitionObjective(Objective):
    """The loss of a recogniser, and of a CTC head beside a transducer.

    Args:
        model: The model to be trained; the kind of its head decides on the loss.
        options: Options of the loss.

    Raises:
        ArgumentError: The options do not suit the head.
    """

    model: GigaAMASR

    def __init__(self, model: GigaAMASR, options: LossOptions | None = None) -> None:
        super().__init__()
        options = options or LossOptions()
        if options.auxiliary_ctc and isinstance(model.head, CTCHead):
            raise ArgumentError("auxiliary_ctc is for transducers: this model has a CTC head")
        self.model = model
        self._loss = loss_of(model.head, options.lattice_elements)
        self._auxiliary_weight = options.auxiliary_ctc
        self.auxiliary: CTCHead | None = None
        if options.auxiliary_ctc:
            self.auxiliary = CTCHead(model.encoder.d_model, model.decoding.blank_id + 1)

    def forward(self, batch: Batch, *, freeze_encoder: bool = False) -> Tensor:
        """The loss of a batch; see `Objective.forward`."""
        encoded, lengths = encode(self.model, batch, freeze_encoder)
        target = (encoded, lengths, batch.labels, batch.label_lengths)
        with torch.autocast(encoded.device.type, enabled=False):
            loss = self._loss(*target)
            if self.auxiliary is not None:
                loss = loss + self._auxiliary_weight * CTCLoss(self.auxiliary)(*target)
        return loss


@dataclass(frozen=True)
class _Spelling:
    """The labels of a text."""

    tokenizer: Tokenizer

    def __call__(self, text: str) -> list[int]:
        labels = self.tokenizer.encode(text)
        if any(map(self.tokenizer.stands_alone, labels)):  # <unk>: nobody wants to read that
            raise ModelError(f"the vocabulary cannot spell {text!r}")
        return labels


@dataclass(frozen=True)
class RecognitionTask:
    """Training a recogniser.

    Attributes:
        material: What the run works with; an utterance's text is its transcription.
        labels: Returns the labels of a transcription.
    """

    material: Material
    labels: _Spelling
    error_name: ClassVar[str] = "CER on dev"
    configuration: ClassVar[str] = "fine_tune"

    def objective(self) -> Objective:
        """See `gigaam.training.tasks.task.Task.objective`."""
        model = self.material.initial_model()
        assert isinstance(model, GigaAMASR)
        options = typed(LossOptions, "loss", self.material.options.loss)
        return RecognitionObjective(model, options)

    def batches(self, share: Share) -> EpochLoader:
        """See `gigaam.training.tasks.task.Task.batches`."""
        return self.material.labelled_batches(self.labels, share)

    def count_errors(
        self, model: GigaAM, utterances: Sequence[Utterance], files: SpeechFiles
    ) -> ErrorCount:
        """Edits of characters, and characters in the transcriptions."""
        assert isinstance(model, GigaAMASR)
        texts = transcribe_utterances(model, utterances, files)
        compared = compare([utterance.text for utterance in utterances], texts)
        return ErrorCount(
            sum(each.characters.errors for each in compared),
            sum(each.characters.length for each in compared),
        )

    def assess(self, model: GigaAM, manifest: str, on_done: OnDone) -> Assessment:
        """Error rates on a manifest."""
        assert isinstance(model, GigaAMASR)
        scores = evaluate(model, manifest, on_done=on_done).scores
        rates = (("CER", scores.raw_cer), ("WER", scores.raw_wer))
        figures = [(name, shown(rate.edits.rate, rate.interval)) for name, rate in rates]
        return Assessment(manifest, scores.utterances, figures)

    def describe(self, model: GigaAM) -> str:
        """See `gigaam.training.tasks.task.Task.describe`."""
        assert isinstance(model, GigaAMASR)
        n_tokens = len(model.decoding.tokenizer)
        return f"A speech recogniser ({model.cfg.model_class.upper()}, {n_tokens} tokens)"


def prepare_recognition(origin: Origin, options: RunOptions) -> RecognitionTask:
    """The task of a run with the head "ctc" or "rnnt".

    Args:
        origin: Where training begins.
        options: The run's options.

    Raises:
        ArgumentError: There is no vocabulary.
        DatasetError: A manifest is invalid, or there is nothing to learn from.
    """
    data, normalize = options.data, _normalizes(options, origin)
    train = read_transcriptions(data.train, normalize)
    texts = [utterance.text for utterance in train]
    config = _config(origin.config, options.model, texts, options.model_name)
    labels = _Spelling(tokenizer_of(config))
    dev = read_transcriptions(data.dev, normalize)
    labels_per_s = _labels_per_s(config) / max(data.speed)
    corpus = gather(train, Limits(labels, data.max_s, labels_per_s, silence=data.silence))
    dev_set = readable(dev, "transcription", data.silence)
    return RecognitionTask(Material(options, origin, config, corpus, dev_set), labels)


def _normalizes(options: RunOptions, origin: Origin) -> bool:
    """Whether texts are lower-cased and stripped of punctuation."""
    if options.data.normalize is not None:
        return options.data.normalize
    if options.model.vocabulary == "manifest":
        return True
    pieces = tokenizer_of(_config(origin.config, options.model, (), "")).pieces
    return not any(piece != piece.lower() for piece in pieces)


def _labels_per_s(config: Mapping[str, Any]) -> float:
    """How many labels fit into a second of sound."""
    front_end = config["preprocessor"]
    hop_s = front_end.get("hop_length", 160) / front_end.get("sample_rate", 16_000)
    frames_per_s: float = 1 / hop_s / config["encoder"].get("subsampling_factor", 4)
    return frames_per_s * (1 if config["model_class"] == "ctc" else _RNNT_LABELS_PER_FRAME)


def _config(
    old: Mapping[str, Any], options: ModelOptions, texts: Sequence[str], name: str
) -> dict[str, Any]:
    """The config of a recogniser with the head that the options ask for.

    Args:
        old: The config of the model that training begins with.
        options: Options of the model.
        texts: Transcriptions of the training set, whose characters may make up the vocabulary.
        name: The model's name.
    """
    kind = options.head or old["model_class"]
    config = headless_config(old, kind, name)
    keeps_kind = kind == old["model_class"]
    if keeps_kind and options.vocabulary is None:
        return config | {"head": old["head"], "decoding": old["decoding"]}
    spelling = _vocabulary(options, old.get("decoding"), texts)
    classes = len(build_tokenizer(**spelling)) + 1
    predictor_width = options.predictor_width
    if keeps_kind and kind == "rnnt":
        predictor_width = old["head"]["decoder"]["pred_hidden"]
    width = config["encoder"]["d_model"]
    config["head"] = recognition_head(kind, width, classes, predictor_width)
    config["decoding"] = decoding_section(kind) | spelling
    return config


def _vocabulary(
    options: ModelOptions, decoding: Mapping[str, Any] | None, texts: Sequence[str]
) -> dict[str, Any]:
    """The arguments of a tokenizer."""
    if options.vocabulary is None:
        if decoding is None:
            raise ArgumentError(
                "the model has no vocabulary yet: model.vocabulary must be a file of characters, a "
                "SentencePiece model, or manifest"
            )
        return {key: decoding.get(key) for key in ("vocabulary", "model_path")}
    if options.vocabulary == "manifest":
        characters = sorted(set("".join(texts)))
        if not characters:
            raise DatasetError("the training manifests contain no text to take a vocabulary from")
        return {"vocabulary": characters}
    path = Path(options.vocabulary)
    if path.suffix == ".model":
        return {"vocabulary": None, "model_path": str(path)}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"model.vocabulary: {error}") from error
    return {"vocabulary": [line for line in lines if line]}
