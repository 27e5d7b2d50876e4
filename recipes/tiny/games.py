"""More sentences for festival: what the characters of two games say, in Russian translation.

The packages are not installed but unpacked under a folder; their message catalogues
(``…/ru/LC_MESSAGES/*.mo``) hold the texts.
"""

from __future__ import annotations

import gettext
import html
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

PACKAGES = (
    "freeciv-data",
    "wesnoth-1.16-data",
    *(
        f"wesnoth-1.16-{campaign}"
        for campaign in "did dm dw ei httt l low nr sof sota sotbe thot trow tsg ttb utbs".split()
    ),
)
_MARKUP = re.compile(r"<[^>]*>")


def unpack(directory: Path) -> None:
    """Fetches the packages with apt and unpacks their Russian catalogues under `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", *PACKAGES], check=True, cwd=directory)
    for package in sorted(directory.glob("*.deb")):
        archive = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
        wanted = ["--wildcards", "*/ru/LC_MESSAGES/*.mo"]
        subprocess.run(["tar", "-x", *wanted], check=True, cwd=directory, stdin=archive.stdout)
        if archive.wait():
            raise OSError(f"{package} cannot be unpacked")
        package.unlink()


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
