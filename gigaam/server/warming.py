"""Before the first request: the default model is loaded and measured, speakers' nets are opened."""

from __future__ import annotations

import asyncio
import time

from gigaam.audio import SAMPLE_RATE, read_audio
from gigaam.example_recording import EXAMPLE
from gigaam.server.answering import log
from gigaam.server.refusals import Refusal
from gigaam.server.service import Service
from gigaam.server.speakers import missing_for_speakers

__all__ = ["warm_up"]


async def warm_up(service: Service) -> None:
    """Loads what is needed; if it cannot be, `Service.not_ready` says so for good."""
    loop = asyncio.get_running_loop()
    try:
        speed = await loop.run_in_executor(service.executor, _measured_speed, service)
    except Exception as error:
        cause = error.__cause__ if isinstance(error, Refusal) else error
        service.fail(f"the model {service.models.names[0]} cannot be loaded", cause)
        return
    try:
        service.no_speakers = await loop.run_in_executor(
            service.executor, missing_for_speakers, service.settings.speakers
        )
    except Exception as error:
        service.fail("speakers cannot be told apart", error)
        return
    service.begin()
    are_told_apart = service.no_speakers is None
    told = {"model": service.models.names[0], "speed": round(speed, 1), "speakers": are_told_apart}
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
