"""Makes an archive: thousands of recordings of 0.3 s to 20 min, some of them damaged.

    apt-get install festvox-ru ffmpeg
    python -m benchmarks.bulk.material OUT [--count 3000] [--seed 1]

Sentences of one reader, one after the other with pauses between; most recordings are short, as in
archives of calls and messages. Two in a hundred are no recordings: ``OUT/damaged.txt`` lists them.
"""

import subprocess
import sys
import wave
from argparse import ArgumentParser
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
SENTENCES = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits/wav")
CODECS = {"wav": (), "flac": (), "mp3": ("-b:a", "48k"), "ogg": ("-c:a", "libopus", "-b:a", "24k")}
SHARES = (0.55, 0.15, 0.15, 0.15)
DAMAGE = ("text", "nothing", "header", "noise")


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    sentences = [samples_of(path) for path in sorted(SENTENCES.glob("*.wav"))]
    damaged = set(rng.choice(arguments.count, arguments.count // 50, replace=False).tolist())
    names, total_s = [], 0.0
    with ThreadPoolExecutor(2) as pool:
        work = []
        for number in range(arguments.count):
            kind = str(rng.choice(list(CODECS), p=SHARES))
            path = arguments.out / f"{number // 500:02d}" / f"{number:05d}.{kind}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if number in damaged:
                path.write_bytes(broken(DAMAGE[number % len(DAMAGE)], rng))
                names.append(str(path.relative_to(arguments.out)))
                continue
            samples = speech(sentences, length_s(rng), rng)
            total_s += samples.size / RATE
            work.append(pool.submit(write, path, samples))
            if len(work) > 50:
                work.pop(0).result()
        for each in work:
            each.result()
    (arguments.out / "damaged.txt").write_text("".join(f"{name}\n" for name in names))
    print(
        f"{arguments.count} recordings, {total_s / 3600:.2f} h, {len(names)} damaged",
        file=sys.stderr,
    )


def length_s(rng: np.random.Generator) -> float:
    """Of a recording: mostly messages, some calls, few meetings; each evenly by its logarithm."""
    low, high = ((0.3, 30.0), (30.0, 180.0), (180.0, 1200.0))[rng.choice(3, p=(0.9, 0.09, 0.01))]
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def samples_of(path: Path) -> NDArray[np.int16]:
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(path),
        "-ac",
        "1",
        "-ar",
        str(RATE),
        "-f",
        "s16le",
        "-",
    ]
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, np.int16)


def speech(
    sentences: list[NDArray[np.int16]], seconds: float, rng: np.random.Generator
) -> NDArray[np.int16]:
    def pieces() -> Iterator[NDArray[np.int16]]:
        n = 0
        while n < seconds * RATE:
            pause = rng.normal(0, 6, int(RATE * rng.uniform(0.2, 1.2))).astype(np.int16)
            for piece in (sentences[rng.integers(len(sentences))], pause):
                n += piece.size
                yield piece

    return np.concatenate(list(pieces()))[: int(seconds * RATE)]


def write(path: Path, samples: NDArray[np.int16]) -> None:
    if path.suffix == ".wav":
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(samples.tobytes())
        return
    raw = ["-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", "-"]
    command = ["ffmpeg", "-v", "error", "-y", *raw, *CODECS[path.suffix[1:]], str(path)]
    subprocess.run(command, input=samples.tobytes(), check=True)


def broken(kind: str, rng: np.random.Generator) -> bytes:
    if kind == "text":
        return "это не запись\n".encode() * 100
    if kind == "header":
        return b"RIFF\x24\x00\x00\x00WAVEfmt "
    return b"" if kind == "nothing" else rng.bytes(50_000)


if __name__ == "__main__":
    main()
