"""The messages in the READMEs' troubleshooting are those that the library gives."""

import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gigaam
from gigaam.onnx_utils import load_onnx_sessions
from gigaam.store import download
from gigaam.store.transfer import RetryPolicy
from tests.published import build_published
from tests.readmes import READMES, tables

Cause = Callable[[gigaam.GigaAMASR, Path], Any]


def too_long(model: gigaam.GigaAMASR, folder: Path) -> None:
    model.transcribe(np.zeros(31 * 16_000, np.float32), input_rate=16_000)


def not_a_recording(model: gigaam.GigaAMASR, folder: Path) -> None:
    (folder / "notes.wav").write_text("This is a text, whatever it is called.\n" * 40)
    model.transcribe(folder / "notes.wav")


def cut_short(model: gigaam.GigaAMASR, folder: Path) -> None:
    path = folder / "cut.wav"
    path.write_bytes((folder / "example.wav").read_bytes()[:100_000])
    assert model.transcribe(path)


def no_rate(model: gigaam.GigaAMASR, folder: Path) -> None:
    model.transcribe(np.zeros(16_000, np.float32))


def unscaled(model: gigaam.GigaAMASR, folder: Path) -> None:
    model.transcribe(np.full(16_000, 20_000.0, np.float32), input_rate=16_000)


def misspelt(model: gigaam.GigaAMASR, folder: Path) -> None:
    gigaam.load_model("v3_rnn")


def no_network(model: gigaam.GigaAMASR, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIGAAM_MIRROR", "http://127.0.0.1:9")  # where nobody answers
        download.fetch("v3_rnnt", folder, policy=RetryPolicy(attempts=1))  # load_model makes four


def offline(model: gigaam.GigaAMASR, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIGAAM_OFFLINE", "1")
        gigaam.load_model("v3_rnnt", download_root=folder)


def another_file(model: gigaam.GigaAMASR, folder: Path) -> None:
    (folder / "v3_ctc.ckpt").write_bytes(b"something else")
    gigaam.load_model("v3_ctc", download_root=folder)


class Program:
    """An object that would run a program when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("ran"),)


def program(model: gigaam.GigaAMASR, folder: Path) -> None:
    torch.save({"state_dict": {}, "cfg": Program()}, folder / "program.ckpt")
    try:
        gigaam.load_model(folder / "program.ckpt")
    finally:
        assert not Path("ran").exists()


def no_tokenizer(model: gigaam.GigaAMASR, folder: Path) -> None:
    build_published("v3_e2e_ctc", folder).rename(folder / "my.ckpt")
    (folder / "v3_e2e_ctc_tokenizer.model").unlink()
    gigaam.load_model(folder / "my.ckpt")


def no_pyannote(model: gigaam.GigaAMASR, folder: Path) -> None:
    """Whether or not the package is there: its model is not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", "hf_none")
        patch.setenv("HF_HOME", str(folder / "hub"))
        patch.setenv("GIGAAM_OFFLINE", "1")
        model.transcribe_longform(folder / "example.wav")


def no_gpu(model: gigaam.GigaAMASR, folder: Path) -> None:
    gigaam.load_model("tiny_ctc", device="cuda:99")


def no_flash_attention(model: gigaam.GigaAMASR, folder: Path) -> None:
    gigaam.load_model("tiny_ctc", device="cpu", use_flash=True)


def not_exported(model: gigaam.GigaAMASR, folder: Path) -> None:
    load_onnx_sessions(folder, "rnnt")


CAUSES: list[Cause] = [
    *(too_long, not_a_recording, cut_short, no_rate, unscaled, misspelt, no_network, offline),
    *(another_file, program, no_tokenizer, no_pyannote, no_gpu, no_flash_attention, not_exported),
]
"""In the order of the tables, one for each row."""


def message_of(cause: Cause, model: gigaam.GigaAMASR, folder: Path) -> str:
    """What the library says: the error's text, or that of the one warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            cause(model, folder)
        except gigaam.GigaAMError as error:
            assert not caught
            return str(error)
    (warning,) = caught
    return str(warning.message)


def quoted(readme: str) -> list[str]:
    """The messages of the table, each as it stands."""
    (table,) = [t for t in tables(readme) if any("`input_rate= is" in row[0] for row in t)]
    return [re.sub(r"^`(.+)`$", r"\1", row[0]) for row in table[1:]]


def test_as_many_causes_as_rows() -> None:
    assert {len(quoted(readme)) for readme in READMES} == {len(CAUSES)}


@pytest.mark.parametrize("number", range(len(CAUSES)), ids=[c.__name__ for c in CAUSES])
def test_message(
    number: int,
    packaged_model: gigaam.GigaAMASR,
    example: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("GIGAAM_OFFLINE", "GIGAAM_MIRROR", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    shutil.copy(example, tmp_path / "example.wav")
    said = message_of(CAUSES[number], packaged_model, tmp_path)
    for readme in READMES:
        pattern = re.escape(quoted(readme)[number]).replace("…", ".+?")
        assert re.match(pattern, said, flags=re.DOTALL), f"{said}\nis not\n{pattern}"
