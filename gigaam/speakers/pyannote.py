"""Speakers by a pipeline of pyannote.audio 4, of the extra ``longform``.

As with `gigaam.vad.pyannote`, its files are read as data, it sends no telemetry, and what it does
to the process is undone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import yaml  # type: ignore[import-untyped]
from numpy.typing import NDArray

from gigaam.errors import CheckpointError, ModelError
from gigaam.speakers.turns import DiarizationStream, SpeakerCount, Turn, label, within
from gigaam.speakers.whole import WholeRecording
from gigaam.vad.detectors import check_pyannote
from gigaam.vad.pyannote_hub import repository_file

if TYPE_CHECKING:
    import torch

__all__ = ["PyannoteDiarizer"]

_FilesOf: TypeAlias = Callable[[str], Path]
"""A file by its name in the model's directory, on this machine."""

_SAMPLE_RATE = 16_000
_SHORTEST_SAMPLES = _SAMPLE_RATE // 10  # less is padded: the net's frames need some samples
_CONFIG, _WEIGHTS = "config.yaml", "pytorch_model.bin"
_PLDA = ("xvec_transform.npz", "plda.npz")
_PIPELINES = {
    "pyannote.audio.pipelines.SpeakerDiarization",
    "pyannote.audio.pipelines.speaker_diarization.SpeakerDiarization",
}
_OWN_FILES = "$model/"  # so a configuration names a folder beside it
_OUT_OF_FILES = ("token", "cache_dir", "legacy")  # parameters that are not the configuration's


class PyannoteDiarizer:
    """Tells speakers apart with a pipeline of pyannote. Threads may share it; they take turns.

    A recording is kept in memory until its end, 230 MB of an hour, as the pipeline hears nothing
    less than all of it. Its turns are the *exclusive* ones, in which one person speaks at a time:
    those are made for giving words to speakers. It knows nobody by voice.
    """

    def __init__(self, pipeline: Any) -> None:
        """A diarizer over a ``SpeakerDiarization`` pipeline that is ready to be called."""
        self._pipeline = pipeline

    @classmethod
    def load(
        cls,
        model: str | os.PathLike[str] = "pyannote/speaker-diarization-community-1",
        *,
        device: str | torch.device | None = None,
    ) -> PyannoteDiarizer:
        """A diarizer with its nets on the device.

        What Hugging Face's cache holds is used without asking the network. To fetch the default,
        accept the conditions on https://huggingface.co/pyannote/speaker-diarization-community-1
        and put a token into ``HF_TOKEN``.

        Args:
            model: A Hugging Face repository, or a local directory with the files of one.
            device: Where the nets run; None: "cuda" if there is one, else "cpu".

        Raises:
            MissingDependencyError: pyannote.audio is not installed.
            DownloadError: The model is not in the cache and cannot be fetched.
            CheckpointError: It is no pipeline of pyannote that tells speakers apart.
        """
        check_pyannote()
        file_of = _files_of(model)
        parameters, options = _configuration(file_of(_CONFIG))
        files = _with_files(parameters, file_of)  # first: importing pyannote takes seconds
        import torch

        from gigaam.vad.pyannote import import_pyannote, undisturbed

        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        with undisturbed():
            import_pyannote()
            pipeline = _built(file_of(_CONFIG), files, options)
            pipeline.to(torch.device(device))
        return cls(pipeline)

    @property
    def pipeline(self) -> Any:
        """What hears a recording."""
        return self._pipeline

    def stream(self, count: SpeakerCount) -> DiarizationStream:
        """Hear a recording from its start on; all of it is kept in memory.

        Args:
            count: How many people speak in it.
        """
        return WholeRecording(lambda samples: self._turns(samples, count))

    def _turns(self, samples: NDArray[np.float32], count: SpeakerCount) -> list[Turn]:
        import torch

        from gigaam.vad.pyannote import undisturbed

        length_s = samples.size / _SAMPLE_RATE
        if samples.size < _SHORTEST_SAMPLES:
            samples = np.pad(samples, (0, _SHORTEST_SAMPLES - samples.size))
        waveform = torch.from_numpy(samples)[None]
        file = {"waveform": waveform, "sample_rate": _SAMPLE_RATE, "uri": "recording"}
        with undisturbed():
            found = self._pipeline(file, **_bounds(count))
        return _turns_of(found, length_s)


def _bounds(count: SpeakerCount) -> dict[str, int]:
    if count == SpeakerCount():
        return {}
    if count.least == count.most:
        return {"num_speakers": count.most}
    return {"min_speakers": count.least, "max_speakers": count.most}


def _turns_of(found: Any, length_s: float) -> list[Turn]:
    """The exclusive turns of an output, with speakers numbered by appearance."""
    exclusive = getattr(found, "exclusive_speaker_diarization", None)
    if exclusive is None:
        raise ModelError(
            f"the pipeline of pyannote gave {type(found).__name__}, without exclusive turns: "
            "pyannote.audio 4 gives them, unless the pipeline was built with legacy=True"
        )
    people: dict[object, str] = {}
    turns = [
        Turn(segment.start, segment.end, people.setdefault(who, label(len(people))))
        for segment, _, who in exclusive.itertracks(yield_label=True)
    ]
    return within(turns, length_s)


def _files_of(model: str | os.PathLike[str]) -> _FilesOf:
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return lambda name: repository_file(os.fspath(model), name)

    def local(name: str) -> Path:
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{folder} is no pipeline of pyannote: it holds no {name}")
        return path

    return local


def _configuration(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters of the pipeline, and the options that it is used with."""
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        name, parameters = told["pipeline"]["name"], dict(told["pipeline"].get("params") or {})
        options = dict(told.get("params") or {})
    except (yaml.YAMLError, UnicodeError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is no configuration of pyannote: {error!r}") from error
    if name not in _PIPELINES:
        raise CheckpointError(f"{path} is of {name}, which is not pyannote's SpeakerDiarization")
    return {key: value for key, value in parameters.items() if key not in _OUT_OF_FILES}, options


def _with_files(parameters: Mapping[str, Any], file_of: _FilesOf) -> dict[str, Any]:
    """The parameters, with files in place of the folders that they name."""
    found = dict(parameters)
    for net in ("segmentation", "embedding"):
        found[net] = file_of(f"{_folder(parameters, net)}/{_WEIGHTS}")
    folder = _folder(parameters, "plda")
    found["plda"] = tuple(file_of(f"{folder}/{name}") for name in _PLDA)
    return found


def _folder(parameters: Mapping[str, Any], part: str) -> str:
    named = parameters.get(part)
    folder = str(named).removeprefix(_OWN_FILES)
    is_inside = isinstance(named, str) and named.startswith(_OWN_FILES)
    if not is_inside or "@" in folder or ".." in PurePosixPath(folder).parts:
        raise CheckpointError(
            f"the pipeline of pyannote takes its {part} from {named!r}: only pipelines whose files "
            f'are in one directory are opened ("{_OWN_FILES}{part}"), such as '
            "pyannote/speaker-diarization-community-1"
        )
    return folder


def _built(config: Path, parameters: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    from pyannote.audio.core.plda import PLDA
    from pyannote.audio.pipelines import SpeakerDiarization

    from gigaam.vad.pyannote import read_model

    nets = {net: read_model(parameters[net], net) for net in ("segmentation", "embedding")}
    try:
        plda = PLDA(*parameters["plda"])
        pipeline: Any = SpeakerDiarization(**{**parameters, **nets, "plda": plda})
        return pipeline.instantiate(options or pipeline.default_parameters())
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise CheckpointError(f"{config} makes no pipeline of pyannote: {error}") from error
