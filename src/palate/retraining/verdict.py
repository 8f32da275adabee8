"""What the gate says of a candidate, as it is kept with the version: `Version.details["verdict"]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Decision = Literal["accepted", "refused"]
Against = Literal["as it is", "its settings", "popular", "nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate says of a candidate.

    Attributes:
        decision: "accepted" or "refused".
        why: in a sentence, with the figures.
        rule: by which it was judged.
        running: number of the version that answered; None: none did.
        against: what of it was measured: the running model "as it is", where it is older than the days; "its settings",
            trained to the same cut; the "popular" items, where no version answered; or "nothing".
        days: "cut" and "newest" in microseconds: what happened in between, neither model had seen; "rows" of "people".
        values: the metric of the "candidate" and of the "running" model.
        difference: by how much the candidate is better: "value", "low", "high", "p" of a paired permutation test.
        checks: what was looked at in the model that was fitted on everything: "coverage", "running_coverage",
            "overlap", "people".
        overruled_by: who said otherwise: "name", "why", "time".
    """

    decision: Decision
    why: str
    rule: Mapping[str, Any]
    running: int | None = None
    against: Against = "nothing"
    days: Mapping[str, int] | None = None
    values: Mapping[str, float] | None = None
    difference: Mapping[str, float] | None = None
    checks: Mapping[str, Any] = field(default_factory=dict)
    overruled_by: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, as JSON holds them."""
        return asdict(self)
