"""Speech recognition over any backend: short recordings and long ones, one and many."""

from typing import TYPE_CHECKING

from gigaam.lazy import importer

if TYPE_CHECKING:
    from gigaam.recognition.speech_recognition import LongformArguments, SpeechRecognition

__all__ = ["LongformArguments", "SpeechRecognition"]

# Lazy: `gigaam.published` imports modules of this package, and this one imports `gigaam.published`.
__getattr__ = importer(__name__, dict.fromkeys(__all__, "gigaam.recognition.speech_recognition"))
