"""Fine-tuning from end to end on toy recordings: what goes in, what comes out, what is kept."""

import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import gigaam
from gigaam.errors import ArgumentError, DatasetError
from gigaam.loading import build_model
from gigaam.training import RunOptions, fine_tune, read_manifest, read_options
from gigaam.training.configuration import configurations
from gigaam.training.data import SpeechFiles
from gigaam.training.runs.lightning_loop import FineTuning
from tests.toy_recordings import words, write_manifest
from tests.toy_training import toy_config

ROOT = Path(__file__).parents[3]

FIRST_LOSSES = {
    "ctc": [8.4031, 8.029, 6.9078, 6.1801, 5.2926, 5.3664, 5.902, 5.1163],
    "rnnt": [10.0684, 9.9933, 7.2512, 6.5121, 5.2132, 5.342, 4.8123, 5.0174],
}

pytestmark = [
    # Lightning's: no workers to load data, fewer batches than a logging interval, and the like.
    pytest.mark.filterwarnings("ignore::UserWarning:lightning.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture
def toys(tmp_path) -> Path:
    """A folder with an architecture and manifests."""
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(toy_config("ctc")))
    write_manifest(tmp_path / "train.tsv", words(40))
    write_manifest(tmp_path / "dev.tsv", words(6, seed=1))
    return tmp_path


def train(folder: Path, out: str, *overrides: str, config: str = "fine_tune") -> gigaam.GigaAM:
    options = read_options(
        config,
        [
            f"out={folder / out}",
            f"data.train=[{folder / 'train.tsv'}]",
            "data.batch_s=6",
            "training.steps=12",
            "training.eval_every=12",
            "training.save_every=4",
            "training.accelerator=cpu",
            "optimizer.peak_lr=3e-3",
            *overrides,
        ],
    )
    return fine_tune(options, progress=False)


def from_nothing(folder: Path, out: str, *overrides: str) -> gigaam.GigaAM:
    start = (f"model.architecture={folder / 'toy.yaml'}", f"data.dev=[{folder / 'dev.tsv'}]")
    return train(folder, out, *start, *overrides, config="from_nothing")


def weights(model: gigaam.GigaAM) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(left: gigaam.GigaAM, right: gigaam.GigaAM, part: str = "") -> bool:
    """Whether all tensors, or those of a part, are equal to the last bit."""
    both = [
        {name: tensor for name, tensor in model.state_dict().items() if name.startswith(part)}
        for model in (left, right)
    ]
    return both[0].keys() == both[1].keys() and all(
        torch.equal(tensor, both[1][name]) for name, tensor in both[0].items()
    )


def test_result_is_a_model_directory_that_opens_everywhere(toys):
    trained = from_nothing(toys, "first")
    opened = gigaam.load_model(toys / "first", device="cpu")
    assert same(trained, opened)
    assert opened.cfg.model_name == "first"
    assert opened.decoding.tokenizer.pieces == list("abcd")
    card = (toys / "first" / "README.md").read_text(encoding="utf-8")
    assert "40 utterances" in card
    assert "`dev.tsv` | 6 |" in card
    assert (toys / "first" / "logs" / "csv" / "version_0" / "metrics.csv").exists()
    assert list((toys / "first" / "logs" / "tb").rglob("events*"))


def test_it_learns(toys):
    clean = [f"augmentation.{name}=0" for name in ("noise", "frequency_masks", "time_masks_per_s")]
    model = from_nothing(
        toys,
        "first",
        "training.steps=150",
        "training.eval_every=50",
        "optimizer.peak_lr=1e-2",
        *clean,
    )
    heard = [
        str(text)
        for text in model.transcribe(
            [read_samples(toys, i) for i in range(6)], input_rate=16_000, batch_size=6
        )
    ]
    said = [utterance.text for utterance in read_manifest(toys / "dev.tsv")]
    assert sum(a != b for a, b in zip(heard, said, strict=True)) <= 1


def read_samples(folder: Path, index: int) -> np.ndarray:
    return SpeechFiles().read(read_manifest(folder / "dev.tsv")[index])


@pytest.mark.parametrize("extra", [(), ("training.accumulate=2", "data.workers=1")])
def test_killed_run_goes_on_as_if_it_had_not_been(toys, monkeypatch, extra):
    """Cut short in the middle of an epoch, with averaged weights and augmentation."""
    whole = from_nothing(toys, "whole", *extra)
    step = FineTuning.training_step

    def failing(self, batch, batch_idx):
        if self.global_step == 7:
            raise RuntimeError("the machine is gone")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(FineTuning, "training_step", failing)
    with pytest.raises(RuntimeError, match="gone"):
        from_nothing(toys, "cut", *extra)
    seen = []

    def counting(self, batch, batch_idx):
        seen.append(self.global_step)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(FineTuning, "training_step", counting)
    resumed = from_nothing(toys, "cut", *extra)
    assert seen[0] == 4
    assert same(whole, resumed)


def test_finished_run_is_left_as_it_is(toys, monkeypatch):
    first = from_nothing(toys, "first")

    def never(self, batch, batch_idx):
        raise AssertionError("it trains again")

    monkeypatch.setattr(FineTuning, "training_step", never)
    assert same(first, from_nothing(toys, "first"))


def test_folder_of_another_run_is_refused(toys):
    from_nothing(toys, "first")
    with pytest.raises(ArgumentError, match=r"other options.*run\.yaml"):
        from_nothing(toys, "first", "seed=5")


def test_frozen_encoder_stays_as_it_was(toys):
    first = from_nothing(toys, "first")
    init = f"model.init={toys / 'first'}"
    frozen = train(toys, "frozen", init, "training.freeze_encoder_steps=12")
    assert same(first, frozen, "encoder.")
    assert not same(first, frozen, "head.")
    thawed = train(toys, "thawed", init, "training.freeze_encoder_steps=6")
    assert not same(first, thawed, "encoder.")


def test_fine_tuning_starts_from_what_the_model_knows(toys):
    first = from_nothing(toys, "first")
    second = train(toys, "second", f"model.init={toys / 'first'}", "optimizer.peak_lr=1e-9")
    for name, tensor in weights(second).items():
        torch.testing.assert_close(tensor, first.state_dict()[name], atol=1e-6, rtol=0)


def test_rows_of_letters_in_both_vocabularies_are_kept(toys):
    first = from_nothing(toys, "first")
    (toys / "letters.txt").write_text("d\na\nx\n", encoding="utf-8")
    second = train(
        toys,
        "second",
        f"model.init={toys / 'first'}",
        f"model.vocabulary={toys / 'letters.txt'}",
        "optimizer.peak_lr=1e-9",
        "data.train=[" + str(write_manifest(toys / "ad.tsv", ["ad", "da", "ada", "dad"])) + "]",
    )
    assert second.decoding.tokenizer.pieces == ["d", "a", "x"]
    old, new = (model.head.decoder_layers[0].weight for model in (first, second))
    torch.testing.assert_close(new[[0, 1, 3]], old[[3, 0, 4]], atol=1e-6, rtol=0)


def test_another_head_over_the_same_encoder(toys):
    first = from_nothing(toys, "first")
    second = train(
        toys,
        "second",
        f"model.init={toys / 'first'}",
        "model.head=rnnt",
        "model.predictor_width=16",
        "loss.auxiliary_ctc=0.3",
        "training.freeze_encoder_steps=12",
    )
    assert second.cfg.model_class == "rnnt"
    assert same(first, second, "encoder.")
    assert second.decoding.tokenizer.pieces == list("abcd")


def test_self_supervised_encoder_gets_a_head_and_a_vocabulary(toys):
    config = toy_config("ctc")
    del config["head"], config["decoding"]
    pretrained = build_model({**config, "model_class": "ssl"})
    pretrained.save(toys / "ssl")
    with pytest.raises(ArgumentError, match=r"model\.head"):
        train(toys, "x", f"model.init={toys / 'ssl'}")
    with pytest.raises(ArgumentError, match=r"model\.vocabulary"):
        train(toys, "x", f"model.init={toys / 'ssl'}", "model.head=ctc")
    assert not (toys / "x").exists()
    model = train(
        toys, "x", f"model.init={toys / 'ssl'}", "training.freeze_encoder_steps=12",
        config="new_language",
    )  # fmt: skip
    assert same(pretrained, model, "encoder.")
    assert model.decoding.tokenizer.pieces == list("abcd")


def test_emotion_head(toys):
    moods = ["sad", "glad"] * 12
    write_manifest(toys / "moods.tsv", ["abc", "dcb"] * 12, "emotion", moods)
    from_nothing(toys, "first")
    data = (f"data.train=[{toys / 'moods.tsv'}]", f"data.dev=[{toys / 'moods.tsv'}]")
    model = train(
        toys, "moods", f"model.init={toys / 'first'}", *data, "training.steps=40", config="emotion"
    )
    assert isinstance(model, gigaam.GigaAMEmo)
    assert model.id2name == ["glad", "sad"]
    opened = gigaam.load_model(toys / "moods", device="cpu")
    assert same(model, opened)
    card = (toys / "moods" / "README.md").read_text(encoding="utf-8")
    assert "accuracy" in card


def test_checkpoint_of_a_run_is_a_model(toys):
    """What Lightning wrote, with averaged weights and the optimizer's state in it."""
    from_nothing(toys, "first")
    model = train(
        toys, "second", f"model.init={toys / 'first'}", "training.save_every=12",
        "training.checkpoint_activations=true",
    )  # fmt: skip
    opened = gigaam.load_model(toys / "second" / "checkpoints" / "last.ckpt", device="cpu")
    assert same(model, opened)


def test_activations_computed_twice_change_nothing(toys):
    lossy = "training.dropout=0.1"  # what is lost is the same both times
    kept = from_nothing(toys, "kept", lossy)
    assert same(kept, from_nothing(toys, "twice", lossy, "training.checkpoint_activations=true"))
    assert not same(kept, from_nothing(toys, "whole"))


def test_bfloat16(toys):
    model = from_nothing(toys, "first", "training.precision=bf16")
    assert all(tensor.dtype == torch.float32 for tensor in model.parameters())


def test_what_cannot_be_learnt_is_left_out_and_counted(toys):
    from_nothing(toys, "first")
    mixed = write_manifest(toys / "mixed.tsv", ["abc", "abЫ", "abcdabcdabcd", *words(9)])
    init = f"model.init={toys / 'first'}"
    train(toys, "second", init, f"data.train=[{mixed}]", "data.max_s=3")
    card = (toys / "second" / "README.md").read_text(encoding="utf-8")
    assert "10 utterances" in card
    assert "characters outside the vocabulary: 1" in card
    assert "longer than 3 s: 1" in card
    only = write_manifest(toys / "only.tsv", ["Ы"])
    with pytest.raises(DatasetError, match="nothing to learn from"):
        train(toys, "third", init, f"data.train=[{only}]")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.stepz=1"], "stepz"),
        (["training.steps=many"], "many"),
        (["optimizer.learning_rate=1"], "learning_rate"),
        (["gibberish"], "gibberish"),
    ],
)
def test_options_that_do_not_exist(overrides, message):
    with pytest.raises(ArgumentError, match=message):
        read_options("fine_tune", overrides)


def test_own_configuration_builds_on_one_of_the_package(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "defaults: [fine_tune, _self_]\nout: mine\ntraining: {steps: 7}\n", encoding="utf-8"
    )
    options = read_options(str(tmp_path / "mine.yaml"), ["seed=3"])
    assert (options.out, options.training.steps, options.seed) == ("mine", 7, 3)
    assert options.optimizer["peak_lr"] == read_options("fine_tune").optimizer["peak_lr"]
    with pytest.raises(ArgumentError, match="one of emotion, fine_tune"):
        read_options("mine")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.architecture=tiny_ctc"], "not both or neither"),
        (["training.precision=int4"], "precision"),
        (["data.train=[]"], r"data\.train"),
    ],
)
def test_options_that_do_not_go_together(toys, overrides, message):
    first = toys / "toy"
    build_model(toy_config("ctc")).save(first)
    with pytest.raises(ArgumentError, match=message):
        train(toys, "x", f"model.init={first}", *overrides)


def test_documentation_names_what_there_is():
    page = (ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8")
    options = asdict(RunOptions())
    named = re.findall(r"`(model|data|training|optimizer|loss)\.(\w+)", page)
    assert len(named) > 10
    assert [name for section, name in named if name not in options[section]] == []
    told = re.findall(r"^\| `(\w+)` \|", page.partition("| configuration |")[2], flags=re.M)
    assert sorted(told) == configurations()


@pytest.mark.parametrize("kind", ["ctc", "rnnt"])
def test_losses_of_the_first_steps(toys, monkeypatch, kind):
    """Data, augmentation, loss and optimizer are what they were when these were noted."""
    losses = []
    step = FineTuning.training_step

    def noting(self, batch, batch_idx):
        loss = step(self, batch, batch_idx)
        losses.append(float(loss.detach()))
        return loss

    monkeypatch.setattr(FineTuning, "training_step", noting)
    (toys / "toy.yaml").write_text(yaml.safe_dump(toy_config(kind)))
    from_nothing(toys, "first", "training.steps=8")
    assert losses == pytest.approx(FIRST_LOSSES[kind], rel=0.01)
