"""What `/metrics` counts, summed over all workers; no label holds an id, a name of a client's or a free text.

Import this after ``PROMETHEUS_MULTIPROC_DIR`` is set, as `palate.serve.running` does before it starts workers: the
client of Prometheus reads it when it is imported.
"""

from __future__ import annotations

import math
import os
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

REQUESTS = Counter("palate_requests", "Requests answered.", ("method", "route", "status"))
LATENCY = Histogram("palate_request_seconds", "From a request's first byte to its answer.", ("route",), buckets=SECONDS)
LISTS = Counter("palate_lists", "Lists answered, by how they were made.", ("policy",))
EXPLORED = Counter("palate_lists_explored", "Lists by chance, by policy and by what made each.", ("policy", "by"))
UNEXPLORED = Counter("palate_lists_unexplored", "Lists that chance was to take part in, and could not.", ("reason",))
COUNTED = Counter("palate_propensities_counted", "Lists whose propensities were counted later.", ("result",))
UNCOUNTED = Gauge(
    "palate_lists_uncounted",
    "Lists whose propensities are still to be counted, at the last round of counting.",
    multiprocess_mode="mostrecent",
)
UNLOGGED = Counter("palate_lists_not_logged", "Lists answered while the store could not be written.")
FEEDBACK = Counter("palate_feedback_events", "Events received, by what became of them.", ("status",))
FOLD_INS = Counter("palate_fold_ins", "People folded in from their events.")
CACHE = Counter("palate_people_cache", "Looks for a person who was folded in before.", ("result",))
SWITCHES = Counter("palate_model_loads", "Model versions loaded by a worker.", ("result",))
VERSION = Gauge(
    "palate_model_version",
    "Number of the version that answers, by namespace key.",
    ("namespace",),
    multiprocess_mode="mostrecent",
)
TRAINED = Gauge(
    "palate_model_trained_seconds",
    "When the version that answers was trained, in seconds since 1970, by namespace key.",
    ("namespace",),
    multiprocess_mode="mostrecent",
)
JOBS = Counter("palate_jobs", "Jobs that ran in a process of this service, by how they ended.", ("kind", "state"))
RUNNING = Gauge("palate_jobs_running", "Jobs that run now.", ("kind",), multiprocess_mode="mostrecent")
CHORES = Counter("palate_chores", "Rounds of the cleaning job.", ("result",))


def exposition() -> tuple[bytes, str]:
    """Return what `/metrics` answers, of all workers, and its content type."""
    return generate_latest(_registry()), CONTENT_TYPE_LATEST


def latencies() -> list[dict[str, Any]]:
    """Return of each route how many requests all workers answered since they started, and within which time.

    ``p50`` and ``p99`` are seconds in which half and 99 of 100 were answered: the bound of the histogram's part that
    they lie in; None where that is beyond the last one.
    """
    parts: dict[str, dict[float, float]] = {}
    for metric in _registry().collect():
        for sample in metric.samples:
            if sample.name == "palate_request_seconds_bucket":
                of = parts.setdefault(sample.labels["route"], {})
                bound = float(sample.labels["le"])
                of[bound] = of.get(bound, 0.0) + sample.value
    told = [
        {"route": route, "n": int(of[math.inf]), "p50": _within(of, 0.5), "p99": _within(of, 0.99)}
        for route, of in parts.items()
    ]
    return sorted(told, key=lambda row: (-row["n"], row["route"]))


def _within(parts: dict[float, float], share: float) -> float | None:
    bound = next(bound for bound in sorted(parts) if parts[bound] >= share * parts[math.inf])
    return None if bound == math.inf else bound


def _registry() -> CollectorRegistry:
    if FOLDER not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
