"""`load_dataset`: a known name, a MovieLens folder, or a file of ratings, with attribute tables joined by id."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from palate.data.checking import IdsAs
from palate.data.dataset import Dataset
from palate.data.ids import Ids
from palate.data.items import Side, attribute_table, item_table
from palate.data.reading.incoming import Incoming, path_of
from palate.data.reading.ratings import read_ratings, read_table
from palate.data.sources.movielens import load_movielens
from palate.errors import DataError, ParameterError

KNOWN = {"ml-100k": "100k"}
STDIN = "-"


def load_dataset(
    source: Incoming,
    *,
    items: Incoming | None = None,
    users: Incoming | None = None,
    title: str | None = None,
    all_rows: bool = False,
    **read: Any,
) -> Dataset:
    """Return a data set by name, folder or file: all that the command line takes as DATA.

    Args:
        source: "ml-100k", a folder in a MovieLens format, a file of ratings as `read_ratings` takes it, or "-" for rows
            on standard input.
        items, users: files of attributes, joined by id.
        title: the item table's column of titles, where it has no usual name.
        all_rows: for MovieLens, keep the ratings of movies without title or release date.
        read: options of `read_ratings`, for files only; columns, ids, encoding, quote and max_bytes hold for the tables
            of attributes, too.

    Raises:
        DataError: nothing is there, a file cannot be read, or the tables do not fit the ratings.
        ParameterError: reading options for a data set that has none.
    """
    if hasattr(source, "read"):
        ratings = _of_file("the given file", source, read)
    elif source == STDIN:
        ratings = _of_file("standard input", sys.stdin.buffer, read)
    elif str(source) in KNOWN or path_of(source).is_dir():
        if read and items is None and users is None:
            raise ParameterError.of(
                source, f"has a format of its own; reading options are for files: {', '.join(read)}"
            )
        place: dict[str, Any] = {"name": KNOWN[str(source)]} if str(source) in KNOWN else {"folder": path_of(source)}
        ratings = load_movielens(**place, on_missing="keep" if all_rows else "drop")
    elif path_of(source).exists():
        ratings = _of_file(path_of(source).name, source, read)
    else:
        raise DataError.of(
            f"no data at '{source}'",
            f": give {', '.join(KNOWN)}, a file of ratings, or a MovieLens folder "
            "(other sizes of MovieLens: unpack them and give the folder)",
            code="not_found",
        )
    return with_tables(ratings, items, users, title=title, **read)


def _of_file(name: str, source: Incoming, read: Mapping[str, Any]) -> Dataset:
    interactions = read_ratings(source, **read)
    notes = tuple(f"dropped {count:,} rows: {reason}" for reason, count in interactions.dropped.items())
    return replace(Dataset.from_tables(interactions, name=name), notes=notes)


def with_tables(
    dataset: Dataset, items: Incoming | None, users: Incoming | None, *, title: str | None = None, **read: Any
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
    if items is not None:
        table, id_name = read_attributes(items, "item", rows.items, read)
        dataset = replace(dataset, items=item_table(rows.items, table, id_name=id_name, title=title))
    if users is not None:
        table, id_name = read_attributes(users, "user", rows.users, read)
        dataset = replace(dataset, users=attribute_table(rows.users, table, "user", id_name=id_name))
    return dataset


def read_attributes(path: Incoming, side: Side, ids: Ids, read: Mapping[str, Any]) -> tuple[pl.DataFrame, str | None]:
    """Return a table of attributes, its ids of the ratings' kind, and the name of their column where it was given."""
    named = (read.get("columns") or {}).get(side)
    id_name = named if isinstance(named, str) else None
    as_text: IdsAs = "text" if ids.kind == "text" else "auto"
    options = {name: read[name] for name in ("encoding", "quote", "max_bytes") if name in read}
    return read_table(path, ids=as_text, side=side, id_name=id_name, **options), id_name
