"""A table in parts, as Spark writes it: a folder of Parquet, CSV or JSON files, with columns in the names of folders.

    clicks/_SUCCESS
    clicks/day=2026-11-01/part-00000-….snappy.parquet        each row has the column day, with this value
    clicks/day=2026-11-02/part-00000-….snappy.parquet

Files are read in the order of their names. Files and folders whose names begin with "_" or "." hold no rows. A folder
whose files alone do not tell which rows count (Delta, Iceberg, Hudi), and one that is still being written, is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.checking import SHOWN, Where
from palate.data.reading.raw import brief
from palate.data.reading.whole import WholeTable
from palate.errors import DataError

ENDINGS = (".parquet", ".csv", ".tsv", ".json", ".jsonl")
PACKED = (".gz", ".zst")
DONE, UNDONE = "_SUCCESS", "_temporary"
NOTHING = "__HIVE_DEFAULT_PARTITION__"  # Spark's name of null
TABLES = {"_delta_log": "Delta", ".hoodie/hoodie.properties": "Hudi", "metadata/*.metadata.json": "Iceberg"}


@dataclass(frozen=True)
class WhereInParts(Where):
    """How rows of several files are numbered in messages: by file.

    Attributes:
        parts: how each file numbers its own.
        ends: how many rows there are up to the end of each.
    """

    parts: tuple[Where, ...] = ()
    ends: tuple[int, ...] = ()

    def rows(self, index: NDArray[np.intp]) -> str:
        """Return the first few rows as text, each with its file."""
        first = index[:SHOWN]
        of = np.searchsorted(self.ends, first, side="right")
        starts = np.array([0, *self.ends])
        told = [f"{self.parts[k].rows(first[of == k] - starts[k])} of {self.parts[k].name}" for k in np.unique(of)]
        return f"{'; '.join(told)}{', …' if len(index) > SHOWN else ''}"


def is_parts(folder: Path) -> bool:
    """Return whether a folder holds a table in parts."""
    paths = list(folder.iterdir())
    marked = any(path.name in (DONE, UNDONE) or (path.is_dir() and _partition(path.name)) for path in paths)
    named = any(path.name.startswith("part") and _ending(path) in ENDINGS for path in paths)
    return marked or named or _table_of(folder) is not None


def _table_of(folder: Path) -> str | None:
    """Return whose table a folder is, some of whose files may no longer count."""
    return next((kind for mark, kind in TABLES.items() if any(folder.glob(mark))), None)


def parts_of(folder: Path) -> list[Path]:
    """Return the files of a table that hold rows, in the order of their names.

    Raises:
        DataError: the folder is of a kind whose files do not tell which rows count, or not finished, or it holds no
            such file, or files of several kinds.
    """
    kind = _table_of(folder)
    if kind is not None:
        words = f"is a table of {kind}, some of whose files no longer count: write it as Parquet first"
        raise DataError.of(folder, f"{words}, such as by spark.read.format(…).load(…).write.parquet(…)", code="format")
    if (folder / UNDONE).exists():
        raise DataError.of(
            folder, f"is not finished: it has a folder {UNDONE}, and no {DONE}; write it again", code="damaged"
        )
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and _counts(path.relative_to(folder))]
    if not found:
        raise DataError.of(folder, f"holds no file of {', '.join(ENDINGS)}", code="empty")
    kinds = sorted({_ending(path) for path in found})
    if len(kinds) > 1 or kinds[0] not in ENDINGS:
        names = ", ".join(kind or "without ending" for kind in kinds)
        words = f"has parts {names}: all must be of one kind among {', '.join(ENDINGS)}; write it as Parquet"
        raise DataError.of(folder, words, code="format")
    return [path for path in found if path.stat().st_size]  # a part without rows may have no bytes


def whole_of_parts(folder: Path, read: Callable[[Path], WholeTable]) -> WholeTable:
    """Return a table in parts as one.

    Args:
        folder: which holds it.
        read: reads one file.

    Raises:
        DataError: as `parts_of`; or a file cannot be read, or has other columns than the first one.
    """
    tables = [_with_partition(read(path), path.relative_to(folder)) for path in parts_of(folder)]
    counts = [len(table.objects) or len(table.frame) for table in tables]
    ends = tuple(np.cumsum(counts).tolist())
    where = WhereInParts(str(folder), "row", 1, parts=tuple(table.where for table in tables), ends=ends)
    if not tables:
        return WholeTable("jsonl", pl.DataFrame(), [], where)
    first = tables[0]
    for table in tables[1:]:
        _check_alike(first, table)
    frame = pl.DataFrame() if first.kind == "jsonl" else _joined(folder, [table.frame for table in tables])
    return WholeTable(first.kind, frame, [row for table in tables for row in table.objects], where)


def _joined(folder: Path, frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return frames one below the other; a column that some lack is null there."""
    try:
        return pl.concat(frames, how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        words = f"has parts whose columns have other types: {brief(error)}; write it with one schema"
        raise DataError.of(folder, words, code="columns") from None


def _check_alike(first: WholeTable, other: WholeTable) -> None:
    """Refuse parts of text with other columns: of a file without a header the first row would be taken for one."""
    if first.kind == "text" and first.names != other.names:
        words = f"has the columns {_said(other)}, and {first.where.name} {_said(first)}"
        raise DataError.of(
            other.where.name, f'{words}: write all with .option("header", True), or as Parquet', code="columns"
        )


def _said(table: WholeTable) -> str:
    return ", ".join(map(repr, table.names))


def _with_partition(table: WholeTable, path: Path) -> WholeTable:
    """Return a part with the columns that stand in the names of its folders."""
    pairs = [pair for name in path.parts[:-1] if (pair := _partition(name))]
    if not pairs:
        return table
    columns = {name: None if value == NOTHING else value for name, value in pairs}
    if table.kind == "jsonl":
        return WholeTable("jsonl", table.frame, [{**row, **columns} for row in table.objects], table.where)
    named = [pl.lit(value, pl.String).alias(name) for name, value in columns.items()]
    return WholeTable(table.kind, table.frame.with_columns(named), [], table.where)


def _partition(name: str) -> tuple[str, str] | None:
    """Return column and value of a folder's name such as "day=2026-11-01"."""
    column, sign, value = name.partition("=")
    return (unquote(column), unquote(value)) if sign and column else None


def _counts(path: Path) -> bool:
    return not any(part.startswith(("_", ".")) for part in path.parts)


def _ending(path: Path) -> str:
    name = path.with_suffix("") if path.suffix in PACKED else path
    return name.suffix
