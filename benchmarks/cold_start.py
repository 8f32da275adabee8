"""Whole items and users held out of MovieLens 100K: `als` and `ials` with features, beside cmfrec with the same."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import optuna
import peers
from common import arguments, machine, markdown, publish
from quality import arrays_of, in_words, parts_of, searched

import palate

TRIALS = 15
USER_COLUMNS, ITEM_COLUMNS = ["age", "gender", "occupation"], ["genres", "year"]


def main() -> None:
    options = arguments(__doc__ or "")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = palate.load_movielens("100k")
    features = (
        palate.Features.from_table(data.users, "user", columns=USER_COLUMNS),
        palate.Features.from_table(data.items, "item", columns=ITEM_COLUMNS),
    )
    rows = []
    for split, validation in (("cold-items:0.2:42", "cold-items:0.2:7"), ("cold-users:0.2:42", "cold-users:0.2:7")):
        train, test = parts_of(data.interactions, split)
        inner, held = parts_of(train, validation)
        for name, space, score in contenders(features):
            call = partial(_loss_of, score, inner, held)
            best = searched(call, space, "minimize", TRIALS) if space else {}
            found = score(best, train, test)
            said = ["" if np.isnan(figure) else f"{figure:.4f}" for figure in found]
            rows.append([split if name.startswith("mean") else "", name, *said, in_words(best)])
            print(rows[-1], flush=True)
    header = ["split", "model", "RMSE", "NDCG@10", "found by search"]
    told = (
        f"{TRIALS} trials each, for RMSE (`ials`: NDCG) on whole items or users held out of the training part again. "
        "NDCG@10: ratings from 4 are relevant; for cold items the held-out items are ranked, for cold users all. "
    )
    publish("cold-start", f"{markdown(header, rows)}\n\n{told}{machine('optuna')}", write=options.write)


def _loss_of(score: Any, train: Any, test: Any, parameters: dict[str, Any]) -> float:
    """Return what a search lowers: RMSE, or where a model predicts no ratings minus NDCG."""
    error, gain = score(parameters, train, test)
    return float(-gain if np.isnan(error) else error)


def contenders(features: Any) -> list[tuple[str, dict[str, tuple[float, float]], Any]]:
    """Return names, search spaces, and (parameters, train, test) -> (RMSE, NDCG@10)."""
    of_users, of_items = features
    both = {"user_features": of_users, "item_features": of_items}

    def floor(_: Any, train: Any, test: Any) -> tuple[float, float]:
        b, p = palate.Baseline().fit(train), palate.Popularity().fit(train)
        every = np.arange(train.n_users)
        return rmse(b.score_rows(every), test), ndcg(p.score_rows(every), train, test)

    def als(parameters: dict[str, Any], train: Any, test: Any) -> tuple[float, float]:
        words = {"n_factors": parameters["factors"], "reg": parameters["reg"], "reg_features": parameters["features"]}
        model = palate.ALS(**words, n_epochs=15, random_state=0).fit(train, **both)
        scores = model.score_rows(np.arange(train.n_users))
        return rmse(scores, test), ndcg(scores, train, test)

    def ials(parameters: dict[str, Any], train: Any, test: Any) -> tuple[float, float]:
        words = {"n_factors": parameters["factors"], "reg": parameters["reg"], "reg_features": parameters["features"]}
        words["unobserved_weight"] = parameters["unobserved"]
        model = palate.ImplicitALS(**words, n_epochs=12, positive=4, random_state=0).fit(train, **both)
        value = ndcg(model.score_rows(np.arange(train.n_users)), train, test)
        return float("nan"), value

    def cmfrec(parameters: dict[str, Any], train: Any, test: Any) -> tuple[float, float]:
        arrays = arrays_of(train) | {
            "U": of_users.on(train.users)[:, 1:], "I": of_items.on(train.items)[:, 1:]
        }  # fmt: skip
        scores = peers.run("cmfrec_cold", arrays, 1, **parameters)["scores"]
        return rmse(scores, test), ndcg(scores, train, test)

    own = {"factors": (4, 64), "reg": (0.1, 10.0), "features": (0.1, 1000.0)}
    of_clicks = {**own, "reg": (0.001, 1.0), "unobserved": (0.003, 1.0)}
    theirs = {"factors": (4, 64), "reg": (0.01, 1.0), "w_user": (0.05, 20.0), "w_item": (0.05, 20.0)}

    return [
        ("mean and biases; popularity", {}, floor),
        ("`als` with features", own, als),
        ("`ials` with features", of_clicks, ials),
        ("cmfrec with features", theirs, cmfrec),
    ]


def rmse(scores: np.ndarray, test: Any) -> float:
    guess = np.clip(scores[test.user_index, test.item_index], 1, 5)
    return float(np.sqrt(np.mean((guess - test.values) ** 2)))


def ndcg(scores: np.ndarray, train: Any, test: Any) -> float:
    """Return NDCG@10 over the users with a test rating of 4 or 5, of their lists of what they had not had.

    As Palate measures: expected values where scores tie, and the popular list where all scores are equal.
    """
    scores = scores.astype(np.float64)
    left_out = np.zeros(scores.shape, bool)
    left_out[train.user_index, train.item_index] = True
    cold = np.setdiff1d(np.unique(test.item_index), np.unique(train.item_index))
    if len(cold) == len(np.unique(test.item_index)):  # whole items were held out: rank them
        left_out[:, np.setdiff1d(np.arange(train.n_items), cold)] = True
    popularity = palate.Popularity().fit(train).item_order.keys
    total = []
    for user in np.unique(test.user_index):
        relevant = test.item_index[(test.user_index == user) & (test.values >= 4)]
        if len(relevant):
            left = np.flatnonzero(~left_out[user])
            own = scores[user, left]
            total.append(_ndcg_of(own if np.ptp(own) else popularity[left], np.isin(left, relevant)))
    return float(np.mean(total))


def _ndcg_of(scores: np.ndarray, relevant: np.ndarray) -> float:
    """Return one user's NDCG@10: each item is worth the mean discount of the places of its tie."""
    _, group, size = np.unique(-scores, return_inverse=True, return_counts=True)
    gains = np.zeros(len(scores))
    gains[:10] = (1 / np.log2(np.arange(2, 12)))[: len(scores)]
    worth = np.bincount(np.repeat(np.arange(len(size)), size), gains) / size
    return float(worth[group[relevant]].sum() / gains[: relevant.sum()].sum())


if __name__ == "__main__":
    main()
