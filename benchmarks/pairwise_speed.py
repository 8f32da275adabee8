"""Seconds of an epoch of BPR and WARP, and the time to equal ranked lists, beside implicit and LightFM."""

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
from palate.data.splits import split

SIZE = (9_400_000, 136_000, 20_700)  # clicks, users, items
FACTORS, EPOCHS, TURNS = 64, 2, 1
JUDGED = 5_000  # users whose lists are judged
LONGEST = (3, 6)
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
        fits = {name: [call(n) for n in LONGEST] for name, call in calls.items()} if threads == 2 else {}
        for name, seconds in least.items():
            told = ["", ""]
            if fits:
                goal = max(fit.ndcg for other, found in fits.items() if other != "palate" for fit in found)
                reached = [fit for fit in fits[name] if fit.ndcg >= goal] or [max(fits[name], key=lambda f: f.ndcg)]
                best = min(reached, key=lambda fit: fit.seconds)
                told = [f"{best.ndcg:.4f}", f"{best.seconds:.1f}"]
            ratio = f"{seconds / least['palate']:.2f}"
            rows.append([f"{loss.upper()}, {threads}", name, f"{seconds:.2f}", ratio, *told])
            print(rows[-1], file=sys.stderr, flush=True)
    header = ["loss, threads", "library", "s an epoch", "over ours", "NDCG@10", "s of the whole fit to it"]
    words = ", ".join(f"{n} {peers.version_of(n)}" for n in ("implicit", "lightfm-next"))
    text = (
        f"{len(train):,} clicks, {SIZE[1]:,} users, {SIZE[2]:,} items, generated, {FACTORS} factors, as many draws an "
        f"epoch as clicks; the faster of {EPOCHS * TURNS} epochs. Fits of {', '.join(map(str, LONGEST))} "
        f"epochs with each library's own rates and penalties (ours {OURS}); NDCG@10 of {JUDGED:,} users on clicks held "
        f"out: the fastest fit not below the best peer's, or the best. {words}; {machine()}"
    )
    publish("pairwise-speed", f"{markdown(header, rows)}\n\n{text}", write=options.write)


OURS: dict[str, dict[str, Any]] = {
    "bpr": {"learning_rate": 0.05, "reg_users": 0.003, "reg_items": 0.001, "reg_negatives": 0.001},
    "warp": {"learning_rate": 0.005, "reg_users": 0.1, "reg_items": 0.03, "reg_negatives": 0.03},
}
PEERS = {"bpr": {"implicit": "implicit_bpr", "LightFM": "lightfm_bpr"}, "warp": {"LightFM": "lightfm_warp"}}


def ours(train: Interactions, test: Interactions, loss: str, threads: int, n_epochs: int) -> Fit:
    model = palate.MODELS[loss](
        FACTORS, n_epochs=n_epochs, validation_fraction=0.0, random_state=1, n_threads=threads, **OURS[loss]
    )
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
