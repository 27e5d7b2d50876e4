"""Speech regions by pyannote.audio's voice activity detection, of the extra ``longform``.

What pyannote does to the process around it is undone or kept off: its models are read as data (it
would unpickle them with code and all), it sends no telemetry, and warnings, environment, torch's
threads and TF32 switches are after a call what they were before.

Legend: n samples.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gigaam.audio import SAMPLE_RATE
from gigaam.errors import CheckpointError, MissingDependencyError, ModelError
from gigaam.requirements import import_torchaudio
from gigaam.shielding import without_autocast
from gigaam.store.pickles import load_pickle
from gigaam.vad.pyannote_hub import segmentation_file
from gigaam.vad.speech import (
    Region,
    RegionBuilder,
    Samples,
    SpeechStream,
    VadOptions,
    checked_block,
)

__all__ = ["PyannoteDetector", "import_pyannote", "read_model", "undisturbed"]

# The net sees windows of 5 to 10 s; half of the overlap keeps the seam far from the blocks' edges.
BLOCK_SAMPLES = 600 * SAMPLE_RATE
OVERLAP_SAMPLES = 30 * SAMPLE_RATE
THRESHOLD = 0.5
_SHORTEST_SAMPLES = SAMPLE_RATE // 10  # less is padded: the net's frames need some samples

_TELEMETRY = "PYANNOTE_METRICS_ENABLED"
_MODELS = "pyannote.audio.models"
_DATA_CLASSES = {
    "pyannote.audio.core.task": ("Specifications", "Problem", "Resolution"),
    "pyannote.audio.core.model": ("Introspection",),  # in files of before pyannote.audio 2
    "torch.torch_version": ("TorchVersion",),
}

# Some of what a call changes for a while belongs to the whole process, so calls take turns.
_RUNNING = threading.Lock()


class PyannoteDetector:
    """Finds speech with a segmentation model of pyannote. Threads may share it; they take turns."""

    def __init__(self, pipeline: Any, options: VadOptions) -> None:
        """A detector over a ``VoiceActivityDetection`` pipeline that is ready to be called."""
        self._pipeline = pipeline
        self._options = options

    @classmethod
    def load(
        cls,
        options: VadOptions | None = None,
        *,
        device: str | torch.device | None = None,
        model: str | os.PathLike[str] | None = None,
    ) -> PyannoteDetector:
        """A detector with its model on the device.

        Args:
            options: Thresholds and durations.
            device: Where the model runs; None: "cuda" if there is one, else "cpu".
            model: A Hugging Face repository or a local file or directory; None: the first of
                pyannote's segmentation models that can be had.
        """
        options = options or VadOptions()
        options.thresholds(THRESHOLD)  # complain here, not at the first recording
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        path = segmentation_file(model)  # first: importing pyannote takes seconds
        with undisturbed():
            import_pyannote()
            pipeline = _pipeline(read_model(path), options)
            pipeline.to(torch.device(device))
        return cls(pipeline, options)

    def stream(self) -> SpeechStream:
        """A stream for one recording."""
        return _PyannoteStream(self)

    @property
    def pipeline(self) -> Any:
        """What finds the speech in a block."""
        return self._pipeline

    @property
    def options(self) -> VadOptions:
        """Thresholds and durations."""
        return self._options

    def raw_regions(self, samples: Samples) -> list[Region]:
        """Where the model hears speech in up to a block of samples ``[n]``, unpadded."""
        n_padding = max(0, _SHORTEST_SAMPLES - samples.size)
        waveform = torch.from_numpy(np.pad(samples, (0, n_padding)))[None]
        file = {"waveform": waveform, "sample_rate": SAMPLE_RATE, "uri": "recording"}
        with undisturbed():
            speech = self._pipeline(file).get_timeline().support()
        bounds = [
            (round(each.start * SAMPLE_RATE), round(each.end * SAMPLE_RATE)) for each in speech
        ]
        clipped = [(max(0, start), min(end, samples.size)) for start, end in bounds]
        return [Region(start, end) for start, end in clipped if start < end]


class _PyannoteStream:
    """Blocks of 10 minutes that overlap; each answers for its middle, the seams lie between."""

    def __init__(self, detector: PyannoteDetector) -> None:
        self._detector = detector
        self._builder = RegionBuilder(detector.options)
        self._buffer = np.empty(BLOCK_SAMPLES, np.float32)
        self._filled = 0
        self._start = 0  # position of the buffer's first sample
        self._judged = 0  # up to here the regions are known

    @property
    def decided(self) -> int:
        return self._builder.decided

    def push(self, block: Samples) -> list[Region]:
        samples = checked_block(block)
        regions: list[Region] = []
        while samples.size:
            if self._filled == BLOCK_SAMPLES:  # not before more comes: it may be the last block
                regions += self._advance()
            head, samples = np.split(samples, [BLOCK_SAMPLES - self._filled])
            self._buffer[self._filled : self._filled + head.size] = head
            self._filled += head.size
        return regions

    def finish(self) -> list[Region]:
        n_samples = self._start + self._filled
        regions = self._judge(n_samples)
        return regions + self._builder.finish(n_samples)

    def _advance(self) -> list[Region]:
        """Judge a full block up to the middle of its overlap with the next, then shift."""
        regions = self._judge(self._start + BLOCK_SAMPLES - OVERLAP_SAMPLES // 2)
        self._buffer[:OVERLAP_SAMPLES] = self._buffer[-OVERLAP_SAMPLES:]
        self._start += BLOCK_SAMPLES - OVERLAP_SAMPLES
        self._filled = OVERLAP_SAMPLES
        return regions

    def _judge(self, end: int) -> list[Region]:
        """Regions made final by hearing the buffer, of which the part up to ``end`` counts."""
        regions: list[Region] = []
        if end <= self._judged:
            return regions
        for raw in self._detector.raw_regions(self._buffer[: self._filled]):
            start = max(raw.start + self._start, self._judged)
            stop = min(raw.end + self._start, end)
            if start < stop:
                regions += self._builder.add(Region(start, stop))
        self._judged = end
        return regions + self._builder.settle(end)


def import_pyannote() -> None:
    """Have its pipelines in memory, with telemetry off unless it was switched on.

    Raises:
        MissingDependencyError: It cannot be imported.
    """
    # Its pipelines refuse to run without this variable, so it stays set.
    os.environ.setdefault(_TELEMETRY, "0")
    try:
        import_torchaudio()
        import_module("pyannote.audio.pipelines")
    except Exception as error:  # wrong versions of torchaudio fail with OSError or RuntimeError
        raise MissingDependencyError(
            f"pyannote.audio cannot be imported ({error}): pip install --upgrade '.[longform]' in "
            "a clone of gigaam"
        ) from error


def read_model(path: Path, kind: str = "segmentation") -> Any:
    """The net stored in a file, with its weights; the file is read as data.

    Args:
        path: A ``pytorch_model.bin`` of pyannote.
        kind: "segmentation" or "embedding".

    Raises:
        CheckpointError: It is no such net.
    """
    names = [(module, name) for module, found in _DATA_CLASSES.items() for name in found]
    further = [
        (getattr(import_module(module), name), f"{module}.{name}")
        for module, name in names
        if hasattr(import_module(module), name)
    ]
    stored = load_pickle(path, further)
    try:
        return _built(stored, f"{_MODELS}.{kind}")
    except (AttributeError, ImportError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is no model of pyannote for {kind}: {error}") from error


def _built(stored: Any, models: str) -> Any:
    from pyannote.audio import Model

    architecture = stored["pyannote.audio"]["architecture"]
    module, name = architecture["module"], architecture["class"]
    if not f"{module}.".startswith(f"{models}."):
        raise ValueError(f"its architecture is {module}.{name}, which is not in {models}")
    kind = getattr(import_module(module), name)
    if not (isinstance(kind, type) and issubclass(kind, Model)):
        raise ValueError(f"{module}.{name} is not a model")
    model: Any = kind(**_plain(stored["hyper_parameters"]))
    model.on_load_checkpoint(stored)  # adds the layers that depend on the specifications
    weights = stored["state_dict"]
    # The loss of the training may have weights of its own.
    weights = {key: value for key, value in weights.items() if not key.startswith("loss_func.")}
    model.load_state_dict(weights)
    return model.eval()


def _plain(hyper_parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a model as plain values; the training task is left out."""
    kept = {name: value for name, value in hyper_parameters.items() if name != "task"}
    for name, value in kept.items():
        if not isinstance(value, str | int | float | dict | list | None):
            raise ValueError(f"its hyper-parameter {name} is a {type(value).__name__}")
    return kept


def _pipeline(model: Any, options: VadOptions) -> Any:
    from pyannote.audio.pipelines import VoiceActivityDetection

    specifications = model.specifications
    if isinstance(specifications, tuple) or model.hparams.sample_rate != SAMPLE_RATE:
        raise ModelError("the pyannote model is not a segmentation model for 16 kHz")
    pipeline = VoiceActivityDetection(segmentation=model)
    # Durations are left to RegionBuilder, so that they mean the same with every detector.
    parameters = {"min_duration_on": 0.0, "min_duration_off": 0.0}
    onset, offset = options.thresholds(THRESHOLD)
    if specifications.powerset:  # its scores are averages of decisions, not probabilities
        pipeline.onset = pipeline.offset = onset
    else:
        parameters |= {"onset": onset, "offset": offset}
    pipeline.instantiate(parameters)
    return pipeline


@contextmanager
def undisturbed() -> Iterator[None]:
    """One call of pyannote at a time; what importing and calling it changes is put back."""
    with _RUNNING, _process_state_kept():
        yield


@contextmanager
def _process_state_kept() -> Iterator[None]:
    environment = dict(os.environ)
    n_threads = torch.get_num_threads()
    cpu, gpu = without_autocast(torch.device("cpu")), without_autocast(torch.device("cuda"))
    with warnings.catch_warnings(), _tf32_kept_off(), cpu, gpu:
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            _restore(environment)
            if torch.get_num_threads() != n_threads:
                torch.set_num_threads(n_threads)


def _restore(environment: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(environment) - {_TELEMETRY}:
        del os.environ[name]
    for name, value in environment.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


@contextmanager
def _tf32_kept_off() -> Iterator[None]:
    """What pyannote does to TF32 on a GPU, but only for the time of a call."""
    if not torch.cuda.is_available():
        yield
        return
    switches: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    try:
        yield  # pyannote switches both off if one is on
    finally:
        for switch, value in zip(switches, before, strict=True):
            if switch.allow_tf32 != value:
                switch.allow_tf32 = value
