"""Milliseconds to fold in one user of 50 items, 128 factors, beside implicit's recalculate_user."""

from __future__ import annotations

import time

import generated
import numpy as np
import peers
from common import arguments, machine, markdown, publish

from palate import ImplicitALS
from palate.data.interactions import Interactions

SIZE, FACTORS, RUNS = (500_000, 10_000, 20_000), 128, 200


def main() -> None:
    options = arguments(__doc__ or "")
    user, item = generated.clicks(*SIZE)
    data = generated.interactions(user, item, None, *SIZE[1:])
    counts = np.bincount(user, minlength=SIZE[1])
    one = int(np.argmin(np.abs(counts - 50)))
    given = {"reg": 0.01, "unobserved_weight": 1.0, "random_state": 0, "n_threads": 1}
    model = ImplicitALS(FACTORS, n_epochs=1, **given).fit(data)
    rows = data.take(np.flatnonzero(user == one))
    new = Interactions.from_table({"user": ["new"] * len(rows), "item": rows.items.at(rows.item_index)})
    ours, lists = (timed(call) for call in (lambda: model.fold_in(new), lambda: model.recommend_for(new)))
    arrays = {"user": user, "item": item, "n_users": np.array(SIZE[1]), "n_items": np.array(SIZE[2])}
    arrays["one"] = np.array(one)
    theirs = min(peers.run("implicit_foldin", arrays, 1, factors=FACTORS, runs=RUNS)["seconds"])
    table = [
        ["palate, fold_in", f"{ours * 1e3:.2f}", "1.00"],
        ["implicit, recalculate_user", f"{theirs * 1e3:.2f}", f"{theirs / ours:.2f}"],
        ["palate, recommend_for: a list of 10 with titles", f"{lists * 1e3:.2f}", f"{lists / ours:.2f}"],
    ]
    told = f"{len(rows)} items of {SIZE[2]:,}, fastest of {RUNS}. implicit {peers.version_of('implicit')}; {machine()}"
    publish("foldin-speed", f"{markdown(['what', 'ms', 'ratio'], table)}\n\n{told}", write=options.write)


def timed(call) -> float:  # type: ignore[no-untyped-def]
    call()
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


if __name__ == "__main__":
    main()
