"""Bulk runs on a Ray cluster, whatever of it is killed: the rows are those of one machine."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gigaam.bulk.executors import ShardDone
from gigaam.bulk.ray_executor import RayExecutor
from gigaam.errors import BulkError
from tests.ray.conftest import RayCluster, kill, program_of, recognise, row_files, wait_until

pytestmark = pytest.mark.ray


def test_the_rows_of_a_cluster_are_those_of_this_machine(
    cluster: RayCluster, recordings: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    done: list[int] = []

    def note(event: object) -> None:
        if isinstance(event, ShardDone):
            done.append(event.shard)

    result = recognise(recordings, tmp_path, RayExecutor(cluster.address), note)

    assert row_files(tmp_path) == undisturbed
    assert sorted(done) == list(range(len(undisturbed)))
    assert result.n_failed == 1
    wait_until(lambda: not cluster.worker_processes())


def test_workers_are_killed(
    cluster: RayCluster, recordings: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    def kill_some(n_done: int) -> None:
        if n_done % 4 == 2:
            kill(cluster.worker_processes()[0])

    executor = RayExecutor(cluster.address, workers=2)
    recognise(recordings, tmp_path, executor, at_each_shard(kill_some))

    assert row_files(tmp_path) == undisturbed


@pytest.mark.slow  # Ray takes a minute and more to notice that a node is dead
def test_a_node_and_what_deals_the_shards_out_are_killed(
    cluster: RayCluster, recordings: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    def lose(n_done: int) -> None:
        if n_done == 3:
            cluster.lose_node()
        elif n_done == 7:
            kill(cluster.office_processes()[0])

    recognise(recordings, tmp_path, RayExecutor(cluster.address, workers=3), at_each_shard(lose))
    cluster.restore()

    assert row_files(tmp_path) == undisturbed


def test_the_program_is_killed_and_begun_again(
    cluster: RayCluster, recordings: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    with program_of(recordings, tmp_path, cluster.address) as program:
        wait_until(lambda: len(row_files(tmp_path)) >= 3)
        program.kill()
    n_done = len(row_files(tmp_path))
    assert n_done < len(undisturbed)
    wait_until(lambda: not cluster.worker_processes())

    recognise(recordings, tmp_path, RayExecutor(cluster.address))

    assert row_files(tmp_path) == undisturbed


def test_a_model_that_no_worker_can_load_is_an_error_soon(
    cluster: RayCluster, recordings: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.ckpt"
    model.write_bytes(b"of no use")
    began = time.monotonic()
    with pytest.raises(BulkError, match=r"model\.ckpt"):
        recognise(recordings, tmp_path / "out", RayExecutor(cluster.address), model=str(model))
    assert time.monotonic() - began < 60
    wait_until(lambda: not cluster.worker_processes())


def at_each_shard(then: Callable[[int], object]) -> Callable[[object], None]:
    """Has something done each time that a shard is done, with how many are."""
    done: list[int] = []

    def note(event: object) -> None:
        if isinstance(event, ShardDone):
            done.append(event.shard)
            then(len(done))

    return note
