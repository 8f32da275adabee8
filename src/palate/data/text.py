"""Separated text as columns: typed where Polars can parse the whole file, else as text; and the lines of its rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.checking import SHOWN, Where
from palate.data.ids import shown
from palate.data.layout import INTEGER, LEADING_ZERO, Layout, is_integers, is_numbers
from palate.data.raw import brief, decoded, raw_chunks, readable, records, split_line
from palate.errors import DataError

log = logging.getLogger(__name__)

IdsAs = Literal["auto", "text"]
SeriesByRole = dict[str, pl.Series]
BEYOND = "beyond the last column"
FAILED = (pl.exceptions.PolarsError, OSError)


@dataclass(frozen=True)
class Source:
    """A file as Polars reads it: ``path`` is the file ``name``, or a rewritten copy with the same lines."""

    name: str
    path: Path
    layout: Layout
    ids: IdsAs = "auto"


@contextmanager
def opened(source: Source, encoding: str) -> Iterator[Source]:
    """Yield the source as Polars can read it."""
    layout = source.layout
    with readable(source.path, layout.packed, layout.separator, encoding) as (path, packed, separator):
        yield replace(source, path=path, layout=replace(layout, packed=packed, separator=separator))


def text_columns(source: Source) -> SeriesByRole:
    """Return the columns by role: typed where the whole file can be parsed, else as text."""
    roles = source.layout.roles
    types = {role: _type_of(source, role) for role in roles}
    try:
        frame = _collect_text(source, {roles[role]: kind for role, kind in types.items()}, pl.Boolean())
    except FAILED:
        frame = None
    if frame is not None and frame[BEYOND].null_count() == len(frame):
        return {role: frame[str(place)].alias(role) for role, place in roles.items()}
    frame = as_text(source, dict.fromkeys(roles.values(), pl.String()))
    found = {role: frame[str(place)].alias(role) for role, place in roles.items()}
    return with_integer_ids(source, found, [role for role, kind in types.items() if kind == pl.Int64])


def _type_of(source: Source, role: str) -> pl.DataType:
    """Return the type that the first rows promise."""
    layout = source.layout
    fields = [row[layout.roles[role]] for row in layout.sample if len(row) == layout.width]
    if role in ("value", "weight"):
        return pl.Float32()
    if role == "time":
        return pl.Int64() if is_integers(fields) else pl.Float64() if is_numbers(fields) else pl.String()
    return pl.Int64() if source.ids == "auto" and is_integers(fields) else pl.String()


def _collect_text(source: Source, types: Mapping[int, pl.DataType], beyond: pl.DataType) -> pl.DataFrame:
    """Return the columns of these numbers, named by them, and what stands beyond the last one in rows too long."""
    layout = source.layout
    schema = {str(k): types.get(k, pl.String()) for k in range(layout.width)}
    lazy = pl.scan_csv(
        source.path,
        has_header=False,
        skip_lines=layout.skip,
        separator=layout.separator,
        quote_char='"' if layout.quoted else None,
        schema={**schema, BEYOND: beyond},
        missing_columns="insert",
        glob=False,
    )
    return lazy.select(*(str(k) for k in types), BEYOND).collect()


def as_text(source: Source, types: Mapping[int, pl.DataType]) -> pl.DataFrame:
    """Return the columns of these numbers as they are written; raise DataError where that is impossible."""
    try:
        frame = _collect_text(source, types, pl.String())
    except FAILED as error:
        raise _unreadable(source, brief(error)) from None
    if frame[BEYOND].null_count() < len(frame):
        raise _unreadable(source, "rows are too long")
    return frame.drop(BEYOND)


def _unreadable(source: Source, why: str) -> DataError:
    """Return the error that says why Polars refused a text: look for damage, letters, quotes, rows too long."""
    layout = source.layout
    for _ in decoded(raw_chunks(source.path, layout.packed), Path(source.name), "utf-8"):
        pass
    long = []
    for line, record in records(source.path, layout.packed, layout.skip, quoted=layout.quoted):
        if layout.quoted and record.count(b'"') % 2:
            return DataError(f"{source.name}: a quote opened in line {line} is never closed")
        n_fields = len(split_line(record.decode(), layout.separator, quoted=layout.quoted))
        if n_fields > layout.width:
            long.append(f"line {line} has {n_fields} fields")
        if len(long) == SHOWN:
            break
    if long:
        return DataError(
            f"{source.name}: {', '.join(long)}, the first line has {layout.width}: put fields that hold the separator "
            "into double quotes, or mend these lines"
        )
    return DataError(f"{source.name} cannot be read: {why}")


def without_blank_lines(source: Source, columns: SeriesByRole) -> NDArray[np.intp] | None:
    """Leave out the rows that Polars makes of blank lines; return which are left, or None where there are none."""
    if not (columns["user"].null_count() or columns["item"].null_count()):
        return None
    empty = [c.is_null() | (c.str.strip_chars() == "" if c.dtype == pl.String else False) for c in columns.values()]
    suspects = np.flatnonzero(np.logical_and.reduce([e.fill_null(value=True).to_numpy() for e in empty]))
    if not len(suspects):
        return None
    wanted, last = set(suspects.tolist()), int(suspects[-1])
    layout = source.layout
    keep = np.ones(len(columns["user"]), bool)
    for row, (_, record) in enumerate(records(source.path, layout.packed, layout.skip, quoted=layout.quoted)):
        if row > last:
            break
        if row in wanted and not record.strip(b" \r"):
            keep[row] = False
    columns.update({role: column.filter(pl.Series(keep)) for role, column in columns.items()})
    return np.flatnonzero(keep)


def numbering(source: Source, kept: NDArray[np.intp] | None) -> Where:
    """Return how rows get the numbers of their lines; ``kept`` are the rows that are no blank lines."""
    layout = source.layout

    def numbers(rows: list[int]) -> list[int]:
        wanted = rows if kept is None else kept[rows].tolist()
        if layout.kind == "text" and not layout.quoted:
            return [layout.skip + 1 + row for row in wanted]
        lines = records(source.path, layout.packed, layout.skip, quoted=layout.quoted)
        starts = (line for line, record in lines if layout.kind == "text" or record.strip())
        found = {row: line for row, line in zip(range(wanted[-1] + 1), starts, strict=False) if row in set(wanted)}
        return [found[row] for row in wanted]

    return Where(source.name, "line", numbers=numbers)


def with_integer_ids(source: Source, columns: SeriesByRole, promised: list[str]) -> SeriesByRole:
    """Make ids integers where all of them are; say so where the first rows promised it and others break it."""
    for role in ("user", "item") if source.ids == "auto" else ():
        integers = _integers(columns[role])
        if integers is not None:
            columns[role] = integers
        elif role in promised:
            odd = columns[role].filter(~columns[role].str.contains(INTEGER))
            example = f", such as {shown(odd[0])}" if len(odd) else ""
            log.warning("%s: %s ids are kept as text, for not all are integers%s", source.name, role, example)
    return columns


def _integers(column: pl.Series) -> pl.Series | None:
    """Return a column of text as integers, or None where a value is none or has a leading zero."""
    plain = column.str.strip_chars().replace("", None)
    if not plain.str.contains(INTEGER).all() or plain.str.contains(LEADING_ZERO).any():
        return None
    integers = plain.cast(pl.Int64, strict=False)  # beyond 64 bits: null
    return integers if integers.null_count() == plain.null_count() else None


def narrowed(column: pl.Series) -> pl.Series:
    """Return a column of text as integers or numbers where every value is one."""
    integers = _integers(column)
    if integers is not None and integers.null_count() < len(column):
        return integers
    plain = column.str.strip_chars().replace("", None)
    numbers = plain.cast(pl.Float64, strict=False)
    if plain.str.contains(LEADING_ZERO + r"\d*$").any() or numbers.null_count() > plain.null_count():
        return column
    return numbers if plain.null_count() < len(column) else column
