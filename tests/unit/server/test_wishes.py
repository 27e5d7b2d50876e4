"""Forms of all kinds, and what they ask for."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import FormData

from gigaam.decoding import DecodingOptions
from gigaam.server.form_fields import FormFields
from gigaam.server.refusals import Refusal
from gigaam.server.wishes import Wishes


def wishes(
    *pairs: tuple[str, str],
    decoding: DecodingOptions | None = None,
    no_speakers: str | None = None,
) -> Wishes:
    return Wishes.read(FormFields(FormData(pairs)), decoding, no_speakers)


def test_nothing_is_asked_for() -> None:
    plain = wishes(("model", "whisper-1"))
    assert (plain.response_format, plain.stream, plain.logprobs) == ("json", False, False)
    assert plain.options == {"decoding": None}
    assert plain.ignored == ()


@pytest.mark.parametrize(
    "pairs",
    [
        [("keywords[]", "каско"), ("keywords[]", "Ватутин")],
        [("keywords", "каско"), ("keywords", "Ватутин")],
        [("keywords", '["каско", "Ватутин"]')],
        [("keywords[]", "каско"), ("keywords[]", '["Ватутин"]')],
        [("hotwords", "каско\n\nВатутин\n")],
    ],
)
def test_lists_are_written_in_many_ways(pairs: list[tuple[str, str]]) -> None:
    decoding = wishes(*pairs).options["decoding"]
    assert decoding is not None
    assert [phrase.text for phrase in decoding.phrases] == ["каско", "Ватутин"]


def test_words_of_a_request_join_those_of_the_server() -> None:
    own = DecodingOptions(hotwords=["полис"], beam_size=4)
    decoding = wishes(("keywords[]", "каско"), decoding=own).options["decoding"]
    assert decoding is not None
    assert [phrase.text for phrase in decoding.phrases] == ["полис", "каско"]
    assert decoding.beam_size == 4
    assert [phrase.text for phrase in own.phrases] == ["полис"]


@pytest.mark.parametrize(
    "pairs",
    [
        [
            (
                "chunking_strategy",
                '{"type": "server_vad", "threshold": 0.4, "silence_duration_ms": 900}',
            )
        ],
        [
            ("chunking_strategy[type]", "server_vad"),
            ("chunking_strategy[threshold]", "0.4"),
            ("chunking_strategy[silence_duration_ms]", "900"),
        ],
    ],
)
def test_objects_are_written_in_two_ways(pairs: list[tuple[str, str]]) -> None:
    options = wishes(*pairs).options
    assert options["vad_options"].threshold == 0.4
    assert (options["segments"], options["max_pause"]) == ("phrases", 0.9)


@pytest.mark.parametrize(
    ("given", "counted"),
    [("auto", "auto"), ("2", (2, 2)), ("2-5", (2, 5)), (" 3 ", (3, 3)), ("", None)],
)
def test_speakers(given: str, counted: object) -> None:
    assert wishes(("speakers", given)).options.get("speakers") == counted
    implied = wishes(("speakers", given), ("response_format", "diarized_json"))
    assert implied.options["speakers"] == (counted or "auto")


@pytest.mark.parametrize("name", ["speakers", "response_format", "known_speaker_names"])
def test_without_speakers(name: str) -> None:
    value = "diarized_json" if name == "response_format" else "auto"
    with pytest.raises(Refusal, match="does not tell speakers apart") as refused:
        wishes((name, value), no_speakers="pip install nets")
    assert (refused.value.status, refused.value.param) == (400, name)


@pytest.mark.parametrize("given", ["ru", "ru-RU", "Russian", "auto", ""])
def test_languages(given: str) -> None:
    assert wishes(("language", given)).languages in (("ru",), ())


@pytest.mark.parametrize(
    ("pairs", "param"),
    [
        ([("stream", "perhaps")], "stream"),
        ([("stream", "true"), ("response_format", "srt")], "stream"),
        ([("chunking_strategy", '{"type": "server_vad", "loudness": 1}')], "chunking_strategy"),
        ([("chunking_strategy", '{"type": "server_vad"')], "chunking_strategy"),
        (
            [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "nan")],
            None,
        ),
        *(([("speakers", each)], "speakers") for each in ("0", "5-2", "many", "-2", "2-", "100")),
        ([("known_speaker_names[]", "Анна")], "known_speaker_names"),
        ([("known_speaker_references[]", "data:,")], "known_speaker_references"),
        ([("track", "-1")], "track"),
        ([("channels", "left")], "channels"),
        ([("temperature", "warm")], "temperature"),
        ([("keywords[]", "а")] * 1_001, "keywords"),
        ([("keywords", "[1, 2]")], "keywords"),
        ([("response_format", "json"), ("response_format", "text")], "response_format"),
        ([("include[]", "everything")], "include"),
    ],
)
def test_refusals_name_the_field(pairs: list[tuple[str, str]], param: str | None) -> None:
    with pytest.raises(Refusal) as refused:
        wishes(*pairs)
    assert refused.value.status == 400
    assert param is None or refused.value.param == param


NAMES = st.sampled_from(
    [
        *("model", "stream", "language", "languages[]", "keywords[]", "keywords", "hotwords"),
        *("include[]", "chunking_strategy", "chunking_strategy[type]", "track", "temperature"),
        *("chunking_strategy[threshold]", "prompt", "timestamp_granularities[]", "channels", "x"),
        *("response_format", "speakers", "known_speaker_names[]", "known_speaker_references"),
    ]
)
VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["true", "ru", "word", "verbose_json", "server_vad", "1", "split", "json"]),
    st.sampled_from(["data:audio/wav;base64,UklGRg==", "data:;base64,", "auto", "Анна", "A"]),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=5,
    ).map(json.dumps),
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
def test_any_form_is_understood_or_refused(pairs: list[tuple[str, str]]) -> None:
    try:
        read: Any = wishes(*pairs)
    except Refusal:
        return
    asked = {"prompt", "x"} & {name for name, value in pairs if value.strip()}
    assert asked <= set(read.ignored)
