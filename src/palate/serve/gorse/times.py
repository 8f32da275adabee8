"""Times and spans as Gorse reads them: texts of many forms, and spans such as 1h30m."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from palate.serve.routes.said import micros
from palate.store.bulk.gorse_shapes import NO_TIME

FORMS = (
    *("%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%m/%d/%Y", "%m/%d/%Y %H:%M:%S", "%d %b %Y", "%b %d, %Y", "%B %d, %Y"),
    *("%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S %z UTC", "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %z %Y"),
)
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
SPAN = re.compile(r"(?P<number>\d+(?:\.\d*)?|\.\d+)(?P<unit>h|ms|m|s|us|µs|μs|ns)")
OF_DIGITS = {10: 1_000_000, 13: 1_000, 16: 1}  # microseconds of a unit, by how many digits a number of now has


def moment(text: str) -> int | None:
    """Return a time in microseconds, None for none; without a zone it is in UTC.

    Raises:
        ValueError: it is none that is read.
    """
    text = text.strip()
    if not text or text.startswith(NO_TIME):
        return None
    if text.isascii() and text.isdigit():
        if len(text) not in OF_DIGITS:
            raise ValueError(f"{text!r:.60} is no time: a number of seconds has 10 digits, of milliseconds 13")
        return int(text) * OF_DIGITS[len(text)]
    read = _read(text)
    return micros(read if read.tzinfo is not None else read.replace(tzinfo=UTC))


def _read(text: str) -> datetime:
    for read in READERS:
        with suppress(ValueError):
            return read(text)
    raise ValueError(f"{text!r:.60} is no time; write it as 2026-11-27T16:30:00Z")


def _reader(form: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, form)


READERS = (datetime.fromisoformat, parsedate_to_datetime, *map(_reader, FORMS))


def span(text: str) -> timedelta:
    """Return a span such as 1h30m, 10m or 300ms.

    Raises:
        ValueError: it is none.
    """
    parts = list(SPAN.finditer(text))
    if text != "0" and (not parts or "".join(part[0] for part in parts) != text):
        raise ValueError(f"{text!r:.60} is no span; write it as 1h30m or 10m")
    return timedelta(seconds=sum(float(part["number"]) * UNITS[part["unit"]] for part in parts))
