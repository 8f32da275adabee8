"""One door to all data: a known name, a MovieLens folder, or a file of ratings, with attribute tables joined by id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from palate.data.dataset import Dataset
from palate.data.items import attribute_table, item_table
from palate.data.movielens import load_movielens
from palate.data.reading import read_ratings, read_table
from palate.errors import DataError, ParameterError

KNOWN = {"ml-100k": "100k"}


def open_dataset(
    data: str, *, items: Path | None = None, users: Path | None = None, all_rows: bool = False, **read: Any
) -> Dataset:
    """Return a data set by name, folder or file.

    Args:
        data: "ml-100k", a folder in a MovieLens format, or a file of ratings.
        items, users: tables of attributes, joined by id.
        all_rows: for MovieLens, keep the ratings of movies without title or release date.
        read: options of `read_ratings`; for files only.

    Raises:
        DataError: nothing is there, or the tables do not fit the ratings.
        ParameterError: reading options for a data set that has none.
    """
    path = Path(data)
    if data in KNOWN or path.is_dir():
        if read:
            raise ParameterError(f"{data} has a format of its own; reading options are for files: {', '.join(read)}")
        on_missing = "keep" if all_rows else "drop"
        if data in KNOWN:
            dataset = load_movielens(KNOWN[data], on_missing=on_missing)
        else:
            dataset = load_movielens(None, folder=path, on_missing=on_missing)
    elif path.is_file():
        interactions = read_ratings(path, **read)
        notes = tuple(f"dropped {count:,} rows: {reason}" for reason, count in interactions.dropped.items())
        empty = pl.DataFrame({"user_id": interactions.users.values})
        dataset = Dataset(path.name, interactions, item_table(interactions.items), empty, notes)
    else:
        raise DataError(
            f"no data at '{data}': give {', '.join(KNOWN)}, a file of ratings, or a MovieLens folder "
            "(other sizes of MovieLens: unpack them and give the folder)"
        )
    return with_tables(dataset, items, users)


def with_tables(dataset: Dataset, items: Path | None, users: Path | None) -> Dataset:
    """Return a data set with the attributes of these files joined by id.

    Raises:
        DataError: a table cannot be read, or does not fit the ratings.
    """
    interactions = dataset.interactions
    return Dataset(
        dataset.name,
        interactions,
        dataset.items if items is None else item_table(interactions.items, read_table(items)),
        dataset.users if users is None else attribute_table(interactions.users, read_table(users), "user"),
        dataset.notes,
    )
