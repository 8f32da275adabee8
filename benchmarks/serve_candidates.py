"""Lists of large catalogues by candidates against exact ones: recall, milliseconds, and what the graph costs.

`python benchmarks/serve_candidates.py gowalla 200000 …`: Gowalla's clicks (PALATE_DATA), or as many generated items
with 20 clicks each; `ials` of 64 factors is trained on them. Lists of known users, what they had left out; filters are
of items by chance. All on one thread; times of lists are the processor's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import generated
import numpy as np
import polars as pl
from common import machine, markdown

import palate
from palate.models.contract.ranker import Ranker
from palate.serve.engine import candidates as near_module
from palate.serve.engine.candidates import near
from palate.store import open_store, versions

ASKED, TOGETHER = 100, 32
SHARES = (0.5, 0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", metavar="SET", help="gowalla, or a number of items")
    options = parser.parse_args()
    rows = [measured(name) for name in options.sets]
    header = ["items", "graph, s", "MB", "recall@100", *(f"of {share:.0%}" for share in SHARES), "list of 100, ms",
              "of 500, ms", "exact, ms", f"{TOGETHER} exact together, ms each"]  # fmt: skip
    print(markdown(header, rows), machine("usearch"), sep="\n\n")


def trained(name: str) -> palate.Recommender:
    """Return `ials` trained on a real set, or on generated clicks of so many items."""
    if name == "gowalla":
        table = pl.read_parquet(Path(os.environ["PALATE_DATA"]) / "gowalla" / "train.parquet")
        return palate.ImplicitALS(64, n_epochs=8, random_state=0).fit(
            palate.Interactions.from_table(table), progress=None
        )
    n = int(name)
    user, item = generated.clicks(20 * n, n // 2, n)
    data = generated.interactions(user, item, None, n // 2, n)
    return palate.ImplicitALS(64, n_epochs=3, reg=0.01, random_state=0).fit(data, progress=None)


def measured(name: str) -> list[str]:
    """Return a row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        palate.save(trained(name), path)
        with open_store(f"sqlite:///{folder}/shop.db") as store:
            ns = store.namespace()
            number = versions.add(store, ns, path, many=1)
            graph = versions.listed(store, ns)[0].details["candidates"]
            loaded = versions.load(store, ns, number)
            row = figures(loaded)
        print(name, graph, row, flush=True)
        return [f"{len(loaded.model.items_):,}", f"{graph['seconds']:.0f}", f"{graph['bytes'] / 1e6:.0f}", *row]


def figures(loaded: Any) -> list[str]:
    """Return recall and times."""
    near_module.FEW, near_module.COST = 0, 1  # filters are to be answered by candidates, of small catalogues, too
    model, rng = loaded.model, np.random.default_rng(0)
    users = rng.choice(np.flatnonzero(model.seen_.sizes > 0), ASKED, replace=False).astype(np.int32)
    plain = model.ranker.scorer
    rankers = [Ranker(lambda scorer=scorer: scorer, model.item_order, model.seen_)
               for scorer in (near(plain, loaded.candidates), plain)]  # fmt: skip
    masks = [None, *(rng.random(len(model.items_)) < share for share in SHARES)]
    recalls = [recall(*(lists(ranker, users, 100, mask) for ranker in rankers)) for mask in masks]
    times = [timed(rankers[0], users, 100), timed(rankers[0], users, 500), timed(rankers[1], users, 500)]
    begun = time.process_time()
    lists(rankers[1], users[:TOGETHER], 500, None)
    times.append(1000 * (time.process_time() - begun) / TOGETHER)
    return [*(f"{of:.3f}" for of in recalls), *(f"{of:.1f}" for of in times)]


def lists(ranker: Any, users: Any, n: int, allowed: Any) -> Any:
    """Return lists, what the users had left out."""
    return ranker.lists(users, n, excluded=[ranker.had], allowed=allowed, n_threads=1).items


def recall(found: Any, exact: Any) -> float:
    """Return the mean share of the exact lists that was found."""
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, exact, strict=True)]))


def timed(ranker: Any, users: Any, n: int) -> float:
    """Return the median of the processor's milliseconds of single lists."""
    times = []
    for user in users[:40]:
        begun = time.process_time()
        lists(ranker, np.array([user], np.int32), n, None)
        times.append(1000 * (time.process_time() - begun))
    return statistics.median(times)


if __name__ == "__main__":
    main()
