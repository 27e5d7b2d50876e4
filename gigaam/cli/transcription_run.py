"""The recordings of a command line: which are to be done, the work, and what is said of it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from gigaam.cli.command_options import Talk
from gigaam.cli.jobs import Job
from gigaam.cli.output_options import OutputOptions
from gigaam.cli.printing import check_stdout, complain, reason
from gigaam.cli.progress import ProgressDisplay, progress_display
from gigaam.errors import GigaAMError
from gigaam.recognition.runner import BatchRunner

__all__ = ["TranscriptionRun"]


class TranscriptionRun:
    """Some recordings, of which those are left out that are done or missing.

    Attributes:
        jobs: What is left to do.
        n_failed: How many have failed.
        needs_times: Whether the results cannot do without word timestamps.
    """

    def __init__(self, outputs: OutputOptions, jobs: Sequence[Job], how_much: Talk) -> None:
        """A run; it tells which recordings are missing.

        Args:
            outputs: Where results go.
            jobs: What the command line asks for.
            how_much: Is said.
        """
        self._outputs, self._how_much, self._n_asked = outputs, how_much, len(jobs)
        todo = [job for job in jobs if not (outputs.skip_existing and job.is_done)]
        self._n_skipped = len(jobs) - len(todo)
        if todo and outputs.are_printed:
            check_stdout()
        for job in todo:
            if job.is_missing:
                complain(f"{job.path}: there is no such file")
        self.jobs = [job for job in todo if not job.is_missing]
        self.n_failed = len(todo) - len(self.jobs)
        self._printer = outputs.printer(len(jobs))
        self.needs_times = outputs.word_timestamps or self._printer.needs_times
        self._speed = ""

    def work(self, runner: BatchRunner) -> None:
        """Recognises and writes; then tells what failed."""
        # Where results appear on the terminal, they themselves show the progress.
        is_shown = self._outputs.are_printed and sys.stdout.isatty()
        hidden = is_shown or self._how_much == Talk.QUIET
        with progress_display(len(self.jobs), hidden) as display:
            failures = self._failures(runner, display)
        for path, failure in failures:
            complain(reason(path, failure))
            if self._how_much == Talk.VERBOSE:
                traceback.print_exception(failure)
        self.n_failed += len(failures)
        self._speed = display.summary()

    def tell(self) -> None:
        """Tells what was done, what was left out and, last, how many failed."""
        if self._how_much != Talk.QUIET:
            if self._n_skipped == self._n_asked:
                one = self._n_asked == 1
                whose = "its files exist" if one else f"the files of all {self._n_asked} exist"
                complain(f"nothing to do: {whose} already")
            elif not self._outputs.are_printed and (done := self._done()):
                complain(done)
        if self.n_failed and self._n_asked > 1:
            complain(f"{self.n_failed} of {self._n_asked} recordings failed")

    def _done(self) -> str:
        skipped = f"{self._n_skipped} of {self._n_asked} recordings skipped: their files exist"
        return "; ".join(filter(None, (self._speed, skipped if self._n_skipped else "")))

    def _failures(
        self, runner: BatchRunner, display: ProgressDisplay
    ) -> list[tuple[Path, Exception]]:
        failures: list[tuple[Path, Exception]] = []
        printer = self._printer
        recordings = ((job, job.source) for job in self.jobs)
        for outcome in runner.run(recordings, on_progress=display.at, on_segment=printer.segment):
            result = outcome.result
            if not isinstance(result, Exception):
                try:
                    printer.result(outcome.key, result)
                except BrokenPipeError:  # nobody reads any more
                    raise
                except (GigaAMError, OSError) as error:
                    result = error
            if isinstance(result, Exception):
                failures.append((outcome.key.path, result))
            display.finish(0.0 if isinstance(result, Exception) else outcome.duration_s)
        return failures
