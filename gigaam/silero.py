"""`gigaam.vad.silero`, under its documented path."""

from gigaam.vad.silero import SileroDetector

__all__ = ["SileroDetector"]
