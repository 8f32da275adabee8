"""Splits as a file: frozen row numbers that others can use, bound to the data they were made of.

A Parquet table with one row a split: format_version, fingerprint (of the interactions), n_rows, name, in_time, and the
lists train and test. Any tool that reads Parquet reads it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from palate.atomic import replacing
from palate.data.dataset import Dataset, interactions_of
from palate.data.fingerprint import fingerprint
from palate.data.interactions import Interactions
from palate.data.splits.split import Split
from palate.errors import DataError, ParameterError

FILE_ENDING = ".parquet"
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


def check_ending(path: Path) -> None:
    """Refuse a path that no file of splits has.

    Raises:
        ParameterError: it ends otherwise.
    """
    if path.suffix != FILE_ENDING:
        raise ParameterError(
            f"a file of splits ends in {FILE_ENDING}, got {path.name}", code="split", value=path.name, subject=path.name
        )


def write_splits(splits: Sequence[Split], path: Path, data: Interactions) -> None:
    """Write splits of these interactions to a path with the right ending.

    Raises:
        ParameterError: there is no split.
        DataError: a split does not fit the interactions, or the file cannot be written.
    """
    if not splits or not all(isinstance(split, Split) for split in splits):
        raise ParameterError("give at least one split, or a string such as time:0.2", code="split", subject="splits")
    mark = fingerprint(data)
    rows = []
    for split in splits:
        split.apply(data)  # fits, and keeps what it claims
        parts = (pl.Series(part, dtype=pl.Int64) for part in (split.train, split.test))
        rows.append((FORMAT_VERSION, mark, len(data), split.name, split.in_time, *parts))
    table = pl.DataFrame({name: [row[k] for row in rows] for k, name in enumerate(SCHEMA)}, schema=SCHEMA)
    try:
        with replacing(path) as file:
            table.write_parquet(file)
    except OSError as error:
        raise DataError.of_disk("cannot write the splits to", path, error) from None


def load_splits(path: str | Path, interactions: Dataset | Interactions) -> list[Split]:
    """Return the splits of a file.

    Args:
        path: of a file of `palate.save_splits`.
        interactions: what they were made of.

    Raises:
        DataError: the file is not there, damaged, of another version, or was made of other interactions.
    """
    data = interactions_of(interactions, "interactions")
    table = _table(Path(path))
    mark, n_rows = table["fingerprint"][0], table["n_rows"][0]
    if mark != fingerprint(data):
        raise DataError.of(
            path,
            f"was made of other interactions ({n_rows:,} rows; these are {len(data):,}), or of the same "
            "in another order or read with other options: a split holds row numbers",
            code="other_data",
        )
    splits = []
    for place, row in enumerate(table.iter_rows(named=True), 1):
        train, test = (table[part][place - 1].to_numpy().astype(np.intp) for part in ("train", "test"))
        try:
            split = Split(row["name"], train, test, row["in_time"], (str(path), place))
        except (DataError, ParameterError) as error:
            raise DataError.of(path, f"is damaged: {error}", code="damaged") from None
        if split.n_rows > len(data):
            raise DataError.of(
                path, f"is damaged: it has row {split.n_rows - 1:,}, and the data {len(data):,} rows", code="damaged"
            )
        splits.append(split)
    return splits


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
        raise DataError.of_disk("cannot read the splits of", path, error) from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:  # a damaged page makes Polars panic
        raise DataError.of(path, f"is damaged: {error}", code="damaged") from None
    if dict(table.schema) != SCHEMA or table.is_empty():
        raise DataError.of(path, f"is no file of splits: its columns are {', '.join(table.columns)}", code="damaged")
    if (version := table["format_version"][0]) != FORMAT_VERSION:
        raise DataError.of(
            path,
            f"is of version {version}, this Palate reads {FORMAT_VERSION}: it needs a newer Palate",
            code="version",
        )
    if any(series.has_nulls() for name in SCHEMA for series in (table[name], *_inside(table[name]))):
        raise DataError.of(path, "is damaged: it has missing values", code="damaged")
    return table
