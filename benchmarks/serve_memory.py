"""Memory of four workers that answer from one version of a model, added up, and what an exact answer takes.

PSS of /proc/PID/smaps_rollup: a page that four processes map counts a quarter in each, so the sum is what they take
together. Each worker opens the store, loads the active version, and answers known users and sessions folded in, titles
with them and the lists logged; times are the processor's. `python benchmarks/serve_memory.py [movielens] [large]
[millions]`; "millions" writes about 4 GB for a while.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from common import machine, markdown, publish

import palate
from palate.data.ids import Ids
from palate.serve.engine import Ask, Engine
from palate.sparse import Rows
from palate.store import open_store, versions

WORKERS, ASKED, GIVEN = 4, 40, 50
MEGA = 1 << 20


def movielens() -> palate.Recommender:
    return palate.ImplicitALS(128, n_epochs=4, random_state=0, positive="any").fit(
        palate.load_movielens(), progress=None
    )


def large() -> palate.Recommender:
    return by_chance(138_000, 27_000, 128, 20_000_000)


def millions() -> palate.Recommender:
    return by_chance(500_000, 5_000_000, 64, 20_000_000)


SETS: dict[str, tuple[str, Callable[[], palate.Recommender]]] = {
    "movielens": ("MovieLens 100K, 128 factors", movielens),
    "large": ("27,000 items x 138,000 users x 128 factors, 20 M events", large),
    "millions": ("5 M items x 500,000 users x 64 factors, 20 M events", millions),
}


def by_chance(n_users: int, n_items: int, k: int, n_rows: int) -> palate.Recommender:
    """Return an `ials` model whose factors are left to chance, with integer ids and text titles."""
    small = palate.ImplicitALS(k, n_epochs=1, reg=0.1, random_state=0)
    small.fit(palate.Interactions.from_table({"user": [1, 2], "item": [1, 2]}), progress=None)
    rng = np.random.default_rng(0)
    P, Q = (rng.standard_normal((n, k), np.float32) * np.float32(0.1) for n in (n_users, n_items))
    gram = np.triu(small.unobserved_weight_ * (Q.T.astype(np.float32) @ Q)).astype(np.float32)
    seen = rows_by_chance(n_users, n_items, n_rows, rng)
    ids = [Ids(np.arange(1, n + 1, dtype=np.int64), what) for n, what in ((n_users, "user"), (n_items, "item"))]
    table = pl.DataFrame({"item_id": ids[1].values}).with_columns(
        title=pl.format("The title of number {} in the shop", "item_id")
    )
    state = small.state()
    arrays = {**state.arrays, "user_factors_": P, "item_factors_": Q, "gram_": gram}
    learned = {**state.learned, "n_warm_": n_items}
    parts: dict[str, Any] = {"users": ids[0], "items": ids[1], "seen": seen, "item_table": table, "learned": learned}
    return palate.ImplicitALS.from_state(replace(state, arrays=arrays, **parts))


def rows_by_chance(n_users: int, n_items: int, n_rows: int, rng: np.random.Generator) -> Rows:
    """Return about so many different cells; some items have many."""
    item = (n_items * rng.random(n_rows) ** 3).astype(np.int64)
    cells = np.unique(rng.integers(0, n_users, n_rows) * n_items + item)
    return Rows.of_sizes(np.bincount(cells // n_items, minlength=n_users), (cells % n_items).astype(np.int32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}")
    parser.add_argument("--write", action="store_true", help="replace the table in docs/")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker)
        return
    rows = []
    for name in options.sets or ("movielens", "large"):
        rows.append(measured(*SETS[name]))
        print(rows[-1], flush=True)
    header = ["model", "files, MB", "added, s", "loaded, s", "PSS of four, MB", "of it private", "known user, ms",
              "folded in, ms", "ten best alone, ms"]  # fmt: skip
    publish("memory", f"{markdown(header, rows)}\n\n{machine('sqlalchemy')}", write=options.write)


def measured(words: str, make: Callable[[], palate.Recommender]) -> list[str]:
    """Return a row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        url, path = f"sqlite:///{folder}/shop.db", Path(folder) / "model.safetensors"
        palate.save(make(), path)
        with open_store(url) as store:
            ns = store.namespace()
            begun = time.process_time()
            number = versions.add(store, ns, path, many=sys.maxsize)  # exact: no graph of the items
            added = time.process_time() - begun
            path.unlink()
            versions.activate(store, ns, number)
            size = sum(file.stat().st_size for file in store.folder.rglob("*") if file.is_file())
        with started(url) as workers:
            figures = [told for _, told in workers]
            memory = [rollup(process.pid) for process, _ in workers]
    pss, private = (sum(of[name] for of in memory) / MEGA for name in ("Pss", "Private"))
    times = [statistics.median(of[name] for of in figures) for name in ("loaded", "known", "folded", "exact")]
    return [words, f"{size / MEGA:,.0f}", f"{added:.1f}", f"{times[0]:.2f}", f"{pss:,.0f}", f"{private:,.0f}",
            *(f"{of:.2f}" for of in times[1:])]  # fmt: skip


@contextmanager
def started(url: str) -> Iterator[list[tuple[Any, dict[str, float]]]]:
    """Start the workers, each when the one before has answered; yield them with what they tell, and end them."""
    command = [sys.executable, __file__, "--worker", url]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers: list[tuple[Any, dict[str, float]]] = []
    try:
        for _ in range(WORKERS):
            process = subprocess.Popen(command, **pipes)
            workers.append((process, {}))
            workers[-1][1].update(json.loads(process.stdout.readline()))
        yield workers
    finally:
        for process, _ in workers:
            process.stdin.close()
            process.wait()


def worker(url: str) -> None:
    """Answer, tell the times, and keep all until the input ends."""
    with open_store(url) as store, closing(Engine(store)) as engine:
        ns = store.namespace()
        begun = time.process_time()
        loaded = versions.load_active(store, ns)
        loaded_in = time.process_time() - begun
        model, rng = loaded.model, np.random.default_rng(1)
        users = [str(user) for user in model.users_.at(rng.integers(0, len(model.users_), ASKED))]
        sessions = [model.items_.at(rng.choice(len(model.items_), GIVEN, replace=False)) for _ in users]
        known = [Ask(ns=ns, user=user) for user in users]
        folded = [Ask(ns=ns, session=tuple((str(item), None) for item in session)) for session in sessions]
        figures = {
            "loaded": loaded_in,
            "known": timed(known, lambda ask: engine.answer([ask])),
            "folded": timed(folded, lambda ask: engine.answer([ask])),
            "exact": timed(
                loaded.users_index(users), lambda user: model.ranker.lists(np.array([user]), 10, n_threads=1)
            ),
        }
        print(json.dumps(figures), flush=True)
        sys.stdin.read()


def timed(asked: Any, answer: Callable[[Any], Any]) -> float:
    """Return the median of milliseconds of the processor, the first few left out."""
    times = []
    for each in asked:
        begun = time.process_time()
        answer(each)
        times.append(1000 * (time.process_time() - begun))
    return statistics.median(times[3:])


def rollup(pid: int) -> dict[str, int]:
    """Return bytes of a process: its share of all pages, and its own."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    told = {line.split()[0][:-1]: 1024 * int(line.split()[1]) for line in lines}
    return {"Pss": told["Pss"], "Private": told["Private_Clean"] + told["Private_Dirty"]}


if __name__ == "__main__":
    main()
