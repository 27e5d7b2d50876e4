"""Workers of bulk runs that meet with accidents."""

import os
import signal
from dataclasses import dataclass

from gigaam.bulk.shard import ShardTask, ShardWorker
from gigaam.recognition import runner


@dataclass(frozen=True)
class PoisonedTask(ShardTask):
    """Workers are killed when a recording of some name is measured, as by the kernel."""

    poison: str = "poison"

    def open(self) -> ShardWorker:
        """A worker with its model."""
        measured = runner.duration_s

        def deadly(source: object, **options: object) -> float | None:
            if self.poison in str(source):
                os.kill(os.getpid(), signal.SIGKILL)
            return measured(source, **options)  # type: ignore[arg-type]

        runner.duration_s = deadly  # type: ignore[assignment]
        return super().open()


@dataclass(frozen=True)
class MortalTask(ShardTask):
    """Workers die as they begin."""

    def open(self) -> ShardWorker:
        """Never a worker."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError
