"""A thread that reads a recording and feeds it, ahead of whoever takes the batches.

The recording is decoded once, for all of its channels. What is held at any time is what the feeds
hold, and the batches that nobody has taken yet: reading stops while every channel has some.
"""

from __future__ import annotations

import atexit
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from threading import Condition, Event, Thread
from typing import Any

from gigaam.recognition.feed import Batch, Feed, Waveform

__all__ = ["ReadAhead"]

_JOIN_S = 5.0  # a source that stalls, like a pipe nobody writes to, cannot be interrupted


class ReadAhead:
    """Batches of the channels of one recording, made in a thread while `running`."""

    def __init__(
        self,
        blocks: Iterator[Sequence[Waveform]],
        feeds: Sequence[Feed],
        close: Callable[[], Any] = lambda: None,
    ) -> None:
        """A reader that has not begun.

        Args:
            blocks: The recording: the next samples of each feed, float32 [n].
            feeds: One for each channel, or for their mix.
            close: Called when reading has ended.
        """
        self.feeds = feeds
        self._blocks = blocks
        self._close = close
        self._changed = Condition()
        self._outputs = {feed: _Output(feed, self._changed) for feed in feeds}
        self._stopped = False
        self._ended = Event()
        # One channel's next batch is made while another's is recognised.
        self._depth = 2 if len(feeds) == 1 else 1

    @contextmanager
    def running(self) -> Iterator[None]:
        """The context in which the thread reads."""
        # In the caller's context, so that warnings about the recording are told where it listens.
        run = partial(copy_context().run, self._run)
        thread = Thread(target=run, name="gigaam-longform", daemon=True)
        # A program may end with its segments still coming. The threads would then be taken down in
        # the middle of ONNX Runtime, which aborts the process.
        stop = partial(self._stop, thread)
        atexit.register(stop)
        try:
            thread.start()
            yield
        finally:
            stop()
            atexit.unregister(stop)

    def batches(self, feed: Feed) -> Generator[Batch, None, None]:
        """The batches of a feed in order; an error comes in its place.

        Closing the generator ends the feed, and reading with the last of them.
        """
        output = self._outputs[feed]
        try:
            while (batch := output.next()) is not None:
                yield batch
        finally:
            output.drop()

    def _stop(self, thread: Thread) -> None:
        """Ends the thread, and waits for it."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._ended.wait(_JOIN_S)  # join() refuses a thread whose start was interrupted
        if thread.is_alive():
            thread.join(_JOIN_S)

    def _run(self) -> None:
        """The thread."""
        failure: BaseException | None = None
        try:
            if len(self._outputs) == 1:
                self._read(map)
            else:
                n_workers = min(len(self._outputs), os.cpu_count() or 1)
                with ThreadPoolExecutor(n_workers, "gigaam-channel") as pool:
                    self._read(pool.map)
        except BaseException as error:  # whatever it is, the other thread waits for it
            failure = error
        try:
            if isinstance(self._blocks, Generator):
                self._blocks.close()
            self._close()
        finally:
            for output in self._outputs.values():
                output.end(failure)
            self._ended.set()

    def _read(self, each: Callable[..., Iterator[None]]) -> None:
        """Reads and feeds to the end; ``each`` is map(), perhaps over threads."""
        outputs = list(self._outputs.values())
        failure: Exception | None = None
        while self._has_room():
            try:
                block = next(self._blocks, None)
            except Exception as error:
                failure = error
                break
            if block is None:
                break
            list(each(_Output.push, outputs, block))
        if not self._stopped:
            # After a failure, too: what was decoded before it is to be recognised.
            list(each(partial(_Output.finish, failure=failure), outputs))

    def _has_room(self) -> bool:
        """Waits until a feed has few batches; False once nobody takes any."""
        with self._changed:
            outputs = self._outputs.values()
            self._changed.wait_for(
                lambda: (
                    self._stopped
                    or not any(output.is_wanted for output in outputs)
                    or any(output.is_short(self._depth) for output in outputs)
                )
            )
            return not self._stopped and any(output.is_wanted for output in outputs)


class _Output:
    """What a feed has made, from the thread that makes it to the one that takes it."""

    def __init__(self, feed: Feed, changed: Condition) -> None:
        self._feed = feed
        self._changed = changed
        self._ready: deque[Batch] = deque()
        self._failure: BaseException | None = None
        self._has_ended = False
        self._is_dropped = False

    @property
    def is_wanted(self) -> bool:
        """Whether samples are still to be pushed."""
        return not (self._has_ended or self._is_dropped)

    def is_short(self, depth: int) -> bool:
        """Whether more batches are wanted than are ready."""
        return self.is_wanted and len(self._ready) < depth

    def push(self, samples: Waveform) -> None:
        """Feed samples; an error ends this feed alone."""
        self._add(lambda: self._feed.push(samples))

    def finish(self, failure: BaseException | None) -> None:
        """Make the last batches; after them comes the failure, if there is one."""
        self._add(self._feed.finish)
        self.end(failure)

    def end(self, failure: BaseException | None) -> None:
        """No more batches come, unless that is known already."""
        with self._changed:
            if not self._has_ended:
                self._has_ended, self._failure = True, failure
            self._changed.notify_all()

    def next(self) -> Batch | None:
        """The next batch, waited for; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._has_ended)
            if self._ready:
                self._changed.notify_all()
                return self._ready.popleft()
        if self._failure is not None:
            raise self._failure
        return None

    def drop(self) -> None:
        """Nobody takes batches any more."""
        with self._changed:
            self._is_dropped = True
            self._ready.clear()
            self._changed.notify_all()

    def _add(self, make: Callable[[], list[Batch]]) -> None:
        if not self.is_wanted:
            return
        try:
            batches = make()
        except BaseException as error:  # whoever takes the batches is to know
            self.end(error)
            return
        with self._changed:
            if not self._is_dropped:
                self._ready.extend(batches)
            self._changed.notify_all()
