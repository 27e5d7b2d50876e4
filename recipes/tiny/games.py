"""More sentences for festival: the texts of two games, in Russian translation.

The packages are not installed but unpacked under a folder; their message catalogues
(``…/ru/LC_MESSAGES/*.mo``) hold the texts.
"""

from __future__ import annotations

import gettext
import html
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

_CAMPAIGNS = (
    "did", "dm", "dw", "ei", "httt", "l", "low", "nr",
    "sof", "sota", "sotbe", "thot", "trow", "tsg", "ttb", "utbs",
)  # fmt: skip
PACKAGES = (
    "freeciv-data",
    "wesnoth-1.16-data",
    *(f"wesnoth-1.16-{campaign}" for campaign in _CAMPAIGNS),
)
_MARKUP = re.compile(r"<[^>]*>")


def unpack(directory: Path) -> None:
    """Fetches the packages with apt and unpacks their Russian catalogues into `directory`."""
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        subprocess.run(["apt-get", "download", *PACKAGES], check=True, cwd=scratch)
        catalogues = Path(scratch, "catalogues")
        catalogues.mkdir()
        for package in sorted(Path(scratch).glob("*.deb")):
            command = ["dpkg-deb", "--fsys-tarfile", str(package)]
            archive = subprocess.run(command, check=True, capture_output=True).stdout
            wanted = ["--wildcards", "*/ru/LC_MESSAGES/*.mo"]
            subprocess.run(["tar", "-x", *wanted], check=True, cwd=catalogues, input=archive)
        catalogues.rename(directory)


def read_paragraphs(directory: Path) -> Iterator[str]:
    """The translated texts of every catalogue under `directory`, line by line, without markup."""
    for path in sorted(directory.rglob("*.mo")):
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)
        # The class has no public way to list its messages.
        for source, text in catalogue._catalog.items():  # type: ignore[attr-defined]
            if source:  # the empty one is the catalogue's header
                for paragraph in text.split("\n"):
                    yield " ".join(html.unescape(_MARKUP.sub(" ", paragraph)).split())
