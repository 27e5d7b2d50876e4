"""Runs as people see and stop them: what is shown, Ctrl-C, and what a stopped run goes on to."""

import logging
import re
import shlex
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import load_file
from typer.testing import CliRunner

import gigaam
from gigaam.cli import app
from gigaam.errors import ArgumentError, MissingDependencyError
from gigaam.training import fine_tune, read_options
from gigaam.training.runs.lightning_loop import FineTuning
from tests.toy_recordings import words, write_manifest
from tests.toy_training import toy_config

OF_OTHERS = re.compile(r"[Ll]ightning|Tip|litlogger|GPU|TPU|Epoch|it/s|v_num|Warning|deprecated")


@pytest.fixture
def toys(tmp_path, monkeypatch) -> Path:
    """The working directory, with an architecture and manifests."""
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(toy_config("ctc")))
    write_manifest(tmp_path / "train.tsv", words(40))
    write_manifest(tmp_path / "dev.tsv", words(6, seed=1))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def overrides(out: str, *more: str) -> list[str]:
    return [
        f"out={out}",
        "model.architecture=toy.yaml",
        "data.train=train.tsv",
        "data.dev=dev.tsv",
        "data.batch_s=6",
        "training.steps=12",
        "training.eval_every=6",
        "training.save_every=50",
        "training.accelerator=cpu",
        "optimizer.peak_lr=3e-3",
        *more,
    ]


def train(out: str, *more: str, progress: bool = False) -> gigaam.GigaAM:
    return fine_tune(read_options("from_nothing", overrides(out, *more)), progress=progress)


def same(left: gigaam.GigaAM, right: gigaam.GigaAM) -> bool:
    """Whether all tensors are equal to the last bit."""
    return all(
        torch.equal(tensor, right.state_dict()[name]) for name, tensor in left.state_dict().items()
    )


def interrupt_at(monkeypatch, hook: str, step: int, times: int = 1) -> None:
    """Has Ctrl-C come, as a signal, when a hook is called after so many steps."""
    original = getattr(FineTuning, hook)
    left = [times]

    def interrupted(self, batch, batch_idx):
        while left[0] and self.global_step == step:
            left[0] -= 1
            signal.raise_signal(signal.SIGINT)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(FineTuning, hook, interrupted)


def saved_step(out: str) -> int:
    return torch.load(Path(out) / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]


# ---------------------------------------------------------------------------- Ctrl-C


@pytest.mark.parametrize(
    ("hook", "step", "saved", "more"),
    [
        ("training_step", 4, 5, ()),
        ("training_step", 4, 5, ("training.accumulate=2", "data.workers=1")),
        ("training_step", 5, 6, ()),  # a look at the development set follows
        ("validation_step", 6, 6, ()),
        ("validation_step", 12, 12, ()),  # the last one
        ("training_step", 4, 5, ("optimizer.ema_decay=0",)),
    ],
)
def test_stopped_run_is_saved_and_goes_on_as_if_it_had_not_been(
    toys, monkeypatch, hook, step, saved, more
):
    whole = train("whole", *more)
    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        interrupt_at(patch, hook, step)
        with pytest.raises(KeyboardInterrupt, match=f"stopped: step {saved} is saved"):
            train("cut", *more)
    assert signal.getsignal(signal.SIGINT) is before
    assert saved_step("cut") == saved
    assert not Path("cut/model.safetensors").exists()
    assert not list(Path("cut/checkpoints").glob("*.part"))
    assert same(whole, train("cut", *more))


def test_second_ctrl_c_does_not_wait(toys, monkeypatch):
    whole = train("whole", "training.save_every=3")
    with monkeypatch.context() as patch:
        interrupt_at(patch, "training_step", 4, times=2)
        with pytest.raises(KeyboardInterrupt, match="stopped: step 3 is saved"):
            train("cut", "training.save_every=3")
    with monkeypatch.context() as patch:
        interrupt_at(patch, "training_step", 4, times=2)
        with pytest.raises(KeyboardInterrupt, match="stopped: no step is saved yet"):
            train("none")
    assert same(whole, train("cut", "training.save_every=3"))


def test_ctrl_c_while_the_result_is_judged_loses_nothing(toys, monkeypatch):
    def interrupted(*arguments, **more):
        signal.raise_signal(signal.SIGINT)

    whole = train("whole")
    with monkeypatch.context() as patch:
        patch.setattr("gigaam.training.tasks.recognition.evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt, match="stopped: step 12 is saved"):
            train("cut")
    assert same(whole, train("cut"))


def scripted_looks(monkeypatch, errors: dict[int, int]) -> None:
    """Has looks at the development set find so many errors, of a hundred, after these steps."""

    def look(self, utterances, batch_idx):
        self._errors, self._total = errors.get(self.global_step, 5), 100

    monkeypatch.setattr(FineTuning, "validation_step", look)


@pytest.mark.parametrize("killed_at", [5, 6, 7, 11])
def test_a_run_that_goes_on_knows_of_the_looks_before(toys, monkeypatch, killed_at):
    """Also of one after the very step of the checkpoint: the weights then were the best."""
    scripted_looks(monkeypatch, {3: 9, 6: 1, 9: 5, 12: 5})
    often = ("training.eval_every=3", "training.save_every=3")
    whole = train("whole", *often)
    step = FineTuning.training_step

    def failing(self, batch, batch_idx):
        if self.global_step == killed_at:
            raise RuntimeError("the machine is gone")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(FineTuning, "training_step", failing)
        with pytest.raises(RuntimeError, match="gone"):
            train("cut", *often)
    assert saved_step("cut") == killed_at // 3 * 3
    assert same(whole, train("cut", *often))


def test_finished_run_keeps_its_best_weights(toys, monkeypatch):
    scripted_looks(monkeypatch, {6: 1, 12: 5})
    first = train("first")
    best = torch.load("first/checkpoints/best.ckpt", weights_only=True)
    assert best["global_step"] == 6
    assert same(first, train("first"))


def test_other_options_are_refused_by_name_and_only_where_something_was_saved(toys, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_at(patch, "training_step", 0, times=2)
        with pytest.raises(KeyboardInterrupt):
            train("out", "seed=1")
    train("out")
    with pytest.raises(ArgumentError, match=r"\(seed=0 there, 3 here, data\.max_s=25\.0 there, 20"):
        train("out", "seed=3", "data.max_s=20")


# ---------------------------------------------------------------------------- what is shown


def test_without_a_terminal_lines_tell_how_far_it_is(toys, capfd):
    train("out", "training.steps=40", "training.eval_every=20", progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert not OF_OTHERS.search(err)
    lines = err.splitlines()
    steps = [line for line in lines if line.startswith("step ")]
    assert [line.partition(":")[0] for line in steps] == [f"step {n}/40" for n in range(2, 41, 2)]
    assert re.fullmatch(r"step 2/40: loss \d+\.\d+, 0:\d\d:\d\d left", steps[0])
    look = r"step 20/40: loss \S+, CER on dev \d+\.\d\d %, the best so far, 0:\d\d:\d\d left"
    assert re.fullmatch(look, steps[9])
    assert re.fullmatch(
        r"step 40/40: loss \S+, CER on dev \d+\.\d\d %(, the best so far)?", steps[-1]
    )
    assert re.fullmatch(r"dev\.tsv: CER \S+ % \(.*\), WER \S+ % \(.*\)", lines[-1])


def test_a_terminal_has_a_bar(toys, monkeypatch, capfd):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    train("out", progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert not OF_OTHERS.search(err)
    assert "\x1b[" in err
    assert "CER on dev" in err
    assert "step 12/12" in err


def test_without_progress_nothing_is_shown(toys, capfd):
    train("out")
    assert capfd.readouterr() == ("", "")


def run(*arguments: str):
    return CliRunner().invoke(app, ["train", "from_nothing", *arguments])


def test_command_tells_what_comes_next(toys):
    done = run(*overrides("my model", "data.test=dev.tsv"))
    assert (done.exit_code, done.stdout) == (0, "my model\n")
    assert "learning from 40 utterances" in done.stderr
    assert "gigaam transcribe --model 'my model' FILE" in done.stderr
    assert not OF_OTHERS.search(done.stderr)
    assert logging.getLogger("gigaam").handlers == []


def test_quiet_is_quiet_but_for_warnings(toys):
    done = run(*overrides("out"), "--quiet")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "out\n", "")
    write_manifest(toys / "train.tsv", words(40), values=["", *words(40)[1:]])
    done = run(*overrides("other"), "--quiet")
    assert done.exit_code == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "gigaam: warning: data.train: left out 1 of 40 utterances, no transcription: "
        "train.tsv, line 2: train.wav"
    )


def test_finished_run_given_again_says_so_and_how_to_go_on(toys):
    assert run(*overrides("my model")).exit_code == 0
    before = load_file("my model/model.safetensors")
    done = run(*overrides("my model"))
    assert (done.exit_code, done.stdout) == (0, "my model\n")
    assert "learning" not in done.stderr
    assert (
        "the run in my model is complete (12 of 12 steps), and its model is in that folder: there "
        "is nothing left to train."
    ) in done.stderr
    after = load_file("my model/model.safetensors")
    assert after.keys() == before.keys()
    assert all(np.array_equal(after[name], before[name]) for name in before)
    (line,) = [line for line in done.stderr.splitlines() if "model.init=" in line]
    program, command, config, *start = shlex.split(line.removesuffix(" …"))
    assert (program, command) == ("gigaam", "train")
    more = [each for each in overrides("") if not each.startswith(("out=", "model."))]
    options = read_options(config, [*start, *more])
    assert not same(gigaam.load_model("my model", device="cpu"), fine_tune(options, progress=False))
    assert gigaam.load_model("my model-2", device="cpu").cfg.model_name == "my model-2"
    done = run(*overrides("my model", "training.steps=20"))
    assert done.exit_code == 1
    assert "holds a complete run with other options (training.steps=12 there, 20" in done.stderr
    assert "model.init=my model to train its model further" in done.stderr


def test_stopped_command_gives_the_command_to_go_on(toys, monkeypatch):
    given = overrides("my model", "data.train=[train.tsv]")
    with monkeypatch.context() as patch:
        interrupt_at(patch, "training_step", 4)
        done = run(*given)
    assert (done.exit_code, done.stdout) == (130, "")
    assert "gigaam: stopped: step 5 is saved; to resume:\n  gigaam train " in done.stderr
    program, command, *again = shlex.split(done.stderr.splitlines()[-1])
    assert (program, command, again) == ("gigaam", "train", ["from_nothing", *given])
    done = run(*again[1:])
    assert done.exit_code == 0
    assert "resuming from step 5 of 12" in done.stderr


def test_command_that_is_stopped_before_its_run_says_so_as_well(toys, monkeypatch):
    def interrupted(options):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("gigaam.training.fine_tuning.prepare", interrupted)
    done = run(*overrides("out"))
    assert (done.exit_code, done.stdout) == (130, "")
    assert done.stderr.startswith(
        "gigaam: stopped; to resume:\n  gigaam train from_nothing out=out"
    )
    assert not Path("out").exists()


def test_every_process_needs_something_to_judge(toys):
    with pytest.raises(ArgumentError, match=r"6 utterances for 7 processes \(training\.devices\)"):
        train("out", "training.devices=7")
    assert not Path("out").exists()


def test_processes_beside_the_first_are_silent(toys, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr("gigaam.training.fine_tuning.fine_tune", lambda options, progress: None)
    done = run(*overrides("out"))
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("missing", ["lightning", "tensorboard", "jiwer"])
def test_missing_extra_is_named_before_anything_is_done(toys, monkeypatch, missing):
    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("running", "lightning_loop", "checkpoints", "display"):
        monkeypatch.delitem(sys.modules, f"gigaam.training.runs.{name}", raising=False)
        monkeypatch.delattr(f"gigaam.training.runs.{name}", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingDependencyError, match=r"pip install ['\"]\.\[train\]['\"]"):
        train("out")
    assert not Path("out").exists()
