"""Reports on speakers, of recordings whose errors can be worked out by hand."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from gigaam.dataset.conversations import Said
from gigaam.dataset.manifests import Utterance
from gigaam.evaluation.bootstrap import BootstrapOptions
from gigaam.evaluation.conversations import Conversation
from gigaam.evaluation.outcomes import EvaluationRun
from gigaam.evaluation.report_html import report_page
from gigaam.evaluation.report_text import report_lines
from gigaam.evaluation.scoring import Edits
from gigaam.evaluation.speaker_errors import DiarizationErrors
from gigaam.evaluation.speaker_references import SpeakerReference
from gigaam.evaluation.speaker_report import SpeakerReport, report_speakers
from gigaam.speakers import Turn
from gigaam.types import Word
from tests.unit.evaluation.test_evaluation import Page

RATE = 16_000

TRUE = [Said(0, 10, "анна", "Раз, два!"), Said(10, 20, "борис", "три")]
QUIET: list[Turn] = []


def utterance(line: int, room: str, text: str = "") -> Utterance:
    return Utterance(Path(f"{line}.wav"), 0, 20 * RATE, text, {"room": room}, line=line)


def heard(turns: Sequence[Turn], *words: tuple[str, str]) -> Conversation:
    found = [Word(text, i, i + 1, speaker=who) for i, (who, text) in enumerate(words)]
    return Conversation(" ".join(text for _, text in words), found, turns)


def report_on(text: str = "", by: str | None = "room") -> SpeakerReport:
    """Of three recordings: a good one, one in which all is one person's, a silent one."""
    two = [Turn(0, 8, "S1"), Turn(10, 20, "S0")]
    one = [Turn(0, 20, "S0")]
    results = [
        (utterance(1, "a", text), heard(two, ("S1", "раз"), ("S1", "два"), ("S0", "тир"))),
        (utterance(2, "a"), heard(one, ("S0", "раз"), ("S0", "два"), ("S0", "три"))),
        (utterance(3, "b"), heard([Turn(0, 1, "S0")])),
    ]
    words = SpeakerReference(TRUE, TRUE)
    turns = SpeakerReference([Turn(t.start, t.end, t.speaker) for t in TRUE], None)
    failures = [(utterance(4, "b"), RuntimeError("out of memory"))]
    run = EvaluationRun(results, failures, 2.0)
    references = {1: words, 2: turns, 3: SpeakerReference(QUIET, [])}
    return report_speakers("m.tsv", run, references, by, BootstrapOptions(resamples=200))


@pytest.fixture(scope="module")
def report() -> SpeakerReport:
    return report_on()


def test_scores_of_all_recordings(report: SpeakerReport) -> None:
    scores = report.scores
    assert (scores.utterances, scores.duration_s) == (3, 60.0)
    assert scores.der.errors == DiarizationErrors(2, 1, 10, 40)
    assert scores.der.errors.rate == pytest.approx(13 / 40)
    low, high = scores.der.interval
    assert low <= 13 / 40 <= high
    assert scores.counted_right == 1
    assert scores.cpwer is not None
    assert scores.cpwer.edits == Edits(hits=2, substitutions=1)
    assert scores.utterances_with_words == 2
    assert report.recognition is None


def test_scores_of_each_recording_and_group(report: SpeakerReport) -> None:
    assert [each.errors for each in report.results] == [
        DiarizationErrors(missed=2, whole=20),
        DiarizationErrors(confused=10, whole=20),
        DiarizationErrors(false_alarm=1),
    ]
    assert [each.words for each in report.results] == [Edits(2, 1), None, Edits()]
    assert [each.is_counted_right for each in report.results] == [True, False, False]
    first, second = report.groups.values()
    assert first.der.errors == DiarizationErrors(2, 0, 10, 40)
    assert math.isnan(second.der.errors.rate)
    assert math.isnan(second.der.interval.low)


def test_worst_come_first_and_the_faultless_not_at_all(report: SpeakerReport) -> None:
    assert [each.utterance.line for each in report.worst(9)] == [3, 2, 1]
    assert [each.utterance.line for each in report.worst(1)] == [3]
    run = EvaluationRun([(utterance(1, "a"), heard([]))], [], 1.0)
    assert report_speakers("m", run, {1: SpeakerReference([], None)}).worst(5) == []


def test_transcriptions_are_scored_too() -> None:
    recognition = report_on("Раз два три").recognition
    assert recognition is not None
    assert recognition.scores.raw_wer.edits == Edits(hits=2, substitutions=1, insertions=3)
    assert [name for name, *_ in rows(report_on("Раз два три"))] == ["DER", "cpWER", "WER", "CER"]


def rows(report: SpeakerReport) -> list[list[str]]:
    """The rows of the tables of rates, as they are printed."""
    lines = [re.split(r"\s{3,}", line.strip()) for line in report_lines(report, 3)]
    return [line for line in lines if line[0] in ("DER", "cpWER", "WER", "CER")]


def test_text_for_people(report: SpeakerReport) -> None:
    lines = list(report_lines(report, 2))
    assert lines[0] == "m.tsv: 3 recordings, 1:00.0 of sound, 30.0× real time, 1 failed"
    der, cpwer = rows(report)
    assert (der[1], der[3:]) == ("32.50 %", ["0:40.0", "0:02.0", "0:01.0", "0:10.0"])
    assert (cpwer[1], cpwer[3:]) == ("33.33 %", ["3", "1", "0", "0"])
    assert "  The number of speakers is right in 1 of 3 recordings." in lines
    assert "  DER is without a collar, overlaps included." in lines
    assert "  cpWER is of 2 recordings, normalised as WER is." in lines
    (group,) = (line.split() for line in lines if line.startswith("  a  "))
    assert group[1:4] == ["2", "30.00", "%"]
    assert lines[-3:] == [
        "  DER –, cpWER –, 1 speaker in place of 0: 3.wav",
        "  DER 50.00 %, 1 speaker in place of 2: 2.wav",
        "",
    ]


def test_page_shows_what_the_report_says(report: SpeakerReport) -> None:
    page = Page(report_page("мо<дель", "1.2.3", [report], n_worst=5))
    texts = [text for _, text in page.texts]
    assert {"DER", "cpWER", "32.50 %", "33.33 %", "Worst recordings", "Failed"} <= set(texts)
    assert any("without a collar, overlaps included" in text for text in texts)
    assert "DER 50.00 %, 1 speaker in place of 2" in texts
    assert "By room" in texts


def test_one_recording_without_words_has_no_intervals_nor_cpwer() -> None:
    reference = SpeakerReference([Turn(0, 20, "a")], None)
    run = EvaluationRun([(utterance(1, "a"), heard([Turn(0, 20, "x")]))], [], 1.0)
    report = report_speakers("m", run, {1: reference})
    assert report.scores.cpwer is None
    assert report.to_dict()["cpwer"] is None
    assert report.to_dict()["der"]["interval"] == [None, None]
    lines = list(report_lines(report, 5))
    assert not any("cpWER" in line for line in lines)
    Page(report_page("m", "1", [report], 5))


def test_documentation_has_every_field_of_the_json(report: SpeakerReport) -> None:
    page = (Path(__file__).parents[3] / "docs" / "api" / "training.md").read_text(encoding="utf-8")
    plain = report.to_dict()
    fields = {*plain, *plain["der"], *plain["cpwer"], *plain["results"][0]}
    named = {part for code in re.findall(r"`([^`]+)`", page) for part in (code, *code.split("."))}
    named |= {code.removeprefix("….") for code in named}
    assert fields - named == set()
    first = plain["results"][0]
    assert first["turns"][0] == {"start": 0, "end": 8, "speaker": "S1"}
    assert first["reference"] == {"анна": "раз два", "борис": "три"}
    assert first["hypothesis"] == {"S1": "раз два", "S0": "тир"}
    assert (first["speakers"], first["speakers_heard"]) == (2, 2)
    assert plain["results"][1]["reference"] is None
