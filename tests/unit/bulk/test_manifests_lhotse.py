"""Lines as Lhotse 1.33 writes them: cuts, recordings, and what is neither."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from gigaam.bulk.entries import Entry
from gigaam.bulk.manifests import open_manifest
from gigaam.errors import DatasetError

MONO = {
    **{"id": "mono", "sources": [{"type": "file", "channels": [0], "source": "a.wav"}]},
    **{"sampling_rate": 16000, "num_samples": 48000, "duration": 3.0, "channel_ids": [0]},
}
STEREO = {
    **{"id": "stereo", "sources": [{"type": "file", "channels": [0, 1], "source": "b.wav"}]},
    **{"sampling_rate": 16000, "num_samples": 48000, "duration": 3.0, "channel_ids": [0, 1]},
}
APART = {
    **STEREO,
    "sources": [
        {"type": "file", "channels": [0], "source": "left.wav"},
        {"type": "url", "channels": [2, 1], "source": "https://host/right.wav"},
    ],
}


def cut(recording: Any, **further: Any) -> dict[str, Any]:
    plain = {"id": "cut", "start": 0.0, "duration": 3.0, "channel": 0, "supervisions": []}
    return {**plain, "recording": recording, "type": "MonoCut", **further}


def listed(folder: Path, *lines: dict[str, Any]) -> list[Entry]:
    path = folder / "cuts.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    return list(open_manifest(str(path)).entries())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (MONO, {"id": "mono", "path": "a.wav", "duration_s": 3.0}),
        (STEREO, {"id": "stereo", "path": "b.wav", "duration_s": 3.0}),
        (cut(MONO), {"duration_s": 3.0}),
        (cut(MONO, start=0.0004, duration=2.9995), {"duration_s": 2.9995}),
        (
            cut(MONO, start=1, duration=1.5),
            {"offset_s": 1.0, "duration_s": 1.5, "is_stretch": True},
        ),
        (cut(MONO, duration=1.5), {"duration_s": 1.5, "is_stretch": True}),
        (cut(STEREO, channel=1), {"path": "b.wav", "duration_s": 3.0, "channel": 1}),
        (
            cut(STEREO, channel=[0, 1], type="MultiCut"),
            {"path": "b.wav", "duration_s": 3.0, "channel": None},
        ),
        (
            cut(STEREO, channel=[1], type="MultiCut", start=1.0, duration=2.0),
            {"path": "b.wav", "offset_s": 1.0, "duration_s": 2.0, "is_stretch": True, "channel": 1},
        ),
        (cut(APART, channel=0), {"path": "left.wav", "duration_s": 3.0, "channel": 0}),
        (
            cut(APART, channel=1),
            {"path": "https://host/right.wav", "duration_s": 3.0, "channel": 1},
        ),
        (cut({**MONO, "transforms": [{"name": "Resample", "kwargs": {}}]}), {"duration_s": 3.0}),
        (
            cut(MONO, id=None, start=1.0, duration=0.5),
            {
                **{"id": "a.wav#t=1.000,1.500", "offset_s": 1.0, "duration_s": 0.5},
                "is_stretch": True,
            },
        ),
    ],
)
def test_recordings_and_cuts(
    line: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    whole: dict[str, Any] = {"id": "cut", "path": "a.wav", **expected}
    is_url = whole["path"].startswith("https")
    location = whole["path"] if is_url else str(tmp_path / whole["path"])
    assert listed(tmp_path, line) == [Entry(location=location, **whole)]


def source(**changes: Any) -> dict[str, Any]:
    return {**MONO, "sources": [{**MONO["sources"][0], **changes}]}  # type: ignore[index]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"id": "m", "tracks": [], "type": "MixedCut"}, "a MixedCut is not a stretch of one"),
        ({"id": "p", "duration": 1.0, "type": "PaddingCut"}, "a PaddingCut is not a stretch"),
        (source(type="command", source="cat a"), "a source of type command is not read"),
        (source(type="memory", source="UklGRg=="), "a source of type memory is not read"),
        (source(type="shar", source=""), "a source of type shar is not read"),
        (source(type="url"), "the source a.wav is not a URL"),
        (source(source=""), "the recording's source is empty"),
        (source(source=5), "source is 5, not a text"),
        (source(channels=0), "channels is 0, not a list"),
        ({**MONO, "sources": "a.wav"}, "sources is a.wav, not a list"),
        ({**MONO, "sources": ["a.wav"]}, "a source is a.wav, not an object"),
        ({**MONO, "sources": []}, "the recording has no sources"),
        ({**MONO, "duration": "long"}, "duration is long, not a number of seconds"),
        (cut(None, features={"type": "fbank"}), "the cut has no recording"),
        (cut(MONO, channel=1), "the recording has no channel 1"),
        (cut(MONO, start=-1), "start is -1, not a number of seconds"),
        (APART, "lie in several files: give cuts of one channel each"),
        (cut(APART, channel=[0, 1], type="MultiCut"), "lie in several files"),
        (
            cut(source(channels=[0, 1, 2]), channel=[0, 2], type="MultiCut"),
            r"the cut is of channels \[0, 2\] of \[0, 1, 2\]",
        ),
        (
            cut({**MONO, "transforms": [{"name": "Speed", "kwargs": {"factor": 1.1}}]}),
            "the recording is to be changed by Speed",
        ),
        (
            {"id": "s", "recording_id": "a", "start": 0, "duration": 1.0, "channel": 0},
            "these are supervisions, .* give the manifest of cuts or recordings",
        ),
        ({"recording_id": "a", "storage_path": "f.llc"}, "these are features"),
    ],
)
def test_what_is_not_one_recording_is_told(
    line: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=rf"cuts\.jsonl\.gz, line 2: .*{complaint}"):
        listed(tmp_path, MONO, line)
