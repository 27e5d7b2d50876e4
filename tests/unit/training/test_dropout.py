"""Dropout: what is lost depends on the batch's seed alone, and nothing is outside training."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gigaam.encoder import ConformerEncoder
from gigaam.loading import build_model
from gigaam.training.dropout import add_dropout, dropping
from tests.toy_training import tones, toy_config, toy_objective

FEATURES, LENGTHS = torch.randn(2, 16, 80), torch.tensor([80, 60])


@pytest.fixture
def encoder() -> ConformerEncoder:
    torch.manual_seed(0)
    encoder = build_model(toy_config("ctc", n_layers=2)).encoder
    add_dropout(encoder, 0.2)
    return encoder


@torch.no_grad()
def encoded(encoder: ConformerEncoder, seed: int | None) -> Tensor:
    with dropping(seed):
        return encoder(FEATURES, LENGTHS)[0]


def test_nothing_is_lost_but_where_it_is_asked_for(encoder):
    plain = build_model(toy_config("ctc", n_layers=2)).encoder
    plain.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(encoder(FEATURES, LENGTHS)[0], plain(FEATURES, LENGTHS)[0])
    torch.testing.assert_close(encoded(encoder, None), encoded(plain, 1))
    assert not torch.equal(encoded(encoder, 1), encoded(encoder, None))


def test_a_seed_says_what_is_lost_also_in_threads(encoder):
    seeds = list(range(8)) * 4
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda seed: encoded(encoder, seed), seeds))
    alone = {seed: encoded(encoder, seed) for seed in range(8)}
    for seed, outcome in zip(seeds, together, strict=True):
        assert torch.equal(outcome, alone[seed])
    assert not torch.equal(alone[0], alone[1])


def test_what_is_left_is_worth_as_much_on_average(encoder):
    layer = encoder.layers[0]
    with torch.no_grad():
        layer.feed_forward1.linear2.weight.zero_()
        layer.feed_forward1.linear2.bias.fill_(1.0)
        with dropping(3):
            x = layer.feed_forward1(torch.zeros(50, 100, 32))
    assert float(x.mean()) == pytest.approx(1.0, abs=0.01)
    assert float((x == 0).float().mean()) == pytest.approx(0.2, abs=0.01)


@torch.no_grad()
def test_the_loss_depends_on_the_seed_of_the_batch():
    objective = toy_objective("ctc", dropout=0.2)
    first, other = tones(1), replace(tones(1), seed=2)
    assert float(objective(first)) == float(objective(first))
    assert float(objective(first)) != float(objective(other))
