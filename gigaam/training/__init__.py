"""Training: text normalisation, data, augmentation, the loop that makes a model; evaluation.

Importing this package loads nothing heavy: `gigaam.training.text` needs only the standard library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gigaam.training.configuration import read_options
    from gigaam.training.emotion_report import EmotionReport
    from gigaam.training.evaluation import evaluate
    from gigaam.training.fine_tuning import fine_tune
    from gigaam.training.manifests import Utterance, read_manifest
    from gigaam.training.options import RunOptions
    from gigaam.training.recognition_report import RecognitionReport
    from gigaam.training.scoring import error_rates

_HOME_OF = {
    "EmotionReport": "gigaam.training.emotion_report",
    "RecognitionReport": "gigaam.training.recognition_report",
    "RunOptions": "gigaam.training.options",
    "Utterance": "gigaam.training.manifests",
    "error_rates": "gigaam.training.scoring",
    "evaluate": "gigaam.training.evaluation",
    "fine_tune": "gigaam.training.fine_tuning",
    "read_manifest": "gigaam.training.manifests",
    "read_options": "gigaam.training.configuration",
}

__all__ = [
    "EmotionReport",
    "RecognitionReport",
    "RunOptions",
    "Utterance",
    "error_rates",
    "evaluate",
    "fine_tune",
    "read_manifest",
    "read_options",
]


def __getattr__(name: str) -> Any:
    """The public object of that name, imported now from the module that holds it."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'gigaam.training' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value
