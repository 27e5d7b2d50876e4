"""Prepares the data of the tiny models: `python -m recipes.tiny.prepare OUTPUT [PART …]`.

Parts are `real`, `irina`, `rhvoice`, `espeak`, `festival`, `games` and `words`; by default all are
made. Every part can be made again; the same packages and texts give the same files.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gigaam.ngrams.texts import read_lines
from recipes.tiny import (
    clean_voice,
    espeak,
    festival,
    festvox,
    games,
    prompts,
    rhvoice,
    warped,
    words,
)
from recipes.tiny.manifest import SplitWriter, read_rows
from recipes.tiny.sentences import HeldOutTexts, Line, read_fortunes, usable_sentences

SEED = 2


def held_out_texts() -> HeldOutTexts:
    """The dev and test texts of both speakers."""
    sentences = [s.transcription for s in festvox.read_sentences() if s.split != "train"]
    return HeldOutTexts(
        sentences + [p.transcription for p in prompts.read_prompts() if p.split != "train"]
    )


def prepare_real(output: Path) -> None:
    """Writes the tables of recordings, `dev_warped` and the packaged recording."""
    festvox.write_splits(output)
    festvox.write_example(output)
    prompts.write_splits(output)
    warped.write_split(output, "dev_warped", ["dev_festvox", "dev_prompts"])


def prepare_irina(output: Path) -> None:
    """Writes `dev_irina` and `test_irina`: a voice that no model learns from reads those texts."""
    engine = rhvoice.Engine.unpacked(output / "rhvoice")
    read = [*festvox.read_sentences(), *prompts.read_prompts()]
    for split in ("dev", "test"):
        lines = {s.transcription: Line(s.text, s.transcription) for s in read if s.split == split}
        jobs = [rhvoice.Job(line, rhvoice.IRINA) for line in lines.values()]
        with SplitWriter(output, f"{split}_irina") as writer:
            for job, pcm in zip(jobs, engine.speak(jobs), strict=True):
                writer.add(pcm, job.line.transcription, job.speaker.name)


def prepare_rhvoice(output: Path, texts: Sequence[Path], hours: float, processes: int) -> None:
    """Writes `synth_rhvoice`: many speakers read the texts given and those of other parts."""
    held_out = held_out_texts()
    paragraphs: list[Iterable[str]] = [read_text(path) for path in texts]
    paragraphs += [read_fortunes(), read_games(output), words.read_lines(SEED)]
    sources = [usable_sentences(each, held_out) for each in paragraphs]
    jobs = rhvoice.plan(sources, held_out, SEED)
    rhvoice.write_split(output, "synth_rhvoice", jobs, hours, processes)


def read_text(path: Path) -> Iterator[str]:
    """The lines of a text, which may be compressed."""
    return map(str.strip, read_lines(path))


def read_games(output: Path) -> Iterator[str]:
    """The texts of two games, unpacked under `output`."""
    packages = output / "games"
    if not packages.exists():
        games.unpack(packages)
    return games.read_paragraphs(packages)


def prepare_espeak(output: Path, hours: float, processes: int) -> None:
    """Writes `synth_espeak`."""
    held_out = held_out_texts()
    sentences = usable_sentences(read_fortunes(), held_out)[
        ::2
    ]  # the other voice, closer to a human one, reads all
    prompt_texts = [p.text for p in prompts.read_prompts() if p.split == "train"]
    jobs = espeak.plan(sentences, prompt_texts, held_out, SEED)
    espeak.write_split(output, "synth_espeak", jobs, hours, processes)


def prepare_festival(output: Path, hours: float, processes: int) -> None:
    """Writes the clean voice under `voices` and `synth_festival` with it."""
    recordings = festvox.held_out_recordings(festvox.read_sentences())
    clean_voice.copy_voice(festvox.VOICE, output / festival.VOICE_PATH, recordings)
    speak(output, "synth_festival", read_fortunes(), hours, processes)


def prepare_games(output: Path, hours: float, processes: int) -> None:
    """Writes `synth_games` with the clean voice of `prepare_festival`."""
    speak(output, "synth_games", read_games(output), hours, processes)


def prepare_words(output: Path, hours: float, processes: int) -> None:
    """Writes `synth_words` with the clean voice of `prepare_festival`."""
    speak(output, "synth_words", words.read_lines(SEED), hours, processes)


def speak(output: Path, name: str, paragraphs: Iterable[str], hours: float, processes: int) -> None:
    """Writes a table of the usable sentences of some texts, spoken by festival."""
    held_out = held_out_texts()
    lines = festival.plan(usable_sentences(paragraphs, held_out), held_out, SEED)
    recordings = festvox.held_out_recordings(festvox.read_sentences())
    festival.write_split(output, name, lines, recordings, hours, processes)


SYNTHETIC = {
    "espeak": (prepare_espeak, 8.0),
    "festival": (prepare_festival, 12.0),
    "games": (prepare_games, 10.0),
    "words": (prepare_words, 16.0),
}
"""The function that writes each table of one synthetic voice, and its default number of hours."""
PARTS = ("real", "irina", "rhvoice", *SYNTHETIC)


def check_separation(output: Path) -> None:
    """Raises ValueError if a training text of any table under `output` repeats a held-out one.

    Training recordings must not have a held-out text; synthetic texts must not even contain one.
    """
    transcriptions = {
        table.stem: [row.transcription for row in read_rows(table)]
        for table in sorted(output.glob("*.tsv"))
    }
    held_out = {
        text
        for name, texts in transcriptions.items()
        if name.startswith(("dev_", "test_"))
        for text in texts
    }
    for name, texts in transcriptions.items():
        if name.startswith("train_") and not held_out.isdisjoint(texts):
            raise ValueError(f"{name} repeats held-out texts: {sorted(held_out & set(texts))}")
        if name.startswith("synth_"):
            HeldOutTexts(held_out).check(texts)


def describe(output: Path) -> str:
    """A line per table: utterances, hours, distinct texts."""
    lines = []
    for table in sorted(output.glob("*.tsv")):
        rows = read_rows(table)
        hours = sum(row.duration for row in rows) / 3600
        texts = len({row.transcription for row in rows})
        lines.append(f"{table.name:20} {len(rows):6} utterances {hours:7.3f} h {texts:6} texts")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="directory for the WAV files and tables")
    parser.add_argument("parts", nargs="*", metavar="PART", help=" | ".join(PARTS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--texts",
        type=Path,
        nargs="+",
        default=[],
        help="more for rhvoice to read: a sentence a line, .txt or .txt.xz",
    )
    parser.add_argument("--rhvoice-hours", type=float, default=36.0)
    for part, (_, hours) in SYNTHETIC.items():
        parser.add_argument(f"--{part}-hours", type=float, default=hours)
    chosen = parser.parse_args(arguments)
    output, parts, processes = chosen.output, chosen.parts or PARTS, chosen.processes
    if not set(parts) <= set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}, not {' '.join(parts)}")
    if "real" in parts:
        prepare_real(output)
    if "irina" in parts:
        prepare_irina(output)
    if "rhvoice" in parts:
        prepare_rhvoice(output, chosen.texts, chosen.rhvoice_hours, processes)
    for part, (prepare, _) in SYNTHETIC.items():
        if part in parts:
            prepare(output, getattr(chosen, f"{part}_hours"), processes)
    check_separation(chosen.output)
    sys.stdout.write(describe(chosen.output) + "\n")


if __name__ == "__main__":
    main()
