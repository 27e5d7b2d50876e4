"""What plays the package ``sounddevice`` where there is no microphone."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any


class PortAudioError(Exception):
    pass


class PortAudio:
    """Three devices, of which two record the same sound.

    Attributes:
        sound: What they record; then they are unplugged.
        given: What was recorded so far.
        asked: How the last stream was opened.
        n_open: How many streams are open.
        overflows: Whether sound is lost.
        speed: How many times faster than sound it gives it.
    """

    PortAudioError = PortAudioError

    def __init__(self, sound: bytes, rate: int = 48_000, speed: float = float("inf")) -> None:
        self.sound, self.given, self.speed = sound, b"", speed
        self.asked: dict[str, Any] = {}
        self.n_open = 0
        self.overflows = False
        self.default = SimpleNamespace(device=(0, 1))
        self.devices = [
            {"index": number, "name": name, "max_input_channels": n, "default_samplerate": rate}
            for number, (name, n) in enumerate([("Built-in", 2), ("Speakers", 0), ("Headset", 2)])
        ]

    def query_devices(self, device: str | int | None = None, kind: str | None = None) -> Any:
        if kind is None:
            return self.devices
        number = self.default.device[0] if device is None else device
        if number == -1:
            raise PortAudioError("Error querying device -1")
        for each in self.devices:
            if number in (each["index"], each["name"]):
                if not each["max_input_channels"]:
                    raise ValueError(f"Not an input device: {each['name']!r}")
                return each
        raise ValueError(f"No input device matching {device!r}")

    def check_input_settings(
        self, device: int, channels: int, dtype: str, extra: None, samplerate: int
    ) -> None:
        if channels > self.devices[device]["max_input_channels"]:
            raise PortAudioError("Invalid number of channels [PaErrorCode -9998]")

    def RawInputStream(self, **asked: Any) -> Stream:
        self.asked = asked
        return Stream(self)


class Stream:
    def __init__(self, portaudio: PortAudio) -> None:
        self._portaudio = portaudio
        self._bytes_per_s = 2 * portaudio.asked["channels"] * portaudio.asked["samplerate"]

    def __enter__(self) -> Stream:
        self._portaudio.n_open += 1
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._portaudio.n_open -= 1

    def read(self, n_samples: int) -> tuple[memoryview, bool]:
        told = self._portaudio
        start = len(told.given)
        data = told.sound[start : start + n_samples * 2 * told.asked["channels"]]
        if not data:
            raise PortAudioError("unplugged")
        told.given += data
        due = self._began + len(told.given) / self._bytes_per_s / told.speed
        time.sleep(max(0.0, due - time.monotonic()))
        return memoryview(data), told.overflows
