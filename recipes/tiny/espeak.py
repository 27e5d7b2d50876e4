"""Many synthetic speakers: espeak-ng's Russian in forty variants of voice, speed and pitch."""

from __future__ import annotations

import io
import multiprocessing
import random
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recipes.tiny.manifest import SAMPLE_RATE, SplitWriter
from recipes.tiny.sentences import HeldOutTexts, Line, sample_phrase
from recipes.tiny.sound import decoded

VARIANTS = (
    # female
    *(
        "Alicia",
        "Andrea",
        "Annie",
        "aunty",
        "belinda",
        "linda",
        "steph",
        "steph2",
        "steph3",
        "anika",
    ),
    *("f1", "f2", "f3", "f4", "f5", "grandma"),
    # male
    *("adam", "Alex", "Andy", "antonio", "benjamin", "boris", "caleb", "david", "Denis", "edward"),
    *("Gene", "Henrique", "Jacky", "Lee", "Marco", "Mario", "max", "michel", "miguel", "pablo"),
    *("m1", "m3", "m4", "m7"),
)
WORDS_PER_MINUTE = (110, 210)
PITCH = (25, 75)
AMPLITUDE = (40, 110)
SENTENCES, PHRASES = 0.6, 0.25  # shares of the items; the rest are phrases of the training prompts
DURATION_S = (1.0, 15.0)


@dataclass(frozen=True)
class Job:
    """One utterance to make: what is read, by whom and how."""

    line: Line
    variant: str
    words_per_minute: int
    pitch: int
    amplitude: int
    lead: float  # share of the padding of a short utterance that goes before it

    @property
    def speaker(self) -> str:
        """The manifest's name of the voice."""
        return f"espeak_ru_{self.variant}"


def plan(
    sentences: Sequence[Line], prompts: Sequence[str], held_out: HeldOutTexts, seed: int
) -> Iterator[Job]:
    """Endless jobs: whole sentences (each once), phrases cut from them, phrases of `prompts`."""
    chance = random.Random(seed)
    order = chance.sample(range(len(sentences)), len(sentences))
    texts = [line.text for line in sentences]
    while order:
        kind = chance.random()
        if kind < SENTENCES:
            line = sentences[order.pop()]
        else:
            source = texts if kind < SENTENCES + PHRASES else prompts
            line = sample_phrase(source, held_out, chance)
        yield Job(
            line,
            chance.choice(VARIANTS),
            chance.randint(*WORDS_PER_MINUTE),
            chance.randint(*PITCH),
            chance.randint(*AMPLITUDE),
            chance.random(),
        )


def speak(job: Job) -> NDArray[np.int16]:
    """The utterance, 16 kHz int16 [samples]; shorter ones are padded to a second."""
    voice = ["-v", f"ru+{job.variant}", "-s", str(job.words_per_minute)]
    pcm = say(job.line.text, *voice, "-p", str(job.pitch), "-a", str(job.amplitude))
    missing = round(DURATION_S[0] * SAMPLE_RATE) - len(pcm)
    if missing <= 0:
        return pcm
    before = round(job.lead * missing)
    return np.pad(pcm, (before, missing - before))


def say(text: str, *options: str) -> NDArray[np.int16]:
    """A text spoken by espeak-ng with these options, 16 kHz int16 [samples]."""
    command = ["espeak-ng", *options, "--stdin", "--stdout"]
    spoken = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    return decoded(io.BytesIO(spoken.stdout), "wav")


def write_split(
    directory: Path, name: str, jobs: Iterator[Job], hours: float, processes: int
) -> None:
    """Writes `hours` of the planned utterances; the result does not depend on `processes`."""
    finite = list(jobs)
    with SplitWriter(directory, name) as writer, multiprocessing.Pool(processes) as pool:
        for job, pcm in zip(finite, pool.imap(speak, finite, chunksize=16), strict=True):
            if len(pcm) <= DURATION_S[1] * SAMPLE_RATE:
                writer.add(pcm, job.line.transcription, job.speaker)
            if writer.seconds >= hours * 3600:
                return
    raise ValueError(f"only {writer.seconds / 3600:.1f} of {hours} hours: too few texts")
