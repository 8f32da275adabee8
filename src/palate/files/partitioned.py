"""A model as a folder of partitioned Parquet, as Spark writes models that are too large for one file; the reader of it.

    facts/         one row, written last: json, and sha256 of its bytes
    users/         position, user_id, and the learned arrays with a row a user: user_factors, user_biases, …
    items/         position, item_id, and those with a row an item: item_factors, item_biases, …; where the facts say
                   "rated" also rated_counts (int64) and rated_means (float64)
    arrays/        the other learned arrays: name, part (from 0), data (little-endian bytes, parts follow each other)
    seen/          user, item (positions, int32), value (float32) and, where there are sample weights, weight (float32)
    item_table/    item_id, title, and further columns to show

A column has the name of its array in a model file (`palate.files.model_file`) without the last "_"; of an array with
more than one axis it holds a list a row. Rows may stand in any order in any number of files. ids are int64 or text.

The facts are JSON: format_version, palate_version, model, parameters, learned, users, items and, of a model that
learned from a store, log, all as in the header of a model file; n_users, n_items; n_seen (rows, or null where they were
not kept), weights (of these rows), rated; arrays, of each its dtype and shape; and files, of each but that of the facts
its bytes and SHA-256. So nothing can be missing, cut short or changed unnoticed; against malice every value is checked,
as in a model file.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.ids import Ids
from palate.errors import DataError, ModelFileError
from palate.files.checks import log_of, model_of
from palate.files.parquet_parts import PartFiles, Stated, arrays_of, facts_in
from palate.models import ModelState, Recommender
from palate.models.contract.state import Rated
from palate.sparse import Rows

RATED = {"rated_counts": "int64", "rated_means": "float64"}
SEEN_COLUMNS = {"user": pl.Int32, "item": pl.Int32, "value": pl.Float32}


def load_folder(folder: Path) -> Recommender:
    """Return the model of a folder of partitioned Parquet, every value checked; all of it is read into memory.

    Raises:
        ModelFileError: it is half written, damaged, hostile or too new; names the part.
    """
    try:
        facts = facts_in(folder)
        return model_of(_state_of(facts, PartFiles(folder, facts["files"])))
    except ModelFileError as error:
        raise error.within(f"{folder} is refused: ", subject=folder) from None
    except OSError as error:
        raise ModelFileError.of_disk("cannot read", error.filename or folder, error) from error


def _state_of(facts: Mapping[str, Any], files: PartFiles) -> ModelState:
    arrays = arrays_of(facts)
    read = partial(_side, facts, files, arrays)
    seen = facts["n_seen"]
    users, of_users = read("users", {})
    items, of_items = read("items", RATED if facts["rated"] else {})
    rated = Rated(*(of_items.pop(name) for name in RATED)) if facts["rated"] else None
    return ModelState(
        key=facts["model"],
        parameters=facts["parameters"],
        learned=facts["learned"],
        arrays={**of_users, **of_items, **_others(files, arrays)},
        users=users,
        items=items,
        seen=None if seen is None else _seen(facts, files),
        item_table=_item_table(files, items),
        rated=rated,
        log=log_of(facts["log"]) if "log" in facts else None,
    )


def _side(
    facts: Mapping[str, Any], files: PartFiles, arrays: Mapping[str, Stated], part: str, more: Mapping[str, str]
) -> tuple[Ids, dict[str, NDArray[Any]]]:
    """Return the ids of a side and its arrays, by position."""
    n, what = facts[f"n_{part}"], part[:-1]
    if files.n_rows(part) != n:
        raise ModelFileError.of(f"{part}/", f"has {files.n_rows(part)} rows for {n} {part}")
    stated = {name: array for name, array in arrays.items() if array.part == part}
    stated |= {name: Stated(dtype, (n,), part) for name, dtype in more.items()}
    columns = {name.removesuffix("_"): array.column for name, array in stated.items()}
    columns |= {"position": pl.Int32(), f"{what}_id": pl.Int64() if facts[part] == "integer" else pl.String()}
    found: dict[str, NDArray[Any]] = {}
    ids: list[pl.Series] = []
    places: list[NDArray[np.int32]] = []
    taken = np.zeros(n, bool)
    for table in files.tables(part, columns):
        place = _places(part, table["position"], taken)
        for name, array in stated.items():
            rows = _rows_of(part, name, table[name.removesuffix("_")], array)
            found.setdefault(name, np.empty((n, *array.shape[1:]), array.dtype))[place] = rows
        ids.append(table[f"{what}_id"])
        places.append(place)
    values = pl.concat(ids).gather(np.argsort(np.concatenate(places))) if ids else pl.Series(dtype=pl.Int64)
    return _ids(values, what), found


def _places(part: str, positions: pl.Series, taken: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the positions of a file's rows; note them, so that none comes twice: then none is missing, either."""
    place: NDArray[np.int32] = positions.to_numpy()
    if len(place) and (place.min() < 0 or place.max() >= len(taken)):
        raise ModelFileError.of(f"{part}/ column 'position'", f"leaves the range of the {len(taken)} {part}")
    if taken[place].any() or len(np.unique(place)) < len(place):
        raise ModelFileError.of(f"{part}/ column 'position'", "holds a position twice")
    taken[place] = True
    return place


def _rows_of(part: str, name: str, column: pl.Series, stated: Stated) -> NDArray[Any]:
    """Return the rows of an array that a file holds."""
    if isinstance(column.dtype, pl.List):
        sizes = column.list.len()
        if len(column) and (sizes.min(), sizes.max()) != (stated.width, stated.width):
            raise ModelFileError.of(
                f"{part}/ column '{column.name}'",
                f"has rows of {sizes.min()!s} to {sizes.max()!s} numbers; the facts say {stated.width}",
            )
        column = column.explode()
    if column.null_count():
        raise ModelFileError.of(name, "holds a missing number")
    return column.to_numpy().reshape(-1, *stated.shape[1:])


def _ids(values: pl.Series, what: str) -> Ids:
    try:
        return Ids(values, what)
    except DataError as error:
        raise error.within("", kind=ModelFileError) from None


def _others(files: PartFiles, arrays: Mapping[str, Stated]) -> dict[str, NDArray[Any]]:
    """Return the arrays that have a row neither a user nor an item."""
    wanted = {name: stated for name, stated in arrays.items() if stated.part == "arrays"}
    columns = {"name": pl.String, "part": pl.Int32, "data": pl.Binary}
    pieces: dict[str, dict[int, bytes]] = {name: {} for name in wanted}
    for table in files.tables("arrays", columns):
        for row in table.iter_rows(named=True):
            name, part = str(row["name"]), int(row["part"])
            if name not in pieces or part in pieces[name]:
                raise ModelFileError.of("arrays/", f"holds part {part} of '{name[:40]}', unknown or there twice")
            pieces[name][part] = row["data"]
    return {name: _joined(name, pieces[name], stated) for name, stated in wanted.items()}


def _joined(name: str, pieces: Mapping[int, bytes], stated: Stated) -> NDArray[Any]:
    data, dtype = b"".join(pieces[part] for part in sorted(pieces)), np.dtype(stated.dtype)
    needed = int(np.prod(stated.shape, dtype=object)) * dtype.itemsize
    if sorted(pieces) != list(range(len(pieces))) or len(data) != needed:
        raise ModelFileError.of(f"arrays/ '{name}'", f"holds {len(data)} bytes in {len(pieces)} parts, not {needed}")
    return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype).reshape(stated.shape)


def _seen(facts: Mapping[str, Any], files: PartFiles) -> Rows:
    """Return the training rows, by user and item."""
    columns = SEEN_COLUMNS | ({"weight": pl.Float32} if facts["weights"] else {})
    if files.n_rows("seen") != facts["n_seen"]:
        raise ModelFileError.of("seen/", f"has {files.n_rows('seen')} rows, the facts say {facts['n_seen']}")
    tables = list(files.tables("seen", columns))
    cells = {name: _joint(name, kind, tables) for name, kind in columns.items()}
    shape = facts["n_users"], facts["n_items"]
    for name, n in zip(("user", "item"), shape, strict=True):
        if len(cells[name]) and (cells[name].min() < 0 or cells[name].max() >= n):
            raise ModelFileError.of(f"seen/ column '{name}'", f"leaves the range of the {n} {name}s")
    return Rows.from_cells(cells["user"], cells["item"], *shape, cells["value"], cells.get("weight"))


def _joint(name: str, kind: Any, tables: list[pl.DataFrame]) -> NDArray[Any]:
    return pl.concat([table[name] for table in tables] or [pl.Series(dtype=kind)]).to_numpy()


def _item_table(files: PartFiles, items: Ids) -> pl.DataFrame:
    """Return the item table in the order of the items."""
    tables = files.any_tables("item_table")
    if not tables or any(table.schema != tables[0].schema for table in tables):
        raise ModelFileError.of("item_table/", "must be one table, of the same columns in all files")
    table = pl.concat(tables)
    if table.schema.get("item_id") != items.dtype or len(table) != len(items):
        raise ModelFileError.of("item_table/", f"must have an item_id for each of the {len(items)} items")
    place = items.index(table["item_id"], on_unknown="mark") if not table["item_id"].null_count() else np.array([-1])
    order = np.argsort(place)
    if not np.array_equal(place[order], np.arange(len(items))):
        raise ModelFileError.of("item_table/", "is out of step with the items: each must stand in it once")
    return table[order]
