"""The ``gigaam`` command: a module for each of its commands, and what they share."""

from gigaam.cli.app import app, main

__all__ = ["app", "main"]
