"""The models of a server: loaded when they are first asked for, unloaded when nobody asks."""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from threading import Lock

from gigaam.errors import ArgumentError, GigaAMError
from gigaam.live import LiveRecognizer
from gigaam.live.recognizer import live_limits
from gigaam.recognition import SpeechRecognition
from gigaam.recognition.batcher import Batcher
from gigaam.server.refusals import Refusal, busy
from gigaam.store import registry

__all__ = ["Load", "LoadedModel", "Models", "load_recogniser", "served_name"]

_AGAIN_S = 10.0

Load = Callable[[str], SpeechRecognition]


@dataclass(frozen=True)
class LoadedModel:
    """A model that can recognise.

    Attributes:
        name: What clients call it.
        model: Runs the nets.
        live: Makes sessions of live speech.
    """

    name: str
    model: SpeechRecognition
    live: LiveRecognizer

    @property
    def batcher(self) -> Batcher:
        """Decides whose turn it is: that of all models of the server."""
        return self.live.batcher

    @property
    def batch_size(self) -> int:
        """Chunks per pass. On a CPU more are no faster, and others would wait longer."""
        return 1 if str(self.model.device) == "cpu" else 8


class _Shelf:
    """One model, loaded or not."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.name = served_name(source)
        self.loaded: LoadedModel | None = None
        self.n_borrowed = 0
        self.used_at = 0.0
        self.failed_at = -math.inf
        self.lock = Lock()  # held while it is loaded


class Models:
    """The models that a server was started with; threads may share it."""

    def __init__(self, sources: Sequence[str], load: Load, *, ttl_s: float = 600.0) -> None:
        """Models of which none is loaded.

        Args:
            sources: Names or paths; the first is the default one, which stays once it is loaded.
            load: Loads one of them.
            ttl_s: After so many seconds without use another one is unloaded.
        """
        self._shelves = {shelf.name: shelf for shelf in map(_Shelf, sources)}
        if len(self._shelves) < len(sources):
            raise ArgumentError(f"two models have one name: {', '.join(sources)}")
        self._load = load
        self._ttl_s = ttl_s
        self._again_s = _AGAIN_S  # a model that could not be loaded is not tried before
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="gigaam-loader")
        self._batcher: Batcher | None = None
        self._lock = Lock()

    @property
    def names(self) -> list[str]:
        """What clients may ask for; the first is the default one."""
        return list(self._shelves)

    @property
    def loaded(self) -> list[str]:
        """Those that can recognise at once."""
        return [shelf.name for shelf in self._shelves.values() if shelf.loaded is not None]

    def resolve(self, name: str | None) -> str:
        """The model that a client means: the default one where the server has no such name."""
        return name if name in self._shelves else next(iter(self._shelves))

    async def ready(self, name: str | None) -> None:
        """Have a model loaded, in no thread that others wait for.

        Raises:
            Refusal: It cannot be loaded.
        """
        shelf = self._shelves[self.resolve(name)]
        if shelf.loaded is None:
            loading = asyncio.get_running_loop().run_in_executor(self._loader, self._on, shelf)
            loading.add_done_callback(lambda done: done.cancelled() or done.exception())
            await asyncio.shield(loading)  # others will want it, whoever leaves

    @contextmanager
    def borrowed(self, name: str | None) -> Iterator[LoadedModel]:
        """A model that stays meanwhile; it is loaded first if need be, which takes a while.

        Raises:
            Refusal: It cannot be loaded.
        """
        shelf = self._shelves[self.resolve(name)]
        with self._lock:
            shelf.n_borrowed += 1
        try:
            yield self._on(shelf)
        finally:
            with self._lock:
                shelf.n_borrowed -= 1
                shelf.used_at = time.monotonic()

    def unload_idle(self) -> list[str]:
        """Let go of those that nobody has used for long; their names."""
        now, unloaded = time.monotonic(), []
        with self._lock:
            for shelf in list(self._shelves.values())[1:]:
                is_idle = not shelf.n_borrowed and now - shelf.used_at > self._ttl_s
                if shelf.loaded is not None and is_idle:
                    shelf.loaded = None
                    unloaded.append(shelf.name)
        if unloaded:
            gc.collect()
        return unloaded

    def _on(self, shelf: _Shelf) -> LoadedModel:
        with shelf.lock:
            if shelf.loaded is None:
                if time.monotonic() - shelf.failed_at < self._again_s:
                    raise _unavailable(shelf)
                try:
                    model = self._load(shelf.source)
                except (GigaAMError, OSError) as error:
                    shelf.failed_at = time.monotonic()
                    raise _unavailable(shelf) from error
                live = LiveRecognizer(model, self._shared_batcher(model))
                shelf.loaded = LoadedModel(shelf.name, model, live)
            return shelf.loaded

    def _shared_batcher(self, model: SpeechRecognition) -> Batcher:
        with self._lock:
            if self._batcher is None:
                self._batcher = Batcher(live_limits(model))
            return self._batcher


def _unavailable(shelf: _Shelf) -> Refusal:
    told = f"the model {shelf.name} cannot be loaded; the server's log says why"
    return busy(503, told, _AGAIN_S, "model_unavailable")


def served_name(source: str) -> str:
    """What clients call a model: of a path, which is none of their business, the last part."""
    return source if registry.is_known(source) else PurePath(source).stem or source


def load_recogniser(name: str, device: str | None = None) -> SpeechRecognition:
    """A model that recognises speech.

    Raises:
        GigaAMError: It cannot be loaded, or does not.
    """
    import gigaam

    model = gigaam.load_model(name, device=device)
    if not isinstance(model, SpeechRecognition):
        raise ArgumentError(f"{name} does not recognise speech")
    return model
