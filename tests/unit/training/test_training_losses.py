"""Losses and gradients against float64 brute force.

Shapes: B batch, D encoder width, T frames, U labels, V classes.
"""

from copy import deepcopy
from itertools import combinations, groupby, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from gigaam.decoder import CTCHead, RNNTHead
from gigaam.errors import ArgumentError
from gigaam.training.losses import CTCLoss, RNNTLoss, loss_of
from tests.examples import examples

D, V = 6, 4
BLANK = V - 1


def random_rnnt(seed: int = 0, layers: int = 2) -> RNNTHead:
    torch.manual_seed(seed)
    return RNNTHead(
        {"pred_hidden": 5, "pred_rnn_layers": layers, "num_classes": V},
        {"enc_hidden": D, "pred_hidden": 5, "joint_hidden": 7, "num_classes": V},
    )


def random_ctc(seed: int = 0) -> CTCHead:
    torch.manual_seed(seed)
    return CTCHead(D, V)


def random_batch(
    lengths: list[int], label_lengths: list[int], seed: int = 0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Encodings [B, D, T], one frame longer than needed, and labels [B, U]; padding is random."""
    generator = torch.Generator().manual_seed(seed)
    batch = len(lengths)
    encoded = torch.randn(batch, D, max(lengths) + 1, generator=generator)
    labels = torch.randint(BLANK, (batch, max(label_lengths)), generator=generator)
    return encoded.requires_grad_(), torch.tensor(lengths), labels, torch.tensor(label_lengths)


def gradients(loss: Tensor, encoded: Tensor, head: torch.nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(loss, [encoded, *head.parameters()]))


def lattice_by_recursion(log_probs: Tensor, labels: list[int]) -> Tensor:
    """-log P of labels under log-probabilities [T, U+1, V] of a transducer."""
    forward: dict[tuple[int, int], Tensor] = {(0, 0): torch.zeros((), dtype=torch.float64)}
    for t, u in product(range(len(log_probs)), range(len(labels) + 1)):
        ways = []
        if t:
            ways.append(forward[t - 1, u] + log_probs[t - 1, u, BLANK])
        if u:
            ways.append(forward[t, u - 1] + log_probs[t, u - 1, labels[u - 1]])
        if ways:
            forward[t, u] = torch.logsumexp(torch.stack(ways), 0)
    return -(forward[len(log_probs) - 1, len(labels)] + log_probs[-1, -1, BLANK])


def lattice_by_enumeration(log_probs: Tensor, labels: list[int]) -> Tensor:
    """The same, path by path: each is an order of labels and blanks that ends with a blank."""
    frames, steps = len(log_probs), len(log_probs) + len(labels)
    totals = []
    for places in combinations(range(steps - 1), len(labels)):
        t = u = 0
        total = torch.zeros((), dtype=torch.float64)
        for step in range(steps):
            emits = step in places
            total = total + log_probs[t, u, labels[u] if emits else BLANK]
            t, u = t + (not emits), u + emits
        assert (t, u) == (frames, len(labels))
        totals.append(total)
    return -torch.logsumexp(torch.stack(totals), 0)


def ctc_by_enumeration(log_probs: Tensor, labels: list[int]) -> Tensor:
    """-log P of labels under log-probabilities [T, V]: all paths that collapse to them."""
    totals = [
        log_probs[range(len(path)), list(path)].sum()
        for path in product(range(V), repeat=len(log_probs))
        if [label for label, _ in groupby(path) if label != BLANK] == labels
    ]
    return -torch.logsumexp(torch.stack(totals), 0)


def summed_alone(brute_force, head, encoded, lengths, labels, label_lengths):
    """Loss and gradients in float64, every example computed alone, without padding."""
    exact = deepcopy(head).double()
    inputs = encoded.detach().double().requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    sizes = zip(lengths.tolist(), label_lengths.tolist(), strict=True)
    for i, (frames, n_labels) in enumerate(sizes):
        arguments = [inputs[i : i + 1, :, :frames]]
        if isinstance(exact, RNNTHead):
            arguments.append(labels[i : i + 1, :n_labels])
        total = total + brute_force(exact(*arguments)[0], labels[i, :n_labels].tolist())
    return total, gradients(total, inputs, exact)


def assert_equal(loss, actual, expected_loss, expected) -> None:
    torch.testing.assert_close(loss.double(), expected_loss, rtol=1e-5, atol=1e-5)
    for gradient, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(gradient.double(), other.double(), rtol=1e-4, atol=1e-5)


def check(loss_type, head, brute_force, batch) -> None:
    loss = loss_type(head)(*batch)
    expected = summed_alone(brute_force, head, *batch)
    assert_equal(loss, gradients(loss, batch[0], head), *expected)


sizes = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4)), min_size=1, max_size=3)


@given(sizes, st.integers(0, 1000))
@settings(max_examples=examples(15))
def test_rnnt_is_the_sum_over_all_paths(sizes, seed):
    batch = random_batch(*map(list, zip(*sizes, strict=True)), seed=seed)
    check(RNNTLoss, random_rnnt(seed), lattice_by_enumeration, batch)


@pytest.mark.parametrize("lattice_elements", [1, 300, 10**9])
def test_rnnt_in_blocks_is_the_recursion_over_the_whole_lattice(lattice_elements):
    """Ragged: with an empty transcript, one label, one frame, and more labels than frames."""
    batch = random_batch([9, 1, 6, 3, 5], [4, 2, 0, 7, 1])
    head = random_rnnt()
    loss = RNNTLoss(head, lattice_elements)(*batch)
    expected = summed_alone(lattice_by_recursion, head, *batch)
    assert_equal(loss, gradients(loss, batch[0], head), *expected)


def test_rnnt_blocks_give_what_the_whole_gives():
    """On lattices of up to 2,000 nodes, where rounding has room to grow."""
    batch = random_batch([40, 20, 30], [50, 0, 30])
    head = random_rnnt()
    whole, blocks = RNNTLoss(head, 10**9)(*batch), RNNTLoss(head, 2000)(*batch)
    torch.testing.assert_close(blocks, whole, rtol=1e-6, atol=0)
    for one, other in zip(*(gradients(x, batch[0], head) for x in (blocks, whole)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_no_block_is_larger_than_asked_for(monkeypatch):
    head = random_rnnt()
    combine, computed = head.joint.combine, []

    def spy(encoded: Tensor, predicted: Tensor) -> Tensor:
        log_probs = combine(encoded, predicted)
        computed.append(log_probs.shape)
        return log_probs

    monkeypatch.setattr(head.joint, "combine", spy)
    lengths, label_lengths = [30, 8, 21], [9, 3, 0]
    RNNTLoss(head, 1000)(*random_batch(lengths, label_lengths))
    hidden = head.joint.enc.out_features
    assert all(frames * labels * (V + hidden) <= 1000 for frames, labels, _ in computed)
    nodes = sum(t * (u + 1) for t, u in zip(lengths, label_lengths, strict=True))
    assert sum(frames * labels for frames, labels, _ in computed) == 2 * nodes  # never padding


def test_gradients_scale_with_what_follows_the_loss():
    batch, head = random_batch([5, 3], [2, 1]), random_rnnt()
    once = gradients(RNNTLoss(head)(*batch), batch[0], head)
    thrice = gradients(-3 * RNNTLoss(head)(*batch), batch[0], head)
    for one, three in zip(once, thrice, strict=True):
        torch.testing.assert_close(three, -3 * one)


def test_frozen_joint_still_passes_gradients_on():
    batch, head = random_batch([5, 3], [2, 1]), random_rnnt()
    (expected,) = torch.autograd.grad(RNNTLoss(head)(*batch), batch[0])
    head.requires_grad_(False)
    loss = RNNTLoss(head)(*batch)
    (actual,) = torch.autograd.grad(loss, batch[0])
    torch.testing.assert_close(actual, expected)


def test_saying_nothing_costs_the_blanks():
    batch = random_batch([5, 2, 7], [0, 0, 0])
    encoded, lengths, labels, _ = batch
    rnnt, ctc = random_rnnt(), random_ctc()
    for head, blanks in (
        (rnnt, rnnt(encoded, labels)[:, :, 0, BLANK]),
        (ctc, ctc(encoded)[..., BLANK]),
    ):
        expected = -sum(row[:n].sum() for row, n in zip(blanks, lengths.tolist(), strict=True))
        actual = loss_of(head)(*batch)
        torch.testing.assert_close(actual, expected)
        (gradient,) = torch.autograd.grad(actual, encoded)
        torch.testing.assert_close(gradient, torch.autograd.grad(expected, encoded)[0])


@given(sizes.map(lambda pairs: [(t, min(u, t // 2)) for t, u in pairs]), st.integers(0, 1000))
@settings(max_examples=examples(15))
def test_ctc_is_the_sum_over_all_paths(sizes, seed):
    batch = random_batch(*map(list, zip(*sizes, strict=True)), seed=seed)
    check(CTCLoss, random_ctc(seed), ctc_by_enumeration, batch)


def test_ctc_is_torch_s_of_every_example_alone():
    def alone(log_probs: Tensor, labels: list[int]) -> Tensor:
        sizes = torch.tensor([len(log_probs)]), torch.tensor([len(labels)])
        targets = torch.tensor([labels])
        return F.ctc_loss(log_probs[:, None], targets, *sizes, blank=BLANK, reduction="none")[0]

    check(CTCLoss, random_ctc(), alone, random_batch([40, 12, 25, 30], [15, 3, 0, 1]))


def test_labels_that_do_not_fit_cost_ctc_nothing_and_the_rest_their_due():
    encoded, lengths, labels, label_lengths = random_batch([2, 6], [5, 2])
    head = random_ctc()
    loss = CTCLoss(head)(encoded, lengths, labels, label_lengths)
    (gradient,) = torch.autograd.grad(loss, encoded)
    assert not gradient[0].any()
    assert gradient[1].any()
    expected = ctc_by_enumeration(head(encoded)[1, :6].double(), labels[1, :2].tolist())
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-5)


def test_the_head_chooses_its_loss():
    assert isinstance(loss_of(random_ctc()), CTCLoss)
    assert isinstance(loss_of(random_rnnt()), RNNTLoss)


def test_a_block_of_nothing_is_refused():
    with pytest.raises(ArgumentError, match="lattice_elements"):
        RNNTLoss(random_rnnt(), 0)
