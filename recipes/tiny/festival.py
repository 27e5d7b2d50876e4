"""One good synthetic speaker: festival with the copy of its Russian voice made by `clean_voice`.

Every utterance reports the words it spoke and the recordings its units were cut from. The recipe
fails if one of those recordings is held out; utterances whose words differ from the text are
skipped.
"""

from __future__ import annotations

import multiprocessing
import random
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gigaam.dataset.text import normalize_text
from recipes.tiny.manifest import SAMPLE_RATE, SplitWriter, read_wav
from recipes.tiny.sentences import HeldOutTexts, Line, sample_phrase

LIBRARY = Path("/usr/share/festival")
SPEAKER = "festival_msu_ru_nsh"
VOICE_PATH = Path("voices/russian/msu_ru_nsh_clunits")
SENTENCES = 0.8  # share of whole sentences; the rest are phrases cut from them
DURATION_S = (1.0, 15.0)
BATCH = 100  # texts per festival process: loading the voice takes a second

# Without `-q` festival would find and load the installed voice before the first line of a script.
_SCRIPT = """\
(set! voice-path '("{voices}/"))
(load "{library}/init.scm")
(voice_msu_ru_nsh_clunits)
(define (say text wav report)
  (let ((utt (eval (list 'Utterance 'Text text))) (file nil))
    (utt.synth utt)
    (utt.save.wave utt wav 'riff)
    (set! file (fopen report "w"))
    (mapcar (lambda (i) (format file "word %s\\n" (item.name i))) (utt.relation.items utt 'Word))
    (mapcar (lambda (i) (format file "unit %s %s\\n" (item.name i) (item.feat i 'fileid)))
            (utt.relation.items utt 'Unit))
    (fclose file)))
"""
_UNREADABLE = re.compile(r"[^\w\s,.!?:;\-]")


@dataclass(frozen=True)
class Spoken:
    """A text spoken by festival: int16 samples [n], and the recordings its units come from."""

    line: Line
    pcm: NDArray[np.int16]
    recordings: tuple[str, ...]


def plan(sentences: Sequence[Line], held_out: HeldOutTexts, seed: int) -> list[Line]:
    """The texts to read: every sentence once in a shuffled order, mixed with short phrases."""
    chance = random.Random(seed)
    texts = [line.text for line in sentences]
    lines = []
    for line in chance.sample(sentences, len(sentences)):
        while chance.random() > SENTENCES:
            lines.append(sample_phrase(texts, held_out, chance))
        lines.append(line)
    return lines


def speak(lines: Sequence[Line], root: Path) -> list[Spoken]:
    """The texts as spoken by the voice under `root`, except those it cannot read word by word."""
    with tempfile.TemporaryDirectory() as scratch:
        script = _SCRIPT.format(voices=root / "voices", library=LIBRARY)
        for number, line in enumerate(lines):
            target = f"{scratch}/{number}"
            call = f'(say "{_readable(line.text)}" "{target}.wav" "{target}.txt")'
            # An unreadable text raises in festival; the next one is still read.
            script += f"(unwind-protect {call} nil)\n"
        program = Path(scratch, "say.scm")
        program.write_text(script, encoding="utf-8")
        command = ["festival", "-q", "-b", str(program)]
        subprocess.run(command, check=True, capture_output=True)
        return [
            Spoken(line, read_wav(wav), recordings)
            for number, line in enumerate(lines)
            if (wav := Path(scratch, f"{number}.wav")).exists()
            and (recordings := _check_report(wav.with_suffix(".txt"), line)) is not None
        ]


def _readable(text: str) -> str:
    plain = text.replace("…", ".").replace("—", "-").replace("–", "-")
    return " ".join(_UNREADABLE.sub(" ", plain).replace("_", " ").split())


def _check_report(report: Path, line: Line) -> tuple[str, ...] | None:
    """The recordings of an utterance's units; None if its words differ from the text."""
    fields = [row.split() for row in report.read_text(encoding="utf-8").splitlines()]
    words = " ".join(field[1] for field in fields if field[0] == "word")
    if normalize_text(words) != line.transcription:
        return None
    return tuple(field[2] for field in fields if field[0] == "unit")


def check_recordings(recordings: Sequence[str], held_out: Set[str]) -> None:
    """Raises ValueError if a unit was cut from a held-out recording or none was reported."""
    leaked = set(recordings) & held_out
    if leaked or not recordings:
        raise ValueError(f"units from held-out recordings {sorted(leaked)} of {len(recordings)}")


def write_split(
    directory: Path,
    name: str,
    lines: Sequence[Line],
    held_out: Set[str],
    hours: float,
    processes: int,
) -> None:
    """Writes the table `name`, and `name_units.txt`, the recordings used per utterance.

    The voice is read from `directory / "voices"`; the result does not depend on `processes`.
    """
    batches = [lines[i : i + BATCH] for i in range(0, len(lines), BATCH)]
    with (
        SplitWriter(directory, name) as writer,
        (directory / f"{name}_units.txt").open("w", encoding="utf-8") as units,
        multiprocessing.Pool(processes) as pool,
    ):
        for spoken in _flatten(pool.imap(partial(speak, root=directory), batches)):
            check_recordings(spoken.recordings, held_out)
            if DURATION_S[0] <= len(spoken.pcm) / SAMPLE_RATE <= DURATION_S[1]:
                writer.add(spoken.pcm, spoken.line.transcription, SPEAKER)
                units.write(" ".join(spoken.recordings) + "\n")
            if writer.seconds >= hours * 3600:
                return
    raise ValueError(f"only {writer.seconds / 3600:.1f} of {hours} hours: too few texts")


def _flatten(batches: Iterator[list[Spoken]]) -> Iterator[Spoken]:
    for batch in batches:
        yield from batch
