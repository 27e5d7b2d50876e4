"""One file over HTTP: resumed, retried, bounded, written to a partial file beside its target.

What arrives is not trusted here: `gigaam.store.download` compares it with the published digest
before it gets its final name.
"""

import errno
import json
import logging
import os
import random
import re
import shutil
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO

import requests

from gigaam.errors import ChecksumError, DownloadError
from gigaam.store.logins import split_login, without_logins

logger = logging.getLogger(__name__)

OnProgress = Callable[[int, int | None], None]
"""Called with the bytes on disk and the bytes of the whole file, None while unknown."""

# The client hands out whole chunks only: a dropped connection loses what it has of the next one.
_CHUNK_BYTES = 1 << 16
_LARGEST_BYTES = 16 << 30  # of a file whose size nobody told: more than any model has
_SIZE = "[0-9]{1,18}"
_TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How long a transfer is patient.

    Attributes:
        attempts: Requests in a row that may bring nothing new before the transfer fails.
        first_wait_s: Pause after the first failure; doubled after each further one.
        longest_wait_s: Bound of that pause, and of what a server's ``Retry-After`` may ask for.
        connect_timeout_s: Time to reach the server.
        read_timeout_s: Longest silence of the server.
    """

    attempts: int = 4
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0


class _TransientError(Exception):
    """The attempt failed in a way that may not last."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass
class Partial:
    """The part of a file that has arrived, and what the server said of the whole.

    ``<path>.json`` beside it holds the address and the server's validator, so that a later run
    continues only the same version of the same file.
    """

    path: Path

    @property
    def notes_path(self) -> Path:
        """The file with the notes."""
        return self.path.with_name(self.path.name + ".json")

    @property
    def size_bytes(self) -> int:
        """Bytes that have arrived."""
        try:
            status = self.path.lstat()
        except FileNotFoundError:
            return 0
        return status.st_size if stat.S_ISREG(status.st_mode) else 0

    def notes(self, url: str) -> dict[str, str]:
        """The validators kept for this address; empty if the part cannot be continued."""
        try:
            notes = json.loads(self.notes_path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(notes, dict) or notes.get("url") != url:
            return {}
        return {str(key): str(value) for key, value in notes.items()}

    def start(self, url: str, validator: str | None, total: int | None) -> None:
        """Empty the part and note which version of the file is about to arrive."""
        # Made anew: what lies there may be a link, which somebody else made to a file of ours.
        self.discard()
        self.path.open("xb").close()
        notes = {"url": url, "validator": validator, "total": total}
        told = {key: str(value) for key, value in notes.items() if value is not None}
        with self.notes_path.open("x", encoding="utf-8") as file:
            json.dump(told, file)

    def open_to_append(self) -> BinaryIO:
        """The part, open to add what arrives."""
        flags = (
            os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        )
        return open(self.path, "ab", opener=lambda path, _: os.open(path, flags))

    def discard(self) -> None:
        """Delete the part and its notes."""
        self.path.unlink(missing_ok=True)
        self.notes_path.unlink(missing_ok=True)


def transfer(
    url: str,
    partial: Partial,
    *,
    size_bytes: int | None = None,
    policy: RetryPolicy | None = None,
    on_progress: OnProgress | None = None,
) -> None:
    """Fill ``partial`` with the whole body of ``url``, going on where an earlier run stopped.

    Any failure but a wrong size leaves the part for a later run, an interrupt included.

    Args:
        url: An http or https address, which may hold a login: that goes to its server alone, and
            stands in no message, log or file. Proxies are taken from the environment.
        partial: Where the bytes go; its directory exists and this process owns it.
        size_bytes: The published size, where known; anything else is refused before it is read.
        policy: Timeouts and retries.
        on_progress: Told of every chunk of 64 kB.

    Raises:
        DownloadError: No network, refused, not found, disk full, not writable.
        ChecksumError: The server offers a file of another size; the part is deleted.
    """
    policy = policy or RetryPolicy()
    report = on_progress or (lambda done, total: None)
    furthest, failures = partial.size_bytes, 0
    try:
        url, login = split_login(url)
    except ValueError as error:
        raise DownloadError(f"Cannot download {without_logins(url)}: {error}") from None
    with requests.Session() as session:
        session.auth = login
        while True:
            try:
                return _attempt(session, url, partial, size_bytes, policy, report)
            except _TransientError as error:
                # A server that ignores Range starts over each time: only new ground counts.
                failures = 0 if partial.size_bytes > furthest else failures + 1
                furthest = max(furthest, partial.size_bytes)
                if failures >= policy.attempts:
                    raise DownloadError(_gave_up(url, str(error), partial)) from error.__cause__
                _pause(url, error, max(failures, 1), policy)


def _attempt(
    session: requests.Session,
    url: str,
    partial: Partial,
    size_bytes: int | None,
    policy: RetryPolicy,
    report: OnProgress,
) -> None:
    """One request: returns if the file is complete, raises `_TransientError` if it may yet be."""
    notes = partial.notes(url)
    validator = notes.get("validator")
    done = partial.size_bytes if validator else 0
    if done and str(done) == notes.get("total"):
        return
    # Identity: a compressed answer would make lengths and ranges those of other bytes.
    headers = {"Accept-Encoding": "identity", "User-Agent": "gigaam"}
    if done and validator:
        headers |= {"Range": f"bytes={done}-", "If-Range": validator}
    with _open(session, url, headers, policy) as response:
        try:
            _check_status(response, url, partial)
            total = _begin(response, url, partial, validator)
            _check_total(total, size_bytes, url, partial)
            _receive(response, url, partial, total or size_bytes, report)
        except requests.RequestException as error:
            raise _translate(error, url) from _tellable(error)
        except OSError as error:
            raise _cannot_write(error, partial.path) from error


def _open(
    session: requests.Session, url: str, headers: Mapping[str, str], policy: RetryPolicy
) -> requests.Response:
    """The answer to a request, its body not read yet."""
    timeout = (policy.connect_timeout_s, policy.read_timeout_s)
    try:
        return session.get(url, headers=headers, stream=True, timeout=timeout)
    except requests.RequestException as error:
        raise _translate(error, url) from _tellable(error)
    except Exception as error:
        # A certificate bundle that the environment names is not there; a proxy's address or that
        # of a redirect is malformed: any layer of the client may notice, each in its own way.
        raise DownloadError(f"Cannot download {url}: {without_logins(error)}") from _tellable(error)


def _check_status(response: requests.Response, url: str, partial: Partial) -> None:
    status = response.status_code
    if status in (200, 206):
        return
    if status == 416:  # what we have is not a part of what the server has now
        partial.discard()
        raise _TransientError("the server has another version of the file now", wait_s=0.0)
    if status in _TRANSIENT_STATUSES:
        wait_s = _retry_after(response.headers.get("Retry-After"))
        raise _TransientError(f"the server answered {status} {response.reason}", wait_s)
    hint = {
        404: "The file is not there: if GIGAAM_MIRROR is set, check that the mirror has it.",
        407: "The proxy asks for a login: put it into HTTPS_PROXY.",
    }.get(status, "The server refuses; a proxy or a firewall may be in between.")
    raise DownloadError(f"Cannot download {url}: {status} {response.reason}. {hint}")


def _begin(
    response: requests.Response, url: str, partial: Partial, validator: str | None
) -> int | None:
    """The size of the whole file, if told, once the partial file fits the answer."""
    length = response.headers.get("Content-Length", "")
    is_plain = re.fullmatch(_SIZE, length) and "Content-Encoding" not in response.headers
    told = int(length) if is_plain else None
    if response.status_code == 200:
        partial.start(url, _validator(response.headers), told)
        return told
    match = re.fullmatch(
        rf"bytes ({_SIZE})-{_SIZE}/({_SIZE}|\*)", response.headers.get("Content-Range", "")
    )
    current = _validator(response.headers)
    if (
        match is None
        or int(match[1]) != partial.size_bytes
        or (current is not None and current != validator)
    ):
        partial.discard()
        raise _TransientError("the server answered with another part or version", wait_s=0.0)
    if match[2] != "*":
        return int(match[2])
    return None if told is None else partial.size_bytes + told


def _check_total(total: int | None, published: int | None, url: str, partial: Partial) -> None:
    if total is None:
        return
    if published is not None and total != published:
        partial.discard()
        raise ChecksumError(
            f"{url} is {total} bytes long, the published file {published}: not the same file. "
            "A proxy or a login page may answer in its place; open the address in a browser to see."
        )
    needed = total - partial.size_bytes
    free = shutil.disk_usage(partial.path.parent).free
    if needed > free:
        raise DownloadError(
            f"Cannot download {url}: {needed / 1e6:,.0f} MB more are needed in "
            f"{partial.path.parent}, {free / 1e6:,.0f} MB are free. Make room, or choose another "
            "cache directory with GIGAAM_CACHE or download_root."
        )


def _receive(
    response: requests.Response,
    url: str,
    partial: Partial,
    total: int | None,
    report: OnProgress,
) -> None:
    done = partial.size_bytes
    most = _LARGEST_BYTES if total is None else total
    report(done, total)
    with partial.open_to_append() as file:
        for chunk in response.iter_content(_CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            report(done, total)
            if done > most:
                break
    if done > most:
        partial.discard()
        raise ChecksumError(f"{url} goes on past the {most} bytes it may have; deleted.")
    if total is not None and done < total:
        raise _TransientError(f"the answer ended after {done} of {total} bytes")


def _translate(error: requests.RequestException, url: str) -> Exception:
    """What a failure of the HTTP client means: worth another try, or not."""
    kinds = requests.exceptions
    reason = _innermost(error)
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return DownloadError(
            f"Cannot download {url}: the server's certificate is not trusted. Behind a proxy that "
            "opens TLS connections, set REQUESTS_CA_BUNDLE to its certificate file."
        )
    if isinstance(error, (kinds.InvalidURL, kinds.InvalidSchema, kinds.MissingSchema)):
        return DownloadError(
            f"Cannot download {url}: {without_logins(error)}. Only http and https work."
        )
    if isinstance(error, kinds.TooManyRedirects):
        return DownloadError(f"Cannot download {url}: {without_logins(error)}")
    if isinstance(error, kinds.ProxyError):
        return _TransientError(f"the proxy cannot be used ({reason})")
    if isinstance(error, kinds.Timeout):
        return _TransientError(f"the server did not answer in time ({reason})")
    return _TransientError(f"the connection failed ({reason})")


def _innermost(error: BaseException) -> str:
    """The system's own words, from under the layers of the HTTP client."""
    while deeper := error.__cause__ or error.__context__:
        error = deeper
    return without_logins(error) or type(error).__name__


def _tellable(error: BaseException) -> BaseException | None:
    """An error as the cause of another; None if it, or what caused it, tells a login."""
    layer: BaseException | None = error
    while layer is not None:
        if without_logins(layer) != str(layer):
            return None
        layer = layer.__cause__ or layer.__context__
    return error


def _cannot_write(error: OSError, path: Path) -> DownloadError:
    if error.errno in _DISK_FULL:
        return DownloadError(
            f"Cannot write {path}: {error.strerror}. Make room and run this again (it goes on "
            "where it stopped), or choose another cache directory with GIGAAM_CACHE or "
            "download_root."
        )
    return cannot_use(path.parent, error)


def cannot_use(directory: Path, error: OSError) -> DownloadError:
    """The error for a cache directory that cannot be made or written."""
    why = "no permission" if error.errno in _NOT_WRITABLE else error.strerror or str(error)
    return DownloadError(
        f"Cannot write to the cache directory {directory}: {why}. Choose another with GIGAAM_CACHE "
        "or download_root."
    )


def _gave_up(url: str, reason: str, partial: Partial) -> str:
    kept = partial.size_bytes
    resume = f" {kept / 1e6:,.1f} MB are kept; the next run goes on from there." if kept else ""
    return (
        f"Cannot download {url}: {reason}. Check the network and the proxy variables "
        f"(HTTPS_PROXY, NO_PROXY), or name a mirror in GIGAAM_MIRROR.{resume}"
    )


def _pause(url: str, error: _TransientError, failures: int, policy: RetryPolicy) -> None:
    wait_s = error.wait_s
    if wait_s is None:  # jitter: many machines that failed together should not return together
        wait_s = policy.first_wait_s * 2 ** (failures - 1) * random.uniform(0.75, 1.25)
    wait_s = min(wait_s, policy.longest_wait_s)
    logger.warning("%s: %s; trying again in %.1f s", os.path.basename(url), error, wait_s)
    time.sleep(wait_s)


def _retry_after(header: str | None) -> float | None:
    """Seconds to wait, from either form of the header; None if it says nothing usable."""
    if header is None:
        return None
    if re.fullmatch(_SIZE, header.strip()):
        return float(header)
    try:
        when = parsedate_to_datetime(header)
        if when.tzinfo is None:
            when = when.replace(tzinfo=timezone.utc)
        return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError, ArithmeticError):
        return None


def _validator(headers: Mapping[str, str]) -> str | None:
    """What If-Range may carry: a strong ETag, else the date of the last change."""
    etag = headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    return headers.get("Last-Modified")
