"""ONNX Runtime, told to keep to itself.

Its wheels from 1.29 on report how they are used and keep a number of the machine in the user's
cache, unless they are told not to before they are imported. Whoever sets the variable decides.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

from gigaam.requirements import require

require(onnxruntime)

__all__ = ["onnxruntime"]
