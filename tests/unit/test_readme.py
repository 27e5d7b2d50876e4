"""The READMEs say the same, and what they state is what the project and the sources state."""

import re

import pytest

from gigaam.store import registry
from tests.readmes import (
    READMES,
    anchor,
    blocks,
    headings,
    links,
    plain,
    prose,
    read,
    tables,
    tables_in,
    without_comments,
)

ENGLISH, RUSSIAN = READMES
PUBLISHED = "tests/published_tables.md"
PUBLISHED_ORDER = [
    "Последние обновления",
    "Обзор",
    "Установка",
    "GigaAM",
    "GigaAM для распознавания речи",
    "Данные для обучения",
    "Метрики качества (Word Error Rate)",
    "Базовое использование: короткие записи",
    "Длинные записи",
    "ONNX",
    "GigaAM-Emo",
    "Лицензия",
    "Ссылки",
]
"""The sections of the published Russian documentation."""


def units(readme: str, text: str) -> str:
    """A figure as a README writes it: with a decimal comma and Russian units in the Russian one."""
    if readme == RUSSIAN:
        for ours, theirs in ((" MB", " МБ"), (" M", " млн"), (" s", " с"), (".", ",")):
            text = text.replace(ours, theirs)
    return text


def numbers(text: str) -> list[str]:
    """The numbers in a text; both ways to write a fraction are one."""
    return [number.replace(",", ".") for number in re.findall(r"\d+(?:[.,]\d+)?", text)]


# ---------------------------------------------------------------------------- the same in both


def test_same_code() -> None:
    english, russian = blocks(ENGLISH), blocks(RUSSIAN)
    assert [b.language for b in russian] == [b.language for b in english]
    assert [b.mark for b in russian] == [b.mark for b in english]
    assert [without_comments(b) for b in russian] == [without_comments(b) for b in english]


def test_same_sections() -> None:
    assert [level for level, _ in headings(RUSSIAN)] == [level for level, _ in headings(ENGLISH)]


def test_russian_has_the_published_order() -> None:
    titles = [title for _, title in headings(RUSSIAN)]
    assert [title for title in titles if title in PUBLISHED_ORDER] == PUBLISHED_ORDER


def test_same_tables() -> None:
    english, russian = tables(ENGLISH), tables(RUSSIAN)
    assert len(english) == len(russian) >= 12
    for ours, theirs in zip(english, russian, strict=True):
        assert [len(row) for row in theirs] == [len(row) for row in ours]
        for row, other in zip(ours, theirs, strict=True):
            for cell, counterpart in zip(row, other, strict=True):
                assert numbers(counterpart) == numbers(cell)
                code = re.findall(r"`([^`]+)`", cell)
                assert [
                    c.replace("ИМЯ", "NAME") for c in re.findall(r"`([^`]+)`", counterpart)
                ] == code


def test_same_links() -> None:
    def outside(readme: str) -> list[str]:
        own = {*READMES}
        return [link for link in links(readme) if not link.startswith("#") and link not in own]

    assert outside(RUSSIAN) == outside(ENGLISH)


# ---------------------------------------------------------------------------- what they state


@pytest.mark.parametrize("readme", READMES)
def test_published_tables_digit_for_digit(readme: str) -> None:
    """Every cell, names as well; 190 of them are figures."""
    copies = tables_in(read(PUBLISHED))
    cells = [plain(cell) for table in copies for row in table for cell in row]
    assert sum(re.fullmatch(r"[\d.]+[BM]?", cell) is not None for cell in cells) == 190
    found = [[[plain(cell) for cell in row] for row in table] for table in tables(readme)]
    for copy in copies:
        assert [[plain(cell) for cell in row] for row in copy] in found, copy[0]


@pytest.mark.parametrize("readme", READMES)
def test_published_links(readme: str) -> None:
    wanted = re.findall(r"^- (https://\S+)$", read(PUBLISHED), flags=re.M)
    assert len(wanted) == 23
    assert set(wanted) - set(links(readme)) == set()


@pytest.mark.parametrize("readme", READMES)
def test_anchors_lead_to_headings(readme: str) -> None:
    known = {anchor(title) for _, title in headings(readme)}
    wanted = {link[1:] for link in links(readme) if link.startswith("#")}
    assert len(wanted) >= 10
    assert wanted - known == set()


TASKS = {
    **dict.fromkeys(("text", "текст", "with punctuation", "с пунктуацией"), ("ctc", "rnnt")),
    **dict.fromkeys(("embeddings", "эмбеддинги"), ("ssl",)),
    **dict.fromkeys(("emotions", "эмоции"), ("emo",)),
}
"""What the table of models calls tasks, and what the registry does."""


def models_of(cell: str) -> list[registry.ModelInfo]:
    """The models of a row, short names apart; fails if one is under another's task."""
    found = {}
    for part in cell.split("<br>"):
        label, names = part.split(": ")
        for info in map(registry.resolve, re.findall(r"`(\w+)`", names)):
            assert info.task in TASKS[label]
            found[info.name] = info
    return list(found.values())


def spread(values: list[float], digits: int = 0) -> str:
    """The least and the greatest, as the table writes them; once where they are the same."""
    written = list(dict.fromkeys(f"{value:.{digits}f}" for value in (min(values), max(values))))
    return "–".join(written)


@pytest.mark.parametrize("readme", READMES)
def test_table_of_models(readme: str) -> None:
    """Names, parameters and sizes are the registry's; each model is in one row."""
    (table,) = [t for t in tables(readme) if len(t[0]) == 6 and "<br>" in t[1][2]]
    named = []
    for row in table[1:]:
        infos = models_of(row[2])
        digits = 1 if infos[0].is_packaged else 0
        parameters = spread([(i.parameters or 0) / 1e6 for i in infos], digits) + " M"
        size = spread([(i.size_bytes or 0) / 1e6 for i in infos]) + " MB"
        assert row[3:5] == [units(readme, parameters), units(readme, size)]
        named += [info.name for info in infos]
    assert sorted(named) == sorted(registry.names())
    short = {name for cell in table[1:] for name in re.findall(r"= `(\w+)`", cell[2])}
    assert short == {"ctc", "rnnt", "ssl"}


def card_figures(name: str) -> list[str]:
    """CER and WER of the test sets, as a packaged model's card has them."""
    card = read(f"gigaam/assets/{name}/README.md")
    figures = []
    for voice in ("the man reading", "the woman's prompts"):
        row = re.search(
            rf"^\| test, {voice} \| \d+ \| (\S+) \(.+?\) \| (\S+) \(.+?\) \|$", card, re.M
        )
        assert row is not None, f"{name}: no row of {voice}"
        figures += [row[1], row[2]]
    return figures


@pytest.mark.parametrize("readme", READMES)
def test_figures_of_the_packaged_models_are_their_cards(readme: str) -> None:
    packaged = [info for info in registry.MODELS.values() if info.is_packaged]
    assert packaged
    (table,) = [t for t in tables(readme) if len(t[0]) == 7 and "`tiny_ctc`" in t[1][0]]
    assert table[1:] == [
        [
            f"`{info.name}`",
            units(readme, f"{(info.parameters or 0) / 1e6:.1f} M"),
            units(readme, f"{(info.size_bytes or 0) / 1e6:.0f} MB"),
            *(units(readme, figure) for figure in card_figures(info.name)),
        ]
        for info in packaged
    ]


def logged(pattern: str) -> float:
    """The number that the log has where the pattern has its group; the newest, if several."""
    match = re.search(pattern, read("dev/LOG.md"))
    assert match is not None, pattern
    return float(match[1])


@pytest.mark.parametrize("readme", READMES)
def test_speeds_are_the_logs(readme: str) -> None:
    (table,) = [t for t in tables(readme) if t[0][-1] == "ONNX int8"]
    wanted = {
        "v3": [
            r"\| v3_ctc \| float32 \| 20 \| 1 \| ([\d.]+) \|",
            r"\| v3_ctc \| bfloat16 \| 20 \| 1 \| ([\d.]+) \|",
            r"\| \*\*float32\*\* \| [\d.]+ \| ([\d.]+) \|",
            r"\| \*\*int8\*\* \| [\d.]+ \| ([\d.]+) \|",
        ],
        "v2": [
            r"\| v2_rnnt \| float32 \| 20 \| 1 \| ([\d.]+) \|",
            r"\| v2_rnnt \| bfloat16 \| 20 \| 1 \| ([\d.]+) \|",
        ],
    }
    assert {row[0]: [cell for cell in row[1:] if cell] for row in table[1:]} == {
        encoder: [f"{logged(pattern):.0f}" for pattern in patterns]
        for encoder, patterns in wanted.items()
    }


@pytest.mark.parametrize("readme", READMES)
def test_figures_of_the_long_form_are_the_logs(readme: str) -> None:
    log = " ".join(read("dev/LOG.md").split())
    (table,) = [t for t in tables(readme) if t[1][0] == "Silero"]
    rows = [row[1:] for row in table[1:]]
    if readme == RUSSIAN:  # the log is in English
        units_there = str.maketrans({",": ".", "с": "s", "М": "M", "Б": "B"})
        rows = [[cell.translate(units_there) for cell in row] for row in rows]
    silero, pyannote, none = rows
    assert (
        f"with Silero {silero[0]}, with pyannote {pyannote[0]}, without a detector {none[0]} %"
        in log
    )
    assert f"One hour: {silero[1].split()[0]} and {none[1]}" in log
    assert re.search(rf"Silero {silero[2]} \([^)]+\), {silero[3]} above the model", log)
    assert f"none {none[2]}, {none[3]} " in log
    (alone,) = re.findall(r"(\d[.,]\d\d) %:", prose(readme))
    assert f"one by one {alone.replace(',', '.')} %" in log


def test_russian_has_russian_units() -> None:
    """Outside the published tables, which stand as they are."""
    published = [[plain(cell) for cell in row] for t in tables_in(read(PUBLISHED)) for row in t]
    rows = [row for table in tables(RUSSIAN) for row in table]
    cells = [c for row in rows if [plain(c) for c in row] not in published for c in row]
    cells = [cell for cell in cells if not cell.startswith("`")]  # messages
    assert [cell for cell in cells if re.search(r"\d (?:s|M|MB|GB)\b|^\d+\.\d", cell)] == []
