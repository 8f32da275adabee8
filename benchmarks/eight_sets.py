"""Eight data sets of six shapes, and the questions that defaults are judged on. PALATE_DATA names their folder.

ml-100k         100 K ratings 1 to 5, times, attributes of both sides     filmtrust   35 K ratings, fixed split
anime           420 K ratings 1 to 10, items with genres                  movietweetings   100 K ratings 0 to 10, times
gowalla, yelp2018   clicks, fixed splits                                  lastfm-2k   play counts
retailrocket    events of a shop
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import palate
from palate.data.interactions import on_shared_ids
from palate.data.splits.making import make_splits

SEARCHED_PEOPLE = 6000  # a search on a wide set is of these


@dataclass(frozen=True)
class Question:
    """A training and a test part, and what is asked of a model on it.

    Attributes:
        name: such as "ml-100k, time:0.2".
        parts: gives them; data sets with attributes where there are some.
        metric: that models are compared by.
        floor: the model that no other may be worse than.
        validation: how a search splits the training part.
        parameters: what models of clicks are given, such as {"positive": 4}.
        relevant: values of at least this are relevant in the test part.
    """

    name: str
    parts: Callable[[], tuple[Any, Any]]
    metric: str
    floor: str
    validation: str
    parameters: dict[str, Any]
    relevant: float | None = None

    @property
    def higher_is_better(self) -> bool:
        """Whether it is a metric of lists."""
        return self.metric != "rmse"


def folder() -> Path:
    """Return where the data sets are."""
    return Path(os.environ["PALATE_DATA"])


def ml_100k() -> palate.data.dataset.Dataset:
    """Return MovieLens 100K with attributes of both sides."""
    return palate.load_movielens("100k")


def frames(name: str, *files: str) -> list[pl.DataFrame]:
    """Return tables of a folder."""
    return [pl.read_parquet(folder() / name / f"{file}.parquet") for file in files]


def with_items(name: str) -> palate.data.dataset.Dataset:
    """Return ratings with the table of their items."""
    path = folder() / name
    return palate.load_dataset(path / "ratings.parquet", items=path / "items.parquet")


def fixed(name: str) -> tuple[Any, Any]:
    """Return the parts of a fixed split, over the ids of both."""
    train, test = on_shared_ids([palate.Interactions.from_table(t) for t in frames(name, "train", "test")])
    return train, test


def listens() -> Any:
    """Return play counts."""
    table = pl.read_csv(folder() / "lastfm-2k" / "user_artists.dat", separator="\t")
    return palate.Interactions.from_table(table, columns={"user": "userID", "item": "artistID", "value": "weight"})


def events() -> Any:
    """Return who did anything with what in a shop: clicks."""
    (table,) = frames("retailrocket", "events")
    return palate.Interactions.from_table(table.select("user", "item").unique(maintain_order=True))


def thinned(per_person: int, seed: int) -> tuple[Any, Any]:
    """Return MovieLens 100K, its training part thinned to so many ratings a person; the test part is whole."""
    train, test = split_of(lambda: ml_100k().interactions, RANDOM)()
    order = np.random.default_rng(seed).permutation(len(train))
    person = train.user_index[order]
    first = np.argsort(person, kind="stable")
    place = np.arange(len(train)) - np.repeat(
        np.flatnonzero(np.diff(person[first], prepend=-1)), np.unique(person, return_counts=True)[1]
    )
    return train.take(np.sort(order[first[place < per_person]])), test


def split_of(load: Callable[[], Any], split: str) -> Callable[[], tuple[Any, Any]]:
    """Return what gives the parts of a split."""

    def parts() -> tuple[Any, Any]:
        data = load()
        (only,) = make_splits(getattr(data, "interactions", data), split)
        train, test = only.apply(data)
        return train, test

    return parts


def _rated(name: str, parts: Callable[[], tuple[Any, Any]], validation: str = "random:0.2:7") -> Question:
    return Question(name, parts, "rmse", "baseline", validation, {})


def _clicked(name: str, parts: Callable[[], tuple[Any, Any]], positive: Any, relevant: float | None = None) -> Question:
    return Question(name, parts, "ndcg@20", "popularity", "stratified:0.2:7", {"positive": positive}, relevant)


RANDOM, TIME = "random:0.2:42", "time:0.2"
RATINGS = (
    _rated("ml-100k, random", split_of(ml_100k, RANDOM)),
    _rated("ml-100k, time", split_of(ml_100k, TIME), TIME),
    _rated("filmtrust, fixed", lambda: fixed("filmtrust")),
    _rated("anime, random", split_of(lambda: with_items("anime"), RANDOM)),
    _rated("movietweetings, random", split_of(lambda: with_items("movietweetings"), RANDOM)),
    _rated("movietweetings, time", split_of(lambda: with_items("movietweetings"), TIME), TIME),
)
LISTS = (
    _clicked("ml-100k from 4", split_of(ml_100k, RANDOM), 4, 4),
    _clicked("gowalla, fixed", lambda: fixed("gowalla"), None),
    _clicked("yelp2018, fixed", lambda: fixed("yelp2018"), None),
    _clicked("lastfm-2k, counts", split_of(listens, RANDOM), "values"),
    _clicked("retailrocket, events", split_of(events, RANDOM), None),
)
THINNED = tuple(
    _rated(f"ml-100k thinned to {n}, seed {seed}", partial(thinned, n, seed)) for n in (3, 5, 10) for seed in (0, 1, 2)
)
QUESTIONS = {question.name: question for question in (*RATINGS, *LISTS)}
MODELS_OF = {
    "rmse": ("baseline", "mf", "als", "bayes"),
    "ndcg@20": ("popularity", "knn", "rp3beta", "graph", "ease", "ials", "bpr", "warp"),
}


def some_people(data: Any, most: int = SEARCHED_PEOPLE) -> Any:
    """Return the rows of so many people, drawn with a fixed seed; of items only what they have."""
    rows = getattr(data, "interactions", data)
    if rows.n_users <= most:
        return data
    chosen = np.random.default_rng(0).permutation(rows.n_users)[:most]
    part = rows.take(np.flatnonzero(np.isin(rows.user_index, chosen))).to_table()
    return palate.Interactions.from_table(part.select("user_id", "item_id"))
