"""The words of a recording with their times, as a TextGrid: Praat opens it beside the sound.

The file has two tiers of intervals: words, and the segments they were recognised in.

Needs:  pip install .
Run:    python examples/words_to_textgrid.py interview.wav
Then:   praat --open interview.wav interview.TextGrid
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

import gigaam


class Interval(NamedTuple):
    """A stretch of a tier, in seconds; between spoken ones there are empty ones."""

    start: float
    end: float
    text: str


def tier(spoken: Iterable[gigaam.Word | gigaam.Segment], duration: float) -> list[Interval]:
    """The intervals of a tier, to a millisecond: without overlaps, and as long as the recording."""
    intervals: list[Interval] = []
    position = 0.0
    for item in spoken:
        start, end = max(round(item.start, 3), position), min(round(item.end, 3), duration)
        if start >= end and intervals:  # a transducer may say two words within a frame of 40 ms
            last = intervals.pop()
            intervals.append(last._replace(text=f"{last.text} {item.text}"))
        elif start < end:
            if position < start:
                intervals.append(Interval(position, start, ""))
            intervals.append(Interval(start, end, item.text))
            position = end
    if position < duration:
        intervals.append(Interval(position, duration, ""))
    return intervals


def text_grid(tiers: dict[str, list[Interval]], duration: float) -> Iterator[str]:
    """The lines of a TextGrid in Praat's long text format."""
    yield 'File type = "ooTextFile"'
    yield 'Object class = "TextGrid"'
    yield ""
    yield f"xmin = 0\nxmax = {duration}\ntiers? <exists>\nsize = {len(tiers)}\nitem []:"
    for number, (name, intervals) in enumerate(tiers.items(), 1):
        yield f"    item [{number}]:"
        yield f'        class = "IntervalTier"\n        name = "{name}"'
        yield f"        xmin = 0\n        xmax = {duration}"
        yield f"        intervals: size = {len(intervals)}"
        for index, interval in enumerate(intervals, 1):
            text = interval.text.replace('"', '""')
            yield f"        intervals [{index}]:"
            yield f"            xmin = {interval.start}\n            xmax = {interval.end}"
            yield f'            text = "{text}"'


def main(
    recording: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    output: Annotated[Path | None, typer.Option(help="By default beside RECORDING.")] = None,
    model: Annotated[str, typer.Option(help="For real work v3_ctc.")] = "tiny_ctc",
) -> None:
    """Write the words of RECORDING and their times as a TextGrid of Praat."""
    recogniser = gigaam.load_model(model)
    if not isinstance(recogniser, gigaam.GigaAMASR):
        raise typer.BadParameter(f"{model} does not recognise speech", param_hint="--model")
    result = recogniser.transcribe_longform(recording, word_timestamps=True)
    duration, words = round(result.duration, 3), result.words or []
    tiers = {"words": tier(words, duration), "segments": tier(result.segments, duration)}
    path = output or recording.with_suffix(".TextGrid")
    path.write_text("\n".join([*text_grid(tiers, duration), ""]), encoding="utf-8")
    print(f"{path}: {len(words)} words, {duration:.1f} s of sound")


if __name__ == "__main__":
    try:
        typer.run(main)
    except gigaam.GigaAMError as error:
        sys.exit(f"{error}")
