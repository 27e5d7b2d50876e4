"""The worker processes of a run, seen from outside."""

import os
from pathlib import Path

__all__ = ["peak_mb", "workers_of"]


def workers_of(parent: int | None = None) -> list[int]:
    """The processes that run shards for a process, by default this one."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
                above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has ended
                continue
            if above == (parent or os.getpid()) and b"spawn_main" in command:
                found.append(int(folder.name))
    return sorted(found)


def peak_mb(process: int) -> float:
    """The most memory that a process has had; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    kilobytes = next((line.split()[1] for line in lines if line.startswith("VmHWM")), "0")
    return int(kilobytes) / 1024
