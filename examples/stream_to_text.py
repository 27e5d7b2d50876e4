"""Text of live speech: a line for each phrase, about a second after it was spoken.

Reads raw sound from the standard input: 16 kHz, one channel, 16 bits, little-endian. A phrase ends
at a pause of half a second. The command `gigaam live` does this and more; here is how to do it in a
program of your own.

Needs:  pip install .  and a program that records: arecord (Linux), ffmpeg, sox
Run:    arecord -q -t raw -f S16_LE -r 16000 | python examples/stream_to_text.py
        ffmpeg -v error -re -i talk.mp4 -f s16le -ac 1 -ar 16000 - \
            | python examples/stream_to_text.py

Elsewhere ffmpeg records: avfoundation and dshow are its names for the microphones of macOS and
Windows. Ctrl-C ends the recorder; what was said before is still recognised.
"""

import signal
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

import gigaam
from gigaam.live import Event, Final


def show(events: Iterable[Event]) -> None:
    """Print the phrases that have ended, and when each began, in seconds."""
    for event in events:
        if isinstance(event, Final) and event.segment.text:
            print(f"{event.segment.start:7.1f}  {event.segment.text}", flush=True)


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
    live = recogniser.live(16_000, partials=False)
    while data := sys.stdin.buffer.read1():
        show(live.push(data))
    show(live.finish())


if __name__ == "__main__":
    try:
        typer.run(main)
    except gigaam.GigaAMError as error:
        sys.exit(f"{error}")
