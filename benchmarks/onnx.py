"""Speed of exported full-size models with random weights, beside torch and other graphs.

The float32 bound is that all operations run at the rate of a float32 matrix product, torch's or
ONNX Runtime's, whichever is faster; the int8 bound that products with weights run at the rate of
an 8-bit one and the rest at that of float32. The rates are measured in the same run, before and
after the nets. Exporting takes minutes, so graphs are kept in a directory, and those that are
there are used.

    python -m benchmarks.onnx [--models v3_ctc v3_rnnt] [--seconds 5 20] [--directory DIR]
"""

import argparse
import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from benchmarks.encode import TOKENS_PER_SECOND, matmul_limit, operations, tune_to_speech
from benchmarks.machine import report, time_runs
from gigaam.audio import SAMPLE_RATE
from gigaam.decoder import RNNTHead
from gigaam.loading import build_model
from gigaam.model import GigaAMASR
from gigaam.onnx import metadata
from gigaam.onnx.export import describe
from gigaam.onnx.layouts import arrange, onnx_asr_name
from gigaam.onnx.runtime import OnnxASR, from_sessions
from gigaam.onnx.sessions import open_session
from gigaam.store.configs import builtin_config

TUNED_ON_S = 20


class PlainGraph(nn.Module):
    """The encoder, with the CTC head if there is one, as exporters write it that know no better.

    There are no masks in it, so it does one recording at a time; attention is two products and a
    softmax, rotary embedding and pointwise convolutions are what the model has.
    """

    def __init__(self, model: GigaAMASR) -> None:
        super().__init__()
        self.encoder = model.encoder
        self.head = None if isinstance(model.head, RNNTHead) else model.head
        longest = torch.zeros(1, 1000, model.encoder.d_model)
        self.register_buffer("positions", model.encoder.pos_enc(longest).clone())

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Float32 [1, F, T] and int64 [1] → [1, T', V] or [1, D, T'], and int64 [1]."""
        subsampling = self.encoder.pre_encode
        x = subsampling.conv(features).transpose(1, 2)
        for _ in range(2):
            lengths = subsampling.out_len(lengths)
        for layer in self.encoder.layers:
            x = layer(x, self.positions[:, : x.size(1)], None)
        encoded = x.transpose(1, 2)
        return (encoded if self.head is None else self.head(encoded)), lengths


@dataclass(frozen=True)
class Exports:
    """The directories of one model's graphs."""

    root: Path
    name: str

    def graph(self, kind: str) -> Path:
        """The graph that starts from features."""
        alone = self.root / kind / f"{self.name}.onnx"
        return alone if alone.exists() else alone.with_name(f"{self.name}_encoder.onnx")

    def write(self, model: GigaAMASR) -> None:
        """Whatever is missing."""
        for dtype in ("float32", "int8"):
            if not self.graph(dtype).exists():
                model.to_onnx(self.root / dtype, dtype=dtype)
        plain, quantized = self.graph("plain"), self.graph("plain-int8")
        if not plain.exists():
            write_plain(model, plain)
        if not quantized.exists():
            from onnxruntime.quantization import QuantType, quantize_dynamic

            quantized.parent.mkdir(exist_ok=True)
            quantize_dynamic(
                plain, quantized, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8
            )


def write_plain(model: GigaAMASR, path: Path) -> None:
    """Exports the plain graph."""
    path.parent.mkdir(exist_ok=True)
    headed = not isinstance(model.head, RNNTHead)
    dynamic = torch.export.Dim.DYNAMIC
    program = torch.onnx.export(
        PlainGraph(model).eval(),
        (torch.randn(1, 64, 310), torch.tensor([310])),
        dynamo=True,
        opset_version=18,
        dynamic_shapes=({2: dynamic}, {}),
        input_names=list(metadata.HEADED_INPUTS if headed else metadata.ENCODER_INPUTS),
        output_names=list(metadata.CTC_OUTPUTS if headed else metadata.ENCODER_OUTPUTS),
        verbose=False,
    )
    assert program is not None
    program.save(str(path), external_data=False)


def product_limit(kind: str, frames: int, threads: int, repeats: int) -> float:
    """Operations per second of the fastest of three of ONNX Runtime's matrix products.

    Args:
        kind: "MatMul", of float32, or "MatMulInteger", of 8 bits.
        frames: Rows of two of the products.
        threads: CPU threads.
        repeats: Of each.
    """
    rng = np.random.default_rng(0)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    best = 0.0
    for rows, inner, columns in [(frames, 768, 3072), (frames, 3072, 768), (2048, 2048, 2048)]:
        x, weight = rng.standard_normal((rows, inner)), rng.standard_normal((inner, columns))
        if kind == "MatMul":
            arrays, given, result = (x.astype("f4"), weight.astype("f4")), "FLOAT", "FLOAT"
        else:
            arrays = ((x * 30 + 128).clip(0, 255).astype("u1"), (weight * 30).astype("i1"))
            given, result = "UINT8", "INT32"
        graph = helper.make_graph(
            [helper.make_node(kind, ["x", "weight"], ["y"])],
            "product",
            [helper.make_tensor_value_info("x", getattr(TensorProto, given), [rows, inner])],
            [helper.make_tensor_value_info("y", getattr(TensorProto, result), [rows, columns])],
            [numpy_helper.from_array(arrays[1], "weight")],
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        fed = {"x": arrays[0]}
        seconds = time_runs(lambda s=session, f=fed: s.run(None, f), repeats, 3).best
        best = max(best, 2.0 * rows * inner * columns / seconds)
    return best


def operations_in_float(model: GigaAMASR, frames: int) -> float:
    """Operations of the subsampling and of attention, which int8 leaves in float32."""
    encoder = model.encoder
    convolutions = [each for each in encoder.pre_encode.conv if not isinstance(each, nn.ReLU)]
    halvings = [2 ** (len(convolutions) - 1 - stage) for stage in range(len(convolutions))]
    subsampling = sum(
        2.0 * each.weight.numel() * frames * longer
        for each, longer in zip(convolutions, halvings, strict=True)
    )
    return subsampling + 4.0 * frames**2 * encoder.d_model * len(encoder.layers)


def engines(
    model: GigaAMASR, exports: Exports, wav: Tensor, threads: int
) -> dict[str, Callable[[], Any]]:
    """What each engine does with one recording; all but onnx-asr start from features."""
    features, lengths = model.preprocessor(wav, torch.tensor([wav.size(1)]))
    found: dict[str, Callable[[], Any]] = {"torch": lambda: model.encoder(features, lengths)}
    for kind in ("plain", "float32", "plain-int8", "int8"):
        session = open_session(exports.graph(kind), threads=threads)
        names = [each.name for each in session.get_inputs()]
        fed = dict(zip(names, (features.numpy(), lengths.numpy()), strict=True))
        found[f"onnx {kind}"] = lambda s=session, f=fed: s.run(None, f)
    other = onnx_asr(model, exports, threads)
    if other is not None:
        samples = wav[0].numpy()
        found["onnx-asr"] = lambda: other(samples)
    return found


def onnx_asr(
    model: GigaAMASR, exports: Exports, threads: int
) -> Callable[[NDArray[np.float32]], str] | None:
    """onnx-asr's recognition with the plain graph, where it is installed; of CTC models alone."""
    if isinstance(model.head, RNNTHead) or importlib.util.find_spec("onnx_asr") is None:
        return None
    from onnx_asr import load_model

    metadata = describe(model, exports.name)
    directory = exports.root / "onnx-asr"
    if not directory.exists():
        directory.mkdir()
        shutil.copy(exports.graph("plain"), directory / f"{exports.name}.onnx")
        arrange(directory, exports.name, metadata, "onnx-asr")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    engine = load_model(onnx_asr_name(metadata), str(directory), sess_options=options)
    return lambda samples: str(engine.recognize(samples, sample_rate=SAMPLE_RATE))


def search_share(exports: Exports, wav: Tensor, threads: int, repeats: int) -> dict[str, float]:
    """The RNN-T search over int8 encodings: its seconds, and tokens per second of sound.

    What 8 bits change in a random net changes how much it says, so the bias of blank is set again.
    """
    encoder, decoder, joint = (
        exports.root / "int8" / f"{exports.name}_{part}.onnx"
        for part in ("encoder", "decoder", "joint")
    )
    proto = onnx.load(joint)
    (bias,) = (each for each in proto.graph.initializer if each.name.endswith("joint_net.1.bias"))
    values = numpy_helper.to_array(bias).copy()
    sessions = [open_session(path, threads=threads) for path in (encoder, decoder)]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    encodings = None
    low, high = values[-1] - 2.0, values[-1] + 2.0
    for _ in range(20):
        values[-1] = (low + high) / 2
        bias.CopyFrom(numpy_helper.from_array(values, bias.name))
        changed = onnxruntime.InferenceSession(proto.SerializeToString(), options)
        runtime = from_sessions([*sessions, changed])
        assert isinstance(runtime, OnnxASR)
        encodings = encodings or runtime.encode([wav[0].numpy()])
        rate = len(runtime.decoding.find(runtime, encodings)[0].ids) / (wav.size(1) / SAMPLE_RATE)
        if TOKENS_PER_SECOND[0] <= rate <= TOKENS_PER_SECOND[1]:
            break
        low, high = (low, values[-1]) if rate < TOKENS_PER_SECOND[0] else (values[-1], high)
    seconds = time_runs(lambda: runtime.decoding.find(runtime, encodings), 3 * repeats).best
    return {"search_s": seconds, "tokens_per_s": rate}


def measure(
    model: GigaAMASR, exports: Exports, seconds: int, threads: int, repeats: int
) -> list[dict[str, Any]]:
    """A row per engine, for one recording; the engines take turns."""
    wav = recording(seconds)
    features, lengths = model.preprocessor(wav, torch.tensor([wav.size(1)]))
    encoded, _ = model.encoder(features, lengths)
    frames = encoded.size(2)
    total, floating = operations(model, features, lengths), operations_in_float(model, frames)

    def limits() -> tuple[float, float]:
        torchs = matmul_limit(frames, torch.float32, 2 * repeats)
        float32, int8 = (
            product_limit(kind, frames, threads, 2 * repeats)
            for kind in ("MatMul", "MatMulInteger")
        )
        return max(torchs, float32), int8

    before = limits()
    works = engines(model, exports, wav, threads)
    best = dict.fromkeys(works, np.inf)
    for _ in range(repeats):
        for engine, work in works.items():
            # The first of two may still share the cores with the waiting threads of the one before.
            best[engine] = min(best[engine], time_runs(work, 2, warmup=0).best)
    float32, int8 = map(max, before, limits())
    bounds = {"float32": total / float32, "int8": (total - floating) / int8 + floating / float32}
    rows = []
    for engine, taken in best.items():
        row = {"model": exports.name, "seconds": seconds, "engine": engine, "encoder_s": taken}
        row["rtfx"] = seconds / taken
        bound = bounds["int8" if engine.endswith("int8") else "float32"]
        row |= {"bound_s": bound, "of_bound": bound / taken}
        if engine == "onnx int8":
            row["of_plain_int8"] = best["onnx plain-int8"] / taken
            row |= {"limit_float32": float32 / 1e9, "limit_int8": int8 / 1e9}
        rows.append(row)
    if isinstance(model.head, RNNTHead):
        searched = search_share(exports, wav, threads, repeats)
        rows[-1] |= searched | {"search_of_encoder": searched["search_s"] / best["onnx int8"]}
    return rows


def recording(seconds: int) -> Tensor:
    """Noise, float32 [1, n]."""
    generator = torch.Generator().manual_seed(seconds)
    return torch.randn(1, seconds * SAMPLE_RATE, generator=generator) * 0.1


def prepared(name: str, root: Path) -> tuple[GigaAMASR, Exports]:
    """A random model and its graphs."""
    torch.manual_seed(0)
    model = build_model(builtin_config(name)).eval()
    assert isinstance(model, GigaAMASR)
    if isinstance(model.head, RNNTHead):
        tune_to_speech(model, model.encode([recording(TUNED_ON_S)[0].numpy()]), TUNED_ON_S)
    exports = Exports(root / name, name)
    exports.root.mkdir(parents=True, exist_ok=True)
    exports.write(model)
    return model, exports


def run(
    root: Path, models: Sequence[str], seconds: Sequence[int], threads: int, repeats: int
) -> list[dict[str, Any]]:
    """The rows of all models."""
    rows = []
    with torch.no_grad():
        for name in models:
            model, exports = prepared(name, root)
            for each in seconds:
                rows += measure(model, exports, each, threads, repeats)
    return rows


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="*", default=["v3_ctc", "v3_rnnt"])
    parser.add_argument("--seconds", nargs="*", type=int, default=[5, 20])
    parser.add_argument("--directory", type=Path, help="Keeps the graphs, for the next run.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    how = (arguments.models, arguments.seconds, arguments.threads, arguments.repeats)
    if arguments.directory is not None:
        rows = run(arguments.directory, *how)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            rows = run(Path(scratch), *how)
    report("onnx", rows, onnxruntime=onnxruntime.__version__, onnx=onnx.__version__)


if __name__ == "__main__":
    main()
