"""Model files that are damaged, lie about themselves, or would like to run something."""

import copy
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
import yaml

import gigaam
from gigaam.errors import GigaAMError
from gigaam.loading import build_model
from gigaam.store.checkpoints import write_directory
from gigaam.store.configs import plain_config
from tests.fuzz.cases import BrokenPromiseError, Case
from tests.fuzz.mutations import mutated
from tests.nets import random_asr, random_emo, random_ssl
from tests.small_sentencepiece import sentencepiece_model

MARKER = "something-ran"
"""The file that is there if anything in a model file was run."""

_ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 5, 7, 64, 1000, 10**6, 10**9, 2**63, -(10**9), 0.0, 0.5, 1.5,
    float("nan"), float("inf"), 1e300, "", "x", "32", "rel_pos", "conv2d", "None", "a" * 10_000,
    "../../../etc/passwd", "/dev/zero", "/etc/passwd", "os.system", [], [1], [None] * 3, ["а"] * 33,
    {}, {"x": 1}, {"_target_": "os.system"}, [[[]]], "\ud800",
)  # fmt: skip


@cache
def model(name: str) -> gigaam.GigaAM:
    """A tiny net of one of the families."""
    if name == "emo":
        return random_emo()
    return random_ssl(name, n_layers=1) if name.endswith("ssl") else random_asr(name)


@cache
def _pieces_model() -> gigaam.GigaAM:
    """A tiny net of as many classes as there are pieces, its tokenizer not yet beside it."""
    config = _config(model("v3_ctc"))
    config["head"]["num_classes"] = 71
    config["decoding"]["vocabulary"] = [chr(0x430 + n) for n in range(70)]
    torch.manual_seed(0)
    return build_model(config)


def _config(net: gigaam.GigaAM) -> dict[str, Any]:
    return plain_config(net.cfg, "the net")


def _own_directory(net: gigaam.GigaAM, config: dict[str, Any], folder: Path) -> Path:
    try:
        write_directory(folder / "model", config, net.state_dict())
    except (TypeError, ValueError):  # no plain data, so it would not be written: write it ourselves
        write_directory(folder / "model", _config(net), net.state_dict())
        text = yaml.safe_dump(config, allow_unicode=True)
        (folder / "model" / "config.yaml").write_text(text, "utf-8", "surrogatepass")
    return folder / "model"


def _published(net: gigaam.GigaAM, config: dict[str, Any], folder: Path) -> Path:
    path = folder / "net.ckpt"
    torch.save({"state_dict": net.state_dict(), "cfg": config}, path)
    return path


def _fine_tuned(net: gigaam.GigaAM, config: dict[str, Any], folder: Path) -> Path:
    path = folder / "tuned.ckpt"
    state = {f"model.{name}": tensor for name, tensor in net.state_dict().items()}
    stored = {"model_cfg": config, "model_name": config.get("model_name")}
    torch.save({"state_dict": state, "hyper_parameters": stored}, path)
    return path


def _hugging_face(net: gigaam.GigaAM, config: dict[str, Any], folder: Path) -> Path:
    directory = folder / "hub"
    directory.mkdir()
    text = json.dumps({"cfg": {"model": {"cfg": config}}})
    (directory / "config.json").write_text(text, encoding="utf-8")
    state = {f"model.{name}": tensor for name, tensor in net.state_dict().items()}
    torch.save(state, directory / "pytorch_model.bin")
    return directory


_LAYOUTS = (_own_directory, _own_directory, _published, _fine_tuned, _hugging_face)


def make(rng: Random, folder: Path) -> Case:
    """A model file with something wrong, loaded and given half a second of noise."""
    name = rng.choice(("v3_ctc", "v3_ctc", "v3_rnnt", "v2_ctc", "v1_rnnt", "v2_ssl", "emo"))
    layout = rng.choice(_LAYOUTS)
    net = model(name)
    change = rng.choice(
        (_changed_config, _changed_config, _changed_bytes, _changed_bytes, _special)
    )
    path, what = change(net, layout, folder, rng)
    what = f"{name}, {layout.__name__.strip('_')}: {what}"
    return Case(what, lambda: _used(path, folder))


Layout = Callable[[gigaam.GigaAM, dict[str, Any], Path], Path]


def _changed_config(
    net: gigaam.GigaAM, layout: Layout, folder: Path, rng: Random
) -> tuple[Path, str]:
    config = _config(net)
    done = [_spoil(config, rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    return layout(net, config, folder), ", ".join(done)


def _spoil(config: dict[str, Any], rng: Random) -> str:
    """Change, take away or add one value of a configuration, at any depth."""
    places = [config]
    for place in places:
        places += [child for child in place.values() if isinstance(child, dict)]
    place = rng.choice(places)
    key = rng.choice([*place, "new"])
    if rng.random() < 0.15:
        place.pop(key, None)
        return f"{key} left out"
    place[key] = copy.deepcopy(rng.choice(_ODD))
    return f"{key} = {str(place[key])[:40]!r}"


def _changed_bytes(
    net: gigaam.GigaAM, layout: Layout, folder: Path, rng: Random
) -> tuple[Path, str]:
    path = layout(net, _config(net), folder)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    file = rng.choice(files)
    content = file.read_bytes()
    if zipfile.is_zipfile(file) and rng.random() < 0.7:
        content, what = _changed_record(content, rng)
    elif file.suffix == ".safetensors" and rng.random() < 0.6:
        content, what = _changed_header(content, rng)
    else:
        content, what = mutated(content, rng)
    file.write_bytes(content)
    return path, f"{file.name}: {what}"


def _changed_record(content: bytes, rng: Random) -> tuple[bytes, str]:
    """A record of a zip archive damaged, with its checksum made right again."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, "w") as new:
        names = old.namelist()
        pickles = [name for name in names if name.endswith("data.pkl")]
        spoilt = rng.choice(pickles) if rng.random() < 0.7 else rng.choice(names)
        what = "left out"
        for name in names:
            record = old.read(name)
            if name == spoilt:
                if rng.random() < 0.1:
                    continue
                record, what = mutated(record, rng, most=2)
            new.writestr(name, record)
    return target.getvalue(), f"{spoilt}: {what}"


def _changed_header(content: bytes, rng: Random) -> tuple[bytes, str]:
    """A safetensors file whose header states something else."""
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    name = rng.choice(list(header))
    entry = header[name]
    field = rng.choice(list(entry))
    entry[field] = copy.deepcopy(
        rng.choice((*_ODD, "F64", "I8", "BF16", "F8_E4M3", [2**40], [0], [-1], [0, 2**62], [8, 4]))
    )
    text = json.dumps(header).encode()
    stated = rng.choice((len(text),) * 5 + (0, 2**62, len(text) + 1))
    return struct.pack("<Q", stated) + text + content[
        8 + size :
    ], f"{name}: {field} = {entry[field]!r}"


class _Runs:
    """What a pickle of this runs when loaded by someone careless."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._call


def _special(net: gigaam.GigaAM, layout: Layout, folder: Path, rng: Random) -> tuple[Path, str]:
    """A model whose parts are of kinds that no model has."""
    special = rng.choice((_running, _odd_tensors, _named_global, _deep, _odd_file, _tokenizer))
    return special(net, folder, rng)


def _running(net: gigaam.GigaAM, folder: Path, rng: Random) -> tuple[Path, str]:
    import os

    marker = str(folder / MARKER)
    runs = rng.choice(
        (
            _Runs(os.mkdir, marker),
            _Runs(open, marker, "w"),
            _Runs(eval, f"open({marker!r}, 'w')"),
            _Runs(Path.touch, Path(marker)),
        )
    )
    fields: dict[str, Any] = {"state_dict": dict(net.state_dict()), "cfg": _config(net)}
    where = rng.choice(("cfg", "state_dict", "beside"))
    if where == "beside":
        fields["callbacks"] = runs
    else:
        fields[where][rng.choice(("new", *list(fields[where])[:3]))] = runs
    path = folder / "net.ckpt"
    torch.save(fields, path, _use_new_zipfile_serialization=rng.random() < 0.8)
    return path, f"runs something, in {where}"


def _odd_tensors(net: gigaam.GigaAM, folder: Path, rng: Random) -> tuple[Path, str]:
    state = dict(net.state_dict())
    name = rng.choice(list(state))
    tensor = state[name]
    odd: dict[str, Any] = {
        "left out": None,
        "NaN": torch.full_like(tensor.float(), float("nan")),
        "infinite": torch.full_like(tensor.float(), float("inf")),
        "integers": torch.ones(tensor.shape, dtype=torch.int64),
        "complex": torch.ones(tensor.shape, dtype=torch.complex64),
        "doubles": tensor.double(),
        "sparse": torch.ones(3, 3).to_sparse(),
        "of no elements": torch.ones(0, 5),
        "a scalar": torch.tensor(1.0),
        "expanded": torch.ones(1).expand(10**6, 10**6),
        "without data": torch.ones(3, device="meta"),
        "no tensor": "text",
    }
    what = rng.choice(list(odd))
    del state[name]
    if what != "left out":
        state[name] = odd[what]
    if rng.random() < 0.1:
        what = "all NaN"
        state = {
            key: torch.full_like(value.float(), float("nan"))
            for key, value in net.state_dict().items()
        }
    path = folder / "net.ckpt"
    try:
        torch.save({"state_dict": state, "cfg": _config(net)}, path)
    except (RuntimeError, NotImplementedError):
        path.write_bytes(b"PK\x03\x04")
    return path, f"{name} {what}"


def _archive(path: Path, data: bytes) -> Path:
    """An archive as torch writes them, of a pickle of one's own."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3\n")
    return path


def _named_global(net: gigaam.GigaAM, folder: Path, rng: Random) -> tuple[Path, str]:
    length = rng.choice((1, 100, 10**6))
    module, name = rng.choice((("a" * length, "b"), ("os", "c" * length), ("a." * length, "d")))
    data = b"\x80\x02c" + module.encode() + b"\n" + name.encode() + b"\n."
    return _archive(folder / "net.ckpt", data), f"names {module[:9]}…{name[:9]}… of {length}"


def _deep(net: gigaam.GigaAM, folder: Path, rng: Random) -> tuple[Path, str]:
    depth = rng.choice((100, 10_000, 10**6))
    kind = rng.choice(("pickle", "yaml", "json", "memo"))
    if kind == "pickle":
        data = b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."
        return _archive(folder / "net.ckpt", data), f"{depth} lists in each other"
    if kind == "memo":  # each list holds the one before twice
        data = b"\x80\x02" + b"]r\x01\0\0\0" + b"(j\x01\0\0\0j\x01\0\0\0lr\x01\0\0\0" * 60
        data = b"\x80\x02}(X\x0a\0\0\0state_dict" + data[2:] + b"u."
        return _archive(folder / "net.ckpt", data), "lists that double 60 times"
    layout = _own_directory if kind == "yaml" else _hugging_face
    path = layout(net, _config(net), folder)
    file = path / ("config.yaml" if kind == "yaml" else "config.json")
    file.write_text("[" * min(depth, 200_000), encoding="utf-8")
    return path, f"{file.name} of brackets"


def _odd_file(net: gigaam.GigaAM, folder: Path, rng: Random) -> tuple[Path, str]:
    """Something that is no regular file where one belongs."""
    layout = rng.choice((_own_directory, _hugging_face, _published))
    path = layout(net, _config(net), folder)
    file = rng.choice(sorted(path.iterdir())) if path.is_dir() else path
    what = rng.choice(
        ("directory", "empty", "/dev/zero", "/dev/null", "loop", "dangling", "pickle")
    )
    file.unlink()
    if what == "directory":
        file.mkdir()
    elif what == "empty":
        file.touch()
    elif what == "pickle":
        file.write_bytes(pickle.dumps({"state_dict": {}}))
    else:
        file.symlink_to({"loop": file.name, "dangling": "nowhere"}.get(what, what))
    return path, f"{file.name} is {what}"


def _tokenizer(net: gigaam.GigaAM, folder: Path, rng: Random) -> tuple[Path, str]:
    """A model of pieces whose tokenizer is damaged or another."""
    net = _pieces_model()
    config = _config(net)
    config["decoding"] = {**config["decoding"], "vocabulary": None, "model_path": "tokenizer.model"}
    content, what = sentencepiece_model(), "whole"
    if rng.random() < 0.2:
        content, what = sentencepiece_model(vocab_size=60), "60 pieces"
    elif rng.random() < 0.9:
        content, what = mutated(content, rng)
    write_directory(folder / "model", config, net.state_dict(), content)
    return folder / "model", f"tokenizer: {what}"


def _used(path: Path, folder: Path) -> str:
    """Load a model and use it; nothing of it may have run."""
    noise = (np.random.default_rng(1).standard_normal(8000) * 0.1).astype(np.float32)
    try:
        net: Any = gigaam.load_model(path, device="cpu")
        try:
            _call(net, noise)
        except GigaAMError as error:
            return f"loaded, then {type(error).__name__}"
        return "loaded"
    finally:
        if (folder / MARKER).exists():
            raise BrokenPromiseError("something of the model was run")


def _call(net: Any, noise: np.ndarray) -> None:
    if isinstance(net, gigaam.GigaAMASR):
        net.transcribe(noise, word_timestamps=True, input_rate=16_000)
    elif isinstance(net, gigaam.GigaAMEmo):
        net.get_probs(noise, input_rate=16_000)
    else:
        net.embed_audio(noise, input_rate=16_000)
