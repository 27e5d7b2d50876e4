import copy
import pickle
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.decoding import CTCGreedyDecoding, RNNTGreedyDecoding
from gigaam.decoding.tokenizer import (
    CharTokenizer,
    SentencePieceTokenizer,
    Tokenizer,
    build_tokenizer,
)
from gigaam.errors import (
    CheckpointError,
    MissingDependencyError,
    ModelError,
    TokenizerNotFoundError,
)
from tests.small_sentencepiece import LINES, sentencepiece_model

LETTERS = " абвгдежзийклмнопрстуфхцчшщъыьэюя"


@pytest.fixture(scope="module")
def pieces():
    return SentencePieceTokenizer(sentencepiece_model())


def test_characters_there_and_back():
    tokenizer = CharTokenizer(list(LETTERS))
    assert isinstance(tokenizer, Tokenizer)
    assert len(tokenizer) == 33
    assert tokenizer.pieces == list(LETTERS)
    assert tokenizer.encode("да да") == [5, 1, 0, 5, 1]
    assert tokenizer.decode(tokenizer.encode("да да")) == "да да"
    assert [tokenizer.is_space(token) for token in (0, 1)] == [True, False]
    assert not tokenizer.starts_word(1)
    assert tokenizer.serialized is None


@settings(deadline=None)
@given(st.text(LETTERS))
def test_characters_decode_what_they_encode(text):
    tokenizer = CharTokenizer(LETTERS)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_character_outside_the_vocabulary_is_named():
    with pytest.raises(ModelError, match="'ё'"):
        CharTokenizer(LETTERS).encode("ёж")


@pytest.mark.parametrize("vocabulary", [[], ["а", "а"], ["а", ""]])
def test_vocabulary_that_is_none(vocabulary):
    with pytest.raises(CheckpointError, match="distinct characters"):
        CharTokenizer(vocabulary)


def test_pieces_there_and_back(pieces):
    assert isinstance(pieces, Tokenizer)
    assert len(pieces) == len(pieces.pieces) == 70
    for line in LINES:
        assert pieces.decode(pieces.encode(line)) == line
    assert pieces.decode([]) == ""
    first, second = pieces.encode("не")[0], pieces.encode("не")[-1]
    assert pieces.starts_word(first)
    assert first == second or not pieces.starts_word(second)
    assert not any(pieces.is_space(token) for token in range(70))


def test_pieces_decode_numpy_ids(pieces):
    import numpy as np

    ids = np.array(pieces.encode("дуб зелёный"), dtype=np.int64)
    assert pieces.decode(ids) == "дуб зелёный"


def test_unknown_piece_stands_alone_only_if_written_so(pieces):
    assert [token for token in range(70) if pieces.stands_alone(token)] == [0]
    glued = SentencePieceTokenizer(sentencepiece_model(unk_surface="?"))
    assert not any(glued.stands_alone(token) for token in range(70))


def test_pieces_from_a_file(tmp_path):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(sentencepiece_model())
    for source in (path, str(path)):
        tokenizer = SentencePieceTokenizer(source)
        assert tokenizer.serialized == path.read_bytes()


def test_pieces_survive_copies(pieces):
    for again in (copy.deepcopy(pieces), pickle.loads(pickle.dumps(pieces))):
        assert again.decode(again.encode("дуб")) == "дуб"


def test_missing_file(tmp_path):
    path = tmp_path / "v3_e2e_ctc_tokenizer.model"
    with pytest.raises(TokenizerNotFoundError, match=r"v3_e2e_ctc_tokenizer\.model") as caught:
        SentencePieceTokenizer(path)
    assert isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\0" * 64], ids=len)
def test_garbage(tmp_path, content):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(content)
    for source in (content, path):
        with pytest.raises(CheckpointError, match=f"not a .* model .{len(content)} bytes"):
            SentencePieceTokenizer(source)


def test_truncated_model():
    with pytest.raises(CheckpointError, match="not a SentencePiece model"):
        SentencePieceTokenizer(sentencepiece_model()[:-3])


def test_a_directory_is_no_model(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read"):
        SentencePieceTokenizer(tmp_path)


def test_sentencepiece_is_needed_only_for_pieces(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    assert CharTokenizer(LETTERS).decode([1]) == "а"
    with pytest.raises(MissingDependencyError, match="pip install sentencepiece"):
        SentencePieceTokenizer(b"")


@pytest.mark.parametrize("decoding", [CTCGreedyDecoding, RNNTGreedyDecoding])
def test_config_chooses_the_tokenizer(tmp_path, decoding):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(sentencepiece_model())
    of_pieces = decoding(vocabulary=None, model_path=str(path))
    assert isinstance(of_pieces.tokenizer, SentencePieceTokenizer)
    assert of_pieces.blank_id == 70
    assert isinstance(build_tokenizer(list("аб"), path), CharTokenizer)


def test_these_rooms_import_no_torch_and_sentencepiece_only_on_use():
    code = (
        "import sys, gigaam.types, gigaam.decoding.timestamps, gigaam.recognition.recognizer; "
        "print([name for name in ('torch', 'torchaudio', 'sentencepiece') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
