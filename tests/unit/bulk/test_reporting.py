"""Reports on runs: what they count, and that nothing in them is lost or does harm."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.bulk.ledger import Ledger
from gigaam.bulk.records import FORMATS, RowFormat
from gigaam.bulk.reporting import BulkReport, Example, report
from gigaam.bulk.row_files import Row
from gigaam.errors import ArgumentError, BulkError
from tests.bulk_runs import failed_row, make_run, spoken_row
from tests.examples import examples

SHARDS = [
    [
        spoken_row("a.wav", "раз два три", duration=30.0, confidence=0.5, speakers=("A", "B")),
        spoken_row("b.wav", "раз", duration=0.5, confidence=0.25, warnings=["2.5 s are missing"]),
        failed_row("c.wav", message="it is damaged"),
    ],
    [
        spoken_row("d.wav", "", duration=4000.0),
        spoken_row("e.wav", "да", confidence=0.75, warnings=["7.25 s are missing"]),
        failed_row("f.wav", "AudioFileNotFoundError", "there is none"),
        failed_row("g.wav", message="it is cut short"),
    ],
    [spoken_row("h.wav")],
]


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_counted(format: RowFormat, tmp_path: Path) -> None:
    make_run(tmp_path, SHARDS, format=format, left=[2], took_s=8.0)
    found = report(tmp_path, lowest=2)
    assert (found.n_planned, found.n_done, found.n_failed, found.n_left) == (8, 4, 3, 1)
    assert (found.n_shards, found.n_shards_missing, found.is_finished) == (3, 1, False)
    assert (found.heard_s, found.took_s, found.n_words) == (4032.5, 16.0, 5)
    assert found.planned_s == 4034.5
    assert found.speed == pytest.approx(4032.5 / 16)
    assert (found.model, found.release, dict(found.options)) == ("tiny_ctc", "1.2.3", {"beam": 4})
    kinds = [(each.called, each.n, each.examples) for each in found.failures]
    damaged = [Example("c.wav", "it is damaged"), Example("g.wav", "it is cut short")]
    missing = [Example("f.wav", "there is none")]
    assert kinds == [("AudioDecodingError", 2, damaged), ("AudioFileNotFoundError", 1, missing)]
    assert [(each.called, each.n) for each in found.warnings] == [("2.5 s are missing", 2)]
    lowest = [(each.id, each.confidence, each.beginning) for each in found.lowest]
    assert lowest == [("b.wav", 0.25, "раз"), ("a.wav", 0.5, "раз два три")]
    assert (found.without_text.n, found.without_text.examples[0].id) == (1, "d.wav")
    assert found.speakers == {2: 1}
    assert [each.n for each in found.lengths] == [1, 1, 1, 0, 0, 0, 1]


def test_by_machines(tmp_path: Path) -> None:
    make_run(tmp_path, SHARDS, took_s=2.0)
    first, second = report(tmp_path).machines
    assert (first.host, first.n_shards, first.n_recordings) == ("host1", 1, 4)
    assert (second.host, second.n_shards, second.heard_s) == ("host0", 2, 32.5)
    assert (second.processor, second.device, second.threads) == ("Abacus", "cpu", 1)
    assert second.speed == pytest.approx(32.5 / 4)


def test_as_data(tmp_path: Path) -> None:
    make_run(tmp_path, SHARDS)
    plain = json.loads(json.dumps(report(tmp_path).to_dict(), allow_nan=False))
    assert plain["is_finished"] is True
    assert plain["machines"][0]["speed"] == pytest.approx(4002.0)
    assert plain["failures"][1]["examples"] == [{"id": "f.wav", "told": "there is none"}]
    assert plain["lengths"][-1] == {"under_s": None, "n": 1, "heard_s": 4000.0}


def test_as_text(tmp_path: Path) -> None:
    make_run(tmp_path, SHARDS, left=[2])
    lines = report(tmp_path).to_text().splitlines()
    assert "Not finished: 1 of 3 shards are missing, with 1 recording." in lines
    assert "  recordings planned   8" in lines
    assert "  sound recognised     1.12 h" in lines
    (head,) = (number for number, line in enumerate(lines) if line == "Failures:")
    assert lines[head + 2].split() == ["AudioDecodingError", "2", "c.wav", "it", "is", "damaged"]
    assert lines[head + 3].split() == ["g.wav", "it", "is", "cut", "short"]
    assert "  0.250             0.5 s   b.wav       раз" not in lines
    assert any(line.split()[:4] == ["0.250", "0.5", "s", "b.wav"] for line in lines)


def test_of_a_run_of_which_nothing_is_done(tmp_path: Path) -> None:
    make_run(tmp_path, SHARDS, left=range(3))
    found = report(tmp_path)
    assert (found.n_done, found.n_left, found.speed) == (0, 8, None)
    assert "speed of a worker    unknown" in found.to_text()
    assert "Failures" not in found.to_html()


def test_lists_are_bounded(tmp_path: Path) -> None:
    failed = [failed_row(f"{n}", f"Kind{n % 300}") for n in range(1000)]
    spoken = [
        spoken_row(f"s{n}", confidence=n % 50 / 100, warnings=[f"word{'x' * n}"])
        for n in range(400)
    ]
    make_run(tmp_path, [failed, spoken, [spoken_row(f"e{n}", "") for n in range(30)]])
    found = report(tmp_path, lowest=3)
    assert [each.id for each in found.lowest] == ["s0", "s50", "s100"]
    assert sum(each.n for each in found.failures) == 1000
    assert (len(found.failures), found.failures[-1].called) == (201, "others")
    assert sum(each.n for each in found.warnings) == 400
    assert len(found.without_text.examples) == 10
    assert "… and 20 more" in found.to_text()
    assert report(tmp_path, lowest=0).lowest == []


class _Page(HTMLParser):
    """What a page shows, and what it would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.shown = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.shown += data


def page_of(found: BulkReport) -> _Page:
    page = _Page()
    page.feed(found.to_html())
    return page


TAGS = {"html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "div", "span"}
TAGS |= {"b", "section", "table", "tr", "th", "td"}


def test_page(tmp_path: Path) -> None:
    nasty = "<script>alert(1)</script>\"'&\x1b[31m\udcff\u202e"
    rows = [
        spoken_row(nasty, nasty, warnings=[nasty]),
        failed_row(nasty + "2", nasty, nasty),
        spoken_row(f"{nasty}3", ""),
    ]
    make_run(tmp_path / "<b>", [rows])
    found = report(tmp_path / "<b>")
    page = page_of(found)
    assert page.tags == TAGS
    assert page.attributes == {"lang", "charset", "name", "content", "class"}
    assert "<script>alert(1)</script>" in page.shown
    assert not re.search(r"https?://|url\(|@import", found.to_html())
    found.to_html().encode()
    assert "prefers-color-scheme: dark" in found.to_html()
    text = found.to_text()
    assert not set("\x1b\udcff\u202e") & set(text + found.to_html())
    assert "\\x1b[31m\\udcff\\u202e" in text


def test_rows_that_are_missing_are_told(tmp_path: Path) -> None:
    from gigaam.bulk.row_files import pack_rows

    make_run(tmp_path, SHARDS)
    few = pack_rows(SHARDS[0][:2], {"model": "", "options": ""}, "parquet")
    (tmp_path / "shards/000/000000.parquet").write_bytes(few)
    with pytest.raises(BulkError, match=r"shard 0 of .* has 2 rows, not 3"):
        report(tmp_path)
    (tmp_path / "summaries/000000.json").unlink()
    with pytest.raises(BulkError, match=r"000000\.json is missing"):
        report(tmp_path)


def test_what_there_is_no_report_of(tmp_path: Path) -> None:
    with pytest.raises(BulkError, match="holds no bulk run"):
        report(tmp_path)
    with pytest.raises(ArgumentError, match="lowest must be a number from 0 on, not -1"):
        report(tmp_path, lowest=-1)


ROWS = st.one_of(
    st.builds(failed_row, st.text(max_size=5), st.sampled_from(["A", "B"]), st.text(max_size=5)),
    st.builds(
        spoken_row,
        st.text(max_size=5),
        st.text(max_size=9),
        duration=st.floats(0, 1e5),
        confidence=st.none() | st.floats(0, 1),
        warnings=st.lists(st.text(max_size=5), max_size=2),
    ),
)


@settings(max_examples=examples(20))
@given(data=st.data(), rows=st.lists(ROWS, max_size=12, unique_by=lambda row: row.id))
def test_everything_is_counted_once(
    data: st.DataObject, rows: list[Row], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("run")
    shards = [rows[first:][:3] for first in range(0, len(rows), 3)]
    left = data.draw(st.sets(st.sampled_from(range(len(shards))))) if shards else set()
    make_run(folder, shards, left=left, format="jsonl")
    found = report(folder, lowest=4)
    done = [row for n, shard in enumerate(shards) if n not in left for row in shard]
    spoken = [row for row in done if row.error is None]
    assert found.n_planned == len(rows) == found.n_done + found.n_failed + found.n_left
    assert found.n_done == len(spoken) == sum(each.n for each in found.lengths)
    assert found.n_failed == sum(each.n for each in found.failures)
    assert found.n_words == sum(len(row.words) for row in spoken)
    assert sum(each.n for each in found.warnings) == sum(len(row.warnings) for row in done)
    known = sorted(row.confidence for row in spoken if row.confidence is not None)
    assert [each.confidence for each in found.lowest] == known[:4]
    assert found.heard_s == pytest.approx(sum(row.duration for row in spoken))
    assert found.n_shards_missing == len(set(range(len(shards))) - Ledger(str(folder)).done())
    page_of(found)
    found.to_text().encode()
