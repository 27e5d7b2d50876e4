"""Files of ``torch.save``, read as data: tensors and inert records, nothing that could run.

torch's weights-only unpickler resolves only the names on its allow-list. What this module puts on
it are stand-ins, so that even the classes a published file does name are never used.
"""

import contextlib
import pickle
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from gigaam.configs import StoredNode
from gigaam.errors import CheckpointError, UnsafeCheckpointError


def _stand_in(path: str) -> tuple[Any, str]:
    """A class to read the objects called ``path`` into: accepts any arguments, does nothing."""
    name = path.rpartition(".")[2]
    return type(name, (StoredNode,), {"__init__": _ignore, "__new__": _bare}), path


def _ignore(self: object, *arguments: object) -> None:
    """An initialiser that keeps nothing."""


def _bare(cls: type, *arguments: object) -> object:
    return object.__new__(cls)


def _empty_mapping(*arguments: object) -> dict[Any, Any]:
    """What a stored ``defaultdict`` is read into."""
    return {}


# The names a file may refer to beyond tensors. A published file needs omegaconf's containers and
# nodes, their metadata and the types named in it; Lightning's hyper-parameters commonly hold
# namespaces and paths. All are read into inert records, not the real classes: omegaconf compares
# containers by resolving their interpolations, through which a crafted file could call any
# resolver the application has registered.
_OMEGACONF_NODES = "Any Boolean Bytes Enum Float Integer InterpolationResult Path String Value"
_SYSTEMS = ("Posix", "Windows")
_READ_AS_RECORDS = (
    "omegaconf.dictconfig.DictConfig",
    "omegaconf.listconfig.ListConfig",
    "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata",
    *(f"omegaconf.nodes.{kind}Node" for kind in _OMEGACONF_NODES.split()),
    "typing.Any",
    *(f"builtins.{name}" for name in ("dict", "list", "int", "float", "bool", "str")),
    "argparse.Namespace",
    *(f"pathlib.{local}{system}Path" for local in ("", "_local.") for system in _SYSTEMS),
)
_READ_AS_MAPPINGS = (
    "lightning.fabric.utilities.data.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
)
_READ_AS: tuple[tuple[Any, str], ...] = (
    *map(_stand_in, _READ_AS_RECORDS),
    *((OrderedDict, path) for path in _READ_AS_MAPPINGS),
    (_empty_mapping, "collections.defaultdict"),
)

_LOADING = threading.Lock()


@contextlib.contextmanager
def _names_allowed(further: Sequence[tuple[Any, str]]) -> Iterator[None]:
    """Lets this process's weights-only loads read the names above, for the time being.

    torch keeps one allow-list per process, so loads take turns (each only maps the file and reads
    its small index), and what the application itself allowed stays, before and after.
    """
    with _LOADING:
        theirs = {
            entry[1] if isinstance(entry, tuple) else f"{entry.__module__}.{entry.__qualname__}"
            for entry in torch.serialization.get_safe_globals()
        }
        ours: list[Any] = [entry for entry in (*_READ_AS, *further) if entry[1] not in theirs]
        with torch.serialization.safe_globals(ours):
            yield


def load_pickle(path: Path, further: Sequence[tuple[Any, str]] = ()) -> object:
    """The object saved by ``torch.save`` in a file, its tensors mapped, foreign objects refused.

    Args:
        path: The file.
        further: Classes of plain data that this kind of file may also name, each with its name.
    """
    _check_archive(path)
    with _names_allowed(further):
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except pickle.UnpicklingError as error:
            foreign = _foreign_names(path)
            if not foreign:
                raise CheckpointError(f"{path} is damaged: {error}") from error
            raise UnsafeCheckpointError(
                f"{path} holds objects that are not data ({', '.join(foreign)}); nothing of it was "
                "run. If you trust its author, load it yourself and save only its tensors and "
                "plain values"
            ) from error
        except Exception as error:  # torch reports damage by types from KeyError to RuntimeError
            raise CheckpointError(f"{path} cannot be read as a checkpoint: {error}") from error


def _foreign_names(path: Path) -> list[str]:
    """Names in the pickle that no weights-only load would resolve, by reading it as text."""
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # damaged beyond listing
        return []


def _check_archive(path: Path) -> None:
    """Refuses, before torch sees it, what is not the zip archive of a ``torch.save``."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic[:1] == b"\x80":
            raise UnsafeCheckpointError(
                f"{path} is a bare pickle (torch before 1.6, or not a model at all) and was not "
                "read; save it again with a current torch"
            )
        if magic != b"PK\x03\x04":
            raise CheckpointError(f"{path} is not a checkpoint: it is no archive of torch.save")
        with zipfile.ZipFile(path) as archive:
            records = {name.rpartition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise CheckpointError(f"{path} is damaged or cut short: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if "constants.pkl" in records:
        raise UnsafeCheckpointError(f"{path} is a TorchScript program, not a set of tensors")
    if "data.pkl" not in records:
        raise CheckpointError(f"{path} is a zip archive, but not one that torch.save wrote")
