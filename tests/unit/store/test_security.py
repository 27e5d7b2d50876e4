"""What SECURITY.md states: its limits are those of the code, its words name what there is."""

import re
from pathlib import Path

from gigaam.audio.clock import LONGEST_SILENCE_S
from gigaam.audio.resampling import MAX_CHANNELS, RATE_RANGE
from gigaam.decoding import tokenizer
from gigaam.onnx import screening
from gigaam.store import checkpoints, config_files, pickles, transfer
from tests.fuzz.cases import KINDS, LONGEST_S, MOST_GROWTH_BYTES

TEXT = (Path(__file__).parents[3] / "SECURITY.md").read_text(encoding="utf-8")
WORDS = re.sub(r"\s+", " ", TEXT)


def limits() -> dict[str, str]:
    """The last column of the table, by the first word of the first."""
    rows = [row.strip("| ").split(" | ") for row in TEXT.splitlines() if row.startswith("| ")]
    return {row[0].split()[0].strip("`,"): row[-1] for row in rows}


def test_limits_are_those_of_the_code() -> None:
    stated = limits()
    assert RATE_RANGE == (1_000, 1_000_000)
    assert stated["recordings"].startswith(
        f"1 kHz to 1 MHz, {MAX_CHANNELS} channels, at most {LONGEST_SILENCE_S / 3600:.0f} hours"
    )
    assert stated["checkpoints"].startswith(f"{pickles._MAX_INDEX_BYTES >> 20} MiB")
    assert stated[".safetensors"] == f"{checkpoints._MAX_TENSORS:,} tensors"
    configs = f"{config_files._MAX_BYTES >> 10} KiB, {config_files._MAX_YAML_DEPTH} levels"
    assert stated["configurations"] == configs
    assert stated["tokenizers"] == f"{tokenizer._MAX_MODEL_BYTES >> 20} MiB"
    assert stated["exported"] == f"{screening._MOST_NODES:,} nodes"
    assert stated["downloads"].endswith(f"else {transfer._LARGEST_BYTES >> 30} GiB")


def test_fuzzing_is_as_it_is_described() -> None:
    assert f"{LONGEST_S:.0f} seconds without an answer" in WORDS
    assert f"{MOST_GROWTH_BYTES >> 30} GB of memory more" in WORDS
    assert len(KINDS) == 5
