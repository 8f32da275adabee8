"""Lists by BPR, WARP and nearest neighbours, searched on validation data, beside peers with the same budget.

``ranking_quality.py [PART …]`` runs parts (last, stratified, gowalla, lastfm); without one it prints the table of all
found, and runs all where nothing is.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import peers
import polars as pl
from common import ROOT, machine, markdown, publish
from quality import above, arrays_of, gowalla_parts, in_words, parts_of, searched, told, tuned

import palate
from palate.models.search import Choice, Range

OUT = ROOT / "out" / "ranking-quality"
TRIALS = {"last": 12, "stratified": 12, "gowalla": 5, "lastfm": 10}
OURS = ("bpr", "warp", "knn", "rp3beta")
HEADER = ["clicks", "model", "figures", "`bpr` less it", "`warp` less it", "found by search"]


def main() -> None:
    asked = [word for word in sys.argv[1:] if word != "--write"]
    OUT.mkdir(parents=True, exist_ok=True)
    for part in asked or (() if any(OUT.iterdir()) else PARTS):
        (OUT / f"{part}.json").write_text(json.dumps({"rows": PARTS[part](), "said": machine("optuna")}, indent=1))
    found = [json.loads((OUT / f"{part}.json").read_text()) for part in PARTS if (OUT / f"{part}.json").exists()]
    rows = [row for one in found for row in one["rows"]]
    trials = ", ".join(f"{part} {n}" for part, n in TRIALS.items())
    said = ", ".join(f"{name} {peers.version_of(name)}" for name in ("implicit", "lightfm-next", "lenskit", "irspack"))
    text = f"{markdown(HEADER, rows)}\n\nTrials a model: {trials}. {said}; {found[0]['said']}"
    publish("ranking-quality", text, write="--write" in sys.argv)


def last() -> list[list[str]]:
    """HR@10 and NDCG@10 on MovieLens 100K, the last rating of at least 4 of each user held out."""
    data = palate.load_movielens("100k").interactions
    liked = data.take(np.flatnonzero(data.values >= 4))
    parts, inner = parts_of(liked, "last:1"), "last:1"
    return lists("MovieLens 100K, last of each user", parts, inner, ["hit_rate@10", "ndcg@10"], TRIALS["last"])


def stratified() -> list[list[str]]:
    """NDCG@10 and P@10 on MovieLens 100K, a quarter of each user's ratings held out, all ratings as clicks."""
    data = palate.load_movielens("100k", on_missing="keep").interactions
    parts, inner = parts_of(data, "stratified:0.25:42"), "stratified:0.25:7"
    return lists("MovieLens 100K, 75/25 of each user", parts, inner, ["ndcg@10", "precision@10"], TRIALS["stratified"])


def gowalla() -> list[list[str]]:
    """Recall@20 and NDCG@20 on Gowalla's fixed split."""
    metrics = ["recall@20", "ndcg@20"]
    n = TRIALS["gowalla"]
    return lists("Gowalla, fixed split", gowalla_parts(), "random:0.1:7", metrics, n, of_peers=False, spaces=NARROW)


def lastfm() -> list[list[str]]:
    """NDCG@10 and recall@20 on Last.fm's listeners, a fifth of each one's artists held out; plays are clicks."""
    path = Path(os.environ["PALATE_DATA"]) / "lastfm-2k" / "user_artists.dat"
    frame = pl.read_csv(path, separator="\t")
    data = palate.Interactions.from_table({"user": frame["userID"], "item": frame["artistID"]})
    parts = parts_of(data, "stratified:0.2:42")
    return lists(
        "Last.fm, 80/20 of each listener", parts, "stratified:0.2:7", ["ndcg@10", "recall@20"], TRIALS["lastfm"]
    )


PARTS = {"last": last, "stratified": stratified, "gowalla": gowalla, "lastfm": lastfm}


def lists(
    name: str,
    parts: tuple[Any, Any],
    validation: str,
    metrics: list[str],
    n: int,
    *,
    of_peers: bool = True,
    spaces: dict[str, Any] | None = None,
) -> list[list[str]]:
    """Return a line for each model; the parameters of all are searched on one validation part of the training rows."""
    train, test = parts
    inner, held = parts_of(train, validation)
    goal = next(metric for metric in metrics if metric.startswith("ndcg"))
    measured: dict[str, Any] = {}
    words: dict[str, str] = {}
    for key in OURS:
        chance = {"random_state": 0} if "random_state" in palate.MODELS[key].parameter_names() else {}
        model = palate.MODELS[key](positive="any", **chance)
        fitted, words[f"`{key}`"] = tuned(
            model, train, goal, validation, n, space=(spaces or SPACES).get(key, model.search_space)
        )
        measured[f"`{key}`"] = palate.measure(fitted, train, test, metrics)
        print(key, told(measured[f"`{key}`"].values), words[f"`{key}`"], file=sys.stderr, flush=True)
    for label, (task, space) in PEERS.items() if of_peers else ():

        def judged(p: dict[str, Any], task: str = task) -> float:
            return float(of_peer(task, p, inner, held, metrics).values[goal])

        best = searched(judged, space, "maximize", n)
        measured[label], words[label] = of_peer(task, best, train, test, metrics), in_words(best)
        print(label, told(measured[label].values), words[label], file=sys.stderr, flush=True)
    rows = []
    for label, one in measured.items():
        gaps = [above(measured[own], one) if own != label else "" for own in ("`bpr`", "`warp`")]
        rows.append(["" if rows else name, label, told(one.values), *gaps, words[label]])
    return rows


def of_peer(task: str, parameters: dict[str, Any], train: Any, test: Any, metrics: list[str]) -> Any:
    """Return what a peer is worth, measured by our own code: its factors or weights are put into a model of ours."""
    found = peers.run(task, arrays_of(train), 2, **parameters)
    return palate.measure(peers.as_ours(found, train), train, test, metrics)


SPACES = {
    "bpr": {
        "n_factors": Range(16, 256, log=True, whole=True),
        "n_epochs": Range(60, 200, log=True, whole=True),
        "learning_rate": Range(0.05, 0.4, log=True),
        "reg_users": Range(0.003, 0.1, log=True),
        "reg_items": Range(0.001, 0.05, log=True),
        "reg_negatives": Range(0.001, 0.05, log=True),
        "reg_biases": Range(0.003, 1.0, log=True),
    },
    "warp": {
        "n_factors": Range(16, 256, log=True, whole=True),
        "n_epochs": Range(60, 200, log=True, whole=True),
        "learning_rate": Range(0.001, 0.01, log=True),
        "reg_users": Range(0.3, 4.0, log=True),
        "reg_items": Range(0.1, 2.0, log=True),
        "reg_negatives": Range(0.1, 2.0, log=True),
        "reg_biases": Range(0.03, 1.0, log=True),
    },
}
NARROW: dict[str, Any] = {  # around what single trials on the same validation part of Gowalla liked
    "bpr": {
        "n_factors": Range(64, 256, log=True, whole=True),
        "n_epochs": Range(100, 200, log=True, whole=True),
        "learning_rate": Range(0.15, 0.4, log=True),
        "reg_users": Range(0.006, 0.02, log=True),
        "reg_items": Range(0.002, 0.01, log=True),
        "reg_negatives": Range(0.002, 0.015, log=True),
        "reg_biases": Range(0.1, 1.0, log=True),
    },
    "warp": {
        "n_factors": Range(64, 256, log=True, whole=True),
        "n_epochs": Range(80, 150, log=True, whole=True),
        "learning_rate": Range(0.005, 0.01, log=True),
        "reg_users": Range(2.5, 6.0, log=True),
        "reg_items": Range(0.8, 2.0, log=True),
        "reg_negatives": Range(0.3, 1.0, log=True),
        "reg_biases": Range(0.3, 1.0, log=True),
        "draw": Choice(("users", "clicks")),
    },
}
LIGHTFM = {
    "factors": (16, 256), "epochs": (10, 100), "learning_rate": (0.01, 0.1), "user_alpha": (1e-7, 1e-3),
    "item_alpha": (1e-7, 1e-3),
}  # fmt: skip
PEERS: dict[str, tuple[str, dict[str, tuple[float, float]]]] = {
    "implicit, BPR": (
        "implicit_bpr",
        {"factors": (16, 256), "epochs": (30, 300), "learning_rate": (0.005, 0.2), "reg": (1e-4, 0.1)},
    ),
    "LightFM, BPR": ("lightfm_bpr", LIGHTFM),
    "LightFM, WARP": ("lightfm_warp", LIGHTFM),
    "irspack, RP3beta": ("irspack_rp3beta", {"neighbours": (10, 1000), "alpha": (0.2, 2.0), "beta": (0.01, 1.5)}),
    "LensKit, ItemKNN": ("lenskit_knn", {"neighbours": (10, 1000)}),
    "LensKit, ImplicitMF": (
        "lenskit_implicit_mf",
        {"factors": (16, 256), "reg": (0.01, 1.0), "confidence": (2.0, 100.0)},
    ),
    "irspack, cosine": ("irspack_cosine", {"neighbours": (10, 1000), "shrinkage": (0.1, 1000.0)}),
}


if __name__ == "__main__":
    main()
