"""onnx-asr and sherpa-onnx open what is exported for them, and hear what we hear."""

import importlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import gigaam.onnx
from gigaam.cli import app
from gigaam.decoder import CTCHead
from gigaam.errors import ArgumentError
from gigaam.evaluation.scoring import error_rates
from gigaam.model import GigaAM, GigaAMASR
from gigaam.onnx import OnnxASR
from gigaam.onnx.export import describe, export
from gigaam.onnx.layouts import arrange, check_layout, onnx_asr_name
from gigaam.onnx.runtime import from_sessions
from gigaam.onnx.sessions import open_sessions
from tests.exports import export_once
from tests.long_recordings import Spoken, held_out
from tests.nets import random_emo, random_ssl
from tests.publishing import small_model

RATE = 16_000

ADDED_CER = 0.025
"""What sherpa-onnx's front-end may cost: 0.011 was seen of CTC and of RNN-T
(0.020 on some recordings); 0.017 and 0.021 of earlier models."""

RANDOM = ["v1_ctc", "v1_rnnt", "v2_ctc", "v2_rnnt", "v3_ctc", "v3_rnnt", "v3_e2e_ctc"]
RANDOM += ["multilingual_ctc"]

Waveform = Any  # float32 [n]


def engine(name: str) -> Any:
    """The package of another engine; where CI has none, that is a failure."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{error}: it is in the extra 'dev'")
        pytest.skip(str(error))


@dataclass(frozen=True)
class Exported:
    """A model and its export, to be arranged for other engines.

    Attributes:
        model: The model.
        name: What it is called; begins the files' names.
        directory: Holds them.
    """

    model: GigaAMASR
    name: str
    directory: Path

    def for_engine(self, layout: Any, directory: Path) -> Path:
        """The same export in another layout."""
        for path in self.directory.iterdir():
            (directory / path.name).write_bytes(path.read_bytes())
        metadata = describe(self.model, self.name)
        check_layout(metadata, layout)
        arrange(directory, self.name, metadata, layout)
        return directory

    def onnx_asr(self, directory: Path) -> Any:
        if self.name == "tiny_rnnt":  # its predictor has to be widened, which is more than renaming
            export(self.model, directory, layout="onnx-asr", name=self.name)
            path = directory
        else:
            path = self.for_engine("onnx-asr", directory)
        name = onnx_asr_name(describe(self.model, self.name))
        return engine("onnx_asr").load_model(name, path)

    def sherpa(self, directory: Path) -> Callable[[Waveform], list[str]]:
        """Gives the tokens that sherpa-onnx finds."""
        path = self.for_engine("sherpa-onnx", directory)
        recognisers = engine("sherpa_onnx").OfflineRecognizer
        tokens = str(path / "tokens.txt")
        if isinstance(self.model.head, CTCHead):
            recogniser = recognisers.from_nemo_ctc(str(path / "model.onnx"), tokens)
        else:
            graphs = [str(path / f"{part}.onnx") for part in ("encoder", "decoder", "joiner")]
            recogniser = recognisers.from_transducer(*graphs, tokens, model_type="nemo_transducer")

        def recognise(samples: Waveform) -> list[str]:
            stream = recogniser.create_stream()
            stream.accept_waveform(RATE, samples)
            recogniser.decode_stream(stream)
            found: list[str] = stream.result.tokens
            return found

        return recognise


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory,
    packaged_model: GigaAMASR,
    packaged_transducer: GigaAMASR,
) -> Callable[[str], Exported]:
    """Models and their exports, each once."""
    done: dict[str, Exported] = {}

    def get(name: str) -> Exported:
        if name not in done:
            if name == "tiny_ctc":
                model: GigaAM = packaged_model
            elif name == "tiny_rnnt":
                model = packaged_transducer
            else:
                model = small_model(name, tmp_path_factory.mktemp("published"))
            assert isinstance(model, GigaAMASR)
            done[name] = Exported(model, name, export_once(tmp_path_factory, name, model))
        return done[name]

    return get


@pytest.fixture(scope="module")
def recordings() -> list[Spoken]:
    return held_out()


def scaled(spoken: Spoken) -> Waveform:
    return spoken.samples.astype(np.float32) / 32768


def our_tokens(model: Any, samples: Waveform, frames: float = np.inf) -> list[str]:
    """The tokens we find in so many of the first frames, written as texts have them."""
    found = model.transcribe(samples, input_rate=RATE).hypothesis
    pieces = model.decoding.tokenizer.pieces
    return [pieces[token].replace("▁", " ") for token in found.ids[found.frames < frames]]


@pytest.fixture(scope="module")
def noise() -> list[Waveform]:
    """Recordings in which random models hear words."""
    rng = np.random.default_rng(7)
    seconds = [4.0, 2.5, 3.2]
    return [(0.1 * rng.standard_normal(int(s * RATE))).astype(np.float32) for s in seconds]


# Every eighth, 24th or single one of the held-out recordings: all take a minute or two.
SOME_RECORDINGS = [
    ("tiny_ctc", 8),
    ("tiny_rnnt", 24),
    *(pytest.param(name, 1, marks=pytest.mark.slow) for name in ("tiny_ctc", "tiny_rnnt")),
]


@pytest.mark.parametrize(("name", "step"), SOME_RECORDINGS)
def test_onnx_asr_gives_our_text(
    name: str,
    step: int,
    exported: Callable[[str], Exported],
    recordings: list[Spoken],
    tmp_path: Path,
) -> None:
    ours = exported(name)
    theirs = ours.onnx_asr(tmp_path)
    chosen = recordings[::step]
    expected = ours.model.transcribe([each.samples for each in chosen], input_rate=RATE)
    # Two spaces in a row, which the model may emit, are one to onnx-asr.
    texts = [theirs.recognize(scaled(each), sample_rate=RATE) for each in chosen]
    assert texts == [" ".join(text.split()) for text in expected]
    assert error_rates([each.text for each in chosen], texts).cer < 0.15
    batch = [scaled(each) for each in chosen[:3]]
    assert theirs.recognize(batch, sample_rate=RATE) == texts[:3]


@pytest.mark.parametrize(
    "name", ["v3_e2e_rnnt", *(pytest.param(name, marks=pytest.mark.slow) for name in RANDOM)]
)
def test_engines_find_our_tokens(
    name: str, exported: Callable[[str], Exported], noise: list[Waveform], tmp_path: Path
) -> None:
    """Random nets of every family, characters and subwords."""
    for engine_name in ("asr", "sherpa", "features"):
        (tmp_path / engine_name).mkdir()
    ours = exported(name)
    asr = ours.onnx_asr(tmp_path / "asr").with_timestamps()
    sherpa = ours.sherpa(tmp_path / "sherpa")
    with_its_features = from_sessions(open_sessions(ours.directory, name), sherpa_features)
    assert isinstance(with_its_features, OnnxASR)
    for samples in noise:
        expected = our_tokens(ours.model, samples)
        assert len("".join(expected).split()) >= 5
        assert asr.recognize(samples, sample_rate=RATE).tokens == expected
        # Of a CTC graph it leaves out a last frame of which less than four frames of features are.
        whole = (len(samples) + 80) // 160 // 4 if name.endswith("ctc") else np.inf
        expected = our_tokens(with_its_features, samples, whole)
        assert [token.replace("▁", " ") for token in sherpa(samples)] == expected


def sherpa_features(samples: Waveform) -> Waveform:
    """The log-mel features [64, T] that sherpa-onnx 2.0.1 computes for GigaAM models.

    Kaldi's: frames of 400 samples around the middle of every 160, edges mirrored, high frequencies
    emphasised, 512 points; bands that are triangles in mel, not in Hz.
    """
    n = len(samples)
    index = np.arange((n + 80) // 160)[:, None] * 160 - 120 + np.arange(400)
    index = np.where(index < 0, -1 - index, index)
    index = np.where(index >= n, 2 * n - 1 - index, index)
    frames = samples[index].astype(np.float64)
    frames -= 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    power = np.abs(np.fft.rfft(frames * window, 512)) ** 2
    mels = 1127 * np.log1p(np.arange(257) * RATE / 512 / 700)
    edges = np.linspace(0, 1127 * np.log1p(8000 / 700), 66)
    rising = (mels[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mels[:, None]) / (edges[2:] - edges[1:-1])
    bands = np.minimum(rising, falling).clip(0)
    return np.log((power @ bands).clip(np.finfo(np.float32).eps)).T.astype(np.float32)


@pytest.mark.parametrize(("name", "step"), SOME_RECORDINGS)
def test_sherpa_hears_about_as_much(
    name: str,
    step: int,
    exported: Callable[[str], Exported],
    recordings: list[Spoken],
    tmp_path: Path,
) -> None:
    """It cuts frames of 25 ms, where the model knows 20, and emphasises high frequencies."""
    ours = exported(name)
    sherpa = ours.sherpa(tmp_path)
    chosen = recordings[::step]
    spoken = [each.text for each in chosen]
    expected = ours.model.transcribe([each.samples for each in chosen], input_rate=RATE)
    alone = error_rates(spoken, list(expected))
    theirs = error_rates(spoken, ["".join(sherpa(scaled(each))) for each in chosen])
    print(f"{name}: sherpa-onnx {theirs}, ours {alone}")
    assert alone.cer < 0.15
    assert abs(theirs.cer - alone.cer) <= ADDED_CER


def test_the_symbol_cap_goes_along(
    exported: Callable[[str], Exported], noise: list[Waveform], tmp_path: Path
) -> None:
    ours = exported("v3_e2e_rnnt")
    asr = ours.onnx_asr(tmp_path)
    cap = ours.model.decoding.max_symbols_per_step  # type: ignore[union-attr]
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["max_tokens_per_step"] == cap == 10
    assert asr.asr._max_tokens_per_step == cap
    # More than the three per frame that onnx-asr gives others are among the tokens compared above.
    results = ours.model.transcribe(noise, input_rate=RATE)
    assert any(np.bincount(result.hypothesis.frames).max() > 3 for result in results)


@pytest.mark.parametrize(
    "layout", ["sherpa-onnx", pytest.param("onnx-asr", marks=pytest.mark.slow)]
)
def test_from_the_command_line(layout: str, tmp_path: Path) -> None:
    arguments = ["export", "tiny_ctc", str(tmp_path), "--layout", layout]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    files = {
        "onnx-asr": ["config.json", "tiny_ctc.yaml", "v3_ctc.onnx", "v3_vocab.txt"],
        "sherpa-onnx": ["model.onnx", "tiny_ctc.yaml", "tokens.txt"],
    }[layout]
    assert result.stdout.splitlines() == [str(tmp_path / name) for name in files]


def test_our_runtime_opens_what_onnx_asr_opens(
    exported: Callable[[str], Exported], noise: list[Waveform], tmp_path: Path
) -> None:
    ours = exported("v3_e2e_rnnt")
    runtime = gigaam.onnx.load(ours.for_engine("onnx-asr", tmp_path))
    assert isinstance(runtime, OnnxASR)
    assert our_tokens(runtime, noise[0]) == our_tokens(ours.model, noise[0])


def test_models_that_an_engine_cannot_open(tmp_path: Path, packaged_model: GigaAMASR) -> None:
    with pytest.raises(ArgumentError, match="opens speech recognisers"):
        export(random_emo(), tmp_path, layout="onnx-asr")
    with pytest.raises(ArgumentError, match="opens speech recognisers"):
        random_ssl("v3_ssl").to_onnx(tmp_path, layout="sherpa-onnx")
    with pytest.raises(ArgumentError, match="1 layer, up to 320 wide"):
        small_model("v3_rnnt", tmp_path, hidden=400).to_onnx(tmp_path / "out", layout="onnx-asr")
    with pytest.raises(ArgumentError, match="not one of gigaam, onnx-asr, sherpa-onnx"):
        packaged_model.to_onnx(tmp_path, layout="nemo")  # type: ignore[arg-type]
    assert not list((tmp_path / "out").iterdir())
