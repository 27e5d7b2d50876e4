"""The tiny models as their recipes describe them."""

import pytest
import torch

from gigaam.dataset.text import RUSSIAN_CHARACTERS
from gigaam.decoder import CTCHead, RNNTHead
from gigaam.loading import build_model
from recipes.tiny.train import DEFAULT_CONFIG, read_config, without

RNNT_CONFIG = DEFAULT_CONFIG.with_name("tiny_rnnt.yaml")


@pytest.mark.parametrize(("path", "head"), [(DEFAULT_CONFIG, CTCHead), (RNNT_CONFIG, RNNTHead)])
def test_recipes_give_models_of_at_most_10_mb(path, head):
    run = read_config(path)
    with torch.device("meta"):
        model = build_model(run.model)
    assert isinstance(model.head, head)
    assert "".join(model.decoding.tokenizer.pieces) == RUSSIAN_CHARACTERS
    size = sum(
        tensor.numel() * (2 if name.startswith("encoder.") else 4)
        for name, tensor in model.state_dict().items()
    )
    assert size <= 10e6


def test_the_transducer_has_the_encoder_it_starts_from():
    ctc, rnnt = read_config(DEFAULT_CONFIG), read_config(RNNT_CONFIG)
    assert rnnt.model["preprocessor"] == ctc.model["preprocessor"]
    assert rnnt.model["encoder"] == ctc.model["encoder"]
    assert rnnt.loss.auxiliary_ctc > ctc.loss.auxiliary_ctc == 0


def test_a_speaker_can_be_left_out():
    run = read_config(RNNT_CONFIG)
    left = without(run, ["train_prompts"])
    assert set(run.sources) - set(left.sources) == {"train_prompts"}
    assert left.development == run.development
    with pytest.raises(ValueError, match="no tables to leave out: train_promts"):
        without(run, ["train_promts"])
