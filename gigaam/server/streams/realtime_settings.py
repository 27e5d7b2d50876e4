"""What a client of OpenAI's Realtime protocol says of its session, and what of it is in effect.

What the server has no use for is not in the session that it tells back: noise reduction, prompts,
delays. So are values that it had to change, with what they are now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gigaam.live import LiveArguments
from gigaam.server.form_fields import checked_number
from gigaam.server.languages import language_codes
from gigaam.server.refusals import Refusal
from gigaam.server.streams.stream import Sound
from gigaam.vad import VadOptions

__all__ = ["LOGPROBS", "Detection", "RealtimeSettings"]

LOGPROBS = "item.input_audio_transcription.logprobs"

_PCM, _MULAW, _ALAW = "audio/pcm", "audio/pcmu", "audio/pcma"
_SAMPLE_FORMATS = {_PCM: "s16le", _MULAW: "mulaw", _ALAW: "alaw"}
_OLD_FORMATS = {"pcm16": _PCM, "g711_ulaw": _MULAW, "g711_alaw": _ALAW}

_DEFAULT_RATE = 24_000
_TELEPHONE_RATE = 8_000

_DEFAULT_THRESHOLD = 0.3  # that of `VadOptions`: rather noise than a lost word
_PADDING_MS = 100  # what the detector adds to speech at both ends
_LEAST_SILENCE_MS = 200  # shorter ones are no pauses to the detector
_MOST_SILENCE_MS = 60_000

_EAGERNESS_MS = {"high": 500, "medium": 800, "auto": 800, "low": 1_200}
"""Pauses in place of the semantic detector, which does not exist here."""

_NAMES = {"type", "audio", "include", "id", "object", "expires_at"}
_INPUT_NAMES = {"format", "noise_reduction", "transcription", "turn_detection"}
_TRANSCRIPTION_NAMES = {"model", "language", "languages", "keywords", "prompt", "delay"}
_OLD_NAMES = {
    "input_audio_format": "format",
    "input_audio_noise_reduction": "noise_reduction",
    "input_audio_transcription": "transcription",
    "turn_detection": "turn_detection",
}


@dataclass(frozen=True)
class Detection:
    """Where the server ends an item by itself.

    Attributes:
        threshold: Probability from which sound is speech.
        silence_ms: A silence that long ends it, in milliseconds.
    """

    threshold: float = _DEFAULT_THRESHOLD
    silence_ms: int = 500


@dataclass(frozen=True)
class RealtimeSettings:
    """A session's settings.

    Attributes:
        encoding: One of audio/pcm, audio/pcmu, audio/pcma.
        rate: Of the sound, in Hz.
        model: The name that was asked for.
        languages: That may be spoken, as ISO 639-1 codes.
        keywords: To be expected.
        detection: None where the client ends items.
        logprobs: Whether items come with them.
    """

    encoding: str = _PCM
    rate: int = _DEFAULT_RATE
    model: str | None = None
    languages: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    detection: Detection | None = Detection()
    logprobs: bool = False

    @property
    def sound(self) -> Sound:
        """What the client sends."""
        return Sound(self.rate, _SAMPLE_FORMATS[self.encoding])

    @property
    def listening(self) -> LiveArguments:
        """How it is heard, apart from hotwords."""
        if self.detection is None:
            return {"vad": "none", "word_timestamps": self.logprobs}
        return {
            "vad_options": VadOptions(threshold=self.detection.threshold),
            "endpoint_silence_s": self.detection.silence_ms / 1000,
            "word_timestamps": self.logprobs,
        }

    def merged(self, said: Mapping[str, Any]) -> RealtimeSettings:
        """With what an update says; what it does not name stays.

        Raises:
            Refusal: It says something that cannot be.
        """
        said = _as_new(_object(said, "session"))
        _check_names(said, _NAMES, "session")
        if said.get("type", "transcription") != "transcription":
            told = "this server transcribes: the type of a session is transcription"
            raise _invalid(told, "session.type")
        settings = self
        audio = _object(said.get("audio") or {}, "session.audio")
        _check_names(audio, {"input"}, "session.audio")
        heard = _object(audio.get("input") or {}, "session.audio.input")
        _check_names(heard, _INPUT_NAMES, "session.audio.input")
        if heard.get("format") is not None:
            settings = settings._with_format(heard["format"])
        if "transcription" in heard:
            settings = settings._with_transcription(heard["transcription"])
        if "turn_detection" in heard:
            settings = replace(settings, detection=_detection(heard["turn_detection"], self))
        if "include" in said:
            settings = replace(settings, logprobs=_logprobs(said["include"]))
        return settings

    def told(self, model: str) -> dict[str, Any]:
        """The settings in effect, by OpenAI's names.

        Args:
            model: What recognises.
        """
        heard = {
            "format": self._told_format(),
            "noise_reduction": None,
            "transcription": self._told_transcription(model),
            "turn_detection": self._told_detection(),
        }
        include = [LOGPROBS] if self.logprobs else None
        return {"type": "transcription", "audio": {"input": heard}, "include": include}

    def told_as_before(self, model: str) -> dict[str, Any]:
        """The same by the names of the beta."""
        old_formats = {new: old for old, new in _OLD_FORMATS.items()}
        return {
            "input_audio_format": old_formats[self.encoding],
            "input_audio_noise_reduction": None,
            "input_audio_transcription": self._told_transcription(model),
            "turn_detection": self._told_detection(),
            "include": [LOGPROBS] if self.logprobs else None,
        }

    def _told_format(self) -> dict[str, Any]:
        return {"type": self.encoding, **({"rate": self.rate} if self.encoding == _PCM else {})}

    def _told_transcription(self, model: str) -> dict[str, Any]:
        told: dict[str, Any] = {"model": model}
        if len(self.languages) == 1:
            told["language"] = self.languages[0]
        elif self.languages:
            told["languages"] = list(self.languages)
        if self.keywords:
            told["keywords"] = list(self.keywords)
        return told

    def _told_detection(self) -> dict[str, Any] | None:
        if self.detection is None:
            return None
        return {
            "type": "server_vad",
            "threshold": self.detection.threshold,
            "prefix_padding_ms": _PADDING_MS,
            "silence_duration_ms": self.detection.silence_ms,
        }

    def _with_format(self, said: Any) -> RealtimeSettings:
        name = "session.audio.input.format"
        if isinstance(said, str):  # as the beta had it
            said = {"type": _OLD_FORMATS[_one_of(said, _OLD_FORMATS, name)]}
        said = _object(said, name)
        _check_names(said, {"type", "rate"}, name)
        encoding = _one_of(said.get("type", self.encoding), _SAMPLE_FORMATS, name)
        default = _DEFAULT_RATE if encoding == _PCM else _TELEPHONE_RATE
        rate = said.get("rate") or default
        low, high = (8_000, 48_000) if encoding == _PCM else (_TELEPHONE_RATE, _TELEPHONE_RATE)
        rate = int(checked_number(f"{name}.rate", rate, low, high))
        return replace(self, encoding=encoding, rate=rate)

    def _with_transcription(self, said: Any) -> RealtimeSettings:
        name = "session.audio.input.transcription"
        if said is None:
            raise _invalid("this server does nothing but transcribe", name)
        said = _object(said, name)
        _check_names(said, _TRANSCRIPTION_NAMES, name)
        settings = self
        if "model" in said:
            settings = replace(settings, model=_text(said["model"], f"{name}.model"))
        if said.keys() & {"language", "languages"}:
            named = _texts(said.get("languages"), f"{name}.languages")
            one = _text(said.get("language"), f"{name}.language")
            named += [one] if one else []
            settings = replace(settings, languages=language_codes(named))
        if "keywords" in said:
            keywords = _texts(said["keywords"], f"{name}.keywords")
            settings = replace(settings, keywords=tuple(each for each in keywords if each.strip()))
        return settings


def _as_new(said: Mapping[str, Any]) -> dict[str, Any]:
    """A session by the names of the beta as one by those of today."""
    heard = {new: said[old] for old, new in _OLD_NAMES.items() if old in said}
    rest = {name: value for name, value in said.items() if name not in _OLD_NAMES}
    if not heard:
        return rest
    rest.pop("modalities", None)  # text, or sound that transcriptions do not have
    if "audio" in rest:
        raise _invalid("an update has the names of the beta or those of today", "session.audio")
    return {**rest, "audio": {"input": heard}}


def _detection(said: Any, before: RealtimeSettings) -> Detection | None:
    name = "session.audio.input.turn_detection"
    if said is None:
        return None
    said = _object(said, name)
    kind = said.get("type", "server_vad")
    if kind == "semantic_vad":
        _check_names(said, {"type", "eagerness", "create_response", "interrupt_response"}, name)
        eagerness = _one_of(said.get("eagerness") or "auto", _EAGERNESS_MS, f"{name}.eagerness")
        return Detection(silence_ms=_EAGERNESS_MS[eagerness])
    if kind != "server_vad":
        raise _invalid("turn_detection is null or of the type server_vad or semantic_vad", name)
    known = {"type", "threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"}
    _check_names(said, {*known, "create_response", "interrupt_response"}, name)
    found = before.detection or Detection()
    if said.get("threshold") is not None:
        threshold = checked_number(f"{name}.threshold", said["threshold"], 0, 1)
        found = replace(found, threshold=min(max(threshold, 0.01), 0.99))
    if said.get("silence_duration_ms") is not None:
        silence = said["silence_duration_ms"]
        silence = checked_number(f"{name}.silence_duration_ms", silence, 0, _MOST_SILENCE_MS)
        found = replace(found, silence_ms=max(round(silence), _LEAST_SILENCE_MS))
    return found


def _logprobs(said: Any) -> bool:
    wanted = _texts(said, "session.include")
    if unknown := set(wanted) - {LOGPROBS}:
        told = f"include is for {LOGPROBS}, not {', '.join(sorted(unknown))[:100]}"
        raise _invalid(told, "session.include")
    return bool(wanted)


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _invalid(f"{name} must be an object", name)
    return dict(value)


def _text(value: Any, name: str) -> str | None:
    if not isinstance(value, str | None):
        raise _invalid(f"{name} must be a text", name)
    return value


def _texts(value: Any, name: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _invalid(f"{name} must be a list of texts", name)
    return list(value)


def _one_of(value: Any, choices: Iterable[str], name: str) -> str:
    for choice in choices:
        if value == choice:
            return choice
    raise _invalid(f"{name} must be one of {', '.join(choices)}", name)


def _check_names(said: Mapping[str, Any], known: set[str], name: str) -> None:
    if unknown := sorted(set(said) - known):
        param = f"{name}.{unknown[0][:100]}"
        raise Refusal(400, f"there is no {param}", code="unknown_parameter", param=param)


def _invalid(told: str, param: str) -> Refusal:
    return Refusal(400, told, code="invalid_value", param=param)
