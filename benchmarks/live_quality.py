"""Quality and latency of live sessions, ours and rivals'; see `benchmarks.live`."""

import argparse
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

import gigaam
from benchmarks import live_measures as measures
from benchmarks.live_rivals import RivalSession
from benchmarks.live_streams import Played, Session, Stream, join, onset_s, play
from benchmarks.machine import figures
from gigaam.audio import SAMPLE_RATE
from gigaam.dataset.text import normalize_text
from gigaam.evaluation.bootstrap import bootstrap
from gigaam.evaluation.scoring import Edits, compare
from gigaam.live import LiveOptions, LiveRecognizer
from gigaam.onnx.runtime import load
from gigaam.recognition.scheduler import Priority
from gigaam.recognition.speech_recognition import SpeechRecognition
from gigaam.types import Word
from recipes.tiny.long_recordings import held_out

SEED = 7


class Rated:
    """A session of ours, pushed pieces at 16 kHz."""

    def __init__(self, live: LiveRecognizer, options: LiveOptions) -> None:
        self._session = live.session(SAMPLE_RATE, options=options)
        self.push = self._session.push
        self.finish = self._session.finish


def open_model(name: str, int8: bool, threads: int) -> SpeechRecognition:
    """A packaged model, by torch or as an 8-bit graph."""
    model = gigaam.load_model(name, device="cpu")
    assert isinstance(model, SpeechRecognition)
    if not int8:
        return model
    with tempfile.TemporaryDirectory() as directory:
        model.to_onnx(directory, dtype="int8")
        return load(directory, threads=threads)


def streams_of(
    model: SpeechRecognition, split: str, n_streams: int, minutes: float | None
) -> list[Stream]:
    """The recordings of a split, so many minutes of them, in so many streams."""
    recordings = held_out(split)
    order = np.random.default_rng(SEED).permutation(len(recordings))
    chosen = [recordings[place] for place in order]
    if minutes is not None:
        ends_s = np.cumsum([len(each.samples) for each in chosen]) / SAMPLE_RATE
        chosen = chosen[: int(np.searchsorted(ends_s, 60 * minutes)) + 1]
    onsets = [onset_s(model, each) for each in chosen]
    return [
        join(chosen[n::n_streams], onsets[n::n_streams], SEED + n)
        for n in range(min(n_streams, len(chosen)))
    ]


def open_session(
    live: LiveRecognizer, model: SpeechRecognition, method: str, options: LiveOptions
) -> Session:
    """A session of ours or of a rival."""
    if method == "live":
        return Rated(live, options)
    recognizer = model.recognizer(batcher=live.batcher, priority=Priority.LIVE)
    recognize = partial(recognizer.transcribe_batch, word_timestamps=True)
    return RivalSession(recognize, method, options.endpoint_silence_s)


@dataclass(frozen=True)
class Listened:
    """Streams that were pushed to sessions side by side."""

    streams: Sequence[Stream]
    played: Sequence[Played]
    cpu_s: float
    options: LiveOptions

    @property
    def told(self) -> list[list[measures.Told]]:
        """The utterances of each stream."""
        return [measures.utterances(each.heard) for each in self.played]

    @property
    def words(self) -> list[list[Word]]:
        """The words of each stream's finals."""
        return [[word for told in each for word in told.words] for each in self.told]


def listen(
    model: SpeechRecognition,
    streams: Sequence[Stream],
    options: LiveOptions,
    method: str = "live",
    pace: float = 1.0,
) -> Listened:
    """Push each stream in a thread of its own."""
    live = LiveRecognizer(model)

    def push(stream: Stream) -> Played:
        return play(open_session(live, model, method, options), stream.samples, pace)

    began = time.process_time()
    with ThreadPoolExecutor(len(streams)) as threads:
        played = list(threads.map(push, streams))
    return Listened(streams, played, time.process_time() - began, options)


def file_words(model: SpeechRecognition, stream: Stream) -> list[Word]:
    """What the long form hears in a stream."""
    found = model.transcribe_longform(
        stream.samples, word_timestamps=True, vad="silero", input_rate=SAMPLE_RATE
    )
    return [word for segment in found for word in segment.words or ()]


def edits(streams: Sequence[Stream], words: Sequence[Sequence[Word]]) -> list[Edits]:
    """Edits of the words of each recording."""
    said = [each.text for stream in streams for each in stream.said]
    heard = [
        text
        for stream, found in zip(streams, words, strict=True)
        for text in measures.heard_of(stream.said, found)
    ]
    return [each.words for each in compare(said, heard)]


def error_rates(live: Sequence[Edits], file: Sequence[Edits]) -> dict[str, Any]:
    """Both word error rates and their difference in points, with its interval."""
    counts = np.array(
        [(a.errors, b.errors, a.length) for a, b in zip(live, file, strict=True)], np.float64
    )

    def more(places: Any) -> Any:
        sums = counts[places].sum(0)
        return np.array([100 * (sums[0] - sums[1]) / sums[2]])

    (interval,) = bootstrap(len(counts), more)
    live_errors, file_errors, length = counts.sum(0).tolist()
    return {
        "wer": 100 * live_errors / length,
        "wer_file": 100 * file_errors / length,
        "wer_more": 100 * (live_errors - file_errors) / length,
        "interval": f"{interval.low:.2f}…{interval.high:.2f}",
    }


def equal_finals(model: SpeechRecognition, heard: Listened) -> dict[str, int]:
    """Of how many utterances the finals are what the long form gives for their sound."""
    n_equal = n_all = 0
    for stream, told in zip(heard.streams, heard.told, strict=True):
        for each in told:
            start, end = (round(at_s * SAMPLE_RATE) for at_s in each.span)
            alone = model.transcribe_longform(
                stream.samples[start:end],
                word_timestamps=True,
                vad="silero",
                batch_size=1,
                max_duration=heard.options.longest_utterance_s,
                input_rate=SAMPLE_RATE,
            )
            expected = [
                (segment.text, [_in_stream(word, each.span[0]) for word in segment.words or ()])
                for segment in alone
            ]
            found = [
                (final.segment.text, [_in_stream(word, 0.0) for word in final.segment.words or ()])
                for final in each.finals
                if final.segment.text
            ]
            n_equal += found == expected
            n_all += 1
    return {"equal": n_equal, "utterances": n_all}


def _in_stream(word: Word, start_s: float) -> tuple[str, float, float]:
    return word.text, word.start + start_s, word.end + start_s


def stability(heard: Listened) -> dict[str, float]:
    """What finals take back, as shares."""
    total = measures.Contradictions()
    for told in heard.told:
        for each in told:
            total += measures.contradictions(each)
    return {
        "committed_wrong": total.committed_wrong / max(total.committed, 1),
        "right_wrong": _right_contradicted(heard),
        "letters_wrong": total.letters_wrong / max(total.letters, 1),
        "early": total.committed / max(total.final, 1),
        "tentative_wrong": total.tentative_wrong / max(total.tentative, 1),
        "erased": total.erased / max(total.final, 1),
    }


def _right_contradicted(heard: Listened) -> float:
    """Of words that finals have right, the share that was committed otherwise."""
    confirmed: list[bool] = []
    for stream, told in zip(heard.streams, heard.told, strict=True):
        before = [each for one in told for each in measures.confirmations(one)]
        words = [normalize_text(word.text) for one in told for word in one.words]
        said = [word for each in stream.said for word in each.text.split()]
        right = [place for place in measures.places(said, words) if place is not None]
        confirmed += [before[place] for place in right if before[place] is not None]
    return confirmed.count(False) / max(len(confirmed), 1)


def lags(heard: Listened) -> dict[str, list[float]]:
    """All latencies, by what they are of, in seconds."""
    found: dict[str, list[float]] = {
        name: [] for name in ("first", "commit", "settled", "final", "final_quiet", "took")
    }
    for stream, told in zip(heard.streams, heard.told, strict=True):
        for each in told:
            first, last = measures.recording_in(each, stream.said)
            found["commit"] += measures.commit_lags(each)
            found["settled"] += measures.settled_lags(each)
            found["took"] += [event.took_s for event in each.heard]
            if first is not None and first.onset_s is not None:
                lag = measures.first_text_lag(each, first.onset_s)
                found["first"] += [] if lag is None else [lag]
            lag = measures.final_lag(each, heard.options.endpoint_silence_s)
            if lag is not None and last is not None:
                found["final"].append(lag)
                found["final_quiet"] += [lag] if last.before_silence else []
    return found


def percentiles(found: dict[str, list[float]]) -> dict[str, float]:
    """The medians and 95th percentiles of what there is."""
    return {
        f"{name}_p{percent}": float(np.percentile(values, percent))
        for name, values in found.items()
        for percent in (50, 95)
        if values
    }


def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The figures of `benchmarks.live quality`."""
    model = open_model(arguments.model, arguments.int8, arguments.threads)
    options = replace(LiveOptions(word_timestamps=True), **dict(arguments.changes))
    streams = streams_of(model, arguments.split, arguments.streams, arguments.minutes)
    heard = listen(model, streams, options, arguments.method, arguments.pace)
    sound_s = sum(each.seconds for each in streams)
    file = [file_words(model, each) for each in streams]
    row: dict[str, Any] = {
        "method": arguments.method,
        "model": arguments.model + (" int8" if arguments.int8 else ""),
        "sound_s": sound_s,
        "words": sum(len(each.text.split()) for stream in streams for each in stream.said),
    }
    row |= error_rates(edits(streams, heard.words), edits(streams, file))
    if arguments.method == "live":
        row |= equal_finals(model, heard)
    row |= stability(heard)
    row |= percentiles(lags(heard))
    row["cpu"] = heard.cpu_s / sound_s
    return figures([row], "method")
