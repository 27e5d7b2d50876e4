"""The table of models: what each is called, what it is, where its files are and how to know them.

Plain data, no torch. Adding a published model is one entry of ``MODELS``; adding a packaged one is
one line at its end.
"""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from gigaam.errors import UnknownModelError

Task = Literal["ctc", "rnnt", "ssl", "emo"]
Line = Literal["v1", "v2", "v3", "multilingual", "packaged"]

TASKS: tuple[Task, ...] = get_args(Task)
RECOGNITION_TASKS: tuple[Task, ...] = ("ctc", "rnnt")

# Type checkers read no tables: what `load_model` gives is told by these. A test compares them.
RecogniserName = Literal[
    "v1_ctc",
    "v1_rnnt",
    "v2_ctc",
    "v2_rnnt",
    "v3_ctc",
    "v3_rnnt",
    "v3_e2e_ctc",
    "v3_e2e_rnnt",
    "multilingual_ctc",
    "multilingual_large_ctc",
    "tiny_ctc",
    "tiny_rnnt",
    "ctc",
    "rnnt",
    "e2e_ctc",
    "e2e_rnnt",
]
EncoderName = Literal[
    "v1_ssl", "v2_ssl", "v3_ssl", "multilingual_ssl", "multilingual_large_ssl", "ssl"
]
EmotionName = Literal["emo", "v1_emo"]

BASE_URL = "https://cdn.chatwm.opensmodel.sberdevices.ru/GigaAM"

_RUSSIAN = ("ru",)
_MULTILINGUAL = ("ru", "en", "kk", "ky", "uz")
_ASSETS = Path(__file__).parents[1] / "assets"


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One published file: where it is and what is known of its content.

    Attributes:
        path: Address relative to ``BASE_URL`` or to a mirror of it.
        md5: Hexadecimal digest, where published.
        sha256: Hexadecimal digest, where known; preferred over md5.
        size_bytes: Exact size, where known.
        pieces: Vocabulary of a SentencePiece model; also what is checked where there is no digest.
    """

    path: str
    md5: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    pieces: int | None = None

    def __post_init__(self) -> None:
        if not (self.md5 or self.sha256 or self.pieces):
            raise ValueError(f"nothing is known of {self.path!r} that could verify it")


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """One model of the registry.

    Attributes:
        name: Canonical name, also the stem of its files in the cache.
        line: Release the model belongs to.
        task: What its head does.
        parameters: Number of learned parameters; None where not stated.
        languages: ISO 639-1 codes it is meant for.
        file: The published checkpoint; None for a packaged model.
        tokenizer: The published SentencePiece model, where the checkpoint needs one.
        directory: Where a packaged model lies; None for a published one.
        approximate_bytes: Size of the checkpoint to three digits or so, where not exactly known.
        licence: SPDX identifier of the weights' licence.
        is_large: Whether its encoder is the larger of the published ones.
    """

    name: str
    line: Line
    task: Task
    parameters: int | None = None
    languages: tuple[str, ...] = _RUSSIAN
    file: RemoteFile | None = None
    tokenizer: RemoteFile | None = None
    directory: Path | None = None
    approximate_bytes: int | None = None
    licence: str = "MIT"
    is_large: bool = False

    def __post_init__(self) -> None:
        if (self.file is None) == (self.directory is None):
            raise ValueError(f"model {self.name!r} needs either a file or a directory")

    @property
    def short_names(self) -> tuple[str, ...]:
        """Other names that ``load_model`` takes for it."""
        return aliases(self.name)

    @property
    def is_packaged(self) -> bool:
        """Whether the model is part of the installation, so that nothing is ever downloaded."""
        return self.directory is not None

    @property
    def size_bytes(self) -> int | None:
        """Size in bytes of the checkpoint: exact where known, else approximate, else None."""
        if self.file is not None:
            return self.file.size_bytes or self.approximate_bytes
        files = self.directory.rglob("*") if self.directory and self.directory.is_dir() else ()
        return sum(file.stat().st_size for file in files if file.is_file()) or None


def _published(
    name: str,
    line: Line,
    task: Task,
    parameters: int,
    md5: str,
    *,
    sha256: str | None = None,
    size_bytes: int | None = None,
    approximate_bytes: int | None = None,
    tokenizer: RemoteFile | None = None,
    is_large: bool = False,
) -> ModelInfo:
    return ModelInfo(
        name=name,
        line=line,
        task=task,
        parameters=parameters,
        languages=_MULTILINGUAL if line == "multilingual" else _RUSSIAN,
        file=RemoteFile(path=f"{name}.ckpt", md5=md5, sha256=sha256, size_bytes=size_bytes),
        tokenizer=tokenizer,
        approximate_bytes=approximate_bytes,
        is_large=is_large,
    )


def _packaged(name: str, task: Task, parameters: int | None = None) -> ModelInfo:
    return ModelInfo(
        name=name, line="packaged", task=task, parameters=parameters, directory=_ASSETS / name
    )


# Sizes given as approximate_bytes follow from the parameter counts and storage types of each line
# and agree with published download logs to a mebibyte; the exact ones were read off the files.
# The tokenizer of v1_rnnt was published without a digest.
_ALL = (
    _published(
        *("v1_ctc", "v1", "ctc", 242_047_522, "f027f199e590a391d015aeede2e66174"),
        approximate_bytes=968_580_000,
    ),
    _published(
        *("v1_rnnt", "v1", "rnnt", 243_520_769, "02c758999bcdc6afcb2087ef256d47ef"),
        approximate_bytes=974_480_000,
        tokenizer=RemoteFile(path="v1_rnnt_tokenizer.model", pieces=512),
    ),
    _published(
        *("v1_ssl", "v1", "ssl", 242_021_376, "dc7f7b231f7f91c4968dc21910e7b396"),
        approximate_bytes=968_470_000,
    ),
    _published(
        *("emo", "v1", "emo", 242_024_452, "7ce76f9535cb254488985057c0d33006"),
        approximate_bytes=968_480_000,
    ),
    _published(
        *("v2_ctc", "v2", "ctc", 232_585_762, "e00f59cb5d39624fb30d1786044795bf"),
        approximate_bytes=930_710_000,
    ),
    _published(
        *("v2_rnnt", "v2", "rnnt", 233_751_970, "547460139acfebd842323f59ed54ab54"),
        sha256="3d5674d8b59813d455e34c8ce1c5a7ca4da63fa0f32bcd32b1c37a1224d17b8b",
        approximate_bytes=935_390_000,
    ),
    _published(
        *("v2_ssl", "v2", "ssl", 232_559_616, "cd4cf819c8191a07b9d7edcad111668e"),
        approximate_bytes=930_610_000,
    ),
    _published(
        *("v3_ctc", "v3", "ctc", 220_707_874, "73413e7be9c6a5935827bfab5c0dd678"),
        approximate_bytes=441_710_000,
    ),
    _published(
        *("v3_rnnt", "v3", "rnnt", 221_874_082, "0fd2c9a1ff66abd8d32a3a07f7592815"),
        approximate_bytes=446_390_000,
    ),
    _published(
        *("v3_ssl", "v3", "ssl", 220_681_728, "70cbf5ed7303a0ed242ddb257e9dc6a6"),
        approximate_bytes=441_600_000,
    ),
    _published(
        *("v3_e2e_ctc", "v3", "ctc", 220_879_361, "367074d6498f426d960b25f49531cf68"),
        size_bytes=442_404_646,
        tokenizer=RemoteFile(
            path="v3_e2e_ctc_tokenizer.model",
            md5="2a9cd0c246db42d076e92abb31055deb",
            sha256="0b9a1960898fbfdf5424ab852ea17445eb3da960fba23e977ff100eb0054fbc8",
            size_bytes=240_941,
            pieces=256,
        ),
    ),
    _published(
        *("v3_e2e_rnnt", "v3", "rnnt", 222_509_313, "2730de7545ac43ad256485a462b0a27a"),
        sha256="f60c62fe45902d967000770a12f260de7c5ac4d4b8e5e852f1df8c548e3958b5",
        size_bytes=448_929_252,
        tokenizer=RemoteFile(
            path="v3_e2e_rnnt_tokenizer.model",
            md5="3b3bf8370e882885d79731592fc99f98",
            sha256="828c12c991019eef952a960661f25a92d6ad279591e2ea466b4aeddf1d20a18a",
            size_bytes=255_336,
            pieces=1024,
        ),
    ),
    _published(
        *("multilingual_ctc", "multilingual", "ctc", 220_736_327),
        "5379d887c53ccd9cb95981e2a1832720",
        approximate_bytes=883_000_000,
    ),
    _published(
        *("multilingual_ssl", "multilingual", "ssl", 220_681_728),
        "af54fed7a0337eeae7c4a25b2f8779c8",
        approximate_bytes=883_000_000,
    ),
    _published(
        *("multilingual_large_ctc", "multilingual", "ctc", 585_319_495),
        "79a9adde50dd7f35bbf70927cb6557d0",
        approximate_bytes=2_341_600_000,
        is_large=True,
    ),
    _published(
        *("multilingual_large_ssl", "multilingual", "ssl", 585_246_720),
        "2ef65a2ca413f6e1f99a4df0e86c1cee",
        approximate_bytes=2_341_300_000,
        is_large=True,
    ),
    _packaged("tiny_ctc", "ctc", 4_015_330),
    _packaged("tiny_rnnt", "rnnt", 4_276_354),
)

MODELS: dict[str, ModelInfo] = {info.name: info for info in _ALL}

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "ctc": "v2_ctc",
        "rnnt": "v2_rnnt",
        "ssl": "v2_ssl",
        "e2e_ctc": "v3_e2e_ctc",
        "e2e_rnnt": "v3_e2e_rnnt",
        "v1_emo": "emo",
    }
)


def available_models() -> dict[str, ModelInfo]:
    """What ``load_model`` takes, by name: published models, release by release, and packaged ones.

    The first are downloaded when they are first loaded.
    """
    return dict(MODELS)


def names() -> tuple[str, ...]:
    """The canonical names of all models, release by release."""
    return tuple(MODELS)


def aliases(name: str) -> tuple[str, ...]:
    """The other names of a model, in no case its canonical one."""
    return tuple(alias for alias, target in ALIASES.items() if target == name)


def resolve(name: str) -> ModelInfo:
    """The model that ``load_model(name)`` means; short names mean the v2 line.

    Raises:
        UnknownModelError: No model has this name; the message lists the nearest ones and all.
    """
    info = MODELS.get(ALIASES.get(name, name))
    if info is None:
        raise unknown_model(name)
    return info


def fine_tuned_name(name: str, line: Line = "v3") -> str:
    """The full name that the author of a fine-tuned file meant; any other name as it is.

    Fine-tuning came with v3, and there short names mean v3: the same word as for ``load_model``,
    another model.

    Args:
        name: What stands in the file, typed into a training script.
        line: The release that its weights are of.
    """
    return f"{line}_{name}" if name in TASKS and name != "emo" else ALIASES.get(name, name)


def is_known(name: str) -> bool:
    """Whether ``resolve(name)`` succeeds."""
    return ALIASES.get(name, name) in MODELS


def unknown_model(name: str | os.PathLike[str]) -> UnknownModelError:
    """The error for something that is neither a model's name nor, if it is a path, there."""
    text = os.fspath(name)
    known = [*MODELS, *ALIASES]
    wanted = text.strip().lower().replace("-", "_").removesuffix(".ckpt")
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return UnknownModelError(
        f"{text!r} is neither a known model nor an existing file or directory.{hint}"
        f" The models: {', '.join(MODELS)}; short names: {', '.join(ALIASES)}."
    )
