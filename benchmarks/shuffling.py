"""What coarser shuffling costs: the same model and epochs with 1, 4, 16 and 64 blocks of users and of items.

One block is strictly random order; with more, ratings of one block stay together, in an order that is new every epoch.
Measured on a validation part of the training rows (never the test part), over ten seeds.
"""

from __future__ import annotations

import time

import numpy as np
from common import arguments, machine, markdown, publish

from palate import MatrixFactorization, load_movielens, split

BLOCKS = (1, 4, 16, 64)
SEEDS = range(10)


def main() -> None:
    options = arguments(__doc__ or "")
    train, _ = split(load_movielens("100k").interactions)
    rows = []
    base: list[float] = []
    for n_blocks in BLOCKS:
        found, seconds = [], []
        for seed in SEEDS:
            part, validation = split(train, 0.1, seed)
            started = time.perf_counter()
            model = MatrixFactorization(n_blocks=n_blocks, random_state=seed).fit(part, validation=validation)
            seconds.append((time.perf_counter() - started) / len(model.history_))
            found.append(model.history_[model.best_epoch_ - 1]["validation_rmse"])
        base = base or found
        change = np.subtract(found, base)
        error = np.std(change, ddof=1) / np.sqrt(len(change))
        difference = "" if n_blocks == 1 else f"{np.mean(change):+.4f} ± {error:.4f}"
        rows.append([str(n_blocks), f"{np.mean(found):.4f}", difference, f"{min(seconds) * 1e3:.1f}"])
    header = ["blocks a side", "validation RMSE", "against one block (± standard error)", "ms an epoch"]
    publish("shuffling", f"{markdown(header, rows)}\n\nTen seeds. {machine()}", write=options.write)


if __name__ == "__main__":
    main()
