"""Random search for the defaults of MatrixFactorization, on validation parts of the training rows only.

MovieLens 100K, split random:0.2:42: the test part is never touched. Two validation parts of an eighth of the training
rows each; a setting's figure is the mean of its best clipped validation RMSE.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import arguments, machine, markdown, publish

from palate import MatrixFactorization, load_movielens, split
from palate.errors import DivergenceError

SETTINGS = 200
SHOWN = 10


def main() -> None:
    options = arguments(__doc__ or "")
    train, _ = split(load_movielens("100k").interactions)
    folds = [split(train, 0.125, seed) for seed in range(2)]
    rng = np.random.default_rng(1)
    found: list[tuple[float, list[int], dict[str, Any]]] = []
    for setting in [draw(rng) for _ in range(SETTINGS)]:
        try:
            fits = [MatrixFactorization(random_state=0, patience=5, **setting).fit(a, validation=b) for a, b in folds]
        except DivergenceError:
            continue
        figure = np.mean([m.history_[m.best_epoch_ - 1]["validation_rmse"] for m in fits])
        found.append((float(figure), [m.best_epoch_ for m in fits], setting))
    found.sort(key=lambda one: one[0])
    names = list(found[0][2])
    rows = [[f"{f:.4f}", str(e), *(text(s[n]) for n in names)] for f, e, s in found[:SHOWN]]
    table = markdown(["validation RMSE", "best epochs", *names], rows)
    publish(
        "tune-mf",
        f"{table}\n\nThe best {SHOWN} of {SETTINGS} settings ({SETTINGS - len(found)} diverged). {machine()}",
        write=options.write,
    )


def draw(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "n_factors": int(rng.choice([50, 100, 200])),
        "learning_rate": float(10 ** rng.uniform(-2.6, -1.7)),
        "reg": float(10 ** rng.uniform(-1.5, -0.7)),
        "reg_biases": float(10 ** rng.uniform(-3, -1)),
        "init_scale": float(10 ** rng.uniform(-2, -0.7)),
        "schedule": str(rng.choice(["linear", "constant"])),
        "n_epochs": int(rng.choice([30, 60, 100])),
    }


def text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
