"""Jobs where something is short: places, disks, time, models, and who may see them."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

import gigaam
from gigaam.server import ServerSettings
from gigaam.server.jobs.database import Database
from gigaam.server.jobs.job import Job
from gigaam.server.jobs.store import JobStore
from tests.job_server import Gated, JobClient, with_pauses
from tests.recognition_server import RunningServer, running_server
from tests.waves import write_wav

Serve = Callable[..., AbstractContextManager[RunningServer]]


@pytest.fixture
def model(packaged_model: gigaam.GigaAMASR) -> Gated:
    return Gated(packaged_model)


@pytest.fixture
def serve(tmp_path: Path, model: Gated) -> Serve:
    def serve(models: tuple[str, ...] = ("tiny_ctc",), **settings: Any) -> Any:
        jobs_dir = tmp_path / "jobs"
        told = ServerSettings(models=models, **{"jobs_dir": jobs_dir, **settings})
        return running_server(told, lambda name: model)

    return serve


@pytest.fixture
def long(tmp_path: Path, example: Path) -> Path:
    samples = with_pauses(gigaam.load_audio(example).numpy(), 3, seed=3)
    return write_wav(tmp_path / "long.wav", samples)


def test_places_are_limited(serve: Serve, model: Gated, example: Path) -> None:
    with serve(max_jobs=2) as server, model.closed():
        client = JobClient(server.url)
        ids = [client.make(example) for _ in range(2)]
        full = client.post(example)
        assert "wait already" in full.json()["error"]["message"]
        assert (full.status_code, full.json()["error"]["code"]) == (429, "queue_full")
        assert 1 <= int(full.headers["Retry-After"]) <= 120
        client.ask("POST", f"/{ids[1]}/cancel")
        client.make(example)


@pytest.mark.parametrize(
    ("settings", "status", "code"),
    [
        ({"max_upload_bytes": 10_000}, 413, "upload_too_large"),
        ({"max_duration_s": 5}, 413, "audio_too_long"),
        ({"max_job_bytes": 200_000}, 507, "no_space"),
    ],
)
def test_what_is_too_large(
    serve: Serve, example: Path, settings: dict[str, Any], status: int, code: str
) -> None:
    with serve(**settings) as server:
        client = JobClient(server.url)
        answer = client.post(example)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert client.ask("GET").json()["data"] == []
        assert client.post(path="x.wav").status_code == 403  # there is no root


def test_keys_see_their_own_jobs(serve: Serve, example: Path) -> None:
    with serve(api_keys=("one", "two")) as server:
        one, two = (JobClient(server.url, key) for key in ("one", "two"))
        id = one.make(example)
        one.wait(id)
        assert JobClient(server.url).ask("GET").status_code == 401
        assert two.ask("GET").json()["data"] == []
        assert [job["id"] for job in one.ask("GET").json()["data"]] == [id]
        for method, path in [
            ("GET", ""),
            ("GET", "/result"),
            ("GET", "/events"),
            ("POST", "/cancel"),
            ("DELETE", ""),
        ]:
            assert two.ask(method, f"/{id}{path}").status_code == 404
        assert two.ask("GET", params={"after": id}).status_code == 404
        assert one.result(id).status_code == 200


def test_clients_take_turns(serve: Serve, model: Gated, example: Path) -> None:
    with serve(api_keys=("one", "two")) as server:
        one, two = (JobClient(server.url, key) for key in ("one", "two"))
        with model.closed():
            ids = [one.make(example) for _ in range(3)]
            one.wait(ids[0], lambda job: job["status"] == "running")
            ids += [two.make(example) for _ in range(2)]
        for client, some in ((one, ids[:3]), (two, ids[3:])):
            for id in some:
                client.wait(id)
        store = server.service.jobs.store
        started = sorted(ids, key=lambda id: store.get(id).started_at)
    assert [ids.index(id) for id in started] == [0, 3, 1, 4, 2]


def test_old_jobs_are_forgotten(serve: Serve, example: Path) -> None:
    with serve(job_ttl_s=0.2) as server:
        client = JobClient(server.url)
        id = client.make(example)
        client.wait(id)
        time.sleep(0.3)
        server.service.jobs.sweep()
        assert client.ask("GET", f"/{id}").status_code == 404


def test_the_oldest_go_where_there_are_too_many(serve: Serve, example: Path) -> None:
    with serve(max_job_bytes=800_000) as server:
        client = JobClient(server.url)
        ids = []
        for _ in range(5):
            ids.append(client.make(example))
            client.wait(ids[-1])
        jobs = server.service.jobs
        jobs.sweep()
        assert [job["id"] for job in client.ask("GET").json()["data"]] == ids[::-1]
        with jobs.store.database.transaction() as connection:
            row = (ids[4], 1_000, "x" * 900_000)
            connection.execute("INSERT INTO segments VALUES (?, ?, ?)", row)
            hours = "UPDATE jobs SET finished_at = finished_at - 7200 WHERE seq < 4"
            connection.execute(hours)
        jobs.sweep()
        assert [job["id"] for job in client.ask("GET").json()["data"]] == ids[:2:-1]  # the new ones


def limit_pages(server: RunningServer, further: int) -> None:
    """Let the database grow by so many pages, as if there were no room for more."""
    with server.service.jobs.store.database.reading() as connection:
        n_pages = connection.execute("PRAGMA page_count").fetchone()[0] + further
        connection.execute(f"PRAGMA max_page_count = {n_pages}")


def test_a_full_disk_is_waited_for(
    serve: Serve, model: Gated, long: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serve() as server:
        client = JobClient(server.url)
        expected = client.result(client.make(long), response_format="srt").text
        with model.closed():
            id = client.make(long)
            model.permit(2)
            client.wait(id, lambda job: job["n_segments"])
            limit_pages(server, 0)
        end = time.monotonic() + 30
        while "job waits" not in caplog.text:
            assert time.monotonic() < end
            time.sleep(0.01)
        n_segments = client.look(id)["n_segments"]
        assert client.look(id)["status"] == "running"
        limit_pages(server, 100_000)
        assert client.result(id, response_format="srt").text == expected
        assert client.look(id)["n_segments"] >= n_segments


def test_a_full_disk_takes_no_jobs(serve: Serve, example: Path) -> None:
    with serve() as server:
        client = JobClient(server.url)
        limit_pages(server, 0)
        answer = client.post(example, prompt="рябина" * 10_000)
        assert (answer.status_code, answer.json()["error"]["code"]) == (507, "no_space")
        assert list((server.service.settings.jobs_dir / "uploads").iterdir()) == []
        limit_pages(server, 100_000)
        client.result(client.make(example))


def test_a_model_that_is_not_there_any_more(serve: Serve, model: Gated, long: Path) -> None:
    with serve(models=("tiny_ctc", "tiny_rnnt")) as server:
        client = JobClient(server.url)
        with model.closed():
            id = client.make(long, model="tiny_rnnt")
            client.wait(id, lambda job: job["status"] == "running")
            server.service.jobs._runner.abandon(id)
            model.permit(1)
            server.service.closing.set()
    with serve() as server:
        job = JobClient(server.url).wait(id)
        assert (job["status"], job["error"]["code"]) == ("failed", "model_unavailable")
        answer = JobClient(server.url).result(id)
        assert answer.json()["error"] == job["error"]
        assert answer.headers["x-should-retry"] == "false"


def test_a_language_that_the_model_does_not_know(tmp_path: Path, example: Path) -> None:
    settings = ServerSettings(models=("tiny_ctc",), jobs_dir=tmp_path / "jobs")
    with running_server(settings) as server:
        client = JobClient(server.url)
        job = client.wait(client.make(example, language="xx"))
        assert (job["status"], job["error"]["code"]) == ("failed", "unsupported_language")
        assert client.result(job["id"]).status_code == 400


@pytest.fixture
def died(tmp_path: Path, long: Path) -> Iterator[str]:
    """A job during which the server died three times."""
    store = JobStore(Database(tmp_path / "jobs"))
    store.add(Job(id="job_x", client="me", model="tiny_ctc", filename="x.wav", path="long.wav"))
    for _ in range(2):
        store.begin("job_x")
        store.recover(99)
    store.begin("job_x")
    store.database.close()
    return "job_x"


def test_what_kills_the_server_is_given_up(serve: Serve, died: str, tmp_path: Path) -> None:
    with serve(job_root=tmp_path) as server:
        client = JobClient(server.url)
        job = client.look(died)
        assert (job["status"], job["error"]["code"]) == ("failed", "crashed")
        assert "died 3 times" in job["error"]["message"]
        answer = client.result(died)
        assert (answer.status_code, answer.json()["error"]) == (500, job["error"])


def test_a_recording_that_was_changed(
    serve: Serve, model: Gated, long: Path, example: Path
) -> None:
    with serve(job_root=long.parent) as server:
        client = JobClient(server.url)
        with model.closed():
            first, second = client.make(path="long.wav"), client.make(path="long.wav")
            client.wait(first, lambda job: job["status"] == "running")
            long.write_bytes(example.read_bytes())
        assert client.wait(second)["error"]["code"] == "recording_changed"
        assert client.result(second).status_code == 409
