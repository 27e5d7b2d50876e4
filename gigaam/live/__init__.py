"""Live speech: text while somebody speaks, and finals equal to those of a file.

A session is pushed sound. A detector tells where utterances begin and end (`gate`); of one that
goes on the latest seconds are decoded again and again, and the words on which hypotheses agree are
committed (`agreement`); its finals are what the long form makes of its sound (`utterance`).
"""

from typing import TYPE_CHECKING

from gigaam.lazy import importer

if TYPE_CHECKING:
    from gigaam.live.events import Event, Final, Partial, Reason
    from gigaam.live.options import LiveArguments, LiveOptions
    from gigaam.live.recognizer import LiveRecognizer
    from gigaam.live.session import LiveSession

_HOMES = {
    "events": ("Event", "Final", "Partial", "Reason"),
    "options": ("LiveArguments", "LiveOptions"),
    "recognizer": ("LiveRecognizer",),
    "session": ("LiveSession",),
}

__all__ = [
    "Event",
    "Final",
    "LiveArguments",
    "LiveOptions",
    "LiveRecognizer",
    "LiveSession",
    "Partial",
    "Reason",
]

__getattr__ = importer(
    __name__, {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names}
)
