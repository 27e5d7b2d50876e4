"""Import paths that documents, examples and programs of before use; they go on working."""

import subprocess
import sys
from importlib import import_module

import pytest

PATHS: dict[str, list[str]] = {
    "gigaam.audio": ["channel_count", "duration_s", "iter_audio", "read_audio", "SAMPLE_RATE"],
    "gigaam.cli": ["app", "main"],
    "gigaam.dataset.manifests": ["Utterance", "read_manifest"],
    "gigaam.decoder": ["CTCHead", "RNNTDecoder", "RNNTHead", "RNNTJoint"],
    "gigaam.decoding": ["CTCGreedyDecoding", "Hypothesis", "RNNTGreedyDecoding"],
    "gigaam.encoder": ["ConformerEncoder"],
    "gigaam.errors": ["AudioError", "GigaAMError"],
    "gigaam.evaluation.scoring": ["error_rates"],
    "gigaam.formats": ["FORMATS", "TextOptions", "render", "save"],
    "gigaam.jobs": ["MEDIA_SUFFIXES"],
    "gigaam.loading": ["load_model"],
    "gigaam.model": ["GigaAM", "GigaAMASR", "GigaAMEmo", "LONGFORM_THRESHOLD", "SAMPLE_RATE"],
    "gigaam.onnx": ["OnnxASR", "OnnxEmo", "OnnxEncoder", "load"],
    "gigaam.onnx.export": ["export"],
    "gigaam.onnx_utils": ["infer_onnx", "load_onnx", "load_onnx_sessions", "transcribe_sample"],
    "gigaam.preprocess": ["FeatureExtractor", "load_audio"],
    "gigaam.recognition": ["LongformArguments", "SpeechRecognition"],
    "gigaam.silero": ["SileroDetector"],
    "gigaam.timestamps_utils": ["compute_frame_shift", "frames_to_words"],
    "gigaam.training": ["evaluate", "fine_tune", "read_options"],
    "gigaam.types": ["Segment", "TranscriptionResult", "Word"],
    "gigaam.utils": ["format_time"],
    "gigaam.vad": ["Region", "SpeechDetector", "SpeechStream", "VadOptions"],
    "gigaam.vad_utils": ["segment_audio", "segment_audio_file"],
}


@pytest.mark.parametrize("module", PATHS)
def test_documented_path(module: str) -> None:
    found = import_module(module)
    assert [name for name in PATHS[module] if not hasattr(found, name)] == []


def test_each_may_be_imported_first() -> None:
    """No circle of imports depends on what else was imported before."""
    code = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    for loaded in [each for each in sys.modules if each.partition(".")[0] == "gigaam"]:
        del sys.modules[loaded]
    import_module(name)
"""
    subprocess.run([sys.executable, "-c", code, *PATHS], check=True)
