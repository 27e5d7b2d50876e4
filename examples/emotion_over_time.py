"""How emotions change over a long call: a line for each window of a few seconds.

The call is read window by window, so it may be of any length. Quiet windows, and a last one under a
second, are not judged: a model gives probabilities for silence as well, but they mean nothing.

Needs:  pip install .  and an emotion model: `emo` is downloaded on first use, none is packaged
Run:    python examples/emotion_over_time.py call.mp3 --csv call.csv
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import gigaam
from gigaam.audio import channel_count, iter_audio

RATE = 16_000


def windows(
    model: gigaam.GigaAMEmo, call: Path, window_s: float, quiet_db: float, channel: int | None
) -> Iterator[tuple[float, float, dict[str, float]]]:
    """Start and end of each window, in seconds, and its emotions; none if it is not judged."""
    start = 0.0
    for samples in iter_audio(call, sample_rate=RATE, block_s=window_s, channel=channel):
        end = start + len(samples) / RATE
        level_db = 10 * np.log10(np.mean(np.square(samples)) + 1e-12)
        is_heard = level_db >= quiet_db and end - start >= 1.0
        yield start, end, model.get_probs(samples, input_rate=RATE) if is_heard else {}
        start = end


def main(
    call: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    window: Annotated[float, typer.Option(min=1, max=30, help="Length of a window, s.")] = 5.0,
    quiet_db: Annotated[float, typer.Option(help="Below this level it is silence, dBFS.")] = -50.0,
    channel: Annotated[int | None, typer.Option(min=0, help="Only this one, from 0.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write a table here.")] = None,
    model: Annotated[str, typer.Option(help="Name or directory of an emotion model.")] = "emo",
) -> None:
    """Print the emotions of CALL over time, each with its probability."""
    emotions = gigaam.load_model(model)
    if not isinstance(emotions, gigaam.GigaAMEmo):
        raise typer.BadParameter(f"{model} does not know emotions", param_hint="--model")
    if channel is not None and channel >= channel_count(call):
        raise typer.BadParameter(
            f"{call} has {channel_count(call)} channels", param_hint="--channel"
        )
    rows = []
    for start, end, probabilities in windows(emotions, call, window, quiet_db, channel):
        clock = f"{start // 60:3.0f}:{start % 60:04.1f}"
        if probabilities:
            best = max(probabilities, key=probabilities.__getitem__)
            bar = "#" * round(20 * probabilities[best])
            print(f"{clock}  {best:8}  {probabilities[best]:4.0%}  {bar}")
            row = {"start": start, "end": end, **probabilities}
            rows.append({name: f"{number:.4f}" for name, number in row.items()})
        else:
            print(f"{clock}  -")
    if csv_file is not None:
        with csv_file.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, ["start", "end", *emotions.id2name])
            table.writeheader()
            table.writerows(rows)


if __name__ == "__main__":
    try:
        typer.run(main)
    except gigaam.GigaAMError as error:
        sys.exit(f"{error}")
