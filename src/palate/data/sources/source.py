"""One door to all data: a known name, a MovieLens folder, or a file of ratings, with attribute tables joined by id."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from palate.data.checking import IdsAs
from palate.data.dataset import Dataset
from palate.data.ids import Ids
from palate.data.interactions import Interactions
from palate.data.items import Side, attribute_table, item_table
from palate.data.reading.incoming import path_of
from palate.data.reading.ratings import read_ratings, read_table
from palate.data.sources.movielens import load_movielens
from palate.errors import DataError, ParameterError

KNOWN = {"ml-100k": "100k"}
STDIN = "-"


def open_dataset(
    data: str,
    *,
    items: Path | None = None,
    users: Path | None = None,
    all_rows: bool = False,
    title: str | None = None,
    **read: Any,
) -> Dataset:
    """Return a data set by name, folder or file.

    Args:
        data: "ml-100k", a folder in a MovieLens format, a file of ratings, or "-" for rows on standard input.
        items, users: tables of attributes, joined by id; columns=, ids=, encoding=, quote= and max_bytes= hold for
            them too.
        all_rows: for MovieLens, keep the ratings of movies without title or release date.
        title: the item table's column of titles, where it has no usual name.
        read: options of `read_ratings`; for files only.

    Raises:
        DataError: nothing is there, or the tables do not fit the ratings.
        ParameterError: reading options for a data set that has none.
    """
    if data == STDIN:
        interactions = read_ratings(sys.stdin.buffer, **read)
        return with_tables(_of_file("standard input", interactions), items, users, title=title, **read)
    path = path_of(data)
    if data in KNOWN or path.is_dir():
        if read and items is None and users is None:
            raise ParameterError.of(data, f"has a format of its own; reading options are for files: {', '.join(read)}")
        on_missing = "keep" if all_rows else "drop"
        if data in KNOWN:
            dataset = load_movielens(KNOWN[data], on_missing=on_missing)
        else:
            dataset = load_movielens(None, folder=path, on_missing=on_missing)
    elif path.exists():
        dataset = _of_file(path.name, read_ratings(path, **read))
    else:
        raise DataError(
            f"no data at '{data}': give {', '.join(KNOWN)}, a file of ratings, or a MovieLens folder "
            "(other sizes of MovieLens: unpack them and give the folder)",
            subject=data,
            code="not_found",
        )
    return with_tables(dataset, items, users, title=title, **read)


def _of_file(name: str, interactions: Interactions) -> Dataset:
    notes = tuple(f"dropped {count:,} rows: {reason}" for reason, count in interactions.dropped.items())
    users = pl.DataFrame({"user_id": interactions.users.values})
    return Dataset(name, interactions, item_table(interactions.items), users, notes)


def with_tables(
    dataset: Dataset, items: Path | None, users: Path | None, *, title: str | None = None, **read: Any
) -> Dataset:
    """Return a data set with the attributes of these files joined by id.

    Args:
        dataset: the ratings.
        items, users: files of attributes, or None.
        title: the item table's column of titles, where it has no usual name.
        read: the options that the ratings were read with.

    Raises:
        DataError: a table cannot be read, or does not fit the ratings.
    """
    rows = dataset.interactions
    item_rows, user_rows = dataset.items, dataset.users
    if items is not None:
        table, id_name = read_attributes(items, "item", rows.items, read)
        item_rows = item_table(rows.items, table, id_name=id_name, title=title)
    if users is not None:
        table, id_name = read_attributes(users, "user", rows.users, read)
        user_rows = attribute_table(rows.users, table, "user", id_name=id_name)
    return replace(dataset, items=item_rows, users=user_rows)


def read_attributes(path: Path, side: Side, ids: Ids, read: Mapping[str, Any]) -> tuple[pl.DataFrame, str | None]:
    """Return a table of attributes, its ids of the ratings' kind, and the name of their column where it was said."""
    said = (read.get("columns") or {}).get(side)
    id_name = said if isinstance(said, str) else None
    as_text: IdsAs = "text" if ids.kind == "text" else "auto"
    options = {name: read[name] for name in ("encoding", "quote", "max_bytes") if name in read}
    return read_table(path, ids=as_text, side=side, id_name=id_name, **options), id_name
