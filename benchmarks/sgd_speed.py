"""Ratings a second of an epoch of SGD with 100 factors, and the time to equal held-out error, beside LIBMF with AVX."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import generated
import numpy as np
import peers
from common import arguments, machine, markdown, publish

from palate import Interactions, MatrixFactorization
from palate.data.splits.making import split
from palate.models.sgd.rating_blocks import JUDGED

RATINGS, USERS, ITEMS, FACTORS = 10_000_000, 70_000, 11_000, 100
EPOCHS = (2, 12)  # of the peer, whose epoch is told by the difference of two fits
OURS = {"learning_rate": 0.01, "reg": 0.05, "reg_biases": 0.02}
THEIRS = {"eta": 0.1, "reg": 0.05}
LONGEST = (5, 10)  # fits that are compared by their held-out error
TURNS = 2


@dataclass
class Fit:
    """Seconds of a whole fit, of its fastest epoch, and the error on what was held out."""

    seconds: float
    epoch: float
    rmse: float


def main() -> None:
    options = arguments(__doc__ or "")
    train, test = split(generated.ratings(RATINGS, USERS, ITEMS), 0.05, 1)
    arrays = {
        "user": train.user_index, "item": train.item_index, "values": train.values, "test_user": test.user_index,
        "test_item": test.item_index, "test_values": test.values, "low": np.array(0.5),
    }  # fmt: skip
    ours(train.take(np.arange(1000)), test, 1, 1)  # compiles the kernels
    rows = []
    for threads in (1, 2):
        epochs: dict[str, list[float]] = {"palate": [], "LIBMF": []}
        for _ in range(TURNS):  # in turns
            epochs["palate"].append(ours(train, test, 3, threads).epoch)
            fits = [theirs(arrays, n, threads) for n in EPOCHS]
            epochs["LIBMF"].append((fits[1].seconds - fits[0].seconds) / (EPOCHS[1] - EPOCHS[0]))
        least = {name: min(seconds) for name, seconds in epochs.items()}
        peer = [theirs(arrays, n, threads) for n in LONGEST]
        goal = min(peer, key=lambda fit: fit.rmse)
        own = [ours(train, test, n, threads) for n in LONGEST]
        reached = [fit for fit in own if fit.rmse <= goal.rmse] or [min(own, key=lambda fit: fit.rmse)]
        for name, fit in (("palate", min(reached, key=lambda fit: fit.seconds)), ("LIBMF", goal)):
            speed = len(train) / least[name] / 1e6
            ratio = f"{least[name] / least['palate']:.2f}"
            rows.append([str(threads), name, f"{speed:.1f}", ratio, f"{fit.rmse:.4f}", f"{fit.seconds:.1f}"])
            print(rows[-1], [f"{one:.2f}" for one in epochs[name]], flush=True)
    header = ["threads", "library", "M ratings/s", "s an epoch over ours", "held-out RMSE", "s of the whole fit to it"]
    told = (
        f"{len(train):,} ratings, {USERS:,} users, {ITEMS:,} items, generated, {FACTORS} factors; the fastest epoch of "
        f"{TURNS} turns (ours with the error of at most {JUDGED:,} ratings of the training part; LIBMF: a fit of "
        f"{EPOCHS[1]} less one of {EPOCHS[0]}). Fits of {', '.join(map(str, LONGEST))} epochs; the error is LIBMF's "
        f"lowest, and ours of the fastest fit that is not above it. LIBMF {peers.version_of('libmf')}; {machine()}"
    )
    publish("sgd-speed", f"{markdown(header, rows)}\n\n{told}", write=options.write)


def ours(train: Interactions, test: Interactions, n_epochs: int, threads: int) -> Fit:
    model = MatrixFactorization(
        FACTORS, n_epochs=n_epochs, validation_fraction=0.0, store_history=False, random_state=1, n_threads=threads,
        **OURS,
    )  # fmt: skip
    started = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - started
    rmse = np.sqrt(np.mean((model.predict_index(test.user_index, test.item_index) - test.values) ** 2))
    return Fit(seconds, min(one["seconds"] for one in model.history_), float(rmse))


def theirs(arrays: dict[str, Any], n_epochs: int, threads: int) -> Fit:
    report = peers.run("libmf", arrays, threads, factors=FACTORS, epochs=n_epochs, **THEIRS)
    return Fit(report["seconds"][0], 0.0, report["rmse"])


if __name__ == "__main__":
    main()
