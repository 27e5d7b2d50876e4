"""Exported models whose graphs, properties or bytes are wrong."""

import base64
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import gigaam.onnx
from gigaam.errors import GigaAMError
from gigaam.onnx import metadata
from gigaam.onnx.metadata import FrontEnd, GraphMetadata
from gigaam.store.registry import Task
from tests.fuzz.cases import BrokenPromiseError, Case
from tests.fuzz.mutations import mutated
from tests.nets import CHARACTERS

MELS, WIDTH, CLASSES = 8, 6, len(CHARACTERS) + 1
KINDS: tuple[Task, ...] = ("ctc", "rnnt", "emo", "ssl")


@cache
def models(kind: Task) -> dict[str, bytes]:
    """The files of a model of few weights, which has what an exported one has, by name."""
    described = GraphMetadata(
        kind,
        "net",
        FrontEnd(
            sample_rate=16_000,
            hop_length=160,
            n_fft=320,
            center=False,
            window=np.hanning(320).astype(np.float32),
            mel_matrix=np.full((161, MELS), 1 / 161, np.float32),
        ),
        vocabulary=CHARACTERS if kind in ("ctc", "rnnt") else None,
        max_symbols=3 if kind == "rnnt" else 0,
        layers=1 if kind == "rnnt" else 0,
        width=WIDTH if kind == "rnnt" else 0,
        emotions=("angry", "neutral") if kind == "emo" else (),
    )
    if kind == "rnnt":
        parts = {"_encoder": _encoder(kind), "_decoder": _decoder(), "_joint": _joint()}
    else:
        parts = {"": _encoder(kind)}
    for model in parts.values():
        helper.set_model_props(model, described.to_strings())
    return {f"net{part}.onnx": model.SerializeToString() for part, model in parts.items()}


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    **weights: np.ndarray,
) -> onnx.ModelProto:
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "net", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def _floats(name: str, *shape: Any) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _numbers(name: str, kind: int, *shape: Any) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def _encoder(kind: Task) -> onnx.ModelProto:
    """A matrix over the features of each frame; of emotions, over their mean."""
    headed = kind in ("ctc", "emo")
    features, lengths = metadata.HEADED_INPUTS if headed else metadata.ENCODER_INPUTS
    inputs = [_floats(features, "B", MELS, "T"), _numbers(lengths, TensorProto.INT64, "B")]
    turned = helper.make_node("Transpose", [features], ["turned"], perm=[0, 2, 1])
    if kind == "emo":
        nodes = [
            helper.make_node("ReduceMean", [features, "axis"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "w"], ["logits"]),
            helper.make_node("Softmax", ["logits"], [metadata.EMO_OUTPUTS[0]]),
        ]
        out = [_floats(metadata.EMO_OUTPUTS[0], "B", 2)]
        return _model(nodes, inputs, out, w=_random(MELS, 2), axis=np.array([2]))
    names = metadata.CTC_OUTPUTS if kind == "ctc" else metadata.ENCODER_OUTPUTS
    width = CLASSES if kind == "ctc" else WIDTH
    last = (
        helper.make_node("LogSoftmax", ["product"], [names[0]])
        if kind == "ctc"
        else helper.make_node("Transpose", ["product"], [names[0]], perm=[0, 2, 1])
    )
    nodes = [
        turned,
        helper.make_node("MatMul", ["turned", "w"], ["product"]),
        last,
        helper.make_node("Cast", [lengths], [names[1]], to=TensorProto.INT32),
    ]
    shape = ("B", "T", width) if kind == "ctc" else ("B", width, "T")
    out = [_floats(names[0], *shape), _numbers(names[1], TensorProto.INT32, "B")]
    return _model(nodes, inputs, out, w=_random(MELS, width))


def _decoder() -> onnx.ModelProto:
    """A predictor whose states stay what they are."""
    x, hi, ci = metadata.DECODER_INPUTS
    dec, ho, co = metadata.DECODER_OUTPUTS
    nodes = [
        helper.make_node("Gather", ["w", x], [dec]),
        helper.make_node("Identity", [hi], [ho]),
        helper.make_node("Identity", [ci], [co]),
    ]
    states = [_floats(name, 1, "B", WIDTH) for name in (hi, ci, ho, co)]
    inputs = [_numbers(x, TensorProto.INT64, "B", 1), *states[:2]]
    outputs = [_floats(dec, "B", 1, WIDTH), *states[2:]]
    return _model(nodes, inputs, outputs, w=_random(CLASSES, WIDTH))


def _joint() -> onnx.ModelProto:
    """Encodings and one prediction, added and mapped to classes."""
    enc, dec = metadata.JOINT_INPUTS
    nodes = [
        helper.make_node("Transpose", [enc], ["enc_"], perm=[0, 2, 1]),
        helper.make_node("Transpose", [dec], ["dec_"], perm=[0, 2, 1]),
        helper.make_node("Add", ["enc_", "dec_"], ["sum"]),
        helper.make_node("MatMul", ["sum", "w"], ["product"]),
        helper.make_node("LogSoftmax", ["product"], ["flat"]),
        helper.make_node("Unsqueeze", ["flat", "axis"], list(metadata.JOINT_OUTPUTS)),
    ]
    inputs = [_floats(enc, "B", WIDTH, "T"), _floats(dec, "B", WIDTH, "U")]
    outputs = [_floats(metadata.JOINT_OUTPUTS[0], "B", "T", 1, CLASSES)]
    return _model(nodes, inputs, outputs, w=_random(WIDTH, CLASSES), axis=np.array([2]))


# What may be wrong in a model; each tells what it did.


def _property(model: onnx.ModelProto, rng: Random) -> str:
    """One of our properties, with a value that it does not have or cannot have."""
    entry = rng.choice(model.metadata_props)
    numbers = ("0", "-1", "1", "7", "160", str(10**9), str(2**70), "1.5", "NaN", "")
    texts = ("null", "true", "[]", "{}", '"text"', "[1, 2]", "[" * 100_000, "evil", "\0", "😀")
    arrays = [base64.b64encode(array.astype("<f4").tobytes()).decode() for array in _arrays(rng)]
    value = rng.choice((*numbers, *texts, *arrays, "****", "QUJD"))
    name = entry.key
    if rng.random() < 0.1:
        model.metadata_props.remove(entry)
        return f"property {name} left out"
    entry.value = value
    return f"property {name} = {value[:20]!r} ({len(value)} characters)"


def _arrays(rng: Random) -> list[np.ndarray]:
    bad = rng.choice((np.nan, np.inf, 0.0, -1.0, 3e38))
    return [np.zeros(0), np.ones(3), np.full(320, bad), np.full((161, MELS), bad), np.ones(10**5)]


def _vocabulary(model: onnx.ModelProto, rng: Random) -> str:
    many: list[Any] = [str(n) for n in range(100)]
    odd: list[Any] = [
        [*CHARACTERS[:5]], many, [1] * 33, [None] * 33, ["а"] * 33, ["", *CHARACTERS[1:]],
        ["aa" * 10**5, *CHARACTERS[1:]], {"а": 1}, "абв", [[]] * 33, 5, ["\ud800"] * 33,
    ]  # fmt: skip
    value = rng.choice(odd)
    for entry in model.metadata_props:
        if entry.key.endswith(("vocabulary", "emotions")):
            entry.value = json.dumps(value)
    return f"vocabulary {str(value)[:40]}"


def _connection(model: onnx.ModelProto, rng: Random) -> str:
    """An input or output left out, renamed, doubled, or of another shape or type."""
    which = rng.choice(("input", "output"))
    values = getattr(model.graph, which)
    value = rng.choice(values)
    name, what = value.name, rng.choice(("left out", "renamed", "doubled", "shape", "type"))
    if what == "left out":
        values.remove(value)
    elif what == "renamed":
        for node in model.graph.node:
            for names in (node.input, node.output):
                names[:] = ["other" if each == name else each for each in names]
        value.name = "other"
    elif what == "doubled":
        values.add().CopyFrom(value)
    elif what == "shape":
        dimension = rng.choice(value.type.tensor_type.shape.dim)
        dimension.dim_value = rng.choice((0, 1, 2, 1000, 2**40, -1))
    else:
        value.type.tensor_type.elem_type = rng.choice((1, 2, 6, 7, 8, 9, 10, 11, 16, 99))
    return f"{which} {name}: {what}"


def _node(model: onnx.ModelProto, rng: Random) -> str:
    """Another operation in the place of one."""
    node = rng.choice(model.graph.node)
    was = node.op_type
    del node.attribute[:]
    node.op_type = rng.choice(
        (
            "Identity",
            "Abs",
            "Softmax",
            "Transpose",
            "Shape",
            "Size",
            "NoSuchOp",
            "Log",
            "Sqrt",
            "Neg",
        )
    )
    if len(node.input) > 1:
        del node.input[1:]
    return f"{node.op_type} in place of {was}"


def _weights(model: onnx.ModelProto, rng: Random) -> str:
    weight = rng.choice(model.graph.initializer)
    what = rng.choice(("NaN", "infinity", "zeros", "shape", "outside"))
    if what in ("NaN", "infinity", "zeros"):
        value = {"NaN": np.nan, "infinity": np.inf, "zeros": 0}[what]
        array = numpy_helper.to_array(weight)
        with np.errstate(invalid="ignore"):
            filled = np.full(array.shape, value).astype(array.dtype)
        weight.CopyFrom(numpy_helper.from_array(filled, weight.name))
    elif what == "shape":
        weight.dims[0] = rng.choice((0, 1, 10**6, 2**40, -1))
    else:
        target = rng.choice(("/etc/passwd", "../secret", "/dev/zero", "nowhere", "net.onnx"))
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in (("location", target), ("offset", "0"), ("length", "192")):
            weight.external_data.add(key=key, value=value)
        what = f"outside, in {target}"
    return f"weight {weight.name}: {what}"


def _huge(model: onnx.ModelProto, rng: Random) -> str:
    """A tensor of more memory than there is, added to the first output.

    One of a few gigabytes is not refused: SECURITY.md says so.
    """
    elements = rng.choice((1000, 2**42, 2**62))
    output = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["before" if name == output else name for name in node.output]
    model.graph.initializer.append(numpy_helper.from_array(np.array([elements]), "elements"))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["elements"], ["huge"]))
    model.graph.node.append(helper.make_node("ReduceSum", ["huge"], ["sum_"], keepdims=0))
    model.graph.node.append(helper.make_node("Add", ["before", "sum_"], [output]))
    return f"a tensor of {elements} floats"


def _loop(model: onnx.ModelProto, rng: Random) -> str:
    """A loop of very many turns whose result is added to the first output."""
    turns = rng.choice((1000, 10**12))
    output = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["before" if name == output else name for name in node.output]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Cos", ["value"], ["next"]),
        ],
        "body",
        [_numbers("turn", TensorProto.INT64), _numbers("go", TensorProto.BOOL), _floats("value")],
        [_numbers("go_on", TensorProto.BOOL), _floats("next")],
    )
    initial = {"turns": np.array(turns), "yes": np.array(True), "zero": np.array(0, np.float32)}
    for name, array in initial.items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    model.graph.node.append(
        helper.make_node("Loop", ["turns", "yes", "zero"], ["result"], body=body)
    )
    model.graph.node.append(helper.make_node("Add", ["before", "result"], [output]))
    return f"a loop of {turns} turns"


_CHANGES: tuple[Callable[[onnx.ModelProto, Random], str], ...] = (
    _property,
    _property,
    _property,
    _vocabulary,
    _connection,
    _connection,
    _node,
    _weights,
    _huge,
    _loop,
)


def make(rng: Random, folder: Path) -> Case:
    """An exported model with something wrong, loaded and given half a second of noise."""
    kind = rng.choice(KINDS)
    files = models(kind)
    spoilt = rng.choice(list(files))
    for name, content in files.items():
        if name != spoilt:
            (folder / name).write_bytes(content)
    content = files[spoilt]
    if rng.random() < 0.3:
        content, what = mutated(content, rng)
    elif rng.random() < 0.1:
        what = "not UTF-8"
        content = content.replace(b"gigaam.kind", b"gigaam.\xff\xfe\xff\xfe").replace(
            b"net", b"\xff\xfe\xff"
        )
    else:
        model = onnx.load_from_string(content)
        what = ", ".join(rng.choice(_CHANGES)(model, rng) for _ in range(rng.choice((1, 1, 1, 2))))
        content = model.SerializeToString()
    (folder / spoilt).write_bytes(content)
    return Case(f"{kind}, {spoilt}: {what}", lambda: _used(folder))


def _used(folder: Path) -> str:
    rng = np.random.default_rng(1)
    noise = (rng.standard_normal(8000) * 0.1).astype(np.float32)
    model = gigaam.onnx.load(folder, name="net", threads=1)
    try:
        if isinstance(model, gigaam.onnx.OnnxASR):
            result = model.transcribe(noise, word_timestamps=True, input_rate=16_000)
            if any(not 0 <= word.start <= word.end for word in result.words or ()):
                raise BrokenPromiseError(f"times of words: {result.words}")
            return "loaded, text"
        if isinstance(model, gigaam.onnx.OnnxEmo):
            model.get_probs(noise, input_rate=16_000)
            return "loaded, probabilities"
        model.embed_audio(noise, input_rate=16_000)
    except GigaAMError as error:
        return f"loaded, then {type(error).__name__}"
    return "loaded, embeddings"
