"""The 100 nearest neighbours of 20,000 items by cosine, beside implicit's `nearest_neighbours`, and their agreement."""

from __future__ import annotations

import time
from functools import partial

import generated
import numpy as np
import peers
from common import arguments, machine, markdown, publish

import palate

CLICKS, USERS, ITEMS, NEIGHBOURS, RUNS = 2_000_000, 40_000, 20_000, 100, 3


def main() -> None:
    options = arguments(__doc__ or "")
    users, items = generated.clicks(CLICKS, USERS, ITEMS)
    values = np.ones(len(users), np.float32)
    data = generated.interactions(users, items, values, USERS, ITEMS)
    arrays = {"user": users, "item": items, "values": values, "n_users": np.array(USERS), "n_items": np.array(ITEMS)}
    rows = []
    for threads in (1, 2):
        fit = partial(palate.ItemKNN(NEIGHBOURS, shrinkage=0.0, n_threads=threads).fit, data)
        fit()
        ours, theirs = [], []
        for _ in range(RUNS):  # alternately
            started = time.perf_counter()
            model = fit()
            ours.append(time.perf_counter() - started)
            report = peers.run("implicit_neighbours", arrays, threads, neighbours=NEIGHBOURS, runs=1)
            theirs += report["seconds"]
        same = agreement(model, report)
        best = min(ours)
        rows.append([str(threads), "palate", f"{best:.2f}", "1.00", ""])
        rows.append(
            [str(threads), "implicit", f"{min(theirs):.2f}", f"{min(theirs) / best:.2f}", f"{100 * same:.2f} %"]
        )
    header = ["threads", "library", "s", "its time over ours", "of its sums of weights, ours"]
    told = (
        f"{len(users):,} clicks of {USERS:,} users; ours: the whole fit, checks and all. Fastest of {RUNS}. "
        f"implicit {peers.version_of('implicit')}; {machine()}"
    )
    publish("similarities-speed", f"{markdown(header, rows)}\n\n{told}", write=options.write)


def agreement(model: palate.ItemKNN, theirs: dict[str, np.ndarray]) -> float:
    """Return the sum of our weights over that of theirs, the weight of an item to itself left out of theirs."""
    return float(model.weights_values_.sum(dtype=np.float64) / theirs["total"])


if __name__ == "__main__":
    main()
