"""A hook of mkdocs: the READMEs as pages of the documentation, so that they exist once.

Links between the READMEs lead to their pages, pictures come along, and other files of the
repository, which are no pages, are named by their paths.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]

PAGES = {"README.md": "guide.md", "README_ru.md": "guide-ru.md"}
PICTURES = ("gigaam_scheme.svg",)

_FENCE = re.compile(r"^(```.*?^```$)", flags=re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of the site, with the READMEs' pages and the pictures they show."""
    for readme, page in PAGES.items():
        text = (ROOT / readme).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=as_page(text)))
    for picture in PICTURES:
        files.append(File.generated(config, picture, abs_src_path=str(ROOT / picture)))
    return files


def as_page(readme: str) -> str:
    """A README with links that are right on the site; what stands in code stays as it is."""
    parts = _FENCE.split(readme)  # every second one is a block of code
    return "".join(
        part if index % 2 else _LINK.sub(_on_site, part) for index, part in enumerate(parts)
    )


def _on_site(link: re.Match[str]) -> str:
    picture, label, target = link.groups()
    path, _, anchor = target.partition("#")
    anchor = f"#{anchor}" if anchor else ""
    if re.match(r"https?:|mailto:", target) or not path or path in PICTURES:
        return link[0]
    if path in PAGES:
        return f"{picture}[{label}]({PAGES[path]}{anchor})"
    if path.startswith("docs/") and path.endswith(".md"):
        return f"{picture}[{label}]({path.removeprefix('docs/')}{anchor})"
    named = f"`{path}`"
    return label if label == named else f"{label} ({named})"
