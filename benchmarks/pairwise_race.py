"""Seconds of a fit until held-out lists of Gowalla are as good as a peer's best, of several rates and epochs."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

import peers
from common import arguments, machine, markdown, publish
from quality import gowalla_parts, parts_of

import palate

LIBRARIES = "implicit", "lightfm-next"
FACTORS, THREADS, METRIC = 64, 2, "ndcg@20"
EPOCHS = (5, 10, 20, 40)
OURS: dict[str, dict[str, Any]] = {
    "bpr": {"learning_rate": 0.3, "reg_users": 0.01, "reg_items": 0.005, "reg_negatives": 0.005, "reg_biases": 1.0},
    "warp": {"learning_rate": 0.0075, "reg_users": 3.8, "reg_items": 1.1, "reg_negatives": 0.4, "reg_biases": 0.5},
}
RATES = {"bpr": (0.1, 0.3), "warp": (0.003, 0.0075)}  # ours; penalties found on the same validation part
PEERS = {
    "implicit, BPR": ("bpr", "implicit_bpr", (0.01, 0.05)),
    "LightFM, BPR": ("bpr", "lightfm_bpr", (0.05, 0.1)),
    "LightFM, WARP": ("warp", "lightfm_warp", (0.05, 0.1)),
}


@dataclass
class Fit:
    """What was asked, how long it took, and what its lists are worth."""

    rate: float
    epochs: int
    seconds: float
    worth: float


def main() -> None:
    options = arguments(__doc__ or "")
    train, _ = gowalla_parts()
    train, held = parts_of(train, "random:0.1:7")
    for loss in RATES:
        ours(loss, 0.001, 1, train, held)  # compiles the kernels
    own = {loss: [ours(loss, rate, n, train, held) for rate in rates for n in (*EPOCHS, 80)]
           for loss, rates in RATES.items()}  # fmt: skip
    rows = []
    for name, (loss, task, rates) in PEERS.items():
        fits = [theirs(task, rate, n, train, held) for rate in rates for n in EPOCHS]
        goal = max(fits, key=lambda fit: fit.worth)
        reached = [fit for fit in own[loss] if fit.worth >= goal.worth] or [max(own[loss], key=lambda fit: fit.worth)]
        fastest = min(reached, key=lambda fit: fit.seconds)
        for label, fit in ((name, goal), (f"`{loss}`", fastest)):
            told = f"learning_rate {fit.rate:g}, {fit.epochs} epochs"
            rows.append([label, f"{fit.worth:.4f}", f"{fit.seconds:.1f}", f"{fit.seconds / fastest.seconds:.1f}", told])
            print(rows[-1], file=sys.stderr, flush=True)
    header = ["model", METRIC, "s of the fit", "over ours", "by"]
    text = (
        f"Gowalla, a tenth of the training part held out; {FACTORS} factors, {THREADS} threads. Of each peer the best "
        f"fit of {', '.join(map(str, EPOCHS))} epochs at two rates, below it the fastest of ours (80 epochs too, two "
        f"rates) that is not worse. {', '.join(f'{name} {peers.version_of(name)}' for name in LIBRARIES)}; "
        f"{machine()}"
    )
    publish("pairwise-race", f"{markdown(header, rows)}\n\n{text}", write=options.write)


def ours(loss: str, rate: float, n_epochs: int, train: Any, held: Any) -> Fit:
    model = palate.MODELS[loss](
        FACTORS, n_epochs=n_epochs, validation_fraction=0.0, positive="any", random_state=1, n_threads=THREADS,
        **OURS[loss] | {"learning_rate": rate},
    )  # fmt: skip
    started = time.perf_counter()
    model.fit(train)
    return Fit(rate, n_epochs, time.perf_counter() - started, worth(model, train, held))


def theirs(task: str, rate: float, n_epochs: int, train: Any, held: Any) -> Fit:
    arrays = {
        "user": train.user_index, "item": train.item_index, "n_users": train.n_users, "n_items": train.n_items,
    }  # fmt: skip
    found = peers.run(task, arrays, THREADS, factors=FACTORS, epochs=n_epochs, learning_rate=rate)
    return Fit(rate, n_epochs, found["whole"], worth(peers.as_ours(found, train), train, held))


def worth(model: Any, train: Any, held: Any) -> float:
    return float(palate.measure(model, train, held, [METRIC]).values[METRIC])


if __name__ == "__main__":
    main()
