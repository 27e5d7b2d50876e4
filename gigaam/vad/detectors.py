"""The choice of a speech detector."""

from __future__ import annotations

import os
import warnings
from functools import lru_cache
from importlib.util import find_spec

from gigaam.errors import ArgumentError, DownloadError, MissingDependencyError
from gigaam.vad.pyannote_hub import TOKEN_VARIABLE
from gigaam.vad.silero import SileroDetector
from gigaam.vad.speech import EverythingIsSpeech, SpeechDetector, Vad, VadOptions

__all__ = ["build_detector", "check_pyannote"]


def build_detector(
    vad: Vad = "auto",
    *,
    options: VadOptions | None = None,
    device: str | None = None,
    pyannote_model: str | os.PathLike[str] | None = None,
) -> SpeechDetector:
    """A detector of speech, for any number of recordings; the last ones built are kept.

    Args:
        vad: "silero" needs nothing but the installation; "pyannote" needs the extra
            ``longform`` and a Hugging Face token in ``HF_TOKEN`` (or the model in the
            local cache, or a local ``pyannote_model``); "auto" is pyannote if its token is set (or
            a ``pyannote_model`` given), else Silero, and Silero with one warning if pyannote
            cannot be had; "none" takes everything for speech. A detector is returned as it is.
        options: Thresholds and durations.
        device: Where pyannote runs, such as "cuda:0"; None: "cuda" if there is one, else "cpu".
        pyannote_model: A Hugging Face repository, or a local ``pytorch_model.bin`` (or its
            directory), in place of the segmentation models of pyannote.

    Raises:
        MissingDependencyError: What the detector needs is not installed.
        DownloadError: "pyannote" only: its model cannot be fetched.
        CheckpointError: The ``pyannote_model`` is no segmentation model.
    """
    if not isinstance(vad, str):
        if not callable(getattr(vad, "stream", None)):
            raise ArgumentError(f"vad must be a name or have a method stream(), not {vad!r}")
        return vad
    model = None if pyannote_model is None else os.fspath(pyannote_model)
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    return _named_detector(vad, options or VadOptions(), device, model, token)


# With the token among the arguments: one that was refused is asked about once, a new one at once.
@lru_cache(maxsize=8)
def _named_detector(
    vad: str, options: VadOptions, device: str | None, model: str | None, token: str
) -> SpeechDetector:
    """The detector of that name, the same one for the same arguments."""
    if vad == "none":
        return EverythingIsSpeech()
    if vad == "silero":
        return SileroDetector(options)
    if vad == "pyannote":
        return _pyannote(options, device, model)
    if vad != "auto":
        raise ArgumentError(f'vad must be "auto", "silero", "pyannote" or "none", not {vad!r}')
    if not token and model is None:
        return SileroDetector(options)
    try:
        return _pyannote(options, device, model)
    except (DownloadError, MissingDependencyError) as error:
        warnings.warn(
            f"Silero finds the speech instead of pyannote. {error}\n"
            f'To do without pyannote, and this warning, use vad="silero" or unset '
            f"{TOKEN_VARIABLE}.",
            stacklevel=3,
        )
    return SileroDetector(options)


def _pyannote(options: VadOptions, device: str | None, model: str | None) -> SpeechDetector:
    check_pyannote()
    from gigaam.vad.pyannote import PyannoteDetector

    return PyannoteDetector.load(options, device=device, model=model)


def check_pyannote() -> None:
    """Complain if pyannote.audio is not installed, without the seconds that importing it takes.

    Raises:
        MissingDependencyError: It, or torch, is not.
    """
    for package in ("pyannote.audio", "torch"):
        if not _is_installed(package):
            raise MissingDependencyError(
                f"{package} is not installed: pip install '.[longform]' in a clone of gigaam"
            )


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # not even the namespace that it is in
        return False
