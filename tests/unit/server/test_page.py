"""The page as files: what is served, and what they refer to."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

import gigaam.server.page

FOLDER = Path(gigaam.server.page.__file__).parent
FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix != ".py" and path.is_file())


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=gigaam.server.page.routes()))


def read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def test_the_page_and_its_files(client: TestClient) -> None:
    assert "<title>GigaAM</title>" in client.get("/").text
    for name in FILES:
        answer = client.get(f"/page/{name}")
        assert answer.content == (FOLDER / name).read_bytes()
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert client.get("/page/page.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("name", ["__init__.py", "..%2fapp.py", "../app.py", "x", "%2e%2e/app.py"])
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/page/{name}").status_code == 404


@pytest.mark.parametrize("name", FILES)
def test_nothing_comes_from_elsewhere(name: str) -> None:
    addresses = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", read(name))
    assert addresses == ["http://www.w3.org/2000/svg"] * (name == "icon.svg")
    assert not re.findall(r"""(?:src|href|from|import\()\s*=?\s*["']/""", read(name))


def test_what_the_scripts_ask_for_is_there() -> None:
    ids = re.findall(r'id="([\w-]+)"', read("index.html"))
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'element\("([\w-]+)"\)', read("page.js"))) <= set(ids)
    assert set(re.findall(r'(?:for|describedby)="([\w-]+)"', read("index.html"))) <= set(ids)


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_both_languages_say_the_same_things() -> None:
    code = f"import {{TEXTS}} from '{FOLDER / 'texts.js'}'; console.log(JSON.stringify(TEXTS))"
    told = subprocess.run(
        ["node", "--input-type=module", "-e", code], capture_output=True, check=True
    ).stdout
    texts = json.loads(told)
    assert texts["en"].keys() == texts["ru"].keys()
    for key, text in texts["en"].items():
        assert text.count("{value}") == texts["ru"][key].count("{value}")
    asked = re.findall(r'data-(?:text|label)="(\w+)"', read("index.html"))
    scripts = read("page.js") + read("transcript.js") + read("microphone.js")
    asked += re.findall(r'(?:spelled|tell|NoSound)\("(\w+)"', scripts)
    assert set(asked) <= texts["en"].keys()
