"""Speech recognition over any backend: short recordings and long ones, one and many."""

from typing import TYPE_CHECKING

from gigaam.lazy import importer

if TYPE_CHECKING:
    from gigaam.recognition.longform_arguments import LongformArguments
    from gigaam.recognition.speech_recognition import SpeechRecognition

__all__ = ["LongformArguments", "SpeechRecognition"]

# Lazy: `gigaam.published` imports modules of this package, and this one imports `gigaam.published`.
__getattr__ = importer(
    __name__,
    {
        "LongformArguments": f"{__name__}.longform_arguments",
        "SpeechRecognition": f"{__name__}.speech_recognition",
    },
)
