"""Which files a manifest names for the speakers of its recordings, and what is taken of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from gigaam.dataset.conversations import Said
from gigaam.dataset.manifests import read_manifest
from gigaam.errors import DatasetError
from gigaam.evaluation.speaker_references import SpeakerReference, read_references
from gigaam.speakers import Turn

RTTM = """\
SPEAKER one 1 0 2 <NA> <NA> anna <NA> <NA>
SPEAKER one 1 2 3 <NA> <NA> boris <NA> <NA>
SPEAKER two 1 1 1 <NA> <NA> vera <NA> <NA>
"""
STM = "one 1 anna 0 2 раз два\none 1 boris 2 5 три\ntwo 1 vera 1 2 да\n"


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    (tmp_path / "both.rttm").write_text(RTTM)
    (tmp_path / "both.stm").write_text(STM, encoding="utf-8")
    (tmp_path / "silent.rttm").write_text("")
    (tmp_path / "one.json").write_text(
        json.dumps([{"speaker": "a", "start_time": 1, "end_time": 2, "words": "да"}])
    )


def references(folder: Path, *rows: dict[str, Any]) -> list[SpeakerReference]:
    lines = (json.dumps({"path": "one.wav", **row}) for row in rows)
    (folder / "m.jsonl").write_text("\n".join(lines))
    found = read_references(read_manifest(folder / "m.jsonl", required=()))
    assert list(found) == list(range(1, len(rows) + 1))
    return list(found.values())


@pytest.mark.parametrize("column", ["rttm", "rttm_filepath"])
def test_turns_of_rttm(column: str, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{}, {"path": "sub/two.flac"}, {"session_id": "two"}]
    one, two, same = references(tmp_path, *({column: "both.rttm", **row} for row in rows))
    assert one == SpeakerReference([Turn(0, 2, "anna"), Turn(2, 5, "boris")], None)
    assert two == same == SpeakerReference([Turn(1, 2, "vera")], None)
    assert (one.n_speakers, two.n_speakers) == (2, 1)


@pytest.mark.parametrize("column", ["stm", "stm_filepath"])
def test_words_have_times_too(column: str, tmp_path: Path) -> None:
    (one,) = references(tmp_path, {column: str(tmp_path / "both.stm"), "rttm": None})
    assert one.turns == [Turn(0, 2, "anna"), Turn(2, 5, "boris")]
    assert one.words == [Said(0, 2, "anna", "раз два"), Said(2, 5, "boris", "три")]


def test_turns_come_from_rttm_if_there_is_one(tmp_path: Path) -> None:
    (one,) = references(tmp_path, {"rttm": "silent.rttm", "seglst": "one.json"})
    assert one == SpeakerReference([], [Said(1, 2, "a", "да")])


def test_an_utterance_has_its_part(tmp_path: Path) -> None:
    row = {"rttm": "both.rttm", "stm": "both.stm"}
    part, rest = references(
        tmp_path, {**row, "offset": 0.25, "duration": 1.5}, {**row, "offset": 2.25}
    )
    assert part.turns == [Turn(0, 1.5, "anna")]
    assert part.words == [Said(-0.25, 1.75, "anna", "раз два")]
    assert rest.turns == [Turn(0, 2.75, "boris")]
    assert rest.words == [Said(-0.25, 2.75, "boris", "три")]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({}, "who speaks is not known: .* need a column rttm, stm or seglst"),
        ({"rttm": " "}, "who speaks is not known"),
        ({"stm": "both.stm", "seglst": "one.json"}, "stm and seglst are for the same"),
        ({"rttm": "a", "rttm_filepath": "b"}, "rttm and rttm_filepath are for the same"),
        ({"rttm": "both.rttm", "path": "x.wav"}, "nothing of 'x' but of one, two; .* session_id"),
        ({"seglst": "one.json", "session_id": "S1"}, "says nothing of 'S1'"),
        ({"rttm": "silent.rttm", "session_id": "S1"}, "nothing of 'S1' but of nobody"),
        ({"stm": "both.stm", "offset": 1}, "amid what anna says from 0.0 to 2.0 s: choose"),
        ({"stm": "both.stm", "duration": 4}, "amid what boris says"),
    ],
)
def test_what_cannot_be_used(row: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=rf"m\.jsonl, line 2: .*{complaint}"):
        references(tmp_path, {"rttm": "both.rttm"}, row)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"RTTM file .*no\.rttm cannot be read"):
        references(tmp_path, {"rttm": "no.rttm"})
