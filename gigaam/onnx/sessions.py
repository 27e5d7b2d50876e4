"""Sessions of ONNX Runtime: where they compute, and how much they say (nothing)."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from typing import Any

from gigaam.errors import ArgumentError, CheckpointError
from gigaam.onnx.engine import onnxruntime
from gigaam.onnx.screening import screen
from gigaam.quoting import cut

__all__ = ["open_session", "providers_of", "run_options"]

_FATAL = 4
"""The severity from which ONNX Runtime prints: its errors it also raises, and we tell of them."""


def open_session(
    path: str | os.PathLike[str],
    *,
    providers: Sequence[Any] | None = None,
    threads: int | None = None,
    options: onnxruntime.SessionOptions | None = None,
) -> onnxruntime.InferenceSession:
    """A session of a graph.

    Args:
        path: The ONNX file.
        providers: ONNX Runtime's, in order of preference; by default the CPU's.
        threads: CPU threads; by default one per core.
        options: All else that a session can be told; left as they are if given.

    Raises:
        ArgumentError: A provider is not installed.
        CheckpointError: The file is no graph, or one that is not opened: see
            `gigaam.onnx.screening`.
    """
    available = onnxruntime.get_available_providers()
    names = [each if isinstance(each, str) else each[0] for each in providers or ()]
    if unknown := [name for name in names if name not in available]:
        raise ArgumentError(
            f"ONNX Runtime has no {', '.join(unknown)} here; there are {', '.join(available)}"
        )
    if options is None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL
        # Threads that spin between two runs take the cores of all else that computes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if threads is not None:
            options.intra_op_num_threads = threads
    screen(path)
    try:
        session = onnxruntime.InferenceSession(
            os.fspath(path),
            options,
            providers=list(providers or ["CPUExecutionProvider"]),
            enable_fallback=False,  # of which it tells on stdout
        )
    except Exception as error:  # its errors have no common root
        raise CheckpointError(f"{os.fspath(path)} cannot be run: {cut(error)}") from error
    _return_freed_memory()
    return session


def run_options(session: onnxruntime.InferenceSession) -> onnxruntime.RunOptions:
    """What is told to each run of a session: whoever opened it may have set what it prints."""
    options = onnxruntime.RunOptions()
    level = session.get_session_options().log_severity_level
    options.log_severity_level = _FATAL if level < 0 else level
    return options


def _return_freed_memory() -> None:
    """Gives the system what is no longer used of the memory a file was read into.

    The C library of Linux keeps it, and of a full-size model that is two thirds of the file.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)


def providers_of(device: str) -> list[Any]:
    """ONNX Runtime's providers for a device as torch calls it, the CPU's last.

    Raises:
        ArgumentError: It has none here.
    """
    available = ["cpu"]
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        available.append("cuda")
    kind, _, number = device.partition(":")
    if kind not in available or (number and (kind == "cpu" or not number.isdecimal())):
        raise ArgumentError(
            f"the device {device!r} cannot be used: ONNX Runtime has {' and '.join(available)} here"
        )
    if kind == "cpu":
        return ["CPUExecutionProvider"]
    return [("CUDAExecutionProvider", {"device_id": int(number or 0)}), "CPUExecutionProvider"]
