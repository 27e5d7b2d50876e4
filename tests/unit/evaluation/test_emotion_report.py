"""Accuracies, F1 and confusion matrices against hand-made cases; a random net end to end."""

import math
import wave
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from gigaam.dataset.manifests import Utterance
from gigaam.errors import DatasetError
from gigaam.evaluation.emotion_report import figures, report_emotions
from gigaam.evaluation.outcomes import EvaluationRun
from gigaam.evaluation.report_text import report_lines
from gigaam.training import EmotionReport, evaluate
from tests.nets import random_emo

EMOTIONS = ("angry", "sad", "neutral", "positive")


def test_figures_of_a_hand_made_matrix() -> None:
    # Recall 3/4 and 1/2; F1 2·3/(4+4) and 2·1/(2+2).
    assert figures(np.array([[3, 1], [1, 1]])) == pytest.approx([0.625, 4 / 6, (0.75 + 0.5) / 2])


def test_an_emotion_nobody_has_lowers_f1_where_it_is_told() -> None:
    matrix = np.array([[2, 0, 1], [0, 3, 0], [0, 0, 0]])
    f1 = (2 * 2 / (3 + 2) + 1.0 + 0.0) / 3
    assert figures(matrix) == pytest.approx([(2 / 3 + 1) / 2, 5 / 6, f1])
    unused = np.zeros((4, 4), np.int64)
    unused[:2, :2] = [[3, 1], [1, 1]]
    assert figures(unused) == pytest.approx(figures(np.array([[3, 1], [1, 1]])))


def test_no_recordings_no_figures() -> None:
    assert np.isnan(figures(np.zeros((4, 4), np.int64))).all()


def heard(*pairs: tuple[str, str], speaker: str = "") -> list[tuple[Utterance, dict[str, float]]]:
    """Recordings with these true and told emotions."""
    return [
        (
            Utterance(Path(f"{i}.wav"), 0, 16_000, "", {"emotion": true, "speaker": speaker}),
            {name: 0.7 + i / 100 if name == told else 0.1 - i / 300 for name in EMOTIONS},
        )
        for i, (true, told) in enumerate(pairs)
    ]


def test_report_counts_which_are_taken_for_which() -> None:
    results: list[tuple[Utterance, Mapping[str, float]]] = [
        *heard(("angry", "angry"), ("angry", "sad"), ("sad", "sad"), speaker="b"),
        *heard(("positive", "neutral"), ("positive", "positive"), speaker="a"),
    ]
    report = report_emotions("m.tsv", EvaluationRun(results, [], elapsed_s=2.5), by="speaker")
    assert report.emotions == list(EMOTIONS)
    assert report.scores.confusion.tolist() == [
        [1, 1, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 1, 1],
    ]
    unweighted, weighted, _ = report.scores.values
    assert (unweighted, weighted) == pytest.approx(((0.5 + 1 + 0.5) / 3, 3 / 5))
    for value, interval in zip(report.scores.values, report.scores.intervals, strict=True):
        assert interval.low <= value <= interval.high
    assert list(report.groups) == ["a", "b"]
    assert report.groups["a"].confusion.sum() == 2
    assert report.groups["b"].values[1] == pytest.approx(2 / 3)
    assert [(each.true, each.told) for each in report.worst(5)] == [
        ("angry", "sad"),
        ("positive", "neutral"),
    ]
    assert len(report.worst(1)) == 1
    text = "\n".join(report_lines(report, 5))
    assert "5 utterances, 0:05.0 of sound, 2.0× real time" in text
    assert "weighted accuracy     60.00 %" in " ".join(text.split("\n"))
    assert "angry taken for sad (71.00 %): 1.wav" in text


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("emotions")
    rng = np.random.default_rng(0)
    rows = ["path\tduration\temotion\troom"]
    for i, emotion in enumerate([*EMOTIONS, "sad", "sad"]):
        samples = rng.normal(0, 500 * (i + 1), 8_000 + 1_600 * i).astype("<i2")
        with wave.open(str(directory / f"{i}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(samples.tobytes())
        rows.append(f"{i}.wav\t{len(samples) / 16_000}\t{emotion}\t{'large' if i % 2 else 'small'}")
    path = directory / "emotions.tsv"
    path.write_text("\n".join([*rows, "missing.wav\t1\tsad\tlarge"]) + "\n", encoding="utf-8")
    return path


def test_random_net_is_evaluated_as_it_classifies(manifest: Path) -> None:
    model = random_emo()
    done: list[float] = []
    report = evaluate(model, manifest, by="room", on_done=done.append)
    assert isinstance(report, EmotionReport)
    assert len(done) == 7
    assert sum(done) == pytest.approx(sum(0.5 + 0.1 * i for i in range(6)) + 1)
    expected = [model.get_probs(manifest.parent / f"{i}.wav") for i in range(6)]
    found = [each.probabilities for each in report.results]
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other)
    told = [max(each, key=each.__getitem__) for each in expected]
    true = [*EMOTIONS, "sad", "sad"]
    rights = [one == other for one, other in zip(told, true, strict=True)]
    assert report.scores.values[1] == pytest.approx(sum(rights) / 6)
    assert {room: group.utterances for room, group in report.groups.items()} == {
        "large": 3,
        "small": 3,
    }
    assert [utterance.path.name for utterance, _ in report.run.failures] == ["missing.wav"]
    assert report.run.rtfx > 0


def test_emotion_that_the_model_does_not_know(tmp_path: Path, manifest: Path) -> None:
    path = tmp_path / "m.tsv"
    rows = [f"{manifest.parent / '0.wav'}\t0.5\tsad", f"{manifest.parent / '1.wav'}\t0.6\tjoy"]
    path.write_text("\n".join(["path\tduration\temotion", *rows]), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"m\.tsv, line 3: emotion is 'joy', not one of .*sad"):
        evaluate(random_emo(), path)


def test_manifest_without_emotions(tmp_path: Path) -> None:
    path = tmp_path / "m.tsv"
    path.write_text("path\tduration\ttranscription\nx.wav\t1\tда\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="no column emotion"):
        evaluate(random_emo(), path)


def test_nothing_could_be_read(tmp_path: Path) -> None:
    path = tmp_path / "m.tsv"
    path.write_text("path\tduration\temotion\nx.wav\t1\tsad\n", encoding="utf-8")
    report = evaluate(random_emo(), path)
    assert math.isnan(report.scores.values[0])
    assert report.to_dict()["weighted_accuracy"] == {"value": None, "interval": [None, None]}
    assert "0 utterances, 0:00.0 of sound, 1 failed" in next(report_lines(report, 5))
