"""The recording that comes with the package."""

from pathlib import Path

__all__ = ["EXAMPLE"]

EXAMPLE = Path(__file__).parent / "assets" / "example.wav"
"""Seven seconds of Russian speech."""
