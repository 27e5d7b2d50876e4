"""Jobs as clients meet them, on a real port; texts are those of transcriptions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

import gigaam
from gigaam.server import ServerSettings
from tests.job_server import Gated, JobClient, with_pauses
from tests.recognition_server import RunningServer, running_server
from tests.waves import write_wav


@pytest.fixture(scope="module")
def model(packaged_model: gigaam.GigaAMASR) -> Gated:
    return Gated(packaged_model)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, example: Path) -> Path:
    """Recordings: a short one, one of two channels, one of two minutes."""
    folder = tmp_path_factory.mktemp("recordings")
    samples = gigaam.load_audio(example).numpy()
    (folder / "short.wav").write_bytes(example.read_bytes())
    long = with_pauses(samples, 2, seed=1)
    write_wav(folder / "long.wav", long)
    write_wav(folder / "call.wav", long[: 40 * 16_000], np.roll(long, 99_999)[: 40 * 16_000])
    (folder / "text.wav").write_text("this is no recording\n" * 100)
    return folder


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, model: Gated, folder: Path
) -> Iterator[RunningServer]:
    settings = ServerSettings(
        models=("tiny_ctc",), jobs_dir=tmp_path_factory.mktemp("jobs"), job_root=folder
    )
    with running_server(settings, lambda name: model) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> JobClient:
    return JobClient(server.url)


def transcribed(server: RunningServer, path: Path, **fields: Any) -> requests.Response:
    with open(path, "rb") as file:
        return requests.post(
            f"{server.url}/v1/audio/transcriptions", data=fields, files={"file": file}, timeout=60
        )


@pytest.mark.parametrize("name", ["short.wav", "long.wav"])
def test_results_are_those_of_transcriptions(
    server: RunningServer, client: JobClient, folder: Path, name: str
) -> None:
    id = client.make(folder / name)
    for kind in ("json", "text", "srt", "vtt", "verbose_json"):
        result = client.result(id, response_format=kind)
        expected = transcribed(server, folder / name, response_format=kind)
        assert result.content == expected.content
        assert result.headers["content-type"] == expected.headers["content-type"]
    words = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
    assert client.result(id, **words).json() == transcribed(server, folder / name, **words).json()
    job = client.look(id)
    assert job["progress"]["done_s"] == job["duration"]
    assert job["n_segments"] == len(client.result(id, **words).json()["segments"])


@pytest.mark.parametrize(
    "wishes",
    [
        {"channels": "split"},
        {"chunking_strategy": '{"type": "server_vad", "silence_duration_ms": 200}'},
        {"keywords[]": ["Ватутин", "рябина"]},
    ],
)
def test_wishes_are_heard(
    server: RunningServer, client: JobClient, folder: Path, wishes: dict[str, Any]
) -> None:
    id = client.make(folder / "call.wav", **wishes)
    result = client.result(id, response_format="verbose_json").json()
    wishes = {**wishes, "response_format": "verbose_json"}
    assert result == transcribed(server, folder / "call.wav", **wishes).json()
    kept = server.service.jobs.store.get(id)
    assert kept is not None
    assert kept.fields == ()  # what was hoped for is nobody's business any more


def test_files_of_the_server(server: RunningServer, client: JobClient, folder: Path) -> None:
    id = client.make(path="long.wav")
    assert client.result(id).json() == transcribed(server, folder / "long.wav").json()
    assert client.look(id)["filename"] == "long.wav"
    assert client.result(client.make(path=str(folder / "short.wav"))).status_code == 200
    for path in ("../x.wav", "/etc/passwd", f"{folder}/../x.wav"):
        assert client.post(path=path).status_code == 403
    for path in (".", "nothing.wav"):
        assert client.post(path=path).status_code in (403, 404)


def test_names_are_no_paths(server: RunningServer, client: JobClient, folder: Path) -> None:
    above = server.service.settings.jobs_dir.parent
    before = sorted(above.iterdir())
    id = client.make(folder / "short.wav", name="../../../evil.wav")
    assert client.wait(id)["filename"] == "evil.wav"
    assert sorted(above.iterdir()) == before


def test_events_tell_all(client: JobClient, folder: Path, model: Gated) -> None:
    with model.closed():
        id = client.make(folder / "long.wav")
        events = client.events(id)
        kind, first, _ = next(events)
        assert (kind, first["object"], first["id"]) == ("status", "job", id)
        model.permit(3)
        told = [next(events)]
        while told[-1][0] != "segment":
            told.append(next(events))
        assert client.look(id)["status"] == "running"
    told += events
    assert told[-1][0] == "status"
    assert told[-1][1] == client.look(id)
    segments = [(data, number) for kind, data, number in told if kind == "segment"]
    assert [number for _, number in segments] == list(map(str, range(len(segments))))
    query = {"response_format": "verbose_json", "timestamp_granularities[]": ["segment", "word"]}
    result = client.result(id, **query).json()
    keys = ("text", "start", "end", "confidence")
    expected = [{key: each[key] for key in keys} for each in result["segments"]]
    assert [{key: data[key] for key in keys} for data, _ in segments] == expected
    words = [word for data, _ in segments for word in data["words"]]
    assert [{"word": each.pop("text"), **each} for each in words] == result["words"]
    done = [data["done_s"] for kind, data, _ in told if kind == "progress"]
    assert done == sorted(done)
    assert len(done) > 3
    assert done[-1] == result["duration"]


def test_events_go_on_where_they_were(client: JobClient, folder: Path) -> None:
    id = client.make(folder / "long.wav")
    client.wait(id)
    told = list(client.events(id))
    assert [kind for kind, *_ in told][-2:] == ["progress", "status"]
    assert [kind for kind, *_ in told].count("status") == 1  # clients go away at its sight
    segments = [event for event in told if event[0] == "segment"]
    for last in (0, 3, len(segments) - 1, 999):
        again = [event for event in client.events(id, last) if event[0] == "segment"]
        assert again == segments[last + 1 :]
    refused = client.ask("GET", f"/{id}/events", headers={"Last-Event-ID": "x"})
    assert refused.status_code == 400


def test_cancelling_ends_work(
    server: RunningServer, client: JobClient, folder: Path, model: Gated
) -> None:
    uploads = server.service.settings.jobs_dir / "uploads"
    with model.closed():
        ids = [client.make(folder / "long.wav") for _ in range(3)]
        watched = client.events(ids[1])
        next(watched)
        model.permit(2)
        client.wait(ids[0], lambda job: job["progress"]["done_s"] > 0)
        assert client.ask("GET", f"/{ids[0]}/result").json()["error"]["code"] == "job_not_finished"
        assert len(list(uploads.iterdir())) == 3
        for id in ids[:2]:
            assert client.ask("POST", f"/{id}/cancel").json()["status"] == "cancelled"
        assert client.ask("DELETE", f"/{ids[2]}").status_code == 204
        assert list(uploads.iterdir()) == []
        n_encoded = model.n_encoded
        assert [kind for kind, *_ in watched][-1] == "status"
    assert client.ask("POST", f"/{ids[0]}/cancel").status_code == 200
    assert client.ask("GET", f"/{ids[0]}/result").status_code == 410
    assert client.ask("GET", f"/{ids[2]}").status_code == 404
    assert client.result(client.make(folder / "short.wav")).status_code == 200
    assert model.n_encoded <= n_encoded + 2  # the chunk at hand, and the short one


def test_a_job_that_is_deleted_at_work(client: JobClient, folder: Path, model: Gated) -> None:
    with model.closed():
        id = client.make(folder / "long.wav")
        client.wait(id, lambda job: job["status"] == "running")
        events = client.events(id)
        next(events)
        assert client.ask("DELETE", f"/{id}").status_code == 204
        kind, job, _ = list(events)[-1]
        assert (kind, job["status"]) == ("status", "cancelled")
    done = client.make(folder / "short.wav")
    client.wait(done)
    assert client.ask("POST", f"/{done}/cancel").json()["error"]["code"] == "job_finished"
    assert client.ask("DELETE", f"/{done}").status_code == 204
    assert client.ask("DELETE", f"/{done}").status_code == 404


def test_jobs_are_listed_page_by_page(client: JobClient, folder: Path) -> None:
    ids = [client.make(folder / "short.wav") for _ in range(5)][::-1]
    seen, query = [], {"limit": 2}
    for _ in range(3):
        page = client.ask("GET", params=query).json()
        assert [page["first_id"], page["last_id"]] == [page["data"][n]["id"] for n in (0, -1)]
        seen += [job["id"] for job in page["data"]]
        query = {"limit": 2, "after": page["last_id"]}
    assert seen[:5] == ids
    assert client.ask("GET", params={"after": "job_x"}).status_code == 404
    for query in ({"limit": 0}, {"limit": 101}, {"limit": "x"}, {"foo": 1}):
        assert client.ask("GET", params=query).status_code == 400
    for id in ids:
        client.wait(id)


@pytest.mark.parametrize(
    ("file", "fields", "status", "param"),
    [
        ("short.wav", {"stream": "true"}, 400, "stream"),
        ("short.wav", {"response_format": "srt"}, 400, "response_format"),
        ("short.wav", {"timestamp_granularities[]": "word"}, 400, "timestamp_granularities"),
        ("short.wav", {"include[]": "logprobs"}, 400, "include"),
        ("short.wav", {"path": "short.wav"}, 400, "path"),
        ("short.wav", {"channels": "both"}, 400, "channels"),
        ("text.wav", {}, 400, "file"),
        (None, {"model": "tiny_ctc"}, 400, "file"),
        (None, {"file": "long.wav"}, 400, "file"),
        (None, {"path": "text.wav"}, 400, "path"),
    ],
)
def test_refusals(
    server: RunningServer,
    client: JobClient,
    folder: Path,
    file: str | None,
    fields: dict[str, str],
    status: int,
    param: str,
) -> None:
    answer = client.post(file and folder / file, **fields)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["param"] == param
    assert str(folder) not in answer.text
    assert list((server.service.settings.jobs_dir / "uploads").iterdir()) == []


def test_what_has_no_effect_is_told(client: JobClient, folder: Path) -> None:
    id = client.make(folder / "short.wav", prompt="x", unheard="of", stream="false")
    assert client.look(id)["ignored"] == ["prompt", "unheard"]
    assert client.result(id).headers["x-gigaam-ignored"] == "prompt, unheard"
    assert client.ask("GET", f"/{id}/result", params={"language": "ru"}).status_code == 400
    answer = client.result(id, **{"include[]": "logprobs"}).json()
    assert answer["logprobs"]


def test_metrics_count_jobs(server: RunningServer, client: JobClient, folder: Path) -> None:
    def measured(name: str) -> float:
        text = requests.get(f"{server.url}/metrics", timeout=10).text
        return float(next(line.split()[1] for line in text.splitlines() if line.startswith(name)))

    client.result(client.make(folder / "short.wav"))
    before = measured('gigaam_audio_seconds_total{kind="job"}')
    client.result(client.make(folder / "long.wav"))
    heard_s = measured('gigaam_audio_seconds_total{kind="job"}') - before
    assert 60 < heard_s < 130
    assert measured("gigaam_jobs_waiting") == 0
    assert measured("gigaam_jobs_running") == 0
