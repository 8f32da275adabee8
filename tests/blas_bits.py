"""Print a hash of all that each model learns and answers, and BLAS's number of threads; run by `test_blas_threads`."""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np
import own_cache  # noqa: F401 - of a worker of tests
import polars as pl
from synthetic import low_rank
from threadpoolctl import threadpool_info

from palate import MODELS, Features

SMALL = {
    "random_state": 0,
    "n_factors": 24,
    "n_epochs": 3,
    "n_threads": 2,
    "positive": "any",
    "n_sweeps": 6,
    "n_burn_in": 2,
    "n_components": 8,
    "reg_users": 1.0,
    "reg_items": 1.0,
}


def main() -> None:
    """Fit every model on the same made-up ratings."""
    data = low_rank(500, 400, 12000)
    rng = np.random.default_rng(0)
    user = pl.DataFrame({"user_id": data.users.values, **{f"x{i}": rng.normal(size=500) for i in range(20)}})
    item = pl.DataFrame({"item_id": data.items.values, **{f"y{i}": rng.normal(size=400) for i in range(20)}})
    known = {"user_features": Features.from_table(user, "user"), "item_features": Features.from_table(item, "item")}
    found = {}
    for key, cls in MODELS.items():
        given = SMALL | ({"n_threads": 1} if cls.own_blas_threads else {})
        model = cls(**{name: value for name, value in given.items() if name in cls.parameter_names()})
        model.fit(data, **(known if "features" in cls.supports else {}))
        found[key] = {**learned(model), **answers(model, data)}
    json.dump(
        {"blas": [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"], **found}, sys.stdout
    )


def learned(model) -> dict[str, str]:
    return {name: digest(getattr(model, name)) for name in model.learned_.ARRAYS}


def answers(model, data) -> dict[str, str]:
    users, item = data.users.values[:50], data.items.values[3]
    found = {"lists": model.recommend(users.to_list(), n=5)["score"].to_numpy()}
    if "predict" in model.supports:
        found["predictions"] = model.predict_rows(data)
    if "fold_in" in model.supports:
        found["newcomers"] = model.recommend_for(data.take(np.arange(2000)), n=5)["score"].to_numpy()
    if "explain" in model.supports:
        found["parts"] = model.explain(users[0], item).parts["contribution"].to_numpy()
    if "predict_distribution" in model.supports:
        found["spread"] = model.predictive_of(data.take(np.arange(500))).std()
        found["samples"] = model.sample_scores(users.to_list(), random_state=0)
        found["questions"] = model.questions(5)["gain"].to_numpy()
    return {name: digest(values) for name, values in found.items()}


def digest(values) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    main()
