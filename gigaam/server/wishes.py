"""What a request says about how its recording is to be recognised, and what it wants back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gigaam.decoding import DecodingOptions
from gigaam.decoding.hotwords import Phrase, read_hotwords
from gigaam.recognition import LongformArguments
from gigaam.server.form_fields import FormFields, checked_number
from gigaam.server.known_speakers import KnownSpeaker, known_speakers
from gigaam.server.languages import language_codes
from gigaam.server.refusals import Refusal
from gigaam.server.speakers import speakers_wished
from gigaam.vad import VadOptions

__all__ = ["RESPONSE_FORMATS", "Wishes", "with_hotwords"]

RESPONSE_FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")

_MOST_HOTWORDS = 1_000


@dataclass(frozen=True)
class Wishes:
    """What a request says, checked.

    Attributes:
        model: The name that was asked for.
        languages: Those that were named, as ISO 639-1 codes.
        response_format: One of `RESPONSE_FORMATS`.
        stream: Whether the text is told as it comes.
        granularities: "segment", "word" or both, for verbose_json.
        logprobs: Whether words come with the logarithms of their probabilities.
        options: How the recording is recognised.
        ignored: Fields that have no effect here.
        known: Whose voices are known; their recordings were not heard yet.
    """

    model: str | None
    languages: tuple[str, ...]
    response_format: str
    stream: bool
    granularities: frozenset[str]
    logprobs: bool
    options: LongformArguments
    ignored: tuple[str, ...]
    known: tuple[KnownSpeaker, ...] = ()

    @classmethod
    def read(
        cls,
        fields: FormFields,
        decoding: DecodingOptions | None,
        no_speakers: str | None = None,
    ) -> Wishes:
        """The wishes of a form.

        Args:
            fields: Its fields.
            decoding: How the server searches where the form says nothing.
            no_speakers: Why it does not tell speakers apart; None if it does.

        Raises:
            Refusal: A field has a value that it cannot have.
        """
        response_format = fields.choice("response_format", RESPONSE_FORMATS, "json")
        words = fields.list("keywords") + _lines(fields.text("hotwords"))
        options: LongformArguments = {
            "decoding": with_hotwords(decoding, words, "keywords"),
            **_listening(fields),
            **speakers_wished(fields, response_format, no_speakers),
        }
        wishes = cls(
            model=fields.text("model"),
            languages=language_codes([*fields.list("languages"), *fields.list("language")]),
            response_format=response_format,
            stream=_stream(fields, response_format),
            granularities=_granularities(fields, response_format),
            logprobs=_logprobs(fields, response_format),
            options=options,
            ignored=(),
            known=known_speakers(fields, "speakers" in options, no_speakers),
        )
        return replace(wishes, ignored=_ignored(fields))


def with_hotwords(
    decoding: DecodingOptions | None, words: Sequence[str], param: str
) -> DecodingOptions | None:
    """Options with further words to expect.

    Raises:
        Refusal: There are too many, or some are none.
    """
    if not words:
        return decoding
    if len(words) > _MOST_HOTWORDS:
        told = f"{len(words):,} hotwords are too many: there may be {_MOST_HOTWORDS:,}"
        raise Refusal(400, told, code="invalid_value", param=param)
    try:
        phrases: list[Phrase] = [*read_hotwords([*words])]
        decoding = decoding or DecodingOptions()
        return replace(decoding, hotwords=[*decoding.phrases, *phrases])
    except ValueError as error:
        raise Refusal(400, str(error), code="invalid_value", param=param) from error


def _lines(text: str | None) -> list[str]:
    return [] if text is None else [line for line in text.splitlines() if line.strip()]


def _listening(fields: FormFields) -> LongformArguments:
    """How the recording is cut."""
    found: LongformArguments = {}
    if fields.choice("channels", ("mix", "split"), "mix") == "split":
        found["channels"] = "split"
    track = fields.number("track", 0, 1_000)
    if track is not None:
        found["track"] = int(track)
    strategy = fields.object("chunking_strategy")
    if strategy is not None and strategy != "auto":
        found.update(_by_pauses(strategy))
    return found


def _by_pauses(strategy: dict[str, Any] | str) -> LongformArguments:
    """Phrases between the pauses that a detector finds."""
    name = "chunking_strategy"
    if not isinstance(strategy, dict) or strategy.get("type") != "server_vad":
        told = f'{name} must be "auto" or an object of type "server_vad"'
        raise Refusal(400, told, code="invalid_value", param=name)
    known = {"type", "threshold", "prefix_padding_ms", "silence_duration_ms"}
    if unknown := set(strategy) - known:
        told = f"{name} has no {', '.join(sorted(unknown))[:200]}"
        raise Refusal(400, told, code="invalid_value", param=name)

    def value(key: str, default: float, low: float, high: float) -> float:
        return checked_number(f"{name}[{key}]", strategy.get(key, default), low, high)

    vad = VadOptions(
        threshold=value("threshold", 0.3, 0.01, 0.99),
        speech_pad_s=value("prefix_padding_ms", 100, 0, 5_000) / 1000,
    )
    pause_s = value("silence_duration_ms", 500, 1, 60_000) / 1000
    return {"vad": "silero", "vad_options": vad, "segments": "phrases", "max_pause": pause_s}


def _stream(fields: FormFields, response_format: str) -> bool:
    stream = fields.flag("stream")
    if stream and response_format in ("srt", "vtt"):
        streams = ", ".join(each for each in RESPONSE_FORMATS if each not in ("srt", "vtt"))
        told = f"there is no stream of {response_format}, only of {streams}"
        raise Refusal(400, told, code="invalid_value", param="stream")
    return stream


def _granularities(fields: FormFields, response_format: str) -> frozenset[str]:
    name = "timestamp_granularities"
    given = frozenset(fields.list(name))
    if unknown := given - {"word", "segment"}:
        told = f"{name} are word and segment, not {', '.join(sorted(unknown))[:100]!r}"
        raise Refusal(400, told, code="invalid_value", param=name)
    if given and response_format != "verbose_json":
        told = f"{name} need the response_format verbose_json"
        raise Refusal(400, told, code="invalid_value", param=name)
    return given or frozenset({"segment"})


def _logprobs(fields: FormFields, response_format: str) -> bool:
    given = set(fields.list("include"))
    if unknown := given - {"logprobs"}:
        told = f"include is for logprobs, not {', '.join(sorted(unknown))[:100]!r}"
        raise Refusal(400, told, code="invalid_value", param="include")
    if given and response_format != "json":
        told = "logprobs need the response_format json"
        raise Refusal(400, told, code="invalid_value", param="include")
    return bool(given)


def _ignored(fields: FormFields) -> tuple[str, ...]:
    """What has no effect here: the search takes no prompt, and is not random."""
    temperature = fields.number("temperature", 0, 1)
    known = [name for name in ("prompt",) if fields.text(name) is not None]
    if temperature:
        known.append("temperature")
    return (*known, *fields.unread)
