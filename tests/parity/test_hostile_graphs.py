"""Exported files that somebody made to do harm, or by mistake: an error of ours, soon."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import gigaam.onnx
from gigaam.errors import CheckpointError, GigaAMError, ModelError
from gigaam.onnx.metadata import GraphMetadata
from gigaam.onnx.runtime import OnnxASR, from_sessions
from gigaam.onnx.screening import screen
from gigaam.onnx.sessions import open_session
from gigaam.store.exports import exported_names
from tests.exports import export_once

NOISE = np.random.default_rng(0).normal(0, 0.1, 8_000).astype(np.float32)
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


@pytest.fixture(scope="module")
def properties(exported_model: Path) -> dict[str, str]:
    """The properties of a real export."""
    session = open_session(exported_model / "tiny_ctc.onnx")
    return dict(session.get_modelmeta().custom_metadata_map)


def model_of(
    nodes: list[onnx.NodeProto], properties: dict[str, str], initializers: list = ()
) -> onnx.ModelProto:
    """A graph with the inputs and outputs of a CTC export."""
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info("features", FLOAT, [1, 64, "t"]),
            helper.make_tensor_value_info("feature_lengths", INT64, [1]),
        ],
        [
            helper.make_tensor_value_info("log_probs", FLOAT, None),
            helper.make_tensor_value_info("encoded_lengths", INT64, None),
        ],
        list(initializers),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, properties)
    return model


def passing_on(log_probs: onnx.NodeProto) -> list[onnx.NodeProto]:
    return [log_probs, helper.make_node("Identity", ["feature_lengths"], ["encoded_lengths"])]


def small(properties: dict[str, str]) -> onnx.ModelProto:
    turned = helper.make_node("Transpose", ["features"], ["log_probs"], perm=[0, 2, 1])
    return model_of(passing_on(turned), properties)


def use(path: Path) -> None:
    """What a user does with an exported recogniser."""
    model = gigaam.onnx.load(path.parent, name=path.stem)
    assert isinstance(model, OnnxASR)
    model.transcribe(NOISE, input_rate=16_000)


def test_the_small_graph_itself_opens(properties: dict[str, str], tmp_path: Path) -> None:
    """That of the tests below, which fails for its 64 classes alone."""
    onnx.save(small(properties), tmp_path / "m.onnx")
    with pytest.raises(GigaAMError, match="64 classes"):
        use(tmp_path / "m.onnx")


# --- properties ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("kind", "evil", "kind"),
        ("name", "../../etc/x", "name"),
        ("name", "", "name"),
        ("vocabulary", '"abc"', "vocabulary"),
        ("vocabulary", '{"a": 1}', "vocabulary"),
        ("vocabulary", "[null]", "vocabulary"),
        ("vocabulary", '["a", "a"]', "vocabulary"),
        ("vocabulary", "[" * 100_000, "metadata"),
        ("vocabulary", "[]", "vocabulary"),
        ("vocabulary", "[1]", "vocabulary is .*list of distinct texts"),
        ("emotions", "[1]", "emotions is .*list of distinct texts"),
        ("layers", "-1", "layers is -1, .*from 0 to 16"),
        ("layers", "1000000000", "layers is 1000000000"),
        ("max_symbols", "-1", "max_symbols is -1"),
        ("max_symbols", "1000000000", "max_symbols is 1000000000"),
        ("width", "-1", "width is -1"),
        ("emotions", "5", "emotions"),
        ("emotions", "[" * 100_000 + "]" * 100_000, "metadata"),
        ("center", '"yes"', "center"),
        ("sample_rate", "0", "sample_rate"),
        ("sample_rate", "-16000", "sample_rate"),
        ("hop_length", "0", "hop_length"),
        ("hop_length", "-160", "hop_length"),
        ("hop_length", "1", "thousand frames"),
        ("hop_length", "9" * 5_000, "metadata"),
        ("n_fft", "-2", "metadata"),
        ("n_fft", "100000000000", "metadata"),
        ("window", "", "window"),
        ("window", "AAA", "metadata"),
        ("window", "AADAfwAAwH8=", "no numbers"),
        ("mel_matrix", "!", "metadata"),
        ("tokenizer", "not base64", "metadata"),
        ("tokenizer", "AAAA", "SentencePiece"),
    ],
)
def test_properties_that_no_export_has(
    properties: dict[str, str], name: str, value: str, fault: str, tmp_path: Path
) -> None:
    onnx.save(small(properties | {f"gigaam.{name}": value}), tmp_path / "m.onnx")
    with pytest.raises(CheckpointError, match=fault) as caught:
        use(tmp_path / "m.onnx")
    assert len(str(caught.value)) < 1_000


def test_properties_that_are_no_text(properties: dict[str, str], tmp_path: Path) -> None:
    content = small(properties | {"gigaam.name": "XXXXXXXX"}).SerializeToString()
    (tmp_path / "m.onnx").write_bytes(content.replace(b"XXXXXXXX", b"\xff\xfe\xfd\xfc" * 2))
    with pytest.raises(CheckpointError):
        use(tmp_path / "m.onnx")


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_property_is_taken_or_refused_by_our_errors(
    properties: dict[str, str], data: st.DataObject
) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(properties)), min_size=1, max_size=2))
    values = st.text(max_size=20) | st.integers().map(str) | st.sampled_from([*properties.values()])
    changed = properties | {name: data.draw(values) for name in names}
    try:
        described = GraphMetadata.from_strings(changed)
        described.build_tokenizer()
    except GigaAMError:
        return
    gigaam.onnx.features.log_mel(NOISE, described.front_end)


# --- inputs and outputs ----------------------------------------------------------------------


def test_a_graph_without_an_output(properties: dict[str, str], tmp_path: Path) -> None:
    model = small(properties)
    del model.graph.output[1]
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(CheckpointError, match="1 outputs instead of 2"):
        use(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("node", "fault"),
    [
        (helper.make_node("ReduceMax", ["features"], ["log_probs"], keepdims=0), "3 axes"),
        (helper.make_node("Log", ["minus"], ["log_probs"]), "no numbers"),
        (helper.make_node("Shape", ["features"], ["log_probs"]), "axes|cannot be run"),
        (helper.make_node("Concat", ["features"] * 2, ["log_probs"], axis=0), "frames in an array"),
    ],
)
def test_outputs_that_no_export_gives(
    properties: dict[str, str], node: onnx.NodeProto, fault: str, tmp_path: Path
) -> None:
    minus = [
        helper.make_node("Abs", ["features"], ["size"]),
        helper.make_node("Sub", ["size", "one"], ["less"]),
        helper.make_node("Mul", ["size", "many"], ["more"]),
        helper.make_node("Neg", ["more"], ["minus"]),
    ]
    constants = [helper.make_tensor(name, FLOAT, [], [v]) for name, v in (("one", 1), ("many", 9))]
    onnx.save(model_of([*minus, *passing_on(node)], properties, constants), tmp_path / "m.onnx")
    with pytest.raises(CheckpointError, match=fault):
        use(tmp_path / "m.onnx")


def test_a_graph_that_fails_when_it_is_run(properties: dict[str, str], tmp_path: Path) -> None:
    node = helper.make_node("Reshape", ["features", "shape"], ["log_probs"])
    shape = [helper.make_tensor("shape", INT64, [3], [1, 7, 11])]
    onnx.save(model_of(passing_on(node), properties, shape), tmp_path / "m.onnx")
    with pytest.raises(GigaAMError, match="fails"):
        use(tmp_path / "m.onnx")


def test_a_terabyte_is_an_error(properties: dict[str, str], tmp_path: Path) -> None:
    node = helper.make_node("Expand", ["features", "shape"], ["log_probs"])
    shape = [helper.make_tensor("shape", INT64, [5], [1 << 20, 1 << 20, 1, 64, 1])]
    onnx.save(model_of(passing_on(node), properties, shape), tmp_path / "m.onnx")
    with pytest.raises(GigaAMError):
        use(tmp_path / "m.onnx")


# --- programs --------------------------------------------------------------------------------


def endless(opset: int = 18) -> onnx.NodeProto:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("i", INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", FLOAT, None),
        ],
    )
    return helper.make_node("Loop", ["", "", "features"], ["log_probs"], body=body)


def hidden_in_a_branch() -> onnx.NodeProto:
    output = [helper.make_tensor_value_info("log_probs", FLOAT, None)]
    branch = helper.make_graph([endless()], "branch", [], output)
    return helper.make_node("If", ["yes"], ["log_probs"], then_branch=branch, else_branch=branch)


@pytest.mark.parametrize("node", [endless(), hidden_in_a_branch()], ids=["plain", "hidden"])
def test_endless_loops_are_not_opened(
    properties: dict[str, str], node: onnx.NodeProto, tmp_path: Path
) -> None:
    yes = [helper.make_tensor("yes", TensorProto.BOOL, [], [True])]
    onnx.save(model_of(passing_on(node), properties, yes), tmp_path / "m.onnx")
    with pytest.raises(CheckpointError, match="without end"):
        use(tmp_path / "m.onnx")


def in_functions(properties: dict[str, str], calls: Callable[[int], list[str]]) -> onnx.ModelProto:
    """A model that calls the first of forty functions, each of which calls others."""
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    node = helper.make_node("f0", ["features"], ["log_probs"], domain="own")
    model = model_of(passing_on(node), properties)
    model.opset_import.append(opsets[1])
    for number in range(40):
        nodes = [
            helper.make_node(
                name,
                [f"v{at}"],
                [f"v{at + 1}"],
                domain="" if name == "Relu" else "own",
            )
            for at, name in enumerate(calls(number))
        ]
        model.functions.append(
            helper.make_function("own", f"f{number}", ["v0"], [f"v{len(nodes)}"], nodes, opsets)
        )
    return model


def doubling(number: int) -> list[str]:
    return [f"f{number + 1}"] * 2 if number < 39 else ["Relu"]


def circle(number: int) -> list[str]:
    return [f"f{(number + 1) % 40}"]


def test_functions_do_not_unfold_into_billions(properties: dict[str, str], tmp_path: Path) -> None:
    for calls in (doubling, circle):
        onnx.save(in_functions(properties, calls), tmp_path / "m.onnx")
        with pytest.raises(CheckpointError, match="unfolds"):
            use(tmp_path / "m.onnx")


def test_many_small_parts_are_not_walked_for_ever(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\x5a\x00" * 5_000_000)
    started = time.monotonic()
    with pytest.raises(CheckpointError, match="parts"):
        screen(tmp_path / "m.onnx")
    assert time.monotonic() - started < 10.0


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("location", ["/dev/zero", "../secret", "pipe", "missing", ""])
def test_weights_outside_the_directory(
    properties: dict[str, str], location: str, tmp_path: Path
) -> None:
    directory = tmp_path / "m"
    directory.mkdir()
    os.mkfifo(directory / "pipe")
    (tmp_path / "secret").write_bytes(bytes(1_000))
    weights = helper.make_tensor("w", FLOAT, [4], bytes(16), raw=True)
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    model = small(properties)
    model.graph.initializer.append(weights)
    (directory / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match="no file beside"):
        use(directory / "m.onnx")


def test_pipes_and_devices_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.onnx")
    (tmp_path / "n.onnx").symlink_to("/dev/zero")
    for name in ("m", "n"):
        with pytest.raises(CheckpointError, match="device or a pipe"):
            gigaam.onnx.load(tmp_path, name=name)


def test_links_to_files_are_files(exported_model: Path, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").symlink_to(exported_model / "tiny_ctc.onnx")
    use(tmp_path / "m.onnx")


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_refused(
    properties: dict[str, str], tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(small(properties).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "m.onnx").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with pytest.raises(GigaAMError):  # even unharmed, it has too many classes
        use(tmp_path / "m.onnx")


PRINTS = """
import sys
import numpy as np
import gigaam.onnx
from gigaam.errors import GigaAMError
for name in sys.argv[2:]:
    try:
        model = gigaam.onnx.load(sys.argv[1], name=name)
        model.transcribe(np.zeros(8000, np.float32), input_rate=16000)
    except GigaAMError as error:
        print(type(error).__name__, file=sys.stderr)
"""


def test_nothing_of_the_engines_own_is_printed(
    properties: dict[str, str], exported_model: Path, tmp_path: Path
) -> None:
    onnx.save(small(properties), tmp_path / "good.onnx")
    unknown = helper.make_node("Nonsense", ["features"], ["log_probs"])
    onnx.save(model_of(passing_on(unknown), properties), tmp_path / "operator.onnx")
    loose = helper.make_node("Relu", ["nowhere"], ["log_probs"])
    onnx.save(model_of(passing_on(loose), properties), tmp_path / "loose.onnx")
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "junk.onnx").write_bytes(b"\x08\x07" + bytes(100))
    cut = (exported_model / "tiny_ctc.onnx").read_bytes()[:-1_000_000]
    (tmp_path / "cut.onnx").write_bytes(cut)
    reshape = helper.make_node("Reshape", ["features", "shape"], ["log_probs"])
    shape = [helper.make_tensor("shape", INT64, [3], [1, 7, 11])]
    onnx.save(model_of(passing_on(reshape), properties, shape), tmp_path / "fails.onnx")
    names = exported_names(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", PRINTS, tmp_path, *names], capture_output=True, text=True
    )
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr
    printed = done.stderr.splitlines()
    assert {*printed} == {"CheckpointError", "ModelError"}  # of ours, and a line for each
    assert len(printed) == len(names)


def test_a_programs_own_sessions_print_what_it_wants(
    properties: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    node = helper.make_node("Reshape", ["features", "shape"], ["log_probs"])
    shape = [helper.make_tensor("shape", INT64, [3], [1, 7, 11])]
    onnx.save(model_of(passing_on(node), properties, shape), tmp_path / "m.onnx")
    for level, expected in ((None, False), (3, True)):
        options = onnxruntime.SessionOptions()
        if level is not None:
            options.log_severity_level = level
        session = onnxruntime.InferenceSession(
            tmp_path / "m.onnx", options, providers=["CPUExecutionProvider"]
        )
        model = from_sessions([session])
        assert isinstance(model, OnnxASR)
        with pytest.raises(ModelError):
            model.transcribe(NOISE, input_rate=16_000)
        assert ("onnxruntime" in capfd.readouterr().err) is expected


def test_three_sessions_opened_by_a_program_still_make_a_model(
    packaged_transducer: "gigaam.GigaAMASR", tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = export_once(tmp_path_factory, "tiny_rnnt", packaged_transducer)
    parts = ("encoder", "decoder", "joint")
    sessions = [open_session(directory / f"tiny_rnnt_{part}.onnx") for part in parts]
    model = from_sessions(sessions)
    assert isinstance(model, OnnxASR)
    model.transcribe(NOISE, input_rate=16_000)
    with pytest.raises(CheckpointError, match="predictor has 2 inputs"):
        from_sessions([sessions[0], sessions[2], sessions[1]])
