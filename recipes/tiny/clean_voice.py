"""A copy of the festival voice that cannot speak with held-out recordings.

`msu_ru_nsh_clunits` joins short pieces (units) of the 620 festvox-ru recordings, which are also our
dev and test sets. The copy has no unit of a held-out recording in any of the three places that hold
units: the catalogue (which unit lies where in which recording), the selection trees (whose leaves
list the candidates) and the recordings themselves (waveforms and pitch-synchronous coefficients).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Set
from pathlib import Path
from typing import Any

Tree = list[Any]
"""A parsed list: its elements are words (str) and lists."""

_TREES = Path("festival/trees/msu_ru_nsh.tree")
_CATALOGUE = Path("festival/clunits/msu_ru_nsh.catalogue")
_SHARED = ("festvox", "dict", "lib", "etc")
_RECORDED = ("wav", "mcep")
_TOKEN = re.compile(r'"[^"]*"|[()]|[^\s()"]+')


def copy_voice(source: Path, target: Path, held_out: Set[str]) -> None:
    """Makes `target` a voice directory like `source` without the recordings named in `held_out`."""
    shutil.rmtree(target, ignore_errors=True)
    for path in (_TREES, _CATALOGUE):
        (target / path).parent.mkdir(parents=True)
    for name in _SHARED:
        (target / name).symlink_to(source / name)
    catalogue = (source / _CATALOGUE).read_text()
    (target / _CATALOGUE).write_text(filter_catalogue(catalogue, held_out))
    trees = filter_trees((source / _TREES).read_text(), held_out_units(catalogue, held_out))
    (target / _TREES).write_text(trees)
    for name in _RECORDED:
        (target / name).mkdir()
        for file in sorted((source / name).iterdir()):
            if file.stem not in held_out:
                (target / name / file.name).symlink_to(file)


def _entries(catalogue: str) -> tuple[list[str], list[str]]:
    header, _, body = catalogue.partition("EST_Header_End\n")
    return header.splitlines(), [line for line in body.splitlines() if line.strip()]


def held_out_units(catalogue: str, held_out: Set[str]) -> set[str]:
    """Names (`ff_12`) of the catalogue's units that were cut from held-out recordings."""
    fields = (line.split() for line in _entries(catalogue)[1])
    return {unit for unit, recording, *_ in fields if recording in held_out}


def filter_catalogue(catalogue: str, held_out: Set[str]) -> str:
    """The catalogue without the units of held-out recordings."""
    header, entries = _entries(catalogue)
    kept = [line for line in entries if line.split()[1] not in held_out]
    counted = [
        f"NumEntries {len(kept)}" if line.startswith("NumEntries") else line for line in header
    ]
    return "\n".join([*counted, "EST_Header_End", *kept]) + "\n"


def filter_trees(definition: str, removed: Set[str]) -> str:
    """The selection trees without the units in `removed`.

    A tree is `(question yes no)` or a leaf `((((number score) …) mean))`; candidate `number` of the
    tree "ff" is the unit `ff_number`. If a leaf loses all its candidates, its question goes too:
    both answers then lead to the remaining branch.
    """
    start = definition.index("(set! clunits_selection_trees")
    (_, _, _quote, trees), _ = _parse(_TOKEN.findall(definition[start:]), 0)
    kept = []
    for name, tree in trees:
        pruned = _prune(tree, name.strip('"'), removed)
        if pruned is not None:
            kept.append([name, pruned])
    listed = "\n".join(_format(tree) for tree in kept)
    return f"(set! clunits_selection_trees '(\n{listed}\n))\n"


def _parse(tokens: list[str], position: int) -> tuple[Tree, int]:
    """The list that opens at `position` and the position after it."""
    parts: Tree = []
    position += 1
    while tokens[position] != ")":
        if tokens[position] == "(":
            part, position = _parse(tokens, position)
            parts.append(part)
        else:
            parts.append(tokens[position])
            position += 1
    return parts, position + 1


def _prune(tree: Tree, phone: str, removed: Set[str]) -> Tree | None:
    if len(tree) == 3:
        question, yes, no = tree
        branches = [_prune(branch, phone, removed) for branch in (yes, no)]
        left = [branch for branch in branches if branch is not None]
        return [question, *left] if len(left) == 2 else (left[0] if left else None)
    [[candidates, mean]] = tree
    kept = [candidate for candidate in candidates if f"{phone}_{candidate[0]}" not in removed]
    return [[kept, mean]] if kept else None


def _format(tree: Tree | str) -> str:
    return tree if isinstance(tree, str) else f"({' '.join(_format(part) for part in tree)})"
