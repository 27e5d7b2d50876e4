"""What a server can be told, and what it refuses at once."""

from pathlib import Path
from typing import Any

import pytest

from gigaam.errors import ArgumentError
from gigaam.server import ServerSettings
from gigaam.server.serving import Binding


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://example.org", "https://example.org"),
        ("https://example.org/", "https://example.org"),
        ("https://Example.ORG:443", "https://example.org"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000/", "http://[::1]:3000"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("*", "*"),
    ],
)
def test_origins_are_kept_as_browsers_write_them(given: str, kept: str) -> None:
    assert ServerSettings(allow_origins=(given, kept)).allow_origins == (kept,)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"allow_origins": ("example.org",)}, "allow_origins must be as https://example.org"),
        ({"allow_origins": ("example.org:8000",)}, "not 'example.org:8000'"),
        ({"allow_origins": ("https://example.org/page",)}, "not 'https://example.org/page'"),
        ({"allow_origins": ("https://",)}, "not 'https://'"),
        ({"allow_origins": ("https://a:b",)}, "not 'https://a:b'"),
        ({"allow_origins": ("null",)}, "not 'null'"),
        ({"allow_origins": ("",)}, "not ''"),
        ({"job_root": Path("/nonexist")}, "job_root must be a directory, not '/nonexist'"),
        ({"job_root": Path(__file__)}, "job_root must be a directory"),
        ({"api_keys": ("",)}, "was a secret not set"),
        ({"api_keys": ("right", " ")}, "was a secret not set"),
        ({"max_duration_s": -5}, "max_duration_s must be above 0, not -5"),
        ({"models": ()}, "at least one model"),
    ],
)
def test_refused_settings(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        ServerSettings(**settings)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        ({"root_path": "speech"}, "root_path must be as /speech, not 'speech'"),
        ({"root_path": "https://example.org/speech"}, "root_path must be as /speech"),
        ({"root_path": "/a b"}, "root_path must be as /speech"),
        ({"trusted_proxies": "notanip"}, "trusted_proxies must be addresses"),
        ({"trusted_proxies": "127.0.0.1, 10.0.0.300"}, "not '10.0.0.300'"),
    ],
)
def test_refused_bindings(binding: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        Binding(**binding)
    assert words in str(raised.value)


def test_bindings() -> None:
    assert Binding(root_path="/speech/").root_path == "/speech"
    assert Binding(root_path="/").root_path == ""
    Binding(root_path="/a/b", trusted_proxies="127.0.0.1, 10.0.0.0/8,::1")
    Binding(trusted_proxies="*")
    Binding(trusted_proxies="")


def test_an_export_is_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    given = (str(tmp_path / "onnx"), "v3_ctc", "unknown")
    assert ServerSettings(models=given).models == given
    (tmp_path / "onnx" / "tiny_rnnt_encoder.onnx").touch()
    assert ServerSettings(models=given).models[0] == str(tmp_path / "onnx" / "tiny_rnnt")
    (tmp_path / "onnx" / "tiny_ctc.onnx").touch()  # which one is meant is not known
    assert ServerSettings(models=given).models == given
