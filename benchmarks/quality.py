"""Quality of the ridge family on four protocols, searched on validation data, beside peers with the same budget.

``quality.py [PART …]`` runs parts (ratings, last, stratified, gowalla-ease, gowalla-ials); without one it prints the
tables of all found, and runs all where nothing is.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import peers
import polars as pl
from common import ROOT, machine, markdown, publish
from paired import difference

import palate
from palate.data.interactions import on_shared_ids
from palate.data.splits.making import make_splits
from palate.models.search import Range

OUT = ROOT / "out" / "quality"
TRIALS, RATING_TRIALS = 30, 20  # of each model; peers' fits of ratings take long
HEADERS = {
    "quality-ratings": ["ratings of MovieLens 100K", "model", "RMSE", "peer less `als`, 95 %", "found by search"],
    "quality-clicks": ["clicks", "model", "figures", "`ease` less peer", "`ials` less peer", "found by search"],
}


def main() -> None:
    asked = [word for word in sys.argv[1:] if word != "--write"]
    OUT.mkdir(parents=True, exist_ok=True)
    for part in asked or (() if any(OUT.iterdir()) else PARTS):
        told = {"rows": PARTS[part](), "said": machine("optuna")}
        (OUT / f"{part}.json").write_text(json.dumps(told, indent=1))
    peers_said = ", ".join(f"{name} {peers.version_of(name)}" for name in ("cmfrec", "implicit", "lenskit"))
    for block, header in HEADERS.items():
        parts = [part for part in PARTS if (part == "ratings") == (block == "quality-ratings")]
        found = [json.loads((OUT / f"{part}.json").read_text()) for part in parts if (OUT / f"{part}.json").exists()]
        if found:
            rows = [row for one in found for row in one["rows"]]
            n_trials = RATING_TRIALS if block == "quality-ratings" else TRIALS
            told = f"{n_trials} trials a model where nothing else is said. {peers_said}; {found[0]['said']}"
            publish(block, f"{markdown(header, rows)}\n\n{told}", write="--write" in sys.argv)


def tuned(model: Any, train: Any, metric: str, validation: str, n_trials: int, **options: Any) -> Any:
    """Return the model with the best parameters, fitted on all of ``train``, and the parameters in words."""
    found = palate.tune(model, train, metric=metric, split="none", validation=validation, n_trials=n_trials, **options)
    return found.model, in_words(found.parameters)


def ratings() -> list[list[str]]:
    """RMSE on MovieLens 100K, 80/20 with seed 42, and on 20 fresh splits with the parameters found on the first."""
    data = palate.load_movielens("100k").interactions
    train, test = parts_of(data, "random:0.2:42")
    inner, held = parts_of(train, "random:0.1:7")
    space = {name: one for name, one in palate.ALS.search_space.items() if name != "n_epochs"}
    model, words = tuned(palate.ALS(random_state=0), train, "rmse", "random:0.1:7", RATING_TRIALS, space=space)
    refit: dict[str, Callable[[Any, Any], float]] = {
        "`als`": lambda learn, judge: rmse(type(model)(**model.get_params()).fit(learn), judge)
    }
    found = {"`als`": words}
    for name, (task, space) in RATING_PEERS.items():
        best = searched(lambda p, task=task: peer_rmse(task, p, inner, held), space, "minimize", RATING_TRIALS)
        refit[name] = lambda learn, judge, task=task, best=best: peer_rmse(task, best, learn, judge)
        found[name] = in_words(best)
    rows = []
    for name, call in refit.items():
        rows.append(["80/20, seed 42" if not rows else "", name, f"{call(train, test):.4f}", "", found[name]])
        print(rows[-1], file=sys.stderr, flush=True)
    splits = [parts_of(data, f"random:0.2:{seed}") for seed in range(100, 120)]
    each = {name: np.array([call(*parts) for parts in splits]) for name, call in refit.items()}
    for name, values in each.items():
        gap = values - each["`als`"]
        half = 2.093 * gap.std(ddof=1) / len(gap) ** 0.5  # Student's t, 19 degrees
        against = "" if name == "`als`" else f"{gap.mean():+.4f} ± {half:.4f}"
        first = "20 fresh splits, as found on the first" if name == "`als`" else ""
        rows.append([first, name, f"{values.mean():.4f}", against, ""])
    return rows


def peer_rmse(task: str, parameters: dict[str, Any], learn: Any, judge: Any) -> float:
    arrays = arrays_of(learn) | {
        "test_user": judge.user_index, "test_item": judge.item_index, "test_values": judge.values,
        "low": np.array(1.0),
    }  # fmt: skip
    return float(peers.run(task, arrays, 1, **parameters)["rmse"])


def last() -> list[list[str]]:
    """HR@10 and NDCG@10 on MovieLens 100K, the last rating of at least 4 of each user held out."""
    data = palate.load_movielens("100k").interactions
    liked = data.take(np.flatnonzero(data.values >= 4))
    return clicks("MovieLens 100K, last of each user", liked, "last:1", "last:1", ["hit_rate@10", "ndcg@10"])


def stratified() -> list[list[str]]:
    """NDCG@10 and P@10 on MovieLens 100K, a quarter of each user's ratings held out, all ratings as clicks."""
    data = palate.load_movielens("100k", on_missing="keep").interactions
    splits = "stratified:0.25:42", "stratified:0.25:7"
    return clicks("MovieLens 100K, 75/25 of each user", data, *splits, ["ndcg@10", "precision@10"])


def clicks(name: str, data: Any, split: str, validation: str, metrics: list[str]) -> list[list[str]]:
    """Return a line for each model; the parameters of all are searched on one validation part of the training rows."""
    train, test = parts_of(data, split)
    inner, held = parts_of(train, validation)
    searches = {
        "`ease`": palate.EASE(positive="any"),
        "`ials`": palate.ImplicitALS(positive="any", random_state=0),
    }
    measured = {"`popularity`": palate.measure(palate.Popularity().fit(train), train, test, metrics)}
    words = {"`popularity`": ""}
    for key, model in searches.items():
        fitted, words[key] = tuned(model, train, "ndcg@10", validation, TRIALS)
        measured[key] = palate.measure(fitted, train, test, metrics)
    for key, (task, space) in CLICK_PEERS.items():
        best = searched(
            lambda p, task=task: of_peer(task, p, inner, held, metrics).values["ndcg@10"], space, "maximize"
        )
        measured[key], words[key] = of_peer(task, best, train, test, metrics), in_words(best)
    rows = []
    for key, one in measured.items():
        gaps = ["", ""] if key in searches else [above(measured[own], one) for own in searches]
        rows.append(["" if rows else name, key, told(one.values), *gaps, words[key]])
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def above(ours: Any, theirs: Any) -> str:
    """Return how much our figures are above theirs, in each metric, with intervals over users."""
    return ", ".join(f"{name} {difference(units, theirs.units[name])}" for name, units in ours.units.items())


def of_peer(task: str, parameters: dict[str, Any], train: Any, test: Any, metrics: list[str]) -> Any:
    """Return what a peer's factors are worth, measured by our own code: they are put into a model of ours."""
    found = peers.run(task, arrays_of(train), 1, **parameters)
    model = palate.ImplicitALS(1, n_epochs=1, reg=0.01, positive="any", random_state=0).fit(train)
    P, Q = (found[name].astype(np.float32) for name in ("P", "Q"))
    model.learned_ = replace(model.learned_, user_factors=P, item_factors=Q)
    return palate.measure(model, train, test, metrics)


def gowalla_parts() -> tuple[Any, Any]:
    folder = Path(os.environ["PALATE_DATA"]) / "gowalla"
    train, test = on_shared_ids(
        [palate.Interactions.from_table(pl.read_parquet(folder / f"{part}.parquet")) for part in ("train", "test")]
    )
    return train, test


def gowalla_line(name: str, model: Any, said: str) -> list[str]:
    train, test = gowalla_parts()
    values = palate.measure(model.fit(train), train, test, ["recall@20", "ndcg@20"]).values
    row = [name, f"`{model.key}`", told(values), "", "", said]
    print(row, file=sys.stderr, flush=True)
    return row


def gowalla_ease() -> list[list[str]]:
    """Recall@20 and NDCG@20 on Gowalla's fixed split; the penalty is searched on the 6,000 best known items."""
    train, _ = gowalla_parts()
    best_known = np.argsort(-np.bincount(train.item_index, minlength=train.n_items))[:6000]
    part = train.take(np.flatnonzero(np.isin(train.item_index, best_known))).to_table()
    few = palate.Interactions.from_table(part.select("user_id", "item_id"))
    space = {"reg": Range(30.0, 1000.0, log=True)}
    found = palate.tune(
        palate.EASE(), few, metric="ndcg@20", split="none", validation="random:0.1:7", n_trials=6, space=space
    )
    said = f"{in_words(found.parameters)} (6 trials on the 6,000 best known items)"
    return [gowalla_line("Gowalla, fixed split", palate.EASE(**found.parameters), said)]


def gowalla_ials() -> list[list[str]]:
    """The same; penalty and weight are searched with fewer factors, on validation data, and taken to more."""
    train, _ = gowalla_parts()
    space = {"reg": Range(0.001, 0.01, log=True), "unobserved_weight": Range(0.01, 0.06, log=True)}
    words = {"n_epochs": GOWALLA["n_epochs"], "reg": 0.003, "unobserved_weight": 0.03}
    base = palate.ImplicitALS(GOWALLA["searched"], **words, random_state=0)
    found = palate.tune(
        base, train, metric="ndcg@20", split="none", validation="random:0.1:7", n_trials=GOWALLA["trials"], space=space
    )
    model = found.model.set_params(n_factors=GOWALLA["n_factors"])
    said = f"{in_words(found.parameters)}, n_factors {model.n_factors}, n_epochs {model.n_epochs}"
    return [gowalla_line("", model, f"{said} ({GOWALLA['trials']} trials with {GOWALLA['searched']} factors)")]


GOWALLA = {"n_factors": 1024, "searched": 128, "n_epochs": 8, "trials": 5}
FACTORS = {"factors": (8, 128)}
RATING_PEERS = {  # 15 epochs, as ours
    "cmfrec": ("cmfrec_ratings", {**FACTORS, "reg": (5.0, 50.0), "reg_biases": (1.0, 20.0)}),
    "cmfrec, implicit features": (
        "cmfrec_implicit_ratings", {**FACTORS, "reg": (5.0, 50.0), "w_implicit": (0.05, 5.0)},
    ),
    "LensKit, BiasedMF": ("lenskit_ratings", {**FACTORS, "reg": (0.03, 0.3), "damping": (0.5, 20.0)}),
}  # fmt: skip
CLICK_SPACE = {"factors": (16, 256), "reg": (1e-3, 100.0), "confidence": (1.0, 100.0)}  # 16 epochs, as ours
CLICK_PEERS = {
    "implicit, ALS": ("implicit_factors", CLICK_SPACE),
    "cmfrec, implicit": ("cmfrec_factors", CLICK_SPACE),
}
PARTS = {
    "ratings": ratings, "last": last, "stratified": stratified, "gowalla-ease": gowalla_ease,
    "gowalla-ials": gowalla_ials,
}  # fmt: skip


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


def searched(call: Any, space: dict[str, tuple[float, float]], direction: str, n: int = TRIALS) -> dict[str, Any]:
    """Return a peer's best parameters of ``n`` trials, by the sampler that `palate.tune` uses."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def parameters(trial: Any) -> dict[str, Any]:
        return {
            name: (
                trial.suggest_int(name, int(low), int(high), log=True)
                if name in ("factors", "epochs", "neighbours")
                else trial.suggest_float(name, low, high, log=True)
            )
            for name, (low, high) in space.items()
        }

    study = optuna.create_study(direction=direction, sampler=optuna.samplers.TPESampler(seed=42, multivariate=True))
    study.optimize(lambda trial: call(parameters(trial)), n_trials=n)
    return dict(study.best_params)


def told(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in values.items())


def in_words(parameters: dict[str, Any]) -> str:
    return ", ".join(f"{k} {v if isinstance(v, str) else f'{v:.3g}'}" for k, v in parameters.items())


if __name__ == "__main__":
    main()
