"""Every fenced block of the READMEs runs as it stands, in order, as a reader would type it.

The blocks of both READMEs are the same but for comments (`tests/unit/test_readme.py`): those of the
English one run here. `.ci/run` runs the marked ones, which install.
"""

import os
import re
import subprocess
import sys
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

import gigaam
from gigaam.audio import SAMPLE_RATE, read_audio
from gigaam.store import registry
from gigaam.training import read_manifest
from tests.nets import random_emo, random_ssl
from tests.readmes import READMES, ROOT, Block, blocks, links, prose

STAND_INS = {
    "v3_rnnt": "tiny_ctc",
    "v3_e2e_rnnt": "tiny_ctc",
    "v3_ssl": "models/ssl",  # random, as is the next
    "emo": "models/emo",
    "gigaam-v3-rnnt": "gigaam-v3-ctc",  # what onnx-asr calls the stand-in's kind
    "training.steps=200": "training.steps=2",  # so much can be learnt from two recordings
}
"""What runs in place of published models, which tests cannot download, and all else that is
changed."""

INSTALLING = {"install", "serve", "test", "torch-free"}
RUN_BY_CI = {*INSTALLING, "ask"}
"""The marks of the blocks that are not run here, since they install or need a server."""

BLOCKS = blocks("README.md")
_NAME = re.compile(rf"(?<![\w./-])(?:{'|'.join(map(re.escape, STAND_INS))})(?![\w./-])")


def runnable(code: str) -> str:
    """The code with stand-ins for published models; no other published name is left in it."""
    code = _NAME.sub(lambda match: STAND_INS[match[0]], code)
    published = {info.name for info in registry.MODELS.values() if not info.is_packaged}
    published |= {alias for name in published for alias in registry.aliases(name)}
    assert published & set(re.findall(r"(?<![\w./-])\w+(?![\w./-])", code)) - {"emo"} == set()
    return code


# ---------------------------------------------------------------------------- the reader's folder


def write_wav(path: Path, samples: NDArray[np.float32]) -> None:
    """Samples [n] or [n, channels] in ±1 as 16 bits."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())


def write_compressed(path: Path, samples: NDArray[np.float32]) -> None:
    """Samples [n] in ±1 as MP3 or, beside a grey picture, as AAC in MP4."""
    with av.open(str(path), "w") as output:
        video: Any = output.add_stream("mpeg4", rate=1) if path.suffix == ".mp4" else None
        codec = "aac" if video else "libmp3lame"
        audio: Any = output.add_stream(codec, rate=SAMPLE_RATE, layout="mono")
        if video:
            video.width = video.height = 32
            for _ in range(len(samples) // SAMPLE_RATE):
                output.mux(video.encode(av.VideoFrame(32, 32, "yuv420p")))
            output.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(samples[None], "fltp", "mono")
        frame.sample_rate, frame.time_base, frame.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), 0
        resampler = av.AudioResampler(audio.format, "mono", SAMPLE_RATE, audio.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            output.mux(audio.encode(part))


@pytest.fixture
def folder(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a reader who has the recordings that the READMEs speak of."""
    folder = tmp_path / "reader"
    (folder / "calls").mkdir(parents=True)
    sentence = np.pad(read_audio(example), (0, SAMPLE_RATE))
    for name in ("lecture.mp3", "lecture.mp4"):
        write_compressed(folder / name, np.tile(sentence, 4))  # over 30 seconds
    write_compressed(folder / "call.mp3", sentence)
    silence = np.zeros_like(sentence)
    both = [np.concatenate(turns) for turns in ((sentence, silence), (silence, sentence))]
    write_wav(folder / "call.wav", np.stack(both, axis=1))
    write_compressed(folder / "calls" / "1.mp3", np.tile(sentence, 2))
    write_wav(folder / "calls" / "2.wav", sentence)
    random_emo().save(folder / STAND_INS["emo"])
    random_ssl("v3_ssl").save(folder / STAND_INS["v3_ssl"])
    (table,) = [block for block in BLOCKS if block.language == "tsv"]
    (folder / "protocols.txt").write_text("Довольно хныкать.\nМне наплевать!\n" * 9, "utf-8")
    for name in ("train.tsv", "dev.tsv", "test.tsv"):
        (folder / name).write_text(table.code, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GIGAAM_OFFLINE", "1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return folder


@pytest.fixture
def shell(folder: Path, tmp_path: Path) -> Callable[[str], str]:
    """Runs a block of bash in the folder, where `gigaam` is this one; gives what it prints."""
    programs = tmp_path / "bin"
    programs.mkdir()
    command = programs / "gigaam"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gigaam "$@"\n')
    command.chmod(0o755)
    search = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(search),
    }

    def run(code: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            cwd=folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, f"{code}\n{done.stderr}"
        return done.stdout

    return run


# ---------------------------------------------------------------------------- the blocks


def of(language: str) -> list[Block]:
    """The blocks of a language that are run here."""
    return [block for block in BLOCKS if block.language == language and block.mark is None]


def test_nothing_is_left_out() -> None:
    """What is not run below is what `.ci/run` takes from the README; nothing else installs."""
    languages = [b for each in ("python", "bash", "text", "tsv", "bibtex") for b in of(each)]
    left = [b for b in BLOCKS if b not in languages]
    assert [block.mark for block in left] == [block.mark for block in BLOCKS if block.mark]
    assert {block.mark for block in left} == RUN_BY_CI
    assert len(left) == len(RUN_BY_CI)
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\(readme_block ([\w-]+)\)", script)) == RUN_BY_CI
    assert {block.mark for block in BLOCKS if "pip install" in block.code} == INSTALLING


@pytest.mark.parametrize("readme", READMES)
def test_all_blocks_are_code(readme: str) -> None:
    for block in blocks(readme):
        if block.language == "python":
            compile(block.code, block.where, "exec")
        elif block.language == "bash":
            subprocess.run(["bash", "-n", "-c", block.code], check=True)


@pytest.mark.timeout(900)  # half a minute on a free core, minutes where all are taken
def test_python_blocks_run(
    folder: Path, shell: Callable[[str], str], packaged_model: gigaam.GigaAMASR, capsys: Any
) -> None:
    (copying,) = [block.code for block in of("bash") if block.code.startswith("cp ")]
    assert shell(copying) == ""
    names: dict[str, Any] = {}
    printed = {}
    for block in of("python"):
        exec(compile(runnable(block.code), block.where, "exec"), names)
        printed[block.where] = capsys.readouterr().out
    text = str(packaged_model.transcribe("example.wav"))
    assert sum(out == f"{text}\n" for out in printed.values()) == 4  # first, and three of ONNX
    assert names["embedding"].shape == (1, 32, int(names["length"]))
    assert isinstance(names["results"][1], gigaam.AudioFileNotFoundError)
    assert names["result"].text.split().count(text.split()[-1]) == 4
    assert (folder / "lecture.srt").read_text(encoding="utf-8").count(" --> ") >= 4
    assert names["segment"].channel == 1  # the last one of the call
    assert sum(names["emotions"].values()) == pytest.approx(1)
    assert names["report"].by == "speaker"


@pytest.mark.timeout(900)
def test_bash_blocks_run(
    folder: Path, shell: Callable[[str], str], packaged_model: gigaam.GigaAMASR
) -> None:
    printed = {block.code: shell(runnable(block.code)) for block in of("bash")}
    for output in printed.values():
        print(output)
    (used,) = [output for code, output in printed.items() if "gigaam models" in code]
    (with_lm,) = [output for code, output in printed.items() if "--lm court.lm" in code]
    assert with_lm.startswith("court.lm\n")
    assert "мне наплевать" in with_lm
    (tables,) = [output for code, output in printed.items() if "gigaam eval" in code]
    lines = used.splitlines()
    assert lines[0] == f"call.mp3\t{packaged_model.transcribe('call.mp3')}"
    assert lines[1].startswith("lecture.mp4\t")
    assert any(line.startswith("NAME ") for line in lines)  # the table of models
    assert [Path(line).name for line in lines[-2:]] == ["tiny_ctc"] * 2  # downloaded
    assert (folder / "lecture.srt").read_text(encoding="utf-8").count(" --> ") >= 4
    assert sorted(path.name for path in (folder / "texts").iterdir()) == [
        *("1.json", "1.srt", "2.json", "2.srt")
    ]
    assert (folder / "onnx" / "tiny_ctc.onnx").stat().st_size < 6e6  # 8 bits
    assert tables.count("WER") >= 3
    assert "anna" in tables
    assert "macro F1" in tables
    gigaam.load_model(folder / "my_model")
    assert (folder / "report.json").stat().st_size > 1000
    assert (folder / "report.html").stat().st_size > 1000


@pytest.mark.parametrize("readme", READMES)
def test_first_command_prints_what_is_shown_of_what_is_said(
    readme: str, shell: Callable[[str], str], example: Path
) -> None:
    """The block of output stands right after the command's, and the true text after that."""
    install, shown = blocks(readme)[:2]
    assert (install.mark, shown.language) == ("install", "text")
    assert shell(install.code.partition(" && ")[2]) == shown.code
    said = example.with_suffix(".txt").read_text(encoding="utf-8").strip().rstrip(".")
    assert f"«{said}»" in " ".join(prose(readme).split())


def test_manifest_is_read(folder: Path) -> None:
    utterances = read_manifest(folder / "test.tsv", required=("transcription", "emotion"))
    assert len(utterances) == 2
    assert all(utterance.path.exists() and utterance.speaker for utterance in utterances)


def test_citation_is_bibtex() -> None:
    """An entry with balanced braces, whose paper is the one that is linked."""
    (entry,) = of("bibtex")
    assert re.match(r"@\w+\{\w+,\n", entry.code)
    depths = np.cumsum([{"{": 1, "}": -1}.get(letter, 0) for letter in entry.code.strip()])
    assert depths[-1] == 0
    assert (depths[:-1] > 0).sum() == len(depths) - 1 - entry.code.index("{")
    fields = dict(re.findall(r"^  (\w+) += \{(.+?)\},?$", entry.code, flags=re.M | re.S))
    assert {"title", "author", "booktitle", "year", "eprint"} <= set(fields)
    assert f"https://arxiv.org/abs/{fields['eprint']}" in links("README.md")
