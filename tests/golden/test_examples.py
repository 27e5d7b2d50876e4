"""The scripts of examples/ do what they say: each runs as a process, on real recordings."""

import csv
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from difflib import SequenceMatcher
from pathlib import Path
from types import ModuleType

import numpy as np
import parselmouth
import pytest
import srt
import typer
from parselmouth.praat import call as praat

import gigaam
from gigaam.audio import read_audio
from tests.long_recordings import held_out
from tests.nets import random_emo
from tests.waves import pcm, write_wav

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": "200"}
PAUSE = np.zeros(24_000, np.float32)


def command(script: str, *arguments: object) -> list[str]:
    return [sys.executable, str(EXAMPLES / script), *map(str, arguments)]


def run(script: str, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(script, *arguments), env=ENVIRONMENT, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == code, done.stderr
    return done


def imported(script: str) -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location(Path(script).stem, EXAMPLES / script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_close(found: str, expected: str) -> bool:
    """Whether nearly all characters are the same: cut elsewhere, a recording sounds a bit else."""
    return SequenceMatcher(None, found, expected, autojunk=False).ratio() > 0.9


@pytest.fixture(scope="module")
def speech(example: Path) -> np.ndarray:
    return read_audio(example)


@pytest.fixture(scope="module")
def talk(speech: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged sentence five times, with pauses: over 30 seconds."""
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    return write_wav(path, np.concatenate([PAUSE, *([speech, PAUSE] * 5)]))


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def test_folder_to_subtitles(
    talk: Path, example: Path, packaged_model: gigaam.GigaAMASR, tmp_path: Path
) -> None:
    folder, out = tmp_path / "lectures", tmp_path / "out"
    (folder / "monday").mkdir(parents=True)
    shutil.copy(example, folder / "short.wav")
    picture = ["-f", "lavfi", "-i", "color=c=black:s=64x64:r=5"]
    video = folder / "monday" / "talk.mkv"
    encoded = ["-shortest", "-c:a", "flac", str(video)]
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(talk), *picture, *encoded], check=True)
    (folder / "broken.mp3").write_text("no recording")
    (folder / "notes.txt").write_text("not meant")

    done = run("folder_to_subtitles.py", folder, "--output-dir", out, code=1)
    assert re.search(r"^broken\.mp3: failed: .*cannot be decoded", done.stderr, re.MULTILINE)
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*.*"))
    assert written == [str(Path("monday", "talk.srt")), "short.srt"]
    cues = list(srt.parse((out / "monday" / "talk.srt").read_text(encoding="utf-8")))
    expected = packaged_model.transcribe_longform(talk)
    assert words_of(" ".join(cue.content for cue in cues)) == words_of(expected.text)
    assert len(cues) >= 5
    assert cues[-1].end.total_seconds() <= expected.duration

    (out / "short.srt").write_text("mine")
    (folder / "broken.mp3").unlink()
    assert (
        "short.wav: has subtitles"
        in run("folder_to_subtitles.py", folder, "--output-dir", out).stdout
    )
    assert (out / "short.srt").read_text() == "mine"


def test_stream_to_text_while_the_speaker_goes_on(
    speech: np.ndarray, packaged_model: gigaam.GigaAMASR
) -> None:
    """The sentence is said again only when its text is there; at last the recorder is stopped."""
    sentence = str(packaged_model.transcribe(speech, input_rate=16_000))
    pipe = subprocess.PIPE
    streaming = command("stream_to_text.py")
    with subprocess.Popen(streaming, stdin=pipe, stdout=pipe, env=ENVIRONMENT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        times: list[float] = []
        for last in (False, False, True):
            process.stdin.write(pcm(np.concatenate([PAUSE, speech, [] if last else PAUSE])))
            process.stdin.flush()
            if last:
                process.send_signal(signal.SIGINT)  # Ctrl-C goes to the recorder and the script
                process.stdin.close()
            heard: list[str] = []
            while not is_close(" ".join(heard), sentence):
                line = process.stdout.readline().decode()
                assert line, heard
                time, *words = line.split()
                times.append(float(time))
                heard += words
        assert process.stdout.read() == b""
    assert process.returncode == 0
    assert times == sorted(times)
    period_s = (len(speech) + 2 * len(PAUSE)) / 16_000
    for start_s in (1.5, 1.5 + period_s, 1.5 + 2 * period_s):
        assert min(abs(time - start_s) for time in times) < 0.7


def test_words_to_textgrid_as_praat_reads_it(
    talk: Path, packaged_model: gigaam.GigaAMASR, tmp_path: Path
) -> None:
    path = tmp_path / "talk.TextGrid"
    run("words_to_textgrid.py", talk, "--output", path)
    grid = parselmouth.read(str(path))
    expected = packaged_model.transcribe_longform(talk, word_timestamps=True)
    names = [praat(grid, "Get tier name", number) for number in (1, 2)]
    assert names == ["words", "segments"]
    assert praat(grid, "Get end time") == pytest.approx(expected.duration, abs=1e-3)
    for number, spoken in ((1, expected.words or []), (2, expected.segments)):
        found = []
        for index in range(1, praat(grid, "Get number of intervals", number) + 1):
            label = praat(grid, "Get label of interval", number, index)
            start = praat(grid, "Get start time of interval", number, index)
            end = praat(grid, "Get end time of interval", number, index)
            assert start < end
            if label:
                found.append((label, start, end))
        assert found == [
            (item.text, pytest.approx(item.start, abs=1e-3), pytest.approx(item.end, abs=1e-3))
            for item in spoken
        ]


def test_textgrid_of_words_that_overlap() -> None:
    """Transducers may say two words in a frame; and what is said may hold quotation marks."""
    example = imported("words_to_textgrid.py")
    words = [("а", 0.0, 0.4), ('"б"', 0.36, 0.4), ("в", 0.36, 0.8)]
    tier = example.tier([gigaam.Word(*word, confidence=1.0) for word in words], 0.79)
    lines = "\n".join(example.text_grid({"words": tier}, 0.79))
    assert re.findall(r'text = "(.*)"', lines) == ['а ""б""', "в"]
    assert re.findall(r"xm\w+ = (.*)", lines)[-4:] == ["0.0", "0.4", "0.4", "0.79"]


def test_nearest_neighbours_are_of_the_same_voice(tmp_path: Path) -> None:
    recordings = [each.samples / 32768 for each in held_out() if len(each.samples) > 40_000]
    men, women = recordings[:6], recordings[-6:]
    query = write_wav(tmp_path / "query.wav", women.pop())
    folder = tmp_path / "calls"
    for name, voices in (("man", men), ("woman", women)):
        for number, samples in enumerate(voices):
            write_wav(folder / name / f"{number}.wav", samples)
    (folder / "broken.wav").write_text("no recording")
    done = run("nearest_neighbours.py", folder, query, "--top", len(women) + 1)
    assert re.search(r"^left out: .*broken\.wav", done.stderr, re.MULTILINE)
    cosines, paths = zip(
        *(line.split(maxsplit=1) for line in done.stdout.splitlines()), strict=True
    )
    assert [Path(path).parent.name for path in paths] == ["woman"] * len(women) + ["man"]
    assert list(map(float, cosines)) == sorted(map(float, cosines), reverse=True)


def test_emotion_over_time(speech: np.ndarray, tmp_path: Path) -> None:
    """A call whose second channel speaks, is silent, and speaks for three and a half seconds."""
    model = random_emo()
    model.save(tmp_path / "emo")
    spoken = speech[16_000:72_000]
    agent = np.concatenate([spoken[:48_000], np.zeros(48_000), spoken])
    client = np.resize(speech, len(agent))
    call = write_wav(tmp_path / "call.wav", client, agent)
    table = tmp_path / "call.csv"
    options = ["--model", tmp_path / "emo", "--window", 3, "--channel", 1, "--csv", table]
    printed = run("emotion_over_time.py", call, *options).stdout.splitlines()
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["start"], row["end"]) for row in rows] == [
        ("0.0000", "3.0000"),
        ("6.0000", "9.0000"),
    ]
    assert [line.split()[1] for line in printed][1::2] == ["-", "-"]
    expected = model.get_probs(spoken[:48_000], input_rate=16_000)
    best = max(expected, key=expected.__getitem__)
    for row, line in zip(rows, printed[::2], strict=True):
        assert {name: float(row[name]) for name in expected} == pytest.approx(expected, abs=1e-4)
        assert line.split()[1:3] == [best, f"{expected[best]:.0%}"]


def test_examples_are_listed_with_options_that_they_have() -> None:
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    scripts = sorted(path.name for path in EXAMPLES.glob("*.py"))
    assert sorted(re.findall(r"^\| \[(\w+\.py)\]", table, re.MULTILINE)) == scripts
    for script in scripts:
        app = typer.Typer()
        app.command()(imported(script).main)
        known = {option for each in typer.main.get_command(app).params for option in each.opts}
        source = (EXAMPLES / script).read_text(encoding="utf-8")
        for text in (table, source):
            commands = re.findall(rf"python examples/{script}([^`\n]*)", text)
            assert commands, script
            assert known.issuperset(re.findall(r"--[\w-]+", " ".join(commands))), script
