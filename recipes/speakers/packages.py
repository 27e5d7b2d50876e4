"""The Debian packages with recordings and texts, unpacked without installing them.

Some of them conflict with each other, so that they cannot all be installed.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

LANGUAGES = ("en", "es", "fr", "it", "ru")
PACKAGES = (
    *(f"asterisk-core-sounds-{language}" for language in LANGUAGES),
    *(f"asterisk-core-sounds-{language}-g722" for language in LANGUAGES),
    "asterisk-prompt-es-co",
    "asterisk-prompt-fr-armelle",
    "asterisk-prompt-it-menardi-wav",
    "fortunes-ru",
)
SOUNDS = Path("usr/share/asterisk/sounds")
DOCUMENTS = Path("usr/share/doc")
FORTUNES = Path("usr/share/games/fortunes/ru")


def unpack(directory: Path) -> None:
    """Fetches the packages with apt and unpacks them into `directory`, unless it exists."""
    if directory.exists():
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        subprocess.run(["apt-get", "download", *PACKAGES], check=True, cwd=scratch)
        files = Path(scratch, "files")
        files.mkdir()
        for package in sorted(Path(scratch).glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", str(package), str(files)], check=True)
        files.rename(directory)
