"""What ``gigaam serve`` refuses before it begins, and how it reads the environment."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gigaam.cli.app import app
from gigaam.server import serving


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The settings that a server would have been started with, and where."""
    found: list[Any] = []

    def take(app: Any, binding: serving.Binding, log_format: str) -> bool:
        found.extend([app.state.service.settings, binding])
        return True

    monkeypatch.setattr(serving, "serve", take)
    return found


def run(*options: str, **environment: str) -> Any:
    variables = {f"GIGAAM_SERVE_{name}": value for name, value in environment.items()}
    command = ["serve", "--model", "tiny_ctc", "--no-jobs", *options]
    return CliRunner().invoke(app, command, env=variables)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--max-duration", "-5"], "gigaam: --max-duration: must be above 0, not -5.0"),
        (["--max-wait", "0"], "gigaam: --max-wait: must be above 0"),
        (["--model-ttl", "nan"], "gigaam: --model-ttl: must be above 0"),
        (["--job-hours", "-1"], "gigaam: --job-hours: must be above 0, not -1.0"),
        (["--jobs", "--job-root", "/nonexist"], "gigaam: --job-root: must be a directory"),
        (["--job-root", "."], "gigaam: --job-root: does not go with --no-jobs"),
        (["--allow-origin", "example.org"], "gigaam: --allow-origin: must be as https://"),
        (["--trusted-proxies", "notanip"], "gigaam: --trusted-proxies: must be addresses"),
        (["--root-path", "speech"], "gigaam: --root-path: must be as /speech, not 'speech'"),
        (["--api-key", ""], "gigaam: --api-key: has a blank one: was a secret not set?"),
    ],
)
def test_refused_options(told: list[Any], options: list[str], words: str) -> None:
    done = run(*options)
    assert (done.exit_code, told) == (2, [])
    assert words in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("API_KEY", "", "GIGAAM_SERVE_API_KEY: is empty: was a secret not set?"),
        ("API_KEY", "  ", "GIGAAM_SERVE_API_KEY: is empty"),
        ("API_KEY_FILE", "", "GIGAAM_SERVE_API_KEY_FILE: is empty"),
        ("NO_PAGE", "1", "GIGAAM_SERVE_NO_PAGE: there is no such setting; GIGAAM_SERVE_PAGE=false"),
        ("MODLE", "x", "there is no such setting; is GIGAAM_SERVE_MODEL meant?"),
        ("SERVICE_HOST", "10.0.0.1", "GIGAAM_SERVE_SERVICE_HOST: there is no such setting"),
    ],
)
def test_refused_variables(told: list[Any], name: str, value: str, words: str) -> None:
    done = run(**{name: value})
    assert (done.exit_code, told) == (2, [])
    assert words in done.stderr


def test_variables(told: list[Any], tmp_path: Path) -> None:
    done = run(
        PAGE="false",
        API_KEY="one two",
        ALLOW_ORIGIN="https://a.org/ https://b.org",
        HOTWORD="Красная площадь\nкаско\n",
        ROOT_PATH="/speech/",
        PORT="9000",
        HOST="",
    )
    assert done.exit_code == 0, done.stderr
    settings, binding = told
    assert settings.page is False
    assert settings.api_keys == ("one", "two")
    assert settings.allow_origins == ("https://a.org", "https://b.org")
    assert [each.text for each in settings.decoding.phrases] == ["Красная площадь", "каско"]
    assert (binding.root_path, binding.port, binding.host) == ("/speech", 9000, "127.0.0.1")


def test_phrases_of_the_command_line(told: list[Any]) -> None:
    assert run("--hotword", "Красная площадь", HOTWORD="другое").exit_code == 0
    assert [each.text for each in told[0].decoding.phrases] == ["Красная площадь"]
