"""A transducer's predictor made wider, for engines that know but one width."""

from __future__ import annotations

import torch
from torch import Tensor

from gigaam.decoder import RNNTHead

__all__ = ["widened"]

_GATES = 4


def widened(head: RNNTHead, width: int) -> RNNTHead:
    """A head that computes the same with a predictor of another width.

    All weights of the units that are added are zero, so their states stay zero and nobody listens.

    Args:
        head: Left as it is.
        width: No less than its predictor has.
    """
    old = head.decoder.lstm
    added = width - old.hidden_size
    classes = head.decoder.embed.num_embeddings
    wide = RNNTHead(
        {"pred_hidden": width, "pred_rnn_layers": old.num_layers, "num_classes": classes},
        {
            "enc_hidden": head.joint.enc.in_features,
            "pred_hidden": width,
            "joint_hidden": head.joint.enc.out_features,
            "num_classes": classes,
        },
    )
    state = dict(head.state_dict())
    for name in ("decoder.embed.weight", "joint.pred.weight"):
        state[name] = _padded(state[name], 0, added)
    for name, tensor in state.items():
        if name.startswith("decoder.lstm."):
            columns = added if tensor.dim() == 2 else 0
            state[name] = torch.cat([_padded(g, added, columns) for g in tensor.chunk(_GATES)])
    wide.load_state_dict(state)
    return wide


def _padded(tensor: Tensor, rows: int, columns: int) -> Tensor:
    """The tensor with zeros appended to its first axis and, if it has one, its second."""
    padding = (0, columns, 0, rows) if tensor.dim() == 2 else (0, rows)
    return torch.nn.functional.pad(tensor, padding)
