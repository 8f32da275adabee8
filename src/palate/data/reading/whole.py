"""A whole table as it is written, and the line of each of its rows: for whoever checks the columns himself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from palate.data.checking import Where
from palate.data.reading.bounds import MAX_BYTES, check_bounds
from palate.data.reading.incoming import Incoming, as_file
from palate.data.reading.layout import FileForm, FileKind, QuoteAs, look_at
from palate.data.reading.raw import brief, json_fault, no_constant, reading, records
from palate.data.reading.text import (
    FAILED,
    TableFile,
    as_text,
    checked_quotes,
    numbering,
    opened,
    without_blank_lines,
)
from palate.errors import DataError


@dataclass(frozen=True)
class WholeTable:
    """A table as it is written.

    Attributes:
        kind: "text" (each column is one of text), "parquet" (as typed there) or "jsonl" (``objects`` alone).
        frame: the columns; empty for JSON lines.
        objects: one object a line of JSON; empty for others.
        where: how rows get the numbers of their lines.
    """

    kind: FileKind
    frame: pl.DataFrame
    objects: list[dict[str, Any]]
    where: Where

    @property
    def names(self) -> list[str]:
        """The names of the columns; of JSON lines, all that any line has."""
        return self.frame.columns or list(dict.fromkeys(name for line in self.objects for name in line))


@contextmanager
def whole_table(
    path: Incoming, *, encoding: str = "utf-8", quote: QuoteAs = "auto", max_bytes: float = MAX_BYTES
) -> Iterator[WholeTable]:
    """Yield a table as it is written; its numbers of lines can be asked for inside the block alone.

    Args:
        path, encoding, quote, max_bytes: as `read_ratings`; a text file has the columns' names in its first line.

    Raises:
        DataError: the file cannot be read, goes beyond max_bytes, or two columns have one name.
    """
    with as_file(path, encoding) as (file, encoding, name), reading(file):
        check_bounds(file, max_bytes)
        layout = look_at(file, FileForm(encoding, quote=quote, name=name), attributes=True)
        table = TableFile(name, file, layout)
        if layout.kind == "text":
            with opened(table) as copy:
                yield _of_text(copy)
        elif layout.kind == "parquet":
            yield WholeTable("parquet", _of_parquet(table), [], Where(name))
        else:
            yield WholeTable("jsonl", pl.DataFrame(), _of_json(table), numbering(table, None))


def _of_text(file: TableFile) -> WholeTable:
    layout = file.layout
    names = layout.names or ()
    if len(set(names)) < len(names):
        raise DataError.of(file.name, f": two columns have one name: {', '.join(names)}", code="columns")
    if layout.quotable:
        file = replace(file, layout=replace(layout, quoted=bool(checked_quotes(file).count)))
    frame = as_text(file, dict.fromkeys(range(layout.width), pl.String()))
    columns = {"user": frame["0"], "item": frame["0"], **{str(k): frame[str(k)] for k in range(len(names))}}
    kept = without_blank_lines(file, columns)  # asks user and item, without which no row is one
    named = {name: columns[str(k)] for k, name in enumerate(names)}
    return WholeTable("text", pl.DataFrame(named), [], numbering(file, kept))


def _of_parquet(file: TableFile) -> pl.DataFrame:
    try:
        return pl.read_parquet(file.path, glob=False)
    except FAILED as error:
        raise DataError.of(
            file.name, f"is no whole Parquet file: {brief(error)}; fetch or write it again", code="damaged"
        ) from None


def _of_json(file: TableFile) -> list[dict[str, Any]]:
    """Return the objects of the lines that are not blank."""
    lines = (line for _, line in records(file.path, file.layout.packed, 0, quoted=False))
    decode = json.JSONDecoder(parse_constant=no_constant).decode
    objects = []
    try:
        objects = [decode(line.decode()) for line in lines if line.strip()]
        faulty = any(type(line) is not dict for line in objects)
    except (ValueError, RecursionError):  # no UTF-8 either
        faulty = True
    fault = json_fault(file.path, file.layout.packed) if faulty else None
    if fault is not None:
        raise fault
    return objects
