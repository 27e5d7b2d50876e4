"""Text of live speech: a line for each phrase, about a second after it was spoken.

Reads raw sound from the standard input: 16 kHz, one channel, 16 bits, little-endian. A phrase ends
at a pause of half a second; after 20 seconds without one it is cut at its longest pause, if it has
any. For files there is `gigaam transcribe`, which looks further ahead for better cuts.

Needs:  pip install .  and a program that records: arecord (Linux), ffmpeg, sox
Run:    arecord -q -t raw -f S16_LE -r 16000 | python examples/stream_to_text.py
        ffmpeg -v error -re -i talk.mp4 -f s16le -ac 1 -ar 16000 - \
            | python examples/stream_to_text.py

Elsewhere ffmpeg records: avfoundation and dshow are its names for the microphones of macOS and
Windows. Ctrl-C ends the recorder; what was said before is still recognised.
"""

import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

import gigaam
from gigaam.silero import SileroDetector
from gigaam.vad import Region

RATE = 16_000
STEP = RATE // 4  # samples between two looks for a pause
PAUSE = 3 * RATE // 10  # between regions, which the detector makes 0.1 s longer at each end
LONGEST = 20 * RATE
BEFORE_SPEECH = RATE // 2  # kept in silence: a detector notices the beginning of speech late


def place_to_cut(regions: Sequence[Region], n_samples: int) -> int:
    """Where the sound so far may be cut, given its regions of speech; 0 if nowhere yet."""
    next_starts = [*(region.start for region in regions[1:]), n_samples]
    pauses = [(start - r.end, r.end) for r, start in zip(regions, next_starts, strict=True)]
    ends_of_phrases = [pause for pause in pauses if pause[0] >= PAUSE]
    if ends_of_phrases:
        length, start = ends_of_phrases[-1]
    elif n_samples >= LONGEST:
        length, start = max(pauses)
    else:
        return 0
    return start + length // 2


def phrases() -> Iterator[tuple[float, NDArray[np.float32]]]:
    """The phrases on the standard input as they end: when each began, in seconds, and its sound."""
    detector = SileroDetector()
    sound, start = np.empty(0, np.float32), 0
    while data := sys.stdin.buffer.read(2 * STEP):
        samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2")
        sound = np.append(sound, samples.astype(np.float32) / 32768)
        stream = detector.stream()
        regions = stream.push(sound) + stream.finish()
        cut = place_to_cut(regions, len(sound)) if regions else 0
        if cut:
            yield (start + regions[0].start) / RATE, sound[:cut]
        forgotten = cut if regions else max(0, len(sound) - BEFORE_SPEECH)
        sound, start = sound[forgotten:], start + forgotten
    if len(sound):
        yield start / RATE, sound


def main(
    model: Annotated[str, typer.Option(help="For real work v3_e2e_ctc.")] = "tiny_ctc",
) -> None:
    """Print the text of raw sound (16 kHz, mono, 16 bits) while it comes in."""
    if sys.stdin.isatty():
        raise typer.BadParameter("nothing is piped in: see the first lines of this script")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the recorder's end is the end of the input
    recogniser = gigaam.load_model(model)
    if not isinstance(recogniser, gigaam.GigaAMASR):
        raise typer.BadParameter(f"{model} does not recognise speech", param_hint="--model")
    for start, sound in phrases():
        if text := recogniser.transcribe(sound, input_rate=RATE):
            print(f"{start:7.1f}  {text}", flush=True)


if __name__ == "__main__":
    try:
        typer.run(main)
    except gigaam.GigaAMError as error:
        sys.exit(f"{error}")
