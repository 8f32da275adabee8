"""What the service writes to its log: one JSON object a line, and nothing of what clients sent.

A line of a request names the route's template, never the address that was asked for, and no id of a user or an item.
Where an error is logged its kind and where it was raised stand there; its message may quote what a client sent, and
stays out.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TextIO

LogLevel = Literal["requests", "problems"]
NAME = "palate.serve"
log = logging.getLogger(NAME)
_out: list[TextIO] = []  # where lines of requests go, once this process was set up
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


def request(request_id: str, method: str, route: str, status: int, length: int, seconds: float) -> None:
    """Write the line of a request, as `JsonLines` would; without `logging`, which takes eight times as long.

    Args:
        request_id, method, route: words of ours, that need no escaping.
        status: of the answer.
        length: its bytes.
        seconds: that it took.
    """
    if not _out:
        return
    now = time.time()
    level = "error" if status >= 500 else "info"
    line = (
        f'{{"time": "{_second(int(now))}.{int(now % 1 * 1000):03d}Z", "level": "{level}", "logger": "{NAME}", '
        f'"message": "request", "process": {os.getpid()}, "request_id": "{request_id}", "method": "{method}", '
        f'"route": "{route}", "status": {status}, "bytes": {length}, "milliseconds": {seconds * 1000:.3f}}}\n'
    )
    with suppress(OSError):  # nobody reads the log any more, or its disk is full: the answer was sent all the same
        _out[0].write(line)


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _places(error: BaseException | None) -> list[str]:
    """Return where an error passed, innermost last: files and lines, no values."""
    frames = traceback.extract_tb(error.__traceback__) if error else []
    return [f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno} {frame.name}" for frame in frames[-8:]]


def set_up(stream: TextIO | None = None) -> None:
    """Let this process write its log as JSON lines: ours, uvicorn's, and the warnings of other packages."""
    _out[:] = [stream or sys.stderr]
    handler = logging.StreamHandler(_out[0])
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(logging.INFO)
    log.handlers[:] = []
    logging.getLogger("palate").handlers[:] = []  # the command line's own, which writes for people
    logging.getLogger("uvicorn.access").disabled = True  # its lines hold addresses and queries
