"""Manifests of both formats, everything that can be wrong with them, and the sound they lead to."""

import json
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from gigaam.audio import SAMPLE_RATE
from gigaam.dataset.excerpts import iter_excerpts
from gigaam.dataset.manifests import Utterance, read_manifest
from gigaam.errors import AudioDecodingError, AudioFileNotFoundError, DatasetError
from gigaam.training.data import SpeechFiles

TABLE = (
    "path\tduration\ttranscription\toffset\tspeaker\tmood\n"
    'a.wav\t1.5\tОн сказал: "Да".\t\tанна\t\n'
    "\n"
    "б/в.mp3\t2.0000625\t\t3.25\tboris\tangry\n"
)
OBJECTS = (
    '{"path": "a.wav", "duration": 1.5, "transcription": "Он сказал: \\"Да\\".", '
    '"speaker": "анна", "mood": "", "extra": null}\n'
    "  \n"
    '{"mood": "angry", "path": "б/в.mp3", "duration": 2.0000625, "transcription": "", '
    '"offset": 3.25, "speaker": "boris"}'
)


def written(directory: Path, name: str, content: str | bytes) -> Path:
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.tsv", TABLE),
        ("m.TSV", "\ufeff" + TABLE.replace("\n", "\r\n")),
        ("m.jsonl", OBJECTS),
        ("m.jsonl", "\ufeff" + OBJECTS.replace("\n", "\r\n") + "\r\n"),
    ],
)
def test_both_formats_say_the_same(name: str, content: str, tmp_path: Path) -> None:
    utterances = read_manifest(written(tmp_path, name, content))
    first = 1 if name.endswith("jsonl") else 2  # a blank line stands between them
    assert [utterance.line for utterance in utterances] == [first, first + 2]
    assert utterances == [
        Utterance(
            tmp_path / "a.wav", 0, 24_000, 'Он сказал: "Да".', {"speaker": "анна", "mood": ""}
        ),
        Utterance(
            tmp_path / "б" / "в.mp3",
            52_000,
            32_001,
            "",
            {"speaker": "boris", "mood": "angry"},
        ),
    ]


def test_utterance_knows_its_seconds_and_speaker() -> None:
    utterance = Utterance(Path("a.wav"), 8_000, 24_000, "да", {"speaker": "анна"})
    assert (utterance.offset_s, utterance.duration_s, utterance.speaker) == (0.5, 1.5, "анна")
    assert Utterance(Path("a.wav"), 0, 1, "").speaker == ""


def test_absolute_paths_stay_and_values_that_are_no_texts_become_them(tmp_path: Path) -> None:
    fields = {
        "path": str(tmp_path / "x.wav"),
        "duration": 1,
        "age": 41,
        "read": True,
        "tags": ["ё"],
    }
    manifest = written(tmp_path, "m.jsonl", json.dumps(fields))
    (utterance,) = read_manifest(manifest, required=())
    assert utterance.path == tmp_path / "x.wav"
    assert utterance.columns == {"age": "41", "read": "true", "tags": '["ё"]'}


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("m.csv", "path,duration\n", r"m\.csv: a manifest must be a \.tsv or \.jsonl file"),
        ("m.tsv", "", "line 1: the manifest has no column path, transcription"),
        ("m.tsv", "path\tduration\nx\t1\n", "line 1: the manifest has no column transcription"),
        (
            "m.tsv",
            "path\tduration\ttranscription\tpath\n",
            "line 1: duplicate columns: path",
        ),
        ("m.tsv", TABLE + "c.wav\t1\tда\n", "line 5: 3 cells under a header of 6"),
        ("m.tsv", TABLE + "c.wav\t1\tда\tнет\t\t\t\n", "line 5: 7 cells under a header of 6"),
        ("m.tsv", TABLE + "c.wav\tone\tда\t\t\t\n", "line 5: duration is one, not a number"),
        ("m.tsv", TABLE + "c.wav\t1,5\tда\t\t\t\n", "line 5: duration is 1,5, not a number"),
        ("m.tsv", TABLE + "c.wav\tnan\tда\t\t\t\n", "line 5: duration is nan, not a number"),
        ("m.tsv", TABLE + "c.wav\tinf\tда\t\t\t\n", "line 5: duration is inf, not a number"),
        ("m.tsv", TABLE + "c.wav\t-1\tда\t\t\t\n", "line 5: duration is -1, not a number"),
        ("m.tsv", TABLE + "c.wav\t0\tда\t\t\t\n", "line 5: the duration is 0"),
        ("m.tsv", TABLE + "c.wav\t1\tда\t-2\t\t\n", "line 5: offset is -2, not a number"),
        ("m.tsv", TABLE + "\t1\tда\t\t\t\n", "line 5: the path is empty"),
        ("m.tsv", TABLE.encode() + b"\xff\xfe\n", "line 5: not UTF-8"),
        ("m.jsonl", OBJECTS + "\n{", "line 4: not JSON"),
        ("m.jsonl", OBJECTS + "\n[1, 2]", r"line 4: not an object but \[1, 2\]"),
        ("m.jsonl", OBJECTS + '\n{"path": "x", "duration": 1}', "line 4: .*no transcription"),
        ("m.jsonl", '{"duration": 1, "transcription": ""}', "line 1: .*no path"),
        ("m.jsonl", '{"path": 1, "duration": 1, "transcription": ""}', "path is 1, not a text"),
        (
            "m.jsonl",
            '{"path": "x", "duration": true, "transcription": ""}',
            "duration is true, not a number",
        ),
        (
            "m.jsonl",
            '{"path": "x", "duration": [1], "transcription": ""}',
            r"duration is \[1\], not a number",
        ),
        (
            "m.jsonl",
            '{"path": "x", "duration": 1, "transcription": ["да"]}',
            "transcription is .*, not a text",
        ),
    ],
)
def test_errors_say_where_and_what(
    name: str, content: str | bytes, complaint: str, tmp_path: Path
) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(DatasetError, match=complaint) as raised:
        read_manifest(path)
    assert str(path) in str(raised.value)


def test_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"m\.tsv cannot be read: No such file"):
        read_manifest(tmp_path / "m.tsv")


def test_other_columns_can_be_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "m.tsv", "path\tduration\temotion\nx.wav\t1\tsad\n")
    (utterance,) = read_manifest(path, required=("emotion",))
    assert (utterance.text, utterance.columns) == ("", {"emotion": "sad"})
    with pytest.raises(DatasetError, match="no column transcription"):
        read_manifest(path)


def write_wav(path: Path, samples: np.ndarray, rate: int = SAMPLE_RATE) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def test_excerpts_are_the_stretches_of_their_files(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    samples = rng.integers(-3000, 3000, 70 * SAMPLE_RATE).astype("<i2")
    write_wav(tmp_path / "long.wav", samples)
    write_wav(tmp_path / "short.wav", samples[:1000])
    stretches = [(69, 1.0), (0, 0.5), (20, 45.0), (30, 0.25), (0, 70.0), (64.9, 5.0)]
    utterances = [
        Utterance(tmp_path / "long.wav", round(start * SAMPLE_RATE), round(s * SAMPLE_RATE), "")
        for start, s in stretches
    ]
    utterances.insert(2, Utterance(tmp_path / "short.wav", 0, 1000, ""))
    excerpts = dict(iter_excerpts(utterances))
    assert sorted(excerpts) == list(range(7))
    for index, utterance in enumerate(utterances):
        expected = samples[utterance.first_sample :][: utterance.n_samples]
        found = excerpts[index]
        assert isinstance(found, np.ndarray)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found * 32768, expected)


def test_excerpts_that_cannot_be_had_are_errors_and_the_rest_goes_on(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    write_wav(tmp_path / "one.wav", rng.integers(-3000, 3000, SAMPLE_RATE))
    (tmp_path / "text.wav").write_text("not a recording")
    utterances = [
        Utterance(tmp_path / "text.wav", 0, 100, ""),
        Utterance(tmp_path / "text.wav", 50, 100, ""),
        Utterance(tmp_path / "missing.wav", 0, 100, ""),
        Utterance(tmp_path / "one.wav", 0, 2 * SAMPLE_RATE, ""),
        Utterance(tmp_path / "one.wav", 2 * SAMPLE_RATE, 100, ""),
        Utterance(tmp_path / "one.wav", SAMPLE_RATE // 2, SAMPLE_RATE // 2 + 1000, ""),
    ]
    excerpts = dict(iter_excerpts(utterances))
    assert [type(excerpts[i]) for i in range(5)] == [
        AudioDecodingError,
        AudioDecodingError,
        AudioFileNotFoundError,
        DatasetError,
        DatasetError,
    ]
    assert "ends at 1.00 s, but according to the manifest this utterance ends at 2.00 s" in str(
        excerpts[3]
    )
    last = excerpts[5]  # a tenth of a second is what codecs and rounding take away
    assert isinstance(last, np.ndarray)
    assert len(last) == SAMPLE_RATE // 2


def test_any_format_at_any_rate_is_read(tmp_path: Path, rng: np.random.Generator) -> None:
    tone = 8000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    write_wav(tmp_path / "tone.wav", tone, rate=8000)
    utterance = Utterance(tmp_path / "tone.wav", SAMPLE_RATE // 2, SAMPLE_RATE // 4, "")
    ((_, samples),) = iter_excerpts([utterance])
    assert isinstance(samples, np.ndarray)
    assert len(samples) == SAMPLE_RATE // 4
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() == pytest.approx(440 / 4, abs=1)


def write_encoded(path: Path, samples: np.ndarray, codec: str, format: str | None = None) -> None:
    """Samples at 16 kHz by an encoder of FFmpeg."""
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples.astype("<i2")[None], "s16", "mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, 0
        resampler = av.AudioResampler(stream.format, "mono", SAMPLE_RATE, stream.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(part))


def speech_like(seconds: float) -> np.ndarray:
    return 8000 * np.sin(np.arange(round(seconds * SAMPLE_RATE)) * 2 * np.pi * 440 / SAMPLE_RATE)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.tsv", "path\ttranscription\none.wav\tда\ntwo.flac\tнет\n"),
        ("m.tsv", "path\tduration\ttranscription\none.wav\t\tда\ntwo.flac\t  \tнет\n"),
        (
            "m.jsonl",
            '{"path": "one.wav", "transcription": "да"}\n'
            '{"path": "two.flac", "transcription": "нет", "duration": null}',
        ),
    ],
)
def test_without_a_duration_utterances_go_on_to_the_end(
    name: str, content: str, tmp_path: Path
) -> None:
    write_wav(tmp_path / "one.wav", speech_like(1.5))
    write_encoded(tmp_path / "two.flac", speech_like(2.25), "flac")
    utterances = read_manifest(written(tmp_path, name, content))
    assert [(u.duration_s, u.to_end) for u in utterances] == [(1.5, True), (2.25, True)]
    excerpts = dict(iter_excerpts(utterances))
    assert [len(excerpts[i]) for i in range(2)] == [24_000, 36_000]
    assert [len(SpeechFiles().read(u)) for u in utterances] == [24_000, 36_000]


def test_without_a_duration_an_offset_is_where_the_rest_of_the_file_begins(tmp_path: Path) -> None:
    write_wav(tmp_path / "one.wav", speech_like(2))
    table = "path\toffset\ttranscription\none.wav\t0.5\tда\none.wav\t3\tнет\n"
    inside, behind = read_manifest(written(tmp_path, "m.tsv", table))
    assert (inside.first_sample, inside.n_samples) == (8_000, 24_000)
    excerpts = dict(iter_excerpts([inside, behind]))
    assert len(excerpts[0]) == 24_000
    assert isinstance(excerpts[1], DatasetError)
    assert "ends at 2.00 s, but according to the manifest this utterance begins at 3.00 s" in str(
        excerpts[1]
    )


def test_files_whose_header_has_no_duration_are_of_unknown_length(tmp_path: Path) -> None:
    """They and those that are not there are no reason not to read the manifest."""
    write_encoded(tmp_path / "raw.aac", speech_like(2), "aac", "adts")
    (tmp_path / "text.wav").write_text("not a recording")
    rows = [f"{name}\tда" for name in ("raw.aac", "text.wav", "missing.wav")]
    utterances = read_manifest(
        written(tmp_path, "m.tsv", "\n".join(["path\ttranscription", *rows]))
    )
    assert [(u.n_samples, u.to_end) for u in utterances] == [(0, True)] * 3
    excerpts = dict(iter_excerpts(utterances))
    assert len(excerpts[0]) == pytest.approx(2 * SAMPLE_RATE, abs=3000)
    assert isinstance(excerpts[1], AudioDecodingError)
    assert isinstance(excerpts[2], AudioFileNotFoundError)


def test_header_that_is_wrong_does_not_cut_what_is_heard(tmp_path: Path) -> None:
    """Ogg files one after another: of their length the header knows that of one."""
    for seed in range(3):
        write_encoded(tmp_path / f"{seed}.ogg", speech_like(2), "libopus")
    chained = b"".join((tmp_path / f"{seed}.ogg").read_bytes() for seed in range(3))
    (tmp_path / "three.ogg").write_bytes(chained)
    table = "path\ttranscription\nthree.ogg\tда\n"
    (utterance,) = read_manifest(written(tmp_path, "m.tsv", table))
    assert utterance.duration_s < 3
    ((_, samples),) = iter_excerpts([utterance])
    assert len(samples) == pytest.approx(6 * SAMPLE_RATE, abs=8000)
    with pytest.raises(
        DatasetError, match=r"s long, but 2\.\d\d s according to the.*header.*the duration"
    ):
        SpeechFiles().read(utterance)  # training has planned its batches by the header
