"""Seconds of an epoch of BPR and WARP, beside implicit and LightFM, and of fits to equal lists of held-out clicks."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import generated
import numpy as np
import peers
from common import arguments, machine, markdown, publish

import palate
from palate.data.interactions import Interactions
from palate.data.splits.making import split

SIZE = (9_400_000, 136_000, 20_700)  # clicks, users, items
FACTORS, EPOCHS, TURNS = 64, 2, 1
JUDGED = 5_000  # users whose lists are judged
LONGEST = {"palate": (4, 8, 16)}  # epochs of fits compared by their lists
THEIRS = (4,)
METRIC = "ndcg@10"


@dataclass
class Fit:
    """Seconds of a whole fit, of its fastest epoch, and NDCG@10 of what was held out."""

    seconds: float
    epoch: float
    ndcg: float


def main() -> None:
    options = arguments(__doc__ or "")
    data = generated.interactions(*generated.clicks(*SIZE), None, *SIZE[1:])
    train, held = split(data, 0.02, 1)
    few = np.random.default_rng(0).permutation(SIZE[1])[:JUDGED]
    test = held.take(np.flatnonzero(np.isin(held.user_index, few)))
    arrays = {
        "user": train.user_index, "item": train.item_index, "n_users": np.array(SIZE[1]), "n_items": np.array(SIZE[2]),
    }  # fmt: skip
    rows = []
    for loss, threads in (("bpr", 1), ("bpr", 2), ("warp", 1), ("warp", 2)):
        calls = {"palate": partial(ours, train, test, loss, threads)}
        calls |= {name: partial(theirs, task, arrays, train, test, threads) for name, task in PEERS[loss].items()}
        ours(train.take(np.arange(1000)), test, loss, threads, 1)  # compiles the kernels
        least = {name: min(call(EPOCHS).epoch for _ in range(TURNS)) for name, call in calls.items()}
        fits = {name: [call(n) for n in LONGEST.get(name, THEIRS)] for name, call in calls.items() if threads == 2}
        whole = reached(fits) if fits else {}
        for name, seconds in least.items():
            told = [f"{whole[name].ndcg:.4f}", f"{whole[name].seconds:.1f}"] if whole else ["", ""]
            ratio = f"{seconds / least['palate']:.2f}"
            rows.append([f"{loss.upper()}, {threads}", name, f"{seconds:.2f}", ratio, *told])
            print(rows[-1], file=sys.stderr, flush=True)
    header = ["loss, threads", "library", "s an epoch", "over ours", "NDCG@10", "s of that fit"]
    words = ", ".join(f"{n} {peers.version_of(n)}" for n in ("implicit", "lightfm-next"))
    text = (
        f"{len(train):,} clicks, {SIZE[1]:,} users, {SIZE[2]:,} items, generated, {FACTORS} factors, as many draws "
        f"an epoch as clicks; the faster of {EPOCHS * TURNS} epochs. Fits with the "
        f"defaults of each: the peers' have {THEIRS[0]} epochs; ours is the fastest of "
        f"{', '.join(map(str, LONGEST['palate']))} epochs whose lists of clicks held out, of {JUDGED:,} users, are not "
        f"worse than the best peer's, or the best. {words}; {machine()}"
    )
    publish("pairwise-speed", f"{markdown(header, rows)}\n\n{text}", write=options.write)


def reached(fits: dict[str, list[Fit]]) -> dict[str, Fit]:
    """Return each peer's fit, and the fastest of ours that is not worse than the best of them, or the best of ours."""
    best = {name: max(some, key=lambda fit: fit.ndcg) for name, some in fits.items()}
    goal = max(fit.ndcg for name, fit in best.items() if name != "palate")
    enough = [fit for fit in fits["palate"] if fit.ndcg >= goal] or [best["palate"]]
    return best | {"palate": min(enough, key=lambda fit: fit.seconds)}


PEERS = {"bpr": {"implicit": "implicit_bpr", "LightFM": "lightfm_bpr"}, "warp": {"LightFM": "lightfm_warp"}}


def ours(train: Interactions, test: Interactions, loss: str, threads: int, n_epochs: int) -> Fit:
    model = palate.MODELS[loss](FACTORS, n_epochs=n_epochs, validation_fraction=0.0, random_state=1, n_threads=threads)
    started = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - started
    ndcg = palate.measure(model, train, test, [METRIC]).values[METRIC] if len(train) > 1000 else 0.0
    return Fit(seconds, min(one["seconds"] for one in model.history_), ndcg)


def theirs(task: str, arrays: dict[str, Any], train: Any, test: Any, threads: int, n_epochs: int) -> Fit:
    found = peers.run(task, arrays, threads, factors=FACTORS, epochs=n_epochs)
    model = peers.as_ours(found, train)
    ndcg = palate.measure(model, train, test, [METRIC]).values[METRIC]
    return Fit(found["whole"], min(found["seconds"]), ndcg)


if __name__ == "__main__":
    main()
