"""ONNX: export of models, and a runtime that does without torch.

model.to_onnx("onnx")
gigaam.onnx.load("onnx").transcribe("example.wav")
"""

from typing import TYPE_CHECKING

from gigaam.lazy import importer

if TYPE_CHECKING:
    from gigaam.onnx.runtime import OnnxASR, OnnxEmo, OnnxEncoder, load

__all__ = ["OnnxASR", "OnnxEmo", "OnnxEncoder", "load"]

# Lazy: the runtime recognises speech, which takes a detector, which runs in `gigaam.onnx.engine`.
__getattr__ = importer(__name__, dict.fromkeys(__all__, "gigaam.onnx.runtime"))
