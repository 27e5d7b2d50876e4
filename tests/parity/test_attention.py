"""Attention against its formulas written out in float64."""

import threading

import numpy as np
import pytest
import torch

from gigaam.attention import (
    RelativeAttention,
    RelativePositions,
    RotaryAttention,
    RotaryPositions,
    distances_to_keys,
    rotate,
)

D, H = 24, 4


def randomised(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return module


def linear(x: np.ndarray, layer: torch.nn.Linear) -> np.ndarray:
    y = x @ layer.weight.detach().double().numpy().T
    return y if layer.bias is None else y + layer.bias.detach().double().numpy()


def softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


@pytest.mark.parametrize("base", [5000.0, 10_000.0])
@pytest.mark.parametrize("d", [6, 36, 48, 64])
def test_rotation_is_multiplication_by_a_complex_number(d: int, base: float) -> None:
    frames = 300
    x = torch.randn(1, frames, 2, d)
    cos, sin = RotaryPositions(d_head=d, base=base)(torch.empty(1, frames, 2 * d))
    z = x.double().numpy()
    z = z[..., : d // 2] + 1j * z[..., d // 2 :]
    theta = base ** (-2 * np.arange(d // 2) / d)
    turned = z * np.exp(1j * np.arange(frames)[:, None] * theta)[None, :, None]
    expected = np.concatenate([turned.real, turned.imag], axis=-1)
    np.testing.assert_allclose(rotate(x, cos, sin), expected, atol=1e-5)


def test_rotary_attention_turns_the_input_of_q_and_k_but_not_of_v() -> None:
    frames, d = 17, D // H
    attention = randomised(RotaryAttention(d_model=D, n_heads=H))
    x = torch.randn(2, frames, D)
    valid = torch.arange(frames) < torch.tensor([frames, 9])[:, None]
    positions = RotaryPositions(d_head=d, base=5000.0)(x)
    actual = attention(x, positions, valid).detach().numpy()
    theta = 5000.0 ** (-2 * np.arange(d // 2) / d)
    angle = np.exp(1j * np.arange(frames)[:, None] * theta)
    for b, n in enumerate([frames, 9]):
        inputs = x[b, :n].double().numpy()
        heads = inputs.reshape(n, H, d)
        z = (heads[..., : d // 2] + 1j * heads[..., d // 2 :]) * angle[:n, None]
        turned = np.concatenate([z.real, z.imag], -1).reshape(n, D)
        q = linear(turned, attention.linear_q).reshape(n, H, d)
        k = linear(turned, attention.linear_k).reshape(n, H, d)
        v = linear(inputs, attention.linear_v).reshape(n, H, d)
        weights = softmax(np.einsum("ihd,jhd->hij", q, k) / np.sqrt(d))
        expected = np.einsum("hij,jhd->ihd", weights, v).reshape(n, D)
        np.testing.assert_allclose(actual[b, :n], linear(expected, attention.linear_out), atol=1e-5)


@pytest.mark.parametrize("frames", [1, 2, 13])
def test_relative_attention_equals_its_formula(frames: int) -> None:
    d = D // H
    attention = randomised(RelativeAttention(d_model=D, n_heads=H))
    x = torch.randn(2, frames, D)
    lengths = [frames, max(frames - 4, 1)]
    valid = torch.arange(frames) < torch.tensor(lengths)[:, None]
    actual = attention(x, RelativePositions(d_model=D)(x), valid).detach().numpy()
    u, v_bias = (b.detach().double().numpy() for b in (attention.pos_bias_u, attention.pos_bias_v))
    for b, n in enumerate(lengths):
        inputs = x[b, :n].double().numpy()
        q, k, v = (
            linear(inputs, layer).reshape(n, H, d)
            for layer in (attention.linear_q, attention.linear_k, attention.linear_v)
        )
        scores = np.zeros((H, n, n))
        for i in range(n):
            for j in range(n):
                sinusoid = np.zeros(D)
                angle = (i - j) * 10_000.0 ** (-np.arange(0, D, 2) / D)
                sinusoid[0::2], sinusoid[1::2] = np.sin(angle), np.cos(angle)
                p = linear(sinusoid, attention.linear_pos).reshape(H, d)
                content = ((q[i] + u) * k[j]).sum(-1)
                distance = ((q[i] + v_bias) * p).sum(-1)
                scores[:, i, j] = (content + distance) / np.sqrt(d)
        expected = np.einsum("hij,jhd->ihd", softmax(scores), v).reshape(n, D)
        np.testing.assert_allclose(actual[b, :n], linear(expected, attention.linear_out), atol=1e-5)


@pytest.mark.parametrize("frames", [1, 2, 3, 8])
def test_distances_to_keys(frames: int) -> None:
    by_distance = torch.arange(frames - 1, -frames, -1.0).expand(1, 1, frames, -1)
    expected = torch.arange(frames)[:, None] - torch.arange(frames)
    assert torch.equal(distances_to_keys(by_distance)[0, 0], expected.float())


@pytest.mark.parametrize(
    "positions", [RotaryPositions(d_head=8, base=5000.0), RelativePositions(d_model=16)]
)
def test_position_tables_grow_past_their_first_length_in_eight_threads(positions) -> None:
    """Over 1024 frames (41 s), and over the 5000 frames (200 s) where others stop."""
    lengths = [10, 1500, 3, 6000, 1024, 1025, 5001, 12_000]
    fresh = {n: type(positions)(**_arguments(positions))(torch.empty(1, n, 16)) for n in lengths}
    results: dict[int, torch.Tensor] = {}
    start = threading.Barrier(len(lengths))

    def use(n: int) -> None:
        start.wait()
        for _ in range(3):
            results[n] = positions(torch.empty(1, n, 16))

    threads = [threading.Thread(target=use, args=(n,)) for n in lengths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in lengths:
        torch.testing.assert_close(results[n], fresh[n], atol=0, rtol=0)


def _arguments(positions) -> dict:
    if isinstance(positions, RotaryPositions):
        return {"d_head": positions.d_head, "base": positions.base}
    return {"d_model": positions.d_model}
