"""Microphones; PortAudio is played by an object, since machines that run tests have none."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from gigaam.errors import AudioError, AudioWarning, MissingDependencyError
from gigaam.live.microphone import Microphone, microphones
from tests.portaudio import PortAudio


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> PortAudio:
    played = PortAudio(bytes(range(200)) * 100)
    monkeypatch.setitem(sys.modules, "sounddevice", played)
    return played


def test_what_is_recorded_comes_in_pieces(portaudio: PortAudio) -> None:
    microphone = Microphone()
    assert microphone.name == "Built-in"
    sound, pieces = microphone.open()
    assert (sound.rate, sound.n_channels) == (48_000, 1)
    assert portaudio.n_open == 0
    with pytest.raises(AudioError, match="the microphone 'Built-in' fails: unplugged"):
        b"".join(pieces)
    assert portaudio.given == portaudio.sound
    assert portaudio.n_open == 0


def test_it_is_switched_off_when_nobody_listens(portaudio: PortAudio) -> None:
    _, pieces = Microphone("Headset", rate=16_000, n_channels=2).open()
    assert len(next(pieces)) == 1600 * 4
    assert portaudio.asked == {
        "samplerate": 16_000,
        "device": 2,
        "channels": 2,
        "dtype": "int16",
    }
    assert portaudio.n_open == 1
    pieces.close()
    assert portaudio.n_open == 0


def test_sound_that_was_lost_is_told(portaudio: PortAudio) -> None:
    portaudio.overflows = True
    _, pieces = Microphone().open()
    with pytest.warns(AudioWarning, match="some sound of the microphone was lost"):
        next(pieces)


@pytest.mark.parametrize(
    ("device", "settings", "message"),
    [
        ("Nothing", {}, "'Nothing' cannot be used: No input device matching 'Nothing'; there are "),
        (1, {}, r"1 cannot be used: Not an input device: 'Speakers'; .* 0: Built-in, 2: Headset"),
        (0, {"n_channels": 3}, "0 cannot be used: Invalid number of channels"),
    ],
)
def test_what_cannot_record_is_refused(
    device: str | int, settings: dict[str, Any], message: str, portaudio: PortAudio
) -> None:
    with pytest.raises(AudioError, match=message):
        Microphone(device, **settings)


def test_a_machine_without_microphones(portaudio: PortAudio) -> None:
    portaudio.devices = portaudio.devices[1:2]
    portaudio.default = SimpleNamespace(device=(-1, 0))
    assert microphones() == []
    with pytest.raises(AudioError, match="there is no microphone on this machine"):
        Microphone()


def test_list(portaudio: PortAudio) -> None:
    assert microphones() == [(0, "Built-in", 2, True), (2, "Headset", 2, False)]


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingDependencyError, match=r'extra "live" .* pip install'):
        Microphone()

    def without_library(name: str) -> Any:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr("gigaam.live.microphone.import_module", without_library)
    with pytest.raises(MissingDependencyError, match="apt install libportaudio2"):
        microphones()
