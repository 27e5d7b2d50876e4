"""Model files ↔ configuration and tensors, for files exactly like the published ones."""

import argparse
import io
import json
import math
import os
import pathlib
import pickle
import shutil
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
import torch
import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from torch import Tensor

from gigaam.errors import (
    CheckpointError,
    TokenizerNotFoundError,
    UnknownModelError,
    UnsafeCheckpointError,
)
from gigaam.store.checkpoints import Checkpoint, read_checkpoint, write_directory
from gigaam.store.configs import builtin_config
from tests.published import (
    HALF_NAMES,
    NAMES,
    PIECE_NAMES,
    build_fine_tuned,
    build_hugging_face,
    build_published,
    full_sizes,
    published_config,
    published_state_dict,
    published_table,
    tiny_sizes,
    tokenizer_model,
)


def assert_same_tensors(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert set(actual) == set(expected)
    for name, tensor in expected.items():
        assert actual[name].dtype == tensor.dtype, name
        assert torch.equal(actual[name], tensor), name


def parameters(name: str, parts: tuple[str, ...]) -> int:
    """Elements of the learned tensors in the full-size table."""
    counted = ("running_mean", "running_var", "num_batches_tracked")
    return sum(
        math.prod(shape)
        for key, (shape, _) in published_table(name).items()
        if key.startswith(parts) and not key.endswith(counted)
    )


# --- the table the files are built from ------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tensors", "total"),
    [
        ("v1_ssl", 648, 242_021_376),
        ("v1_ctc", 650, 242_047_522),
        ("v1_rnnt", 659, 243_520_769),
        ("emo", 650, 242_024_452),
        ("v2_ssl", 600, 232_559_616),
        ("v2_ctc", 602, 232_585_762),
        ("v2_rnnt", 611, 233_751_970),
        ("v3_ssl", 550, 220_681_728),
        ("v3_ctc", 552, 220_707_874),
        ("v3_rnnt", 561, 221_874_082),
        ("v3_e2e_ctc", 552, 220_879_361),
        ("v3_e2e_rnnt", 561, 222_509_313),
        ("multilingual_ssl", 550, 220_681_728),
        ("multilingual_ctc", 552, 220_736_327),
        ("multilingual_large_ssl", 822, 585_246_720),
        ("multilingual_large_ctc", 824, 585_319_495),
    ],
)
def test_the_table_has_the_published_counts(name: str, tensors: int, total: int) -> None:
    assert len(published_table(name)) == tensors
    assert parameters(name, ("encoder.", "head.")) == total


@pytest.mark.parametrize("name", PIECE_NAMES)
def test_the_tokenizers_are_like_the_published(name: str) -> None:
    pieces = tiny_sizes(name)["classes"] - 1
    model = sentencepiece.SentencePieceProcessor(model_proto=tokenizer_model(name, pieces))
    assert model.get_piece_size() == pieces
    assert model.unk_id() == 0
    assert (model.bos_id(), model.eos_id(), model.pad_id()) == (-1, -1, -1)
    text = "у лукоморья дуб" if name == "v1_rnnt" else "У лукоморья дуб зелёный."
    assert model.decode(model.encode(text)) == text


# --- published files -------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_published_file_gives_its_config_tensors_and_tokenizer(name: str, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(build_published(name, tmp_path, seed=3))
    size = tiny_sizes(name)
    assert checkpoint.config == published_config(name, **size)
    assert type(checkpoint.config) is dict
    assert_same_tensors(checkpoint.state_dict, published_state_dict(name, seed=3, **size))
    table = published_table(name, **size)
    found = {key: (tuple(t.shape), t.dtype) for key, t in checkpoint.state_dict.items()}
    assert found == table
    if name in PIECE_NAMES:
        assert checkpoint.tokenizer_path == tmp_path / f"{name}_tokenizer.model"
    else:
        assert checkpoint.tokenizer_path is None


@pytest.mark.parametrize("name", HALF_NAMES)
def test_v3_files_keep_both_half_types_and_the_rounded_front_end(name: str, tmp_path: Path) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        state = read_checkpoint(build_published(name, tmp_path, encoder_dtype=dtype)).state_dict
        assert state["encoder.layers.1.norm_out.weight"].dtype == dtype
        assert all(t.dtype == torch.float32 for k, t in state.items() if k.startswith("head."))
        window = state["preprocessor.featurizer.0.spectrogram.window"]
        assert torch.equal(window, torch.hann_window(320).bfloat16().float())
        assert not torch.equal(window, torch.hann_window(320))


def test_tensors_are_mapped_privately(tmp_path: Path) -> None:
    path = build_published("v2_ctc", tmp_path)
    before = path.read_bytes()
    state = read_checkpoint(path).state_dict
    state["head.decoder_layers.0.bias"].fill_(7)
    assert path.read_bytes() == before
    assert not read_checkpoint(path).state_dict["head.decoder_layers.0.bias"].eq(7).any()


def test_a_plain_dict_config_is_as_good(tmp_path: Path) -> None:
    path, config = tmp_path / "m.ckpt", builtin_config("v2_ctc")
    torch.save({"state_dict": {"encoder.a": torch.ones(2)}, "cfg": config}, path)
    assert read_checkpoint(path).config == config


def test_other_omegaconf_nodes_are_read_too(tmp_path: Path) -> None:
    from omegaconf import BooleanNode, FloatNode, IntegerNode, StringNode

    config = OmegaConf.create({"encoder": {}})
    config.encoder = DictConfig(
        {"a": StringNode("x"), "b": IntegerNode(3), "c": FloatNode(0.5), "d": BooleanNode(True)}
    )
    config.labels = ListConfig(["a", None])
    torch.save({"state_dict": {"encoder.a": torch.ones(2)}, "cfg": config}, tmp_path / "m.ckpt")
    assert read_checkpoint(tmp_path / "m.ckpt").config == {
        "encoder": {"a": "x", "b": 3, "c": 0.5, "d": True},
        "labels": ["a", None],
    }


def test_parameters_become_tensors(tmp_path: Path) -> None:
    state = {"encoder.a": torch.nn.Parameter(torch.ones(2))}
    torch.save({"state_dict": state, "cfg": builtin_config("v2_ctc")}, tmp_path / "m.ckpt")
    tensor = read_checkpoint(tmp_path / "m.ckpt").state_dict["encoder.a"]
    assert type(tensor) is Tensor
    assert not tensor.requires_grad


def test_eight_threads_load_at_once_and_leave_no_trace(tmp_path: Path) -> None:
    paths = [build_published(name, tmp_path) for name in ("v1_rnnt", "v2_ctc", "v3_rnnt", "emo")]
    before = set(torch.serialization.get_safe_globals())
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(read_checkpoint, paths * 4))
    assert set(torch.serialization.get_safe_globals()) == before
    for checkpoint, path in zip(loaded, paths * 4, strict=True):
        assert checkpoint.config == published_config(path.stem, **tiny_sizes(path.stem))


def test_what_the_application_allows_itself_stays_allowed(tmp_path: Path) -> None:
    path = build_published("v3_ctc", tmp_path)
    with torch.serialization.safe_globals([DictConfig, dict]):
        before = set(torch.serialization.get_safe_globals())
        assert read_checkpoint(path).config == published_config("v3_ctc", **tiny_sizes("v3_ctc"))
        assert set(torch.serialization.get_safe_globals()) == before


# --- tokenizers ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PIECE_NAMES)
def test_a_tokenizer_may_lie_where_the_config_says(name: str, tmp_path: Path) -> None:
    path = build_published(name, tmp_path)
    elsewhere = tmp_path / "cache" / "pieces.model"
    elsewhere.parent.mkdir()
    (tmp_path / f"{name}_tokenizer.model").rename(elsewhere)
    config = published_config(name, **tiny_sizes(name))
    config["decoding"]["model_path"] = str(elsewhere)
    state = published_state_dict(name, **tiny_sizes(name))
    torch.save({"state_dict": state, "cfg": OmegaConf.create(config)}, path)
    assert read_checkpoint(path).tokenizer_path == elsewhere


def test_a_missing_tokenizer_is_an_error_naming_both_places(tmp_path: Path) -> None:
    path = build_published("v3_e2e_ctc", tmp_path)
    beside = tmp_path / "v3_e2e_ctc_tokenizer.model"
    beside.unlink()
    with pytest.raises(TokenizerNotFoundError) as caught:
        read_checkpoint(path)
    assert str(beside) in str(caught.value)
    assert "/somewhere/else/v3_e2e_ctc_tokenizer.model" in str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)


# --- fine-tuned files ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["v1_ctc", "v2_rnnt", "v3_ctc", "v3_e2e_rnnt", "multilingual_ctc"])
def test_a_fine_tuned_file_with_its_config(name: str, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(build_fine_tuned(name, tmp_path))
    config = published_config(name, **tiny_sizes(name))
    config.pop("hashes", None)
    assert checkpoint.config == config
    assert set(checkpoint.state_dict) == set(published_table(name, **tiny_sizes(name)))
    if name in PIECE_NAMES:
        assert checkpoint.tokenizer_path == tmp_path / "fine_tuned_tokenizer.model"


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("ctc", "v3_ctc"),
        ("rnnt", "v3_rnnt"),
        ("ssl", "v3_ssl"),
        ("e2e_ctc", "v3_e2e_ctc"),
        ("e2e_rnnt", "v3_e2e_rnnt"),
        ("v3_rnnt", "v3_rnnt"),
        ("v2_ctc", "v2_ctc"),
        ("v1_rnnt", "v1_rnnt"),
        ("v1_emo", "emo"),
        ("multilingual_large_ctc", "multilingual_large_ctc"),
        ("ctc", "v2_ctc"),  # 2-D subsampling: written when the short name still meant v2
    ],
)
def test_a_fine_tuned_file_without_config_means_the_model_its_user_typed(
    typed: str, name: str, tmp_path: Path
) -> None:
    path = build_fine_tuned(name, tmp_path, model_name=typed, store_config=False)
    assert read_checkpoint(path).config == builtin_config(name)


def test_a_fine_tuned_file_whose_weights_are_of_another_line_is_refused(tmp_path: Path) -> None:
    path = build_fine_tuned("v3_ctc", tmp_path, model_name="v2_ctc", store_config=False)
    with pytest.raises(CheckpointError, match="3 dimensions"):
        read_checkpoint(path)
    path = build_fine_tuned("v2_ctc", tmp_path, model_name="v3_ctc", store_config=False)
    with pytest.raises(CheckpointError, match="4 dimensions"):
        read_checkpoint(path)


def test_a_fine_tuned_file_of_an_unknown_model_says_what_is_missing(tmp_path: Path) -> None:
    path = build_fine_tuned("v3_ctc", tmp_path, model_name="my_model", store_config=False)
    with pytest.raises(CheckpointError, match=r"my_model.*model_cfg"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "form",
    [
        OmegaConf.create,
        lambda hyper: argparse.Namespace(**hyper),
        OrderedDict,
        lambda hyper: hyper | {"args": argparse.Namespace(lr=1), "data": pathlib.Path("/d/t.tsv")},
    ],
    ids=["omegaconf", "namespace", "ordered", "nested"],
)
def test_hyper_parameters_come_in_many_forms(
    form: Callable[[dict[str, Any]], Any], tmp_path: Path
) -> None:
    path = build_fine_tuned("v3_ctc", tmp_path)
    stored = torch.load(path)
    stored["hyper_parameters"] = form(stored["hyper_parameters"])
    torch.save(stored, path)
    expected = published_config("v3_ctc", **tiny_sizes("v3_ctc"))
    del expected["hashes"]
    assert read_checkpoint(path).config == expected


def test_foreign_objects_in_a_fine_tuned_file_are_named(tmp_path: Path) -> None:
    path = build_fine_tuned("v3_ctc", tmp_path, hyper_parameters={"lr": np.float64(0.1)})
    with pytest.raises(UnsafeCheckpointError, match=r"multiarray\.scalar"):
        read_checkpoint(path)


# --- Hugging Face style directories ----------------------------------------------------------


@pytest.mark.parametrize("name", ["v3_ctc", "v3_e2e_rnnt", "v3_ssl", "multilingual_large_ctc"])
@pytest.mark.parametrize("safetensors", [False, True])
@pytest.mark.parametrize("shards", [1, 3])
def test_a_hugging_face_directory(
    name: str, safetensors: bool, shards: int, tmp_path: Path
) -> None:
    directory = build_hugging_face(name, tmp_path / "m", safetensors=safetensors, shards=shards)
    checkpoint = read_checkpoint(directory)
    assert checkpoint.config["preprocessor"]["_target_"] == "modeling_gigaam.FeatureExtractor"
    assert checkpoint.config["encoder"]["d_model"] == tiny_sizes(name)["d_model"]
    assert_same_tensors(checkpoint.state_dict, dict(published_state_dict(name, **tiny_sizes(name))))
    tokenizer = directory / "tokenizer.model" if name in PIECE_NAMES else None
    assert checkpoint.tokenizer_path == tokenizer


def test_class_numbers_survive_json(tmp_path: Path) -> None:
    config = read_checkpoint(build_hugging_face("emo", tmp_path / "m")).config
    assert config["id2name"] == {0: "angry", 1: "sad", 2: "neutral", 3: "positive"}


@pytest.mark.parametrize("nesting", [(), ("cfg",), ("cfg", "model"), ("model", "cfg")])
def test_a_config_near_its_usual_place_is_found(nesting: tuple[str, ...], tmp_path: Path) -> None:
    directory = build_hugging_face("v3_ctc", tmp_path / "m")
    document = published_config("v3_ctc")
    for key in reversed(nesting):
        document = {"model_type": "gigaam", key: document}
    (directory / "config.json").write_text(json.dumps(document))
    assert read_checkpoint(directory).config["model_name"] == "v3_ctc"


def test_an_index_must_not_reach_outside_its_directory(tmp_path: Path) -> None:
    directory = build_hugging_face("v3_ctc", tmp_path / "m", shards=2)
    outside = tmp_path / "outside.bin"
    shutil.copy(next(directory.glob("*-00001-*")), outside)
    for name in ("../outside.bin", str(outside), "missing.bin", ""):
        document = {"weight_map": {"model.encoder.a": name}}
        (directory / "pytorch_model.bin.index.json").write_text(json.dumps(document))
        with pytest.raises(CheckpointError, match="not in"):
            read_checkpoint(directory)


# --- our own directories ---------------------------------------------------------------------


def save(checkpoint: Checkpoint, directory: Path) -> None:
    write_directory(directory, checkpoint.config, checkpoint.state_dict, checkpoint.tokenizer_path)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_reads_back_the_same(name: str, tmp_path: Path) -> None:
    original = read_checkpoint(build_published(name, tmp_path))
    directory = tmp_path / "new" / "own"
    save(original, directory)
    again = read_checkpoint(directory)
    expected = original.config
    if name in PIECE_NAMES:
        expected["decoding"]["model_path"] = "tokenizer.model"
        assert again.tokenizer_path == directory / "tokenizer.model"
        assert original.tokenizer_path is not None
        assert again.tokenizer_path.read_bytes() == original.tokenizer_path.read_bytes()
    assert again.config == expected
    assert_same_tensors(again.state_dict, original.state_dict)
    files = {"config.yaml", "model.safetensors"} | (
        {"tokenizer.model"} if name in PIECE_NAMES else set()
    )
    assert {path.name for path in directory.iterdir()} == files
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"own"}


def test_the_written_config_is_readable_and_editable(tmp_path: Path) -> None:
    config = builtin_config("v2_ctc")
    write_directory(tmp_path / "m", config, {"encoder.a": torch.ones(2)})
    path = tmp_path / "m" / "config.yaml"
    text = path.read_text(encoding="utf-8")
    assert "а, б, в" in text
    path.write_text(text.replace("pos_emb_max_len: 5000", "pos_emb_max_len: 6000"))
    assert read_checkpoint(tmp_path / "m").config["encoder"]["pos_emb_max_len"] == 6000


def test_tensors_that_share_memory_or_are_not_contiguous_are_written(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    state = {
        "encoder.base": base,
        "encoder.tied": base,
        "encoder.transposed": base.T,
        "encoder.part": base[1],
        "encoder.expanded": torch.ones(1).expand(5),
        "encoder.parameter": torch.nn.Parameter(torch.ones(2)),
        "encoder.scalar": torch.tensor(3),
        "encoder.empty": torch.zeros(0, 2),
        "encoder.half": torch.ones(2, dtype=torch.bfloat16),
    }
    write_directory(tmp_path / "m", builtin_config("v2_ctc"), state)
    expected = {name: tensor.detach() for name, tensor in state.items()}
    assert_same_tensors(read_checkpoint(tmp_path / "m").state_dict, expected)


def test_a_model_can_be_saved_over_the_files_it_is_mapped_from(tmp_path: Path) -> None:
    directory = tmp_path / "m"
    save(read_checkpoint(build_published("v3_rnnt", tmp_path)), directory)
    mapped = read_checkpoint(directory)
    before = {name: tensor.clone() for name, tensor in mapped.state_dict.items()}
    changed = {name: tensor + 1 for name, tensor in mapped.state_dict.items()}
    write_directory(directory, mapped.config, changed)
    assert_same_tensors(mapped.state_dict, before)
    save(mapped, directory)
    assert_same_tensors(read_checkpoint(directory).state_dict, before)
    assert {path.name for path in directory.iterdir()} == {"config.yaml", "model.safetensors"}


def test_saving_over_another_model_leaves_no_stale_tokenizer(tmp_path: Path) -> None:
    directory = tmp_path / "m"
    save(read_checkpoint(build_published("v3_e2e_ctc", tmp_path)), directory)
    (directory / "NOTES.md").write_text("mine")
    save(read_checkpoint(build_published("v3_ctc", tmp_path)), directory)
    assert {path.name for path in directory.iterdir()} == {
        "config.yaml",
        "model.safetensors",
        "NOTES.md",
    }


@pytest.mark.parametrize("exists", [False, True])
def test_a_save_that_fails_leaves_what_was_there(exists: bool, tmp_path: Path) -> None:
    directory = tmp_path / "m"
    config = builtin_config("v2_ctc")
    if exists:
        write_directory(directory, config, {"encoder.a": torch.ones(2)})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(NotImplementedError):  # a meta tensor has no values to save
        write_directory(directory, config, {"encoder.a": torch.ones(3, device="meta")})
    assert sorted(tmp_path.rglob("*")) == before
    if exists:
        assert torch.equal(read_checkpoint(directory).state_dict["encoder.a"], torch.ones(2))


@pytest.mark.parametrize("completed", [0, 1, 2, 3])
def test_a_save_cut_between_renames_never_looks_complete(
    completed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "m"
    old = read_checkpoint(build_published("v3_e2e_ctc", tmp_path, seed=1))
    new = read_checkpoint(build_published("v3_e2e_rnnt", tmp_path, seed=2))
    save(old, directory)
    calls = 0
    replace = os.replace

    def stop_after_some(source: Path, target: Path) -> None:
        nonlocal calls
        if calls == completed:
            raise KeyboardInterrupt
        calls += 1
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop_after_some)
        if completed < 3:
            with pytest.raises(KeyboardInterrupt):
                save(new, directory)
        else:
            save(new, directory)
    if completed in (0, 3):
        expected = new if completed else old
        assert_same_tensors(read_checkpoint(directory).state_dict, expected.state_dict)
    else:
        with pytest.raises(CheckpointError, match="two saves"):
            read_checkpoint(directory)
    save(new, directory)  # saving again repairs it
    assert_same_tensors(read_checkpoint(directory).state_dict, new.state_dict)


def test_only_plain_configs_are_written(tmp_path: Path) -> None:
    config = builtin_config("v2_ctc") | {"note": "${oc.env:HOME}"}
    with pytest.raises(UnsafeCheckpointError):
        write_directory(tmp_path / "m", config, {"encoder.a": torch.ones(2)})
    assert not (tmp_path / "m").exists()


def test_interpolation_in_a_yaml_or_json_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "m"
    write_directory(directory, builtin_config("v2_ctc"), {"encoder.a": torch.ones(2)})
    document = builtin_config("v2_ctc") | {"note": "${oc.env:HOME}"}
    (directory / "config.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(UnsafeCheckpointError, match="interpolation"):
        read_checkpoint(directory)
    (directory / "config.yaml").unlink()
    (directory / "config.json").write_text(json.dumps({"cfg": {"model": {"cfg": document}}}))
    with pytest.raises(UnsafeCheckpointError, match="interpolation"):
        read_checkpoint(directory)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "a: &a {x: 1}\nb: {<<: [*a, *a]}\n",
        "!!python/object/apply:os.system ['true']\n",
        "a: [\n",
        "a: " + "[" * 5000,
        "encoder: 2024-01-01\n",
        "- just\n- a list\n",
        "\ufffe\x00",
        "",
    ],
)
def test_a_bad_yaml_is_refused(text: str, tmp_path: Path) -> None:
    write_directory(tmp_path / "m", builtin_config("v2_ctc"), {"encoder.a": torch.ones(2)})
    (tmp_path / "m" / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "m")


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, '{"model_type": "gigaam"}', "\x00"])
def test_a_bad_json_is_refused(text: str, tmp_path: Path) -> None:
    directory = build_hugging_face("v3_ctc", tmp_path / "m")
    (directory / "config.json").write_text(text)
    with pytest.raises(CheckpointError):
        read_checkpoint(directory)


def test_a_damaged_safetensors_is_refused(tmp_path: Path) -> None:
    write_directory(tmp_path / "m", builtin_config("v2_ctc"), {"encoder.a": torch.ones(2)})
    weights = tmp_path / "m" / "model.safetensors"
    whole = weights.read_bytes()
    for damaged in (whole[:-4], whole[:20], b"", b"\xff" * 64):
        weights.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"model\.safetensors"):
            read_checkpoint(tmp_path / "m")
    weights.unlink()
    with pytest.raises(CheckpointError, match="pytorch_model"):
        read_checkpoint(tmp_path / "m")


# --- hostile and damaged files ---------------------------------------------------------------


class Reduced:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def hostile_objects(marker: Path) -> list[object]:
    """Objects whose unpickling leaves a file, or whose kinds are no data."""
    touch = f"open({str(marker)!r}, 'w').close()"
    return [
        Reduced(os.system, f"touch '{marker}'"),
        Reduced(eval, touch),
        Reduced(exec, touch),
        Reduced(getattr, "", "join"),
        Reduced(pathlib.Path.touch, marker),
        Reduced(shutil.copy, "/etc/hostname", str(marker)),
        Reduced(torch.load, str(marker)),
        Reduced(OmegaConf.load, str(marker)),
        np.ones(3),
        torch.nn.Linear(2, 2),
        Reduced(map, eval, [touch]),
    ]


@pytest.mark.parametrize("index", range(11))
@pytest.mark.parametrize("place", ["cfg", "state_dict", "hyper_parameters", "beside", "bin"])
def test_hostile_objects_are_refused_and_nothing_runs(
    index: int, place: str, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"
    hostile = hostile_objects(marker)[index]
    config: Any = builtin_config("v2_ctc")
    stored: dict[str, Any] = {"state_dict": {"encoder.a": torch.ones(2)}, "cfg": config}
    path = tmp_path / "m.ckpt"
    if place == "cfg":
        stored["cfg"] = OmegaConf.create(config)
        vars(stored["cfg"])["_content"]["encoder"] = hostile
    elif place == "state_dict":
        stored["state_dict"]["encoder.b"] = hostile
    elif place == "hyper_parameters":
        del stored["cfg"]
        stored["hyper_parameters"] = {"model_cfg": config, "x": hostile}
    elif place == "beside":
        stored["optimizer"] = hostile
    else:
        path = build_hugging_face("v3_ctc", tmp_path / "hf")
        torch.save({"model.encoder.a": hostile}, path / "pytorch_model.bin")
    if place != "bin":
        torch.save(stored, path)
    with pytest.raises(UnsafeCheckpointError, match="nothing of it was run"):
        read_checkpoint(path)
    assert not marker.exists()


def test_a_bare_pickle_is_refused_unread(tmp_path: Path) -> None:
    marker, path = tmp_path / "ran", tmp_path / "m.ckpt"
    for protocol in range(2, 6):
        path.write_bytes(pickle.dumps(hostile_objects(marker)[0], protocol))
        with pytest.raises(UnsafeCheckpointError, match="bare pickle"):
            read_checkpoint(path)
    for protocol in (0, 1):
        path.write_bytes(pickle.dumps(hostile_objects(marker)[0], protocol))
        with pytest.raises(CheckpointError):
            read_checkpoint(path)
    torch.save({"a": torch.ones(1)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(UnsafeCheckpointError, match="bare pickle"):
        read_checkpoint(path)
    assert not marker.exists()


def test_a_torchscript_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.ckpt"
    torch.save({"state_dict": {}, "cfg": {}}, path)
    with zipfile.ZipFile(path, "a") as archive:  # what tells such an archive apart
        archive.writestr("m/constants.pkl", pickle.dumps((), 2))
    with pytest.raises(UnsafeCheckpointError, match="TorchScript"):
        read_checkpoint(path)


def test_loading_compares_no_containers_and_so_resolves_nothing(tmp_path: Path) -> None:
    resolved = []
    OmegaConf.register_new_resolver("noticed", lambda: resolved.append(1) or "x")
    try:
        # Equal texts, so equal hashes: a mapping with both as keys compares them, and omegaconf
        # compares by resolving.
        bait = {ListConfig(["${noticed:}"]): 1}
        state = {"encoder.a": torch.ones(2)}
        again = Reduced(OrderedDict, [(ListConfig(["${noticed:}"]), 1), (next(iter(bait)), 2)])
        path = tmp_path / "m.ckpt"
        torch.save({"state_dict": state, "cfg": again}, path)
        resolved.clear()
        with pytest.raises(UnsafeCheckpointError):
            read_checkpoint(path)
        assert not resolved
    finally:
        OmegaConf.clear_resolver("noticed")


@pytest.mark.parametrize(
    "config", [{"encoder": {"d_model": "${oc.env:HOME}"}}, {"x": ["${head}"], "head": 1}]
)
def test_interpolation_in_a_stored_config_is_refused(
    config: dict[str, Any], tmp_path: Path
) -> None:
    state = {"encoder.a": torch.ones(2)}
    for form in (config, OmegaConf.create(config)):
        torch.save({"state_dict": state, "cfg": form}, tmp_path / "m.ckpt")
        with pytest.raises(UnsafeCheckpointError, match="interpolation"):
            read_checkpoint(tmp_path / "m.ckpt")


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    whole = build_published("v3_ctc", tmp_path).read_bytes()
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("readme.txt", "hello")
    path = tmp_path / "m.ckpt"
    for content in (
        b"",
        b"not a model",
        os.urandom(4096),
        whole[: len(whole) // 2],
        whole[:-1],
        whole[:4],
        other.getvalue(),
        whole.replace(b"state_dict", b"stale_dict"),
    ):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"m\.ckpt"):
            read_checkpoint(path)


@pytest.mark.parametrize(
    "stored",
    [
        [1, 2],
        {"a": torch.ones(2)},
        {"state_dict": {"a": torch.ones(2)}},
        {"state_dict": {}, "cfg": {}},
        {"state_dict": {"a": 3}, "cfg": {}},
        {"state_dict": {1: torch.ones(2)}, "cfg": {}},
        {"state_dict": [torch.ones(2)], "cfg": {}},
        {"state_dict": {"a": torch.ones(2, 2).to_sparse()}, "cfg": {}},
        {"state_dict": {"a": torch.ones(2, device="meta")}, "cfg": {}},
        {"state_dict": {"a": torch.ones(2)}, "cfg": ["x"]},
        {"state_dict": {"loss": torch.ones(2)}, "hyper_parameters": {"model_name": "ctc"}},
        {"state_dict": {"encoder.a": torch.ones(2)}, "hyper_parameters": {"model_name": "ctc"}},
        {"state_dict": {"encoder.a": torch.ones(2)}, "hyper_parameters": None},
        {"state_dict": {"encoder.a": torch.ones(2)}, "hyper_parameters": {"model_cfg": "x"}},
    ],
)
def test_files_that_hold_no_model_are_refused(stored: object, tmp_path: Path) -> None:
    torch.save(stored, tmp_path / "m.ckpt")
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "m.ckpt")


def test_a_path_to_nothing_is_an_unknown_model(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="nothing-here"):
        read_checkpoint(tmp_path / "nothing-here")
    with pytest.raises(CheckpointError, match=r"config\.yaml"):
        read_checkpoint(tmp_path)


def test_full_sizes_name_the_same_things_for_every_model() -> None:
    assert len({tuple(full_sizes(name)) for name in NAMES}) == 1
