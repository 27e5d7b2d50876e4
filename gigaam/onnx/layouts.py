"""Exports as other engines open them: their file names, vocabularies, names and properties.

What a graph computes stays the same. Both engines bring a front-end of their own:

- onnx-asr has those of v2 and v3, so it gives our text. ``onnx_asr.load_model(NAME, directory)``
  opens a directory under the name that `onnx_asr_name` tells.
- sherpa-onnx cuts frames of 25 ms, of Kaldi's mel bands, whatever the model: texts differ a little.
  It is told the paths: ``model.onnx``, or ``encoder.onnx``, ``decoder.onnx`` and ``joiner.onnx``,
  and ``tokens.txt``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import onnx_ir as ir

from gigaam.decoding.tokenizer import WORD_START
from gigaam.errors import ArgumentError
from gigaam.onnx.metadata import GraphMetadata
from gigaam.store import registry
from gigaam.store.configs import SUBSAMPLING_FACTOR

__all__ = ["Layout", "arrange", "check_layout", "onnx_asr_name"]

Layout = Literal["gigaam", "onnx-asr", "sherpa-onnx"]
"""Whose names the files have: the published package's, or those of another engine."""

BLANK = "<blk>"

ONNX_ASR_PREDICTOR = (1, 320)
"""Layers and width of the only predictor that onnx-asr makes states for; narrower ones are widened
before they are exported (`gigaam.onnx.widening`)."""

_STATEFUL = {"hi": "h.1", "ci": "c.1", "ho": "h", "co": "c"}
"""Our names of a predictor's states, and those of the first published exports."""


def check_layout(metadata: GraphMetadata, layout: Layout) -> None:
    """Sees to it that an engine can open a model, before it is exported.

    Args:
        metadata: What the model is.
        layout: Whose layout.

    Raises:
        ArgumentError: It cannot.
    """
    if layout not in get_args(Layout):
        raise ArgumentError(f"layout {layout!r} is not one of {', '.join(get_args(Layout))}")
    if layout == "gigaam":
        return
    if metadata.kind not in registry.RECOGNITION_TASKS:
        raise ArgumentError(f"{layout} opens speech recognisers; {metadata.name} is none")
    front_end = metadata.front_end
    known = {(True, 400, 160, 64), (False, 320, 160, 64)}
    bands = front_end.mel_matrix.shape[1]
    if (front_end.center, front_end.n_fft, front_end.hop_length, bands) not in known:
        raise ArgumentError(
            f"{layout} has no front-end for {metadata.name}: it knows windows of 400 samples, "
            "centred, and of 320, not centred, every 160 samples, and 64 mel bands"
        )
    predictor = (metadata.layers, metadata.width)
    if (layout, metadata.kind) == ("onnx-asr", "rnnt") and predictor != ONNX_ASR_PREDICTOR:
        raise ArgumentError(
            "onnx-asr opens predictors of 1 layer, up to 320 wide; that of "
            f"{metadata.name} has {metadata.layers}, {metadata.width} wide"
        )


def arrange(folder: Path, name: str, metadata: GraphMetadata, layout: Layout) -> None:
    """Turns a published-style export into another engine's.

    Args:
        folder: Holds the graphs, and nothing else that must stay as it is.
        name: Begins the graphs' names.
        metadata: What the model is.
        layout: Whose layout.

    Raises:
        ArgumentError: The weights lie beside the graphs, and the engine reads them inside.
    """
    if layout == "onnx-asr":
        _arrange_for_onnx_asr(folder, name, metadata)
    elif layout == "sherpa-onnx":
        _arrange_for_sherpa(folder, name, metadata)


def onnx_asr_name(metadata: GraphMetadata) -> str:
    """The name under which ``onnx_asr.load_model`` opens the directory of a model."""
    return "gigaam-" + _onnx_asr_stems(metadata)[0].replace("_", "-")


def _onnx_asr_stems(metadata: GraphMetadata) -> tuple[str, str]:
    """How onnx-asr begins the names of a model's graphs, and that of its vocabulary.

    They follow from the front-end and the vocabulary, whatever the model is called: v1 has the
    front-end of v2.
    """
    info = registry.MODELS.get(metadata.name)
    if info is not None and info.line == "multilingual":
        return metadata.name, "multilingual"
    if metadata.front_end.center:
        return f"v2_{metadata.kind}", "v2"
    if metadata.tokenizer is not None:
        return f"v3_e2e_{metadata.kind}", f"v3_e2e_{metadata.kind}"
    return f"v3_{metadata.kind}", "v3"


def _arrange_for_onnx_asr(folder: Path, name: str, metadata: GraphMetadata) -> None:
    graphs, vocabulary = _onnx_asr_stems(metadata)
    for part in _parts(metadata):
        model = _take(folder / f"{name}{part}.onnx")
        _rename(model, _STATEFUL)
        ir.save(model, folder / f"{graphs}{part}.onnx")
    pieces = [WORD_START if piece == " " else piece for piece in _pieces(metadata)]
    _write_tokens(folder / f"{vocabulary}_vocab.txt", pieces)
    config = {
        "model_type": onnx_asr_name(metadata),
        "version": "v2" if metadata.front_end.center else "v3",
        "features_size": metadata.front_end.mel_matrix.shape[1],
        "subsampling_factor": SUBSAMPLING_FACTOR,  # by which a CTC graph's frames are counted
    }
    if metadata.kind == "rnnt":
        config["max_tokens_per_step"] = metadata.max_symbols
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _arrange_for_sherpa(folder: Path, name: str, metadata: GraphMetadata) -> None:
    names = {"": "model", "_encoder": "encoder", "_decoder": "decoder", "_joint": "joiner"}
    if any(folder.glob("*.data")):
        raise ArgumentError("sherpa-onnx reads graphs with their weights inside, up to 2 GB")
    pieces = _pieces(metadata)
    for part in _parts(metadata):
        model = _take(folder / f"{name}{part}.onnx")
        if part == "_decoder":
            _fit_sherpa_decoder(model)
        elif part != "_joint":
            model.metadata_props.update(_sherpa_properties(metadata, len(pieces)))
        ir.save(model, folder / f"{names[part]}.onnx")
    _write_tokens(folder / "tokens.txt", pieces)


def _sherpa_properties(metadata: GraphMetadata, tokens: int) -> dict[str, str]:
    """The properties by which sherpa-onnx knows a model; ``tokens`` does not count the blank."""
    shared = {
        "version": "1",
        "model_author": "GigaAM",
        "comment": metadata.name,
        "is_giga_am": "1",
        "normalize_type": "",
        "subsampling_factor": str(SUBSAMPLING_FACTOR),
    }
    if metadata.kind == "ctc":
        return shared | {"model_type": "EncDecCTCModel", "vocab_size": str(tokens + 1)}
    return shared | {
        "model_type": "EncDecRNNTBPEModel",
        "vocab_size": str(tokens),  # there the engine itself adds the blank
        "feat_dim": str(metadata.front_end.mel_matrix.shape[1]),
        "pred_rnn_layers": str(metadata.layers),
        "pred_hidden": str(metadata.width),
    }


def _fit_sherpa_decoder(model: ir.Model) -> None:
    """Makes a predictor's labels int32, adds their number, turns predictions to [B, P, 1]."""
    graph = model.graph
    labels, predictions = graph.inputs[0], graph.outputs[0]
    assert labels.shape is not None
    assert predictions.shape is not None
    batch, steps, width = predictions.shape
    int32 = ir.TensorType(ir.DataType.INT32)
    as_int64 = ir.Value(name="int64_labels", type=labels.type, shape=labels.shape)
    labels.replace_all_uses_with(as_int64)
    labels.type = int32
    number = ir.Value(name="unused_x_len.1", type=int32, shape=ir.Shape([labels.shape[0]]))
    passed = ir.Value(name="unused_x_len", type=int32, shape=number.shape)
    turned = ir.Value(
        name=predictions.name, type=predictions.type, shape=ir.Shape([batch, width, steps])
    )
    predictions.name = "predictions"
    to_int64 = [ir.AttrInt64("to", ir.DataType.INT64)]
    turn = [ir.AttrInt64s("perm", [0, 2, 1])]
    graph.insert_before(graph[0], ir.Node("", "Cast", [labels], to_int64, outputs=[as_int64]))
    graph.append(ir.Node("", "Identity", [number], outputs=[passed]))
    graph.append(ir.Node("", "Transpose", [predictions], turn, outputs=[turned]))
    graph.inputs.insert(1, number)
    graph.outputs[0] = turned
    graph.outputs.insert(1, passed)
    _rename(model, _STATEFUL)


def _take(path: Path) -> ir.Model:
    """The model in a file; the file goes, to be written under another name."""
    model = ir.load(path)
    path.unlink()
    return model


def _rename(model: ir.Model, names: Mapping[str, str]) -> None:
    """Renames inputs and outputs."""
    for value in (*model.graph.inputs, *model.graph.outputs):
        if value.name is not None:
            value.name = names.get(value.name, value.name)


def _parts(metadata: GraphMetadata) -> Sequence[str]:
    """What the names of a model's graphs end in."""
    return ("",) if metadata.kind == "ctc" else ("_encoder", "_decoder", "_joint")


def _pieces(metadata: GraphMetadata) -> list[str]:
    return metadata.build_tokenizer().pieces


def _write_tokens(path: Path, pieces: Sequence[str]) -> None:
    """A line per token, blank last: the token, a space, its number."""
    lines = [f"{piece} {number}\n" for number, piece in enumerate([*pieces, BLANK])]
    path.write_text("".join(lines), encoding="utf-8")
