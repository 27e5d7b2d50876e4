"""What of bulk runs on Ray can be seen without a Ray; `tests/ray` has the rest."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gigaam.bulk.executors import ShardAt, ShardDone, ShardFailed, WorkerLost
from gigaam.bulk.ledger import Summary
from gigaam.bulk.ray_executor import RayExecutor
from gigaam.bulk.ray_workers import Office, Pool
from gigaam.bulk.shard import ShardTask
from gigaam.errors import ArgumentError, BulkError, MissingDependencyError

DOCUMENT = Path(__file__).parents[3] / "docs" / "bulk-ray.md"
TASK = ShardTask("out", "tiny_ctc")


def office() -> Office:
    return Office(TASK, Pool(1, 1, threads=1, gpus=0))


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'gigaam\[bulk\]'"):
        list(RayExecutor().run(TASK, [0]))


@pytest.mark.parametrize(
    "arguments",
    [
        {"workers": 0},
        {"workers": (3, 2)},
        {"workers": (0, 2)},
        {"threads": 0},
        {"gpus": -1.0},
        {"gpus": 1.5},
        {"gpus": float("nan")},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        RayExecutor(**arguments)


def test_what_it_is_called() -> None:
    assert RayExecutor(workers=2).called == "Ray: 2 workers of 1 thread"
    at_a_cluster = RayExecutor("auto", workers=(1, 9), threads=4, gpus=0.5)
    assert at_a_cluster.called == "Ray at auto: 1 to 9 workers of 4 threads and 0.5 GPU"


def test_an_address_where_nobody_listens() -> None:
    pytest.importorskip("ray")
    with pytest.raises(BulkError, match=r"no Ray answers at ray://127\.0\.0\.1:1: Connection"):
        list(RayExecutor("ray://127.0.0.1:1").run(TASK, [0]))


def test_a_shard_that_is_begun_twice_was_lost() -> None:
    kept = office()
    assert kept.begin(3, "one")
    kept.tell(ShardAt(3, 1.5))
    assert kept.news().at_work == 1
    assert kept.begin(3, "another")
    news = kept.news()
    assert [type(event) for event in news.events] == [WorkerLost]
    assert news.at_work == 1


def test_after_a_failure_no_shard_is_begun() -> None:
    kept = office()
    assert kept.begin(1, "one")
    assert kept.begin(2, "another")
    kept.tell(ShardFailed(1, "OSError", "the disk is full"))
    kept.stop()
    assert not kept.begin(3, "one")
    assert kept.news().at_work == 1
    kept.tell(ShardDone(2, Summary(1, 0, 0, 1.0, 1.0, 1, 0, 1.0, {})))
    assert kept.news().at_work == 0


def test_a_worker_that_never_survives_its_model_ends_the_run() -> None:
    kept = office()
    assert all(kept.start("one") for _ in range(3))
    kept.begin(0, "one")
    assert [kept.start("one") for _ in range(5)] == [True] * 4 + [False]
    assert "while they load tiny_ctc" in str(kept.news().error)


def manifest() -> dict[str, Any]:
    text = DOCUMENT.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    job: dict[str, Any] = yaml.safe_load(text)
    return job


def test_the_manifest_of_a_ray_job() -> None:
    job = manifest()
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["spec"]["entrypoint"].startswith("gigaam bulk run s3://")
    assert "--executor ray --ray-address auto" in job["spec"]["entrypoint"]
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0"}
    (group,) = cluster["workerGroupSpecs"]
    assert group["minReplicas"] <= group["replicas"] < group["maxReplicas"]
    pods = [each["template"]["spec"] for each in (cluster["headGroupSpec"], group)]
    images = {pod["containers"][0]["image"] for pod in pods}
    assert len(images) == 1
    for pod in pods:
        resources = pod["containers"][0]["resources"]
        assert resources["requests"] == resources["limits"]


def test_the_manifest_has_room_for_all_of_its_workers() -> None:
    job = manifest()
    (group,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    container = group["template"]["spec"]["containers"][0]
    room = int(container["resources"]["limits"]["cpu"]) * group["maxReplicas"]
    assert f"--workers 2-{room}" in job["spec"]["entrypoint"]
