"""How long `recommend` takes for all users: MovieLens 100K, and a generated catalogue of 27,000 items."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from common import arguments, machine, markdown, publish

from palate import MatrixFactorization, load_movielens
from palate.parallel import default_threads
from palate.sparse import Rows
from palate.topk import topk

RUNS = 5


def main() -> None:
    options = arguments(__doc__ or "")
    data = load_movielens("100k")
    model = MatrixFactorization(random_state=0).fit(data.interactions, items=data.items)
    users = model.users_.values
    rows = [
        row(
            "recommend, MovieLens 100K, table with titles",
            len(users),
            len(model.items_),
            lambda: model.recommend(users),
        )
    ]
    P, Q, excluded = generated(20_000, 27_000, 128, 90)
    zeros = np.zeros(len(P), np.float32), np.zeros(len(Q), np.float32)
    everyone = np.arange(len(P), dtype=np.int32)
    for threads in dict.fromkeys((1, default_threads())):
        call = lambda t=threads: topk((P, Q, *zeros, 0.0), everyone, 10, excluded=[excluded], n_threads=t)  # noqa: E731
        rows.append(row(f"topk, generated, 128 factors, 90 seen each, threads: {threads}", len(P), len(Q), call))
    header = ["best 10", "users", "items", "seconds", "users/s", "peak memory, MB"]
    publish("recommend-all", f"{markdown(header, rows)}\n\nFastest of {RUNS}. {machine()}", write=options.write)


def row(what: str, n_users: int, n_items: int, call: Callable[[], Any]) -> list[str]:
    """Return one line: the fastest of several runs, and the peak of what Python and NumPy allocate meanwhile."""
    call()
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    best = min(seconds)
    return [what, f"{n_users:,}", f"{n_items:,}", f"{best:.3f}", f"{n_users / best:,.0f}", f"{peak / 1e6:.1f}"]


def generated(n_users: int, n_items: int, k: int, n_seen: int) -> tuple[Any, Any, Any]:
    """Return random factors and random seen items."""
    rng = np.random.default_rng(0)
    P, Q = (rng.standard_normal((n, k), np.float32) for n in (n_users, n_items))
    seen = np.sort(rng.integers(0, n_items, (n_users, n_seen)), axis=1).astype(np.int32)
    return P, Q, Rows.of_sizes(np.full(n_users, n_seen), seen.ravel())


if __name__ == "__main__":
    main()
