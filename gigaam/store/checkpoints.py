"""Model files as data: a plain configuration and its tensors, read and written, never executed.

Four layouts are read:

- a published ``.ckpt``: ``torch.save({"state_dict": …, "cfg": DictConfig})``, with
  ``<stem>_tokenizer.model`` beside it where the model works on SentencePiece pieces;
- a fine-tuned Lightning ``.ckpt``, whose ``hyper_parameters`` name the model it started from;
- a Hugging Face style directory: ``config.json``, ``pytorch_model.bin`` or ``model.safetensors``
  (or the shards their index lists), ``tokenizer.model``, tensors named ``model.…``;
- this library's own directory: ``config.yaml``, ``model.safetensors``, ``tokenizer.model``.

Tensors are mapped from the file, not copied, and keep the dtypes they have there. The mapping is
private: writing to a tensor does not change the file.
"""

import hashlib
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml  # type: ignore[import-untyped]
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gigaam.errors import (
    CheckpointError,
    UnknownModelError,
)
from gigaam.quoting import brief, cut
from gigaam.regular_files import open_regular
from gigaam.store.config_files import hugging_face_config, parse_json, parse_yaml
from gigaam.store.configs import BUILTIN_NAMES, builtin_config, plain_config, stored_fields
from gigaam.store.pickles import load_pickle
from gigaam.store.registry import fine_tuned_name
from gigaam.store.resolver import WEIGHT_FILES
from gigaam.store.tokenizer_files import tokenizer_path

CONFIG_FILE = "config.yaml"
WEIGHTS_FILE = WEIGHT_FILES[0]
TOKENIZER_FILE = "tokenizer.model"

# Ties a config.yaml to the weights it was saved with, so that a save cut between two renames is
# noticed. Stored in both; no part of the configuration.
_SAVE_KEY = "save_id"

_PARTS = ("preprocessor.", "encoder.", "head.")
_FIRST_LAYER = "encoder.pre_encode.conv.0.weight"
_MAX_INDEX_BYTES = 4 << 20  # 20,000 tensors and where each is
_MAX_TENSORS = 20_000
_LOOKED_AT = 16


@dataclass
class Checkpoint:
    """What a model file holds.

    Attributes:
        config: The model's configuration, plain data in the published layout.
        state_dict: Tensors on the CPU by name (``encoder.…``, without ``model.``), as stored.
        tokenizer_path: The SentencePiece model; None where the model works on characters or makes
            no text.
    """

    config: dict[str, Any]
    state_dict: dict[str, Tensor]
    tokenizer_path: Path | None


def read_checkpoint(
    path: str | os.PathLike[str], cache: str | os.PathLike[str] | None = None
) -> Checkpoint:
    """The configuration and tensors of a ``.ckpt`` file or a model directory.

    Safe to call from several threads.

    Args:
        path: The file or directory.
        cache: Where the tokenizer of a fine-tuned model is looked for if it is not beside it: that
            of the published model it started from, which is downloaded if need be.

    Raises:
        UnknownModelError: Nothing is there.
        UnsafeCheckpointError: It holds something other than data; none of that was run.
        TokenizerNotFoundError: It works on SentencePiece pieces and has none.
        CheckpointError: It is damaged, or describes no model of this library.
    """
    path = Path(path)
    if os.path.isdir(path):
        return _read_directory(path, cache)
    if not os.path.exists(path):
        raise UnknownModelError(f"there is no file or directory {str(path)!r}")
    payload = load_pickle(path)
    stored = _fields(payload, path)
    started_from = None
    if "state_dict" not in stored:
        raise CheckpointError(f"{path} holds no 'state_dict', so it is not a model checkpoint")
    if "cfg" in stored:
        config = plain_config(stored["cfg"], str(path))
        tensors = _tensors(stored["state_dict"], path)
    elif "hyper_parameters" in stored:
        tensors = _fine_tuned_tensors(stored["state_dict"], path)
        fields = _fields(stored["hyper_parameters"], path)
        config = _fine_tuned_config(fields, tensors, path)
        name = fields.get("model_name")
        started_from = _full_name(name, tensors) if isinstance(name, str) else None
    else:
        raise CheckpointError(
            f"{path} holds tensors but neither 'cfg' (a published model) nor 'hyper_parameters' "
            "(a fine-tuned one), so its architecture is unknown"
        )
    _check_values(tensors, path)
    beside = path.with_name(f"{path.stem}_tokenizer.model")
    return Checkpoint(config, tensors, tokenizer_path(config, beside, cache, started_from))


def _fields(value: object, path: Path) -> Mapping[Any, Any]:
    fields = stored_fields(value)
    if fields is None:
        raise CheckpointError(f"{path} holds a {type(value).__name__} where a mapping belongs")
    return fields


def _tensors(stored: object, path: Path) -> dict[str, Tensor]:
    """Plain dense tensors by name, a common prefix ``model.`` taken off."""
    tensors: dict[str, Tensor] = {}
    for name, value in _fields(stored, path).items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"{path}: {brief(name)} in the state dict is a {type(value).__name__}, not a tensor"
            )
        is_dense = value.layout == torch.strided and value.device.type == "cpu"
        if not is_dense or value.is_quantized or value.is_complex():
            raise CheckpointError(
                f"{path}: {brief(name)} is a {value.layout} {value.dtype} tensor on "
                f"{value.device}; only plain dense tensors are supported"
            )
        tensors[name] = value.detach()
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors")
    if all(name.startswith("model.") for name in tensors):
        return {name.removeprefix("model."): value for name, value in tensors.items()}
    return tensors


def _check_values(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuses tensors that stand for far more values than the file has, or for none.

    Of the values only a few are looked at, those of some of the smallest tensors: the others stay
    where they are, on the disk.
    """
    stored = {
        each.untyped_storage().data_ptr(): each.untyped_storage() for each in tensors.values()
    }
    held = sum(storage.nbytes() for storage in stored.values())
    if sum(each.numel() * each.element_size() for each in tensors.values()) > 4 * held:
        raise CheckpointError(f"{path} repeats what it holds in tensors of many times its size")
    real = sorted(
        (name for name, each in tensors.items() if each.is_floating_point() and each.numel()),
        key=lambda name: tensors[name].numel(),
    )
    few = real[: max(len(real) // 2, 1)]
    for name in few[:: -(-len(few) // _LOOKED_AT) or 1]:
        if not bool(torch.isfinite(tensors[name].to(torch.float32)).all()):
            raise CheckpointError(f"{path}: the weights {brief(name)} are not finite numbers")


def _fine_tuned_tensors(stored: object, path: Path) -> dict[str, Tensor]:
    """The tensors of the model itself, without those of the loss, metrics or copies.

    What trains a model may hold it as a part, such as ``objective.model``.
    """
    everything = _tensors(stored, path)
    within = next(
        (name.removesuffix(_FIRST_LAYER) for name in everything if name.endswith(_FIRST_LAYER)), ""
    )
    tensors = {
        name.removeprefix(within): tensor
        for name, tensor in everything.items()
        if name.startswith(tuple(within + part for part in _PARTS))
    }
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors named {', '.join(_PARTS)}")
    return tensors


def _fine_tuned_config(
    fields: Mapping[Any, Any], tensors: Mapping[str, Tensor], path: Path
) -> dict[str, Any]:
    """``model_cfg`` where training stored it, else the built-in configuration of ``model_name``."""
    if fields.get("model_cfg") is not None:
        return plain_config(fields["model_cfg"], str(path))
    name = str(plain_config({"name": fields.get("model_name")}, str(path))["name"])
    weight = tensors.get(_FIRST_LAYER)
    if weight is None:
        raise CheckpointError(f"{path} holds no {_FIRST_LAYER}")
    full_name = _full_name(name, tensors)
    if full_name not in BUILTIN_NAMES:
        raise CheckpointError(
            f"{path} was fine-tuned from {brief(name)}, which is no published model, and stores no "
            "'model_cfg', so its architecture is unknown"
        )
    config = builtin_config(full_name)
    if _is_1d(tensors) != (config["encoder"].get("subsampling") == "conv1d"):
        raise CheckpointError(
            f"{path} says it was fine-tuned from {brief(name)}, but its subsampling weights have "
            f"{weight.dim()} dimensions, which {full_name} does not"
        )
    return config


def _full_name(name: str, tensors: Mapping[str, Tensor]) -> str:
    """The model that a fine-tuned file means by a name.

    Weights of the 2-D subsampling under a short name are from a version in which it still meant v2.
    """
    return fine_tuned_name(name, "v3" if _is_1d(tensors) else "v2")


def _is_1d(tensors: Mapping[str, Tensor]) -> bool:
    weight = tensors.get(_FIRST_LAYER)
    return weight is None or weight.dim() == 3


def _read_directory(directory: Path, cache: str | os.PathLike[str] | None) -> Checkpoint:
    save_id: object = None
    if (directory / CONFIG_FILE).exists():
        config = plain_config(parse_yaml(directory / CONFIG_FILE), str(directory / CONFIG_FILE))
        save_id = config.pop(_SAVE_KEY, None)
    elif (directory / "config.json").exists():
        config = hugging_face_config(directory / "config.json")
    else:
        raise CheckpointError(f"{directory} holds neither {CONFIG_FILE} nor config.json")
    tensors: dict[str, Any] = {}
    for file in _weight_files(directory):
        if file.suffix == ".safetensors":
            shard, written_by = _load_safetensors(file)
            if save_id and written_by and save_id != written_by:
                raise CheckpointError(
                    f"{directory} is from two saves, of which one was cut short: {CONFIG_FILE} and "
                    f"{file.name} do not belong together; save the model again"
                )
            tensors |= shard
        else:
            tensors |= _fields(load_pickle(file), file)
    tensors = _tensors(tensors, directory)
    _check_values(tensors, directory)
    return Checkpoint(config, tensors, tokenizer_path(config, directory / TOKENIZER_FILE, cache))


def _weight_files(directory: Path) -> list[Path]:
    """The file or shards that hold a directory's weights."""
    for name in WEIGHT_FILES:
        if (directory / name).exists():
            return [directory / name]
        index = directory / f"{name}.index.json"
        if index.exists():
            shards = parse_json(index, _MAX_INDEX_BYTES).get("weight_map")
            names = [*shards.values()] if isinstance(shards, dict) else []
            # Only plain names: an index must not reach outside its directory.
            if not names or not all(
                isinstance(shard, str)
                and shard == Path(shard).name
                and os.path.isfile(directory / shard)
                for shard in names
            ):
                raise CheckpointError(f"{index} lists weight files that are not in {directory}")
            return [directory / shard for shard in sorted(set(names))]
    raise CheckpointError(f"{directory} holds neither {WEIGHTS_FILE} nor pytorch_model.bin")


def _load_safetensors(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """Tensors mapped from a safetensors file, and the save it was written by, if it says so."""
    try:
        open_regular(path).close()
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata, names = file.metadata() or {}, [*file.keys()]
            if len(names) > _MAX_TENSORS:
                raise CheckpointError(f"{path} holds {len(names)} tensors, over {_MAX_TENSORS}")
            return {name: file.get_tensor(name) for name in names}, metadata.get(_SAVE_KEY)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} is damaged or cut short: {cut(error)}") from error


def write_directory(
    directory: str | os.PathLike[str],
    config: Mapping[str, Any],
    state_dict: Mapping[str, Tensor],
    tokenizer: str | os.PathLike[str] | bytes | None = None,
) -> None:
    """Leaves a complete model directory: config.yaml, model.safetensors, tokenizer.model.

    Everything is written and flushed aside first. A new directory then appears by one rename. In
    an existing one the files are replaced by a rename each, the configuration last; a failure
    before that (a full disk, say) leaves the previous model as it was, and a process killed
    between two renames leaves a directory that `read_checkpoint` refuses as cut short. A model
    mapped from the very files it replaces stays intact, as the old files live on until unmapped.

    Args:
        directory: Created if missing; other files in it are left alone.
        config: In the published layout; must be plain data.
        state_dict: Tensors of any device and strides, which may share memory.
        tokenizer: The SentencePiece model or its path; stored as ``tokenizer.model``, and
            ``decoding.model_path`` is made to say so.
    """
    directory = Path(os.path.abspath(directory))
    plain = plain_config(config, "the model")
    if tokenizer is not None and not isinstance(tokenizer, bytes):
        tokenizer = Path(tokenizer).read_bytes()
    if isinstance(plain.get("decoding"), dict) and "model_path" in plain["decoding"]:
        plain["decoding"]["model_path"] = None if tokenizer is None else TOKENIZER_FILE
    text = yaml.safe_dump(plain, allow_unicode=True, sort_keys=False, default_flow_style=None)
    save_id = hashlib.sha256(text.encode() + b"\0" + (tokenizer or b"")).hexdigest()[:16]
    text = f"{text}{_SAVE_KEY}: '{save_id}'\n"

    is_new = not directory.exists()
    home = directory.parent if is_new else directory
    home.mkdir(parents=True, exist_ok=True)
    staged = home / f".{directory.name}.{uuid.uuid4().hex}.saving"
    staged.mkdir()
    try:
        metadata = {"format": "pt", _SAVE_KEY: save_id}
        save_file(_apart(state_dict), staged / WEIGHTS_FILE, metadata=metadata)
        if tokenizer is not None:
            (staged / TOKENIZER_FILE).write_bytes(tokenizer)
        (staged / CONFIG_FILE).write_text(text, encoding="utf-8")
        # safetensors makes files that only their owner may read.
        shutil.copymode(staged / CONFIG_FILE, staged / WEIGHTS_FILE)
        for file in staged.iterdir():
            _flush(file)
        if is_new:
            staged.rename(directory)
        else:
            _replace_files(staged, directory)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _replace_files(staged: Path, directory: Path) -> None:
    """Moves a complete save over an earlier one, the configuration last."""
    for name in (WEIGHTS_FILE, TOKENIZER_FILE, CONFIG_FILE):
        if (staged / name).exists():
            os.replace(staged / name, directory / name)
        elif name == TOKENIZER_FILE:
            (directory / name).unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _apart(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, contiguous, none sharing memory, copied only where needed."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in state_dict.items()}
    end = 0
    for name, value in sorted(tensors.items(), key=lambda item: item[1].data_ptr()):
        start, size = value.data_ptr(), value.nelement() * value.element_size()
        if size and start < end:
            tensors[name] = value.clone()
        end = max(end, start + size)
    return tensors
