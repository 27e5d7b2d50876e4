"""ONNX: export of models, and a runtime that does without torch.

model.to_onnx("onnx")
gigaam.onnx.load("onnx").transcribe("example.wav")
"""

from gigaam.onnx.runtime import OnnxASR, OnnxEmo, OnnxEncoder, load

__all__ = ["OnnxASR", "OnnxEmo", "OnnxEncoder", "load"]
