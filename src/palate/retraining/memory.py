"""How much a retraining will hold, known from three counts before anything is read; refused where it does not fit."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from palate.errors import ParameterError
from palate.models import Recommender
from palate.models.contract.memory import memory_limit
from palate.store.kinds import kinds_of
from palate.store.schema import events

if TYPE_CHECKING:
    from palate.store.records import Namespace
    from palate.store.store import Store

log = logging.getLogger(__name__)

BASE = 360_000_000  # Python, the libraries, and compiled code
OF_EVENT = 160  # bytes while a log is read, turned into rows, and parted: benchmarks/retrain_memory.py
OF_THING = 900  # a user or an item: ids and attributes as text, and as columns
TIMES = 3  # of what a model holds beside its rows: itself, its file as it is written, and that file as it is read again
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """What a retraining will hold at once.

    Attributes:
        needed: bytes.
        free: bytes that there are now; None where no one tells.
        events, users, items: what it is of.
    """

    needed: int
    free: int | None
    events: int
    users: int
    items: int

    def check(self, model: Recommender) -> None:
        """Refuse what would not fit.

        Raises:
            ParameterError: with both figures.
        """
        if self.free is None or self.needed <= self.free:
            return
        raise ParameterError(
            f"training {model.key} on {self.events:,} events of {self.users:,} users and {self.items:,} items needs "
            f"about {self.needed / 1e9:,.2f} GB, and {self.free / 1e9:,.2f} GB are free: give the machine more, "
            f"{model._memory_advice}, or let events count for fewer days (counts_for of their kind)",
            subject="memory",
            value=self.needed,
        )


def estimated(store: Store, ns: Namespace, models: list[Recommender]) -> MemoryEstimate:
    """Return what the training of models on a log holds, one after the other.

    Args:
        store, ns: where.
        models: not fitted: the candidate, and the running model's settings.
    """
    with store.read() as conn:
        counting = func.count(), func.count(events.c.user.distinct()), func.count(events.c.item.distinct())
        of = events.c.namespace == ns.key, events.c.kind.in_(kinds_of(conn, ns).names)
        n_events, n_users, n_items = conn.execute(select(*counting).where(*of)).one()
    fits = max((_held(model, n_users, n_items, n_events) for model in models), default=0)
    needed = BASE + OF_EVENT * n_events + OF_THING * (n_users + n_items) + fits
    return MemoryEstimate(needed, free_memory(), n_events, n_users, n_items)


def _held(model: Recommender, n_users: int, n_items: int, n_rows: int) -> int:
    """Return what one model's training and its file hold; there are no more rows than events."""
    alone = model._bytes_needed(n_users, n_items, 0)
    return 16 * n_rows + model._bytes_needed(n_users, n_items, n_rows) + (TIMES - 1) * alone


def free_memory() -> int | None:
    """Return how many bytes this process may still take, a container's limit included; None where no one tells."""
    known = [value for value in (_of_system(), _of_group()) if value is not None]
    return min(known) if known else memory_limit()


def _of_system() -> int | None:
    """Return what the system could give without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _of_group() -> int | None:
    """Return what a container's limit leaves; files that it has in memory can go."""
    try:
        limit, used = ((CGROUP / name).read_text(encoding="ascii").strip() for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return None
    return int(limit) - int(used) + int(stat.get("inactive_file", 0)) if limit.isdigit() else None
