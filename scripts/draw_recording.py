"""Draws docs/figures/one_recording.svg: the shapes a recording takes on its way through the code.

    python -m scripts.draw_recording

Nothing in it is written by hand but the explanations: the packaged model runs on the packaged
recording, and what its parts give is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gigaam import GigaAMASR, load_model
from gigaam.audio import read_audio
from gigaam.encoder import ConformerEncoder
from gigaam.preprocess import FeatureExtractor
from scripts.draw_scheme import EXAMPLE, RATE
from scripts.drawing import (
    BLUE,
    INK,
    LINE,
    MUTED,
    ORANGE,
    ROOT,
    TEAL,
    VIOLET,
    Hue,
    Picture,
    number,
    save,
)

TARGET = ROOT / "docs" / "figures" / "one_recording.svg"

SHOWN_S = 0.2  # of the recording, in the cells
ROW, TOP = 66, 62
SHAPES_X, CELLS_X, CELLS_WIDTH = 420, 690, 276


@dataclass(frozen=True)
class Step:
    """One part of the way.

    Attributes:
        name: Of the class or function.
        gives: What it gives, in words.
        shape: Of that.
        frames: How many of it there are in the recording; 0 if that depends on what is said.
        hue: Of the part of the model it belongs to.
    """

    name: str
    gives: str
    shape: str
    frames: int
    hue: Hue


def shape_of(array: Any) -> str:
    """Element type and shape of an array or a tensor."""
    dtype = str(array.dtype).removeprefix("torch.")
    return f"{dtype} [{', '.join(str(n) for n in array.shape)}]"


def outputs_of(model: GigaAMASR, modules: list[nn.Module]) -> list[torch.Tensor]:
    """What modules give when the packaged recording is recognised."""
    outputs: list[torch.Tensor] = []

    def keep(module: nn.Module, arguments: Any, output: Any) -> None:
        outputs.append(output[0] if isinstance(output, tuple) else output)

    hooks = [module.register_forward_hook(keep) for module in modules]
    model.transcribe(EXAMPLE)
    for hook in hooks:
        hook.remove()
    return outputs


def front_end_steps(model: GigaAMASR, features: torch.Tensor) -> list[Step]:
    """From the file to the features."""
    samples = read_audio(EXAMPLE)
    front: FeatureExtractor = model.preprocessor
    window_ms, hop_ms = (1000 * n // RATE for n in (front.n_fft, front.hop_length))
    return [
        Step("read_audio", "mono samples, 16 kHz", shape_of(samples), len(samples), BLUE),
        Step(
            type(front).__name__,
            f"log-mel: {window_ms} ms of sound, every {hop_ms} ms",
            shape_of(features),
            features.size(2),
            TEAL,
        ),
    ]


def encoder_steps(encoder: ConformerEncoder, outputs: list[torch.Tensor]) -> list[Step]:
    """The subsampling's convolutions, then the layers."""
    *halves, layer, encoded = outputs
    subsampling = type(encoder.pre_encode).__name__
    steps = [
        Step(subsampling, f"convolution {n}, every second frame", shape_of(x), x.size(2), VIOLET)
        for n, x in enumerate(halves, 1)
    ]
    name = f"{type(encoder.layers[0]).__name__} × {len(encoder.layers)}"
    steps.append(Step(name, "attention, convolution", shape_of(layer), layer.size(1), VIOLET))
    name = type(encoder).__name__
    steps.append(Step(name, "encodings", shape_of(encoded), encoded.size(2), VIOLET))
    return steps


def search_steps(model: GigaAMASR, log_probs: torch.Tensor) -> list[Step]:
    """From the head to the text."""
    result = model.transcribe(EXAMPLE, word_timestamps=True)
    assert result.hypothesis is not None
    assert result.words
    tokens = type(result.hypothesis).__name__
    dtype = result.hypothesis.ids.dtype
    classes = f"log-probabilities: {log_probs.size(2) - 1} characters, blank"
    head, search = type(model.head).__name__, type(model.decoding).__name__
    return [
        Step(head, classes, shape_of(log_probs), log_probs.size(1), ORANGE),
        Step(search, "repeats and blanks dropped", f"{tokens}, {dtype} [U]", 0, ORANGE),
        Step(
            "words_from_hypothesis",
            "times from the frames of tokens",
            f"list[{type(result.words[0]).__name__}]",
            0,
            BLUE,
        ),
        Step("Recognizer", "a str that has words", type(result).__name__, 0, BLUE),
    ]


def measured_steps() -> tuple[list[Step], float]:
    """The way of the packaged recording, and its length in seconds."""
    model = load_model("tiny_ctc", device="cpu")
    assert isinstance(model, GigaAMASR)
    encoder = model.encoder
    halves = [layer for layer in encoder.pre_encode.conv if isinstance(layer, nn.ReLU)]
    modules = [model.preprocessor, *halves, encoder.layers[-1], encoder, model.head]
    features, *inside, log_probs = outputs_of(model, modules)
    steps = [
        *front_end_steps(model, features),
        *encoder_steps(encoder, inside),
        *search_steps(model, log_probs),
    ]
    return steps, steps[0].frames / RATE


def draw_cells(picture: Picture, y: float, step: Step, seconds: float) -> None:
    """The frames of the stretch that is shown, as cells; samples as fine lines."""
    per_second = round(step.frames / seconds)
    cell = CELLS_WIDTH / (SHOWN_S * per_second)
    gap = min(3.0, cell / 3)
    if cell < 2:
        picture.box(CELLS_X, y, CELLS_WIDTH, 26, step.hue.strong, radius=2)
    else:
        commands = "".join(
            f"M{number(CELLS_X + i * cell)} {number(y)}h{number(cell - gap)}v26"
            f"h{number(gap - cell)}z"
            for i in range(round(SHOWN_S * per_second))
        )
        picture.path(commands, step.hue.strong, fill=step.hue.tint)
    picture.text(CELLS_X + CELLS_WIDTH, y + 45, f"{per_second:,} a second", 14, **RIGHT)


RIGHT: dict[str, Any] = {"anchor": "end", "colour": MUTED}


def draw_step(picture: Picture, row: int, step: Step, seconds: float) -> None:
    """One row: what computes, what it gives, its shape, its frames."""
    y = TOP + row * ROW
    picture.box(28, y + 3, 6, 42, step.hue.strong, radius=3)
    picture.text(48, y + 19, step.name, 16, anchor="start", mono=True, colour=step.hue.strong)
    picture.text(48, y + 41, step.gives, 15, anchor="start", colour=MUTED)
    picture.text(SHAPES_X, y + 29, step.shape, 15, anchor="start", mono=True, colour=INK)
    if step.frames:
        draw_cells(picture, y, step, seconds)


def figure() -> str:
    """The picture's text."""
    steps, seconds = measured_steps()
    title = "A recording on its way: " + "; ".join(f"{s.name} gives {s.shape}" for s in steps)
    picture = Picture(1000, TOP + ROW * len(steps) + 8, title)
    for x, heading in ((48, "what computes"), (SHAPES_X, f"its result, for {seconds:.2f} s")):
        picture.text(x, 34, heading, 15, anchor="start", bold=True)
    picture.text(CELLS_X, 34, f"{1000 * SHOWN_S:.0f} ms of it", 15, anchor="start", bold=True)
    picture.path("M28 46H972", LINE)
    for row, step in enumerate(steps):
        draw_step(picture, row, step, seconds)
    return picture.svg()


if __name__ == "__main__":
    save(TARGET, figure())
