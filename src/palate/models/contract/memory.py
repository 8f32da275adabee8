"""How much memory this process may have, and the refusal of a fit that can never have enough."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from palate.errors import ParameterError

log = logging.getLogger(__name__)

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
LARGE = 0.5  # of the memory: from here on a fit says beforehand what it needs


def memory_limit() -> int | None:
    """Return the bytes this process may ever hold, a container's limit included; None where no one tells."""
    known = []
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in LIMITS:
        text = path.read_text().strip() if path.exists() else ""
        if text.isdigit():
            known.append(int(text))
    return min(known, default=None)


def check_memory(what: str, needed: int, advice: str) -> None:
    """Refuse a fit that this machine can never hold, and tell of one that takes most of it.

    Args:
        what: the subject of the sentence: the model and its data.
        needed: bytes.
        advice: how it could need less.

    Raises:
        ParameterError: names both figures.
    """
    limit = memory_limit()
    if limit is None or needed <= LARGE * limit:
        return
    text = f"{what} needs {needed / 1e9:,.1f} GB in training, and this machine has {limit / 1e9:,.1f} GB"
    if needed > limit:
        raise ParameterError(f"{text}; {advice}", subject="memory", value=needed)
    log.warning("%s", text)
