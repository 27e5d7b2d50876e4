"""Hotwords and beams through public calls: both heads, torch and ONNX, short and long."""

from collections.abc import Callable
from pathlib import Path

import pytest

import gigaam
import gigaam.onnx
from gigaam.errors import ArgumentError
from gigaam.recognition import SpeechRecognition
from tests.exports import export_once

HEADS = ["ctc", "rnnt"]
MISHEARD = "довольно хныкать"  # what both packaged models spell another way
WEIGHTED = {MISHEARD: 2.0}

Model = Callable[[str], SpeechRecognition]


@pytest.fixture(scope="module")
def torch_model(packaged_model: gigaam.GigaAMASR, packaged_transducer: gigaam.GigaAMASR) -> Model:
    return {"ctc": packaged_model, "rnnt": packaged_transducer}.__getitem__


@pytest.fixture(scope="module")
def onnx_model(torch_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Model:
    def load(head: str) -> SpeechRecognition:
        model = torch_model(head)
        assert isinstance(model, gigaam.GigaAMASR)
        loaded = gigaam.onnx.load(export_once(tmp_path_factory, f"tiny_{head}", model))
        assert isinstance(loaded, SpeechRecognition)
        return loaded

    return load


@pytest.mark.parametrize("head", HEADS)
def test_a_hotword_is_heard(head: str, torch_model: Model, example: Path) -> None:
    model = torch_model(head)
    plain = model.transcribe(example, word_timestamps=True)
    found = model.transcribe(example, word_timestamps=True, hotwords=WEIGHTED)
    assert MISHEARD not in plain
    assert MISHEARD in found
    assert found.confidence < plain.confidence  # the nets' own, which no hotword raises
    others = {each.text: each for each in plain.words or ()}
    for each in found.words or ():
        if each.text in others:
            assert each.start == pytest.approx(others[each.text].start, abs=0.05)


@pytest.mark.parametrize("head", HEADS)
def test_the_same_from_torch_and_onnx(
    head: str, torch_model: Model, onnx_model: Model, example: Path
) -> None:
    options = gigaam.DecodingOptions(beam_size=6, n_best=4, hotwords=WEIGHTED)
    texts = []
    for model in (torch_model(head), onnx_model(head)):
        result = model.transcribe(example, decoding=options)
        texts.append([str(each) for each in (result, *result.alternatives)])
        scores = [each.score or 0.0 for each in (result, *result.alternatives)]
        assert scores == sorted(scores, reverse=True)
        assert len(set(texts[-1])) == len(texts[-1]) > 1
    assert texts[0] == texts[1]


@pytest.mark.parametrize("head", HEADS)
def test_long_recordings_and_batches(head: str, torch_model: Model, example: Path) -> None:
    model = torch_model(head)
    alone = model.transcribe(example, hotwords=WEIGHTED)
    assert model.transcribe([example, example], hotwords=WEIGHTED) == [alone, alone]
    long = model.transcribe_longform(example, vad="none", hotwords=WEIGHTED)
    assert long.text == alone
    (segment,) = model.iter_longform(
        example, vad="none", decoding=gigaam.DecodingOptions(hotwords=WEIGHTED)
    )
    assert segment.text == alone


@pytest.mark.parametrize("head", HEADS)
def test_a_beam_without_hotwords_is_nearly_greedy(
    head: str, torch_model: Model, example: Path
) -> None:
    model = torch_model(head)
    greedy, beam = (
        model.transcribe(example, decoding=gigaam.DecodingOptions(beam_size=size))
        for size in (1, 8)
    )
    assert greedy == model.transcribe(example)
    assert len(set(greedy.split()) ^ set(beam.split())) <= 4


def test_no_hotwords_are_as_none(torch_model: Model, example: Path) -> None:
    model = torch_model("rnnt")
    options = gigaam.DecodingOptions(hotwords=[" "], hotword_weight=2.0)
    assert options.is_greedy
    assert model.transcribe(example, decoding=options) == model.transcribe(example)


def test_hotwords_of_a_file(torch_model: Model, example: Path, tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text(f"# from the shop\n{MISHEARD}:2\nкаско\n", encoding="utf-8")
    assert MISHEARD in torch_model("rnnt").transcribe(example, hotwords=file)


def test_what_cannot_be_spelled_is_named(torch_model: Model, example: Path) -> None:
    for _ in range(2):  # the graph is made once, and the warning comes again
        with pytest.warns(UserWarning, match="hotwords GPT-4: they are left out"):
            torch_model("ctc").transcribe(example, hotwords=["GPT-4", "каско"])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"n_best": 3}, "beam_size of 3 or more"),
        ({"beam_size": 0}, "beam_size must be a whole number from 1, not 0"),
        ({"beam_size": True}, "beam_size must be a whole number"),
        ({"n_best": None}, "n_best must be a whole number"),
        ({"search": 3}, "search must be the name of a search, not 3"),
        ({"lm": b"x.lm"}, 'lm must be "packaged", the path'),
        ({"lm": "x.lm", "lm_weight": float("nan")}, "lm_weight must be a number from 0 to 100"),
        ({"lm": "x.lm", "lm_weight": -1}, "lm_weight must be a number from 0 to 100, not -1"),
        ({"lm": "x.lm", "word_bonus": "1"}, "word_bonus must be a number from -100 to 100"),
        ({"hotword_weight": 2.0}, "nothing without hotwords"),
        ({"inflect": True}, "nothing without hotwords"),
        ({"hotwords": ["а"], "inflect": "no"}, "inflect must be True or False, not 'no'"),
        ({"hotwords": ["а"], "hotword_weight": float("nan")}, "hotword_weight"),
        ({"hotwords": "каско"}, "list"),
        ({"pruning": gigaam.decoding.Pruning()}, "beam"),
        ({"pruning": 3}, "pruning must be a Pruning, not 3"),
    ],
)
def test_options_that_make_no_sense(options: dict, reason: str) -> None:
    with pytest.raises(ArgumentError, match=reason):
        gigaam.DecodingOptions(**options)


def test_options_that_do_not_go_with_a_call(torch_model: Model, example: Path) -> None:
    model = torch_model("ctc")
    options = gigaam.DecodingOptions(hotwords=["каско"], n_best=2)
    with pytest.raises(ArgumentError, match="must be DecodingOptions, not"):
        model.transcribe(example, decoding={"beam_size": 4})  # type: ignore[call-overload]
    with pytest.raises(ArgumentError, match="given twice"):
        model.transcribe(example, hotwords=["осаго"], decoding=options)
    with pytest.raises(ArgumentError, match="one pass"):
        model.transcribe_longform(example, decoding=options)
    greedy = gigaam.DecodingOptions(search="greedy", hotwords=["каско"])
    with pytest.raises(ArgumentError, match="beam"):
        model.transcribe(example, decoding=greedy)
    capped = gigaam.DecodingOptions(hotwords=["каско"], max_symbols_per_step=3)
    with pytest.raises(ArgumentError, match="RNN-T"):
        model.transcribe(example, decoding=capped)
