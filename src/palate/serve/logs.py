"""What the service writes to its log: one JSON object a line, and nothing of what clients sent.

A line of a request names the route's template, never the address that was asked for, and no id of a user or an item.
Where an error is logged its kind and where it was raised stand there; its message may quote what a client sent, and
stays out.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

LogLevel = Literal["requests", "problems"]
NAME = "palate.serve"
log = logging.getLogger(NAME)
FIELDS = "fields"  # attribute of a record: what stands in the line beside the message


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {"time": stamp(record.created), "level": record.levelname.lower()}
        line |= {"logger": record.name, "message": record.getMessage(), "process": record.process}
        line |= getattr(record, FIELDS, {})
        if record.exc_info and record.exc_info[0] is not None:
            line |= {"error": record.exc_info[0].__name__, "raised_at": _places(record.exc_info[1])}
        return json.dumps(line, ensure_ascii=True, default=str)


def stamp(seconds: float) -> str:
    """Return a time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _places(error: BaseException | None) -> list[str]:
    """Return where an error passed, innermost last: files and lines, no values."""
    frames = traceback.extract_tb(error.__traceback__) if error else []
    return [f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno} {frame.name}" for frame in frames[-8:]]


def set_up(stream: TextIO | None = None) -> None:
    """Let this process write its log as JSON lines: ours, uvicorn's, and the warnings of other packages."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(logging.INFO)
    log.handlers[:] = []
    logging.getLogger("palate").handlers[:] = []  # the command line's own, which writes for people
    logging.getLogger("uvicorn.access").disabled = True  # its lines hold addresses and queries
