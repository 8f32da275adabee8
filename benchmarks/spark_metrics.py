"""What Spark says of its stages, and what a sweep must move at least."""

from __future__ import annotations

import json
import urllib.request
from typing import Any


def stages(spark: Any) -> list[dict[str, Any]]:
    """Return the figures of all stages of a classic session whose page is open, oldest first."""
    context = spark.sparkContext
    address = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/stages?status=complete"
    with urllib.request.urlopen(address) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return sorted(found, key=lambda stage: int(stage["stageId"]))


def shuffled(spark: Any, after: int = -1) -> int:
    """Return the bytes that stages after the one numbered ``after`` wrote for others to read."""
    return sum(int(stage["shuffleWriteBytes"]) for stage in stages(spark) if int(stage["stageId"]) > after)


def last_stage(spark: Any) -> int:
    """Return the number of the last stage so far."""
    return max((int(stage["stageId"]) for stage in stages(spark)), default=-1)
