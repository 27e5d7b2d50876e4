"""Microphones, through PortAudio."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from typing import Any

from gigaam.errors import AudioError, AudioWarning, MissingDependencyError
from gigaam.live.sources import PIECE_S, Pieces, SoundFormat

__all__ = ["Microphone", "microphones"]

_FORMAT = "s16le" if sys.byteorder == "little" else "s16be"


class Microphone:
    """An input device of this machine.

    Attributes:
        name: What the system calls it.
    """

    def __init__(
        self, device: str | int | None = None, *, rate: int | None = None, n_channels: int = 1
    ) -> None:
        """A microphone that was not switched on.

        Args:
            device: A part of its name, or its number; by default the system's choice.
            rate: Samples per second; by default the device's own.
            n_channels: How many channels to record.

        Raises:
            MissingDependencyError: The package ``sounddevice`` or its library is missing.
            AudioError: There is no such device, or it cannot record so.
        """
        self._portaudio = _portaudio()
        try:
            told = self._portaudio.query_devices(device, "input")
            self._number, self.name = int(told["index"]), str(told["name"])
            rate = round(told["default_samplerate"]) if rate is None else rate
            self._portaudio.check_input_settings(self._number, n_channels, "int16", None, rate)
        except (ValueError, self._portaudio.PortAudioError) as error:
            raise AudioError(_told(error, device)) from error
        self._sound = SoundFormat(rate, _FORMAT, n_channels)

    def open(self) -> tuple[SoundFormat, Pieces]:
        """What it records, and the pieces."""
        return self._sound, self._pieces()

    def _pieces(self) -> Pieces:
        n_samples = round(self._sound.rate * PIECE_S)
        try:
            with self._portaudio.RawInputStream(
                samplerate=self._sound.rate,
                device=self._number,
                channels=self._sound.n_channels,
                dtype="int16",
            ) as stream:
                while True:
                    data, has_overflowed = stream.read(n_samples)
                    if has_overflowed:
                        warnings.warn(
                            "some sound of the microphone was lost: it was not read in time",
                            AudioWarning,
                            stacklevel=1,
                        )
                    yield bytes(data)
        except self._portaudio.PortAudioError as error:
            raise AudioError(f"the microphone {self.name!r} fails: {error}") from error


def microphones() -> list[tuple[int, str, int, bool]]:
    """The input devices: number, name, channels, and whether it is the system's choice.

    Raises:
        MissingDependencyError: The package ``sounddevice`` or its library is missing.
    """
    portaudio = _portaudio()
    chosen = portaudio.default.device[0]
    return [
        (number, str(told["name"]), int(told["max_input_channels"]), number == chosen)
        for number, told in enumerate(portaudio.query_devices())
        if told["max_input_channels"] > 0
    ]


def _portaudio() -> Any:
    """The package ``sounddevice``."""
    try:
        return import_module("sounddevice")
    except ImportError as error:
        raise MissingDependencyError(
            f"microphones need the extra \"live\" ({error}): pip install '.[live]' in a clone of "
            "gigaam, or pip install sounddevice"
        ) from error
    except OSError as error:
        raise MissingDependencyError(
            "microphones need the library PortAudio, which is not installed "
            "(on Debian and Ubuntu: apt install libportaudio2)"
        ) from error


def _told(error: Exception, device: str | int | None) -> str:
    """What is wrong with a choice, and what could be chosen."""
    there = [f"{number}: {name}" for number, name, _, _ in microphones()]
    if not there:
        return "there is no microphone on this machine"
    what = str(error).splitlines()[0]
    named = "the system's choice" if device is None else repr(device)
    return f"{named} cannot be used: {what}; there are {', '.join(there)}"
