"""The progress of a run on stderr: a bar on terminals, a line now and then elsewhere."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Callback, LightningModule, Trainer

from gigaam.training.runs.checkpoints import BestCheckpoint, validation_follows

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["RunDisplay"]

_LINES = 20  # per run without a bar; more if steps are slow
_SILENT_S = 60.0
_MEMORY = 0.9  # decay of the running mean of the loss, per step


class RunDisplay(Callback):
    """Shows the step, the loss, the error on the development set and the time left.

    Args:
        steps: Number of steps of the run.
        error_name: Name of the error.
        best: Knows the latest validation and the best one.
        shown: Whether to show anything.
    """

    def __init__(self, steps: int, error_name: str, best: BestCheckpoint, shown: bool) -> None:
        self.shown = shown and sys.stderr is not None
        self._steps, self._error_name, self._best = steps, error_name, best
        self._bar: Progress | None = None
        self._began_s = self._spoke_s = time.monotonic()
        self._first = self._step = 0
        self._loss: float | None = None

    def say(self, line: str) -> None:
        """Prints a line, above the bar if there is one."""
        if self.shown:
            print(line, file=sys.stderr, flush=True)

    def stopping(self) -> None:
        """Says that the run is about to stop after Ctrl-C."""
        self.say("stopping after this step, to resume from there later; Ctrl-C again stops at once")

    def complete(self, folder: Path, config: str) -> None:
        """Says that a run is complete, and how its model can be trained further.

        Args:
            folder: The run's folder.
            config: The configuration for training its model further.
        """
        again = shlex.join(["gigaam", "train", config, f"model.init={folder}", f"out={folder}-2"])
        self.say(
            f"the run in {folder} is complete ({self._steps} of {self._steps} steps), and its "
            f"model is in that folder: there is nothing left to train. To train the model further, "
            f"start a new run from it:\n  {again} …"
        )

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Shows a bar within the context if stderr is a terminal."""
        if not (self.shown and sys.stderr.isatty()):
            yield
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        bar = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[state]}"),
            console=Console(stderr=True),
            redirect_stdout=False,
            transient=True,
            expand=True,
        )
        bar.add_task("", total=self._steps, state="")
        with bar:
            self._bar = bar
            try:
                yield
            finally:
                self._bar = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Notes where the run begins or resumes."""
        self._began_s = self._spoke_s = time.monotonic()
        self._first = self._step = trainer.global_step
        if self._first:
            self.say(f"resuming from step {self._first} of {self._steps}")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Shows a step."""
        if not self.shown or trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        loss = float(outputs["loss"])
        self._loss = loss if self._loss is None else _MEMORY * self._loss + (1 - _MEMORY) * loss
        if self._bar is not None:
            state = ", ".join(filter(None, (self._loss_text(), self._time_left())))
            self._bar.update(self._bar.task_ids[0], completed=self._step, state=state)
        elif not validation_follows(trainer) and self._is_time():
            self._speak()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Shows the result of a validation."""
        if trainer.state.fn == "fit":
            error = 100 * self._best.latest_error
            praise = ", the best so far" if self._best.step == trainer.global_step else ""
            self._speak(f"{self._error_name} {error:.2f} %{praise}")

    def _speak(self, *more: str) -> None:
        self._spoke_s = time.monotonic()
        parts = filter(None, (self._loss_text(), *more, self._time_left()))
        self.say(f"step {self._step}/{self._steps}: {', '.join(parts)}")

    def _is_time(self) -> bool:
        every = max(1, self._steps // _LINES)
        return self._step % every == 0 or time.monotonic() - self._spoke_s > _SILENT_S

    def _loss_text(self) -> str:
        return "" if self._loss is None else f"loss {self._loss:.3f}"

    def _time_left(self) -> str:
        """The time left, estimated from the steps so far."""
        done, todo = self._step - self._first, self._steps - self._step
        if not (done and todo):
            return ""
        left_s = (time.monotonic() - self._began_s) / done * todo
        return f"{timedelta(seconds=round(left_s))} left"
