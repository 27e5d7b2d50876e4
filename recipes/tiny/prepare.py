"""Prepares the data of the tiny models: `python -m recipes.tiny.prepare OUTPUT [PART …]`.

Parts are `real`, `espeak`, `festival`, `games` and `words`; by default all are made. Every part can
be made again; the same packages give the same files.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from recipes.tiny import clean_voice, espeak, festival, festvox, games, prompts, words
from recipes.tiny.manifest import read_rows
from recipes.tiny.sentences import HeldOutTexts, read_fortunes, usable_sentences

SEED = 2


def held_out_texts() -> HeldOutTexts:
    """The dev and test texts of both speakers."""
    sentences = [s.transcription for s in festvox.read_sentences() if s.split != "train"]
    return HeldOutTexts(
        sentences + [p.transcription for p in prompts.read_prompts() if p.split != "train"]
    )


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
    packages = output / "games"
    if not packages.exists():
        games.unpack(packages)
    speak(output, "synth_games", games.read_paragraphs(packages), hours, processes)


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
    "festival": (prepare_festival, 24.0),
    "games": (prepare_games, 20.0),
    "words": (prepare_words, 50.0),
}
"""The function that writes each table of synthetic speech, and its default number of hours."""
PARTS = ("real", *SYNTHETIC)


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
    for part, (_, hours) in SYNTHETIC.items():
        parser.add_argument(f"--{part}-hours", type=float, default=hours)
    chosen = parser.parse_args(arguments)
    parts = chosen.parts or PARTS
    if not set(parts) <= set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}, not {' '.join(parts)}")
    if "real" in parts:
        festvox.write_splits(chosen.output)
        festvox.write_example(chosen.output)
        prompts.write_splits(chosen.output)
    for part, (prepare, _) in SYNTHETIC.items():
        if part in parts:
            prepare(chosen.output, getattr(chosen, f"{part}_hours"), chosen.processes)
    check_separation(chosen.output)
    sys.stdout.write(describe(chosen.output) + "\n")


if __name__ == "__main__":
    main()
