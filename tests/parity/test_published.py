"""Every published model, as a small file of its exact layout: downloaded, verified, loaded, used.

The files are built from a table of tensor names, shapes and types (`tests.published`), never from
this library's own modules.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

import gigaam
from gigaam.store import registry
from gigaam.store.configs import builtin_config
from tests.http_server import Fault
from tests.published import (
    HALF_NAMES,
    NAMES,
    PIECE_NAMES,
    build_fine_tuned,
    build_hugging_face,
    build_published,
)
from tests.publishing import talkative_head

RATE = 16_000
SPEECH = [name for name in NAMES if name.endswith(("ctc", "rnnt"))]


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """Four seconds of something that is not silence."""
    return (np.random.default_rng(5).standard_normal(4 * RATE) * 0.1).astype(np.float32)


def test_the_registry_and_the_files_name_the_same_models() -> None:
    published = {name for name, info in registry.MODELS.items() if not info.is_packaged}
    assert published == set(NAMES)


@pytest.mark.parametrize("name", SPEECH)
def test_recognisers(name: str, publish, tmp_path: Path, noise: np.ndarray) -> None:
    server = publish(name, talkative_head(name, tmp_path / "plain"))
    model = gigaam.load_model(name, device="cpu")
    assert isinstance(model, gigaam.GigaAMASR)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    recordings = [noise, noise[: 2 * RATE], noise[RATE:]]
    results = model.transcribe(recordings, word_timestamps=True, input_rate=RATE)
    for recording, result in zip(recordings, results, strict=True):
        assert len(result.words) >= 5
        assert " ".join(word.text for word in result.words) == " ".join(result.split())
        assert 0 < result.confidence <= 1
        assert all(0 < word.confidence <= 1 for word in result.words)
        assert all(0 <= word.start < word.end for word in result.words)
        assert result.words[-1].end <= len(recording) / RATE + 1e-6
    embedding, length = model.embed_audio(noise, input_rate=RATE)
    assert embedding.shape == (1, model.encoder.d_model, int(length))
    gigaam.load_model(name, device="cpu")
    files = 2 if name in PIECE_NAMES else 1
    assert len(server.requests) == files  # the second time from the cache


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("ssl")])
def test_self_supervised_models(name: str, publish, noise: np.ndarray) -> None:
    publish(name)
    model = gigaam.load_model(name, device="cpu")
    assert type(model) is gigaam.GigaAM
    embedding, length = model.embed_audio(noise, input_rate=RATE)
    assert embedding.shape == (1, model.encoder.d_model, int(length))
    assert embedding.dtype == torch.float32
    assert bool(embedding.isfinite().all())
    assert float(embedding.std()) > 0.1


@pytest.mark.parametrize("name", ["emo", "v1_emo"])
def test_emotions(name: str, publish, noise: np.ndarray) -> None:
    publish("emo")
    model = gigaam.load_model(name, device="cpu")
    assert isinstance(model, gigaam.GigaAMEmo)
    probabilities = model.get_probs(noise, input_rate=RATE)
    assert list(probabilities) == ["angry", "sad", "neutral", "positive"]
    assert sum(probabilities.values()) == pytest.approx(1)
    assert len(set(probabilities.values())) == 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["v3_ctc", "v3_e2e_rnnt"])
def test_half_precision_files_of_both_kinds(
    name: str, dtype: torch.dtype, tmp_path: Path, noise: np.ndarray
) -> None:
    assert name in HALF_NAMES
    stored = torch.load(build_published(name, tmp_path, encoder_dtype=dtype), weights_only=False)[
        "state_dict"
    ]
    assert stored["encoder.layers.0.norm_out.weight"].dtype == dtype
    model = gigaam.load_model(tmp_path / f"{name}.ckpt", device="cpu")
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, stored[key].float(), atol=0, rtol=0)
    # The features use the rounded window and mel matrix of the file.
    exact = gigaam.preprocess.FeatureExtractor(
        n_fft=320, win_length=320, hop_length=160, center=False
    )
    wav, length = torch.from_numpy(noise)[None], torch.tensor([len(noise)])
    assert (model.preprocessor(wav, length)[0] - exact(wav, length)[0]).abs().max() > 1e-4


def flip_a_byte(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(change_body=flip_a_byte),
        Fault(change_body=lambda content: content[:-1]),
        Fault(change_body=lambda content: content + b"\0"),
    ],
    ids=["a wrong byte", "too short", "too long"],
)
def test_other_files_than_the_published_one_are_refused(
    fault: Fault, publish, tmp_path: Path
) -> None:
    server = publish("v3_ssl")
    server.fault = lambda path, headers: fault
    with pytest.raises(gigaam.DownloadError):
        gigaam.load_model("v3_ssl", device="cpu")
    assert not list((tmp_path / "cache").glob("*.ckpt"))


@pytest.mark.parametrize("name", ["v3_ctc", "v2_rnnt", "v1_rnnt", "v3_e2e_rnnt", "emo", "v2_ssl"])
@pytest.mark.parametrize("safetensors", [False, True])
def test_hugging_face_directories_hold_the_same_model(
    name: str, safetensors: bool, tmp_path: Path, noise: np.ndarray
) -> None:
    (tmp_path / "ckpt").mkdir()
    published = gigaam.load_model(build_published(name, tmp_path / "ckpt"), device="cpu")
    directory = build_hugging_face(name, tmp_path, safetensors=safetensors)
    loaded = gigaam.load_model(directory, device="cpu")
    assert type(loaded) is type(published)
    torch.testing.assert_close(
        loaded.embed_audio(noise, input_rate=RATE), published.embed_audio(noise, input_rate=RATE)
    )


@pytest.mark.parametrize("name", ["v3_ctc", "v3_rnnt", "v2_ctc"])
def test_fine_tuned_files_load(name: str, tmp_path: Path, noise: np.ndarray) -> None:
    model = gigaam.load_model(build_fine_tuned(name, tmp_path, store_config=True), device="cpu")
    assert isinstance(model, gigaam.GigaAMASR)
    assert isinstance(model.transcribe(noise, input_rate=RATE), str)


def test_models_saved_from_published_files_are_self_contained(
    tmp_path: Path, noise: np.ndarray
) -> None:
    """Also for models of subwords, whose tokenizer is a file of its own."""
    edit = talkative_head("v3_e2e_rnnt", tmp_path / "plain")
    path = build_published("v3_e2e_rnnt", tmp_path, edit=edit)
    model = gigaam.load_model(path, device="cpu")
    model.save(tmp_path / "saved")
    for file in tmp_path.glob("v3*"):
        file.unlink()
    (tmp_path / "saved").rename(tmp_path / "moved")
    loaded = gigaam.load_model(tmp_path / "moved", device="cpu")
    expected = model.transcribe(noise, word_timestamps=True, input_rate=RATE)
    assert len(expected.words) >= 5
    assert loaded.transcribe(noise, input_rate=RATE) == expected


def test_rotary_angles_have_the_base_that_configs_call_a_length() -> None:
    config = builtin_config("v3_ssl")["encoder"]
    assert config["pos_emb_max_len"] == 5000
    encoder = gigaam.model.build_part({**config, "n_layers": 1, "d_model": 32, "n_heads": 4})
    assert encoder.pos_enc.base == 5000.0
