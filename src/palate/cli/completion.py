"""What the Tab key offers: names of models, metrics and splits.

Importing models and metrics takes a second, so tools/write_commands.py writes their names into offered.json.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

SPLITS = (
    *("random:0.2:42", "stratified:0.25:42", "last:1", "time:0.2", "rolling:4:0.1", "kfold:5:42"),
    *(f"official:u{number}" for number in range(1, 6)),
    *("cold-items:0.2:42", "cold-users:0.2:42"),
)


def offered(kind: str) -> list[str]:
    """Return all names of "models" or "metrics"."""
    names: list[str] = json.loads(Path(__file__).with_name("offered.json").read_text("utf-8"))[kind]
    return names


def model(incomplete: str) -> list[str]:
    """Return the keys of models that begin like this."""
    return _starting(offered("models"), incomplete)


def model_or_auto(incomplete: str) -> list[str]:
    """Return the keys of models that begin like this, and auto."""
    return _starting(["auto", *offered("models")], incomplete)


def models(incomplete: str) -> list[str]:
    """Return a list with commas whose last word is completed to keys of models."""
    return _last_of_list(offered("models"), incomplete)


def metric(incomplete: str) -> list[str]:
    """Return the metrics that begin like this."""
    return _starting(offered("metrics"), incomplete)


def metrics(incomplete: str) -> list[str]:
    """Return a list with commas whose last word is completed to metrics."""
    return _last_of_list(offered("metrics"), incomplete)


def split(incomplete: str) -> list[str]:
    """Return the splits that begin like this."""
    return _starting(SPLITS, incomplete)


def _starting(words: Sequence[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def _last_of_list(words: Sequence[str], incomplete: str) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    there = before.split(",")
    return [f"{before}{comma}{word}" for word in _starting(words, last) if word not in there]
