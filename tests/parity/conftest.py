"""A publisher for tests: models served over HTTP on this machine and known to the registry."""

import dataclasses
from pathlib import Path

import pytest

from gigaam.store import registry
from tests.http_server import FileServer
from tests.published import build_published
from tests.publishing import describe


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Builds a model's files, serves them and enters them in the registry."""
    served = tmp_path / "served"
    served.mkdir()
    with FileServer(served) as server:
        monkeypatch.setenv("GIGAAM_MIRROR", server.url)
        monkeypatch.setenv("GIGAAM_CACHE", str(tmp_path / "cache"))

        def publish(name: str, edit=None) -> FileServer:
            path = build_published(name, served, edit=edit)
            tokenizer = path.with_name(f"{name}_tokenizer.model")
            known = registry.MODELS[name]
            pieces = known.tokenizer and dataclasses.replace(
                describe(tokenizer), pieces=known.tokenizer.pieces
            )
            info = dataclasses.replace(known, file=describe(path), tokenizer=pieces)
            monkeypatch.setitem(registry.MODELS, name, info)
            return server

        yield publish
