"""Quality of the ridge family on four protocols, searched on validation data, beside peers with the same budget.

``quality.py [PART …]`` runs parts (ratings, last, stratified, gowalla); without one it prints the table of all found.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import peers
import polars as pl
from common import ROOT, machine, markdown, publish

import palate
from palate.data.interactions import on_shared_ids
from palate.data.splits import make_splits
from palate.models.search import Range

OUT = ROOT / "out" / "quality"
TRIALS = 30


def main() -> None:
    parts = [word for word in sys.argv[1:] if word != "--write"]
    OUT.mkdir(parents=True, exist_ok=True)
    for part in parts or (() if any(OUT.iterdir()) else PARTS):
        rows = PARTS[part]()
        (OUT / f"{part}.json").write_text(json.dumps({"rows": rows, "said": machine("optuna")}))
    found = [json.loads((OUT / f"{part}.json").read_text()) for part in PARTS if (OUT / f"{part}.json").exists()]
    header = ["protocol", "model", "figures", "found by search"]
    rows = [row for one in found for row in one["rows"]]
    publish("quality", f"{markdown(header, rows)}\n\n{found[0]['said']}", write="--write" in sys.argv)


def tuned(model: Any, train: Any, metric: str, validation: str, n_trials: int, **options: Any) -> Any:
    """Return the model with the best parameters, fitted on all of ``train``, and the parameters in words."""
    found = palate.tune(model, train, metric=metric, split="none", validation=validation, n_trials=n_trials, **options)
    return found.model, ", ".join(f"{k} {v:.3g}" for k, v in found.parameters.items())


def ratings() -> list[list[str]]:
    """RMSE on MovieLens 100K, 80/20 with seed 42, and on 20 fresh splits with the parameters found on the first."""
    data = palate.load_movielens("100k").interactions
    train, test = parts_of(data, "random:0.2:42")
    model, words = tuned(palate.ALS(random_state=0), train, "rmse", "random:0.1:7", TRIALS)
    rows = [["ratings, 80/20 seed 42", "`als`", f"RMSE {rmse(model, test):.4f}", words]]
    inner, held = parts_of(train, "random:0.1:7")

    def loss(parameters: dict[str, Any], learn: Any, judge: Any) -> float:
        arrays = arrays_of(learn) | {
            "test_user": judge.user_index, "test_item": judge.item_index, "test_values": judge.values,
            "low": np.array(1.0),
        }  # fmt: skip
        return float(peers.run("cmfrec_ratings", arrays, 2, **parameters)["rmse"])

    best = searched(lambda p: loss(p, inner, held), {"factors": (8, 96), "reg": (0.01, 1.0)}, "minimize")
    rows.append(["", "cmfrec", f"RMSE {loss(best, train, test):.4f}", in_words(best)])
    both = []
    for seed in range(100, 120):
        train, test = parts_of(data, f"random:0.2:{seed}")
        own = rmse(type(model)(**model.get_params()).fit(train), test)
        both.append((own, loss(best, train, test)))
    differences = np.diff(np.array(both), axis=1)[:, 0]
    half = 2.093 * differences.std(ddof=1) / len(both) ** 0.5  # Student's t, 19 degrees
    ours, theirs = np.mean(both, axis=0)
    said = f"`als` {ours:.4f}, cmfrec {theirs:.4f}; cmfrec - `als` {differences.mean():+.4f} ± {half:.4f} (95 %)"
    rows.append(["ratings, 20 fresh 80/20 splits", "both, as found above", said, ""])
    return rows


def last() -> list[list[str]]:
    """HR@10 and NDCG@10 on MovieLens 100K, the last rating of at least 4 of each user held out."""
    data = palate.load_movielens("100k").interactions
    liked = data.take(np.flatnonzero(data.values >= 4))
    return clicks("clicks, last of each user", liked, "last:1", "last:1", ["hit@10", "ndcg@10"])


def stratified() -> list[list[str]]:
    """NDCG@10 and P@10 on MovieLens 100K, a quarter of each user's ratings held out, all ratings as clicks."""
    data = palate.load_movielens("100k", all_rows=True).interactions
    return clicks(
        "clicks, 75/25 of each user", data, "stratified:0.25:42", "stratified:0.25:7", ["ndcg@10", "precision@10"]
    )


def clicks(name: str, data: Any, split: str, validation: str, metrics: list[str]) -> list[list[str]]:
    train, test = parts_of(data, split)
    lists = []
    for model in (
        palate.Popularity(), palate.EASE(positive="any"),
        palate.ImplicitALS(positive="any", random_state=0),
    ):  # fmt: skip
        fitted, words = (
            (model.fit(train), "") if model.key == "popularity" else tuned(model, train, "ndcg@10", validation, TRIALS)
        )
        values = palate.measure(fitted, train, test, metrics).values
        lists.append([name if not lists else "", f"`{model.key}`", told(values), words])
    inner, held = parts_of(train, validation)

    def score(parameters: dict[str, Any], learn: Any, judge: Any) -> dict[str, float]:
        found = peers.run("implicit_factors", arrays_of(learn), 2, **parameters)
        return measured(found["P"], found["Q"], learn, judge, metrics)

    space = {"factors": (16, 256), "reg": (1e-3, 100.0), "confidence": (1.0, 100.0), "epochs": (4, 32)}
    best = searched(lambda p: score(p, inner, held)["ndcg@10"], space, "maximize")
    lists.append(["", "implicit, ALS", told(score(best, train, test)), in_words(best)])
    return lists


def gowalla() -> list[list[str]]:
    """Recall@20 and NDCG@20 on Gowalla's fixed split; the penalty of EASE is searched on the 8,000 best known items."""
    folder = Path(os.environ["PALATE_DATA"]) / "gowalla"
    train, test = on_shared_ids(
        [palate.Interactions.from_table(pl.read_parquet(folder / f"{part}.parquet")) for part in ("train", "test")]
    )
    metrics = ["recall@20", "ndcg@20"]
    counts = np.bincount(train.item_index, minlength=train.n_items)
    known = np.flatnonzero(np.isin(train.item_index, np.argsort(-counts)[:8000]))
    part = train.take(known).to_table()
    few = palate.Interactions.from_table(part.select("user_id", "item_id"))
    space = {"reg": Range(30.0, 1000.0, log=True)}
    found = palate.tune(
        palate.EASE(), few, metric="ndcg@20", split="none", validation="random:0.1:7", n_trials=8, space=space
    )
    rows = []
    for model, words in (
        (palate.EASE(**found.parameters), f"reg {found.parameters['reg']:.3g}"),
        (palate.ImplicitALS(**GOWALLA, random_state=0), "not searched"),
    ):  # fmt: skip
        values = palate.measure(model.fit(train), train, test, metrics).values
        rows.append(["Gowalla" if not rows else "", f"`{model.key}`", told(values), words])
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


GOWALLA = {"n_factors": 512, "n_epochs": 12, "unobserved_weight": 0.01, "reg": 0.003}
PARTS = {"ratings": ratings, "last": last, "stratified": stratified, "gowalla": gowalla}


def parts_of(data: Any, split: str) -> tuple[Any, Any]:
    (one, *_) = make_splits(data, split)
    return data.take(one.train), data.take(one.test)


def rmse(model: Any, test: Any) -> float:
    return float(np.sqrt(np.mean((model.predict_index(test.user_index, test.item_index) - test.values) ** 2)))


def arrays_of(data: Any) -> dict[str, np.ndarray]:
    return {
        "user": data.user_index, "item": data.item_index, "values": data.values, "n_users": np.array(data.n_users),
        "n_items": np.array(data.n_items),
    }  # fmt: skip


def measured(P: np.ndarray, Q: np.ndarray, train: Any, test: Any, metrics: list[str]) -> dict[str, float]:
    """Return metrics of a peer's factors by our own code: they are put into a model of ours."""
    model = palate.ImplicitALS(P.shape[1], n_epochs=1, positive="any", random_state=0).fit(train)
    model.user_factors_, model.item_factors_ = P.astype(np.float32), Q.astype(np.float32)
    return palate.measure(model, train, test, metrics).values


def searched(call: Any, space: dict[str, tuple[float, float]], direction: str) -> dict[str, Any]:
    """Return a peer's best parameters of TRIALS, by the sampler that `palate.tune` uses."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def parameters(trial: Any) -> dict[str, Any]:
        return {
            name: (
                trial.suggest_int(name, int(low), int(high), log=True)
                if name in ("factors", "epochs")
                else trial.suggest_float(name, low, high, log=True)
            )
            for name, (low, high) in space.items()
        }

    study = optuna.create_study(direction=direction, sampler=optuna.samplers.TPESampler(seed=42))
    study.optimize(lambda trial: call(parameters(trial)), n_trials=TRIALS)
    return dict(study.best_params)


def told(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in values.items())


def in_words(parameters: dict[str, Any]) -> str:
    return ", ".join(f"{k} {v:.3g}" for k, v in parameters.items())


if __name__ == "__main__":
    main()
