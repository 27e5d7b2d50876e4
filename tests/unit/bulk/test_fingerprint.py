"""What a run depends on: files by what they hold, options by what they mean."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import gigaam
from gigaam.bulk.fingerprint import differences, identity_of, made_by
from gigaam.errors import ArgumentError, UnknownModelError
from gigaam.store.digests import model_digest
from gigaam.store.resolver import find


def options_of(**listening: Any) -> dict[str, Any]:
    options: dict[str, Any] = identity_of("tiny_ctc", listening)["options"]  # type: ignore[arg-type]
    json.dumps(options)
    return options


def test_defaults_are_not_told() -> None:
    assert options_of() == options_of(vad="auto", channels="mix", track=None) == {}


def test_files_count_by_what_they_hold(tmp_path: Path) -> None:
    first, second = tmp_path / "a.wav", tmp_path / "b.wav"
    first.write_bytes(b"anna")
    second.write_bytes(b"anna")
    known = options_of(known_speakers={"Анна": first})
    assert known == options_of(known_speakers={"Анна": str(second)})
    second.write_bytes(b"maria")
    assert known != options_of(known_speakers={"Анна": second})


def test_searches_count_by_what_they_mean(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("Ватутин:2\n", encoding="utf-8")
    from_file = options_of(decoding=gigaam.DecodingOptions(hotwords=names))
    from_list = options_of(decoding=gigaam.DecodingOptions(hotwords={"Ватутин": 2.0}))
    assert from_file == from_list == {"decoding": {"hotwords": {"Ватутин": 2.0}}}
    assert options_of(decoding=gigaam.DecodingOptions(beam_size=4)) == {
        "decoding": {"beam_size": 4}
    }


def test_models_count_by_their_files(tmp_path: Path) -> None:
    packaged = find("tiny_ctc")
    assert isinstance(packaged, gigaam.ModelInfo)
    assert packaged.directory is not None
    copy = tmp_path / "copy"
    shutil.copytree(packaged.directory, copy)
    assert model_digest(find(copy)) == model_digest(packaged)
    before = identity_of("tiny_ctc", {})
    assert differences(before, identity_of(str(copy), {})) == []
    with open(copy / "config.yaml", "a") as file:
        file.write("\n")
    (told,) = differences(before, identity_of(str(copy), {}))
    assert told == f"the model tiny_ctc, not {copy}"


def test_differences_are_told() -> None:
    before = {"gigaam": "1", "model": {"name": "a", "sha256": "x"}, "options": {"vad": "none"}}
    now = {"gigaam": "2", "model": {"name": "a", "sha256": "y"}, "options": {"speakers": 2}}
    assert differences(before, now) == [
        "gigaam 1, not 2",
        "the model another a",
        "speakers left out, not 2",
        'vad "none", not left out',
    ]
    assert differences(before, before) == []


def test_rows_say_how_they_were_made() -> None:
    identity = identity_of("tiny_ctc", {"speakers": (2, 3)})
    assert made_by(identity) == {"model": "tiny_ctc", "options": '{"speakers": [2, 3]}'}


@pytest.mark.parametrize(
    ("listening", "told"),
    [
        ({"input_rate": 8000}, "input_rate means nothing"),
        ({"progress": True}, "progress means nothing"),
        ({"vad": object()}, "vad is a object"),
        ({"known_speakers": {"a": b"bytes"}}, "must be the path"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_options_that_workers_cannot_be_told(listening: Any, told: str) -> None:
    with pytest.raises(ArgumentError, match=told):
        identity_of("tiny_ctc", listening)


def test_unknown_models() -> None:
    with pytest.raises(UnknownModelError):
        identity_of("no_such_model", {})
