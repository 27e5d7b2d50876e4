"""A hook of mkdocs: the READMEs are pages of the documentation, too, so that they exist once.

The READMEs and the pages under docs/ link to each other and to other files as they lie in the
repository, for those who read them there. On the site, links to the READMEs lead to their pages,
pictures come along, and files that are no pages are named by their paths.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]

PAGES = {"README.md": "guide.md", "README_ru.md": "guide-ru.md"}
PICTURES = ("gigaam_scheme.svg",)

_FENCE = re.compile(r"^(```.*?^```$)", flags=re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of the site, with the READMEs' pages and the pictures they show."""
    for readme, page in PAGES.items():
        text = (ROOT / readme).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=relinked(text, readme)))
    for picture in PICTURES:
        files.append(File.generated(config, picture, abs_src_path=str(ROOT / picture)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A page with its links as they are on the site."""
    if page.file.src_uri in PAGES.values():
        return markdown
    return relinked(markdown, f"docs/{page.file.src_uri}")


def relinked(text: str, source: str) -> str:
    """Markdown with links that are right on the site; what stands in code stays as it is.

    Args:
        text: The content of a file.
        source: Where the file lies in the repository.
    """

    def moved(link: re.Match[str]) -> str:
        return _moved(link, source)

    parts = _FENCE.split(text)  # every second one is a block of code
    return "".join(
        part if index % 2 else _LINK.sub(moved, part) for index, part in enumerate(parts)
    )


def _moved(link: re.Match[str], source: str) -> str:
    """One link."""
    picture, label, target = link.groups()
    path, hash_sign, anchor = target.partition("#")
    if re.match(r"https?:|mailto:", target) or not path:
        return link[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    place = _place(path)
    if place is None:
        named = f"`{path}`"
        return named if label in (path, named) else f"{label} ({named})"
    folder = posixpath.dirname(_place(source) or "") or "."
    return f"{picture}[{label}]({posixpath.relpath(place, folder)}{hash_sign}{anchor})"


def _place(path: str) -> str | None:
    """Where a file of the repository lies among the site's sources; None if it isn't there."""
    if path in PICTURES:
        return path
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return PAGES.get(path)
