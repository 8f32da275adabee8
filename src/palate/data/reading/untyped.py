"""Read a text as it is written, row by row, with the line of each: for a file of somebody's that may be anything.

Nothing is taken for a number here and no column for a role, and a row that is too long is told, not refused: whoever
reads on says what is wrong with which line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from palate.data.columns import is_usual
from palate.data.reading.bounds import check_bounds
from palate.data.reading.header import is_number
from palate.data.reading.incoming import Incoming, as_file
from palate.data.reading.layout import FileForm, look_at
from palate.data.reading.raw import not_encoded, reading, records, split_line
from palate.data.reading.text import TableFile, checked_quotes, opened
from palate.errors import DataError

MARK = "\ufeff"  # a byte order mark, where a text has no header that it is taken off with


@dataclass(frozen=True, eq=False)
class Untyped:
    """A text file as it is written.

    Attributes:
        names: of the columns; where the file has none, "column 1" and so on.
        has_names: whether the file has them.
        rows: the fields of each row, without spaces around them, as many as there are columns.
        lines: where each row begins, from 1.
        long: lines with more fields than columns, and how many they have; they are in no row.
    """

    names: tuple[str, ...]
    has_names: bool
    rows: list[tuple[str, ...]]
    lines: list[int]
    long: list[tuple[int, int]]


def read_untyped(path: Incoming, *, encoding: str = "utf-8", max_bytes: float) -> Untyped:
    """Read a separated text as it is written, packed or not.

    The first line names the columns unless a number stands in it.

    Args:
        path: the file's name, or an open file or buffer.
        encoding: as Python names it; UTF-16 is told by its first bytes.
        max_bytes: what a packed file may unpack to.

    Raises:
        DataError: the file cannot be read, is no separated text, has one column, goes beyond max_bytes, or has a quote
            that swallows rows.
    """
    with as_file(path, encoding) as (file, encoding, name), reading(file):
        check_bounds(file, max_bytes)
        layout = look_at(file, FileForm(encoding, name=name), attributes=True)
        if layout.kind != "text":
            raise DataError.of(name, "is no text of columns: save it as csv", code="format")
        with opened(TableFile(name, file, layout)) as copy:
            checked_quotes(copy)
            return _read(copy)


def _read(file: TableFile) -> Untyped:
    layout = file.layout
    first = layout.names or ()
    has_names = not any(is_number(field) for field in first) or any(is_usual(field) for field in first)
    width = layout.width
    names = tuple(field.strip() for field in first) if has_names else tuple(f"column {k + 1}" for k in range(width))
    rows, lines, long = [], [], []
    for line, fields in _fields(file, layout.skip if has_names else 0):
        if len(fields) > width:
            long.append((line, len(fields)))
        else:
            rows.append((*fields, *[""] * (width - len(fields))))
            lines.append(line)
    return Untyped(names, has_names, rows, lines, long)


def _fields(file: TableFile, skip: int) -> Iterator[tuple[int, list[str]]]:
    layout = file.layout
    for line, record in records(file.path, layout.packed, skip, quoted=layout.quotable):
        try:
            text = record.decode().removeprefix(MARK)
        except UnicodeDecodeError:
            raise not_encoded(Path(file.name), "utf-8", line) from None
        if text.strip():
            yield line, [field.strip() for field in split_line(text, layout.separator, quoted=layout.quotable)]
