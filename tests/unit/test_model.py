"""Models through their public calls: loading, saving, precision, threads."""

import copy
import pickle
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import gigaam
from gigaam.errors import CheckpointError, ModelError, UnknownModelError, WrongTaskError
from gigaam.loading import build_model
from gigaam.model import build_part
from gigaam.store.configs import builtin_config
from tests.nets import random_asr, random_emo, random_ssl

RATE = 16_000


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return (np.random.default_rng(0).standard_normal(3 * RATE) * 0.1).astype(np.float32)


@pytest.mark.parametrize("name", ["v1_ctc", "v2_rnnt", "v3_ctc"])
def test_a_saved_model_loads_as_it_was(name: str, tmp_path: Path, noise: np.ndarray) -> None:
    model = random_asr(name)
    model.save(tmp_path / "model")
    files = list((tmp_path / "model").iterdir())
    assert {file.name for file in files} == {"config.yaml", "model.safetensors"}
    assert len({file.stat().st_mode for file in files}) == 1
    loaded = gigaam.load_model(tmp_path / "model", device="cpu")
    assert loaded.cfg == model.cfg
    expected = model.transcribe(noise, word_timestamps=True, input_rate=RATE)
    actual = loaded.transcribe(noise, word_timestamps=True, input_rate=RATE)
    assert actual == expected
    assert [w.text for w in actual.words] == [w.text for w in expected.words]
    assert actual.confidence == pytest.approx(expected.confidence, abs=1e-6)
    assert len(actual.words) >= 3


def test_saving_in_half_precision(tmp_path: Path, noise: np.ndarray) -> None:
    model = random_asr("v3_ctc")
    model.save(tmp_path / "whole")
    model.save(tmp_path / "half", encoder_dtype="float16")
    whole, half = (
        (tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "half")
    )
    assert half < 0.75 * whole
    assert model.encoder.dtype == torch.float32
    loaded = gigaam.load_model(tmp_path / "half", device="cpu")
    assert loaded.encoder.dtype == torch.float32
    assert loaded.head.decoder_layers[0].weight.dtype == torch.float32
    expected, _ = model.embed_audio(noise, input_rate=RATE)
    actual, _ = loaded.embed_audio(noise, input_rate=RATE)
    torch.testing.assert_close(actual, expected, atol=0.05, rtol=0)


def test_ssl_and_emotion_models_save_and_load(tmp_path: Path, noise: np.ndarray) -> None:
    ssl, emo = random_ssl("v2_ssl"), random_emo()
    ssl.save(tmp_path / "ssl")
    emo.save(tmp_path / "emo")
    loaded = gigaam.load_model(tmp_path / "ssl", device="cpu")
    assert type(loaded) is gigaam.GigaAM
    torch.testing.assert_close(
        loaded.embed_audio(noise, input_rate=RATE), ssl.embed_audio(noise, input_rate=RATE)
    )
    loaded = gigaam.load_model(tmp_path / "emo", device="cpu")
    assert isinstance(loaded, gigaam.GigaAMEmo)
    probabilities = loaded.get_probs(noise, input_rate=RATE)
    assert probabilities == pytest.approx(emo.get_probs(noise, input_rate=RATE))
    assert list(probabilities) == ["angry", "sad", "neutral", "positive"]
    assert sum(probabilities.values()) == pytest.approx(1.0)


def test_methods_for_another_task_say_so() -> None:
    ssl, asr, emo = random_ssl("v2_ssl"), random_asr("v3_ctc"), random_emo()
    for model, method in [(ssl, "transcribe"), (emo, "transcribe_longform"), (ssl, "get_probs")]:
        assert not hasattr(model, method)
        with pytest.raises(WrongTaskError, match=f"'{model.cfg.model_class}' has no {method}: "):
            getattr(model, method)
    with pytest.raises(WrongTaskError, match="a model for emotions"):
        asr.get_probs("speech.wav")
    with pytest.raises(AttributeError, match="no attribute 'transcirbe'"):
        asr.transcirbe("speech.wav")


def test_emotion_ignores_padding(noise: np.ndarray) -> None:
    emo = random_emo()
    batch = torch.full((2, len(noise)), 0.5)
    batch[0] = torch.from_numpy(noise)
    batch[1, :RATE] = torch.from_numpy(noise[:RATE])
    with torch.inference_mode():
        together = emo.classify(*emo(batch, torch.tensor([len(noise), RATE])))
    for row, samples in enumerate([noise, noise[:RATE]]):
        alone = list(emo.get_probs(samples, input_rate=RATE).values())
        np.testing.assert_allclose(together[row], alone, atol=1e-5)


def test_embedding_of_the_documented_shape(noise: np.ndarray) -> None:
    embedding, length = random_ssl("v1_ssl").embed_audio(noise, input_rate=RATE)
    assert embedding.shape == (1, 32, 76)
    assert length.tolist() == [76]
    assert embedding.dtype == torch.float32


@pytest.mark.parametrize(("name", "frames"), [("v1_ssl", 283), ("v2_ssl", 283), ("v3_ssl", 282)])
def test_frames_of_a_recording_of_11_29_seconds(name: str, frames: int) -> None:
    _, length = random_ssl(name).embed_audio(np.zeros(180_640, np.float32), input_rate=RATE)
    assert length.tolist() == [frames]


@pytest.mark.parametrize("name", ["v1_ctc", "v2_ctc", "v3_ctc", "v3_rnnt"])
@pytest.mark.parametrize("samples", [1, 2, 159, 200, 201, 319, 320, 400])
def test_the_shortest_recordings_are_normal(name: str, samples: int) -> None:
    model = random_asr(name)
    _, length = model.embed_audio(np.full(samples, 0.1, np.float32), input_rate=RATE)
    assert length.tolist() == [1]
    assert isinstance(model.transcribe(np.full(samples, 0.1, np.float32), input_rate=RATE), str)


def test_past_200_seconds(noise: np.ndarray) -> None:
    """Where the published package's position table ends."""
    for name in ("v1_ssl", "v3_ssl"):
        model = random_ssl(name, n_layers=1)
        embedding, length = model.embed_audio(np.tile(noise, 67), input_rate=RATE)
        assert int(length) > 5000
        assert bool(embedding.isfinite().all())


def test_features_stay_float32_whatever_the_encoder_computes_in(
    tmp_path: Path, noise: np.ndarray
) -> None:
    random_asr("v3_ctc").save(tmp_path / "model")
    model = gigaam.load_model(tmp_path / "model", device="cpu", encoder_dtype="bfloat16")
    assert model.encoder.dtype == torch.bfloat16
    assert all(buffer.dtype == torch.float32 for buffer in model.preprocessor.buffers())
    assert all(parameter.dtype == torch.float32 for parameter in model.head.parameters())
    embedding, _ = model.embed_audio(noise, input_rate=RATE)
    assert embedding.dtype == torch.float32
    whole = gigaam.load_model(tmp_path / "model", device="cpu")
    expected, _ = whole.embed_audio(noise, input_rate=RATE)
    assert 0 < (embedding - expected).abs().max() < 0.5
    assert len(model.transcribe(noise, input_rate=RATE)) > 0


def test_fp16_encoder_leaves_the_cpu_in_float32(tmp_path: Path) -> None:
    random_ssl("v3_ssl").save(tmp_path / "model")
    model = gigaam.load_model(tmp_path / "model", fp16_encoder=True, device="cpu")
    assert model.encoder.dtype == torch.float32
    assert not model.training


@pytest.mark.parametrize("device", ["bogus", "cuda:99"])
def test_devices_that_are_not_there(tmp_path: Path, device: str) -> None:
    with pytest.raises(ModelError, match=device):
        gigaam.load_model(tmp_path, device=device)


@pytest.mark.parametrize("dtype", ["int8", "double", torch.float64])
def test_other_precisions_are_refused(tmp_path: Path, dtype: object) -> None:
    with pytest.raises(ModelError, match="encoder_dtype"):
        gigaam.load_model(tmp_path, device="cpu", encoder_dtype=dtype)


def test_flash_attention_that_cannot_be_had_warns_once_and_changes_nothing(
    tmp_path: Path, noise: np.ndarray
) -> None:
    random_ssl("v3_ssl").save(tmp_path / "model")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        flash = gigaam.load_model(tmp_path / "model", use_flash=True, device="cpu")
        embedding = flash.embed_audio(noise, input_rate=RATE)
    assert [w.category for w in caught] == [UserWarning]
    assert "flash-attn" in str(caught[0].message)
    plain = gigaam.load_model(tmp_path / "model", device="cpu")
    torch.testing.assert_close(embedding, plain.embed_audio(noise, input_rate=RATE))


def test_flash_none_keeps_the_checkpoints_setting(tmp_path: Path) -> None:
    model = random_ssl("v3_ssl")
    model.cfg.encoder.flash_attn = True
    model.save(tmp_path / "model")
    with pytest.warns(UserWarning, match="flash-attn"):
        gigaam.load_model(tmp_path / "model", use_flash=None, device="cpu")
    gigaam.load_model(tmp_path / "model", use_flash=False, device="cpu")


@pytest.mark.parametrize("name", ["v1_rnnt", "v3_ctc"])
def test_eight_threads_share_a_model(name: str, noise: np.ndarray) -> None:
    model = random_asr(name)
    recordings = [noise[: RATE // 4 * (i + 2)] for i in range(8)]
    expected = [random_asr(name).transcribe(r, input_rate=RATE) for r in recordings]
    results: dict[int, list[str]] = {}
    start = threading.Barrier(8)

    def work(i: int) -> None:
        start.wait()
        results[i] = [model.transcribe(recordings[i], input_rate=RATE) for _ in range(3)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {i: [expected[i]] * 3 for i in range(8)}


def test_models_copy_and_pickle(noise: np.ndarray) -> None:
    model = random_asr("v1_rnnt")
    expected = model.transcribe(noise, input_rate=RATE)
    assert copy.deepcopy(model).transcribe(noise, input_rate=RATE) == expected
    assert pickle.loads(pickle.dumps(model)).transcribe(noise, input_rate=RATE) == expected


def test_a_registry_name_wins_over_a_file_of_that_name(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "v3_ctc").write_text("not a model")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIGAAM_OFFLINE", "1")
    with pytest.raises(gigaam.OfflineError):
        gigaam.load_model("v3_ctc", download_root=tmp_path)


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="v3_rnnt") as caught:
        gigaam.load_model("v3_rntt")
    assert isinstance(caught.value, ValueError)
    with pytest.raises(UnknownModelError):
        gigaam.load_model(tmp_path / "missing.ckpt")


@pytest.mark.parametrize(
    "target",
    ["os.system", "builtins.eval", "subprocess.Popen", "torch.load", "gigaam.load_model", None, 5],
)
def test_a_config_builds_nothing_but_parts_of_models(target: object) -> None:
    with pytest.raises(CheckpointError, match="no part of a GigaAM model"):
        build_part({"_target_": target, "f": "x"})


@pytest.mark.parametrize(
    "module", ["gigaam.encoder", "modeling_gigaam", "transformers_modules.x.y"]
)
def test_parts_are_known_by_their_class_name(module: str) -> None:
    encoder = build_part(
        {"_target_": f"{module}.ConformerEncoder", "n_layers": 1, "d_model": 16, "n_heads": 2}
    )
    assert isinstance(encoder, torch.nn.Module)


@pytest.mark.parametrize(
    "change",
    [
        {"encoder": {"_target_": "x.ConformerEncoder", "self_attention_model": "alibi"}},
        {"encoder": {"_target_": "x.ConformerEncoder", "subsampling": "conv3d"}},
        {"encoder": {"_target_": "x.ConformerEncoder", "conv_norm_type": "none"}},
        {"encoder": {"_target_": "x.ConformerEncoder", "wings": 2}},
        {"encoder": {"_target_": "x.ConformerEncoder", "n_heads": 0}},
        {"model_class": "translation"},
        {"model_class": None},
        {"decoding": {"_target_": "x.RNNTGreedyDecoding", "vocabulary": ["а"]}},
    ],
)
def test_configs_of_other_models_are_refused(change: dict) -> None:
    with torch.device("meta"), pytest.raises(CheckpointError):
        build_model({**builtin_config("v3_ctc"), **change})


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    model = random_asr("v3_ctc")
    model.cfg.encoder.n_layers = 3
    model.save(tmp_path / "model")
    with pytest.raises(CheckpointError, match=r"layers\.2"):
        gigaam.load_model(tmp_path / "model", device="cpu")


@pytest.mark.parametrize(
    ("name", "parameters", "tensors"),
    [
        ("v2_rnnt", 233_751_970, 611),
        ("v3_e2e_rnnt", 222_509_313, 561),
        ("v1_ctc", 242_047_522, 650),
        ("multilingual_large_ctc", 585_319_495, 824),
        ("emo", 242_024_452, 650),
        ("v3_ssl", 220_681_728, 550),
    ],
)
def test_full_size_models_have_the_published_counts(
    name: str, parameters: int, tensors: int
) -> None:
    config = builtin_config(name)
    if "decoding" in config and config["decoding"]["vocabulary"] is None:
        # The tokenizer's pieces come from a file; the sizes of the net do not depend on it.
        classes = config["head"]["joint"]["num_classes"]
        config["decoding"]["vocabulary"] = [chr(0x4E00 + i) for i in range(classes - 1)]
    with torch.device("meta"):
        model = build_model(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert len(model.state_dict()) == tensors
