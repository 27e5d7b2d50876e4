"""How far a run is, for a person: a bar on a terminal, else a line now and then; on stderr."""

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

from gigaam.training.run_checkpoints import BestCheckpoint, look_follows

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["RunDisplay"]

_LINES = 20  # in a run, where there is no bar; more of them where steps are slow
_SILENT_S = 60.0
_MEMORY = 0.9  # of the loss that is shown, per step


class RunDisplay(Callback):
    """Shows the step, the loss, the errors on the development set and the time that is left.

    Args:
        steps: Of the run.
        measure: What the errors are called.
        best: Knows which look at the development set was the best.
        shown: Whether anything is to be shown.
    """

    def __init__(self, steps: int, measure: str, best: BestCheckpoint, shown: bool) -> None:
        self.shown = shown and sys.stderr is not None
        self._steps, self._measure, self._best = steps, measure, best
        self._bar: Progress | None = None
        self._began_s = self._spoke_s = time.monotonic()
        self._first = self._step = 0
        self._loss: float | None = None

    def say(self, line: str) -> None:
        """Shows a line, above the bar if there is one."""
        if self.shown:
            print(line, file=sys.stderr, flush=True)

    def stopping(self) -> None:
        """Says that Ctrl-C was heard."""
        self.say("stopping after this step, to go on from there later; Ctrl-C again stops at once")

    def complete(self, folder: Path, config: str) -> None:
        """Says that a run has nothing left to do, and how its model can learn more.

        Args:
            folder: Of the run.
            config: With which a run can start from its model.
        """
        again = shlex.join(["gigaam", "train", config, f"model.init={folder}", f"out={folder}-2"])
        self.say(
            f"the run in {folder} is complete ({self._steps} of {self._steps} steps), and its "
            f"model is in that folder: there is nothing left to train. To train the model further, "
            f"start a new run from it:\n  {again} …"
        )

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Shows a bar meanwhile, if stderr is a terminal."""
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
        """Notes where the run begins, or goes on."""
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
            state = ", ".join(filter(None, (self._loss_text(), self._left())))
            self._bar.update(self._bar.task_ids[0], completed=self._step, state=state)
        elif not look_follows(trainer) and self._is_time():
            self._speak()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Shows what a look at the development set gave."""
        if trainer.state.fn == "fit":
            error = 100 * self._best.latest_error
            praise = ", the best so far" if self._best.step == trainer.global_step else ""
            self._speak(f"{self._measure} {error:.2f} %{praise}")

    def _speak(self, *more: str) -> None:
        self._spoke_s = time.monotonic()
        parts = filter(None, (self._loss_text(), *more, self._left()))
        self.say(f"step {self._step}/{self._steps}: {', '.join(parts)}")

    def _is_time(self) -> bool:
        every = max(1, self._steps // _LINES)
        return self._step % every == 0 or time.monotonic() - self._spoke_s > _SILENT_S

    def _loss_text(self) -> str:
        return "" if self._loss is None else f"loss {self._loss:.3f}"

    def _left(self) -> str:
        """The time that is left, by that of the steps so far."""
        done, todo = self._step - self._first, self._steps - self._step
        if not (done and todo):
            return ""
        left_s = (time.monotonic() - self._began_s) / done * todo
        return f"{timedelta(seconds=round(left_s))} left"
