"""Live sessions: what they hear, what they take back, how late text comes, what it costs.

Held-out recordings of `recipes.tiny`, joined with pauses of silence, noise and music, are pushed in
pieces of 100 ms, in real time or at once.

    python -m benchmarks.live quality [--model tiny_ctc] [--int8] [--split test] [--pace 1]
        [--method agreement] [--streams 4] [--minutes 10] [--set hold_back_s=0.8 …]
    python -m benchmarks.live grid [--models tiny_ctc tiny_rnnt] [--split dev]
    python -m benchmarks.live load [--sessions 1 3] [--seconds 60] [--directory DIR]
    python -m benchmarks.live endurance [--hours 2]

*quality*: `wer` is that of all finals, and `wer_file` that of ``transcribe_longform`` for the same
streams; `wer_more` is the difference in points, with its 95 % interval. `equal`: of utterances, how
many finals are exactly what ``transcribe_longform`` gives for their sound. `committed_wrong` and
`tentative_wrong`: words of partials that the final contradicts, as shares; `letters_wrong`: letters
of the committed ones, wherever words are parted; `right_wrong`: of the words that finals have
right, those that were committed otherwise: small models change most where they are wrong anyway.
`early`: words that are committed before their final. `erased`: words that a screen takes back, per
word of the finals.

In seconds, median and 95th percentile: `first` from the onset of speech to its first text, for
recordings that begin an utterance; `commit` from the end of a word to its commitment, for words
that finals confirm; `settled` to its commitment or final, for all; `final` from the silence that
ends an utterance to its last final, counted from the end of its last word; `final_quiet` where
silence follows, not noise or music; `took` from a push to its event. `cpu` is processor seconds per
second of sound.

*load*: a full-size model with random weights does all its work, and a small one, whose time counts
too, gives the words. `cpu_share` of the machine; `lag` from the sound that a partial is made of to
the partial; `final`: what pushes take that give finals; `late`: how far pushes return behind the
clock, 95th percentile, in the first third of the streams and in the last; `window_took` and
`words_took`: one pass of either model over 8 s.

With ``--pace 0`` every piece is pushed at once and events are timed by the sound's position: that
is faster, and does not count the time that decoding takes.
"""

import argparse
from dataclasses import fields
from typing import Any

import torch

from benchmarks import live_grid, live_load, live_quality
from benchmarks.live_rivals import METHODS
from benchmarks.machine import report
from gigaam.live import LiveOptions


def setting(text: str) -> tuple[str, Any]:
    """A field of the options and its value, as ``stride_s=0.4``."""
    name, _, value = text.partition("=")
    if name not in {each.name for each in fields(LiveOptions)}:
        raise argparse.ArgumentTypeError(f"no option is called {name!r}")
    return name, float(value)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = top.add_subparsers(dest="command", required=True)
    quality = commands.add_parser("quality")
    quality.add_argument("--model", default="tiny_ctc")
    quality.add_argument("--int8", action="store_true")
    quality.add_argument("--method", choices=["live", *METHODS], default="live")
    quality.add_argument("--pace", type=float, default=1.0)
    quality.add_argument("--streams", type=int, default=4)
    quality.add_argument("--set", dest="changes", type=setting, nargs="*", default=[])
    grid = commands.add_parser("grid")
    grid.add_argument("--models", nargs="+", default=["tiny_ctc", "tiny_rnnt"])
    grid.add_argument("--hold-back", type=float, nargs="+", default=[0.4, 0.6, 0.8, 1.0])
    grid.add_argument("--stride", type=float, nargs="+", default=[0.32, 0.4])
    grid.add_argument("--context", type=float, nargs="+", default=[2.0, 3.0])
    grid.add_argument("--window", type=float, nargs="+", default=[8.0, 10.0])
    for each, split in ((quality, "test"), (grid, "dev")):
        each.add_argument("--split", choices=["test", "dev"], default=split)
        each.add_argument("--minutes", type=float, help="of recordings, without the pauses")
    load = commands.add_parser("load")
    load.add_argument("--model", default="v3_ctc")
    load.add_argument("--dtype", choices=["int8", "float32"], default="int8")
    load.add_argument("--sessions", type=int, nargs="+", default=[1, 3])
    load.add_argument("--seconds", type=float, default=60.0)
    load.add_argument("--directory", help="Keeps the graphs, for the next run.")
    endurance = commands.add_parser("endurance")
    endurance.add_argument("--model", default="tiny_ctc")
    endurance.add_argument("--hours", type=float, default=2.0)
    for each in (quality, grid, load, endurance):
        each.add_argument("--threads", type=int, default=2)
    return top


def main() -> None:
    """Measures what the command line asks for."""
    arguments = parser().parse_args()
    torch.set_num_threads(arguments.threads)
    measure = {
        "quality": live_quality.run,
        "grid": live_grid.run,
        "load": live_load.run,
        "endurance": live_load.run_endurance,
    }[arguments.command]
    facts = {name: value for name, value in vars(arguments).items() if name != "command"}
    report(f"live {arguments.command}", measure(arguments), **facts)


if __name__ == "__main__":
    main()
