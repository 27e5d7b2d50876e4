"""`gigaam.output.formats`, under its documented path."""

from gigaam.output.formats import FORMATS, TextOptions, render, save

__all__ = ["FORMATS", "TextOptions", "render", "save"]
