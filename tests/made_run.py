"""A comparison of made-up numbers, as `palate compare` would leave it: for figures and reports."""

from __future__ import annotations

import numpy as np
import polars as pl

from palate.evaluation import Comparison

GROUPS = {"activity": ("1 to 9", "10 to 20"), "gender": ("F", "M")}
CARD = {
    "name": "films",
    "users": 30,
    "items": 50,
    "ratings": 400,
    "sparsity": 0.7333,
    "mean": 3.5,
    "histogram": [("1", 40), ("2", 60), ("3", 100), ("4", 150), ("5", 50)],
    "per_user": {"fewest": 1.0, "quarter": 5.0, "median": 12.0, "three quarters": 18.0, "most": 40.0},
    "per_item": {"fewest": 1.0, "quarter": 2.0, "median": 7.0, "three quarters": 11.0, "most": 30.0},
    "first": "2020-01-01",
    "last": "2021-02-03",
    "top": [("Alien (1979)", 30, 4.25), ("Big (1988)", 28, 3.5)],
    "notes": ("read from /home/ann/secret", "dropped 2 rows: no value"),
}


def made_run(
    labels=("popularity", "baseline", "mf"),
    metrics=("rmse", "ndcg@10"),
    *,
    n_folds=1,
    titles=("Alien (1979)", "Big (1988)", "Casino (1995)"),
    best=-1,
    groups=True,
) -> Comparison:
    """Return a comparison; `popularity` predicts no ratings, the model at ``best`` has the best figures of all.

    Without ranking metrics there are no lists: no examples, nothing beside; with none but them, nothing of ratings.
    """
    best = best % len(labels)
    skill = {label: 1.0 if place == best else 0.5 - 0.05 * place for place, label in enumerate(labels)}
    asked = {label: [m for m in metrics if m != "rmse" or not label.startswith("popularity")] for label in labels}
    ranks = any("@" in metric for metric in metrics)
    beside = ("novelty@10", "coverage@10", "list_overlap@10", "popularity_lift@10") if ranks else ()
    models = [
        {"label": label, "key": label.split("(")[0], "parameters": {"n_factors": 4, "reg": 0.1}} for label in labels
    ]
    split = "time:0.2" if n_folds == 1 else f"kfold:{n_folds}:42"
    plan = {
        "format_version": 1,
        "kind": "comparison",
        "created": "2026-11-24T05:00:00+00:00",
        "data": {"name": "films", "fingerprint": "ab" * 32, "words": ["films.csv"], "n_rows": 400, "n_users": 30}
        | {"n_items": 50, "rating_range": [1, 5], "card": CARD},
        "split": split,
        "splits": [_split(split if n_folds == 1 else f"{split} fold {fold + 1}") for fold in range(n_folds)],
        "metrics": list(metrics),
        "positive": None,
        "random_state": 42,
        "models": models,
        "failures": [],
        "versions": {"palate": "0.1.0", "numpy": "2.4.0"},
        "machine": {"cpu": "made-up", "cores": 2, "memory_gb": 24.0},
    }
    units = _units(asked, skill, n_folds)
    return Comparison(
        plan,
        _runs(labels, n_folds, split),
        _results(asked, beside, skill, units, n_folds),
        units,
        _groups(asked, skill) if groups else _groups({}, skill),
        {label: _details(label, skill[label], titles, rates="rmse" in asked[label], ranks=ranks) for label in labels},
    )


def _split(name):
    says = "320 rows to learn from, 80 to be tested on"
    return {
        "name": name,
        "n_train": 320,
        "n_test": 80,
        "users_without_training": 0,
        "items_without_training": 1,
        "says": says,
    }


def _value(metric, skill):
    return 1.2 - 0.3 * skill if metric in ("rmse", "mae") else 0.1 + 0.2 * skill


def _units(asked, skill, n_folds, n_users=30):
    parts = []
    for label, metrics in asked.items():
        for metric in metrics:
            for fold in range(n_folds):
                rng = np.random.default_rng(fold)  # alike for all models: differences are those of skill
                num = np.clip(_value(metric, skill[label]) + rng.normal(0, 0.05, n_users), 0.01, None)
                num = num**2 if metric == "rmse" else num
                head = {"model": label, "fold": fold, "metric": metric}
                user = np.arange(n_users, dtype=np.int32)
                parts.append(pl.DataFrame({**head, "user_index": user, "num": num, "den": np.ones(n_users)}))
    return pl.concat(parts).with_columns(pl.col("fold").cast(pl.Int64))


def _results(asked, beside, skill, units, n_folds):
    rows = []
    for place, (label, metrics) in enumerate(asked.items()):
        for fold in range(n_folds):
            for metric in metrics:
                own = units.filter((pl.col("model") == label) & (pl.col("fold") == fold) & (pl.col("metric") == metric))
                mean = own["num"].sum() / own["den"].sum()
                of_users = (0.01, 30, 1, 2, 0, None) if "@" in metric else (None,) * 6
                rows.append((label, fold, metric, mean**0.5 if metric == "rmse" else mean, *of_users))
            for metric in beside:
                value = 3.0 + place if metric.startswith("novelty") else 0.3 + 0.1 * skill[label]
                rows.append((label, fold, metric, value, *(None,) * 6))
    schema = {"model": pl.String, "fold": pl.Int64, "metric": pl.String, "value": pl.Float64, "worst_tenth": pl.Float64}
    schema |= dict.fromkeys(("n_users", "n_without_list", "n_left_out", "n_popular"), pl.Int64)
    return pl.DataFrame(rows, schema={**schema, "mean_of_others": pl.Float64}, orient="row")


def _runs(labels, n_folds, split):
    rows = [
        {
            "model": label,
            "fold": fold,
            "split": split,
            "seed": 42 + fold,
            "epochs": 3,
            "epoch_chosen_on": "validation",
            "fit_seconds": 0.25,
            "score_seconds": 0.5,
            "peak_mb": 120.0,
            "n_threads": 1,
            "command": f"palate evaluate films.csv --model {label.split('(')[0]} --fold {fold + 1}",
        }
        for label in labels
        for fold in range(n_folds)
    ]
    return pl.DataFrame(rows)


def _groups(asked, skill):
    rows = []
    for grouping, names in GROUPS.items():
        for place, group in enumerate(names):
            for label, metrics in asked.items():
                for metric in metrics:
                    mean = _value(metric, skill[label]) + 0.01 * (place + 1)
                    rows.append((label, metric, grouping, group, place, mean, 15, mean - 0.02, mean + 0.02))
    names = ("model", "metric", "grouping", "group", "place", "mean", "n", "low", "high")
    types = (*[pl.String] * 4, pl.Int64, pl.Float64, pl.Int64, pl.Float64, pl.Float64)
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")


def _details(label, skill, titles, *, rates, ranks):
    error = [
        {"group": group, "rmse": rmse, "low": rmse - 0.05, "high": rmse + 0.05, "n": 20}
        for group, rmse in (("none", 1.5 - 0.3 * skill), ("1 to 5", 1.2 - 0.3 * skill), ("6 to 30", 1.1 - 0.3 * skill))
    ]
    curve = [
        {"predicted": actual + 0.2 - 0.1 * skill, "actual": actual, "low": actual - 0.1, "high": actual + 0.1, "n": 40}
        for actual in (2.0, 3.0, 4.0)
    ]
    history = [
        {"epoch": epoch, "loss": 1.2 / epoch, "train_rmse": 1 / epoch, "validation_rmse": rmse}
        for epoch, rmse in ((1, 1.1), (2, 0.9), (3, 0.95))
    ]
    entries = [
        {"title": title, "score": 4.5 - 0.25 * place, "in_test": place == 0} for place, title in enumerate(titles)
    ]
    people = [
        {
            "user": user,
            "about": about,
            "liked": [{"title": titles[0], "value": 5.0}],
            "recommended": entries,
        }
        for user, about in (("196", "3 training rows, 49, M, writer"), ("7", "40 training rows"))
    ]
    return {
        "history": history if label.startswith("mf") else [],
        "best_epoch": 2,
        "calibration": curve if rates else None,
        "error_by_popularity": error if rates else None,
        "error_by_activity": error if rates else None,
        "examples": people if ranks else [],
        "warnings": [],
        "skipped": {} if rates else {"rmse": "rmse needs predicted ratings"},
    }
