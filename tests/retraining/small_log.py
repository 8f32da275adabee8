"""A log of two tastes over some weeks, in which a good model is plainly better than the popular items."""

from __future__ import annotations

from typing import Any

import numpy as np
from small_models import make as make_small

from palate.data.interactions import Interactions
from palate.models import Recommender
from palate.store import Event, feedback, versions
from palate.store.records import Namespace
from palate.store.source import dataset
from palate.store.store import Store

DAY = 86_400_000_000
PEOPLE, ITEMS, DAYS = 60, 40, 30
START = 1_000 * DAY


def make(key: str, **changes: Any) -> Recommender:
    """Return an unfitted model that learns clicks of a store in a moment."""
    return make_small(key, **{"positive": None, **changes})


def fill(store: Store, ns: Namespace, days: int = DAYS, people: int = PEOPLE, seed: int = 0) -> None:
    """Write clicks: those of even people on even items, of odd people on odd ones; every day a few of each person."""
    chance = np.random.default_rng(seed)
    events = []
    for person in range(people):
        own = chance.permutation(ITEMS // 2)[:14] * 2 + person % 2
        for place, item in enumerate(own.tolist()):
            time = START + int(days * place / 14 * DAY) + person * 1_000_000
            events.append(Event(f"u{person}", f"i{item}", "click", None, time, f"{seed}-{person}-{item}"))
    feedback.add(store, ns, events)


def running(store: Store, ns: Namespace, model: Recommender, tmp_path, until: int | None = None) -> int:
    """Fit a model on the log up to a moment, and let it answer."""
    from palate import files

    log = dataset(store, ns, "clicks", until=until)
    files.save(model.fit(log, progress=None), tmp_path / "running.safetensors")
    number = versions.add(store, ns, tmp_path / "running.safetensors")
    versions.activate(store, ns, number)
    return number


def clicks_of(rows: Interactions) -> list[tuple[str, str]]:
    """Return the pairs of some rows."""
    return rows.to_table().select("user_id", "item_id").rows()
