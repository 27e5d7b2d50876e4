"""The training loop: a time budget, a schedule that ends with it, checkpoints to resume from.

The learning rate is a function of the fraction of the budget spent, so a run ends annealed however
fast or busy the machine is.
"""

from __future__ import annotations

import csv
import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gigaam.training.loader import Batch
from gigaam.training.optimizer import OptimizerOptions, adamw, decay_at
from gigaam.training.tasks.recognition import RecognitionObjective

logger = logging.getLogger(__name__)

CHECKPOINT_NAME = "last.pt"


@dataclass
class Position:
    """How far a run has got: everything in its checkpoint besides tensors.

    Attributes:
        elapsed_s: Training time spent, in seconds.
        step: Optimiser steps done.
        audio_s: Audio seen, in seconds.
        pass_plan: The current pass (see `recipes.training.passes.PassPlan`), as a dict.
        batch: Batches of that pass done.
    """

    elapsed_s: float = 0.0
    step: int = 0
    audio_s: float = 0.0
    pass_plan: dict[str, Any] = field(default_factory=dict)
    batch: int = 0


class Trainer:
    """An objective, its optimiser and the exponential average of its weights.

    Args:
        objective: The objective to minimise.
        options: Options of the optimiser.
        budget_s: Training time, in seconds.
        directory: Folder for logs and checkpoints.
        workers: Threads that compute gradients, each of a part of the batch.
        parts: Parts of a batch. More parts than workers keep all of them busy to the end, and a
            part that fits into the processor's cache is faster.
        bfloat16: Whether the encoder's products are computed in bfloat16.
        clock: Returns the time in seconds; replaced in tests.
    """

    def __init__(
        self,
        objective: RecognitionObjective,
        options: OptimizerOptions,
        *,
        budget_s: float,
        directory: Path,
        workers: int = 2,
        parts: int = 2,
        bfloat16: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.objective, self.options, self.budget_s = objective, options, budget_s
        self.directory, self._parts, self._bfloat16 = directory, parts, bfloat16
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="gradients")
        self.position = Position()
        self._clock, self._last_tick = clock, clock()
        self._parameters: list[Tensor] = list(objective.parameters())
        self.average = [p.detach().clone() for p in self._parameters]
        self.optimizer = adamw(objective, options)

    @property
    def progress(self) -> float:
        """Fraction of the budget spent, 0 to 1."""
        return min(1.0, self.position.elapsed_s / self.budget_s)

    def tick(self) -> None:
        """Counts the time since the last call as training time."""
        now = self._clock()
        self.position.elapsed_s += now - self._last_tick
        self._last_tick = now

    def step(self, batch: Batch) -> dict[str, float]:
        """Takes one optimiser step and returns the row for the log."""
        lr = self.options.lr_at(self.progress)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        loss = self._gradients(batch)
        norm = float(nn.utils.clip_grad_norm_(self._parameters, self.options.clip))
        if math.isfinite(norm):
            self.optimizer.step()
            self._update_average()
        else:
            logger.warning("step %d: gradient is not finite, step skipped", self.position.step)
        self.position.step += 1
        self.position.batch += 1
        self.position.audio_s += batch.audio_s
        self.tick()
        return {
            "step": self.position.step,
            "elapsed_s": round(self.position.elapsed_s, 1),
            "audio_h": round(self.position.audio_s / 3600, 4),
            "lr": lr,
            "loss": loss,
            "grad_norm": norm,
        }

    def _gradients(self, batch: Batch) -> float:
        """Sets the parameters' gradients of the loss per character, and returns that loss.

        The threads of one torch operation wait for the slowest of them every time; the parts of a
        batch wait for each other only once per step, which costs less on a busy machine.
        """
        n_characters = max(1, int(batch.label_lengths.sum()))
        results = list(self._workers.map(self._part_gradients, split(batch, self._parts)))
        total = results[0][1]
        for _, gradients in results[1:]:
            torch._foreach_add_(total, gradients)
        torch._foreach_div_(total, n_characters)
        for parameter, gradient in zip(self._parameters, total, strict=True):
            parameter.grad = gradient
        return sum(loss for loss, _ in results) / n_characters

    def _part_gradients(self, part: Batch) -> tuple[float, list[Tensor]]:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16):
            loss: Tensor = self.objective(part)
        return float(loss.detach()), list(torch.autograd.grad(loss, self._parameters))

    def _update_average(self) -> None:
        decay = decay_at(self.position.step, self.options.ema_decay)
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self._parameters, 1 - decay)

    def swap_average(self) -> None:
        """Swaps the weights with their average; a second call swaps them back."""
        with torch.no_grad():
            for parameter, average in zip(self._parameters, self.average, strict=True):
                kept = parameter.clone()
                parameter.copy_(average)
                average.copy_(kept)

    def save(self) -> None:
        """Writes the checkpoint; if that fails, the previous one stays in place."""
        self.tick()
        content = {
            "objective": self.objective.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "position": vars(self.position),
        }
        save_atomically(content, self.directory / CHECKPOINT_NAME)

    def resume(self) -> bool:
        """Resumes from the checkpoint and returns whether there was one."""
        path = self.directory / CHECKPOINT_NAME
        if not path.exists():
            return False
        content = torch.load(path, weights_only=True)
        self.objective.load_state_dict(content["objective"])
        for average, saved in zip(self.average, content["average"], strict=True):
            average.copy_(saved)
        self.optimizer.load_state_dict(content["optimizer"])
        self.position = Position(**content["position"])
        self._last_tick = self._clock()
        return True


def split(batch: Batch, parts: int) -> list[Batch]:
    """The same examples in at most `parts` batches of similar size, each with minimal padding."""
    ends = torch.linspace(0, len(batch.lengths), parts + 1).round().int().tolist()
    return [
        Batch(
            batch.wav[first:end, : int(batch.lengths[first:end].max())],
            batch.lengths[first:end],
            batch.labels[first:end, : int(batch.label_lengths[first:end].max())],
            batch.label_lengths[first:end],
            batch.masks[first:end],
            batch.seed + first,
        )
        for first, end in pairwise(ends)
        if end > first
    ]


def save_atomically(content: Mapping[str, Any], path: Path) -> None:
    """Like ``torch.save``, but replaces the file only once the new one is complete."""
    unfinished = path.with_name(path.name + ".part")
    torch.save(content, unfinished)
    os.replace(unfinished, path)


class CsvLog:
    """Rows of numbers, appended to a CSV file with a header line.

    Args:
        path: The file; rows are appended if it exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, row: Mapping[str, float | str]) -> None:
        """Appends one row."""
        new = not self._path.exists()
        with self._path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)
