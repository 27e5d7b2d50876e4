"""What the server costs, and how it behaves when there is much to do.

    python -m benchmarks.serve                         all but the soak, tiny_ctc int8
    python -m benchmarks.serve --size v3               a full-size model with random weights
    python -m benchmarks.serve --only soak --minutes 60

Server and clients share the machine; figures are ratios within one run. Needs the extra ``server``
and the recordings that the recipes hold out.
"""

import argparse
import asyncio
import io
import tempfile
import time
import wave
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import websockets
from numpy.typing import NDArray

import gigaam
from benchmarks.live_load import random_model
from benchmarks.machine import report, time_runs
from benchmarks.serve_client import Answer, Client, Server, serving
from gigaam.recognition.runner import BatchRunner
from recipes.tiny.long_recordings import RATE, held_out, write_long

ROUTE = "/v1/audio/transcriptions"
PARTS = ("overhead", "latency", "overload", "idle", "soak")
COMMAND_S = 3
ROUNDS = 5
COMMANDS = 60
IDLE = 200


def wav(samples: NDArray[np.int16]) -> bytes:
    """The bytes of a file, of samples [n]."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, RATE, 0, "NONE", ""))
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def overhead(server: Server, directory: Path, recordings: Sequence[bytes]) -> dict[str, Any]:
    """One client, one recording after another, against the library in this process."""
    model = gigaam.load_model(str(directory))
    runner = BatchRunner(model, word_timestamps=True, batch_size=1)
    client = Client(server.port)
    own, served = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        outcomes = [next(iter(runner.run([(None, data)]))) for data in recordings]
        own.append(time.perf_counter() - started)
        time.sleep(0.5)  # threads of this process's ONNX Runtime spin for a while
        started = time.perf_counter()
        answers = [client.post(ROUTE, data) for data in recordings]
        served.append(time.perf_counter() - started)
    texts = [getattr(each.result, "text", "") for each in outcomes]
    return {
        "recordings": len(recordings),
        "library s": min(own),
        "server s": min(served),
        "server / library": min(served) / min(own),
        "same texts": texts == [answer.body["text"] for answer in answers],
    }


def latency(
    server: Server, directory: Path, commands: Sequence[bytes], hour: bytes
) -> dict[str, Any]:
    """A short command, alone, and while an hour is recognised as a job and as a request."""
    client = Client(server.port)
    row = {"the longest piece of a job ms": piece_ms(directory, hour)}
    row |= spread("alone", [client.post(ROUTE, data) for data in commands])
    job = client.post("/v1/jobs", hour)
    assert job.status == 202, job.body
    row |= spread("beside a job", [client.post(ROUTE, data) for data in commands])
    state = client.ask("GET", f"/v1/jobs/{job.body['id']}").body
    row["job at work"] = state["status"] == "running"
    client.ask("DELETE", f"/v1/jobs/{job.body['id']}")
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(Client(server.port).post, ROUTE, hour)
        time.sleep(1.0)
        row |= spread("beside an hour's request", [client.post(ROUTE, data) for data in commands])
        row["request at work"] = not other.done()
        assert other.result().status == 200
    return row


def piece_ms(directory: Path, hour: bytes) -> float:
    """What half a minute takes, which is the longest chunk of a long recording."""
    recognizer = gigaam.load_model(str(directory)).recognizer()
    waveform = gigaam.audio.read_audio(hour)[: 30 * RATE]
    return time_runs(lambda: recognizer.transcribe_batch([waveform]), 10).median * 1000


def spread(what: str, answers: Sequence[Answer]) -> dict[str, Any]:
    """Median and 95th percentile of answers that must all be right."""
    assert {answer.status for answer in answers} == {200}
    taken = np.array([answer.seconds for answer in answers]) * 1000
    return {
        f"{what}: p50 ms": float(np.median(taken)),
        f"{what}: p95 ms": float(np.percentile(taken, 95)),
    }


def overload(server: Server, data: bytes, seconds: float) -> dict[str, Any]:
    """Ten times as many requests as are let in at a time, for some seconds."""
    expected = Client(server.port).post(ROUTE, data).body["text"]
    before = server.memory_mib
    end = time.perf_counter() + seconds
    peak = [before]

    def insist(_: int) -> list[Answer]:
        client, answers = Client(server.port), []
        while time.perf_counter() < end:
            answers.append(client.post(ROUTE, data))
            peak[0] = max(peak[0], server.memory_mib)
            if answers[-1].status != 200:
                time.sleep(0.2)
        return answers

    with ThreadPoolExecutor(640) as pool:
        answers = [answer for found in pool.map(insist, range(640)) for answer in found]
    statuses = Counter(answer.status for answer in answers)
    right = [a.body["text"] == expected for a in answers if a.status == 200]
    refused = [a.seconds for a in answers if a.status != 200]
    retries = [a.retry_s for a in answers if a.status != 200]
    return {
        "answered": statuses[200],
        "of them right": sum(right),
        "refused": len(refused),
        "other statuses": {k: n for k, n in statuses.items() if k not in (200, 429, 503)},
        "refused after p50 ms": float(np.median(refused)) * 1000 if refused else None,
        "refused after p95 ms": float(np.percentile(refused, 95)) * 1000 if refused else None,
        "longest Retry-After s": max((each or 0.0 for each in retries), default=None),
        "memory before MiB": before,
        "memory at most MiB": peak[0],
    }


def idle(server: Server, command: bytes) -> dict[str, Any]:
    """Websockets on which nobody speaks."""

    async def open_all() -> tuple[float, float, Answer]:
        url = f"ws://127.0.0.1:{server.port}/v1/live?rate=16000"
        sockets = [await websockets.connect(url) for _ in range(IDLE)]
        await asyncio.sleep(2.0)
        memory, before = server.memory_mib, server.processor_s
        await asyncio.sleep(10.0)
        spent = server.processor_s - before
        answer = await asyncio.to_thread(Client(server.port).post, ROUTE, command)
        for socket in sockets:
            await socket.close()
        return memory, spent, answer

    before = server.memory_mib
    memory, spent, answer = asyncio.run(open_all())
    return {
        "websockets": IDLE,
        "memory each KiB": (memory - before) * 1024 / IDLE,
        "processor of one core, %": spent * 10,
        "a command meanwhile ms": answer.seconds * 1000,
    }


def soak(
    server: Server, recordings: Sequence[bytes], minutes: float, pause_s: float
) -> dict[str, Any]:
    """Requests of two clients, and live sessions: what is held early, and at the end."""
    end = time.monotonic() + minutes * 60
    early_s = time.monotonic() + minutes * 6
    early: list[float] = []

    def work(first: int) -> int:
        client, n = Client(server.port), 0
        while time.monotonic() < end:
            stream = "true" if n % 5 == 4 else "false"
            answer = client.post(ROUTE, recordings[(first + n) % len(recordings)], stream=stream)
            assert answer.status == 200, answer.body
            n += 1
            if n % 10 == 0:
                asyncio.run(speak(server, recordings[n % len(recordings)]))
            time.sleep(pause_s)
            if not early and time.monotonic() > early_s:
                early.append(server.memory_mib)
        return n

    with ThreadPoolExecutor(2) as pool:
        n_answers = sum(pool.map(work, (0, len(recordings) // 2)))
    return {
        "minutes": minutes,
        "answers": n_answers,
        "memory after a tenth MiB": early[0],
        "memory at the end MiB": server.memory_mib,
    }


async def speak(server: Server, data: bytes) -> None:
    """A live session that hears a recording at once."""
    async with websockets.connect(f"ws://127.0.0.1:{server.port}/v1/live") as socket:
        await socket.send(data[44:])
        await socket.send('{"type": "finish"}')
        async for _ in socket:
            pass


def export(size: str, directory: Path, samples: NDArray[np.int16]) -> Path:
    """The directory of the int8 graphs that are served."""
    if size == "v3":
        random_model("v3_ctc", "int8", directory, samples, threads=2)
        return directory / "live-v3_ctc-int8"
    path = directory / "tiny"
    if not path.exists():
        gigaam.load_model("tiny_ctc").to_onnx(path, dtype="int8")
    return path


def hour_of_speech(directory: Path) -> bytes:
    """An hour, as a file."""
    path = directory / "hour.wav"
    if not path.exists():
        write_long(path, held_out(), 3600.0)
    return path.read_bytes()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=["tiny", "v3"], default="tiny")
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--minutes", type=float, default=60.0, help="of the soak")
    parser.add_argument("--pause", type=float, default=0.0, help="of the soak, in seconds")
    parser.add_argument("--directory", type=Path, help="keeps exports and recordings")
    arguments = parser.parse_args()
    wanted = [arguments.only] if arguments.only else PARTS[:-1]
    with tempfile.TemporaryDirectory() as scratch:
        directory = arguments.directory or Path(scratch)
        directory.mkdir(parents=True, exist_ok=True)
        speech = [each.samples for each in held_out()]
        model = export(arguments.size, directory, speech[0])
        recordings = [wav(samples) for samples in speech[: 60 if arguments.size == "tiny" else 24]]
        joined = np.concatenate(speech)
        length = COMMAND_S * RATE
        commands = [wav(joined[n * length : (n + 1) * length]) for n in range(COMMANDS)]
        parts: dict[str, Callable[[Server], dict[str, Any]]] = {
            "overhead": lambda server: overhead(server, model, recordings),
            "latency": lambda server: latency(server, model, commands, hour_of_speech(directory)),
            "overload": lambda server: overload(server, recordings[0], 15.0),
            "idle": lambda server: idle(server, commands[0]),
            "soak": lambda server: soak(server, recordings, arguments.minutes, arguments.pause),
        }
        rows = []
        for name in wanted:
            jobs = ["--jobs-dir", f"{scratch}/jobs"]
            with serving("--onnx", str(model), *jobs, log=Path(scratch, "log")) as server:
                rows += [{"part": name, "what": k, "": v} for k, v in parts[name](server).items()]
        report(f"the server, {arguments.size} int8", rows)


if __name__ == "__main__":
    main()
