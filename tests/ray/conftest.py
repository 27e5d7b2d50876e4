import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import gigaam.bulk
from gigaam.bulk.executors import Executor
from gigaam.example_recording import EXAMPLE

LENGTHS_S = (0.4, 2.0, 5.0, 7.0, 30.0, 45.0, 60.0, 90.0)
COPIES = 4
SHARD_MINUTES = 0.75


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of many lengths, and one that is damaged."""
    folder = tmp_path_factory.mktemp("recordings")
    with wave.open(str(EXAMPLE)) as file:
        rate, sound = file.getframerate(), file.readframes(file.getnframes())
    for number in range(COPIES):
        for length_s in LENGTHS_S:
            n_bytes = 2 * round((length_s + number / 10) * rate)
            with wave.open(str(folder / f"{number}_{length_s}.wav"), "wb") as file:
                file.setparams((1, 2, rate, 0, "NONE", "not compressed"))
                file.writeframes((sound * (n_bytes // len(sound) + 1))[:n_bytes])
    (folder / "damaged.wav").write_bytes(b"RIFF of something else")
    return folder


@pytest.fixture(scope="session")
def undisturbed(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The rows of a process of one thread on this machine."""
    out = tmp_path_factory.mktemp("undisturbed")
    recognise(recordings, out, gigaam.bulk.LocalExecutor(workers=2, threads=1))
    return row_files(out)


class RayCluster:
    """A cluster of three nodes on this machine, with a CPU each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args=_node())
        self._others = [self._cluster.add_node(**_node()) for _ in range(2)]
        self.address: str = self._cluster.address

    def worker_processes(self) -> list[int]:
        """The processes of this cluster that do shards."""
        nodes = {node.all_processes["raylet"][0].process.pid for node in self._nodes()}
        return [pid for pid, parent in processes_named("ray::MapWorker") if parent in nodes]

    def office_processes(self) -> list[int]:
        """The processes of this cluster that deal shards out."""
        nodes = {node.all_processes["raylet"][0].process.pid for node in self._nodes()}
        return [pid for pid, parent in processes_named("ray::Office") if parent in nodes]

    def lose_node(self) -> None:
        """A node that is not the running program's own is gone, with all of its processes."""
        import ray

        here = ray.get_runtime_context().get_node_id()
        lost = next(node for node in self._others if node.node_id != here)
        self._others.remove(lost)
        self._cluster.remove_node(lost, allow_graceful=False)

    def restore(self) -> None:
        """All nodes are there."""
        while len(self._others) < 2:
            self._others.append(self._cluster.add_node(**_node()))

    def end(self) -> None:
        self._cluster.shutdown()

    def _nodes(self) -> list[Any]:
        return [self._cluster.head_node, *self._others]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        started = RayCluster()
        try:
            yield started
        finally:
            started.end()


def recognise(
    recordings: Path,
    out: Path,
    executor: Executor,
    on_event: Callable[[object], object] = lambda event: None,
    model: str = "tiny_ctc",
) -> gigaam.bulk.BulkResult:
    return gigaam.bulk.run(
        recordings,
        out,
        model=model,
        executor=executor,
        shard_minutes=SHARD_MINUTES,
        on_event=on_event,
    )


def row_files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.glob("shards/*/*"))}


def processes_named(name: str) -> Iterator[tuple[int, int]]:
    """The processes of this machine whose title begins so, each with its parent."""
    for folder in Path("/proc").iterdir():
        try:
            if not (folder / "cmdline").read_bytes().startswith(name.encode()):
                continue
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except (OSError, ValueError):  # no process, or one that is gone
            continue
        yield int(folder.name), int(parent)


PROGRAM = """
import sys
from pathlib import Path
from gigaam.bulk.ray_executor import RayExecutor
from tests.ray.conftest import recognise
recordings, out, address = sys.argv[1:]
recognise(Path(recordings), Path(out), RayExecutor(address or None, workers=2))
"""


def program_of(recordings: Path, out: Path, address: str = "") -> "subprocess.Popen[bytes]":
    """A program that recognises with two workers, by default of a Ray of its own."""
    command = [sys.executable, "-c", PROGRAM, str(recordings), str(out), address]
    return subprocess.Popen(command, env={**os.environ, "GIGAAM_TEST_OUT": str(out)})


def processes_begun_for(out: Path) -> list[str]:
    """The processes that such a program has started, by what they are called."""
    mark = f"GIGAAM_TEST_OUT={out}".encode()
    found: list[str] = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes()[:80].decode(errors="replace"))
    return found


def wait_until(it_is_so: Callable[[], bool], patience_s: float = 120.0) -> None:
    end = time.monotonic() + patience_s
    while not it_is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _node() -> dict[str, Any]:
    return {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 100 << 20}
