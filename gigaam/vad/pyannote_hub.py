"""Files of pyannote's models: local ones, those of Hugging Face's cache, or downloaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from gigaam.errors import (
    CheckpointError,
    DownloadError,
    GigaAMError,
    MissingDependencyError,
    OfflineError,
)
from gigaam.store.download import is_offline

__all__ = ["REPOSITORIES", "TOKEN_VARIABLE", "repository_file", "segmentation_file"]

TOKEN_VARIABLE = "HF_TOKEN"

# In order of preference; users of GigaAM's first release have accepted the conditions of the second
REPOSITORIES = ("pyannote/segmentation-3.0", "pyannote/segmentation")

_FILE = "pytorch_model.bin"
_HUB = "https://huggingface.co"
_TOKENS = f"{_HUB}/settings/tokens"


def segmentation_file(model: str | os.PathLike[str] | None = None) -> Path:
    """The model's file on this machine.

    A file that is in Hugging Face's cache is used without asking the network for a newer one.
    Timeouts, mirrors and the place of the cache are huggingface_hub's (``HF_HUB_ETAG_TIMEOUT``,
    ``HF_ENDPOINT``, ``HF_HOME``, ``HF_HUB_OFFLINE``).

    Args:
        model: A repository such as "pyannote/segmentation-3.0", a ``pytorch_model.bin``, or a
            directory that holds one; None: the first of ``REPOSITORIES`` that can be had.

    Raises:
        CheckpointError: It is neither a file nor the name of a repository.
        DownloadError: It is not in the cache and cannot be fetched.
    """
    if model is not None:
        local = _local_file(Path(model).expanduser())
        if local is not None:
            return local
        if not isinstance(model, str) or not _is_repository(model):
            raise CheckpointError(
                f"{os.fspath(model)!r} is neither an existing file nor the name of a Hugging Face "
                'repository ("owner/name")'
            )
    return _fetched(REPOSITORIES if model is None else (os.fspath(model),), _FILE)


def repository_file(repository: str, name: str) -> Path:
    """A file of a repository, such as "segmentation/pytorch_model.bin", on this machine.

    As with `segmentation_file`, what is in Hugging Face's cache is used without any request.

    Raises:
        CheckpointError: It is no name of a repository.
        DownloadError: The file is not in the cache and cannot be fetched.
    """
    if not _is_repository(repository):
        raise CheckpointError(
            f"{repository!r} is neither an existing directory nor the name of a Hugging Face "
            'repository ("owner/name")'
        )
    return _fetched((repository,), name)


def _fetched(repositories: tuple[str, ...], name: str) -> Path:
    for repository in repositories:
        cached = _cached(repository, name)
        if cached is not None:
            return cached
    if is_offline():
        raise OfflineError(
            f"{' and '.join(repositories)} are not in the cache of Hugging Face, and "
            "GIGAAM_OFFLINE is set."
        )
    return _download(repositories, name)


def _local_file(path: Path) -> Path | None:
    if path.is_file():
        return path
    inside = path / _FILE
    return inside if inside.is_file() else None


def _is_repository(name: str) -> bool:
    owner, _, rest = name.partition("/")
    return bool(owner.strip(".~") and rest) and "/" not in rest and "\\" not in name


def _cached(repository: str, name: str) -> Path | None:
    """The file in the cache of Hugging Face, without any request."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError as error:
        raise MissingDependencyError(
            "pyannote's models come through huggingface_hub: pip install '.[longform]' in a clone "
            "of gigaam"
        ) from error
    try:
        found = try_to_load_from_cache(repository, name)
    except ValueError as error:
        raise CheckpointError(f"{repository!r} is no name of a repository: {error}") from error
    return Path(found) if isinstance(found, str) else None


def _download(repositories: tuple[str, ...], name: str) -> Path:
    """The file of the first repository that gives it."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url

    token = os.environ.get(TOKEN_VARIABLE, "").strip() or None
    refusals: list[tuple[str, int]] = []
    for repository in repositories:
        try:
            # One short question first: the download itself tries a silent hub for 6 minutes.
            get_hf_file_metadata(
                hf_hub_url(repository, name), token=token, timeout=constants.HF_HUB_ETAG_TIMEOUT
            )
            return Path(hf_hub_download(repository, name, token=token))
        except Exception as error:  # the kinds of errors change with the hub's releases
            status = _status(error)
            if status is None or status not in (401, 403, 404):
                raise _unreachable(repository, status, error) from error
            refusals.append((repository, status))
            cause = error
    raise _refused(refusals, with_token=token is not None) from cause


def _status(error: BaseException) -> int | None:
    """The HTTP status that a failed request was answered with, None if with nothing."""
    for each in _chain(error):
        status = getattr(getattr(each, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _unreachable(repository: str, status: int | None, error: BaseException) -> GigaAMError:
    answer = f"it answered {status}" if status else _last_words(error)
    return DownloadError(
        f"The pyannote model {repository} cannot be fetched from Hugging Face: {answer}. "
        "Check the connection, or give a local copy in place of the name."
    )


def _last_words(error: BaseException) -> str:
    """What went wrong at the bottom, such as a timeout, in one line."""
    root = list(_chain(error))[-1]
    text = " ".join(str(root).split())
    return f"{type(root).__name__}: {text}" if text else type(root).__name__


def _refused(refusals: list[tuple[str, int]], *, with_token: bool) -> GigaAMError:
    """An error that says what each repository answered and which pages help."""
    answers = ", ".join(f"{repository} answered {status}" for repository, status in refusals)
    pages = " or ".join(f"{_HUB}/{repository}" for repository, _ in refusals)
    if all(status == 404 for _, status in refusals):
        advice = f"No such model ({pages}): check the name that was given"
    elif with_token:
        advice = (
            f"Accept the conditions on {pages} with the account that the token is of, and check "
            f"on {_TOKENS} that it is valid and may read gated repositories"
        )
    else:
        advice = (
            f"Accept the conditions on {pages}, make a token on {_TOKENS} and put it into "
            f"{TOKEN_VARIABLE}"
        )
    return DownloadError(f"Hugging Face does not give out the pyannote model: {answers}. {advice}.")
