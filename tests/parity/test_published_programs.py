"""What programs written for the published package call, as they call it."""

import dataclasses
import importlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hydra
import numpy as np
import onnxruntime
import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

import gigaam
from gigaam import vad_utils
from gigaam.audio import read_audio
from gigaam.onnx import metadata
from gigaam.onnx_utils import infer_onnx, load_onnx
from gigaam.published.assigned import MODEL_HASHES
from gigaam.requirements import import_torchaudio
from gigaam.timestamps_utils import compute_frame_shift, frames_to_words
from gigaam.training.losses import loss_of
from tests.http_server import FileServer
from tests.nets import random_asr, random_emo, random_ssl
from tests.published import build_fine_tuned, build_hugging_face, build_published, tokenizer_model
from tests.publishing import talkative_head

RATE = 16_000


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return (np.random.default_rng(0).standard_normal(3 * RATE) * 0.1).astype(np.float32)


@pytest.fixture(params=["tiny_ctc", "tiny_rnnt"])
def model(request: pytest.FixtureRequest, packaged_model, packaged_transducer) -> gigaam.GigaAMASR:
    return {"tiny_ctc": packaged_model, "tiny_rnnt": packaged_transducer}[request.param]


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The package, to assign to; afterwards its settings are as if nobody had."""
    yield monkeypatch
    monkeypatch.undo()
    for name in ("_CACHE_DIR", "_URL_DIR", "_MODEL_HASHES", "hash_path"):
        vars(gigaam).pop(name, None)


def encode(model: gigaam.GigaAMASR, *recordings: Any) -> tuple[torch.Tensor, ...]:
    """Encodings of a batch, their lengths, and the samples of each, as programs make them."""
    wavs = [torch.as_tensor(each) for each in recordings]
    lengths = torch.tensor([len(wav) for wav in wavs])
    with torch.inference_mode():
        encoded, encoded_lengths = model(pad_sequence(wavs, batch_first=True), lengths)
    return encoded, encoded_lengths, lengths


# ------------------------------------------------------------------------ 1: exporting a model


def test_exports_go_where_and_how_programs_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = random_ssl("v3_ssl", n_layers=1)
    model.to_onnx(dtype=torch.float32)
    assert Path("v3_ssl_encoder.onnx").exists()
    model._to_onnx("half", dtype=torch.float16)
    whole, half = (Path(d, "v3_ssl_encoder.onnx").stat().st_size for d in (".", "half"))
    assert half < whole
    with pytest.raises(gigaam.ArgumentError, match=r"torch\.float64"):
        model.to_onnx(dtype=torch.float64)


# ------------------------------------------------------------------------ 3: gigaam.utils


def test_datasets_of_paths_arrays_and_tensors(example: Path) -> None:
    wav = gigaam.load_audio(example)
    data = [str(example), wav.numpy(), wav[:RATE], example]
    dataset = gigaam.utils.AudioDataset(data)
    assert len(dataset) == len(dataset.samples) == 4
    assert dataset.samples[0] == str(example)
    batches = list(DataLoader(dataset, batch_size=2, collate_fn=dataset.collate_fn))
    assert [tuple(padded.shape) for padded, _ in batches] == [(2, len(wav)), (2, len(wav))]
    assert [lengths.tolist() for _, lengths in batches] == [[len(wav)] * 2, [RATE, len(wav)]]
    assert torch.equal(batches[1][0][0, :RATE], wav[:RATE])
    assert not batches[1][0][0, RATE:].any()
    padded, lengths = gigaam.utils.AudioDataset.collate([wav, wav[:RATE]])
    assert padded.shape == (2, len(wav))
    assert lengths.tolist() == [len(wav), RATE]


def test_datasets_of_manifests(example: Path, tmp_path: Path, packaged_model) -> None:
    (tmp_path / "a.wav").write_bytes(example.read_bytes())
    manifest = tmp_path / "train.tsv"
    manifest.write_text("path\tduration\ttranscription\na.wav\t7\tда\na.wav\t0.5\tну да\n", "utf-8")
    tokenizer = packaged_model.decoding.tokenizer
    dataset = gigaam.utils.AudioDataset(
        str(manifest), tokenizer, max_duration=10.0, return_tokens=True, raw_text=True
    )
    assert dataset.samples == [tmp_path / "a.wav"] * 2
    batch = next(iter(DataLoader(dataset, batch_size=2, collate_fn=dataset.collate_fn)))
    _, lengths, tokens, token_lengths, texts = batch
    assert lengths.tolist() == [len(gigaam.load_audio(example))] * 2
    assert token_lengths.tolist() == [2, 5]
    assert tokenizer.decode(tokens[1].tolist()) == "ну да"
    assert texts == ["да", "ну да"]
    assert len(gigaam.utils.AudioDataset(manifest, min_duration=1.0)) == 1
    assert len(gigaam.utils.AudioDataset([example], max_duration=1.0)) == 0
    with pytest.raises(gigaam.ArgumentError, match="tokenizer"):
        gigaam.utils.AudioDataset(manifest, return_tokens=True)
    manifest.write_text("path\na.wav\n", "utf-8")
    assert len(gigaam.utils.AudioDataset(manifest)) == 1
    manifest.write_text("path\tduration\toffset\na.wav\t1\t0.5\n", "utf-8")
    (stretch,) = gigaam.utils.AudioDataset(manifest)
    assert torch.equal(stretch, gigaam.load_audio(example)[RATE // 2 : RATE // 2 + RATE])


def test_recordings_to_try_need_no_network(
    packaged_model, example_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIGAAM_CACHE", str(tmp_path))
    short, long = gigaam.utils.download_short_audio(), gigaam.utils.download_long_audio()
    text = packaged_model.transcribe(short)
    assert text == packaged_model.transcribe(gigaam.load_audio(short).numpy(), input_rate=RATE)
    samples = read_audio(long)
    assert 60 * RATE < len(samples) < 120 * RATE
    assert np.array_equal(samples[: len(read_audio(short))], read_audio(short))
    assert gigaam.utils.download_long_audio() == long
    assert [path.name for path in tmp_path.iterdir()] == ["long_example.wav"]
    assert gigaam.utils.format_time(61.5) == gigaam.format_time(61.5)


@pytest.mark.parametrize("part", ["encoder", "head.decoder", "head.joint"])
def test_parts_of_models_are_exported_one_by_one(part: str, tmp_path: Path) -> None:
    module = random_asr("v2_rnnt").get_submodule(part).eval()
    path = gigaam.utils.onnx_converter("part", module, tmp_path / "new")
    session = onnxruntime.InferenceSession(path)
    assert [each.name for each in session.get_inputs()] == module.input_names()
    assert [each.name for each in session.get_outputs()] == module.output_names()
    with torch.inference_mode():
        for batch in (1, 4):
            example = module.input_example(batch_size=batch)
            fed = [torch.randn_like(each) if each.is_floating_point() else each for each in example]
            wanted = module(*fed)
            wanted = wanted if isinstance(wanted, tuple) else (wanted,)
            named = dict(zip(module.input_names(), map(torch.Tensor.numpy, fed), strict=True))
            for one, other in zip(session.run(None, named), wanted, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-4)


def test_what_does_not_describe_itself_is_described_by_the_caller(tmp_path: Path) -> None:
    head = random_asr("v3_ctc").head
    with pytest.raises(gigaam.ArgumentError, match="CTCHead"):
        gigaam.utils.onnx_converter("head", head, tmp_path)
    path = gigaam.utils.onnx_converter(
        "head", head, tmp_path, (torch.randn(1, 32, 9),), ["x"], ["y"], {"x": {0: "b", 2: "t"}}
    )
    (log_probs,) = onnxruntime.InferenceSession(path).run(
        None, {"x": np.zeros((2, 32, 5), np.float32)}
    )
    assert log_probs.shape == (2, 5, 34)


def test_names_of_parts_are_those_of_exports() -> None:
    parts = random_asr("v2_rnnt").head
    encoder = random_ssl("v3_ssl").encoder
    assert encoder.input_names() == list(metadata.ENCODER_INPUTS)
    assert encoder.output_names() == list(metadata.ENCODER_OUTPUTS)
    assert parts.decoder.input_names() == list(metadata.DECODER_INPUTS)
    assert parts.decoder.output_names() == list(metadata.DECODER_OUTPUTS)
    assert parts.joint.input_names() == list(metadata.JOINT_INPUTS)
    assert parts.joint.output_names() == list(metadata.JOINT_OUTPUTS)
    for part in (encoder, parts.decoder, parts.joint):
        assert set(part.dynamic_axes()) == {*part.input_names(), *part.output_names()}


# ------------------------------------------------------------------------ 4 to 9: recognisers


def test_models_say_where_and_in_what_they_compute(model: gigaam.GigaAMASR) -> None:
    assert model._device == torch.device("cpu")
    assert model._dtype == torch.float32
    assert gigaam.model.SAMPLE_RATE == 16_000
    assert gigaam.model.LONGFORM_THRESHOLD == 400_000


def test_encodings_are_decoded_with_and_without_words(
    model: gigaam.GigaAMASR, example: Path
) -> None:
    wav = gigaam.load_audio(example)
    encoded, frames, samples = encode(model, wav, wav[: 2 * RATE])
    expected = [
        model.transcribe(each.numpy(), word_timestamps=True, input_rate=RATE)
        for each in (wav, wav[: 2 * RATE])
    ]
    found = model._decode(encoded, frames, samples, word_timestamps=True)
    assert [text for text, _ in found] == expected
    for (_, words), result in zip(found, expected, strict=True):
        assert [word.text for word in words] == [word.text for word in result.words]
        assert [word.start for word in words] == [word.start for word in result.words]
    assert model._decode(encoded, frames, samples) == [(str(text), None) for text in expected]


def test_search_gives_texts_tokens_and_frames(model: gigaam.GigaAMASR, example: Path) -> None:
    encoded, frames, samples = encode(model, gigaam.load_audio(example))
    with torch.enable_grad():
        ((text, ids, token_frames),) = model.decoding.decode(model.head, encoded, frames)
    result = model.transcribe(example, word_timestamps=True)
    assert text == result
    assert ids == result.hypothesis.ids.tolist()
    assert token_frames == result.hypothesis.frames.tolist()
    assert all(type(each) is int for each in (*ids, *token_frames))
    shift = compute_frame_shift(int(samples[0]), int(frames[0]))
    words = frames_to_words(model.decoding.tokenizer, ids, token_frames, shift)
    assert [(w.text, w.start, w.end) for w in words] == [
        (w.text, w.start, w.end) for w in result.words
    ]


def test_tokenizers_of_characters(model: gigaam.GigaAMASR) -> None:
    tokenizer = model.decoding.tokenizer
    assert tokenizer.charwise
    assert tokenizer.vocab == list(model.cfg.decoding.vocabulary)
    assert tokenizer.id_to_str(1) == tokenizer.vocab[1]
    assert model.decoding.blank_id == len(tokenizer) == len(tokenizer.vocab)


def test_tokenizers_of_pieces(tmp_path: Path) -> None:
    model = gigaam.load_model(build_published("v3_e2e_rnnt", tmp_path), device="cpu")
    tokenizer = model.decoding.tokenizer
    assert not tokenizer.charwise
    assert tokenizer.vocab == [tokenizer.model.IdToPiece(i) for i in range(len(tokenizer))]
    assert tokenizer.id_to_str(5) == tokenizer.model.IdToPiece(5)
    assert model.decoding.blank_id == len(tokenizer)


def test_states_are_joined_and_split(packaged_transducer: gigaam.GigaAMASR) -> None:
    decoding = packaged_transducer.decoding
    assert decoding.max_symbols == 10
    states = [(torch.randn(1, 1, 8), torch.randn(1, 1, 8)) for _ in range(3)]
    h, c = decoding._cat_states(states)
    assert h.shape == c.shape == (1, 3, 8)
    again = decoding._split_state((h, c))
    assert all(
        torch.equal(one, other)
        for before, after in zip(states, again, strict=True)
        for one, other in zip(before, after, strict=True)
    )


def test_too_long_recordings_say_so_in_the_words_programs_look_for(
    model: gigaam.GigaAMASR,
) -> None:
    with pytest.raises(ValueError, match="Too long wav file") as caught:
        model.transcribe(np.zeros(31 * RATE, np.float32), input_rate=RATE)
    assert "transcribe_longform" in str(caught.value)


# ------------------------------------------------------------------------ 10: ONNX


def test_exported_recognisers_give_lists(exported_model: Path, packaged_model, example) -> None:
    sessions, config = load_onnx(str(exported_model), "tiny_ctc")
    assert isinstance(config, DictConfig)
    assert config.model_class == "ctc"
    text = packaged_model.transcribe(example)
    wav = gigaam.load_audio(example)
    assert infer_onnx(str(example), config, sessions) == [text]
    assert infer_onnx(wav.numpy(), config, sessions, progress=False) == [text]
    assert infer_onnx([example, wav, wav.numpy()], config, sessions, batch_size=2) == [text] * 3
    with pytest.raises(gigaam.AudioTooLongError):
        infer_onnx(np.zeros(31 * RATE, np.float32), config, sessions)


@pytest.fixture(scope="module")
def small_exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("onnx")
    random_emo().to_onnx(directory)
    random_ssl("v3_ssl", n_layers=1).to_onnx(directory)
    return directory


def test_exported_emotion_models_give_arrays(small_exports: Path, noise: np.ndarray) -> None:
    sessions, config = load_onnx(small_exports, "emo")
    (probabilities,) = infer_onnx(noise, config, sessions)
    wanted = random_emo().get_probs(noise, input_rate=RATE)
    assert isinstance(probabilities, np.ndarray)
    assert probabilities.shape == (4,)
    assert probabilities == pytest.approx([*wanted.values()], abs=1e-5)
    assert [config.id2name[i] for i in range(4)] == list(wanted)


def test_exported_encoders_give_arrays(small_exports: Path, noise: np.ndarray) -> None:
    sessions, config = load_onnx(small_exports, "v3_ssl")
    first, second = infer_onnx([noise, noise[:RATE]], config, sessions)
    wanted, _ = random_ssl("v3_ssl", n_layers=1).embed_audio(noise, input_rate=RATE)
    np.testing.assert_allclose(first, wanted[0].numpy(), atol=1e-4)
    assert second.ndim == 2


# ------------------------------------------------------------------------ 11, 13: files


def test_tokenizers_of_fine_tuned_models_are_those_of_the_cache(
    publish: Callable[..., FileServer], tmp_path: Path, noise: np.ndarray
) -> None:
    server = publish("v3_e2e_ctc")
    (tmp_path / "runs").mkdir()
    path = build_fine_tuned("v3_e2e_ctc", tmp_path / "runs", model_name="e2e_ctc")
    beside = path.with_name("fine_tuned_tokenizer.model")
    expected = gigaam.load_model(path, device="cpu").decoding.tokenizer.vocab
    assert server.requests == []
    beside.unlink()
    model = gigaam.load_model(path, device="cpu")
    assert model.decoding.tokenizer.vocab == expected
    assert [file.suffix for file in (tmp_path / "cache").glob("*.model")] == [".model"]
    assert isinstance(model.transcribe(noise, input_rate=RATE), str)
    (tmp_path / "cache" / "v3_e2e_ctc_tokenizer.model").rename(tmp_path / "moved")
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "moved").rename(root / "v3_e2e_ctc_tokenizer.model")
    assert gigaam.load_model(path, device="cpu", download_root=root)


def test_a_fine_tuned_model_without_a_tokenizer_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIGAAM_OFFLINE", "1")
    monkeypatch.setenv("GIGAAM_CACHE", str(tmp_path / "cache"))
    path = build_fine_tuned("v3_e2e_ctc", tmp_path)
    path.with_name("fine_tuned_tokenizer.model").unlink()
    with pytest.raises(
        gigaam.TokenizerNotFoundError, match=r"v3_e2e_ctc_tokenizer\.model"
    ) as caught:
        gigaam.load_model(path, device="cpu")
    assert isinstance(caught.value.__cause__, gigaam.OfflineError)


def test_settings_of_the_package_can_be_read(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIGAAM_CACHE", str(tmp_path))
    assert str(tmp_path) == gigaam._CACHE_DIR
    assert gigaam._URL_DIR.startswith("https://")
    assert gigaam._MODEL_HASHES["v3_e2e_rnnt"] == "2730de7545ac43ad256485a462b0a27a"
    assert gigaam._MODEL_HASHES is gigaam._MODEL_HASHES
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    assert gigaam.hash_path(str(file)) == "900150983cd24fb0d6963f7d28e17f72"


def test_short_names_mean_v3_for_the_published_function(publish, tmp_path: Path) -> None:
    publish("v3_ctc")
    name, path = gigaam._download_model("ctc", str(tmp_path / "root"))
    assert (name, path) == ("v3_ctc", str(tmp_path / "root" / "v3_ctc.ckpt"))
    assert gigaam._download_tokenizer(name, str(tmp_path / "root")) is None
    publish("v3_e2e_rnnt")
    path = gigaam._download_tokenizer("e2e_rnnt", str(tmp_path / "root"))
    assert path == str(tmp_path / "root" / "v3_e2e_rnnt_tokenizer.model")
    assert Path(path).is_file()
    assert gigaam._download_model("tiny_ctc")[0] == "tiny_ctc"


def test_assigned_settings_are_honoured(package: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program with models of its own, on a server of its own."""
    served = tmp_path / "served"
    served.mkdir()
    build_published("v3_ctc", served).rename(served / "our_ctc.ckpt")
    build_published("v3_ssl", served)
    hashes = {path.stem: gigaam.hash_path(path) for path in served.glob("*.ckpt")}
    with FileServer(served) as server:
        package.setattr(gigaam, "_CACHE_DIR", str(tmp_path / "models"))
        package.setattr(gigaam, "_URL_DIR", server.url)
        package.setattr(gigaam, "_MODEL_HASHES", {**gigaam._MODEL_HASHES, **hashes})
        assert gigaam.load_model("our_ctc", device="cpu").cfg.model_class == "ctc"
        assert type(gigaam.load_model("v3_ssl", device="cpu")) is gigaam.GigaAM
        assert gigaam._download_model("our_ctc")[0] == "our_ctc"
    names = {path.name for path in (tmp_path / "models").glob("*.ckpt")}
    assert names == {"our_ctc.ckpt", "v3_ssl.ckpt"}


def test_changed_hashes_refuse_other_files(package: pytest.MonkeyPatch, tmp_path: Path) -> None:
    build_published("v3_ctc", tmp_path)
    package.setitem(MODEL_HASHES, "v3_ctc", "0" * 32)
    with pytest.raises(AssertionError, match="instead of 0000"):
        gigaam.load_model("v3_ctc", device="cpu", download_root=str(tmp_path))


def test_a_patched_hash_is_believed(package: pytest.MonkeyPatch, tmp_path: Path) -> None:
    build_published("v2_ctc", tmp_path)
    asked: list[str] = []

    def hash_path(path: str) -> str:
        asked.append(path)
        return gigaam._MODEL_HASHES["v2_ctc"]

    package.setattr(gigaam, "hash_path", hash_path)
    assert gigaam.load_model("v2_ctc", device="cpu", download_root=tmp_path)
    assert asked == [str(tmp_path / "v2_ctc.ckpt")]
    package.setattr(gigaam, "hash_path", lambda path: "another")
    with pytest.raises(AssertionError, match="its md5 is another"):
        gigaam.load_model("v2_ctc", device="cpu", download_root=tmp_path)


# ------------------------------------------------------------------------ 14, 18: nets


def test_a_loss_is_computed_from_the_parts_of_a_transducer() -> None:
    """As programs do it, with the LSTM's time first: the loss that this library minimises."""
    head = random_asr("v3_rnnt").head
    generator = torch.Generator().manual_seed(0)
    encoded = torch.randn(3, 32, 40, generator=generator)
    labels = torch.randint(0, 33, (3, 9), generator=generator)
    frames, lengths = torch.tensor([40, 30, 20]), torch.tensor([9, 4, 6])
    with torch.no_grad():
        embedded = head.decoder.embed(labels).transpose(0, 1)
        start = embedded.new_zeros(1, 3, embedded.size(2))
        predicted, _ = head.decoder.lstm(torch.cat([start, embedded]))
        joined = head.joint.joint(encoded.transpose(1, 2), predicted.transpose(0, 1))
        assert torch.allclose(joined, head(encoded, labels), atol=1e-5)
        arguments = labels.int(), frames.int(), lengths.int()
        loss = import_torchaudio().functional.rnnt_loss(
            joined, *arguments, blank=33, reduction="sum", fused_log_softmax=False
        )
        assert float(loss_of(head)(encoded, frames, labels, lengths)) == pytest.approx(float(loss))
        wrong, _ = head.decoder.lstm(torch.cat([start, embedded]).transpose(0, 1))
        assert not torch.allclose(wrong, predicted.transpose(0, 1), atol=1e-3)


def test_a_greedy_search_is_written_over_the_predictor(example: Path) -> None:
    """Symbol by symbol, frame by frame: the tokens that this library finds."""
    model = gigaam.load_model("tiny_rnnt", device="cpu")
    encoded, frames, _ = encode(model, gigaam.load_audio(example))
    decoder, joint, blank = model.head.decoder, model.head.joint, model.decoding.blank_id
    ids: list[int] = []
    state, last = None, None
    with torch.inference_mode():
        for t in range(int(frames[0])):
            for _ in range(model.decoding.max_symbols):
                g, after = decoder.predict(last, state, batch_size=1)
                assert g.shape == (1, 1, decoder.pred_hidden)
                token = int(joint.joint(encoded[:, :, t : t + 1].transpose(1, 2), g).argmax())
                if token == blank:
                    break
                ids.append(token)
                state, last = after, torch.tensor([[token]])
    ((_, expected, _),) = model.decoding.decode(model.head, encoded, frames)
    assert ids == expected
    h, c = after
    assert h.shape == c.shape == (decoder.lstm.num_layers, 1, decoder.pred_hidden)


def test_the_predictor_starts_for_a_batch_and_goes_on_from_states() -> None:
    decoder = random_asr("v2_rnnt").head.decoder
    labels = torch.tensor([[1, 2, 3], [4, 5, 6]])
    start, state = decoder.predict(None, None, batch_size=2)
    rest, after = decoder.predict(labels, state)
    assert torch.allclose(torch.cat([start, rest], 1), decoder.before_each(labels), atol=1e-6)
    predicted, h, c = decoder(labels[:, :1], *state)
    assert torch.equal(predicted, decoder.predict(labels[:, :1], state)[0])
    assert h.shape == c.shape == after[0].shape
    zeros = torch.zeros(1, 2, 24), torch.zeros(1, 2, 24)
    assert torch.equal(decoder.predict(labels, zeros)[0], decoder.predict(labels)[0])


@pytest.mark.parametrize("name", ["v1_ctc", "v2_rnnt", "v3_ctc"])
def test_encoders_step_by_step(name: str, noise: np.ndarray) -> None:
    model = random_asr(name)
    wav, lengths = torch.from_numpy(noise)[None], torch.tensor([len(noise)])
    with torch.inference_mode():
        features, frames = model.preprocessor(wav, lengths)
        subsampled, quarter = model.encoder.pre_encode(features.transpose(1, 2), frames)
        expected, encoded_lengths = model.encoder(features, frames)
        assert subsampled.shape == expected.transpose(1, 2).shape
        assert torch.equal(quarter, model.encoder.pre_encode.calc_output_length(frames))
        assert torch.equal(quarter, encoded_lengths)
        with model.encoder.onnx_export_mode():
            found, found_lengths = model.encoder(features, frames)
        assert torch.allclose(found, expected, atol=1e-4)
        assert torch.equal(found_lengths, encoded_lengths)
        assert torch.equal(model.encoder(features, frames)[0], expected)
    assert model.preprocessor.win_length == model.preprocessor.window.numel()


def test_encoders_are_exported_by_torch_itself(tmp_path: Path) -> None:
    encoder = random_ssl("v3_ssl", n_layers=1).encoder
    names = list(encoder.state_dict())
    with encoder.onnx_export_mode():
        torch.onnx.export(
            encoder,
            encoder.input_example(),
            tmp_path / "encoder.onnx",
            input_names=encoder.input_names(),
            output_names=encoder.output_names(),
            dynamo=True,
            opset_version=23,
            verbose=False,
        )
    assert list(encoder.state_dict()) == names
    session = onnxruntime.InferenceSession(tmp_path / "encoder.onnx")
    features, lengths = encoder.input_example()
    found, _ = session.run(None, {"audio_signal": features.numpy(), "length": lengths.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(found, encoder(features, lengths)[0], atol=1e-4)


@pytest.mark.parametrize("name", ["v3_ctc", "v2_rnnt", "v3_e2e_rnnt", "emo", "v1_ssl"])
def test_parts_are_built_from_configs(name: str, tmp_path: Path) -> None:
    model = gigaam.load_model(build_published(name, tmp_path), device="cpu")
    for part in ("preprocessor", "encoder", "head", "decoding"):
        if part not in model.cfg:
            continue
        built = hydra.utils.instantiate(model.cfg[part])
        own = getattr(model, part)
        assert type(built) is type(own)
        if part == "decoding":
            assert built.tokenizer.vocab == own.tokenizer.vocab
        else:
            built.load_state_dict(own.state_dict())


# ------------------------------------------------------------------------ 15: results


def test_results_are_made_by_hand_and_taken_apart() -> None:
    word = gigaam.Word(text="да", start=0.5, end=1.0)
    segment = gigaam.Segment("да", 0.5, 1.0, [word])
    result = gigaam.TranscriptionResult(text="да", words=[word])
    whole = gigaam.LongformTranscriptionResult(segments=[segment])
    assert (result.text, result.words, whole.segments, whole.text) == (
        "да",
        [word],
        [segment],
        "да",
    )
    times = {"text": "да", "start": 0.5, "end": 1.0}
    plain = {**times, "confidence": 1.0, "speaker": None, "overlapped": False}
    assert dataclasses.asdict(word) == plain
    assert dataclasses.asdict(segment)["words"] == [plain]
    assert dataclasses.asdict(result) == {"text": "да", "words": [plain], "confidence": 0.0}
    assert dataclasses.asdict(whole)["segments"] == [dataclasses.asdict(segment)]
    assert json.loads(json.dumps(dataclasses.asdict(whole)))["segments"][0]["text"] == "да"
    for each in (word, segment, result, whole):
        assert dataclasses.is_dataclass(each)
        assert dataclasses.replace(each) == each
    assert [field.name for field in dataclasses.fields(result)][:2] == ["text", "words"]


def test_results_of_models_are_taken_apart(model: gigaam.GigaAMASR, example: Path) -> None:
    result = model.transcribe(example, word_timestamps=True)
    taken = dataclasses.asdict(result)
    assert taken["text"] == result
    further = {"speaker": None, "overlapped": False}
    assert taken["words"] == [{**word.to_dict(), **further} for word in result.words]
    json.dumps(taken)


# ------------------------------------------------------------------------ 16: segmentation


@pytest.fixture(scope="module")
def long(example: Path) -> np.ndarray:
    """The packaged sentence five times, with pauses of two seconds."""
    return np.tile(np.pad(read_audio(example), (0, 2 * RATE)), 5)


def test_a_patched_segmentation_cuts(
    model: gigaam.GigaAMASR, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []
    wav = gigaam.load_audio(example)
    done: list[tuple[float, float | None]] = []

    def segment_audio_file(wav_file, sr, device=None, max_duration=22.0):
        calls.append((wav_file, sr, torch.device(device), max_duration))
        silence = torch.zeros(RATE)
        return [wav, silence, wav], [(1.0, 8.0), (8.0, 9.0), (20.0, 27.0)]

    monkeypatch.setattr(vad_utils, "segment_audio_file", segment_audio_file)
    text = model.transcribe(example)
    result = model.transcribe_longform(
        "call.wav", max_duration=10.0, progress=lambda *d: done.append(d)
    )
    assert calls == [("call.wav", RATE, torch.device("cpu"), 10.0)]
    assert [segment["transcription"] for segment in result] == [text, text]
    assert [segment["boundaries"] for segment in result] == [(1.0, 8.0), (20.0, 27.0)]
    assert done == [(27.0, 27.0)]
    timed = list(model.iter_longform("call.wav", word_timestamps=True, fr_batch_size=1))
    words = model.transcribe(example, word_timestamps=True).words
    assert [word.start for word in timed[1].words] == [20.0 + word.start for word in words]
    with pytest.raises(gigaam.ArgumentError, match="cannot be told channels"):
        model.transcribe_longform("call.wav", channels="split")
    with pytest.raises(gigaam.ArgumentError, match="cannot be told speakers"):
        model.transcribe_longform("call.wav", speakers=2)
    with pytest.raises(gigaam.ArgumentError, match="cannot be told context_s"):
        model.transcribe_longform("call.wav", chunking=gigaam.ChunkingOptions(context_s=1.0))
    assert model.transcribe_longform(example, vad="none").text == text
    assert len(calls) == 2


def test_a_segmentation_that_does_not_add_up(
    packaged_model: gigaam.GigaAMASR, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vad_utils, "segment_audio_file", lambda *a, **k: ([torch.zeros(RATE)], []))
    with pytest.raises(gigaam.ArgumentError, match="1 segments with 0 boundaries"):
        packaged_model.transcribe_longform("call.wav")


class Timeline:
    """What a pipeline of pyannote gives, as far as it is asked for."""

    def __init__(self, *stretches: tuple[float, float]) -> None:
        self.stretches = [SimpleNamespace(start=start, end=end) for start, end in stretches]

    def get_timeline(self) -> "Timeline":
        return self

    def support(self) -> list[SimpleNamespace]:
        return self.stretches


def test_a_pipeline_of_a_program_finds_the_speech(
    model: gigaam.GigaAMASR, long: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[dict[str, Any]] = []

    def pipeline(file: dict[str, Any]) -> Timeline:
        assert not torch.is_autocast_enabled("cpu")
        heard.append(file)
        return Timeline((10.0, 14.0))

    monkeypatch.setattr(vad_utils, "_PIPELINE", pipeline)
    (segment,) = model.transcribe_longform(long, input_rate=RATE)
    assert heard[0]["sample_rate"] == RATE
    assert 9.0 < segment.start < segment.end < 15.0
    assert len(model.transcribe_longform(long, input_rate=RATE, vad="silero").text) > 100
    assert len(heard) == 1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, boundaries = vad_utils.segment_audio(long, RATE)
    assert boundaries == [(pytest.approx(9.9), pytest.approx(14.1))]
    assert vad_utils.get_pipeline() is pipeline


def test_without_pyannote_a_pipeline_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(vad_utils, "_PIPELINE", None)
    file = tmp_path / "pytorch_model.bin"
    file.write_bytes(b"")
    if importlib.util.find_spec("pyannote") is not None:
        pytest.skip("pyannote is installed")
    with pytest.raises(gigaam.MissingDependencyError, match="longform"):
        vad_utils.get_pipeline("cpu", str(file))
    assert vad_utils._PIPELINE is None


# ------------------------------------------------------------------------ 17, 19: audio


def test_missing_recordings(tmp_path: Path) -> None:
    for kind in (RuntimeError, FileNotFoundError, ValueError):
        with pytest.raises(kind):
            gigaam.load_audio(str(tmp_path / "missing.wav"))


def test_samples_of_the_first_release(example: Path) -> None:
    floats = gigaam.preprocess.load_audio(str(example), RATE, return_format="float")
    integers = gigaam.preprocess.load_audio(str(example), RATE, return_format="int")
    assert floats.dtype == torch.float32
    assert integers.dtype == torch.int16
    assert torch.equal(integers.float() / 32768, floats)
    with pytest.raises(gigaam.ArgumentError, match="return_format"):
        gigaam.load_audio(example, return_format="double")  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("width", [2, 4])
def test_segments_of_pydub(channels: int, width: int) -> None:
    left = np.array([0, 1, -1, 2], np.int64) << (8 * width - 3)
    interleaved = np.stack([left, -left if channels == 2 else left])[:channels].T.ravel()
    segment = SimpleNamespace(
        frame_rate=RATE,
        channels=channels,
        sample_width=width,
        get_array_of_samples=lambda: interleaved.astype(f"i{width}"),
    )
    wav = vad_utils.audiosegment_to_tensor(segment)
    assert wav.dtype == torch.float32
    expected = [0.0, 0.25, -0.25, 0.5] if channels == 1 else [0.0] * 4
    assert wav.tolist() == expected


# ------------------------------------------------------------------------ 20: Hugging Face


def test_models_of_hugging_face_are_used_as_there(
    tmp_path: Path, noise: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = talkative_head("v3_e2e_rnnt", tmp_path / "plain")
    loaded = gigaam.load_model(build_hugging_face("v3_e2e_rnnt", tmp_path / "hf", edit=edit))
    model = loaded.to("cpu").eval()
    assert model.model is model
    assert model.model.encoder is model.encoder
    text = model.transcribe(noise, input_rate=RATE)
    assert text == model.model.transcribe(noise, input_rate=RATE)
    assert model.transcribe_longform(noise, input_rate=RATE, vad="none").segments
    assert model.embed_audio(noise, input_rate=RATE)[0].shape[0] == 1
    assert not any(name.startswith("model.") for name in model.state_dict())
    assert OmegaConf.is_config(model.cfg)
    assert tokenizer_model("v3_e2e_rnnt", len(model.decoding.tokenizer)) == (
        model.decoding.tokenizer.serialized
    )


# ------------------------------------------------------------------------ the page about them


PAGE = Path(__file__).parents[2] / "docs" / "moving.md"


def test_the_page_runs(example: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "example.wav").write_bytes(example.read_bytes())
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    exec(code, {})
    text, segment = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\[00:0\d:\d\d - 00:0\d:\d\d\]: " + text, segment)


def test_the_page_names_what_is_there(packaged_transducer: gigaam.GigaAMASR) -> None:
    text = PAGE.read_text("utf-8")
    joined = packaged_transducer
    places = [gigaam, gigaam.utils, vad_utils, gigaam.timestamps_utils, gigaam.onnx_utils]
    places += [gigaam.utils.AudioDataset]
    places += [joined, joined.decoding, joined.decoding.tokenizer, joined.encoder, joined.head]
    places += [joined.head.decoder, joined.head.joint, joined.encoder.pre_encode]
    names = set(re.findall(r"`[\w.]*?\b(_?[a-z]\w+)\(", text)) | set(re.findall(r"\b_\w+\b", text))
    names -= {"asdict", "str", "export", "load", "save"}  # of other places
    assert len(names) > 30
    assert {name for name in names if not any(hasattr(place, name) for place in places)} == set()
