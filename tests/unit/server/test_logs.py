"""The log: its lines, and what is not worth one."""

import json
import logging
import re

import pytest
from starlette.testclient import TestClient

from gigaam.server import ServerSettings, create_app
from gigaam.server.logs import JsonLines, TextLines

MOMENT = 1_700_000_000.25


def record(level: int = logging.INFO) -> logging.LogRecord:
    made = logging.LogRecord("gigaam.server", level, "x.py", 1, "model unloaded", None, None)
    made.created, made.msecs = MOMENT, 250.0
    made.told = {"model": "tiny_ctc"}
    return made


def test_a_line_for_people_has_time_and_level() -> None:
    line = TextLines().format(record(logging.WARNING))
    form = r"2023-11-1\d \d\d:\d\d:\d\d WARNING gigaam: model unloaded: model=tiny_ctc"
    assert re.fullmatch(form, line)


def test_a_line_for_machines() -> None:
    told = json.loads(JsonLines().format(record()))
    assert (told["time"], told["level"]) == ("2023-11-14T22:13:20.250Z", "info")
    assert (told["event"], told["model"]) == ("model unloaded", "tiny_ctc")


def test_probes_are_told_when_they_fail(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(ServerSettings(models=("tiny_ctc",)))
    with caplog.at_level(logging.INFO, "gigaam.server"):
        client = TestClient(app)  # which does not begin: it is not ready
        for path in ("/health", "/metrics", "/ready"):
            client.get(path)
    told = [line.told for line in caplog.records if line.message == "request"]
    assert [(line["route"], line["status"]) for line in told] == [("/ready", 503)]
    samples = app.state.service.metrics.registry.get_sample_value
    assert samples("gigaam_requests_total", {"route": "/health", "status": "200"}) == 1


def test_who_was_refused_is_told(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(ServerSettings(models=("tiny_ctc",), api_keys=("right",)))
    with caplog.at_level(logging.INFO, "gigaam.server"):
        client = TestClient(app, client=("10.0.0.9", 5))
        assert client.get("/v1/models", headers={"Origin": "https://x.org"}).status_code == 403
        assert client.get("/v1/models").status_code == 401
    told = [line.told["client"] for line in caplog.records if line.message == "request"]
    assert told == ["10.0.0.9", "10.0.0.9"]
