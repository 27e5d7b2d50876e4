"""The models: a front-end, an encoder and, above them, a head for a task.

Shapes: B batch, n samples, D model width, T frames of encodings.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf
from torch import Tensor, nn

from gigaam.audio import SAMPLE_RATE, AudioSource, read_audio
from gigaam.decoder import CTCHead, Encodings, RNNTHead
from gigaam.decoding import CTCGreedyDecoding, RNNTGreedyDecoding
from gigaam.decoding.log_probs import LogProbs
from gigaam.decoding.nets import Transducer
from gigaam.encoder import ConformerEncoder
from gigaam.errors import CheckpointError, GigaAMError, WrongTaskError
from gigaam.preprocess import FeatureExtractor
from gigaam.published.objects import ModelNames, RecogniserNames
from gigaam.quoting import brief, cut
from gigaam.recognition import SpeechRecognition
from gigaam.requirements import require
from gigaam.shielding import shielded
from gigaam.store import checkpoints

require(torch)

LONGFORM_THRESHOLD = 25 * SAMPLE_RATE
"""Samples that the published package takes in one pass; here it is 30 seconds."""

PARTS: dict[str, Callable[..., Any]] = {
    part.__name__: part
    for part in (
        FeatureExtractor,
        ConformerEncoder,
        CTCHead,
        RNNTHead,
        CTCGreedyDecoding,
        RNNTGreedyDecoding,
        nn.Linear,
    )
}
"""What a config may build, by the class name that ends its ``_target_``: configs of Hugging Face
files name the same classes in other modules."""


TASKS = {
    "transcribe": "speech recognition",
    "transcribe_longform": "speech recognition",
    "iter_longform": "speech recognition",
    "live": "speech recognition",
    "get_probs": "emotions",
}
"""What a model must be for to have a method that others lack."""


def build_part(config: Mapping[str, Any]) -> Any:
    """The front-end, encoder, head or search that a section of a model's config describes.

    Raises:
        CheckpointError: The section names another class, or arguments its class does not take.
    """
    arguments = dict(config)
    target = str(arguments.pop("_target_", None))
    part = PARTS.get(target.rpartition(".")[2])
    if part is None:
        raise CheckpointError(
            f"the config asks for {brief(target)}, which is no part of a GigaAM model; "
            f"known are {', '.join(PARTS)}"
        )
    try:
        return part(**arguments)
    except GigaAMError:
        raise
    except (TypeError, ValueError, RuntimeError, ArithmeticError, MemoryError) as error:
        raise CheckpointError(f"{target} cannot be built from its config: {cut(error)}") from error


class GigaAM(nn.Module, ModelNames):
    """A pre-trained encoder: embeddings of speech; the base of the other models.

    Args:
        config: The model's config as plain data, with sections ``preprocessor`` and ``encoder``.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.cfg = OmegaConf.create(dict(config))
        self.preprocessor: FeatureExtractor = build_part(config["preprocessor"])
        self.encoder: ConformerEncoder = build_part(config["encoder"])

    def __getattr__(self, name: str) -> Tensor | nn.Module:
        """Parts of the model; for methods that it lacks, which models have them."""
        if name in TASKS:
            kind = self.cfg.get("model_class", "ssl")
            raise WrongTaskError(
                f"a model of class {kind!r} has no {name}: that takes a model for {TASKS[name]}"
            )
        return super().__getattr__(name)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.parameters()).device

    def forward(self, wav: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encodings of a batch of recordings; each one's are those it has alone.

        For training too: gradients and autocast are as the caller has them.

        Args:
            wav: float32 [B, n] in [-1, 1], padded on the right with anything.
            lengths: int [B], samples of each recording.

        Returns:
            Encodings float32 [B, D, T] and their lengths int32 [B].
        """
        encoded, encoded_lengths = self.encoder(*self.preprocessor(wav, lengths))
        return encoded.float(), encoded_lengths

    def prepare_wav(
        self, wav_file: AudioSource, input_rate: int | None = None, track: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """A recording as a batch of one: float32 [1, n] and its length int64 [1]."""
        samples = read_audio(
            wav_file,
            sample_rate=self.preprocessor.sample_rate,
            input_rate=input_rate,
            track=track,
        )
        wav = torch.from_numpy(samples).to(self.device)[None]
        return wav, torch.tensor([wav.size(1)], device=self.device)

    @shielded
    def embed_audio(
        self, wav_file: AudioSource, input_rate: int | None = None, track: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encodings of a recording, float32 [1, D, T], and their number, int32 [1].

        Args:
            wav_file: A path, the bytes of a file, an open binary file, or an array or tensor.
            input_rate: Rate of an array's samples, Hz.
            track: Which audio track of a file, from 0; by default the one that ``ffmpeg`` takes.
        """
        encoded, lengths = self(*self.prepare_wav(wav_file, input_rate, track))
        return encoded, lengths

    @torch.inference_mode()
    @shielded
    def encode(self, waveforms: Sequence[NDArray[np.float32]]) -> Encodings:
        """Encodings of a batch of recordings, each float32 [n]."""
        lengths = torch.tensor([len(samples) for samples in waveforms], device=self.device)
        batch = nn.utils.rnn.pad_sequence(
            [torch.from_numpy(samples) for samples in waveforms], batch_first=True
        )
        encoded, frames = self(batch.to(self.device), lengths)
        return Encodings(encoded, frames.cpu().numpy().astype(np.int64))

    def save(
        self,
        directory: str | os.PathLike[str],
        encoder_dtype: Literal["float32", "float16", "bfloat16"] | None = None,
    ) -> None:
        """Writes the model as a directory that ``load_model`` opens.

        The directory holds ``config.yaml``, ``model.safetensors`` and, for models of subwords,
        ``tokenizer.model``; each appears whole or not at all.

        Args:
            directory: Made if missing; a model already in it is replaced.
            encoder_dtype: Precision of the stored encoder; None keeps the one in memory.
        """
        config: Any = OmegaConf.to_container(self.cfg)
        state = self.state_dict()
        if encoder_dtype is not None:
            dtype = getattr(torch, encoder_dtype)
            state = {
                name: tensor.to(dtype)
                if name.startswith("encoder.") and tensor.is_floating_point()
                else tensor
                for name, tensor in state.items()
            }
        checkpoints.write_directory(directory, config, state, self._tokenizer_model())

    def to_onnx(
        self,
        dir_path: str | os.PathLike[str] = ".",
        dtype: Literal["float32", "float16", "int8"] | torch.dtype = "float32",
        external_data: bool | None = None,
        layout: Literal["gigaam", "onnx-asr", "sherpa-onnx"] = "gigaam",
    ) -> None:
        """Writes the model's ONNX graphs and its config; see `gigaam.onnx.export.export`.

        Args:
            dir_path: Made if missing.
            dtype: Precision of the layers, by its name or torch's: "int8" is the fastest on CPUs,
                "float16", which changes the encoder alone, is for GPUs.
            external_data: Whether weights lie beside the graphs; by default if they are over
                1.5 GB.
            layout: Whose files: the published package's, or those that another engine opens.
        """
        from gigaam.onnx.export import export  # onnx is slow to import

        export(self, dir_path, dtype, external_data, layout)

    def _tokenizer_model(self) -> bytes | None:
        """The serialized SentencePiece model, for models that have one."""
        return None


class GigaAMASR(GigaAM, SpeechRecognition, RecogniserNames):
    """A speech recogniser: encoder, CTC or RNN-T head, and search.

    Args:
        config: As for `GigaAM`, with sections ``head`` and ``decoding``.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.head: CTCHead | RNNTHead = build_part(config["head"])
        self.decoding: CTCGreedyDecoding | RNNTGreedyDecoding = build_part(config["decoding"])
        if isinstance(self.head, CTCHead) != isinstance(self.decoding, CTCGreedyDecoding):
            raise CheckpointError(
                f"the head {type(self.head).__name__} and the search "
                f"{type(self.decoding).__name__} do not belong together"
            )
        section = config["head"]
        classes = section.get("num_classes") or section["decoder"]["num_classes"]
        if classes != self.decoding.blank_id + 1:
            raise CheckpointError(
                f"the head has {classes} classes, but {self.decoding.blank_id} tokens and a blank "
                f"need {self.decoding.blank_id + 1}: this tokenizer belongs to another model"
            )

    def emissions(self, encodings: Encodings) -> LogProbs:
        """Log-probabilities [B, T, V] of a batch."""
        if isinstance(self.head, CTCHead):
            return self.head.emissions(encodings)
        return super().emissions(encodings)

    def transducer(self, encodings: Encodings) -> Transducer[Any]:
        """A batch as an RNN-T search sees it."""
        if isinstance(self.head, RNNTHead):
            return self.head.transducer(encodings)
        return super().transducer(encodings)

    def _tokenizer_model(self) -> bytes | None:
        return self.decoding.tokenizer.serialized


class GigaAMEmo(GigaAM):
    """An emotion recogniser: the mean of a recording's encodings, classified.

    Args:
        config: As for `GigaAM`, with a section ``head`` and the classes' names ``id2name``.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.head: nn.Linear = build_part(config["head"])
        names = config["id2name"]
        self.id2name: list[str] = [names[i] for i in range(len(names))]

    @shielded
    def get_probs(
        self, wav_file: AudioSource, input_rate: int | None = None, track: int | None = None
    ) -> dict[str, float]:
        """Probability of each emotion of a recording; they sum to one.

        Args:
            wav_file: A path, the bytes of a file, an open binary file, or an array or tensor.
            input_rate: Rate of an array's samples, Hz.
            track: Which audio track of a file, from 0; by default the one that ``ffmpeg`` takes.
        """
        encoded, lengths = self(*self.prepare_wav(wav_file, input_rate, track))
        (probabilities,) = self.classify(encoded, lengths).tolist()
        return dict(zip(self.id2name, probabilities, strict=True))

    def classify(self, encoded: Tensor, lengths: Tensor) -> Tensor:
        """Probabilities float32 [B, emotions] of encodings [B, D, T] with lengths [B]."""
        return self.logits(encoded, lengths).softmax(-1)

    def logits(self, encoded: Tensor, lengths: Tensor) -> Tensor:
        """What `classify` makes probabilities of, float32 [B, emotions]."""
        inside = torch.arange(encoded.size(2), device=encoded.device) < lengths[:, None]
        total = encoded.masked_fill(~inside[:, None], 0.0).sum(-1)
        mean = (total / lengths[:, None]).to(self.head.weight.dtype)
        logits: Tensor = self.head(mean)
        return logits.float()
