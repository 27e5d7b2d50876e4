"""Addresses without the logins in them: what messages, logs and files may say."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

__all__ = ["split_login", "without_logins"]

# A login ends at the last @ before the path. A password with an unescaped slash makes the address
# malformed: then what follows the colon is no port, and anything up to the last @ is the login.
_LOGIN = re.compile(r"(?<=//)(?:[^/?#\s]*@|[^/?#\s]*:(?!\d*(?:[/?#\s'\"]|$))\S*@)")


def without_logins(text: object) -> str:
    """A text, such as an error's, with no user names and passwords in its addresses."""
    return _LOGIN.sub("***@", str(text))


def split_login(url: str) -> tuple[str, tuple[str, str] | None]:
    """An address without its login, and the login.

    Raises:
        ValueError: It is malformed.
    """
    parts = urlsplit(url)
    _ = parts.port  # raises for what is no number
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = login.partition(":")
    return parts._replace(netloc=host).geturl(), (unquote(user), unquote(password))
