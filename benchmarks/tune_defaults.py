"""What a search finds for the models' parameters beside their defaults, on validation parts of the training rows.

MovieLens 100K (ratings; and, for popularity, its order in time) and Last.fm (play counts, as their logarithm); the
test part of random:0.2:42, or of time:0.2, is put aside by `tune` before the search. PALATE_DATA names the folder with
lastfm-2k.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
from common import arguments, machine, markdown, publish

import palate

TRIALS = 100
SEARCHES = (  # model, data, metric, split
    ("mf", "MovieLens 100K", "rmse", "random:0.2:42"),
    ("mf", "Last.fm, log counts", "rmse", "random:0.2:42"),
    ("baseline", "MovieLens 100K", "rmse", "random:0.2:42"),
    ("baseline", "Last.fm, log counts", "rmse", "random:0.2:42"),
    ("popularity", "MovieLens 100K", "ndcg@10", "time:0.2"),
)


def lastfm() -> palate.Interactions:
    """Return play counts as their natural logarithm: from 0 for one play to 12.8."""
    path = Path(os.environ.get("PALATE_DATA", ".")) / "lastfm-2k" / "user_artists.dat"
    table = pl.read_csv(path, separator="\t").with_columns(pl.col("weight").log().alias("value"))
    return palate.Interactions.from_table(
        table, columns={"user": "userID", "item": "artistID", "value": "value"}, rating_range=(0, 13)
    )


def main() -> None:
    options = arguments(__doc__ or "")
    data = {"MovieLens 100K": palate.load_movielens("100k").interactions, "Last.fm, log counts": lastfm()}
    rows = []
    for model, name, metric, split in SEARCHES:
        found = palate.tune(model, data[name], metric=metric, split=split, n_trials=TRIALS, n_workers=1)
        gain = abs(found.value - found.default_value) if found.default_value is not None else float("nan")
        best = ", ".join(f"{key} {_short(value)}" for key, value in found.parameters.items())
        mattered = max(found.importances, key=found.importances.__getitem__, default="")
        rows.append(
            [
                f"{model}, {name}, {metric}",
                f"{found.default_value:.4f}",
                f"{found.value:.4f}",
                f"{gain:.4f}",
                best,
                mattered,
            ]
        )
        print(rows[-1], flush=True)
    header = ["search", "default", "best", "gain", "best parameters", "mattered most"]
    said = f"Values on validation data, {TRIALS} trials each, seed 42. {machine('optuna')}"
    publish("tune-defaults", f"{markdown(header, rows)}\n\n{said}", write=options.write)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float | np.floating) else str(value)


if __name__ == "__main__":
    main()
