"""`gigaam.audio.media_suffixes`, under its documented path."""

from gigaam.audio.media_suffixes import MEDIA_SUFFIXES

__all__ = ["MEDIA_SUFFIXES"]
