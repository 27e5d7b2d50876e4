"""Built-in configurations against the published texts; foreign configurations as plain data."""

import json
import subprocess
import sys
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from gigaam.errors import CheckpointError, UnknownModelError, UnsafeCheckpointError
from gigaam.store.configs import BUILTIN_NAMES, builtin_config, plain_config
from tests.examples import examples
from tests.published import NAMES, published_config


def test_every_published_model_has_a_configuration() -> None:
    assert sorted(BUILTIN_NAMES) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_built_in_configuration_equals_the_published_text(name: str) -> None:
    built_in, published = builtin_config(name), published_config(name)
    assert built_in.pop("model_name") == name
    published.pop("model_name", None)
    published.pop("hashes", None)
    if "model_path" in published.get("decoding", {}):
        published["decoding"]["model_path"] = None  # a path on its author's machine
    if name.startswith("v") and name[1] in "12":
        assert "subsampling" not in built_in["encoder"]  # these rely on constructor defaults
        assert "hop_length" not in built_in["preprocessor"]
    assert built_in == published


@pytest.mark.parametrize("name", ["v1_ctc", "v2_ctc", "v2_rnnt", "v3_ctc", "v3_rnnt"])
def test_the_russian_vocabulary_is_exact(name: str) -> None:
    config = builtin_config(name)
    vocabulary = config["decoding"]["vocabulary"]
    assert "".join(vocabulary) == " абвгдежзийклмнопрстуфхцчшщъыьэюя"
    assert len(vocabulary) == 33
    assert config.get("labels", vocabulary) == vocabulary


@pytest.mark.parametrize("name", ["multilingual_ctc", "multilingual_large_ctc"])
def test_the_multilingual_vocabulary_is_exact(name: str) -> None:
    config = builtin_config(name)
    vocabulary = config["decoding"]["vocabulary"]
    assert len(vocabulary) == 70
    assert vocabulary == sorted(vocabulary)  # code-point order
    assert "".join(vocabulary[:28]) == " 'abcdefghijklmnopqrstuvwxyz"
    assert "".join(vocabulary[-10:]) == "ёіғқңүұһәө"
    assert config["head"]["num_classes"] == 71


def test_each_call_returns_a_fresh_configuration() -> None:
    config = builtin_config("v2_ctc")
    config["decoding"]["vocabulary"].clear()
    config["encoder"]["d_model"] = 1
    assert builtin_config("v2_ctc")["decoding"]["vocabulary"]
    assert builtin_config("v2_ctc")["labels"]
    assert builtin_config("v2_ctc")["encoder"]["d_model"] == 768


def test_an_unknown_name_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(UnknownModelError, match="v3_e2e_rnnt"):
        builtin_config("rnnt")


def test_configurations_need_no_torch() -> None:
    code = (
        "import sys, gigaam.store.configs; "
        "print([m for m in ('torch', 'omegaconf', 'hydra') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


_leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_leaves = _leaves.filter(lambda leaf: "$" not in str(leaf) and leaf != "???")
_trees = st.dictionaries(
    st.text("abc_", min_size=1),
    st.recursive(
        _leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz"), inner),
        max_leaves=10,
    ),
)


@settings(max_examples=examples(30), deadline=None)  # omegaconf is slow
@given(_trees)
def test_plain_data_and_its_omegaconf_form_come_out_as_they_went_in(tree: dict[str, Any]) -> None:
    for form in (tree, OrderedDict(tree), OmegaConf.create(tree)):
        plain = plain_config(form, "test")
        assert plain == tree
        assert json.dumps(plain)


@pytest.mark.parametrize(
    "tree",
    [
        {"encoder": {"d_model": "${oc.env:HOME}"}},
        {"encoder": ["x", "prefix ${encoder.d_model}"]},
        {"${oc.env:HOME}": 1},
        {"encoder": "${head}", "head": {"a": 1}},
    ],
)
def test_interpolation_is_refused_anywhere(tree: dict[str, Any]) -> None:
    for form in (tree, OmegaConf.create(tree)):
        with pytest.raises(UnsafeCheckpointError, match="interpolation"):
            plain_config(form, "test")


@pytest.mark.parametrize("value", [b"x", {1, 2}, object(), print, int, 1j])
def test_objects_that_are_not_data_are_refused(value: object) -> None:
    with pytest.raises(UnsafeCheckpointError, match=r"at encoder\.thing"):
        plain_config({"encoder": {"thing": value}}, "test")


def test_a_subclass_of_a_plain_type_is_refused() -> None:
    class Text(str):
        __slots__ = ()

    with pytest.raises(UnsafeCheckpointError):
        plain_config({"a": Text("b")}, "test")


def test_a_tree_that_contains_itself_or_repeats_without_end_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    bomb: list[Any] = ["x"]
    for _ in range(30):
        bomb = [bomb, bomb]
    for tree in (loop, {"bomb": bomb}):
        with pytest.raises(CheckpointError, match="nested or repeated"):
            plain_config(tree, "test")


def test_only_a_mapping_is_a_configuration() -> None:
    with pytest.raises(CheckpointError, match="not a mapping"):
        plain_config(["a"], "test")
