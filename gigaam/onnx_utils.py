"""Exported models under the function names of the published package; none needs torch.

`gigaam.onnx.load` gives the same as an object.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE, AudioSource
from gigaam.errors import ArgumentError, CheckpointError, MissingDependencyError
from gigaam.onnx.engine import onnxruntime
from gigaam.onnx.runtime import OnnxASR, OnnxEmo, OnnxEncoder, from_sessions
from gigaam.onnx.sessions import open_sessions as _open_sessions
from gigaam.published.recordings import Recordings, entries
from gigaam.store import registry
from gigaam.store.config_files import parse_yaml
from gigaam.store.configs import plain_config
from gigaam.store.exports import exported_names

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["infer_onnx", "load_onnx", "load_onnx_sessions", "transcribe_sample"]

Preprocessor = Callable[..., Any]
"""Waveforms float32 [1, n] and lengths [1] → features [1, F, T] and lengths: a torch module."""


class Speller(Protocol):
    """What makes a text of tokens."""

    def decode(self, ids: list[int], /) -> str:
        """The text."""


def load_onnx_sessions(
    onnx_dir: str | os.PathLike[str],
    model_type: str,
    model_version: str | None = None,
    provider: str | None = None,
) -> list[onnxruntime.InferenceSession]:
    """The sessions of an exported model: one, or encoder, decoder and joint.

    Args:
        onnx_dir: Holds the graphs.
        model_type: "ctc", "rnnt" or the like, or the name of a model.
        model_version: "v1", "v2", "v3" …; by default the only model there, else v2.
        provider: One of ONNX Runtime's; by default the CPU's.

    Raises:
        CheckpointError: There is no such model.
    """
    names = exported_names(onnx_dir)
    wanted = [model_type if model_version is None else f"{model_version}_{model_type}"]
    if model_version is None:
        if registry.is_known(model_type):
            wanted.append(registry.resolve(model_type).name)
        alike = [name for name in names if name.endswith(f"_{model_type}")]
        wanted += alike if len(alike) == 1 else []
    for name in wanted:
        if name in names:
            return _open_sessions(onnx_dir, name, providers=provider and [provider])
    raise CheckpointError(
        f"there is no exported {wanted[0]} in {os.fspath(onnx_dir)}; "
        f"there are: {', '.join(names) or 'no models'}"
    )


def transcribe_sample(
    wav_file: AudioSource,
    model_type: str,
    sessions: Sequence[onnxruntime.InferenceSession],
    preprocessor: Preprocessor | None = None,
) -> str:
    """The text of a recording of up to 30 seconds.

    Args:
        wav_file: A path, the bytes of a file, or an open binary file.
        model_type: As for `load_onnx_sessions`; what a model is, its graphs say themselves.
        sessions: From `load_onnx_sessions`, or opened otherwise.
        preprocessor: Computes features in place of our front-end.
    """
    model = from_sessions(sessions, _features(preprocessor))
    if not isinstance(model, OnnxASR):
        raise ArgumentError(f"{model.metadata.name} does not recognise speech")
    return model.transcribe(wav_file)


def load_onnx(
    onnx_dir: str | os.PathLike[str], model_version: str, provider: str | None = None
) -> tuple[list[onnxruntime.InferenceSession], DictConfig]:
    """The sessions and the config of an exported model, an OmegaConf one.

    Args:
        onnx_dir: Holds the graphs and the config.
        model_version: The name of a model, such as "v3_rnnt".
        provider: One of ONNX Runtime's; by default the CPU's.
    """
    try:
        from omegaconf import OmegaConf
    except ImportError as error:
        raise MissingDependencyError(
            "the config of an exported model is an OmegaConf one: pip install omegaconf"
        ) from error
    sessions = load_onnx_sessions(onnx_dir, model_version, provider=provider)
    name = from_sessions(sessions).metadata.name
    path = Path(onnx_dir, f"{name}.yaml")
    return sessions, OmegaConf.create(plain_config(parse_yaml(path), str(path)))


def infer_onnx(
    data: Recordings,
    model_cfg: Mapping[Any, Any],
    sessions: Sequence[onnxruntime.InferenceSession],
    preprocessor: Preprocessor | None = None,
    tokenizer: Speller | None = None,
    batch_size: int = 16,
    num_workers: int = 0,
    progress: bool = True,
) -> list[Any]:
    """What a model says of recordings, one result for each.

    Args:
        data: A recording or several, paths or samples at 16 kHz, or a manifest: a ``.tsv`` or
            ``.jsonl`` file with ``path``, relative to it.
        model_cfg: From `load_onnx`; what a model is, its graphs say themselves.
        sessions: From `load_onnx`.
        preprocessor: Computes features in place of our front-end.
        tokenizer: Spells tokens in place of the graph's own.
        batch_size: Recordings that are searched together.
        num_workers: Has no effect: reading takes no time beside the nets.
        progress: Whether to show a bar on a terminal.

    Returns:
        A list: texts, probabilities of emotions float32 [4] in the order of the model's classes,
        or encodings float32 [D, T].
    """
    model = from_sessions(sessions, _features(preprocessor))
    if batch_size < 1:
        raise ArgumentError(f"batch_size must be at least 1, not {batch_size}")
    wanted = entries(data)
    return [
        result
        for first in _shown(range(0, len(wanted), batch_size), progress and len(wanted) > 1)
        for result in _infer(
            model, [entry.recording() for entry in wanted[first : first + batch_size]], tokenizer
        )
    ]


def _infer(
    model: OnnxASR | OnnxEmo | OnnxEncoder,
    recordings: list[Any],
    tokenizer: Speller | None,
) -> list[Any]:
    if isinstance(model, OnnxEmo):
        return [
            np.array([*model.get_probs(each, SAMPLE_RATE).values()], np.float32)
            for each in recordings
        ]
    if isinstance(model, OnnxEncoder):
        return [model.embed_audio(each, SAMPLE_RATE)[0][0] for each in recordings]
    results = model.transcribe(recordings, batch_size=len(recordings), input_rate=SAMPLE_RATE)
    if tokenizer is None:
        return list(results)
    spelt = []
    for result in results:
        assert result.hypothesis is not None
        spelt.append(tokenizer.decode(result.hypothesis.ids.tolist()))
    return spelt


def _shown(steps: range, progress: bool) -> Iterable[int]:
    """The steps, with a bar if wanted and if there is a terminal."""
    if not progress or not sys.stderr.isatty():
        return steps
    from rich.console import Console
    from rich.progress import track

    return track(steps, "", console=Console(stderr=True), transient=True)


def _features(
    preprocessor: Preprocessor | None,
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]] | None:
    """The preprocessor as a function of samples."""
    if preprocessor is None:
        return None
    import torch

    def features(samples: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            computed, _ = preprocessor(
                torch.from_numpy(samples)[None], torch.tensor([len(samples)], device="cpu")
            )
        array: NDArray[np.float32] = computed[0].numpy()
        return array

    return features
