"""Searches are exchanged without a word to the nets: one added here runs over every backend."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gigaam
import gigaam.onnx
from gigaam.decoding import (
    CTCGreedyDecoding,
    DecodingOptions,
    Hypothesis,
    RNNTGreedyDecoding,
    register_search,
    searches,
)
from gigaam.decoding.searches import ModelDecoding
from gigaam.errors import ArgumentError, ModelError
from gigaam.recognition import SpeechRecognition
from tests.exports import export_once


class EveryOther:
    """Finds every other token of what the model's own search finds."""

    def __init__(self, decoding: ModelDecoding, options: DecodingOptions) -> None:
        self.decoding = decoding

    def find(self, nets: Any, encoded: Any) -> list[Hypothesis]:
        found = self.decoding.find(nets, encoded)
        return [Hypothesis(h.ids[::2], h.frames[::2], h.log_probs[::2]) for h in found]


@pytest.fixture
def every_other() -> Iterator[DecodingOptions]:
    register_search("every-other", EveryOther)
    yield DecodingOptions(search="every-other")
    del searches._BUILDERS["every-other"]


@pytest.fixture(params=["torch-ctc", "torch-rnnt", "onnx-ctc", "onnx-rnnt"])
def model(
    request: pytest.FixtureRequest,
    packaged_model: gigaam.GigaAMASR,
    packaged_transducer: gigaam.GigaAMASR,
    tmp_path_factory: pytest.TempPathFactory,
) -> SpeechRecognition:
    runtime, _, head = request.param.partition("-")
    packaged = {"ctc": packaged_model, "rnnt": packaged_transducer}[head]
    if runtime == "torch":
        return packaged
    return gigaam.onnx.load(export_once(tmp_path_factory, f"tiny_{head}", packaged))


def test_a_search_of_ones_own(
    model: SpeechRecognition, example: Path, every_other: DecodingOptions
) -> None:
    whole = model.transcribe(example)
    assert whole.hypothesis is not None
    expected = model.decoding.tokenizer.decode(whole.hypothesis.ids[::2].tolist())
    assert expected != whole

    assert model.transcribe(example, decoding=every_other) == expected
    assert model.transcribe([example], decoding=every_other) == [expected]
    long = model.transcribe_longform(example, vad="none", decoding=every_other)
    assert long.text == expected
    segments = model.iter_longform(example, vad="none", decoding=every_other)
    assert [segment.text for segment in segments] == [expected]
    assert model.transcribe(example) == whole


def test_a_search_for_another_head(model: SpeechRecognition, example: Path) -> None:
    other = {"ctc": RNNTGreedyDecoding, "rnnt": CTCGreedyDecoding}[model.decoding.head](["а"])
    encoded = model.encode([np.zeros(16_000, np.float32)])
    with pytest.raises(ModelError, match="does not go with this model's head"):
        other.find(model, encoded)


def test_fewer_tokens_per_frame(model: SpeechRecognition, example: Path) -> None:
    one = DecodingOptions(max_symbols_per_step=1)
    if model.decoding.head == "ctc":
        with pytest.raises(ArgumentError, match="max_symbols_per_step is for RNN-T models"):
            model.transcribe(example, decoding=one)
        return
    found = model.transcribe(example, decoding=one).hypothesis
    assert found is not None
    assert (np.diff(found.frames) > 0).all()
    assert len(found) > 20


def test_a_search_that_nobody_knows(model: SpeechRecognition, example: Path) -> None:
    with pytest.raises(ArgumentError, match=r"no search is called 'best'; there are greedy, beam"):
        model.transcribe(example, decoding=DecodingOptions(search="best"))


@pytest.mark.parametrize("limit", [0, -1, 1.5])
def test_options_are_checked(limit: Any) -> None:
    with pytest.raises(ArgumentError, match=f"whole number from 1, not {limit}"):
        DecodingOptions(max_symbols_per_step=limit)
