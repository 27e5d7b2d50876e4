"""The log of a server: a line per event, as JSON or for people."""

from __future__ import annotations

import json
import logging
import time
from typing import Any, Literal, TypeAlias

__all__ = ["LogFormat", "log_config"]

LogFormat: TypeAlias = Literal["text", "json"]


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, event and what else is told of it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of an event."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "told", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """A line for people: ``2026-01-31 12:00:00 INFO gigaam: event: name=value …``."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of an event."""
        told = " ".join(f"{name}={value}" for name, value in getattr(record, "told", {}).items())
        line = ": ".join(filter(None, ("gigaam", record.getMessage(), told)))
        line = f"{self.formatTime(record, '%Y-%m-%d %H:%M:%S')} {record.levelname} {line}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def log_config(format: LogFormat, level: str = "INFO") -> dict[str, Any]:
    """What ``logging.config.dictConfig`` takes; all lines go to stderr."""
    formatter = JsonLines if format == "json" else TextLines
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": {
            "gigaam.server": {"handlers": ["stderr"], "level": level, "propagate": False},
            "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
            "py.warnings": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        },
    }
