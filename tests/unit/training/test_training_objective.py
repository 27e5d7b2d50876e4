"""What is minimised, over which part of the net, starting where."""

import pytest
import torch
from torch import nn

from gigaam.errors import ArgumentError, CheckpointError
from gigaam.loading import build_model
from gigaam.training.augment import SpectrogramMasks
from gigaam.training.first_layer import StandardizedConv1d, plain_state_dict
from gigaam.training.loader import Batch
from gigaam.training.losses import CTCLoss
from gigaam.training.objective import hide
from gigaam.training.tasks.recognition import RecognitionObjective
from recipes.training.loop import save_atomically
from recipes.training.starting_point import FINAL_NAME, read_weights, start_from
from tests.toy_training import tones, toy_config, toy_model, toy_objective

LENGTHS = torch.tensor([15000, 9000, 4000, 700])


def assert_same_encodings(model, other, rtol: float = 1e-4, atol: float = 1e-4) -> None:
    wav = tones().wav
    with torch.inference_mode():
        expected, frames = model(wav, LENGTHS)
        actual, _ = other(wav, LENGTHS)
    for row, expected_row, n in zip(actual, expected, frames.tolist(), strict=True):
        torch.testing.assert_close(row[:, :n], expected_row[:, :n], rtol=rtol, atol=atol)


def masked(batch: Batch, mask: SpectrogramMasks) -> Batch:
    return Batch(
        batch.wav, batch.lengths, batch.labels, batch.label_lengths, (mask,) * len(batch.lengths)
    )


@pytest.mark.parametrize("kind", ["ctc", "rnnt"])
def test_loss_is_that_of_masked_log_mel(kind):
    objective, batch = toy_objective(kind), tones()
    model = objective.model
    assert objective(batch) != objective(masked(batch, SpectrogramMasks(((2, 9),), ())))
    hidden = objective(masked(batch, SpectrogramMasks(((0, 16),), ())))
    features, frames = model.preprocessor(batch.wav, batch.lengths)
    flat = features.mean((1, 2), keepdim=True).expand_as(features)
    encoded, lengths = model.encoder(flat, frames)
    loss = objective._loss(encoded, lengths, batch.labels, batch.label_lengths)
    torch.testing.assert_close(hidden, loss, rtol=1e-3, atol=1e-3)


def test_auxiliary_loss_is_added_and_its_head_is_not_saved():
    plain, batch = toy_objective("rnnt"), tones()
    both = toy_objective("rnnt", auxiliary_ctc=0.3)
    encoded, lengths = both.model(batch.wav, batch.lengths)
    ctc = CTCLoss(both.auxiliary)(encoded, lengths, batch.labels, batch.label_lengths)
    torch.testing.assert_close(both(batch), plain(batch) + 0.3 * ctc)
    assert plain_state_dict(both.model).keys() == plain_state_dict(plain.model).keys()
    assert len(list(both.parameters())) == len(list(plain.parameters())) + 2


def test_a_ctc_model_has_no_auxiliary_ctc():
    with pytest.raises(ArgumentError, match="auxiliary_ctc"):
        toy_objective("ctc", auxiliary_ctc=0.3)


def test_masks_hide_bins_and_frames_behind_the_mean():
    features = torch.arange(2 * 4 * 10, dtype=torch.float32).view(2, 4, 10)
    before = features.clone()
    masks = (SpectrogramMasks(((1, 3),), ((0, 2),)), SpectrogramMasks((), ((5, 60),)))
    hide(features, torch.tensor([10, 5]), masks)
    assert (features[0, 1:3] == before[0].mean()).all()
    assert (features[0, :, :2] == before[0].mean()).all()
    assert torch.equal(features[0, 0, 2:], before[0, 0, 2:])
    assert torch.equal(features[1, :, :5], before[1, :, :5])


def test_standardized_layer_folds_into_a_plain_convolution():
    trained = toy_objective("ctc").model
    plain = toy_model("ctc")
    plain.load_state_dict(plain_state_dict(trained))
    assert type(plain.encoder.pre_encode.conv[0]) is nn.Conv1d
    assert isinstance(trained.encoder.pre_encode.conv[0], StandardizedConv1d)
    assert_same_encodings(trained, plain)


def test_front_end_holds_bfloat16_values():
    for buffer in toy_objective("ctc").model.preprocessor.buffers():
        assert buffer.dtype == torch.float32
        assert torch.equal(buffer, buffer.bfloat16().float())


def test_a_run_starts_with_the_encoder_of_a_saved_model(tmp_path):
    """Stored with a plain first layer, taken over into a standardized one of other statistics."""
    other = toy_objective("ctc", seed=1).model
    exported = toy_model("ctc")
    exported.load_state_dict(plain_state_dict(other))
    exported.save(tmp_path)
    objective = toy_objective("rnnt", auxiliary_ctc=0.3)
    first = objective.model.encoder.pre_encode.conv[0]
    first.mean.fill_(-4.0)
    first.std.copy_(torch.linspace(0.5, 4.0, 16))
    head = {name: t.clone() for name, t in objective.model.head.state_dict().items()}
    start_from(objective, read_weights(tmp_path))
    assert_same_encodings(other, objective.model)
    assert isinstance(objective.model.encoder.pre_encode.conv[0], StandardizedConv1d)
    for name, tensor in objective.model.head.state_dict().items():
        assert torch.equal(tensor, head[name])
    encoded = torch.randn(1, 32, 7)
    torch.testing.assert_close(objective.auxiliary(encoded), other.head(encoded))


def test_a_run_starts_with_the_encoder_and_the_head_of_another_run(tmp_path):
    other = toy_objective("rnnt", seed=1).model
    save_atomically(plain_state_dict(other), tmp_path / FINAL_NAME)
    objective = toy_objective("rnnt")
    start_from(objective, read_weights(tmp_path))
    assert_same_encodings(other, objective.model)
    for name, tensor in other.head.state_dict().items():
        assert torch.equal(objective.model.head.state_dict()[name], tensor)


def test_layers_that_the_other_model_lacks_stay_as_they_are():
    other = toy_objective("ctc", seed=1).model
    torch.manual_seed(0)
    deeper = RecognitionObjective(build_model(toy_config("ctc", n_layers=2)))
    before = {n: t.clone() for n, t in deeper.model.encoder.layers[1].state_dict().items()}
    start_from(deeper, plain_state_dict(other))
    for name, tensor in other.encoder.layers[0].state_dict().items():
        assert torch.equal(deeper.model.encoder.layers[0].state_dict()[name], tensor)
    for name, tensor in deeper.model.encoder.layers[1].state_dict().items():
        assert torch.equal(before[name], tensor)


def test_weights_of_which_none_fit_are_refused():
    with pytest.raises(CheckpointError, match="no tensor"):
        start_from(toy_objective("ctc"), {"encoder.layers.0.conv.weight": torch.zeros(3)})
