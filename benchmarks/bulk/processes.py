"""The worker processes of a run, seen from outside."""

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["peak_mb", "proportional_mb", "workers_of", "workers_of_ray"]


def workers_of(parent: int | None = None) -> list[int]:
    """The processes that run shards for a process, by default this one."""
    return sorted(
        process
        for process, above, command in _processes()
        if above == (parent or os.getpid()) and b"spawn_main" in command
    )


def workers_of_ray() -> list[int]:
    """The processes that run shards for any Ray on this machine."""
    return sorted(
        process for process, _, command in _processes() if command.startswith(b"ray::MapWorker")
    )


def _processes() -> Iterator[tuple[int, int, bytes]]:
    """All there are: each with its parent and its command."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
                above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has ended
                continue
            yield int(folder.name), above, command


def peak_mb(process: int) -> float:
    """The most memory that a process has had; 0 if it has ended."""
    return _megabytes(process, "status", "VmHWM")


def proportional_mb(process: int) -> float:
    """A process's memory, of shared pages its share; 0 if it has ended."""
    return _megabytes(process, "smaps_rollup", "Pss")


def _megabytes(process: int, file: str, name: str) -> float:
    try:
        lines = Path(f"/proc/{process}/{file}").read_text().splitlines()
    except OSError:
        return 0.0
    kilobytes = next((line.split()[1] for line in lines if line.startswith(f"{name}:")), "0")
    return int(kilobytes) / 1024
