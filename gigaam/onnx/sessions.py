"""Sessions of ONNX Runtime, of all nets: where they compute, and how much they say (nothing)."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from gigaam.errors import ArgumentError, CheckpointError
from gigaam.onnx.engine import onnxruntime
from gigaam.onnx.screening import screen
from gigaam.quoting import cut, some
from gigaam.store.exports import PARTS, graph_files

__all__ = [
    "Provider",
    "open_session",
    "open_sessions",
    "providers_of",
    "run_options",
]

Provider: TypeAlias = str | tuple[str, Mapping[str, Any]]
"""One of ONNX Runtime's providers: its name, or its name and its options."""

_FATAL = 4
"""The severity from which ONNX Runtime prints: its errors it also raises, and we tell of them."""


def open_session(
    path: str | os.PathLike[str],
    *,
    providers: Sequence[Provider] | None = None,
    without: Collection[str] = (),
    threads: int | None = None,
    options: onnxruntime.SessionOptions | None = None,
) -> onnxruntime.InferenceSession:
    """A session of a graph.

    Args:
        path: The ONNX file.
        providers: ONNX Runtime's, in order of preference, by name or as ``(name, options)``; by
            default the CPU's.
        without: Names of those that this graph does not use; the CPU's steps in.
        threads: CPU threads; by default one per core.
        options: All else that a session can be told, the threads among it.

    Raises:
        ArgumentError: A provider is not installed or does not start, or ``threads`` and ``options``
            are both given.
        CheckpointError: The file is no graph, or one that is not opened: see
            `gigaam.onnx.screening`.
    """
    if options is not None and threads is not None:
        raise ArgumentError("threads and session options both say how to compute: give one")
    wanted = [each for each in providers or () if _name(each) not in without]
    _check_installed(map(_name, providers or ()))
    screen(path)
    try:
        session = onnxruntime.InferenceSession(
            os.fspath(path),
            options or _quiet(threads),
            providers=wanted or ["CPUExecutionProvider"],
            enable_fallback=False,  # of which it tells on stdout
        )
    except Exception as error:  # its errors have no common root
        raise CheckpointError(f"{os.fspath(path)} cannot be run: {cut(error)}") from error
    _return_freed_memory()
    # ONNX Runtime takes the CPU in place of a provider that cannot start.
    if missing := {*map(_name, wanted)} - {*session.get_providers()}:
        raise ArgumentError(
            f"ONNX Runtime does not start {', '.join(sorted(missing))}: something that it needs is "
            "missing"
        )
    return session


def _name(provider: Provider) -> str:
    return provider if isinstance(provider, str) else provider[0]


def _check_installed(names: Iterable[str]) -> None:
    available = onnxruntime.get_available_providers()
    if unknown := [name for name in dict.fromkeys(names) if name not in available]:
        raise ArgumentError(
            f"ONNX Runtime has no {', '.join(unknown)} here; there are {', '.join(available)}"
        )


def _quiet(threads: int | None) -> onnxruntime.SessionOptions:
    """Options of a session that leaves the rest of the machine alone."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    # Threads that spin between two runs take the cores of all else that computes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
    return options


def open_sessions(
    directory: str | os.PathLike[str],
    name: str,
    *,
    without: Mapping[str, Collection[str]] | None = None,
    **how: Any,
) -> list[onnxruntime.InferenceSession]:
    """The sessions of a model: one, or encoder, decoder and joint.

    Args:
        directory: Holds the graphs.
        name: The model's.
        without: Of parts ("encoder", "decoder", "joint"), the providers that they do not use.
        **how: As in `open_session`.

    Raises:
        ArgumentError: There is no such part.
        CheckpointError: The directory does not hold the model.
    """
    without = without or {}
    if unknown := {*without} - {*PARTS}:
        raise ArgumentError(f"{some(unknown)} is no part of a model; there are {', '.join(PARTS)}")
    return [
        open_session(path, without=without.get(part, ()), **how)
        for part, path in graph_files(directory, name).items()
    ]


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


def providers_of(device: str) -> list[Provider]:
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
