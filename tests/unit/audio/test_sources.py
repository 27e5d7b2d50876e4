"""What recordings are read from: kinds of files, and file objects that raise."""

from __future__ import annotations

import _thread
import io
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import types
from functools import partial
from operator import methodcaller
from pathlib import Path

import numpy as np
import pytest

from gigaam.audio import Recording, iter_audio, read_audio
from gigaam.audio.sources import open_source
from gigaam.errors import AudioError
from tests.unit.audio.test_audio import MONO, MONO_FLOATS, Pipe, encoded, wav

posix = pytest.mark.skipif(os.name != "posix", reason="devices and pipes of POSIX")
LONG = wav(np.tile(MONO, (30, 1)))


@posix
@pytest.mark.parametrize("path", ["/dev/zero", "/dev/urandom", "/dev/null", "/dev/tty"])
def test_devices_are_refused(path: str, tmp_path: Path) -> None:
    if not stat.S_ISCHR(os.stat(path).st_mode):
        pytest.skip(f"{path} is no device here")
    link = tmp_path / "recording.wav"
    link.symlink_to(path)
    for each in (path, link):
        with pytest.raises(AudioError, match="is a device"):
            read_audio(each)


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="there is no /proc")
@pytest.mark.parametrize("path", ["/proc/self/environ", "/proc/cpuinfo", "/proc/self/mem"])
def test_files_of_the_system_are_refused(path: str, tmp_path: Path) -> None:
    link = tmp_path / "recording.wav"
    link.symlink_to(path)
    for each in (path, link):
        with pytest.raises(AudioError, match=r"belongs to the system|cannot be read"):
            read_audio(each)


@posix
def test_descriptors_of_the_process(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(MONO))
    folders = [folder for folder in ("/dev/fd", "/proc/self/fd") if os.path.isdir(folder)]
    for folder in folders:
        with path.open("rb") as file:
            np.testing.assert_array_equal(read_audio(f"{folder}/{file.fileno()}"), MONO_FLOATS)
        reading, writing = os.pipe()
        writer = threading.Thread(target=_write, args=(writing,))
        writer.start()
        np.testing.assert_array_equal(read_audio(f"{folder}/{reading}"), MONO_FLOATS)
        writer.join()
        os.close(reading)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/fd")
def test_socket() -> None:
    ours, theirs = socket.socketpair()
    writer = threading.Thread(target=_write, args=(theirs.detach(),))
    writer.start()
    with ours:
        samples = read_audio(f"/proc/self/fd/{ours.fileno()}")
    writer.join()
    np.testing.assert_array_equal(samples, MONO_FLOATS)


def _write(descriptor: int) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(wav(MONO))


def test_files_are_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(LONG)
    for _ in range(3):  # what is left open warns, and warnings are errors
        next(iter_audio(path, block_s=1))
        read_audio(path)
    path.write_bytes(b"no recording" * 900)
    with pytest.raises(AudioError):
        read_audio(path)


# ---------------------------------------------------------------------------- what readers raise


class Failing(Pipe):
    """Raises after some bytes, each time it is asked."""

    def __init__(self, data: bytes, error: BaseException, after: int) -> None:
        super().__init__(data)
        self.error, self.after, self.asked = error, after, 0

    def read(self, size: int = -1) -> bytes:
        if self._file.tell() >= self.after:
            self.asked += 1
            raise self.error
        return super().read(size)


class FailingSeek(io.BytesIO):
    """Can be rewound to its start, and raises at any other place."""

    error: BaseException

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0 and offset > 5000:
            raise self.error
        return super().seek(offset, whence)


ERRORS = [KeyboardInterrupt(), SystemExit(3), OSError("the cable is out"), ValueError(), EOFError()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("after", [0, 9_000, 700_000])
def test_whatever_a_reader_raises_comes_through(error: BaseException, after: int) -> None:
    reader = Failing(LONG, error, after)
    with pytest.raises(type(error)) as caught:
        read_audio(reader)  # type: ignore[arg-type]
    assert caught.value is error
    assert reader.asked == 1


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_seeking_raises_comes_through(error: BaseException) -> None:
    file = FailingSeek(encoded("mp4", "aac", np.tile(MONO, (4, 1))))
    file.error = error
    with pytest.raises(type(error)) as caught:
        read_audio(file)
    assert caught.value is error


def test_a_signal_that_has_come_does_not_keep_the_source_from_moving() -> None:
    source = open_source(LONG)
    calls = [_thread.interrupt_main, partial(source.seek, 1_000, os.SEEK_SET)]
    with pytest.raises(KeyboardInterrupt):
        list(map(methodcaller("__call__"), calls))  # no line of Python lies between the two
    assert source.tell() == 1_000
    assert source.read(4) == LONG[1_000:1_004]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/fd, and sockets that fail so")
@pytest.mark.parametrize("size", [2_000, 150_000])
def test_files_that_fail_are_errors_of_ours(size: int) -> None:
    ours, theirs = socket.socketpair()
    ours.send(b"never read, so that the connection is reset in the end")
    theirs.sendall(LONG[:size])
    theirs.close()
    path = f"/proc/self/fd/{ours.fileno()}"
    with ours, pytest.raises(AudioError, match=f"{path}.* cannot be read") as caught:
        read_audio(path)
    assert isinstance(caught.value.__cause__, ConnectionResetError)


def test_what_cannot_be_read_keeps_its_name(tmp_path: Path) -> None:
    path = tmp_path / "call.flac"
    path.write_bytes(b"no recording" * 900)
    with path.open("rb") as file:
        for opened in (read_audio, lambda source: list(Recording(source).blocks_apart())):
            file.seek(0)
            with pytest.raises(AudioError, match=r"call\.flac"):
                opened(file)


def test_a_file_object_has_its_extension(tmp_path: Path) -> None:
    """By which FFmpeg knows formats that have no header."""
    path = tmp_path / "call.g722"
    path.write_bytes(encoded("g722", "g722", MONO))
    with path.open("rb") as file:
        (blocks,) = zip(*Recording(file).blocks_apart(), strict=True)
    np.testing.assert_array_equal(np.concatenate(blocks), read_audio(path))


def test_blocks_before_an_error_are_given() -> None:
    blocks = iter_audio(Failing(LONG, OSError("gone"), 700_000), block_s=5)  # type: ignore[arg-type]
    assert [next(blocks).size for _ in range(3)] == [80_000] * 3
    with pytest.raises(OSError, match="gone"):
        list(blocks)


@posix
@pytest.mark.parametrize("moment", range(5))
def test_ctrl_c_while_reading(moment: int) -> None:
    """The signal is pending when FFmpeg calls the reader, or comes while that sleeps."""

    class Slow(Pipe):
        def read(self, size: int = -1) -> bytes:
            if not moment:
                time.sleep(0.02)
            return super().read(size)

    def read() -> None:
        for _ in range(1000):
            read_audio(Slow(LONG))  # type: ignore[arg-type]

    killer = threading.Timer(0.03 + 0.01 * moment, os.kill, (os.getpid(), signal.SIGINT))
    killer.start()
    with pytest.raises(KeyboardInterrupt):
        read()
    killer.join()


@posix
def test_a_socket_for_standard_input_gives_all_of_its_channels(example: Path) -> None:
    code = (
        "from gigaam.audio import Recording; import sys;"
        "blocks = Recording('/dev/stdin').blocks_apart();"
        "sys.stdout.write(str(sum(len(row) for row, in blocks)))"
    )
    ours, theirs = socket.socketpair()
    with (
        ours,
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=theirs, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        theirs.close()
        ours.sendall(example.read_bytes())
        ours.shutdown(socket.SHUT_WR)
        output, _ = process.communicate(timeout=60)
    assert output == str(len(read_audio(example)))


def test_a_live_stream_is_not_waited_for() -> None:
    """FFmpeg gets what the first read gave, and gives the same samples."""
    pipe = Pipe(LONG, 100)
    source = open_source(pipe, live=True)
    assert source.head == LONG[:100]
    assert len(open_source(Pipe(LONG, 100)).head) == 4096
    samples = np.concatenate(list(Recording(Pipe(LONG, 100), live=True).blocks()))
    np.testing.assert_array_equal(samples, np.tile(MONO_FLOATS, 30))


def test_while_another_thread_imports_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    np.testing.assert_array_equal(read_audio(wav(MONO)), MONO_FLOATS)
