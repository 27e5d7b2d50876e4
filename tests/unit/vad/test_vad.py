"""Speech detectors: regions from stretches, Silero on real and hostile sound, who is chosen."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gigaam.audio import SAMPLE_RATE, read_audio
from gigaam.errors import ArgumentError, AudioError, MissingDependencyError
from gigaam.vad import (
    EverythingIsSpeech,
    Region,
    RegionBuilder,
    SpeechDetector,
    VadOptions,
)
from gigaam.vad.detectors import build_detector
from gigaam.vad.silero import SileroDetector, find_model
from gigaam.vad.speech import PIECE_S
from tests.examples import examples

Samples = NDArray[np.float32]


def found(detector: SpeechDetector, *blocks: Samples) -> list[Region]:
    """The regions of a recording fed in these blocks; checks what every stream promises."""
    stream = detector.stream()
    regions: list[Region] = []
    decided = 0
    for block in blocks:
        fresh = stream.push(block)
        assert all(region.start >= decided for region in fresh)
        assert stream.decided >= decided
        decided = stream.decided
        regions += fresh
    rest = stream.finish()
    assert all(region.start >= decided for region in rest)
    regions += rest
    assert all(0 <= region.start < region.end for region in regions)
    assert all(before.end <= after.start for before, after in pairwise(regions))
    assert not regions or regions[-1].end <= sum(map(len, blocks))
    return regions


def joined(regions: list[Region]) -> list[Region]:
    """Regions that continue each other as one."""
    whole: list[Region] = []
    for region in regions:
        if whole and whole[-1].end == region.start:
            whole[-1] = Region(whole[-1].start, region.end)
        else:
            whole.append(region)
    return whole


def cut(samples: Samples, cuts: list[int]) -> list[Samples]:
    return np.split(samples, sorted(min(at, samples.size) for at in cuts))


@pytest.fixture(scope="module")
def silero() -> SileroDetector:
    return SileroDetector()


@pytest.fixture(scope="module")
def talk() -> Samples:
    """Two utterances with noise and silence around them, longer than a block of the net."""
    root = Path(__file__).parents[3] / "gigaam" / "assets"
    speech = read_audio(root / "example.wav")
    noise = np.random.default_rng(7).normal(0, 3e-3, 2 * SAMPLE_RATE).astype(np.float32)
    pause = np.zeros(SAMPLE_RATE + 77, np.float32)
    return np.concatenate([noise, speech, pause, speech[: 4 * SAMPLE_RATE], noise])


# ---------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0.0},
        {"threshold": 1.5},
        {"threshold": float("nan")},
        {"neg_threshold": -0.1},
        {"threshold": 0.3, "neg_threshold": 0.4},
        {"min_speech_s": -1.0},
        {"min_silence_s": float("inf")},
        {"speech_pad_s": float("nan")},
        {"threads": 0},
    ],
)
def test_options_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match=r"threshold|_s must|threads"):
        VadOptions(**wrong)  # type: ignore[arg-type]


def test_neg_threshold_above_a_detectors_own_threshold_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"0\.4, must not be above the threshold, 0\.3"):
        SileroDetector(VadOptions(neg_threshold=0.4))


@pytest.mark.parametrize("threshold", [0.01, 0.1, 0.3, 0.99])
def test_speech_ends_below_where_it_begins(threshold: float) -> None:
    onset, offset = VadOptions(threshold=threshold).thresholds(0.5)
    assert 0 < offset < onset == threshold


# ---------------------------------------------------------------------------- regions

stretches = st.lists(
    st.tuples(st.integers(0, 30_000), st.integers(1, 1_200_000)), max_size=12
)  # (gap before, length), samples
options = st.builds(
    VadOptions,
    min_speech_s=st.sampled_from([0.0, 0.1, 0.25, 31.0]),
    min_silence_s=st.sampled_from([0.0, 0.2, 0.9]),
    speech_pad_s=st.sampled_from([0.0, 0.03, 0.1, 0.5]),
)


def placed(lengths: list[tuple[int, int]]) -> list[Region]:
    position, regions = 0, []
    for gap, length in lengths:
        regions.append(Region(position + gap, position + gap + length))
        position += gap + length
    return regions


def built(speech: list[Region], n_samples: int, chosen: VadOptions, steps: int) -> list[Region]:
    """Regions of these stretches, each of them reported in some steps as it goes on."""
    builder = RegionBuilder(chosen)
    regions: list[Region] = []

    def give(fresh: list[Region]) -> None:
        regions.extend(fresh)
        assert not fresh or fresh[-1].end <= n_samples
        assert builder.decided >= (regions[-1].end if regions else 0)

    for stretch in speech:
        give(builder.settle(stretch.start))
        for step in range(1, steps + 1):
            end = stretch.start + (stretch.end - stretch.start) * step // steps
            if end > stretch.start:
                give(builder.add(Region(stretch.start, end)))
        give(builder.settle(stretch.end))
    give(builder.finish(n_samples))
    return regions


@given(stretches, options, st.integers(0, 50_000), st.integers(2, 9))
def test_regions_keep_their_rules(
    lengths: list[tuple[int, int]], chosen: VadOptions, tail: int, steps: int
) -> None:
    speech = placed(lengths)
    n_samples = (speech[-1].end if speech else 0) + tail
    regions = built(speech, n_samples, chosen, 1)

    assert regions == built(speech, n_samples, chosen, steps)
    assert all(0 <= each.start < each.end <= n_samples for each in regions)
    assert all(each.end - each.start <= (PIECE_S + 2) * SAMPLE_RATE for each in regions)
    whole = joined(regions)
    pauses = [after.start - before.end for before, after in pairwise(whole)]
    pad = round(chosen.speech_pad_s * SAMPLE_RATE)
    assert all(pause > 0 for pause in pauses)
    assert all(pause + 2 * pad >= chosen.min_silence_s * SAMPLE_RATE for pause in pauses)
    for stretch in speech:
        if stretch.end - stretch.start >= chosen.min_speech_s * SAMPLE_RATE:
            start, end = max(0, stretch.start - pad), min(n_samples, stretch.end + pad)
            assert any(each.start <= start and end <= each.end for each in whole)


def test_short_speech_is_dropped_and_short_silence_filled() -> None:
    chosen = VadOptions(min_speech_s=0.1, min_silence_s=0.2, speech_pad_s=0.05)
    click, word = Region(8000, 9000), [Region(32_000, 36_000), Region(39_000, 44_000)]
    assert built([click, *word], 64_000, chosen, 1) == [Region(31_200, 44_800)]


def test_everything_is_speech() -> None:
    blocks = [np.zeros(n, np.float32) for n in (5, 0, 70_000, 1)]
    regions = found(EverythingIsSpeech(), *blocks)
    assert regions == [Region(0, 5), Region(5, 70_005), Region(70_005, 70_006)]
    assert found(EverythingIsSpeech()) == []


# ---------------------------------------------------------------------------- Silero


def test_silero_finds_the_speech_between_noise_and_silence(
    silero: SileroDetector, talk: Samples
) -> None:
    regions = found(silero, talk)
    speech = sum(region.end - region.start for region in regions) / SAMPLE_RATE
    assert 8.5 < speech < 11.5
    assert regions[0].start / SAMPLE_RATE == pytest.approx(2.35, abs=0.2)
    pause = 2 * SAMPLE_RATE + 113_000 + np.array([3000, 13_000])  # within the silence
    assert not any(region.start < pause[1] and pause[0] < region.end for region in regions)


@given(cuts=st.lists(st.integers(0, 230_000), max_size=5))
@settings(max_examples=examples(12), deadline=None)
def test_cutting_never_changes_the_regions(
    cuts: list[int], silero: SileroDetector, talk: Samples
) -> None:
    assert found(silero, *cut(talk, cuts)) == found(silero, talk)


def test_tiny_blocks_give_the_same_regions(silero: SileroDetector, talk: Samples) -> None:
    assert found(silero, *np.split(talk, range(160, talk.size, 160))) == found(silero, talk)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(0, np.float32),
        np.zeros(1, np.float32),
        np.zeros(1600, np.float32),
        np.zeros(20 * SAMPLE_RATE, np.float32),
        np.ones(2 * SAMPLE_RATE, np.float32),
        np.random.default_rng(0).normal(0, 0.1, 10 * SAMPLE_RATE).astype(np.float32),
    ],
    ids=["empty", "1 sample", "100 ms", "silence", "constant", "noise"],
)
def test_silero_finds_nothing_where_nobody_speaks(silero: SileroDetector, sound: Samples) -> None:
    assert found(silero, sound) == []


def test_endless_speech_comes_in_pieces(silero: SileroDetector, talk: Samples) -> None:
    """With every pause filled, the regions still come while the recording is read."""
    detector = SileroDetector(VadOptions(min_silence_s=60.0))
    blocks = [talk] * 12
    stream = detector.stream()
    early = [region for block in blocks for region in stream.push(block)]
    assert len(early) >= 4
    assert early[0].end - early[0].start == PIECE_S * SAMPLE_RATE
    assert sum(map(len, blocks)) - stream.decided < 60 * SAMPLE_RATE
    assert len(joined(early + stream.finish())) == 1


def test_threads_share_a_detector(silero: SileroDetector, talk: Samples) -> None:
    recordings = [talk[start:] for start in range(0, 40_000, 5000)]
    expected = [found(silero, each) for each in recordings]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda each: found(silero, *cut(each, [9999])), recordings)) == (
            expected
        )


def test_threads_option_gives_the_same_regions(silero: SileroDetector, talk: Samples) -> None:
    assert found(SileroDetector(VadOptions(threads=2)), talk) == found(silero, talk)


@pytest.mark.parametrize("block", [np.zeros((2, 100), np.float32), np.zeros(100, np.int16)])
def test_anything_but_mono_floats_is_refused(
    silero: SileroDetector, block: NDArray[np.generic]
) -> None:
    with pytest.raises(AudioError, match="mono float samples"):
        silero.stream().push(block)  # type: ignore[arg-type]


def test_plain_model_stands_in_and_the_package_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = find_model().with_name("silero_vad.onnx")
    data = tmp_path / "silero_vad" / "data"
    data.mkdir(parents=True)
    shutil.copy(plain, data)
    (data.parent / "__init__.py").write_text("raise RuntimeError('the package was imported')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert find_model() == data / "silero_vad.onnx"


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(MissingDependencyError, match="pip install 'silero-vad"):
        SileroDetector()


def test_silero_leaves_torch_alone() -> None:
    code = """
import json, sys, torch
torch.set_num_threads(2)
import numpy as np
from gigaam.vad.detectors import build_detector
stream = build_detector("silero").stream()
stream.push(np.zeros(200_000, np.float32)), stream.finish()
print(json.dumps([torch.get_num_threads(), "silero_vad" in sys.modules]))
"""
    assert run_python(code) == [2, False]


# ---------------------------------------------------------------------------- choice


def test_names_choose_the_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert isinstance(build_detector("silero"), SileroDetector)
    assert isinstance(build_detector("auto"), SileroDetector)
    assert isinstance(build_detector("none"), EverythingIsSpeech)
    own = EverythingIsSpeech()
    assert build_detector(own) is own


@pytest.mark.parametrize("wrong", ["webrtc", "", None, 3])
def test_unknown_detector_is_refused(wrong: object) -> None:
    with pytest.raises(ArgumentError, match="vad must"):
        build_detector(wrong)  # type: ignore[arg-type]


WITHOUT_PYANNOTE = """
import json, os, sys, warnings

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
os.environ["HF_TOKEN"] = "hf_token"
from gigaam.vad.detectors import build_detector
from gigaam.errors import MissingDependencyError

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    kind = type(build_detector()).__name__
try:
    build_detector("pyannote")
    error = None
except MissingDependencyError as missing:
    error = str(missing)
print(json.dumps([kind, [str(each.message) for each in caught], caught[0].filename, error]))
"""


@pytest.mark.parametrize("absent", ["pyannote", "torch"])
def test_token_without_the_extra_is_one_warning(absent: str) -> None:
    kind, messages, place, error = run_python(WITHOUT_PYANNOTE, absent)
    assert kind == "SileroDetector"
    assert len(messages) == 1
    assert "pip install '.[longform]'" in messages[0]
    assert 'vad="silero"' in messages[0]
    assert place == "<string>"
    assert "pip install '.[longform]'" in error


def run_python(code: str, *arguments: str) -> list[object]:
    """What a fresh interpreter prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    result: list[object] = json.loads(done.stdout)
    return result
