"""Evaluation of recognisers whose texts are known: routing, rates, groups, reports."""

import re
import wave
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from gigaam import training
from gigaam.errors import ArgumentError, AudioFileNotFoundError, DatasetError
from gigaam.evaluation.bootstrap import BootstrapOptions
from gigaam.evaluation.emotion_report import FIGURES, report_emotions
from gigaam.evaluation.outcomes import EvaluationRun
from gigaam.evaluation.report_html import report_page
from gigaam.evaluation.report_text import report_lines
from gigaam.evaluation.scoring import Edits
from gigaam.recognition import SpeechRecognition
from gigaam.training import RecognitionReport, evaluate, read_manifest
from gigaam.types import LongformTranscriptionResult, Segment, TranscriptionResult

RATE = 16_000


class Scripted(SpeechRecognition):
    """Says of a recording what a table says of its first sample."""

    def __init__(self, texts: dict[int, str]) -> None:
        self._texts = texts
        self.batches: list[list[int]] = []
        self.long: list[int] = []

    @property
    def device(self) -> str:
        return "cpu"

    def encode(self, waveforms: Sequence[np.ndarray]) -> Any:
        raise NotImplementedError

    def transcribe(self, wav_file: Any, **options: Any) -> Any:
        assert options["input_rate"] == RATE
        self.batches.append([len(samples) for samples in wav_file])
        return [self._say(samples) for samples in wav_file]

    def transcribe_longform(self, wav_file: Any, *_: Any, **options: Any) -> Any:
        assert options["input_rate"] == RATE
        self.long.append(len(wav_file))
        said = self._say(wav_file)
        if isinstance(said, Exception):
            raise said
        return LongformTranscriptionResult([Segment(str(said), 0.0, 1.0)], duration=1.0)

    def _say(self, samples: np.ndarray) -> TranscriptionResult | Exception:
        text = self._texts[round(float(samples[0]) * 32768)]
        return RuntimeError("out of memory") if text == "!" else TranscriptionResult(text)


ROWS = (  # first sample, seconds, said, heard, speaker
    (1, 1.0, "Раз, два!", "раз два", "анна"),
    (2, 2.0, "Три четыре.", "Три, четыре.", "борис"),
    (3, 31.0, "пять шесть семь восемь девять", "пять семь восемь и девять", "анна"),
    (4, 0.5, "Ёлка", "елка", "борис"),
    (5, 0.5, "нуль", "!", "борис"),
    (6, 0.5, "<b>десять</b>", "двадцать", "анна"),
)


def write_set(directory: Path, rows: Sequence[tuple[int, float, str, str, str]]) -> Path:
    """One recording of all utterances, and its manifest."""
    samples, table, start = [], ["path\tduration\toffset\ttranscription\tspeaker"], 0.0
    for mark, seconds, said, _, speaker in rows:
        samples.append(np.full(round(seconds * RATE), mark, "<i2"))
        table.append(f"all.wav\t{seconds}\t{start}\t{said}\t{speaker}")
        start += seconds
    table.append("gone.wav\t3\t0\tнет\tанна")
    with wave.open(str(directory / "all.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.concatenate(samples).tobytes())
    manifest = directory / "set.tsv"
    manifest.write_text("\n".join(table) + "\n", encoding="utf-8")
    return manifest


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"), ROWS)


def scripted() -> Scripted:
    return Scripted({mark: heard for mark, _, _, heard, _ in ROWS})


@pytest.fixture(scope="module")
def report(manifest: Path) -> RecognitionReport:
    return evaluate(scripted(), manifest, by="speaker")


def test_long_utterances_go_another_way_and_all_are_told_of(manifest: Path) -> None:
    model, done = scripted(), []
    evaluate(model, manifest, on_done=done.append)
    assert model.long == [31 * RATE]
    assert model.batches == [[RATE, 2 * RATE, RATE // 2, RATE // 2, RATE // 2]]
    assert sorted(done) == [0.5, 0.5, 0.5, 1.0, 2.0, 3.0, 31.0]


def test_windows_are_of_bounded_size(tmp_path: Path) -> None:
    rows = [(1 + i % 3, 0.01, "да", "да", "") for i in range(20)]
    model = Scripted({1: "да", 2: "да", 3: "да"})
    report = evaluate(model, write_set(tmp_path, rows), batch_size=2)
    assert [len(batch) for batch in model.batches] == [16, 4]
    assert report.scores.raw_wer.edits == Edits(hits=20)


def test_rates_raw_and_end_to_end(report: RecognitionReport) -> None:
    scores = report.scores
    assert scores.utterances == 5
    # раз два, три четыре, елка rightly; шесть missed, и added; десять replaced.
    assert scores.raw_wer.edits == Edits(hits=9, substitutions=1, deletions=1, insertions=1)
    assert scores.raw_wer.edits.rate == pytest.approx(3 / 11)
    assert scores.end_to_end_wer.edits == Edits(hits=5, substitutions=5, deletions=1, insertions=1)
    assert scores.is_punctuated
    for rate in (scores.raw_wer, scores.raw_cer, scores.end_to_end_wer, scores.end_to_end_cer):
        assert rate.interval.low <= rate.edits.rate <= rate.interval.high


def test_groups_add_up_to_the_whole(report: RecognitionReport) -> None:
    assert list(report.groups) == ["анна", "борис"]
    parts = report.groups.values()
    assert sum((part.raw_cer.edits for part in parts), Edits()) == report.scores.raw_cer.edits
    assert sum(part.utterances for part in parts) == 5
    assert report.groups["борис"].raw_wer.edits == Edits(hits=3)
    assert report.groups["борис"].raw_wer.interval == (0.0, 0.0)


def test_failures_keep_their_errors(report: RecognitionReport) -> None:
    (spoilt, missing) = report.run.failures
    assert (spoilt[0].text, str(spoilt[1])) == ("нуль", "out of memory")
    assert isinstance(missing[1], AudioFileNotFoundError)
    first, second = report.to_dict()["failures"]
    assert first["error"] == "RuntimeError: out of memory"
    assert second["path"].endswith("gone.wav")
    assert report.to_dict()["failed"] == 2


def test_failing_long_utterance_is_a_failure(tmp_path: Path) -> None:
    rows = [(1, 30.5, "раз", "!", ""), (2, 0.5, "два", "два", "")]
    report = evaluate(Scripted({1: "!", 2: "два"}), write_set(tmp_path, rows))
    assert [each.text for each in report.results] == ["два"]
    assert [utterance.text for utterance, _ in report.run.failures] == ["раз", "нет"]


def test_time_is_that_of_the_model(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([10.0, 12.0, 20.0, 21.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    report = evaluate(scripted(), manifest)
    assert report.run.elapsed_s == 3.0
    assert report.run.rtfx == pytest.approx(35.0 / 3)


def test_worst_come_first_and_the_faultless_not_at_all(report: RecognitionReport) -> None:
    assert [each.text for each in report.worst(9)] == ["двадцать", "пять семь восемь и девять"]
    assert len(report.worst(1)) == 1
    assert report.worst(0) == []


def test_intervals_are_seeded(manifest: Path, report: RecognitionReport) -> None:
    again = evaluate(scripted(), manifest)
    assert again.scores == report.scores
    other = evaluate(scripted(), manifest, intervals=BootstrapOptions(seed=1, resamples=50))
    assert other.scores.raw_cer.interval != report.scores.raw_cer.interval


def test_text_for_people(report: RecognitionReport) -> None:
    lines = list(report_lines(report, n_worst=2))
    assert lines[0].startswith(f"{report.manifest}: 5 utterances, 0:35.0 of sound, ")
    assert lines[0].endswith("2 failed")
    (wer,) = (line for line in lines if line.startswith("  WER  "))
    assert wer.split()[1:3] == ["27.27", "%"]
    assert wer.split()[-4:] == ["11", "1", "1", "1"]
    assert any(line.startswith("  WER, case and punctuation kept") for line in lines)
    (anna,) = (line for line in lines if line.startswith("  анна"))
    assert anna.split()[1:4] == ["3", "37.50", "%"]
    said = lines.index("    said:  пять шесть семь восемь * девять")
    assert lines[said + 1] == "    heard: пять ***** семь восемь и девять"


def test_long_alignments_are_wrapped_between_words(tmp_path: Path) -> None:
    said = " ".join(f"слово{i}" for i in range(40))
    rows = [(1, 1.0, said, "", "")]
    report = evaluate(Scripted({1: "слово0 " + said}), write_set(tmp_path, rows))
    lines = list(report_lines(report, 1))
    (first,) = (i for i, line in enumerate(lines) if line.startswith("    said:"))
    assert max(map(len, lines[first:])) <= 100
    block = [line[10:].split() for line in lines[first:-1]]
    assert [word for row in block[::2] for word in row if "*" not in word] == said.split()
    assert [word for row in block[1::2] for word in row] == ["слово0", *said.split()]


class Page(HTMLParser):
    """The texts of a page, by the class of the element around them; checks that tags are closed."""

    VOID = ("meta", "rect", "line", "circle")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.texts: list[tuple[str, str]] = []
        self.links: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = {name: value or "" for name, value in attrs}
        self.links += [fields[name] for name in ("src", "href") if name in fields]
        if tag not in self.VOID:
            self.open.append((tag, fields.get("class", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1][0] != "style":
            self.texts += [(self.open[-2][1] or self.open[-1][0], data.strip())]

    def under(self, name: str) -> list[str]:
        return [text for kind, text in self.texts if kind == name]


def test_page_shows_what_the_report_says(report: RecognitionReport) -> None:
    html = report_page("мо<дель", "1.2.3", [report, report], n_worst=2)
    page = Page(html)
    assert page.links == []  # needs nothing but itself
    assert "http" not in html
    texts = [text for _, text in page.texts]
    assert texts.count("Evaluation of мо<дель") == 2  # title and heading
    assert texts.count("27.27 %") == 2
    assert page.under("substitute")[:2] == ["<b>десять<b>", "двадцать"]
    assert page.under("delete")[0] == "шесть"
    assert "и" in page.under("insert")
    assert "анна" in texts
    assert texts.count("Failed") == 2


def test_page_with_a_confusion_matrix() -> None:
    from tests.unit.evaluation.test_emotion_report import EMOTIONS, heard

    told = heard(("angry", "sad"), ("sad", "sad"), ("sad", "sad"), speaker="x")
    report = report_emotions("m.tsv", EvaluationRun(told, [], 1.0), by="speaker")
    page = Page(report_page("emo", "1.2.3", [report], n_worst=5))
    titles = [text for kind, text in page.texts if " taken for " in text]
    assert len(titles) == len(EMOTIONS) ** 2
    assert "sad taken for sad: 2" in titles
    assert "angry taken for sad: 1" in titles
    assert "Most confident mistakes" in [text for _, text in page.texts]


def test_column_to_group_by_must_be_there(manifest: Path) -> None:
    with pytest.raises(ArgumentError, match="no column 'room'; there are speaker"):
        evaluate(scripted(), manifest, by="room")


def test_names_of_the_training_package() -> None:
    assert training.__all__ == [
        "EmotionReport",
        "RecognitionReport",
        "RunOptions",
        "SpeakerReport",
        "Utterance",
        "error_rates",
        "evaluate",
        "fine_tune",
        "read_manifest",
        "read_options",
    ]
    assert all(getattr(training, name).__name__ == name for name in training.__all__)
    with pytest.raises(AttributeError, match="no attribute 'evaluat'"):
        _ = training.evaluat  # type: ignore[attr-defined]


def test_empty_manifest(tmp_path: Path) -> None:
    path = tmp_path / "m.tsv"
    path.write_text("path\tduration\ttranscription\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="holds no utterances"):
        evaluate(scripted(), path)


def test_utterances_without_a_duration_are_heard_to_the_end(tmp_path: Path) -> None:
    """Also where the header states no length, as that of a FLAC file that was a stream."""

    class Stream:
        def __init__(self) -> None:
            self.content = bytearray()

        def write(self, data: bytes) -> int:
            self.content += data
            return len(data)

    write_set(tmp_path, [(1, 4.0, "да", "да", "anna")])
    stream = Stream()
    with av.open(stream, "w", format="flac") as container:
        output = container.add_stream("flac", rate=RATE, layout="mono")
        for first in range(0, 4 * RATE, RATE):
            frame = av.AudioFrame.from_ndarray(np.full((1, RATE), 1, "<i2"), "s16", "mono")
            frame.sample_rate, frame.pts = RATE, first
            container.mux(output.encode(frame))
        container.mux(output.encode(None))
    (tmp_path / "stream.flac").write_bytes(stream.content)
    table = "path\ttranscription\nall.wav\tда\nstream.flac\tда\n"
    (tmp_path / "untimed.tsv").write_text(table, encoding="utf-8")
    assert [u.n_samples for u in read_manifest(tmp_path / "untimed.tsv")] == [4 * RATE, 0]
    seconds: list[float] = []
    report = evaluate(scripted(), tmp_path / "untimed.tsv", on_done=seconds.append)
    assert (report.run.failures, report.run.duration_s) == ([], 8.0)
    assert seconds == [4.0, 4.0]


def test_missing_transcriptions_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [(1, 1.0, text, "да", "anna") for text in ("да", "", " ", "нет")]
    evaluate(scripted(), write_set(tmp_path, rows))
    (record,) = caplog.records
    assert "no transcription in 2 of 5 utterances (line 3 first): " in record.getMessage()
    rows = [(1, 1.0, text, "да", "anna") for text in ("да", "", "да", "нет")]
    evaluate(scripted(), write_set(tmp_path, rows))
    assert "no transcription in 1 of 5 utterances (line 3): " in caplog.messages[-1]


def test_documentation_has_every_field_of_the_json(report: RecognitionReport) -> None:
    page = (Path(__file__).parents[3] / "docs" / "api" / "training.md").read_text(encoding="utf-8")
    plain = report.to_dict()
    fields = {*plain, *plain["raw"], *plain["raw"]["wer"], *plain["results"][0]}
    fields |= {*plain["failures"][0], *(f"{kind}.wer" for kind in ("raw", "end_to_end"))}
    named = {part for code in re.findall(r"`([^`]+)`", page) for part in (code, *code.split("."))}
    named |= {code.removeprefix("….") for code in named}
    assert fields - named == set()
    assert {*FIGURES, "value", "confusion", "emotions", "told", "probabilities"} <= named
