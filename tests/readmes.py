"""The READMEs taken apart: fenced blocks, headings, tables, links."""

import io
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README_ru.md")

Table = list[list[str]]
"""Rows of cells, the header first and without the line under it."""

_BLOCK = re.compile(
    r"^(?:<!-- ci: (?P<mark>[\w-]+) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S
)
_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        where: README and line of its first fence.
        language: What its fence says.
        code: What is between the fences.
        mark: NAME where ``<!-- ci: NAME -->`` stands above it: `.ci/run` runs these.
    """

    where: str
    language: str
    code: str
    mark: str | None


def read(name: str) -> str:
    """The text of a file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(readme: str) -> list[Block]:
    """All fenced blocks, in order; fails if there is a fence that belongs to none."""
    text = read(readme)
    found = [
        Block(
            f"{readme}:{text.count(chr(10), 0, match.start()) + 1}",
            match["language"],
            match["code"],
            match["mark"],
        )
        for match in _BLOCK.finditer(text)
    ]
    fences = re.findall(r"^\s*(?:```|~~~)", text, flags=re.M)
    assert len(fences) == 2 * len(found), f"{readme}: a fence that is not at the start of its line?"
    return found


def without_comments(block: Block) -> str:
    """The code of a block, line by line, less its comments."""
    if block.language == "python":
        return _python_without_comments(block.code)
    if block.language == "bash":
        return "\n".join(re.sub(r"\s+#.*$", "", line) for line in block.code.splitlines())
    return block.code


def _python_without_comments(code: str) -> str:
    lines = code.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return "\n".join(lines)


def prose(readme: str) -> str:
    """The README without its fenced blocks."""
    return _BLOCK.sub("", read(readme))


def headings(readme: str) -> list[tuple[int, str]]:
    """Level and text of every heading."""
    found = re.findall(r"^(#+) (.+)$", prose(readme), flags=re.M)
    return [(len(marks), text) for marks, text in found]


def tables(readme: str) -> list[Table]:
    """All tables, in order."""
    return tables_in(prose(readme))


def tables_in(text: str) -> list[Table]:
    """The tables of a text in Markdown."""
    runs = re.findall(r"(?:^\|.*\n)+", text, flags=re.M)
    return [_rows(run) for run in runs]


def _rows(run: str) -> Table:
    rows = [[cell.strip() for cell in _CELL.split(line)[1:-1]] for line in run.splitlines()]
    assert all(re.fullmatch(r":?-+:?", cell) for cell in rows[1]), rows[1]
    assert len({len(row) for row in rows}) == 1, f"rows of different length: {rows[0]}"
    return [rows[0], *rows[2:]]


def plain(cell: str) -> str:
    """What a reader sees of a cell: no links, no emphasis, single spaces."""
    cell = re.sub(r"\[([^\]]+)\](?:\([^)]*\))?", r"\1", cell).replace("**", "").replace("`", "")
    return " ".join(cell.split())


def links(readme: str) -> list[str]:
    """Where all links and pictures lead."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(readme))


def anchor(heading: str) -> str:
    """What a heading is called in a link to it."""
    kept = re.sub(r"[^\w\s-]", "", re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", heading).lower())
    return kept.strip().replace(" ", "-")
