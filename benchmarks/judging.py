"""How the answer depends on the question: the same models on three splits, and one set of lists by many metrics.

Every model has its default parameters; nothing is chosen here, so the test parts may be looked at.
"""

from __future__ import annotations

import polars as pl
from common import arguments, machine, markdown, publish

import palate

SPLITS = ("random:0.2:42", "last:5", "time:0.2")
COMPARED = ("rmse", "ndcg@10", "recall@20")
MODELS = ("popularity", "baseline", "mf")
BY_METRIC = (
    *("precision@20", "recall@20", "recall_truncated@20", "hit_rate@20", "ndcg@20", "ndcg_graded@20", "map@20"),
    *("mrr@20", "auc", "sampled_hit_rate@20", "coverage@20", "gini@20", "novelty@20", "list_overlap@20"),
)


def splits(data: palate.Dataset) -> str:
    """Return a table: each model's metrics with intervals, split by split."""
    rows = []
    for split in SPLITS:
        found = palate.compare(list(MODELS), data, split, COMPARED)
        table = {(r["model"], r["metric"]): r for r in found.table().to_dicts()}
        facts = found.plan["splits"][0]
        for place, model in enumerate(MODELS):
            cells = [_interval(table.get((model, metric))) for metric in COMPARED]
            shown = f"{facts['users_without_training']:,}" if place == 0 else ""
            rows.append([f"`{split}`" if place == 0 else "", model, *cells, shown])
    header = ["split", "model", *COMPARED, "test users without training rows"]
    return markdown(header, rows)


def metrics(data: palate.Dataset) -> str:
    """Return a table: the lists of three models by every metric, on the split by time."""
    found = palate.compare(list(MODELS), data, "time:0.2", BY_METRIC)
    rows = []
    for metric in BY_METRIC:
        of = found.results.filter(pl.col("metric") == metric)
        values = dict(zip(of["model"], of["value"], strict=True))
        rows.append([f"`{metric}`", *(f"{values[model]:.4f}" for model in MODELS)])
    return markdown(["metric", *MODELS], rows)


def _interval(row: dict | None) -> str:
    return "" if row is None else f"{row['mean']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def main() -> None:
    options = arguments(__doc__ or "")
    data = palate.load_movielens("100k")
    said = f"MovieLens 100K, seed 42. {machine('scipy')}"
    publish("splits", f"{splits(data)}\n\nMean (95 % bootstrap interval over users). {said}", write=options.write)
    publish("metrics", f"{metrics(data)}\n\nSplit `time:0.2`. {said}", write=options.write)


if __name__ == "__main__":
    main()
