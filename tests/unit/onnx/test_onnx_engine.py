"""ONNX Runtime leaves no traces of its own in the user's home."""

import os
import subprocess
import sys
from pathlib import Path

DETECT = """
import numpy as np
from gigaam.vad.silero import SileroDetector
detector = SileroDetector()
print(type(detector).__name__)
"""


def test_no_files_in_the_home(tmp_path: Path) -> None:
    quiet = {"CI", "ORT_DISABLE_TELEMETRY"}  # either keeps it from reporting
    environment = {name: value for name, value in os.environ.items() if name not in quiet}
    done = subprocess.run(
        [sys.executable, "-c", DETECT],
        env=environment | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert "Silero" in done.stdout
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
