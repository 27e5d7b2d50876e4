"""Model files that somebody made to do harm, or by mistake: an error of ours, soon."""

import copy
import math
import os
import pickle
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gigaam
from gigaam.errors import (
    CheckpointError,
    GigaAMError,
    TokenizerNotFoundError,
    UnsafeCheckpointError,
)
from gigaam.loading import build_model
from gigaam.store.checkpoints import read_checkpoint
from gigaam.store.configs import BUILTIN_NAMES, builtin_config
from gigaam.store.rules import Limits
from gigaam.store.schema import check_config
from tests.nets import random_emo
from tests.published import (
    build_fine_tuned,
    build_hugging_face,
    build_published,
    published_config,
    published_state_dict,
    tiny_sizes,
)

NOISE = np.random.default_rng(0).normal(0, 0.1, 8_000).astype(np.float32)


def tiny(name: str) -> dict[str, Any]:
    return published_config(name, **tiny_sizes(name))


def with_value(config: dict[str, Any], where: str, value: object) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    *path, last = where.split(".")
    section = changed
    for name in path:
        section = section[name]
    section[last] = value
    return changed


def write(folder: Path, name: str, config: dict[str, Any]) -> Path:
    path = folder / f"{name}.ckpt"
    state = published_state_dict(name, **tiny_sizes(name))
    torch.save({"state_dict": state, "cfg": config}, path)
    return path


# --- configs ---------------------------------------------------------------------------------

NUMBERS = {
    "v3_ctc": [
        "preprocessor.sample_rate",
        "preprocessor.features",
        "preprocessor.hop_length",
        "preprocessor.win_length",
        "preprocessor.n_fft",
        "encoder.feat_in",
        "encoder.n_layers",
        "encoder.d_model",
        "encoder.subs_kernel_size",
        "encoder.subsampling_factor",
        "encoder.ff_expansion_factor",
        "encoder.n_heads",
        "encoder.conv_kernel_size",
        "head.feat_in",
        "head.num_classes",
    ],
    "v2_rnnt": [
        "head.decoder.pred_hidden",
        "head.decoder.pred_rnn_layers",
        "head.decoder.num_classes",
        "head.joint.enc_hidden",
        "head.joint.pred_hidden",
        "head.joint.joint_hidden",
        "head.joint.num_classes",
        "decoding.max_symbols_per_step",
    ],
}
WRONG = [-1, 0, 10**6, 10**30, 1.5, math.nan, math.inf, True, "4", [4], {"a": 4}, []]


@pytest.mark.parametrize(
    ("name", "where"), [(name, where) for name, found in NUMBERS.items() for where in found]
)
def test_numbers_that_no_model_has_are_named(name: str, where: str) -> None:
    started = time.monotonic()
    for value in WRONG:
        with pytest.raises(CheckpointError, match=where.rpartition(".")[2]):
            build_model(with_value(tiny(name), where, value))
    assert time.monotonic() - started < 2.0


@pytest.mark.parametrize("section", ["preprocessor", "encoder", "head", "decoding", "model_class"])
@pytest.mark.parametrize("value", [None, [], "text", 5, math.nan, {}, {"_target_": ["x"]}])
def test_sections_are_sections(section: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=section):
        build_model(with_value(tiny("v3_ctc"), section, value))
    left_out = tiny("v3_ctc")
    del left_out[section]
    with pytest.raises(CheckpointError, match=section):
        build_model(left_out)


@pytest.mark.parametrize(
    "value", ["абв", 5, [None], [1.5], ["а", "а"], ["а", ""], [["а"]], {"а": 1}, ["а"] * 10**5]
)
def test_vocabularies_are_lists_of_distinct_texts(value: object) -> None:
    with pytest.raises(CheckpointError, match="vocabulary"):
        build_model(with_value(tiny("v3_ctc"), "decoding.vocabulary", value))


@pytest.mark.parametrize(
    "value", [None, 4, "abcd", ["a"] * 4, {1: "a"}, {"0": "a"}, {0: None}, {0: "a", 1.5: "b"}, []]
)
def test_names_of_emotions_are_one_per_class(value: object) -> None:
    config = dict(random_emo().cfg)
    with pytest.raises(CheckpointError, match="id2name"):
        build_model({**config, "id2name": value})


@pytest.mark.parametrize(
    ("where", "value", "fault"),
    [
        ("head.feat_in", 16, "16 wide"),
        ("head.num_classes", 20, "belongs to another model"),
        ("encoder.feat_in", 32, "64 features"),
        ("encoder.n_heads", 5, "5 heads"),
        ("encoder.n_heads", 32, "odd width"),
        ("encoder.conv_kernel_size", 4, "odd"),
        ("encoder.subsampling_factor", 6, "subsampling_factor"),
        ("preprocessor.win_length", 400, "win_length"),
        ("preprocessor.hop_length", 1, "thousand frames"),
        ("encoder._target_", "gigaam.decoder.CTCHead", "no part"),
        ("head._target_", "torch.nn.Linear", "no part"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(
    where: str, value: object, fault: str
) -> None:
    with pytest.raises(CheckpointError, match=fault):
        build_model(with_value(tiny("v3_ctc"), where, value))


def test_nothing_is_larger_than_the_tensors_of_the_file(tmp_path: Path) -> None:
    for where, value in (
        ("encoder.n_layers", 150),
        ("preprocessor.features", 1_000),
        ("preprocessor.n_fft", 16_000),
        ("encoder.d_model", 2_048),
    ):
        path = write(tmp_path, "v3_ctc", with_value(tiny("v3_ctc"), where, value))
        with pytest.raises(CheckpointError, match=where):
            gigaam.load_model(path, device="cpu")


@pytest.mark.parametrize("name", BUILTIN_NAMES)
def test_every_published_config_passes(name: str) -> None:
    check_config(builtin_config(name), Limits.of([(5_000, 64), *[(1,)] * 500]))
    check_config({**builtin_config(name), "labels": None, "hashes": {"model": "x"}, "wings": [2]})


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 70)
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["conv2d", "rel_pos", "batch_norm", "rnnt", "emo", "ssl", 2, 4, 32, 64]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.integers(0, 3), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(config: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in config.items():
        found.append(f"{prefix}{key}")
        if isinstance(value, dict) and key != "id2name":
            found += places(value, f"{prefix}{key}.")
    return found


@pytest.mark.parametrize("name", ["v3_ctc", "v2_rnnt", "emo"])
@given(data=st.data())
@settings(max_examples=60)
def test_whatever_stands_in_a_config_models_work_or_the_error_is_ours(
    name: str, data: st.DataObject
) -> None:
    config = tiny(name)
    for _ in range(data.draw(st.integers(1, 2))):
        where = data.draw(st.sampled_from(places(tiny(name))))
        try:
            config = with_value(config, where, data.draw(plain))
        except TypeError:  # its section is gone
            continue
    try:
        with torch.device("meta"):
            build_model(config)  # huge ones are seen here, small ones run below
        check_config(config, Limits(side=512, tensors=200))
        model = build_model(config).eval()
    except GigaAMError:
        return
    model.encode([NOISE])


# --- tensors ---------------------------------------------------------------------------------


def not_numbers(state: dict[str, torch.Tensor]) -> None:
    for tensor in state.values():
        if tensor.is_floating_point():
            tensor.fill_(torch.nan)


@pytest.mark.parametrize("layout", [build_published, build_fine_tuned, build_hugging_face])
def test_weights_that_are_no_numbers_are_refused(
    layout: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="not finite"):
        gigaam.load_model(
            layout(
                "v3_ctc",
                tmp_path / "m" if layout is build_hugging_face else tmp_path,
                edit=not_numbers,
            ),
            device="cpu",
        )


def test_a_file_does_not_stand_for_many_times_its_size(tmp_path: Path) -> None:
    def edit(state: dict[str, torch.Tensor]) -> None:
        state["head.decoder_layers.0.bias"] = torch.zeros(1).expand(10**13)

    with pytest.raises(CheckpointError, match="many times its size"):
        gigaam.load_model(build_published("v3_ctc", tmp_path, edit=edit), device="cpu")


@pytest.mark.parametrize("dtype", [torch.complex64, torch.int32, torch.bool])
def test_weights_of_other_kinds_are_refused(dtype: torch.dtype, tmp_path: Path) -> None:
    def edit(state: dict[str, torch.Tensor]) -> None:
        name = "preprocessor.featurizer.0.spectrogram.window"
        state[name] = state[name].to(dtype)

    with pytest.raises(CheckpointError, match="window"):
        gigaam.load_model(build_published("v3_ctc", tmp_path, edit=edit), device="cpu")


@pytest.mark.parametrize("shape", [(), (4,), (4, 32, 1)])
def test_the_head_of_an_emotion_model_has_two_axes(shape: tuple[int, ...], tmp_path: Path) -> None:
    def edit(state: dict[str, torch.Tensor]) -> None:
        state["head.weight"] = torch.zeros(shape)

    with pytest.raises(CheckpointError):
        gigaam.load_model(build_published("emo", tmp_path, edit=edit), device="cpu")


# --- pickles ---------------------------------------------------------------------------------


def archive(path: Path, program: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", program)
        file.writestr("archive/version", "3\n")
        file.writestr("archive/byteorder", "little")
    return path


@pytest.mark.parametrize("cut_short", [False, True])
def test_a_name_of_a_megabyte_is_refused_at_once(cut_short: bool, tmp_path: Path) -> None:
    name = b"a." * 500_000
    program = b"\x80\x02c" + name + b"\n" + name + b"\n" + (b"X\xff" if cut_short else b".")
    started = time.monotonic()
    with pytest.raises(CheckpointError) as caught:
        gigaam.load_model(archive(tmp_path / "m.ckpt", program), device="cpu")
    assert cut_short or isinstance(caught.value, UnsafeCheckpointError)
    assert time.monotonic() - started < 5.0
    assert len(str(caught.value)) < 1_000


def test_of_many_names_a_few_are_told(tmp_path: Path) -> None:
    program = b"\x80\x02(" + b"".join(b"cevil\nname%d\n" % n for n in range(10_000)) + b"t."
    with pytest.raises(UnsafeCheckpointError, match=r"evil\.name0, .* \(10000 in all\)") as caught:
        gigaam.load_model(archive(tmp_path / "m.ckpt", program), device="cpu")
    assert len(str(caught.value)) < 1_000


def test_an_archive_must_not_unfold(tmp_path: Path) -> None:
    program = pickle.dumps({"a": "b" * (64 << 20)}, 2)
    path = archive(tmp_path / "m.ckpt", program, zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="compressed"):
        gigaam.load_model(path, device="cpu")
    with pytest.raises(CheckpointError, match="besides its tensors"):
        gigaam.load_model(archive(tmp_path / "n.ckpt", program), device="cpu")


def test_messages_quote_no_whole_file(tmp_path: Path) -> None:
    config = with_value(tiny("v3_ctc"), "head._target_", "x" * 100_000)
    with pytest.raises(CheckpointError) as caught:
        gigaam.load_model(write(tmp_path, "v3_ctc", config), device="cpu")
    assert len(str(caught.value)) < 1_000


# --- what is no file -------------------------------------------------------------------------


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes and devices")
@pytest.mark.parametrize("make", [pipe, endless])
@pytest.mark.parametrize(
    "name", ["config.yaml", "config.json", "model.safetensors", "pytorch_model.bin", "m.ckpt"]
)
def test_pipes_and_devices_are_not_read(
    make: Callable[[Path], None], name: str, tmp_path: Path
) -> None:
    directory = build_hugging_face("v3_ctc", tmp_path / "m", safetensors="safe" in name)
    (directory / name).unlink(missing_ok=True)
    make(directory / name)
    path = directory / name if name == "m.ckpt" else directory
    with pytest.raises(CheckpointError, match="device or a pipe"):
        gigaam.load_model(path, device="cpu")


def test_links_to_files_are_files(tmp_path: Path) -> None:
    blobs = build_hugging_face("v3_e2e_ctc", tmp_path / "blobs", safetensors=True)
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for file in blobs.iterdir():
        (snapshot / file.name).symlink_to(file)
    assert isinstance(gigaam.load_model(snapshot, device="cpu"), gigaam.GigaAMASR)


@pytest.mark.parametrize("path", ["x" * 5_000, "a\0b", "\udcff"])
def test_paths_that_can_be_none_are_unknown_models(path: str) -> None:
    with pytest.raises(GigaAMError):
        gigaam.load_model(path, device="cpu")


# --- tokenizers ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["absolute", "upwards"])
def test_a_config_does_not_make_its_reader_open_any_file(form: str, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    path = build_published("v3_e2e_ctc", tmp_path / "m")
    private = tmp_path / "private.model"
    (tmp_path / "m" / "v3_e2e_ctc_tokenizer.model").rename(private)
    stated = str(private) if form == "absolute" else "../private.model"
    config = with_value(tiny("v3_e2e_ctc"), "decoding.model_path", stated)
    write(path.parent, "v3_e2e_ctc", config)
    with pytest.raises(TokenizerNotFoundError, match=r"private\.model"):
        read_checkpoint(path)
    private.rename(tmp_path / "m" / "private.model")  # of a path elsewhere the name counts
    assert read_checkpoint(path).tokenizer_path == tmp_path / "m" / "private.model"


def test_a_config_may_name_a_tokenizer_in_the_cache(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    cache = tmp_path / "cache"
    cache.mkdir()
    path = build_published("v3_e2e_ctc", tmp_path / "m")
    (tmp_path / "m" / "v3_e2e_ctc_tokenizer.model").rename(cache / "pieces.model")
    config = with_value(tiny("v3_e2e_ctc"), "decoding.model_path", str(cache / "pieces.model"))
    write(path.parent, "v3_e2e_ctc", config)
    assert read_checkpoint(path, cache).tokenizer_path == cache / "pieces.model"
    with pytest.raises(TokenizerNotFoundError):
        read_checkpoint(path, tmp_path / "other")


@pytest.mark.parametrize("stated", ["x" * 5_000, "a\0b", 5, ["x"], {"a": 1}, "."])
def test_what_can_be_no_path_is_none(stated: object, tmp_path: Path) -> None:
    path = build_published("v3_e2e_ctc", tmp_path)
    (tmp_path / "v3_e2e_ctc_tokenizer.model").unlink()
    config = with_value(tiny("v3_e2e_ctc"), "decoding.model_path", stated)
    with pytest.raises(CheckpointError):
        read_checkpoint(write(tmp_path, path.stem, config))


def test_fine_tuned_from_something_that_is_no_name(tmp_path: Path) -> None:
    for name in ([1], {"a": 1}, "x" * 10_000, None):
        path = build_fine_tuned(
            "v3_ctc", tmp_path, store_config=False, hyper_parameters={"model_name": name}
        )
        with pytest.raises(CheckpointError) as caught:
            read_checkpoint(path)
        assert len(str(caught.value)) < 1_000
