"""Time as the store counts it: microseconds since 1970 in UTC."""

from __future__ import annotations

import time


def now() -> int:
    """Return the microseconds since 1970 in UTC."""
    return time.time_ns() // 1000
