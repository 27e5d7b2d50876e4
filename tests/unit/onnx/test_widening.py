"""A wider predictor says what the narrow one says."""

import pytest
import torch

from gigaam.decoder import RNNTHead, TorchTransducer
from gigaam.decoding import RNNTGreedyDecoding
from gigaam.onnx.widening import widened


@pytest.mark.parametrize("layers", [1, 2])
def test_lattice_is_the_same(layers: int) -> None:
    torch.manual_seed(0)
    head = RNNTHead(
        {"pred_hidden": 12, "pred_rnn_layers": layers, "num_classes": 7},
        {"enc_hidden": 10, "pred_hidden": 12, "joint_hidden": 9, "num_classes": 7},
    )
    wide = widened(head, 20)
    assert wide.decoder.lstm.hidden_size == 20
    encoded, labels = torch.randn(3, 10, 8), torch.randint(6, (3, 5))
    torch.testing.assert_close(wide(encoded, labels), head(encoded, labels), atol=1e-6, rtol=1e-6)


def test_search_finds_the_same() -> None:
    torch.manual_seed(1)
    head = RNNTHead(
        {"pred_hidden": 12, "pred_rnn_layers": 1, "num_classes": 4},
        {"enc_hidden": 10, "pred_hidden": 12, "joint_hidden": 9, "num_classes": 4},
    )
    search = RNNTGreedyDecoding(vocabulary=list("abc"))
    encoded, lengths = 3 * torch.randn(4, 10, 30), torch.tensor([30, 20, 7, 1]).numpy()
    with torch.inference_mode():
        narrow, wide = (
            search.search(TorchTransducer(each, encoded), lengths)
            for each in (head, widened(head, 320))
        )
    assert [one.ids.tolist() for one in wide] == [one.ids.tolist() for one in narrow]
    assert max(len(one) for one in narrow) > 5
