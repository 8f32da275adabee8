"""Splits as a file: frozen row numbers that others can use, bound to the data they were made of.

A Parquet table with one row a split: format_version, fingerprint (of the interactions), n_rows, name, in_time, and the
lists train and test. Any tool that reads Parquet reads it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from palate.atomic import replacing
from palate.data.fingerprint import fingerprint
from palate.data.interactions import Interactions, check_interactions
from palate.data.splits.making import FILE_ENDING, Split, make_splits
from palate.errors import DataError, ParameterError

FORMAT_VERSION = 1
SCHEMA: dict[str, Any] = {
    "format_version": pl.Int64,
    "fingerprint": pl.String,
    "n_rows": pl.Int64,
    "name": pl.String,
    "in_time": pl.String,
    "train": pl.List(pl.Int64),
    "test": pl.List(pl.Int64),
}


def save_splits(splits: str | Split | Iterable[Split], path: str | Path, interactions: Interactions) -> None:
    """Write splits as a file that `load_splits` and ``make_splits`` read; an existing one is replaced.

    Args:
        splits: a split, several, or a string that makes them.
        path: ends in .parquet.
        interactions: what they split.

    Raises:
        ParameterError: path ends otherwise, or there is no split.
        DataError: a split does not fit the interactions, or the file cannot be written.
    """
    check_interactions("interactions", interactions)
    path = Path(path)
    if path.suffix != FILE_ENDING:
        raise ParameterError(f"a file of splits ends in {FILE_ENDING}, got {path.name}")
    made = make_splits(interactions, splits) if isinstance(splits, str) else splits
    several = [made] if isinstance(made, Split) else list(made)
    if not several or not all(isinstance(one, Split) for one in several):
        raise ParameterError("give at least one split, or a string such as time:0.2")
    mark = fingerprint(interactions)
    rows = []
    for one in several:
        one.apply(interactions)  # fits, and keeps what it claims
        parts = (pl.Series(part, dtype=pl.Int64) for part in (one.train, one.test))
        rows.append((FORMAT_VERSION, mark, len(interactions), one.name, one.in_time, *parts))
    table = pl.DataFrame({name: [row[k] for row in rows] for k, name in enumerate(SCHEMA)}, schema=SCHEMA)
    try:
        with replacing(path) as file:
            table.write_parquet(file)
    except OSError as error:
        raise DataError(f"cannot write the splits to {path}: {error.strerror or error}") from None


def load_splits(path: str | Path, interactions: Interactions) -> list[Split]:
    """Return the splits of a file.

    Raises:
        DataError: the file is not there, damaged, of another version, or was made of other interactions.
    """
    check_interactions("interactions", interactions)
    table = _table(Path(path))
    mark, n_rows = table["fingerprint"][0], table["n_rows"][0]
    if mark != fingerprint(interactions):
        raise DataError(
            f"{path} was made of other interactions ({n_rows:,} rows; these are {len(interactions):,}), or of the same "
            "in another order or read with other options: a split holds row numbers"
        )
    out = []
    for place, row in enumerate(table.iter_rows(named=True), 1):
        train, test = (table[part][place - 1].to_numpy().astype(np.intp) for part in ("train", "test"))
        try:
            one = Split(row["name"], train, test, row["in_time"], (str(path), place))
        except (DataError, ParameterError) as error:
            raise DataError(f"{path} is damaged: {error}") from None
        if one.n_rows > len(interactions):
            raise DataError(
                f"{path} is damaged: it has row {one.n_rows - 1:,}, and the data {len(interactions):,} rows"
            )
        out.append(one)
    return out


def names_of(path: str | Path) -> list[str]:
    """Return the names of the splits in a file.

    Raises:
        DataError: the file is not there, damaged, or of another version.
    """
    return _table(Path(path))["name"].to_list()


def _inside(column: pl.Series) -> list[pl.Series]:
    """Return the cells inside the lists of a column."""
    return [column.explode(empty_as_null=False)] if isinstance(column.dtype, pl.List) else []


def _table(path: Path) -> pl.DataFrame:
    try:
        table = pl.read_parquet(io.BytesIO(path.read_bytes()))
    except OSError as error:
        raise DataError(f"cannot read the splits of {path}: {error.strerror or error}") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:  # a damaged page makes Polars panic
        raise DataError(f"{path} is damaged: {error}") from None
    if dict(table.schema) != SCHEMA or table.is_empty():
        raise DataError(f"{path} is no file of splits: its columns are {', '.join(table.columns)}")
    if (version := table["format_version"][0]) != FORMAT_VERSION:
        raise DataError(f"{path} is of version {version}, this Palate reads {FORMAT_VERSION}: it needs a newer Palate")
    if any(series.has_nulls() for name in SCHEMA for series in (table[name], *_inside(table[name]))):
        raise DataError(f"{path} is damaged: it has missing values")
    return table
