"""What it costs that Spark, above 2 million rows, chooses parameters that are None on a sample of the rows.

    spark_samples.py [--on anime --on clicks-anime] [--write]

Sets of one machine stand in: of the training rows a part is drawn as Spark draws it (users and items for the penalty of
`ALS`, users for the shrinkage of `ImplicitALS`), the parameter is chosen there by the same code, and all rows are
trained with it. The error, or NDCG@10, of rows held out stands beside that of the parameter chosen on all rows.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from common import machine, markdown, publish

import palate
from palate import ALS, ImplicitALS, Interactions
from palate.data.sources.loading import load_dataset
from palate.models.contract.learner import Training
from palate.models.ridge.shrinking import chosen_shrinkage
from palate.progress import silent
from palate.spark.settings import chosen_of_rows, shares_of

DATA = Path(os.environ.get("PALATE_DATA", "."))
SAMPLES = (5, 10, 20)  # one part in so many
FEWEST = 4000  # rows of a sample
SEEDS = (0, 1)  # of samples


def ratings(place: str) -> Interactions:
    """Return the ratings of a set."""
    return load_dataset(str(DATA / place)).interactions


def liked(place: str, least: float) -> Interactions:
    """Return the pairs of ratings of at least this as clicks."""
    data = ratings(place)
    return clicks_of(data.take(np.flatnonzero(data.values >= least)))


def clicks_of(data: Interactions) -> Interactions:
    """Return rows as clicks, users and items by position."""
    return Interactions.from_table({"user": data.user_index.astype(np.int64), "item": data.item_index.astype(np.int64)})


def lastfm() -> Interactions:
    """Return who listened to whom."""
    table = pl.read_csv(DATA / "lastfm-2k" / "user_artists.dat", separator="\t")
    return Interactions.from_table(table.select(user="userID", item="artistID"))


class Kind(NamedTuple):
    """A model, and how its parameter is chosen.

    Attributes:
        fitted: the model with the parameter.
        choose: chooses it, by rows and a seed.
        shares: of users and of items in a sample, by its share of the rows.
        metric: of rows held out.
    """

    fitted: Callable[[float], ALS | ImplicitALS]
    choose: Callable[[Interactions], float]
    shares: Callable[[float, Interactions], tuple[float, float]]
    metric: str


def penalty(data: Interactions) -> float:
    """Return the penalty that is chosen of these ratings."""
    return chosen_of_rows(data, ALS(32, random_state=0), 0).settings.reg


def shrinkage(data: Interactions) -> float:
    """Return the shrinkage that is chosen of these clicks."""
    return chosen_shrinkage(ImplicitALS(random_state=0), Training(data, None, None, None, None, silent), 0)


OF_RATINGS = Kind(
    lambda reg: ALS(32, reg=reg, random_state=0),
    penalty,
    lambda share, data: shares_of(share, data.n_users, data.n_items),
    "rmse",
)
OF_CLICKS = Kind(
    lambda found: ImplicitALS(64, shrinkage=found, n_epochs=8, random_state=0),
    shrinkage,
    lambda share, data: (share, 1.0),
    "ndcg@10",
)
SETS: dict[str, tuple[str, Kind, Callable[[], Interactions]]] = {
    "movielens": ("MovieLens 100K, ratings", OF_RATINGS, lambda: ratings("ml-100k")),
    "anime": ("anime, ratings", OF_RATINGS, lambda: ratings("anime/ratings.parquet")),
    "clicks-lastfm": ("Last.fm, clicks", OF_CLICKS, lastfm),
    "clicks-anime": ("anime of 8 and more, clicks", OF_CLICKS, lambda: liked("anime/ratings.parquet", 8)),
    "clicks-movielens": ("MovieLens 100K of 4 and 5, clicks", OF_CLICKS, lambda: liked("ml-100k", 4)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on", action="append", choices=list(SETS))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows = [row for name in options.on or SETS for row in rows_of(*SETS[name])]
    header = [
        "data, training rows",
        "sample",
        "its rows",
        "chosen, times that of all rows",
        "its RMSE or NDCG@10 beside that of all rows",
    ]
    how = f"The median of {len(SEEDS)} samples. {machine()}; by `benchmarks/spark_samples.py`."
    publish("spark-samples", f"{markdown(header, rows)}\n\n{how}", write=options.write)


def rows_of(name: str, kind: Kind, load: Callable[[], Interactions]) -> list[list[str]]:
    """Return the lines of a set."""
    data = load()
    held = np.random.default_rng(7).random(len(data)) < 0.15
    train, test = data.take(np.flatnonzero(~held)), data.take(np.flatnonzero(held))

    def quality(found: float) -> float:
        return palate.evaluate(kind.fitted(found), train, test, metrics=[kind.metric]).metrics[kind.metric]

    whole = kind.choose(renumbered(train, np.ones(len(train), bool)))
    best, lines = quality(whole), []
    for n in SAMPLES:
        if len(train) < n * FEWEST:
            continue
        some = [part_of(train, kind.shares(1 / n, train), seed) for seed in SEEDS]
        found = [kind.choose(one) for one in some]
        costs = [100 * (quality(one) / best - 1) for one in found]
        times, cost = np.median(found) / whole, f"{kind.metric.upper()} {np.median(costs):+.1f} %"
        size = int(np.median([len(one) for one in some]))
        lines.append([f"{name}, {len(train):,}", f"1/{n}", f"{size:,}", f"{times:.2f}", cost])
        print(" | ".join(lines[-1]), flush=True)
    return lines


def part_of(data: Interactions, shares: tuple[float, float], seed: int) -> Interactions:
    """Return the rows between a part of the users and a part of the items."""
    rng = np.random.default_rng(seed)
    users, items = (rng.random(n) < share for n, share in zip((data.n_users, data.n_items), shares, strict=True))
    return renumbered(data, users[data.user_index] & items[data.item_index])


def renumbered(data: Interactions, keep: np.ndarray) -> Interactions:
    """Return some rows, of users and items that have some."""
    rows = data.take(np.flatnonzero(keep))
    table = {"user": rows.user_index.astype(np.int64), "item": rows.item_index.astype(np.int64), "value": rows.values}
    if np.ptp(data.values) == 0:
        table.pop("value")
    return Interactions.from_table(table, rating_range=data.rating_range)


if __name__ == "__main__":
    main()
