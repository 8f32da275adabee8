"""Blends of two or three models beside each single one, all as they come; validation rows choose weights and parts.

``blends.py [PART …]`` runs parts (last, stratified, lastfm, retailrocket, ratings); without one it prints what it found
or, where that is nothing, runs all. Each model is fitted on the inner part of the training rows, where a validation
part of the same kind chooses the weights of every blend, and the blend; then on all training rows; the test part is
seen once.
"""

from __future__ import annotations

import json
import sys
from itertools import combinations
from typing import Any

import numpy as np
from common import ROOT, machine, markdown, publish
from eight_sets import QUESTIONS, events, listens
from paired import difference
from quality import parts_of

import palate
from palate.models import MODELS

OUT = ROOT / "out" / "blends"
SINGLES = ("ease", "ials", "knn", "rp3beta")
RATINGS = "ratings"
OF_RATINGS = ["validation part of", "`bayes` alone, RMSE", "weighted sum, RMSE", "weights of `bayes`, `als`, `mf`"]
HEADER = ["clicks", "model", "figures", "blend less it, 95 %"]


def main() -> None:
    asked = [word for word in sys.argv[1:] if word != "--write"]
    OUT.mkdir(parents=True, exist_ok=True)
    for part in asked or (() if any(OUT.iterdir()) else (*PARTS, RATINGS)):
        rows = of_ratings() if part == RATINGS else rows_of(part)
        (OUT / f"{part}.json").write_text(json.dumps({"rows": rows, "said": machine()}, indent=1))
    for block, header, parts in (("blends", HEADER, tuple(PARTS)), ("blends-ratings", OF_RATINGS, (RATINGS,))):
        found = [json.loads((OUT / f"{part}.json").read_text()) for part in parts if (OUT / f"{part}.json").exists()]
        if found:
            rows = [row for one in found for row in one["rows"]]
            publish(block, f"{markdown(header, rows)}\n\n{found[0]['said']}.", write="--write" in sys.argv)


def liked() -> Any:
    """Return the ratings of at least 4 of MovieLens 100K."""
    data = palate.load_movielens("100k").interactions
    return data.take([i for i, value in enumerate(data.values) if value >= 4])


PARTS: dict[str, tuple[str, Any, str, str, tuple[str, str]]] = {
    "last": ("MovieLens 100K, last of each user", liked, "last:1", "last:1", ("ndcg@10", "hit_rate@10")),
    "stratified": (
        "MovieLens 100K, 75/25 of each user",
        lambda: palate.load_movielens("100k", on_missing="keep").interactions,
        "stratified:0.25:42",
        "stratified:0.25:7",
        ("ndcg@10", "precision@10"),
    ),
    "lastfm": (
        "Last.fm, 80/20 of each listener",
        listens,
        "stratified:0.2:42",
        "stratified:0.2:7",
        ("ndcg@10", "recall@20"),
    ),
    "retailrocket": (
        "Retailrocket, 80/20 at random",
        events,
        "random:0.2:42",
        "random:0.2:7",
        ("ndcg@20", "recall@20"),
    ),
}


def rows_of(part: str) -> list[list[str]]:
    """Return a line for each model, and one for the blend that validation chose."""
    name, load, split, validation, metrics = PARTS[part]
    train, test = parts_of(load(), split)
    inner, held = parts_of(train, validation)
    of_inner, of_train = fitted(inner), fitted(train)
    keys, weights = chosen(of_inner, held)
    singles = {key: palate.measure(model, train, test, list(metrics)) for key, model in of_train.items()}
    blend = palate.models.Blend.of([of_train[key] for key in keys], weights)
    ours = palate.measure(blend, train, test, list(metrics))
    rows = [
        [name if not n else "", f"`{key}`", told(one), gaps(ours, one)] for n, (key, one) in enumerate(singles.items())
    ]
    of_parts = ", ".join(f"{w:g} `{key}`" for key, w in zip(keys, weights, strict=True))
    return [*rows, ["", f"`blend`: {of_parts}", told(ours), ""]]


def fitted(train: Any) -> dict[str, Any]:
    """Return the single models, as they come."""
    models = {}
    for key in SINGLES:
        chance = {"random_state": 0} if "random_state" in MODELS[key].parameter_names() else {}
        models[key] = MODELS[key](positive="any", **chance).fit(train, progress=None)
        print("fitted", key, file=sys.stderr, flush=True)
    return models


def chosen(of_inner: dict[str, Any], held: Any) -> tuple[tuple[str, ...], list[float]]:
    """Return the keys and the weights of the blend that is best on the validation part; of equal ones the smaller."""
    found = []
    for size in (2, 3):
        for keys in combinations(SINGLES, size):
            tried = palate.models.Blend.of([of_inner[key] for key in keys], validation=held).weights_tried_
            best = max(tried, key=lambda record: record["ndcg@20"])
            found.append((best["ndcg@20"], keys, [best[key] for key in keys]))
            print(found[-1], file=sys.stderr, flush=True)
    _, keys, weights = max(found, key=lambda one: one[0])
    return keys, weights


def of_ratings() -> list[list[str]]:
    """Return the errors of `bayes` and of a weighted sum of predicted ratings on validation rows."""
    rows = []
    for name in ("ml-100k, random", "filmtrust, fixed"):
        question = QUESTIONS[name]
        train = palate.data.dataset.interactions_of(question.parts()[0], "train")
        inner, held = parts_of(train, question.validation)
        models = [MODELS[key](random_state=0).fit(inner, progress=None) for key in ("bayes", "als", "mf")]
        X = np.stack([model.predict_index(held.user_index, held.item_index) for model in models], axis=1)
        order = np.random.default_rng(0).permutation(len(held))
        halves, alone, summed, weights = np.array_split(order, 2), [], [], []
        for learn, judge in (halves, halves[::-1]):
            w = np.linalg.lstsq(X[learn], held.values[learn], rcond=None)[0]
            errors = X[judge, 0] - held.values[judge], X[judge] @ w - held.values[judge]
            alone.append(np.sqrt(np.square(errors[0]).mean()))
            summed.append(np.sqrt(np.square(errors[1]).mean()))
            weights.append(w)
        shown = ", ".join(f"{w:.2f}" for w in np.mean(weights, axis=0))
        rows.append([name, f"{np.mean(alone):.4f}", f"{np.mean(summed):.4f}", shown])
    return rows


def told(one: Any) -> str:
    """Return figures in words."""
    return ", ".join(f"{name} {value:.4f}" for name, value in one.values.items())


def gaps(ours: Any, single: Any) -> str:
    """Return how much the blend is above a single model, with intervals over users."""
    return ", ".join(f"{name} {difference(units, single.units[name])}" for name, units in ours.units.items())


if __name__ == "__main__":
    main()
