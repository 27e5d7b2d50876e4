"""Self-attention with rotary or relative positions.

Shapes: B batch, T frames, D model width, H heads, d = D/H width of a head.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PositionTable:
    """A function of position, computed once per device and dtype and grown when needed.

    Not a buffer, since published checkpoints hold none. Growth replaces the stored table by a
    longer one in a single assignment, so that threads may share it without a lock.

    Args:
        compute: Length in frames → float32 table whose rows for a shorter length can be cut out.
        initial_length: Length in frames of the first table.
    """

    def __init__(self, compute: Callable[[int], Tensor], initial_length: int) -> None:
        self._compute = compute
        self._initial_length = initial_length
        self._tables: dict[tuple[torch.device, torch.dtype], tuple[int, Tensor]] = {}

    def __call__(self, length: int, like: Tensor) -> tuple[int, Tensor]:
        """A table for at least ``length`` frames and the length it is for."""
        key = (like.device, like.dtype)
        stored = self._tables.get(key)
        if stored is None or stored[0] < length:
            size = max(length, self._initial_length)
            if stored is not None:
                size = max(size, 2 * stored[0])
            # Computed in float64 on the CPU, so that every device and dtype rounds the same values.
            with torch.inference_mode(False):
                stored = (size, self._compute(size).to(like.device, like.dtype))
            self._tables[key] = stored
        return stored

    def __getstate__(self) -> dict[str, object]:
        """What copies and pickles keep: tables are cheaper to compute than to carry."""
        return {**self.__dict__, "_tables": {}}


def _angles(positions: Tensor, base: float, width: int) -> Tensor:
    """Position · base^(−2i/width) for i in 0 … width/2−1: [P] → float64 [P, width/2]."""
    exponents = torch.arange(0, width, 2, dtype=torch.float64, device="cpu") / width
    return positions.double()[:, None] * base**-exponents


class RotaryPositions(nn.Module):
    """Rotary embedding (RoFormer, arXiv 2104.09864), halves of a head turned against each other."""

    def __init__(self, *, d_head: int, base: float) -> None:
        super().__init__()
        self.d_head, self.base = d_head, base
        self._table = PositionTable(self._compute, initial_length=1024)

    def _compute(self, length: int) -> Tensor:
        angles = _angles(torch.arange(length, device="cpu"), self.base, self.d_head)
        cos, sin = angles.cos(), angles.sin()
        return torch.stack([torch.cat([cos, cos], 1), torch.cat([-sin, sin], 1)]).float()

    def forward(self, x: Tensor) -> Tensor:
        """Factors [2, T, 1, d] of `rotate` for the frames of x [B, T, D]."""
        _, table = self._table(x.size(1), x)
        return table[:, : x.size(1), None]


class RelativePositions(nn.Module):
    """Sinusoids of the distance between frames (Transformer-XL, arXiv 1901.02860)."""

    BASE = 10_000.0

    def __init__(self, *, d_model: int) -> None:
        super().__init__()
        self.d_model = d_model
        self._table = PositionTable(self._compute, initial_length=1024)

    def _compute(self, length: int) -> Tensor:
        distances = torch.arange(length - 1, -length, -1, device="cpu")
        angles = _angles(distances, self.BASE, self.d_model)
        return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).float()

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings [2T−1, D] of the distances T−1 … −(T−1) for the frames of x [B, T, D]."""
        length = x.size(1)
        size, table = self._table(length, x)
        return table[size - length : size + length - 1]


class MultiHeadAttention(nn.Module):
    """Projections shared by both kinds of positions."""

    def __init__(self, *, d_model: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads, self.d_head = n_heads, d_model // n_heads
        self.linear_q = nn.Linear(d_model, d_model)
        self.linear_k = nn.Linear(d_model, d_model)
        self.linear_v = nn.Linear(d_model, d_model)
        self.linear_out = nn.Linear(d_model, d_model)

    def split_heads(self, x: Tensor) -> Tensor:
        """[B, T, D] → [B, T, H, d]."""
        return x.view(*x.shape[:-1], self.n_heads, self.d_head)


class RotaryAttention(MultiHeadAttention):
    """Attention over inputs turned by their positions *before* the q and k projections."""

    def __init__(self, *, d_model: int, n_heads: int, flash_attn: bool = False) -> None:
        super().__init__(d_model=d_model, n_heads=n_heads)
        self.flash_attn = flash_attn

    def forward(self, x: Tensor, positions: Tensor, valid: Tensor | None) -> Tensor:
        """Attended x.

        Args:
            x: [B, T, D].
            positions: [2, T, 1, d] from `RotaryPositions`.
            valid: bool [B, T], False on padding; None where there is none.
        """
        turned = rotate(self.split_heads(x), positions[0], positions[1]).flatten(2)
        q, k, v = (
            self.split_heads(projected)
            for projected in (self.linear_q(turned), self.linear_k(turned), self.linear_v(x))
        )
        if self.flash_attn and x.is_cuda and x.dtype in (torch.float16, torch.bfloat16):
            return self.linear_out(_flash_attention(q, k, v, valid).flatten(2))  # type: ignore[no-any-return]
        mask = None if valid is None else valid[:, None, None, :]
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.linear_out(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class RelativeAttention(MultiHeadAttention):
    """Attention whose scores add a term of the distance between query and key."""

    def __init__(self, *, d_model: int, n_heads: int) -> None:
        super().__init__(d_model=d_model, n_heads=n_heads)
        self.linear_pos = nn.Linear(d_model, d_model, bias=False)
        self.pos_bias_u = nn.Parameter(torch.zeros(n_heads, self.d_head))
        self.pos_bias_v = nn.Parameter(torch.zeros(n_heads, self.d_head))

    def forward(self, x: Tensor, positions: Tensor, valid: Tensor | None) -> Tensor:
        """Attended x.

        Args:
            x: [B, T, D].
            positions: [2T−1, D] from `RelativePositions`.
            valid: bool [B, T], False on padding; None where there is none.
        """
        scale = 1.0 / math.sqrt(self.d_head)
        q = self.split_heads(self.linear_q(x))
        k = self.split_heads(self.linear_k(x)).transpose(1, 2)
        v = self.split_heads(self.linear_v(x)).transpose(1, 2)
        p = self.split_heads(self.linear_pos(positions)).permute(1, 2, 0)  # [H, d, 2T−1]
        by_distance = ((q + self.pos_bias_v) * scale).transpose(1, 2) @ p
        bias = distances_to_keys(by_distance)
        if valid is not None:
            bias = bias.masked_fill(~valid[:, None, None, :], -torch.inf)
        q = (q + self.pos_bias_u).transpose(1, 2)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale)
        return self.linear_out(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x·[cos, cos] + [x₂, x₁]·[−sin, sin], where x₁ and x₂ are the halves of the last axis."""
    first, second = x.chunk(2, dim=-1)
    return torch.addcmul(x * cos, torch.cat([second, first], dim=-1), sin)


def distances_to_keys(by_distance: Tensor) -> Tensor:
    """Scores by distance as scores by key: [B, H, T, 2T−1] → [B, H, T, T] (a view).

    Row i holds distances T−1 … −(T−1), so key j, at distance i−j, is its column T−1−i+j; in the
    flattened matrix that is element (T−1) + i(2T−2) + j: windows of T at steps of 2T−2.
    """
    frames = by_distance.size(-2)
    flat = by_distance.flatten(-2)[..., frames - 1 :]
    return flat.unfold(-1, frames, max(2 * frames - 2, 1))


def flash_attention_available() -> bool:
    """Whether the flash-attn package can be imported and there is a GPU for it."""
    if not torch.cuda.is_available():
        return False
    try:
        import flash_attn  # noqa: F401
    except ImportError:
        return False
    return True


def _flash_attention(q: Tensor, k: Tensor, v: Tensor, valid: Tensor | None) -> Tensor:
    """Attention by flash-attn's kernels over the valid frames alone: [B, T, H, d] → the same."""
    from flash_attn import flash_attn_func, flash_attn_varlen_func

    if valid is None:
        attended: Tensor = flash_attn_func(q, k, v)
        return attended
    frames = valid.sum(1, dtype=torch.int32)
    bounds = F.pad(frames.cumsum(0, dtype=torch.int32), (1, 0))
    longest = int(frames.max())
    packed = flash_attn_varlen_func(q[valid], k[valid], v[valid], bounds, bounds, longest, longest)
    out = torch.zeros_like(q)
    out[valid] = packed
    return out
