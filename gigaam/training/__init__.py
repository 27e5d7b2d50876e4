"""Training: fine-tuning of models, and their evaluation.

Importing this package loads nothing heavy. It also offers the public names of `gigaam.dataset` and
`gigaam.evaluation`.
"""

from typing import TYPE_CHECKING

from gigaam.lazy import importer

if TYPE_CHECKING:
    from gigaam.dataset.manifests import Utterance, read_manifest
    from gigaam.evaluation.emotion_report import EmotionReport
    from gigaam.evaluation.evaluating import evaluate
    from gigaam.evaluation.recognition_report import RecognitionReport
    from gigaam.evaluation.scoring import error_rates
    from gigaam.evaluation.speaker_report import SpeakerReport
    from gigaam.training.configuration import read_options
    from gigaam.training.fine_tuning import fine_tune
    from gigaam.training.options import RunOptions

_HOME_OF = {
    "EmotionReport": "gigaam.evaluation.emotion_report",
    "RecognitionReport": "gigaam.evaluation.recognition_report",
    "RunOptions": "gigaam.training.options",
    "SpeakerReport": "gigaam.evaluation.speaker_report",
    "Utterance": "gigaam.dataset.manifests",
    "error_rates": "gigaam.evaluation.scoring",
    "evaluate": "gigaam.evaluation.evaluating",
    "fine_tune": "gigaam.training.fine_tuning",
    "read_manifest": "gigaam.dataset.manifests",
    "read_options": "gigaam.training.configuration",
}

__all__ = [
    "EmotionReport",
    "RecognitionReport",
    "RunOptions",
    "SpeakerReport",
    "Utterance",
    "error_rates",
    "evaluate",
    "fine_tune",
    "read_manifest",
    "read_options",
]

__getattr__ = importer(__name__, _HOME_OF)
