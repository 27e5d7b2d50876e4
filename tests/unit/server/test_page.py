"""The page as files: what is served, and what they refer to."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.datastructures import FormData
from starlette.testclient import TestClient

import gigaam.server.page
from gigaam.output.formats import render
from gigaam.server.answers import Transcript, answer
from gigaam.server.form_fields import FormFields
from gigaam.server.wishes import Wishes
from gigaam.types import Segment, Word

BOTH = {"response_format": "verbose_json", "timestamp_granularities": '["word", "segment"]'}
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
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-cache"
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
    assert set(re.findall(r'element\("([\w-]+)"\)', scripts())) <= set(ids)
    assert set(re.findall(r'(?:for|describedby)="([\w-]+)"', read("index.html"))) <= set(ids)
    files = re.findall(r'from "\./([\w.]+)"', scripts())
    files += re.findall(r'(?:src|href)="page/([\w.]+)"', read("index.html"))
    assert set(files) <= set(FILES)


def scripts() -> str:
    return "".join(read(name) for name in FILES if name.endswith(".js") and name != "texts.js")


@pytest.fixture(scope="module")
def texts() -> dict[str, dict[str, str]]:
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    code = f"import {{TEXTS}} from '{FOLDER / 'texts.js'}'; console.log(JSON.stringify(TEXTS))"
    command = ["node", "--input-type=module", "-e", code]
    told = subprocess.run(command, capture_output=True, check=True).stdout
    read: dict[str, dict[str, str]] = json.loads(told)
    return read


def test_both_languages_say_the_same_things(texts: dict[str, dict[str, str]]) -> None:
    assert texts["en"].keys() == texts["ru"].keys()
    for key, text in texts["en"].items():
        assert text.count("{value}") == texts["ru"][key].count("{value}")


def test_what_is_said_has_texts_and_no_text_is_left_over(texts: dict[str, dict[str, str]]) -> None:
    asked = re.findall(r'data-(?:text|label)="(\w+)"', read("index.html"))
    asked += re.findall(r'(?:spelled|tell|say|NoSound)\("(\w+)"', scripts())
    assert set(asked) <= texts["en"].keys()
    said = set(re.findall(r'"(\w+)"', scripts() + read("index.html")))
    statuses = {"queued", "running", "succeeded", "cancelled"}  # of jobs
    assert texts["en"].keys() - said - statuses - {"name"} == set()


@pytest.mark.parametrize("format", ["txt", "srt", "vtt", "json"])
def test_files_have_the_names_that_are_given(format: str) -> None:
    """They are those that the server writes where it knows the names itself."""
    given = {
        "SPEAKER_00": "Анна --> я",
        "SPEAKER_01": "SPEAKER_00",
        "Пётр  [1] & <2>": "$& (x) > y",
    }
    if format == "srt":  # whose lines are laid out by the length of names
        given = {"SPEAKER_00": "Аннушка-->", "SPEAKER_01": "SPEAKER_00", "П [1]-->": "$& (x) y"}
    speakers = [*given, "SPEAKER_02", *given]

    def written(names: dict[str, str]) -> str:
        segments = [
            Segment(said, n, n + 1, [Word(said, n, n + 1, 0.5, who)], 0.5, None, who)
            for n, speaker in enumerate(speakers)
            for who in [names.get(speaker, speaker)]
            for said in [f"слово{n}"]
        ]
        if format == "json":
            wishes = Wishes.read(FormFields(FormData(BOTH)), None)
            return bytes(answer(Transcript("", segments, 9.0, "x"), wishes).body).decode()
        return render(segments, format)

    if not shutil.which("node"):
        pytest.skip("node is not installed")
    told = json.dumps([format, written({}), list(given.items())])
    code = f"import {{renamed}} from '{FOLDER / 'renaming.js'}'; "
    code += f"const [format, text, given] = {told}; "
    code += "process.stdout.write(renamed(format, text, new Map(given)));"
    command = ["node", "--input-type=module", "-e", code]
    found = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    read_again = json.loads if format == "json" else str
    assert read_again(found) == read_again(written(given))
    assert found != written({})


PAIRS = [
    ("ink", "paper"),
    ("faint", "paper"),
    ("ink", "tint"),
    ("on-accent", "accent"),
    ("doubt", "paper"),
    ("doubt", "tint"),
    ("doubt", "doubt-tint"),
    ("alarm", "alarm-tint"),
    *((f"speaker-{n}", "paper") for n in range(6)),
]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrasts(theme: str) -> None:
    start = ":root {" if theme == "light" else ':root[data-theme="dark"] {'
    block = read("page.css").split(start)[1].split("}")[0]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for text, ground in PAIRS:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for speaker in range(6):  # of the picture of turns
        assert contrast(colours[f"speaker-{speaker}"], colours["tint"]) >= 3
    for ground in ("paper", "tint"):  # of lines around fields, and of the ring of the focus
        assert contrast(colours["edge"], colours[ground]) >= 3
        assert contrast(colours["accent"], colours[ground]) >= 3


def contrast(first: str, second: str) -> float:
    """The ratio that WCAG 2 defines."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
