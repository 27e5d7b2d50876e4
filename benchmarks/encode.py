"""Speed of the encoder and of the RNN-T search on full-size models with random weights.

Speed does not depend on what the weights are, so no download is needed. The encoder's speed is
also given as a share of the matrix-multiply limit, measured before and after it in the same run:
the best of the two shapes that make up most of a Conformer and of a large square product.

    python -m benchmarks.encode [--models v3_ctc v2_rnnt] [--seconds 5 20 30] [--batches 1 8]
"""

import argparse
import sys

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import report, time_runs
from gigaam.audio import SAMPLE_RATE
from gigaam.decoder import Encodings, RNNTHead
from gigaam.loading import build_model
from gigaam.model import GigaAMASR
from gigaam.store.configs import builtin_config

TOKENS_PER_SECOND = (14.0, 16.0)
"""What Russian speech has in characters; the search's time is proportional to it."""


def matmul_limit(frames: int, dtype: torch.dtype, repeats: int) -> float:
    """Operations per second of the fastest of three matrix products."""
    best = 0.0
    for rows, inner, columns in [(frames, 768, 3072), (frames, 3072, 768), (2048, 2048, 2048)]:
        x, weight = torch.randn(rows, inner, dtype=dtype), torch.randn(columns, inner, dtype=dtype)
        seconds = time_runs(lambda x=x, w=weight: F.linear(x, w), repeats).best
        best = max(best, 2.0 * rows * inner * columns / seconds)
    return best


def operations(model: GigaAMASR, features: Tensor, lengths: Tensor) -> float:
    """Floating-point operations of one pass of the encoder, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        encoded, _ = model.encoder(features, lengths)
    # torch's counter does not know the attention kernel of CPUs: two products of T × d × T a head.
    batch, width, frames = encoded.shape
    attention = 4.0 * batch * frames**2 * width * len(model.encoder.layers)
    return counter.get_total_flops() + attention


def tune_to_speech(model: GigaAMASR, encodings: Encodings, seconds: float) -> float:
    """Sets the bias of blank so that the search finds as many tokens as speech has."""
    assert isinstance(model.head, RNNTHead)
    bias = model.head.joint.joint_net[1].bias
    low, high = -20.0, 20.0
    rate = 0.0
    for _ in range(40):
        with torch.no_grad():
            bias[-1] = (low + high) / 2
        rate = np.mean([len(h.ids) for h in model.decoding.find(model, encodings)]) / seconds
        if TOKENS_PER_SECOND[0] <= rate <= TOKENS_PER_SECOND[1]:
            break
        low, high = (
            (low, (low + high) / 2) if rate < TOKENS_PER_SECOND[0] else ((low + high) / 2, high)
        )
    return float(rate)


def measure(model: GigaAMASR, seconds: int, batch: int, repeats: int) -> dict[str, object]:
    """One row: encoder and search for ``batch`` recordings of ``seconds``."""
    wav = torch.randn(batch, seconds * SAMPLE_RATE) * 0.1
    samples = torch.full((batch,), wav.size(1))
    features, frames = model.preprocessor(wav, samples)
    flops = operations(model, features, frames)
    encoded, lengths = model.encoder(features, frames)
    dtype = model.encoder.dtype
    before = matmul_limit(encoded.size(2) * batch, dtype, repeats * 2)
    encoder = time_runs(lambda: model.encoder(features, frames), repeats)
    limit = max(before, matmul_limit(encoded.size(2) * batch, dtype, repeats * 2))
    frontend = time_runs(lambda: model.preprocessor(wav, samples), repeats)
    row: dict[str, object] = {
        "seconds": seconds,
        "batch": batch,
        "encoder_s": encoder.best,
        "rtfx": seconds * batch / encoder.best,
        "gflop": flops / 1e9,
        "limit_gflops": limit / 1e9,
        "of_limit": flops / encoder.best / limit,
        "frontend_of_encoder": frontend.best / encoder.best,
    }
    encodings = Encodings(encoded.float(), lengths.numpy().astype(np.int64))
    if isinstance(model.head, RNNTHead):
        row["tokens_per_s"] = tune_to_speech(model, encodings, seconds)
    row["search_of_encoder"] = (
        time_runs(lambda: model.decoding.find(model, encodings), repeats).best / encoder.best
    )
    return row


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=["v3_ctc", "v2_rnnt"])
    parser.add_argument("--seconds", nargs="+", type=int, default=[5, 20, 30])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--dtypes", nargs="+", default=["float32"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    rows = []
    with torch.inference_mode():
        for name in arguments.models:
            model = build_model(builtin_config(name)).eval()
            for dtype in arguments.dtypes:
                model.encoder.to(getattr(torch, dtype))
                for seconds in arguments.seconds:
                    for batch in arguments.batches:
                        row = measure(model, seconds, batch, arguments.repeats)
                        rows.append({"model": name, "dtype": dtype, **row})
                        print(rows[-1], file=sys.stderr)  # a full run takes a quarter of an hour
    report("encode", rows)


if __name__ == "__main__":
    main()
