"""Logs: lines of JSON for machines, coloured text for a terminal. With the request's id, and without any of its words.

What an exception says may quote a record, so of exceptions only the kind and the lines of code are told.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

FORMATS = ("auto", "json", "text")
LEVELS = ("debug", "info", "warning", "error")
_COLOURS = {
    logging.DEBUG: "2",
    logging.INFO: "36",
    logging.WARNING: "33",
    logging.ERROR: "31",
    logging.CRITICAL: "1;31",
}
_FRAMES = 6


@dataclass(frozen=True, slots=True)
class Current:
    """The request that is being answered."""

    request_id: str
    trace_id: str
    span_id: str


CURRENT: ContextVar[Current | None] = ContextVar("eligo_request", default=None)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the request's ids, and what the line is about."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        current = CURRENT.get()
        if current is not None:
            line |= {"request_id": current.request_id, "trace_id": current.trace_id, "span_id": current.span_id}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = _exception(record)
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """A line for people; in colour where it goes to a terminal."""

    def __init__(self, *, is_coloured: bool) -> None:
        super().__init__()
        self._is_coloured = is_coloured

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        level = f"{record.levelname:<8}"
        if self._is_coloured:
            level = f"\x1b[{_COLOURS.get(record.levelno, '0')}m{level}\x1b[0m"
        line = f"{at} {level} {record.name}: {record.getMessage()}"
        current = CURRENT.get()
        if current is not None:
            line += f" [{current.request_id}]"
        return f"{line} ({_exception(record)})" if record.exc_info else line


def _exception(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    where = " > ".join(f"{PurePath(each.filename).name}:{each.lineno} {each.name}" for each in frames)
    return f"{type(error).__name__} at {where}"


def configuration(form: str, level: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`: everything to standard error. `auto` is text, in colour on a terminal."""
    formatter = (
        {"()": JsonFormatter}
        if form == "json"
        else {"()": TextFormatter, "is_coloured": form == "auto" and sys.stderr.isatty()}
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines", "stream": "ext://sys.stderr"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "eligo": {"level": level.upper()},
            "uvicorn": {"level": level.upper()},
            "uvicorn.access": {"level": "WARNING"},  # it logs paths and queries; eligo.access logs the route
        },
    }
