"""People who go by name: what a form may say of them, and how their recordings are read."""

from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import numpy as np
import pytest
from starlette.datastructures import FormData

from gigaam.server.form_fields import FormFields
from gigaam.server.jobs.references import with_digests, with_references
from gigaam.server.known_speakers import (
    KnownSpeaker,
    calling_by_name,
    check_recordings,
    stated_seconds,
)
from gigaam.server.refusals import Refusal
from gigaam.server.wishes import Wishes
from gigaam.speakers import diarize
from gigaam.speakers.graphs import VARIABLE
from tests.speaker_nets import HIGH_HZ, LOW_HZ, silence, voice, write_nets
from tests.waves import write_wav

SPEAKERS = ("speakers", "auto")
SOUND = "data:audio/wav;base64," + b64encode(b"RIFF").decode()


def known(*pairs: tuple[str, str]) -> list[tuple[str, bytes]]:
    wishes = Wishes.read(FormFields(FormData(pairs)), None)
    assert wishes.ignored == ()
    return [(person.name, person.recording) for person in wishes.known]


def named(*names: str, reference: str = SOUND) -> list[tuple[str, str]]:
    references = [("known_speaker_references[]", reference) for _ in names]
    return [SPEAKERS, *(("known_speaker_names[]", name) for name in names), *references]


def test_names_and_references_go_together() -> None:
    both = [("Анна", b"RIFF"), ("Пётр", b"RIFF")]
    assert known(*named("Анна", "Пётр")) == both
    plain = [(name.removesuffix("[]"), value) for name, value in named("Анна", "Пётр")]
    assert known(*plain) == both
    assert known(*plain[1:], ("response_format", "diarized_json")) == both
    names, references = '["Анна", "Пётр"]', f'["{SOUND}", "{SOUND}"]'
    listed = [("known_speaker_names", names), ("known_speaker_references", references)]
    assert known(SPEAKERS, *listed) == both
    blank = [("known_speaker_names[]", " "), ("known_speaker_references[]", "")]
    assert known(*blank) == known(SPEAKERS, *blank) == []


@pytest.mark.parametrize(
    "reference",
    [
        "data:;base64,UklGRg==",
        "data:audio/ogg; codecs=opus;base64,UklGRg==",
        "DATA:AUDIO/WAV;BASE64,UklGRg",
        "data:audio/wav;base64,Ukl\r\n GRg==\n",
    ],
)
def test_data_urls_are_read_as_browsers_read_them(reference: str) -> None:
    assert known(*named("Анна", reference=reference)) == [("Анна", b"RIFF")]


@pytest.mark.parametrize(
    ("pairs", "param", "told"),
    [
        (named("Анна")[1:], "known_speaker_names", "need the response_format diarized_json"),
        (named("Анна")[2:], "known_speaker_references", "need the response_format"),
        (named("Анна")[:2], "known_speaker_references", "there are 1 and 0"),
        (named("Анна", "Пётр")[:4], "known_speaker_references", "there are 2 and 1"),
        (named(*map(str, range(11))), "known_speaker_names", "there may be 10"),
        (named("Анна", ""), "known_speaker_names", "known speaker 2 has a blank name"),
        (named("Анна", "Пётр", "Анна"), "known_speaker_names", "two known .* called 'Анна'"),
        (named("SPEAKER_01"), "known_speaker_names", "cannot be called 'SPEAKER_01'"),
        (named("B"), "known_speaker_names", "cannot be called 'B'"),
        (named("unknown"), "known_speaker_names", "cannot be called 'unknown'"),
        (named("я" * 101), "known_speaker_names", "100 characters"),
        (named("Ан\nна"), "known_speaker_names", "in one line"),
        *(
            (named("Анна", reference=each), "known_speaker_references", told)
            for each, told in [
                ("", "data URL"),
                ("/etc/passwd", "data URL .*, not '/etc/passwd'"),
                ("file:///etc/passwd", "data URL"),
                ("https://example.org/anna.wav", "data URL"),
                ("data:audio/wav;base64", "data URL"),
                ("data:audio/wav,%52%49", "base64"),
                ("data:audio/wav;base64,Анна", "base64"),
                ("data:audio/wav;base64,UklG*g==", "base64"),
                ("data:audio/wav;base64,UklGR", "base64"),
                (f"data:;base64,{urlsafe_b64encode(b'~~~???').decode()}", "base64"),
                ("data:audio/wav;base64,", "is empty"),
            ]
        ),
    ],
)
def test_refusals_name_the_field(pairs: list[tuple[str, str]], param: str, told: str) -> None:
    with pytest.raises(Refusal, match=told) as refused:
        known(*pairs)
    assert (refused.value.status, refused.value.param) == (400, param)


def person(path: Path, hertz: float, seconds: float, name: str = "Анна") -> KnownSpeaker:
    return KnownSpeaker(name, write_wav(path / "known.wav", voice(hertz, seconds)).read_bytes())


def test_recordings_are_decoded_within_bounds(tmp_path: Path) -> None:
    anna = person(tmp_path, LOW_HZ, 3)
    assert len(anna.samples()) == 48_000
    check_recordings([anna, person(tmp_path, LOW_HZ, 30)])
    with pytest.raises(Refusal, match=r"'Анна' is too long: it may have 30 s"):
        check_recordings([anna, person(tmp_path, LOW_HZ, 31)])
    noise = KnownSpeaker("Анна", b"nothing that could be heard")
    with pytest.raises(Refusal, match=r"'Анна' cannot be used: .*cannot be decoded") as refused:
        check_recordings([noise])
    assert refused.value.error["param"] == "known_speaker_references"
    assert refused.value.code == "invalid_audio"
    assert stated_seconds([anna, person(tmp_path, LOW_HZ, 100), noise]) == 3 + 30 + 30


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_nets(tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path))


@pytest.mark.usefixtures("nets")
def test_voices_are_heard_one_after_another(tmp_path: Path) -> None:
    anna, petr = person(tmp_path, LOW_HZ, 3), person(tmp_path, HIGH_HZ, 4, "Пётр")
    told: list[object] = []
    options = calling_by_name(
        {"speakers": (2, 2), "track": 1}, [anna, petr], lambda: told.append("?"), told.append
    )
    assert told == ["?", 3.0, "?", 4.0]
    diarizer, count = options.pop("speakers")  # type: ignore[misc]
    assert (count, options) == ((2, 2), {"track": 1})
    both = np.concatenate([voice(HIGH_HZ, 4), silence(1), voice(LOW_HZ, 4)])
    assert [turn.speaker for turn in diarize((16_000, both), diarizer)] == ["Пётр", "Анна"]
    assert calling_by_name({"track": 1}, [], lambda: told.append("?")) == {"track": 1}


@pytest.mark.usefixtures("nets")
def test_nobody_is_heard_for_those_who_left(tmp_path: Path) -> None:
    def gone() -> None:
        raise InterruptedError

    heard: list[float] = []
    with pytest.raises(InterruptedError):
        calling_by_name({"speakers": "auto"}, [person(tmp_path, LOW_HZ, 3)], gone, heard.append)
    assert heard == []


@pytest.mark.usefixtures("nets")
@pytest.mark.parametrize(
    ("second", "told"),
    [
        ((HIGH_HZ, 1.5), r"'Пётр' holds 1\.\d s of speech; at least 2 s"),
        ((LOW_HZ, 4), "'Анна' and 'Пётр' have the same voice"),
    ],
)
def test_voices_that_tell_nothing_are_refused(
    tmp_path: Path, second: tuple[float, float], told: str
) -> None:
    people = [person(tmp_path, LOW_HZ, 3), person(tmp_path, *second, "Пётр")]
    with pytest.raises(Refusal, match=told) as refused:
        calling_by_name({"speakers": "auto"}, people, lambda: None)
    assert (refused.value.status, refused.value.param) == (400, "known_speaker_references")


def test_jobs_keep_references_beside_their_forms() -> None:
    form = tuple(named("Анна", "Пётр"))
    fields, kept = with_digests(form)
    assert kept is not None
    assert SOUND not in str(fields)
    assert with_references(fields, kept) == form
    assert with_digests((SPEAKERS,)) == ((SPEAKERS,), None)
    blank = (SPEAKERS, ("known_speaker_references[]", " "))
    for plain in ((SPEAKERS,), blank):
        assert with_references(*with_digests(plain)) == plain
    for damaged in (None, kept.replace("U", "V"), kept[:-3], "{}", "[1]"):
        with pytest.raises(Refusal, match="not there any more") as refused:
            with_references(fields, damaged)
        assert (refused.value.status, refused.value.code) == (410, "recording_gone")


def test_samples_are_those_of_the_file(tmp_path: Path) -> None:
    sound = voice(LOW_HZ, 2)
    found = KnownSpeaker("Анна", write_wav(tmp_path / "x.wav", sound).read_bytes()).samples()
    assert np.abs(found - sound).max() < 1e-4
