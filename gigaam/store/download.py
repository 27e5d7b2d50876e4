"""Model files in the cache: fetched once, verified once, then only found.

The cache directory holds, per model, ``{name}.ckpt`` and, where there is one,
``{name}_tokenizer.model``: the layout of the published package, whose files are taken over. Beside
each lies a small ``….verified`` that says which digest the file was found to have, and with what
size and time of change. While it fits, the file is not hashed again; a file without it (somebody's
own copy, one changed since) is hashed on first use. The one published file without a digest, a
tokenizer, is checked to be a SentencePiece model of the right size. Nothing but our own temporary
files is ever deleted.
"""

import hashlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from gigaam.errors import ChecksumError, DownloadError, OfflineError
from gigaam.published import assigned
from gigaam.store.logins import split_login, without_logins
from gigaam.store.registry import BASE_URL, ModelInfo, RemoteFile, resolve

if TYPE_CHECKING:  # the HTTP client takes 0.2 s to import: only for those who download
    from gigaam.store.transfer import OnProgress, RetryPolicy

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 20


def fetch(
    model: str | ModelInfo,
    root: Path | None = None,
    *,
    progress: bool | None = None,
    policy: "RetryPolicy | None" = None,
) -> Path:
    """The model's file in the cache, downloaded first if it is not there.

    The tokenizer of a model that has one comes with it, as ``{name}_tokenizer.model`` beside it.
    A packaged model is a directory of the installation: nothing is downloaded. Safe to call from
    several processes at once: one downloads, the others wait and find the file.

    Args:
        model: A name or an alias, or an entry of the registry.
        root: Cache directory; ``$GIGAAM_CACHE``, else ``~/.cache/gigaam``.
        progress: Whether to draw a bar on stderr; None draws it on a terminal only.
        policy: Timeouts and retries.

    Raises:
        UnknownModelError: No such name.
        OfflineError: The model is not in the cache and ``GIGAAM_OFFLINE`` is set.
        ChecksumError: The file, downloaded or found, is not the published one.
        DownloadError: It cannot be had: network, server, disk space, permissions.
    """
    info = assigned.with_hash(resolve(model) if isinstance(model, str) else model)
    if info.directory is not None:
        return _packaged_directory(info, info.directory)
    root = cache_root(root)
    for path, remote in _files(info, root):
        _fetch_file(path, remote, progress=progress, policy=policy)
    return root / _file_name(info)


def fetch_tokenizer(info: ModelInfo, root: Path | None = None) -> Path | None:
    """The SentencePiece model of a published model in the cache, downloaded first if not there.

    Args:
        info: The model.
        root: Cache directory, as for `fetch`, whose errors this raises too.

    Returns:
        None for models that have none.
    """
    if info.tokenizer is None:
        return None
    path = cache_root(root) / _tokenizer_name(info)
    _fetch_file(path, info.tokenizer, progress=None, policy=None)
    return path


def cached_path(model: str | ModelInfo, root: Path | None = None) -> Path | None:
    """What ``fetch`` would return without the network, unverified; None if something is missing."""
    info = resolve(model) if isinstance(model, str) else model
    if info.directory is not None:
        return info.directory if info.directory.is_dir() else None
    root = cache_root(root)
    complete = all(path.is_file() for path, _ in _files(info, root))
    return root / _file_name(info) if complete else None


def cache_root(root: Path | None = None) -> Path:
    """The cache directory: the argument, else ``$GIGAAM_CACHE``, else ``~/.cache/gigaam``."""
    chosen = root or assigned.cache_directory() or os.environ.get("GIGAAM_CACHE")
    return Path(chosen or "~/.cache/gigaam").expanduser()


def is_offline() -> bool:
    """Whether ``GIGAAM_OFFLINE`` forbids the network: set, and not to 0, no, off or false."""
    return os.environ.get("GIGAAM_OFFLINE", "").strip().lower() not in (
        "",
        "0",
        "no",
        "off",
        "false",
    )


def url_of(remote: RemoteFile) -> str:
    """The address of a published file, on ``$GIGAAM_MIRROR`` if that is set."""
    return f"{base_url().rstrip('/')}/{remote.path}"


def base_url() -> str:
    """Where the published files are: ``gigaam._URL_DIR`` if assigned, else ``$GIGAAM_MIRROR``."""
    name, mirror = "gigaam._URL_DIR", assigned.mirror()
    if mirror is None:
        name, mirror = "GIGAAM_MIRROR", os.environ.get("GIGAAM_MIRROR", "").strip()
    if not mirror:
        return BASE_URL
    if "?" in mirror or "#" in mirror:  # what follows may be a password, too
        raise DownloadError(
            f"{name} has a ? or a #, so that no file's name can follow it: give the address of the "
            "directory alone, with a login as user:password@ before the host (%3F and %23 in them)."
        )
    try:
        address, _ = split_login(mirror)
        is_address = urlsplit(address).scheme in ("http", "https") and urlsplit(address).hostname
    except ValueError:
        is_address = None
    if not is_address:
        shown = without_logins(mirror)
        # Not even an address: who knows what of it is a password.
        shown = "set, but is" if "@" in shown and "***@" not in shown else f"{shown!r},"
        raise DownloadError(f"{name} is {shown} not an http:// or https:// address.") from None
    return mirror


def _files(info: ModelInfo, root: Path) -> Iterator[tuple[Path, RemoteFile]]:
    """The tokenizer first: it is small, and a model file alone would look complete."""
    if info.tokenizer is not None:
        yield root / _tokenizer_name(info), info.tokenizer
    if info.file is not None:
        yield root / _file_name(info), info.file


def _file_name(info: ModelInfo) -> str:
    return f"{info.name}.ckpt"


def _tokenizer_name(info: ModelInfo) -> str:
    return f"{info.name}_tokenizer.model"


def _packaged_directory(info: ModelInfo, directory: Path) -> Path:
    if not directory.is_dir():
        raise DownloadError(
            f"The packaged model {info.name!r} is missing from this installation ({directory}): "
            "reinstall gigaam."
        )
    return directory


def _fetch_file(
    path: Path, remote: RemoteFile, *, progress: bool | None, policy: "RetryPolicy | None"
) -> None:
    """Make sure that ``path`` is the published file."""
    if path.is_file():  # no lock: the cache may be read-only
        return _verify_found(path, remote)
    url = url_of(remote)
    if is_offline():
        raise OfflineError(
            f"{path.name} is not in the cache directory {path.parent} and GIGAAM_OFFLINE is set. "
            f"Unset it, or put the file from {without_logins(url)} there."
        )
    from gigaam.store.transfer import cannot_use

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            if path.is_file():  # another process was faster
                return _verify_found(path, remote)
            _download(path, remote, url, progress=progress, policy=policy)
    except OSError as error:
        raise cannot_use(path.parent, error) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of one file of the cache.

    The lock file stays: removing it while another process waits for it would let a third one in.
    """
    lock_path = path.with_name(path.name + ".lock")
    if lock_path.is_symlink():  # locking it would empty the file that it leads to
        lock_path.unlink()
    lock = FileLock(lock_path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.warning("waiting for another process that downloads %s", path)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _download(
    path: Path,
    remote: RemoteFile,
    url: str,
    *,
    progress: bool | None,
    policy: "RetryPolicy | None",
) -> None:
    """Fetch a file and give it its final name if it is what was published; the lock is held."""
    from gigaam.store.transfer import Partial, transfer

    partial = Partial(path.with_name(path.name + ".part"))
    with _progress_bar(path.name, progress) as on_progress:
        transfer(url, partial, size_bytes=remote.size_bytes, policy=policy, on_progress=on_progress)
    fault = _difference(partial.path, remote)
    if fault:
        partial.discard()
        raise ChecksumError(
            f"What {without_logins(url)} sent is not the published file: {fault}. It was deleted; "
            "run this again. If that does not help, a proxy or a mirror (GIGAAM_MIRROR) changes or "
            "replaces it."
        )
    with partial.path.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(partial.path, path)
    _sync_directory(path.parent)
    partial.discard()
    _mark_verified(path, remote)


def _verify_found(path: Path, remote: RemoteFile) -> None:
    """Refuse a file of the cache that is not the published one; hashes it at most once."""
    if _is_marked_verified(path, remote):
        return
    try:
        fault = _difference(path, remote)
    except OSError as error:
        raise DownloadError(f"Cannot read {path}: {error.strerror or error}.") from error
    if fault:
        raise ChecksumError(
            f"{path} is not the published file: {fault}. Delete it or move it away, and the next "
            "run downloads it anew. To load a file of your own, give its path and not a name."
        )
    _mark_verified(path, remote)


def _difference(path: Path, remote: RemoteFile) -> str | None:
    """How a file differs from the published one, in words; None if it does not."""
    size = path.stat().st_size
    if remote.md5 and (hasher := assigned.hasher()):
        found = hasher(str(path))
        return None if found == remote.md5 else f"its md5 is {found} instead of {remote.md5}"
    if remote.size_bytes is not None and size != remote.size_bytes:
        return f"it is {size} bytes long instead of {remote.size_bytes}"
    algorithm, expected = _digest(remote)
    if not expected:
        return _tokenizer_fault(path, remote)
    found = hexdigest(path, algorithm)
    if found == expected:
        return None
    return f"its {algorithm} is {found} instead of {expected} ({size} bytes)"


def hexdigest(path: Path, algorithm: str) -> str:
    """The digest of a file, in hexadecimal digits."""
    found = hashlib.new(algorithm, usedforsecurity=algorithm != "md5")
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()


def _tokenizer_fault(path: Path, remote: RemoteFile) -> str | None:
    """What is wrong with a tokenizer that was published without a digest, in words."""
    from sentencepiece import SentencePieceProcessor

    try:
        pieces = SentencePieceProcessor(model_proto=path.read_bytes()).vocab_size()
    except RuntimeError:
        return "it is not a SentencePiece model"
    return None if pieces == remote.pieces else f"it has {pieces} pieces instead of {remote.pieces}"


def _digest(remote: RemoteFile) -> tuple[str, str]:
    """The best digest known: (algorithm, hexadecimal digits), the latter empty if there is none."""
    return ("sha256", remote.sha256) if remote.sha256 else ("md5", remote.md5 or "")


def _marker(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _verified_state(path: Path, remote: RemoteFile) -> dict[str, str | int]:
    """What a marker must say to be believed.

    Whole seconds: archives and container images keep no more of a file's time.
    """
    algorithm, expected = _digest(remote)
    status = path.stat()
    return {algorithm: expected, "size": status.st_size, "mtime": int(status.st_mtime)}


def _is_marked_verified(path: Path, remote: RemoteFile) -> bool:
    if assigned.hasher():  # asked anew each time
        return False
    try:
        noted = json.loads(_marker(path).read_text(encoding="utf-8"))
        return bool(noted == _verified_state(path, remote))
    except (OSError, ValueError, RecursionError):
        return False


def _mark_verified(path: Path, remote: RemoteFile) -> None:
    """Note that a file was verified; in a read-only cache it is hashed again next time."""
    if assigned.hasher():  # what it says of the file is not what a digest says
        return
    marker = _marker(path)
    temporary = marker.with_name(f"{marker.name}.{os.getpid()}.tmp")
    with suppress(OSError):
        temporary.unlink(missing_ok=True)
        with temporary.open("x", encoding="utf-8") as file:
            json.dump(_verified_state(path, remote), file)
        os.replace(temporary, marker)


def _sync_directory(directory: Path) -> None:
    """Make a rename outlive a power cut, where the system can (Windows opens no directories)."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _progress_bar(name: str, wanted: bool | None) -> "Iterator[OnProgress]":
    """A callback that draws a bar on stderr, or does nothing."""
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    if not (on_terminal if wanted is None else wanted):
        yield lambda done, total: None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    console = Console(stderr=True)  # stdout is left to the results, and to its owner
    with bars.Progress(*columns, console=console, redirect_stdout=False) as display:
        task = display.add_task(name, total=None)
        yield lambda done, total: display.update(task, completed=done, total=total)
