"""Language models through public calls: both heads, torch and ONNX, trained by the command."""

from pathlib import Path

import pytest

import gigaam
import gigaam.ngrams
import gigaam.onnx
from gigaam.errors import ArgumentError, UnknownModelError
from gigaam.recognition import SpeechRecognition
from tests.exports import export_once

SAID = "ну а теперь довольно хныкать мне наплевать сколько войн ты проиграл"


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has seen the words of the packaged sentence, in other company too."""
    folder = tmp_path_factory.mktemp("lm")
    lines = [SAID, "довольно хныкать", "мне наплевать", "а теперь довольно", "ну а теперь"] * 20
    (folder / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    gigaam.ngrams.train([folder / "text.txt"], folder / "court.lm", order=2)
    return folder / "court.lm"


@pytest.mark.parametrize("head", ["ctc", "rnnt"])
def test_known_words_are_heard(
    head: str,
    lm: Path,
    packaged_model: gigaam.GigaAMASR,
    packaged_transducer: gigaam.GigaAMASR,
    example: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    packaged = {"ctc": packaged_model, "rnnt": packaged_transducer}[head]
    exported = gigaam.onnx.load(export_once(tmp_path_factory, f"tiny_{head}", packaged))
    assert isinstance(exported, SpeechRecognition)
    options = gigaam.DecodingOptions(lm=lm, n_best=3)
    result = packaged.transcribe(example, decoding=options)
    assert packaged.transcribe(example) != SAID
    assert result == SAID
    assert exported.transcribe(example, decoding=options) == result
    loaded = gigaam.ngrams.load(lm)
    assert packaged.transcribe_longform(example, lm=loaded, hotwords=["хныкать"]).text == SAID
    (segment,) = packaged.iter_longform(example, lm=lm)
    assert segment.text == SAID


def test_options_that_make_no_sense(
    lm: Path, packaged_model: gigaam.GigaAMASR, example: Path
) -> None:
    for name in ("lm_weight", "word_bonus"):
        with pytest.raises(ArgumentError, match="nothing without lm"):
            gigaam.DecodingOptions(**{name: 1.0})
    options = gigaam.DecodingOptions(lm=lm, lm_weight=0.5)
    with pytest.raises(ArgumentError, match="lm is given twice"):
        packaged_model.transcribe(example, lm=lm, decoding=options)
    with pytest.raises(UnknownModelError, match=r"nowhere\.lm"):
        packaged_model.transcribe(example, lm="nowhere.lm")
