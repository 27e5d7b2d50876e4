"""One graph as a function of arrays, whose results are what they should be or an error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gigaam.errors import CheckpointError, ModelError
from gigaam.onnx.engine import onnxruntime
from gigaam.onnx.sessions import run_options
from gigaam.quoting import cut

__all__ = ["Net"]


class Net:
    """A session, called with its inputs in their order.

    Args:
        session: Of ONNX Runtime.
        part: What it computes, for messages.
        inputs: How many inputs it must have.
        outputs: Of each output, how many axes it must have.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        part: str,
        inputs: int,
        outputs: Sequence[int],
    ) -> None:
        self.session = session
        self._options = run_options(session)
        self._part, self._axes = part, outputs
        self._inputs = [each.name for each in session.get_inputs()]
        self._outputs = [each.name for each in session.get_outputs()]
        found = len(self._inputs), len(self._outputs)
        if found != (inputs, len(outputs)):
            raise CheckpointError(
                f"the graph of the {part} has {found[0]} inputs and {found[1]} outputs instead of "
                f"{inputs} and {len(outputs)}: it is not one that this library wrote"
            )

    def __call__(self, *inputs: Any) -> list[Any]:
        """The outputs.

        Raises:
            ModelError: ONNX Runtime fails.
            CheckpointError: They are not what this part of a model gives.
        """
        try:
            outputs: list[Any] = self.session.run(
                self._outputs, dict(zip(self._inputs, inputs, strict=True)), self._options
            )
        except Exception as error:  # its errors have no common root
            raise ModelError(f"the graph of the {self._part} fails: {cut(error)}") from error
        for output, axes in zip(outputs, self._axes, strict=True):
            if not isinstance(output, np.ndarray) or output.ndim != axes:
                self.refuse(f"something else than an array of {axes} axes")
        # A result that begins with a number needs no look at the rest: nets are called thousands of
        # times a minute.
        if not outputs[0].size or (math.isnan(outputs[0].item(0)) and np.isnan(outputs[0]).all()):
            self.refuse("no numbers")
        return outputs

    def refuse(self, found: str) -> None:
        """Raises `CheckpointError`: the graph gives something else than it should."""
        raise CheckpointError(f"the graph of the {self._part} gives {found}")
