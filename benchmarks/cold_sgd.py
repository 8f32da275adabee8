"""Whole items and users held out of MovieLens 100K: the SGD models with features, beside LightFM with the same."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import optuna
import peers
from cold_start import ITEM_COLUMNS, USER_COLUMNS, _loss_of, ndcg, rmse
from common import arguments, machine, markdown, publish
from quality import arrays_of, in_words, parts_of, searched

import palate

TRIALS = 12
FEATURES = {"reg_features": (0.1, 1000.0)}
SPACES: dict[str, dict[str, tuple[float, float]]] = {
    "mf": {"factors": (4, 64), "epochs": (15, 80), "reg": (0.03, 0.2), **FEATURES},
    "bpr": {
        "factors": (4, 64), "epochs": (10, 60), "learning_rate": (0.02, 0.2), "reg_users": (0.003, 0.1),
        "reg_items": (0.001, 0.1), **FEATURES,
    },
    "warp": {
        "factors": (4, 64), "epochs": (10, 60), "learning_rate": (0.001, 0.01), "reg_users": (0.1, 4.0),
        "reg_items": (0.1, 4.0), **FEATURES,
    },
}  # fmt: skip
LIGHTFM = {
    "factors": (4, 64), "epochs": (5, 60), "learning_rate": (0.01, 0.1), "user_alpha": (1e-7, 1e-2),
    "item_alpha": (1e-7, 1e-2),
}  # fmt: skip


def main() -> None:
    options = arguments(__doc__ or "")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = palate.load_movielens("100k")
    features = (
        palate.Features.from_table(data.users, "user", columns=USER_COLUMNS),
        palate.Features.from_table(data.items, "item", columns=ITEM_COLUMNS),
    )
    scores = {f"`{key}` with features": (SPACES[key], partial(ours, key, features)) for key in SPACES}
    for loss in ("bpr", "warp"):
        scores[f"LightFM, {loss.upper()}, with features"] = LIGHTFM, partial(lightfm, loss, features)
    rows = []
    for split, validation in (("cold-items:0.2:42", "cold-items:0.2:7"), ("cold-users:0.2:42", "cold-users:0.2:7")):
        train, test = parts_of(data.interactions, split)
        inner, held = parts_of(train, validation)
        for name, (space, score) in scores.items():
            best = searched(partial(_loss_of, score, inner, held), space, "minimize", TRIALS)
            said = ["" if np.isnan(figure) else f"{figure:.4f}" for figure in score(best, train, test)]
            rows.append(["" if len(rows) % len(scores) else split, name, *said, in_words(best)])
            print(rows[-1], flush=True)
    header = ["split", "model", "RMSE", "NDCG@10", "found by search"]
    told = f"{TRIALS} trials each; splits, features and figures as in the table before. lightfm-next "
    text = f"{markdown(header, rows)}\n\n{told}{peers.version_of('lightfm-next')}; {machine('optuna')}"
    publish("cold-sgd", text, write=options.write)


def ours(key: str, features: Any, parameters: dict[str, Any], train: Any, test: Any) -> tuple[float, float]:
    words = {"factors": "n_factors", "epochs": "n_epochs"}
    given = {words.get(name, name): value for name, value in parameters.items()}
    if key != "mf":
        given |= {"positive": 4, "reg_negatives": given["reg_items"]}
    model = palate.MODELS[key](**given, validation_fraction=0.0, random_state=0)
    model.fit(train, user_features=features[0], item_features=features[1])
    scores = model.score_rows(np.arange(train.n_users))
    return rmse(scores, test) if key == "mf" else float("nan"), ndcg(scores, train, test)


def lightfm(loss: str, features: Any, parameters: dict[str, Any], train: Any, test: Any) -> tuple[float, float]:
    clicks = train.take(np.flatnonzero(train.values >= 4))
    arrays = arrays_of(clicks) | {"U": features[0].on(train.users)[:, 1:], "I": features[1].on(train.items)[:, 1:]}
    del arrays["values"]
    found = peers.run(f"lightfm_{loss}", arrays, 2, **parameters)
    scores = found["P"] @ found["Q"].T + found["c"]
    return float("nan"), ndcg(scores, train, test)


if __name__ == "__main__":
    main()
