"""`load_dataset`: a known name, a MovieLens folder, or a file of ratings, with attribute tables joined by id.

`load_split`: two files that somebody split before, as one data set and the split of it.
"""

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
from palate.data.lists import ListColumns, check_lists
from palate.data.reading.formats import TABLES
from palate.data.reading.incoming import Incoming, path_of
from palate.data.reading.ratings import read_ratings, read_table
from palate.data.sources.movielens import load_movielens
from palate.data.splits.fixed import OnOverlap, fixed_split
from palate.data.splits.split import Split
from palate.errors import DataError, ParameterError

KNOWN = {"ml-100k": "100k"}
STDIN = "-"
OF_TABLES = ("encoding", "quote", "max_bytes")  # reading options that hold for tables of attributes, too


def load_dataset(
    source: Incoming,
    *,
    items: Incoming | None = None,
    users: Incoming | None = None,
    title: str | None = None,
    all_rows: bool = False,
    lists: ListColumns = True,
    **read: Any,
) -> Dataset:
    """Return a data set by name, folder or file: all that the command line takes as DATA.

    Args:
        source: "ml-100k", a folder in a MovieLens format, a file of ratings as `read_ratings` takes it, or "-" for rows
            on standard input.
        items, users: files of attributes, joined by id.
        title: the item table's column of titles, where it has no usual name.
        lists: True finds columns of lists in the tables, such as "Action|Comedy", by the rule of `palate.data.lists`;
            False makes none; {column: sign} says by hand what stands between words, {column: None} which are none.
        all_rows: for MovieLens, keep the ratings of movies without title or release date.
        read: options of `read_ratings`, for files only; columns, ids, encoding, quote and max_bytes hold for the tables
            of attributes, too.

    Raises:
        DataError: nothing is there, a file cannot be read, or the tables do not fit the ratings.
        ParameterError: reading options for a data set that has none.
    """
    if hasattr(source, "read"):
        ratings = _of_file(_name_of(source), source, read)
    elif source == STDIN:
        ratings = _of_file("standard input", sys.stdin.buffer, read)
    elif str(source) in KNOWN or path_of(source).is_dir():
        check_table_options(str(source), "has a format of its own", read, items is not None, users is not None)
        place: dict[str, Any] = {"name": KNOWN[str(source)]} if str(source) in KNOWN else {"folder": path_of(source)}
        ratings = load_movielens(**place, on_missing="keep" if all_rows else "drop")
    elif path_of(source).exists():
        ratings = _of_file(_name_of(source), source, read)
    else:
        raise DataError.of(
            f"no data at '{source}'",
            f": give {', '.join(KNOWN)}, a file of ratings, or a MovieLens folder "
            "(other sizes of MovieLens: unpack them and give the folder)",
            code="not_found",
        )
    return with_tables(ratings, items, users, title=title, lists=lists, **read)


def load_split(
    train: Incoming,
    test: Incoming,
    *,
    items: Incoming | None = None,
    users: Incoming | None = None,
    title: str | None = None,
    on_overlap: OnOverlap = "raise",
    lists: ListColumns = True,
    **read: Any,
) -> tuple[Dataset, Split]:
    """Return two files of ratings as one data set, and the split of it into the two: see `palate.fixed_split`.

    Args:
        train, test: files of ratings, read with the same options.
        items, users, title, lists, read: as in `load_dataset`; the tables hold for both parts.
        on_overlap: "raise" where test rows are also training rows, or "drop" them, and tell how many.

    Raises:
        DataError: a file cannot be read, the parts do not fit each other, or the tables do not fit the ratings.
        ParameterError: on_overlap is neither of the two.
    """
    parts = [_of_file(_name_of(source), source, read) for source in (train, test)]
    names = (_name_of(source) if hasattr(source, "read") else str(source) for source in (train, test))
    dataset, split = fixed_split(*parts, name=" / ".join(names), on_overlap=on_overlap)
    return with_tables(dataset, items, users, title=title, lists=lists, **read), split


def _name_of(source: Incoming) -> str:
    return "the given file" if hasattr(source, "read") else path_of(source).name


def _of_file(name: str, source: Incoming, read: Mapping[str, Any]) -> Dataset:
    interactions = read_ratings(source, **read)
    notes = tuple(f"dropped {count:,} rows: {reason}" for reason, count in interactions.dropped.items())
    return replace(Dataset.from_tables(interactions, name=name), notes=notes)


def with_tables(
    dataset: Dataset,
    items: Incoming | None,
    users: Incoming | None,
    *,
    title: str | None = None,
    lists: ListColumns = True,
    **read: Any,
) -> Dataset:
    """Return a data set with the attributes of these files joined by id.

    Args:
        dataset: the ratings.
        items, users: files of attributes, or None.
        title: the item table's column of titles, where it has no usual name.
        lists: which texts are lists, as in `load_dataset`.
        read: the options that the ratings were read with.

    Raises:
        DataError: a table cannot be read, or does not fit the ratings.
        ParameterError: there is a title and no item table, or lists is none of what it can be.
    """
    rows = dataset.interactions
    if title is not None and items is None:
        raise ParameterError.of("title", "is a column of the item table, and none is given: give items, too")
    if lists is not True and items is None and users is None:
        raise ParameterError.of("lists", "are of the tables of items and users, and none is given: give one, too")
    given = []
    if items is not None:
        table, id_name = read_attributes(items, "item", rows.items, read)
        given.append(table)
        known = item_table(rows.items, table, id_name=id_name, title=title, lists=lists)
        dataset = replace(dataset, items=known)
    if users is not None:
        table, id_name = read_attributes(users, "user", rows.users, read)
        given.append(table)
        dataset = replace(dataset, users=attribute_table(rows.users, table, "user", id_name=id_name))
    check_lists(lists, *given)
    return replace(dataset, lists=lists)


def check_table_options(
    source: str, why: str, read: Mapping[str, Any], has_items: bool = False, has_users: bool = False
) -> None:
    """Refuse reading options that nothing is read by: those of ratings, where only tables of attributes are read.

    Args:
        source: what is given in place of a file of ratings.
        why: what is so of it.
        read: options of `read_ratings`.
        has_items, has_users: which tables are read.

    Raises:
        ParameterError: names them.
    """
    sides = [side for side, is_there in (("item", has_items), ("user", has_users)) if is_there]
    roles = [role for role in read.get("columns") or {} if role not in sides]
    options = [name for name in read if name != "columns" and not (sides and name in OF_TABLES)]
    if roles or options:
        raise ParameterError.of(source, f"{why}; reading options are for files: {', '.join(roles + options)}")


def read_attributes(path: Incoming, side: Side, ids: Ids, read: Mapping[str, Any]) -> tuple[pl.DataFrame, str | None]:
    """Return a table of attributes, its ids of the ratings' kind, and the name of their column where it was given.

    The tables of MovieLens 100K, u.item and u.user, are known by their names: they have no header.
    """
    if not hasattr(path, "read") and path_of(path).name in TABLES:
        return TABLES[path_of(path).name](path_of(path)), None
    named = (read.get("columns") or {}).get(side)
    id_name = named if isinstance(named, str) else None
    as_text: IdsAs = "text" if ids.kind == "text" else "auto"
    options = {name: read[name] for name in OF_TABLES if name in read}
    return read_table(path, ids=as_text, side=side, id_name=id_name, **options), id_name
