"""The documentation builds without a warning and without a network, and its pictures are true."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import gigaam
from gigaam.store.configs import builtin_config
from scripts import draw_chunks, draw_live, draw_recording, draw_scheme
from scripts.readme_pages import relinked

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
NOWHERE = "http://127.0.0.1:9"

PICTURES = {
    draw_scheme.TARGET: draw_scheme.scheme,
    draw_recording.TARGET: draw_recording.figure,
    draw_chunks.TARGET: draw_chunks.figure,
    draw_live.TARGET: draw_live.figure,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built documentation, built by the first process that asks for it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base  # of one of several processes
    directory = shared / "site"
    with FileLock(directory.with_suffix(".lock"), timeout=240):
        if not directory.exists():
            build(directory)
    return directory


def build(directory: Path) -> None:
    """Builds the documentation, strictly; what asked for a network would fail."""
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE)
    unfinished = directory.with_suffix(".unfinished")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(unfinished)],
        cwd=ROOT,
        env={**os.environ, **proxies, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    unfinished.rename(directory)


def pages(site: Path) -> dict[str, str]:
    """The HTML of each page, by its name on the site."""
    return {
        path.relative_to(site).as_posix(): path.read_text(encoding="utf-8")
        for path in site.rglob("*.html")
    }


def plain(html: str) -> str:
    """What is to be read in HTML."""
    article = html.partition("<article")[2].partition("</article>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", article))


def test_every_page_has_something_to_say(site: Path) -> None:
    sources = {path.relative_to(ROOT / "docs") for path in PAGES}
    wanted = {path.with_suffix(".html").as_posix() for path in sources}
    wanted |= {"guide.html", "guide-ru.html"}
    texts = {name: plain(html) for name, html in pages(site).items() if name != "404.html"}
    assert set(texts) == wanted
    assert {name for name, text in texts.items() if len(text) < 500} == set()


@pytest.mark.parametrize(("readme", "page"), [("README.md", "guide"), ("README_ru.md", "guide-ru")])
def test_guide_is_the_whole_readme(site: Path, readme: str, page: str) -> None:
    source = re.sub(r"^```.*?^```$", "", (ROOT / readme).read_text("utf-8"), flags=re.M | re.S)
    wanted = re.findall(r"^## (.+)$", source, flags=re.M)
    html = (site / f"{page}.html").read_text(encoding="utf-8")
    found = [re.sub(r"<[^>]+>|¶|&para;", "", h) for h in re.findall(r"<h2.*?>(.*?)</h2>", html)]
    assert len(wanted) >= 4
    assert [heading.strip() for heading in found] == wanted


def test_pages_show_only_pictures_that_are_there(site: Path) -> None:
    shown = {
        (site / name).parent.joinpath(source).resolve()
        for name, html in pages(site).items()
        for source in re.findall(r'<img [^>]*?src="(?!data:|https?:)([^"]+)"', html)
    }
    assert {path.name for path in shown} >= {path.name for path in PICTURES}
    assert {path for path in shown if not path.exists()} == set()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """Links may lead anywhere; what a browser fetches by itself is part of the site."""
    fetched = re.compile(
        r'<(?:script|img|iframe|source|video|audio)\b[^>]*?\bsrc="((?:https?:)?//[^"]+)"'
        r'|<link\b(?![^>]*rel="canonical")[^>]*?\bhref="((?:https?:)?//[^"]+)"'
        r"|url\(['\"]?((?:https?:)?//[^)]+)\)"
    )
    files = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(files) > 10
    found = {
        (path.name, next(filter(None, groups)))
        for path in files
        for groups in fetched.findall(path.read_text(encoding="utf-8"))
    }
    # Of the READMEs only badges may come from elsewhere.
    assert {(name, url) for name, url in found if "badge" not in url} == set()


@pytest.mark.parametrize(
    "module", ["gigaam", "gigaam.onnx", "gigaam.onnx_utils", "gigaam.vad_utils", "gigaam.training"]
)
def test_reference_has_every_public_name(site: Path, module: str) -> None:
    reference = "".join(html for name, html in pages(site).items() if name.startswith("api/"))
    anchors = set(re.findall(r'id="([\w.]+)"', reference))
    names = import_module(module).__all__
    assert len(names) > 1

    def is_there(name: str) -> bool:
        home = getattr(getattr(import_module(module), name), "__module__", module)
        return bool({f"{module}.{name}", f"{home}.{name}"} & anchors)

    assert [name for name in names if not is_there(name)] == []


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_picture_is_what_its_script_draws_now(path: Path) -> None:
    draw: Callable[[], str] = PICTURES[path]
    assert path.read_text(encoding="utf-8") == draw(), f"python -m scripts.{draw.__module__}"


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_picture_can_be_read_on_any_page(path: Path) -> None:
    """On a card of its own, in letters of at least 11 pixels where it is 800 wide."""
    picture = ET.fromstring(path.read_text(encoding="utf-8"))
    space = "{http://www.w3.org/2000/svg}"
    width, height = (float(picture.attrib[side]) for side in ("width", "height"))
    card = picture.find(f"{space}rect")
    assert card is not None
    assert float(card.attrib["width"]) >= width - 1
    assert float(card.attrib["height"]) >= height - 1
    texts = list(picture.iter(f"{space}text"))
    assert len(texts) > 10
    assert min(float(text.attrib["font-size"]) for text in texts) * 800 / width >= 11
    assert all(0 < float(text.attrib["x"]) < width for text in texts)
    assert all(0 < float(text.attrib["y"]) < height for text in texts)
    assert len(picture.attrib["aria-label"]) > 40


def test_recording_is_measured_not_told() -> None:
    """The figure has the shapes of the packaged model, as its configuration gives them."""
    config = gigaam.load_model("tiny_ctc", device="cpu").cfg
    text = draw_recording.TARGET.read_text(encoding="utf-8")
    samples = len(gigaam.load_audio(draw_scheme.EXAMPLE))
    frames = (samples - config.preprocessor.n_fft) // config.preprocessor.hop_length + 1
    half = (frames + 1) // 2
    width, classes = config.encoder.d_model, config.head.num_classes
    quarter = (half + 1) // 2
    for shape in (
        f"[{samples}]",
        f"[1, {config.preprocessor.features}, {frames}]",
        f"[1, {width}, {half}]",
        f"[1, {width}, {quarter}]",
        f"[1, {quarter}, {classes}]",
    ):
        assert f"float32 {shape}</text>" in text
    assert f"ConformerLayer × {config.encoder.n_layers}<" in text


def architecture(name: str) -> list[str]:
    """A model's column in the table of docs/model-internals.md, from its configuration."""
    config = builtin_config(name)
    front, encoder = config["preprocessor"], config["encoder"]
    window_ms = front.get("win_length", front["sample_rate"] // 40) * 1000 // front["sample_rate"]
    flat = encoder.get("subsampling") == "conv1d"
    kernel = encoder.get("subs_kernel_size", 3)
    return [
        f"{window_ms} ms",
        "centred" if front.get("center", True) else "inside",
        f"1-D, {kernel}" if flat else f"2-D, {kernel} × {kernel}",
        {"rel_pos": "relative", "rotary": "rotary"}[encoder["self_attention_model"]],
        str(encoder["conv_kernel_size"]),
        encoder.get("conv_norm_type", "batch_norm").removesuffix("_norm"),
        f"{encoder['n_layers']} × {encoder['d_model']}",
        str(encoder["n_heads"]),
    ]


def test_table_of_architectures_is_that_of_the_configurations() -> None:
    text = (ROOT / "docs" / "model-internals.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("|")][:10]
    rows = [[cell.strip() for cell in line.strip("|").split("|")][1:] for line in lines[2:]]
    columns = [list(column) for column in zip(*rows, strict=True)]
    names = ["v1_ctc", "v2_ctc", "v3_ctc", "multilingual_ctc", "multilingual_large_ctc"]
    assert columns == [architecture(name) for name in names]
    assert architecture("emo") == architecture("v1_ctc")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_can_be_read_in_the_repository_too(page: Path) -> None:
    """Where only the site has what is made of docstrings, a page of the reference says it."""
    directives = re.findall(r"^(:::|!!!|\?\?\?) ", page.read_text(encoding="utf-8"), flags=re.M)
    assert set(directives) <= ({":::"} if page.parent.name == "api" else set())
    assert "mkdocs serve" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")


def test_page_on_moving_shows_what_its_program_prints(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    page = (ROOT / "docs" / "moving.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, flags=re.M | re.S)
    (shown,) = re.findall(r"^```text\n(.*?)^```$", page, flags=re.M | re.S)
    (tmp_path / "example.wav").write_bytes(example.read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert capsys.readouterr().out == shown
    end = 6.66
    assert gigaam.format_time(end) in shown
    assert f"{end} seconds" in page
    assert f"writes `{gigaam.format_clock(end)}`" in page


def test_links_are_right_in_the_repository_and_on_the_site() -> None:
    readme = (
        "[По-русски](README_ru.md#a) ![s](gigaam_scheme.svg) [card](x/y.md) [`a.py`](a.py)\n"
        "[how](docs/how-it-works.md) [far](https://example.org/a_(b)) [here](#models)\n"
        "```python\ntexts[0](LICENSE)\n```\n"
    )
    assert relinked(readme, "README.md") == (
        "[По-русски](guide-ru.md#a) ![s](gigaam_scheme.svg) card (`x/y.md`) `a.py`\n"
        "[how](how-it-works.md) [far](https://example.org/a_(b)) [here](#models)\n"
        "```python\ntexts[0](LICENSE)\n```\n"
    )
    page = "[guide](../../README.md#x) [plan](../how-it-works.md#y) [m](models.md) [log](../../LOG)"
    assert relinked(page, "docs/api/index.md") == (
        "[guide](../guide.md#x) [plan](../how-it-works.md#y) [m](models.md) log (`LOG`)"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_the_sources_lead_to_files(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
