"""Mapped speech, planning of passes, and batches that are the same wherever a run is resumed."""

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gigaam.audio import SAMPLE_RATE
from gigaam.dataset.manifests import Utterance, read_manifest
from gigaam.dataset.text import RUSSIAN_CHARACTERS
from gigaam.decoding.tokenizer import CharTokenizer
from gigaam.errors import AudioError, DatasetError
from gigaam.training.augment import AugmentOptions
from gigaam.training.data import SpeechFiles
from gigaam.training.loader import BatchMaker, Draw
from recipes.training.loop import split
from recipes.training.passes import BatchLimits, PassPlan, Source, plan_pass
from recipes.training.prefetch import prefetch
from tests.examples import examples


def some_utterances(n: int, seed: int = 0, path: str = "x.wav") -> list[Utterance]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(SAMPLE_RATE // 2, 8 * SAMPLE_RATE, size=n)
    return [
        Utterance(Path(path), 0, int(samples), "а" * (1 + int(samples) // 4000))
        for samples in lengths
    ]


@pytest.fixture
def manifest(tmp_path) -> Path:
    samples = np.random.default_rng(0).integers(-3000, 3000, 5 * SAMPLE_RATE).astype("<i2")
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())
    rows = [
        "path\tduration\ttranscription\toffset\tspeaker",
        "speech.wav\t1.5\tда\t0\tanna",
        "speech.wav\t2.0000625\tно если\t1.5\tanna",
        'speech.wav\t1.0\t"кавычка\t3.5000625\tboris',
    ]
    (tmp_path / "train.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path / "train.tsv"


def test_manifest_rows_become_slices_of_their_file(manifest):
    utterances = read_manifest(manifest)
    assert [u.text for u in utterances] == ["да", "но если", '"кавычка']
    assert [u.speaker for u in utterances] == ["anna", "anna", "boris"]
    assert [(u.first_sample, u.n_samples) for u in utterances] == [
        (0, 24000),
        (24000, 32001),
        (56001, 16000),
    ]
    with wave.open(str(manifest.parent / "speech.wav")) as file:
        expected = np.frombuffer(file.readframes(file.getnframes()), "<i2")[24000:56001]
    samples = SpeechFiles().read(utterances[1])
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples * 32768, expected)


def test_other_files_are_decoded(tmp_path):
    """Stereo at another rate; what is asked for is a stretch of it at 16 kHz."""
    tone = (8000 * np.sin(np.arange(2 * 48_000) * 2 * np.pi * 440 / 48_000)).astype("<i2")
    with wave.open(str(tmp_path / "stereo.wav"), "wb") as file:
        file.setparams((2, 2, 48_000, 0, "NONE", ""))
        file.writeframes(np.repeat(tone, 2).tobytes())
    read = SpeechFiles().read(Utterance(tmp_path / "stereo.wav", SAMPLE_RATE, 8000, "да"))
    expected = 8000 / 32768 * np.sin((np.arange(8000) + SAMPLE_RATE) * 2 * np.pi * 440 / 16_000)
    np.testing.assert_allclose(read, expected, atol=0.01)


@pytest.mark.parametrize("content", [b"", b"RIFF\0\0", b"nothing that sounds"])
def test_file_without_sound_is_an_error(tmp_path, content):
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(AudioError):
        SpeechFiles().read(Utterance(tmp_path / "x.wav", 0, 10, "да"))


def test_recording_that_ends_too_soon_is_an_error(manifest):
    first = read_manifest(manifest)[0]
    with pytest.raises(DatasetError, match="ends at"):
        SpeechFiles().read(replace(first, n_samples=100 * SAMPLE_RATE))


@given(st.integers(0, 1000), st.integers(1, 5), st.floats(15, 120))
@settings(max_examples=examples(25), deadline=None)
def test_batches_hold_every_example_once_and_keep_to_the_limit(seed, number, batch_s):
    manifests = {"a": some_utterances(60), "b": some_utterances(30, seed=1)}
    sources = {"a": Source((1.0, 1.0)), "b": Source((2.5, 2.5), join=0.8)}
    limits = BatchLimits(batch_s=batch_s)
    plan = PassPlan(seed, number, 0.5, {"a": 60, "b": 30})
    batches = plan_pass(plan, manifests, sources, limits)
    draws = [draw for batch in batches for draw in batch]
    assert len({draw.number for draw in draws}) == len(draws)
    spoken = [u for draw in draws for u in draw.utterances]
    assert len(spoken) == 60 + 75
    assert all(spoken.count(u) == 1 for u in manifests["a"])
    assert all(2 <= spoken.count(u) <= 3 for u in manifests["b"])
    for batch in batches:
        longest = max(draw.duration_s for draw in batch)
        assert len(batch) == 1 or longest * len(batch) <= batch_s
    padded = sum(max(d.duration_s for d in b) * len(b) for b in batches)
    assert padded < 1.35 * sum(draw.duration_s for draw in draws)


def test_repeats_move_from_first_to_last():
    assert [Source((1.0, 4.0)).repeats_at(p) for p in (0, 0.5, 1)] == [1.0, 2.5, 4.0]


def test_too_long_and_too_fast_examples_are_left_out():
    good = Utterance(Path("x"), 0, 3 * SAMPLE_RATE, "раз два")
    long = Utterance(Path("x"), 0, 40 * SAMPLE_RATE, "долго")
    fast = Utterance(Path("x"), 0, SAMPLE_RATE, "а" * 40)
    plan = PassPlan(0, 1, 0.0, {"a": 3})
    batches = plan_pass(plan, {"a": [good, long, fast]}, {"a": Source((1, 1))}, BatchLimits())
    assert [d.utterances for batch in batches for d in batch] == [(good,)]


def test_plan_depends_on_seed_and_pass_alone():
    manifests, sources = {"a": some_utterances(40)}, {"a": Source((1.5, 1.5), join=0.5)}

    def planned(seed: int, number: int, extra: int = 0) -> list:
        grown = {"a": manifests["a"] + some_utterances(extra, seed=9)}
        plan = PassPlan(seed, number, 0.2, {"a": 40})
        return plan_pass(plan, grown, sources, BatchLimits())

    assert planned(1, 2) == planned(1, 2, extra=7)
    assert planned(1, 2) != planned(1, 3)
    assert planned(1, 2) != planned(2, 2)


def batch_maker(utterances: list[Utterance], pass_number: int = 0) -> BatchMaker:
    return BatchMaker(
        files=SpeechFiles(),
        encode=CharTokenizer(RUSSIAN_CHARACTERS).encode,
        options=AugmentOptions(noise=1.0, reverberation=0.5, telephone=0.5),
        n_bins=64,
        seed=3,
        pass_number=pass_number,
        babblers=utterances,
    )


def test_resumed_pass_gives_the_same_batches(manifest):
    utterances = read_manifest(manifest)[:2]
    sources, limits = {"a": Source((8, 8), join=0.5)}, BatchLimits(batch_s=12)
    plan = PassPlan(3, 1, 0.4, {"a": 2})
    planned = plan_pass(plan, {"a": utterances}, sources, limits)
    whole = [batch_maker(utterances, 1).make(draws) for draws in planned]
    replanned = plan_pass(plan, {"a": utterances}, sources, limits)
    resumed = [batch_maker(utterances, 1).make(draws) for draws in replanned[2:]]
    assert len(whole) > 2
    for left, right in zip(whole[2:], resumed, strict=True):
        torch.testing.assert_close(left.wav, right.wav, rtol=0, atol=0)
        assert torch.equal(left.labels, right.labels)
        assert left.masks == right.masks
    other_pass = batch_maker(utterances, 2).make(planned[0])
    assert not torch.equal(other_pass.wav, whole[0].wav)


def test_example_spells_its_text_and_has_its_planned_length(manifest):
    utterances = read_manifest(manifest)[:2]
    planned = plan_pass(
        PassPlan(0, 1, 0.0, {"a": 2}),
        {"a": utterances},
        {"a": Source((6, 6), join=1.0)},
        BatchLimits(),
    )
    joined = [draw for batch in planned for draw in batch if len(draw.utterances) > 1]
    assert joined
    batch = batch_maker(utterances).make(joined)
    for i, draw in enumerate(joined):
        spelled = batch.labels[i, : batch.label_lengths[i]].tolist()
        assert "".join(RUSSIAN_CHARACTERS[label] for label in spelled) == draw.text
        assert batch.lengths[i] / SAMPLE_RATE == pytest.approx(draw.duration_s, abs=0.001)


def test_recording_that_cannot_be_read_is_left_out_of_its_batch(manifest, tmp_path, caplog):
    utterances = read_manifest(manifest)[:2]
    missing = Utterance(tmp_path / "missing.wav", 0, SAMPLE_RATE, "нет")
    draws = [Draw((u,), 1.0, 0.0, 0.0, 0.0, i) for i, u in enumerate([missing, *utterances])]
    maker = batch_maker(utterances)
    batch, without = maker.make(draws), maker.make(draws[1:])
    torch.testing.assert_close(batch.wav, without.wav, rtol=0, atol=0)
    assert torch.equal(batch.labels, without.labels)
    assert "missing.wav" in caplog.text
    with pytest.raises(DatasetError, match="no recording"):
        maker.make(draws[:1])


def test_split_batch_holds_the_same_examples(manifest):
    utterances = read_manifest(manifest)[:2]
    plan = PassPlan(0, 1, 0.0, {"a": 2})
    planned = plan_pass(plan, {"a": utterances}, {"a": Source((3, 3))}, BatchLimits())
    batch = batch_maker(utterances).make(planned[0])
    parts = split(batch, 4)
    assert sum(len(part.lengths) for part in parts) == len(batch.lengths)
    assert sum(part.audio_s for part in parts) == pytest.approx(batch.audio_s)
    assert all(part.wav.shape[1] == part.lengths.max() for part in parts)


def test_prefetch_keeps_order_and_passes_errors_on():
    assert list(prefetch(range(20), depth=2)) == list(range(20))

    def failing():
        yield 1
        raise DatasetError("broken")

    items = prefetch(failing())
    assert next(items) == 1
    with pytest.raises(DatasetError, match="broken"):
        next(items)


def test_prefetch_stops_when_it_is_closed():
    made = []
    items = prefetch((made.append(i) or i for i in range(1000)), depth=2)
    assert next(items) == 0
    items.close()
    assert len(made) < 10
