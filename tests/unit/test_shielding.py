"""Whatever state of torch surrounds a call, it computes the same."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

import gigaam
from tests.nets import random_asr, random_emo, random_ssl

RATE = 16_000
NOISE = (np.random.default_rng(3).standard_normal(2 * RATE) * 0.1).astype(np.float32)

MODELS: dict[str, Callable[[], gigaam.GigaAM]] = {
    "v3_ctc": lambda: random_asr("v3_ctc"),
    "v1_rnnt": lambda: random_asr("v1_rnnt"),
    "emo": random_emo,
    "ssl": lambda: random_ssl("v2_ssl"),
}


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def default_device(device: str) -> Iterator[None]:
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


AMBIENT = {
    "autocast to bfloat16": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "autocast to float16": lambda: torch.autocast("cpu", dtype=torch.float16),
    "float64 by default": lambda: default_dtype(torch.float64),
    "float16 by default": lambda: default_dtype(torch.float16),
    "elsewhere by default": lambda: default_device("meta"),
    "elsewhere in a block": lambda: torch.device("meta"),
    "inference mode": torch.inference_mode,
    "gradients": torch.enable_grad,
}


def everything(model: gigaam.GigaAM) -> list[object]:
    """What a model says of noise, by every method it has."""
    embedding, length = model.embed_audio(NOISE, input_rate=RATE)
    said: list[object] = [embedding.tolist(), length.tolist()]
    if isinstance(model, gigaam.GigaAMEmo):
        said.append(model.get_probs(NOISE, input_rate=RATE))
    if isinstance(model, gigaam.GigaAMASR):
        result = model.transcribe(NOISE, word_timestamps=True, input_rate=RATE)
        long = model.transcribe_longform(NOISE, vad="none", word_timestamps=True, input_rate=RATE)
        said += [result, result.words, result.confidence, long.to_dict()]
        said.append(model.decoding.decode(model.head, embedding, length))
        assert result
    return said


@pytest.mark.parametrize("ambient", AMBIENT)
@pytest.mark.parametrize("name", MODELS)
def test_models_do_not_see_the_state_of_torch(name: str, ambient: str, tmp_path: Path) -> None:
    MODELS[name]().save(tmp_path)
    model = gigaam.load_model(tmp_path, device="cpu")
    expected = everything(model)
    with AMBIENT[ambient]():
        assert everything(model) == expected
        loaded = gigaam.load_model(tmp_path, device="cpu")
        assert everything(loaded) == expected
    assert everything(loaded) == expected
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert {parameter.device.type for parameter in loaded.parameters()} == {"cpu"}


@pytest.mark.parametrize("convert", ["half", "bfloat16", "double"])
@pytest.mark.parametrize("name", MODELS)
def test_converted_models_say_nearly_the_same(name: str, convert: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    converted = getattr(copy.deepcopy(model), convert)()
    assert {buffer.dtype for buffer in converted.preprocessor.buffers()} == {torch.float32}
    embedding, _ = converted.embed_audio(NOISE, input_rate=RATE)
    assert embedding.dtype == torch.float32
    expected, _ = model.embed_audio(NOISE, input_rate=RATE)
    torch.testing.assert_close(embedding, expected, rtol=0, atol={"double": 1e-5}.get(convert, 0.1))
    everything(converted)
    if convert == "double":
        again = converted.float()
        assert everything(again) == everything(model)
        if isinstance(model, gigaam.GigaAMASR):
            assert converted.transcribe(NOISE, input_rate=RATE)
    converted.save(tmp_path)
    assert gigaam.load_model(tmp_path, device="cpu").encoder.dtype == torch.float32


def test_a_layer_above_the_embeddings_can_be_trained() -> None:
    embedding, _ = random_ssl("v3_ssl").embed_audio(NOISE, input_rate=RATE)
    layer = torch.nn.Linear(embedding.size(1), 2)
    layer(embedding.transpose(1, 2)).sum().backward()
    assert layer.weight.grad is not None


def test_what_was_loaded_in_inference_mode_can_be_trained() -> None:
    with torch.inference_mode():
        model = gigaam.load_model("tiny_ctc", device="cpu")
    encoded, _ = model(torch.from_numpy(NOISE)[None], torch.tensor([len(NOISE)]))
    encoded.sum().backward()
    assert model.encoder.layers[0].norm_out.weight.grad is not None


def test_the_forward_pass_is_in_mixed_precision_where_its_caller_wants_that() -> None:
    model = random_ssl("v3_ssl")
    wav, lengths = torch.from_numpy(NOISE)[None], torch.tensor([len(NOISE)])
    features, _ = model.preprocessor(wav, lengths)
    expected, _ = model(wav, lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model.preprocessor(wav, lengths)[0], features)
        encoded, _ = model(wav, lengths)
    assert 0 < float((encoded - expected).detach().abs().max()) < 0.5
    assert encoded.requires_grad
