"""What each part of BayesianMF brings on validation data: inner splits of the training part of random:0.2:42."""

from __future__ import annotations

import sys
from typing import Any
from unittest.mock import patch

import numpy as np
from common import arguments, machine, markdown, publish

import palate
from palate.data.splits.making import make_splits
from palate.models.bayes.asked import Asked
from palate.models.contract.attributes import features_of

SEEDS = (11, 12, 13)
OWN_CELL = "without the pair's own cell"
CHOICES: dict[str, dict[str, Any]] = {
    "default": {},
    OWN_CELL: {},
    "without the components of the incidence": {"n_components": 0},
    "30 components": {"n_components": 30},
    "without incidence": {"incidence": False},
    "without incidence and components": {"incidence": False, "n_components": 0},
    "one noise for all": {"scale_df": None},
    "24 factors": {"n_factors": 24},
    "weak prior of the noise": {"noise_shape": 1.0, "noise_rate": 1.0},
    "weak prior of the rows": {"wishart_df": 0.0, "wishart_scale": 1.0},
    "wishart_scale 3": {"wishart_scale": 3.0},
    "ordinal likelihood": {"likelihood": "ordinal"},
    "init_scale 0.1": {"init_scale": 0.1},
    "400 sweeps": {"n_sweeps": 400},
    "1,600 sweeps": {"n_sweeps": 1600},
}


def main() -> None:
    options = arguments(__doc__ or "")
    source = palate.load_movielens("100k")
    train = parts_of(source.interactions, "random:0.2:42")[0]
    splits = [parts_of(train, f"random:0.2:{seed}") for seed in SEEDS]
    known = features_of(source)
    found: dict[str, np.ndarray] = {}
    for name, changes in {**CHOICES, "without attributes": {}}.items():
        features = {} if name == "without attributes" else known
        with patch.object(Asked, "add", _nothing if name == OWN_CELL else Asked.add):
            found[name] = np.array([rmse(changes, *parts, features) for parts in splits])
        print(name, found[name].round(4), file=sys.stderr, flush=True)
    rows = [[name, f"{errors.mean():.4f}", difference(errors - found["default"])] for name, errors in found.items()]
    header = ["model", "validation RMSE", "less the default (± standard error)"]
    told = (
        f"{len(SEEDS)} inner splits of the training part of random:0.2:42, one seed; the test part is not looked at. "
    )
    publish("bayes-choices", f"{markdown(header, rows)}\n\n{told}{machine()}", write=options.write)


def _nothing(*_: Any) -> None:
    """Add nothing."""


def parts_of(data: Any, split: str) -> tuple[Any, Any]:
    (one, *_) = make_splits(data, split)
    return data.take(one.train), data.take(one.test)


def rmse(changes: dict[str, Any], train: Any, test: Any, features: dict[str, Any]) -> float:
    model = palate.BayesianMF(**changes, random_state=0).fit(train, **features)
    return float(np.sqrt(np.mean((np.clip(model.predict_rows(test), 1, 5) - test.values) ** 2)))


def difference(found: np.ndarray) -> str:
    if not found.any():
        return ""
    return f"{found.mean():+.4f} ± {found.std(ddof=1) / len(found) ** 0.5:.4f}"


if __name__ == "__main__":
    main()
