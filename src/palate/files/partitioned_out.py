"""A fitted model as a folder of partitioned Parquet, written by one machine; see `palate.files.partitioned`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.atomic import replacing
from palate.errors import ModelFileError
from palate.files import strict_json
from palate.files.checks import check_whole, class_of, plain_state
from palate.files.header import told_of
from palate.files.parquet_parts import FACTS, FORMAT_VERSION, Stated
from palate.models import ModelState, Recommender

ROWS = 1_000_000  # of a file
PIECE = 64 << 20  # bytes of an array in one row


def save_folder(model: Recommender, folder: str | Path, *, rows: int = ROWS) -> None:
    """Write a fitted model as a folder of partitioned Parquet.

    The facts come last: a folder with them is whole.

    Args:
        model: any fitted model.
        folder: where nothing is yet.
        rows: how many a file holds.

    Raises:
        NotFittedError: before ``fit``.
        ModelFileError: something is there already, the model holds NaN, or a file cannot be written.
    """
    folder = Path(folder)
    check_whole(model, "a folder of partitioned Parquet")
    state = plain_state(model.state())
    if folder.exists():
        raise ModelFileError.of(folder, "is there already; name another folder, or remove it")
    try:
        sums = {}
        for part, table in tables_of(state):
            for first in range(0, max(len(table), 1), rows):
                name = f"{part}/part-{first // rows:05d}.parquet"
                sums[name] = _written(folder / name, table[first : first + rows])
        facts = {**facts_of(state), "files": sums}
        _written(folder / FACTS / "part-00000.parquet", facts_table(facts))
    except OSError as error:
        raise ModelFileError.of_disk("cannot save to", folder, error) from error


def facts_of(state: ModelState) -> dict[str, Any]:
    """Return the facts of a model, but for its files."""
    return {
        **told_of(state, FORMAT_VERSION),
        "n_users": len(state.users),
        "n_items": len(state.items),
        "n_seen": None if state.seen is None else len(state.seen.indices),
        "weights": state.seen is not None and state.seen.weights is not None,
        "rated": state.rated is not None,
        "arrays": {name: [array.dtype.name, list(array.shape)] for name, array in state.arrays.items()},
    }


def facts_table(facts: Mapping[str, Any]) -> pl.DataFrame:
    """Return the one row of the facts."""
    text = strict_json.dumps(facts, "the facts")
    return pl.DataFrame({"json": [text.decode()], "sha256": [hashlib.sha256(text).hexdigest()]})


def tables_of(state: ModelState) -> Iterator[tuple[str, pl.DataFrame]]:
    """Return the parts of a folder by name."""
    kind = class_of(state.key).learned_.kind.ARRAYS
    parts = {name: Stated.of(kind, name, array.dtype.name, array.shape).part for name, array in state.arrays.items()}
    for side, ids in (("users", state.users), ("items", state.items)):
        arrays = {name: array for name, array in state.arrays.items() if parts[name] == side}
        if side == "items" and state.rated is not None:
            arrays |= {"rated_counts": state.rated.counts, "rated_means": state.rated.means}
        columns = [column_of(name.removesuffix("_"), array) for name, array in arrays.items()]
        position = pl.Series("position", np.arange(len(ids), dtype=np.int32))
        yield side, pl.DataFrame([position, ids.values.alias(f"{side[:-1]}_id"), *columns])
    yield "arrays", _pieces({name: array for name, array in state.arrays.items() if parts[name] == "arrays"})
    if state.seen is not None:
        seen, weights = state.seen, state.seen.weights
        cells = {"user": seen.row_of_cells(), "item": seen.indices, "value": seen.values}
        yield "seen", pl.DataFrame(cells | ({} if weights is None else {"weight": weights}))
    yield "item_table", state.item_table


def column_of(name: str, array: NDArray[Any]) -> pl.Series:
    """Return an array as a column, its rows as lists where they have more than one number."""
    if array.ndim == 1:
        return pl.Series(name, array)
    return pl.Series(name, np.ascontiguousarray(array).reshape(len(array), -1)).arr.to_list()


def _pieces(arrays: Mapping[str, NDArray[Any]]) -> pl.DataFrame:
    found: list[tuple[str, int, bytes]] = []
    for name, array in arrays.items():
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        found += [(name, n, data[at : at + PIECE]) for n, at in enumerate(range(0, len(data), PIECE))]
    return pl.DataFrame(found, {"name": pl.String, "part": pl.Int32, "data": pl.Binary}, orient="row")


def _written(path: Path, table: pl.DataFrame) -> list[Any]:
    """Write one file, and return its bytes and SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        table.write_parquet(file)
    data = path.read_bytes()
    return [len(data), hashlib.sha256(data).hexdigest()]
