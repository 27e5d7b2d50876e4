"""What can be learnt from, and how what cannot is told."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from gigaam.dataset.manifests import read_manifest
from gigaam.decoding.tokenizer import CharTokenizer
from gigaam.errors import DatasetError
from gigaam.training.corpus import Limits, gather, read_transcriptions, readable
from gigaam.training.tasks.emotion import read_emotions
from tests.toy_recordings import words, write_manifest

ENCODE = CharTokenizer("abcd").encode
NOTHING = ["", "   ", "\N{NO-BREAK SPACE}", "…", "- - -", "\N{ZERO WIDTH SPACE}", "«»!?"]


@pytest.fixture
def manifest(tmp_path) -> Path:
    """Two transcriptions, and seven that say nothing."""
    texts = [*words(2), *NOTHING]
    return write_manifest(tmp_path / "train.tsv", words(len(texts)), values=texts)


def test_utterances_without_a_transcription_are_left_out_and_told(manifest, caplog):
    utterances = read_transcriptions([str(manifest)], normalize=True)
    corpus = gather(utterances, Limits(ENCODE, 25.0, 100.0))
    assert [u.text for u in corpus.utterances] == words(2)
    assert corpus.left_out == {"no transcription": 7}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    message = record.getMessage()
    assert f"left out 7 of 9 utterances, no transcription: {manifest}, line 4: " in message
    assert message.count("train.wav at 0:0") == 3  # the first ones
    assert message.endswith("; …")


def test_numbers_of_one_are_singular_and_a_row_is_named(tmp_path, caplog):
    caplog.set_level(logging.INFO, "gigaam")
    path = write_manifest(tmp_path / "train.tsv", words(3), values=["abc", "abЫ", "abc"])
    gather(read_transcriptions([str(path)], normalize=False), Limits(ENCODE, 25.0, 100.0))
    (message,) = caplog.messages
    assert message.startswith(
        "data.train: left out 1 of 3 utterances, characters outside the vocabulary: "
        f"{path}, line 3: {path.with_suffix('.wav')} at "
    )
    assert message.endswith(" ('abЫ')")
    silent = read_manifest(write_manifest(tmp_path / "silent.tsv", words(1), values=[""]))
    gather(silent, Limits(ENCODE, 25.0, 100.0, silence=True))
    assert caplog.messages[-1].startswith("learnt as silence: 1 utterance: ")
    with pytest.raises(DatasetError):
        gather(silent, Limits(ENCODE, 25.0, 100.0))
    assert "left out 1 of 1 utterance, no transcription: " in caplog.messages[-1]


def test_they_are_silence_if_that_is_said(manifest, caplog):
    caplog.set_level(logging.INFO, "gigaam")
    utterances = read_transcriptions([str(manifest)], normalize=True)
    corpus = gather(utterances, Limits(ENCODE, 25.0, 100.0, silence=True))
    assert [u.text for u in corpus.utterances] == [*words(2), *[""] * 7]
    assert not corpus.left_out
    (record,) = caplog.records
    assert record.getMessage().startswith("learnt as silence: 7 utterances: ")


def test_punctuation_is_text_where_the_model_writes_it(manifest):
    utterances = read_transcriptions([str(manifest)], normalize=False)
    corpus = gather(utterances, Limits(lambda text: [0], 25.0, 100.0))
    assert [u.text for u in corpus.utterances] == [*words(2), *NOTHING[3:]]
    assert corpus.left_out == {"no transcription": 3}


def test_each_reason_is_told_once_with_what_was_written(tmp_path, caplog):
    good, foreign, other, long, gone, unknown = read_manifest(
        write_manifest(tmp_path / "train.tsv", ["abc", "abЫ", "Ы", "abcdabcd", "abc", "abc"])
    )
    gone = replace(gone, path=tmp_path / "missing.wav")
    unknown = replace(unknown, n_samples=0, to_end=True)
    limits = Limits(ENCODE, 1.0, 100.0)
    corpus = gather([good, foreign, other, long, gone, unknown], limits)
    assert list(corpus.utterances) == [good]
    assert corpus.left_out == {
        "characters outside the vocabulary": 2,
        "longer than 1 s": 1,
        "no such file": 1,
        "no duration in the manifest or in the file's header": 1,
    }
    assert len(caplog.records) == 4
    assert "'abЫ'" in caplog.text
    with pytest.raises(DatasetError, match="nothing to learn from: no such file: 1"):
        gather([gone], limits)
    with pytest.raises(DatasetError, match="no utterances"):
        gather([], limits)


def test_development_set_is_what_can_be_judged(tmp_path, caplog):
    said, gone, nothing = read_manifest(
        write_manifest(tmp_path / "dev.tsv", words(3), values=["abc", "abc", ""])
    )
    gone = replace(gone, path=tmp_path / "missing.wav")
    assert list(readable([said, gone, nothing], "transcription", False)) == [said]
    assert len(caplog.records) == 2
    assert list(readable([said, nothing], "transcription", True)) == [said, nothing]
    assert list(readable([], "transcription", False)) == []
    with pytest.raises(DatasetError, match="no usable utterance: no such file: 1"):
        readable([gone], "transcription", False)


def test_emotions_that_are_not_told_are_none(tmp_path, caplog):
    path = write_manifest(
        tmp_path / "train.tsv", words(4), column="emotion", values=["sad", "", "glad", "  "]
    )
    utterances = read_emotions([str(path)])
    numbers = {"sad": [0], "glad": [1]}
    corpus = gather(utterances, Limits(numbers.__getitem__, 25.0, 100.0, "emotion"))
    assert [u.text for u in corpus.utterances] == ["sad", "glad"]
    assert corpus.left_out == {"no emotion": 2}
