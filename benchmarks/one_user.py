"""Milliseconds to answer one user from a loaded model, beside the bare product of the same shapes in NumPy or SciPy.

Known users get their ten best with titles, what they have had left out; newcomers give 50 items, and get the same by
``recommend_for``. The product and the answers are timed in turns, so that what else the machine does meets all alike.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import generated
import numpy as np
import polars as pl
from common import arguments, machine, markdown, publish
from scipy.sparse import csr_array

import palate

USERS, FACTORS, GIVEN, RUNS = 20_000, 128, 50, 200
SHORT, LONG = 1_000_000, 4_000_000
CASES: list[tuple[str, Callable[[], palate.Recommender], int, int]] = [
    ("als", lambda: palate.ALS(FACTORS, n_epochs=1, random_state=0), 100_000, SHORT),
    ("als", lambda: palate.ALS(FACTORS, n_epochs=1, random_state=0), 100_000, LONG),
    ("ials", lambda: palate.ImplicitALS(FACTORS, n_epochs=1, reg=0.01, random_state=0), 20_000, SHORT),
    ("ials", lambda: palate.ImplicitALS(FACTORS, n_epochs=1, reg=0.01, random_state=0), 100_000, SHORT),
    ("ease", palate.EASE, 8_000, SHORT),
    ("ease", palate.EASE, 8_000, LONG),
    ("knn", palate.ItemKNN, 100_000, SHORT),
    ("knn", palate.ItemKNN, 100_000, LONG),
]


def main() -> None:
    options = arguments(__doc__ or "")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for key, make, n_items, n_rows in CASES:
            path = Path(folder) / "model.safetensors"
            palate.save(fitted(make(), n_items, n_rows, rated=key == "als"), path)
            rows.append([f"`{key}`, {n_items:,} items, {n_rows:,} rows", *figures(palate.load(path))])
            print(rows[-1], flush=True)
    header = ["model", "the product, ms", "a known user, ms", "its ratio", f"a newcomer of {GIVEN}, ms"]
    told = f"{FACTORS} factors; medians of {RUNS} calls each. {machine('scipy')}"
    publish("one-user", f"{markdown(header, rows)}\n\n{told}", write=options.write)


def fitted(model: palate.Recommender, n_items: int, n_rows: int, *, rated: bool) -> palate.Recommender:
    """Return a model of made rows and titles."""
    user, item = generated.clicks(n_rows, USERS, n_items)
    values = (1 + (user + item) % 5).astype(np.float32) if rated else None
    data = generated.interactions(user, item, values, USERS, n_items)
    titles = pl.DataFrame({"item_id": data.items.values}).with_columns(title=pl.format("Title {}", "item_id"))
    return model.fit(data, items=titles, progress=None)


def figures(model: palate.Recommender) -> list[str]:
    """Return the cells of one row of the table."""
    rng = np.random.default_rng(0)
    users = cycle(rng.permutation(model.users_.values.to_numpy())[: RUNS + 1].tolist())
    items, top = model.items_.values.to_list(), model.rating_range_[1]
    newcomers = cycle([dict.fromkeys(rng.choice(items, GIVEN, replace=False).tolist(), top) for _ in range(RUNS + 1)])
    calls = product(model), lambda: model.recommend(next(users), 10), lambda: model.recommend_for(next(newcomers), 10)
    bare, known, new = in_turns(calls)
    return [f"{bare * 1e3:.2f}", f"{known * 1e3:.2f}", f"{known / bare:.2f}", f"{new * 1e3:.2f}"]


def product(model: Any) -> Callable[[], Any]:
    """Return the bare product behind a known user's scores: of factors, or of a user's row and the weights."""
    if "fold_in" in model.supports:
        p, Q = np.array(model.user_factors_[0]), np.array(model.item_factors_)
        return lambda: Q @ p
    n_items, typical = len(model.items_), int(np.argsort(model.seen_.sizes)[len(model.users_) // 2])
    own, _ = model.seen_.row(typical)
    ones = np.ones(len(own), np.float32)
    if len(model.weights_):
        B = np.array(model.weights_[own])
        return lambda: ones @ B
    row = csr_array((ones, own, [0, len(own)]), (1, n_items))
    sparse = csr_array((model.weights_values_, model.weights_indices_, model.weights_indptr_), (n_items, n_items))
    return lambda: (row @ sparse).toarray()


def in_turns(calls: tuple[Callable[[], Any], ...]) -> Iterator[float]:
    """Yield the median seconds of each call."""
    seconds: list[list[float]] = [[] for _ in calls]
    for run in range(RUNS + 1):
        for call, taken in zip(calls, seconds, strict=True):
            started = time.perf_counter()
            call()
            taken += [time.perf_counter() - started] if run else []  # the first prepares
    return map(statistics.median, seconds)


if __name__ == "__main__":
    main()
