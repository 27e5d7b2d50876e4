"""Before the first request: the default model is loaded, and how fast it is is measured."""

from __future__ import annotations

import asyncio
import time

from gigaam.audio import SAMPLE_RATE, read_audio
from gigaam.example_recording import EXAMPLE
from gigaam.server.answering import log
from gigaam.server.refusals import Refusal
from gigaam.server.service import Service

__all__ = ["warm_up"]


async def warm_up(service: Service) -> None:
    """Loads the default model; if it cannot be, `Service.not_ready` says so for good."""
    loop = asyncio.get_running_loop()
    try:
        speed = await loop.run_in_executor(service.executor, _measured_speed, service)
    except Exception as error:
        cause = error.__cause__ if isinstance(error, Refusal) else error
        service.fail(f"the model {service.models.names[0]} cannot be loaded", cause)
        return
    service.begin()
    told = {"model": service.models.names[0], "speed": round(speed, 1)}
    log.info("ready", extra={"told": told})


def _measured_speed(service: Service) -> float:
    """Seconds of sound per second, of a first recording that is recognised twice."""
    waveform = read_audio(EXAMPLE)
    with service.models.borrowed(None) as loaded:
        recognizer = loaded.model.recognizer(service.settings.decoding, batcher=loaded.batcher)
        recognizer.transcribe_batch([waveform])
        started = time.perf_counter()
        with service.speed.working():
            recognizer.transcribe_batch([waveform])
            service.speed.done(len(waveform) / SAMPLE_RATE)
    return len(waveform) / SAMPLE_RATE / (time.perf_counter() - started)
