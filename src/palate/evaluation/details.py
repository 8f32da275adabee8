"""What a report shows of one model on one split: calibration, errors by popularity and activity, example users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.evaluation.measuring import Measured
from palate.metrics import quantile_groups
from palate.models.contract.base import Recommender

BINS = 10
EXAMPLES = (0.1, 0.5, 0.9)  # users at these quantiles of activity
LIKED, SHOWN = 5, 8
SIDE = 1.96  # normal quantile of 95 % intervals


def details_of(
    model: Recommender, train: Interactions, test: Interactions, measured: Measured, users: pl.DataFrame | None
) -> dict[str, Any]:
    """Return the details as JSON values; those that need predicted ratings or lists are None without them."""
    out: dict[str, Any] = {
        "history": model.history_,
        "best_epoch": model.best_epoch_,
        **dict.fromkeys(("calibration", "error_by_popularity", "error_by_activity")),
        "examples": [],
    }
    if measured.predicted is not None:
        predicted = np.clip(measured.predicted, *model.rating_range_)
        squares = np.square(test.values - predicted)
        out["calibration"] = calibration(test.values, predicted)
        for name, index, n in (
            ("popularity", "item_index", train.n_items),
            ("activity", "user_index", train.n_users),
        ):
            counts = np.bincount(getattr(train, index), minlength=n)
            out[f"error_by_{name}"] = error_by(counts[getattr(test, index)], squares)
    if measured.lists is not None:
        out["examples"] = _examples(model, train, test, measured, users)
    return out


def calibration(truth: NDArray[Any], predicted: NDArray[Any]) -> list[dict[str, float]]:
    """Return mean prediction and mean rating in ten bins of equal size by prediction, with 95 % normal intervals."""
    order = np.argsort(predicted, kind="stable")
    bins = [part for part in np.array_split(order, min(BINS, len(order))) if len(part)]
    return [{"predicted": float(predicted[part].mean()), **_with_interval("actual", truth[part])} for part in bins]


def error_by(counts: NDArray[Any], squares: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Return RMSE by groups of a rating's number of training rows (of its item, or its user); none is its own group.

    Args:
        counts: (n,) training rows.
        squares: (n,) squared errors.
    """
    groups: list[tuple[str, NDArray[np.bool_]]] = [("none", counts == 0)]
    if (counts > 0).any():
        known = np.where(counts > 0, counts.astype(np.float64), np.nan)
        labels = quantile_groups(known, 5)
        groups += [
            (label, (labels == label).fill_null(value=False).to_numpy())
            for label in labels.drop_nulls().unique().sort()
        ]
    return [
        {"group": name, **{key: value if key == "n" else value**0.5 for key, value in figures.items()}}
        for name, inside in groups
        if inside.any()
        for figures in [_with_interval("rmse", squares[inside], low=0.0)]
    ]


def _with_interval(name: str, values: NDArray[Any], low: float = -np.inf) -> dict[str, float]:
    mean = float(values.mean(dtype=np.float64))
    side = SIDE * float(values.std(ddof=1, dtype=np.float64)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return {name: mean, "low": max(low, mean - side), "high": mean + side, "n": len(values)}


def _examples(
    model: Recommender, train: Interactions, test: Interactions, measured: Measured, users: pl.DataFrame | None
) -> list[dict[str, Any]]:
    """Return users of little, middling and great activity: what they liked, and what the model shows them."""
    activity = np.bincount(train.user_index, minlength=train.n_users)[measured.ranked]
    known = np.flatnonzero(activity > 0)
    if not len(known) or measured.lists is None:
        return []
    by_activity = known[np.argsort(activity[known], kind="stable")]
    places = dict.fromkeys(int(by_activity[int(q * (len(by_activity) - 1))]) for q in EXAMPLES)
    titles = model.item_table_["title"]
    out = []
    for place in places:
        user = int(measured.ranked[place])
        rows = np.flatnonzero(train.user_index == user)
        liked = rows[np.lexsort((rows, -train.values[rows]))][:LIKED]
        shown = measured.lists[place][measured.lists[place] >= 0][:SHOWN]
        scores = model.score_index(np.full(len(shown), user), shown)
        wanted = test.item_index[test.user_index == user]
        out.append(
            {
                "user": str(train.users.values[user]),
                "about": _about(train, user, len(rows), users),
                "liked": [{"title": titles[int(train.item_index[r])], "value": float(train.values[r])} for r in liked],
                "recommended": [
                    {"title": titles[int(i)], "score": float(s), "in_test": bool(np.isin(i, wanted))}
                    for i, s in zip(shown, scores, strict=True)
                ],
            }
        )
    return out


def _about(train: Interactions, user: int, n_rows: int, users: pl.DataFrame | None) -> str:
    words = [f"{n_rows:,} training rows"]
    if users is not None and "user_id" in users.columns:
        rows = users.filter(pl.col("user_id") == train.users.values[user])
        known: Mapping[str, Any] = rows.row(0, named=True) if len(rows) else {}
        words += [str(known[name]) for name in ("age", "gender", "occupation") if known.get(name) is not None]
    return ", ".join(words)
