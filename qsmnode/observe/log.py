"""Logging set-up: lines for people on a terminal, one JSON object a line otherwise. Never patient data."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from typing import TextIO


class JsonFormatter(logging.Formatter):
    """One JSON object per record: at, level, role (thread), logger, message, and the error's place."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        entry = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "role": record.threadName,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            entry["error"] = _place(record)
        return json.dumps(entry, ensure_ascii=True)


class PlainFormatter(logging.Formatter):
    """Time, level and message; control characters from the wire cannot reach the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        when = time.strftime("%H:%M:%S", time.localtime(record.created))
        text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in record.getMessage())
        line = f"{when} {record.levelname.lower():7} {text}"
        return f"{line}\n{_place(record)}" if record.exc_info and record.exc_info[0] is not None else line


def _place(record: logging.LogRecord) -> str:
    """Type and stack of an error, without its message: a library's message may quote a header."""
    assert record.exc_info
    kind, _, tb = record.exc_info
    stack = "".join(traceback.format_tb(tb))
    return f"{stack}{kind.__name__ if kind else 'error'}"


def set_up(level: str = "info", stream: TextIO | None = None) -> None:
    """Send this package's log to ``stream`` (stderr); libraries only from warning on."""
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(PlainFormatter() if target.isatty() else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("qsmnode").setLevel(level.upper())
    # their records quote data sets and addresses; what matters of it is logged by the roles themselves
    for library in ("pynetdicom", "pydicom", "numba", "highdicom"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
