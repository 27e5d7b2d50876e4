"""What a run is told: paths as they are, names that there are, numbers within their ranges."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gigaam.errors import ArgumentError
from gigaam.training import RunOptions, read_options
from gigaam.training.augment import AugmentOptions
from gigaam.training.configuration import typed
from gigaam.training.objective import LossOptions
from gigaam.training.optimizer import OptimizerOptions
from gigaam.training.options import DataOptions, check_ranges
from tests.readmes import blocks

ROOT = Path(__file__).parents[3]
TEXTS = [
    *(ROOT / name for name in ("README.md", "README_ru.md")),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "recipes").rglob("*.md"),
    *(ROOT / "recipes").rglob("*.py"),
    *(ROOT / "gigaam").rglob("*.py"),
    *(ROOT / "gigaam").rglob("*.yaml"),
]


@pytest.mark.parametrize(
    ("given", "manifests"),
    [
        ("train.tsv", ["train.tsv"]),
        ("[train.tsv]", ["train.tsv"]),
        ("[a.tsv,b.tsv]", ["a.tsv", "b.tsv"]),
        ("[a.tsv, b.tsv]", ["a.tsv", "b.tsv"]),
        ("['a, b.tsv',\"c.tsv\"]", ["a, b.tsv", "c.tsv"]),
        ("'one.tsv'", ["one.tsv"]),
        ("обучение.tsv", ["обучение.tsv"]),
        ("[обучение.tsv,my file.tsv]", ["обучение.tsv", "my file.tsv"]),
        ("my data (1)/it's = all {here}.tsv", ["my data (1)/it's = all {here}.tsv"]),
        (r"C:\data\train.tsv", [r"C:\data\train.tsv"]),
        ("\\\\server\\share\\", ["\\\\server\\share\\"]),
        (r"a\'b", [r"a\'b"]),
        ("null", []),
        ("[]", []),
    ],
)
def test_manifests_are_a_path_or_a_list_of_them(given, manifests):
    for name in ("train", "dev", "test"):
        options = read_options("fine_tune", [f"data.{name}={given}"])
        assert getattr(options.data, name) == manifests


def test_in_a_file_and_in_python_too(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "defaults: [fine_tune, _self_]\ndata: {train: train.tsv, dev: [a.tsv, b.tsv]}\n"
    )
    options = read_options(str(tmp_path / "mine.yaml"))
    assert (options.data.train, options.data.dev) == (["train.tsv"], ["a.tsv", "b.tsv"])
    options = RunOptions(data=DataOptions(train="train.tsv", dev=Path("a.tsv")))
    options.data.test = [tmp_path / "b.tsv", "c.tsv"]
    assert (options.data.train, options.data.dev) == (["train.tsv"], ["a.tsv"])
    assert options.data.test == [str(tmp_path / "b.tsv"), "c.tsv"]
    with pytest.raises(ArgumentError, match=r"data\.train must be paths of manifests, not 7"):
        DataOptions(train=7)


def test_other_paths_are_taken_as_they_are():
    options = read_options(
        "fine_tune", ["out=моя модель (2)", "model.init=модель, v3", "model.name=it's"]
    )
    assert options.out == "моя модель (2)"
    assert (options.model.init, options.model.name) == ("модель, v3", "it's")


def test_several_manifests_without_brackets_are_told_how(tmp_path, monkeypatch):
    with pytest.raises(ArgumentError, match=r"write 'data\.train=\[a\.tsv,b\.tsv\]'"):
        read_options("fine_tune", ["data.train=a.tsv,b.tsv"])
    monkeypatch.chdir(tmp_path)
    Path("a,b.tsv").touch()
    assert read_options("fine_tune", ["data.train=a,b.tsv"]).data.train == ["a,b.tsv"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("traning.steps=2", r"'traning\.steps': did you mean training\.steps\?"),
        ("training.stepz=2", r"did you mean training\.steps"),
        ("steps=2", r"did you mean training\.steps\?"),
        ("optimizer.learning_rate=2", r"there are: optimizer\.peak_lr, "),
        ("+training.extra=2", r"no option 'training\.extra'"),
        ("what=2", "there are: out, seed, "),
        ("training.steps", "'training.steps' is not an option: write KEY=VALUE"),
        ("=3", "KEY=VALUE"),
    ],
)
def test_names_that_there_are_not(override, message):
    with pytest.raises(ArgumentError, match=message):
        read_options("fine_tune", [override])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("training: {stepz: 3}", r"mine\.yaml: there is no option 'training\.stepz': did you"),
        (
            "optimizer: {rate: 3}",
            r"mine\.yaml: there is no option 'optimizer\.rate'; there are: opt",
        ),
        ("training: {steps: many}", r"'many' .*training\.steps"),
        ("training: 3", r"mine\.yaml: there is no option 'training'; there are: training.steps"),
        ("defaults: [nothing, _self_]", "nothing"),
        ("out: [", r"mine\.yaml is not YAML: "),
        ("only words", r"mine\.yaml holds no options"),
        ("", r"mine\.yaml holds no options"),
        ("- a\n- b", r"mine\.yaml holds no options"),
        (b"out: \xff", r"mine\.yaml is not YAML: "),
    ],
)
def test_files_that_say_what_there_is_not(tmp_path, content, message):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ArgumentError, match=message):
        read_options(str(path))


def test_files_of_other_names_are_refused(tmp_path):
    (tmp_path / "mine.yml").write_text("out: x")
    with pytest.raises(ArgumentError, match=r"must end in \.yaml"):
        read_options(str(tmp_path / "mine.yml"))


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("optimizer.peak_lr", "abc"),
        ("optimizer.peak_lr", "-1"),
        ("optimizer.warmup", "2"),
        ("augmentation.noise", "often"),
        ("augmentation.gain_db", "3"),
        ("loss.auxiliary_ctc", "x"),
    ],
)
def test_values_of_other_kinds_are_refused_by_name(section, value):
    name, _, option = section.partition(".")
    kinds = {"optimizer": OptimizerOptions, "augmentation": AugmentOptions, "loss": LossOptions}
    options = read_options("fine_tune", [f"{section}={value}"])
    with pytest.raises(ArgumentError, match=rf"{name}\.{option}"):
        typed(kinds[name], name, getattr(options, name))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.steps=0", r"training\.steps must be 1 or more, not 0"),
        ("training.accumulate=-1", r"training\.accumulate must be 1 or more"),
        ("training.eval_every=0", r"training\.eval_every must be 1 or more"),
        ("training.save_every=0", r"training\.save_every must be 1 or more"),
        ("training.devices=0", r"training\.devices must be 1 or more"),
        ("training.freeze_encoder_steps=-1", r"training\.freeze_encoder_steps must be 0 or more"),
        ("training.dropout=1", r"training\.dropout must be from 0 to below 1"),
        ("data.batch_s=0", r"data\.batch_s must be above 0"),
        ("data.max_s=-1", r"data\.max_s must be above 0"),
        ("data.workers=-1", r"data\.workers must be 0 or more"),
        ("data.speed=[0,1]", r"data\.speed must be two factors above 0"),
        ("data.speed=[1,1,1]", r"data\.speed must be two factors above 0"),
    ],
)
def test_numbers_that_cannot_be(override, message):
    with pytest.raises(ArgumentError, match=message):
        check_ranges(read_options("fine_tune", [override]))


def test_a_run_validates_ten_times_unless_said_otherwise():
    intervals = {
        steps: read_options("fine_tune", [f"training.steps={steps}"]).training.validation_interval
        for steps in (1, 10, 15, 200)
    }
    assert intervals == {1: 1, 10: 1, 15: 2, 200: 20}
    assert read_options("fine_tune", ["training.eval_every=7"]).training.validation_interval == 7


# ---------------------------------------------------------------------------- what texts show


def test_lists_are_quoted_wherever_they_are_shown():
    """Zsh takes brackets that are not for a pattern, and refuses what matches no file."""
    for path in TEXTS:
        for line in path.read_text(encoding="utf-8").splitlines():
            for match in re.finditer(r"(\S?)\bdata\.\w+=\[", line):
                assert match[1] in ("'", '"'), f"{path}: {line}"


def training_commands() -> list[str]:
    texts = [*blocks("README.md"), *blocks("README_ru.md"), *blocks("docs/fine-tuning.md")]
    return [b.code for b in texts if b.language == "bash" and "gigaam train" in b.code]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_documented_commands_work_in_zsh(tmp_path):
    assert len(training_commands()) >= 3
    for code in training_commands():
        spy = "gigaam() { for each in $@; do print -r -- $each; done }\n"
        done = subprocess.run(
            ["zsh", "-f", "-c", spy + code], capture_output=True, encoding="utf-8", cwd=tmp_path
        )
        assert (done.returncode, done.stderr) == (0, ""), code
        command, config, *overrides = done.stdout.splitlines()
        assert command == "train"
        assert read_options(config, overrides).data.train == ["train.tsv"]
