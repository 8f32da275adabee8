"""Rows of the table of `serve_load.py`, and the table as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from common import markdown


@dataclass
class Row:
    """One line of the table.

    Attributes:
        case: what was asked of what.
        cores: "one" or "both".
        per_second: answers.
        processor_ms: processor time of the service for each answer.
        p50, p99: milliseconds at half of that load.
        parts: milliseconds at half load by `Server-Timing`.
        goal: answers a second that the issue asks for.
        failed: requests without a success.
        memory: megabytes of all processes, at the start and after each minute.
    """

    case: str
    cores: str
    per_second: float
    processor_ms: float
    p50: float
    p99: float
    parts: dict[str, float] = field(default_factory=dict)
    goal: float | None = None
    failed: int = 0
    memory: list[float] = field(default_factory=list)


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    header = [
        "what",
        "cores",
        "a second",
        "goal",
        "processor ms each",
        "p50 ms",
        "p99 ms",
        "`Server-Timing`, ms",
        "failed",
    ]
    lines = []
    for row in rows:
        shown = [f"{value:,.2f}" if value < 10 else f"{value:,.0f}" for value in (row.per_second, row.goal or 0)]
        times = ["" if math.isnan(value) else f"{value:.2f}" for value in (row.processor_ms, row.p50, row.p99)]
        goal = shown[1] if row.goal else ""
        lines.append([row.case, row.cores, shown[0], goal, *times, _parted(row.parts), str(row.failed or "")])
    return markdown(header, lines)


def _parted(parts: dict[str, float]) -> str:
    """Return the parts of the time, and what is left: the framework, and waiting for a turn and for the commit."""
    if "total" not in parts:
        return ""
    named = {name: value for name, value in parts.items() if name in ("model", "store")}
    named["rest"] = parts["total"] - sum(named.values())
    return ", ".join(f"{name} {value:.2f}" for name, value in named.items())
