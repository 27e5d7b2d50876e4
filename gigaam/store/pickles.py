"""Files of ``torch.save``, read as data: tensors and inert records, nothing that could run.

torch's weights-only unpickler resolves only the names on its allow-list. What this module puts on
it are stand-ins, so that even the classes a published file does name are never used.
"""

import contextlib
import struct
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from gigaam.errors import CheckpointError, UnsafeCheckpointError
from gigaam.quoting import cut, some
from gigaam.regular_files import open_regular
from gigaam.store.configs import StoredNode


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

# Of what is no tensor: the pickle is read by a program in Python, a few seconds for that much.
_MAX_INDEX_BYTES = 8 << 20

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
        _check_names(path)
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except Exception as error:  # torch reports damage by types from KeyError to RuntimeError
            raise CheckpointError(f"{path} cannot be read as a checkpoint: {cut(error)}") from error


def _check_names(path: Path) -> None:
    """Refuses, before anything is read, names that no weights-only load would resolve.

    They are found by reading the pickle as text. torch's own refusal looks for advice to give, and
    over a name of a megabyte it takes hours.
    """
    try:
        foreign = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception as error:  # damaged beyond listing
        raise CheckpointError(f"{path} is damaged: {cut(error)}") from error
    if foreign:
        raise UnsafeCheckpointError(
            f"{path} holds objects that are not data ({some(foreign)}); nothing of it "
            "was run. If you trust its author, load it yourself and save only its tensors and "
            "plain values"
        )


def _check_archive(path: Path) -> None:
    """Refuses, before torch sees it, what is not the zip archive of a ``torch.save``."""
    try:
        with open_regular(path) as file:
            magic = file.read(4)
            if magic[:1] == b"\x80":
                raise UnsafeCheckpointError(
                    f"{path} is a bare pickle (torch before 1.6, or not a model at all) and was "
                    "not read; save it again with a current torch"
                )
            if magic != b"PK\x03\x04":
                raise CheckpointError(f"{path} is not a checkpoint: it is no archive of torch.save")
            with zipfile.ZipFile(file) as archive:
                stored = archive.infolist()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} is damaged or cut short: {cut(error)}") from error
    records = {record.filename.rpartition("/")[2]: record for record in stored}
    if "constants.pkl" in records:
        raise UnsafeCheckpointError(f"{path} is a TorchScript program, not a set of tensors")
    if "data.pkl" not in records:
        raise CheckpointError(f"{path} is a zip archive, but not one that torch.save wrote")
    if any(record.compress_type != zipfile.ZIP_STORED for record in stored):
        raise CheckpointError(f"{path} is compressed, which torch.save does to no checkpoint")
    if records["data.pkl"].file_size > _MAX_INDEX_BYTES:
        raise CheckpointError(f"{path} holds too much besides its tensors")
