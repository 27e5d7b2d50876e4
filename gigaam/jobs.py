"""`gigaam.cli.jobs`, under its documented path."""

from gigaam.cli.jobs import MEDIA_SUFFIXES

__all__ = ["MEDIA_SUFFIXES"]
