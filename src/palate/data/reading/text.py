"""Separated text as columns: typed where Polars can parse the whole file, else as text; and the lines of its rows."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.checking import SHOWN, IdsAs, Where
from palate.data.convert import WORDS, without_words
from palate.data.reading.layout import INTEGER, LEADING_ZERO, Layout, is_integers, is_numbers
from palate.data.reading.quotes import Quotes, quotes_in
from palate.data.reading.raw import brief, decoded, raw_chunks, readable, records, split_line
from palate.errors import DataError, Remedy, Set, shown

log = logging.getLogger(__name__)

LETTERS = Set("quote", "none"), " where quotes are letters"

SeriesByRole = dict[str, pl.Series]
WHOLE_FRACTION = r"^[+-]?\d{1,15}\.0*$"
NUMBER = r"^\s*([+-]?\d*[.,]?\d+)?\s*$"
DECIMAL_COMMA = r"^\s*[+-]?\d*,\d+\s*$"
THOUSANDS = r"^\s*[+-]?[1-9]\d{0,2},\d{3}\s*$"
BEYOND = "beyond the last column"
FAILED = (pl.exceptions.PolarsError, OSError)


@dataclass(frozen=True)
class TableFile:
    """A file as Polars reads it: ``path`` is the file ``name``, or a rewritten copy with the same lines."""

    name: str
    path: Path
    layout: Layout
    ids: IdsAs = "auto"


@contextmanager
def opened(file: TableFile) -> Iterator[TableFile]:
    """Yield the file as Polars can read it."""
    layout = file.layout
    with readable(file.path, layout.packed, layout.separator, layout.encoding, escaped=layout.escaped) as (
        path,
        packed,
        separator,
    ):
        yield replace(file, path=path, layout=replace(layout, packed=packed, separator=separator))


def text_columns(file: TableFile) -> tuple[SeriesByRole, TableFile]:
    """Return the columns by role, typed where the whole file can be parsed, else as text; and how they were read."""
    layout = file.layout
    by_role = None
    if not layout.quoted:
        by_role = _typed(file)
        if by_role is not None and _is_plain(file, by_role):
            return by_role, file
    if layout.quotable:
        quotes = checked_quotes(file)
        if quotes.count:
            file, by_role = replace(file, layout=replace(layout, quoted=True)), None
            by_role = _typed(file)
    else:
        quotes = Quotes()
    if by_role is None:
        by_role = _as_written(file)
    if quotes.spanning:
        _refuse_broken_ids(file, by_role)
    return by_role, file


def _is_plain(file: TableFile, by_role: SeriesByRole) -> bool:
    """Return whether columns that were read as if there were no quotes are surely what the file holds."""
    layout = file.layout
    if not layout.quotable:
        return True
    if any(column.null_count() for column in by_role.values()):
        return False
    texts = [column for column in by_role.values() if column.dtype == pl.String]
    if len(by_role) == layout.width and (layout.packed or not texts):  # cheaper than to unpack it again
        return not any(column.str.contains('"', literal=True).any() for column in texts)
    return not any(b'"' in chunk for chunk in raw_chunks(file.path, layout.packed))


def checked_quotes(file: TableFile) -> Quotes:
    """Return what the quotes of a text are like.

    Raises:
        DataError: a quote stands inside a field or is never closed, so that rows may be swallowed.
    """
    layout = file.layout
    quotes = quotes_in(raw_chunks(file.path, layout.packed), layout.separator, layout.skip)
    if quotes.stray:
        raise DataError.of(
            file.name,
            f": line {quotes.stray} has a quote inside a field",
            Remedy("; say ", Set("quote", "none"), " where those are letters"),
            Remedy(", or ", Set("quote", "backslash"), ' where \\" is one'),
            "; else quote the whole field and double the others",
            code="format",
            rows=[quotes.stray],
        )
    if quotes.unclosed:
        words, remedy = f": a quote opened in line {quotes.unclosed} is never closed", Remedy("; say ", *LETTERS)
        raise DataError.of(file.name, words, remedy, code="format", rows=[quotes.unclosed])
    if quotes.spanning:
        log.warning(
            "%s: %s line ends stand inside quotes, the first in line %d, so rows go over several lines; %s makes "
            "every line a row",
            *(file.name, f"{quotes.spanning:,}", quotes.first_spanning, Set("quote", "none")),
        )
    return quotes


def _refuse_broken_ids(file: TableFile, by_role: SeriesByRole) -> None:
    for role in ("user", "item"):
        column = by_role[role]
        broken = column.str.contains("\n", literal=True) if column.dtype == pl.String else None
        if broken is not None and broken.any():
            row = int(np.flatnonzero(broken.fill_null(value=False).to_numpy())[0])
            [line] = numbering(file, None).numbers_of(np.array([row]))
            words = f": a {role} id goes over several lines (line {line}): its quote closes in a later row"
            remedy = Remedy("; say ", *LETTERS, ", or mend that line")
            raise DataError.of(file.name, words, remedy, code="format", rows=[line])


def _typed(file: TableFile) -> SeriesByRole | None:
    """Return the columns by role in the types that the first rows promise, or None where a field does not fit."""
    roles = file.layout.roles
    types = {roles[role]: _type_of(file, role) for role in roles}
    try:
        frame = _collect_text(file, types, pl.Boolean())
    except FAILED:
        return None
    if frame[BEYOND].null_count() < len(frame):
        return None
    return {role: frame[str(place)].alias(role) for role, place in roles.items()}


def _as_written(file: TableFile) -> SeriesByRole:
    """Return the columns by role as text, ids as integers where all are, numbers with a point."""
    roles = file.layout.roles
    frame = as_text(file, dict.fromkeys(roles.values(), pl.String()))
    by_role = {role: frame[str(place)].alias(role) for role, place in roles.items()}
    for role in {"value", "weight"} & set(by_role) if file.layout.separator != "," else ():
        by_role[role] = with_points(file, by_role[role])
    promised = [role for role in roles if _type_of(file, role) == pl.Int64]
    return with_integer_ids(file, by_role, promised)


def with_points(file: TableFile, column: pl.Series) -> pl.Series:
    """Return a column of text with points for decimal commas, where that is what they are, and say so."""
    commas = column.str.contains(",", literal=True).fill_null(value=False)
    if not commas.any() or column.str.contains(".", literal=True).any():
        return column
    with_commas = column.filter(commas)
    if not with_commas.str.contains(DECIMAL_COMMA).all() or with_commas.str.contains(THOUSANDS).all():
        return column
    leave_out = Set("columns", {column.name: None})
    log.warning(
        "%s: '%s' has decimal commas, such as %s; where they are none, write the file without them%s",
        *(file.name, column.name, shown(with_commas[0])),
        Remedy(", or leave them out with ", leave_out) if column.name in ("value", "weight") else "",
    )
    return column.str.replace(",", ".", literal=True)


def _type_of(file: TableFile, role: str) -> pl.DataType:
    """Return the type that the first rows promise."""
    layout = file.layout
    fields = [row[layout.roles[role]] for row in layout.sample if len(row) >= layout.width]
    if role in ("value", "weight"):
        return pl.Float32()
    if role == "time":
        return pl.Int64() if is_integers(fields) else pl.Float64() if is_numbers(fields) else pl.String()
    if file.ids == "text":
        return pl.String()
    ids = [field for field in fields if field.strip() not in WORDS]
    # a promise of whole fractions, such as 17850.0, is broken by the first, and kept where all are: see _integers
    whole = is_integers(ids) or all(re.match(WHOLE_FRACTION, field.strip()) for field in ids if field.strip())
    return pl.Int64() if whole else pl.String()


def _collect_text(file: TableFile, types: Mapping[int, pl.DataType], beyond: pl.DataType) -> pl.DataFrame:
    """Return the columns of these numbers, named by them, and what stands beyond the last one in rows too long."""
    layout = file.layout
    schema = {str(k): types.get(k, pl.String()) for k in range(layout.width)}
    lazy = pl.scan_csv(
        file.path,
        has_header=False,
        skip_lines=layout.skip,
        separator=layout.separator,
        quote_char='"' if layout.quoted else None,
        schema={**schema, BEYOND: beyond},
        missing_columns="insert",
        glob=False,
    )
    return lazy.select(*(str(k) for k in types), BEYOND).collect()


def as_text(file: TableFile, types: Mapping[int, pl.DataType]) -> pl.DataFrame:
    """Return the columns of these numbers as they are written; raise DataError where that is impossible."""
    try:
        frame = _collect_text(file, types, pl.String())
    except FAILED as error:
        raise _unreadable(file, brief(error)) from None
    if frame[BEYOND].null_count() < len(frame):
        raise _unreadable(file, "rows are too long")
    return frame.drop(BEYOND)


def _unreadable(file: TableFile, why: str) -> DataError:
    """Return the error that says why Polars refused a text: look for damage, letters, quotes, rows too long."""
    layout = file.layout
    for _ in decoded(raw_chunks(file.path, layout.packed), Path(file.name), "utf-8"):
        pass
    long = []
    for line, record in records(file.path, layout.packed, layout.skip, quoted=layout.quoted):
        n_fields = len(split_line(record.decode(), layout.separator, quoted=layout.quoted))
        if n_fields > layout.width:
            long.append(f"line {line} has {n_fields} fields")
        if len(long) == SHOWN:
            break
    if long:
        names = ""
        if layout.names and all(line.endswith(f"has {layout.width + 1} fields") for line in long):
            names = "; if the rows begin with their names, as R writes them, give that column a name too (col.names=NA)"
        return DataError.of(
            file.name,
            f": {', '.join(long)}, the first line has {layout.width}: put fields that hold the separator "
            f"into double quotes, or mend these lines{names}",
            code="format",
        )
    return DataError.of(file.name, f"cannot be read: {why}", code="damaged")


def without_blank_lines(file: TableFile, columns: SeriesByRole) -> NDArray[np.intp] | None:
    """Leave out the rows that Polars makes of blank lines; return which are left, or None where there are none."""
    if not (columns["user"].null_count() or columns["item"].null_count()):
        return None
    empty = [c.is_null() | (c.str.strip_chars() == "" if c.dtype == pl.String else False) for c in columns.values()]
    suspects = np.flatnonzero(np.logical_and.reduce([e.fill_null(value=True).to_numpy() for e in empty]))
    if not len(suspects):
        return None
    wanted, last = set(suspects.tolist()), int(suspects[-1])
    layout = file.layout
    keep = np.ones(len(columns["user"]), bool)
    for row, (_, record) in enumerate(records(file.path, layout.packed, layout.skip, quoted=layout.quoted)):
        if row > last:
            break
        if row in wanted and not record.strip(b" \r"):
            keep[row] = False
    columns.update({role: column.filter(pl.Series(keep)) for role, column in columns.items()})
    return np.flatnonzero(keep)


def numbering(file: TableFile, kept: NDArray[np.intp] | None) -> Where:
    """Return how rows get the numbers of their lines; ``kept`` are the rows that are no blank lines."""
    layout = file.layout

    def numbers(rows: list[int]) -> list[int]:
        wanted = rows if kept is None else kept[rows].tolist()
        if layout.kind == "text" and not layout.quoted:
            return [layout.skip + 1 + row for row in wanted]
        lines = records(file.path, layout.packed, layout.skip, quoted=layout.quoted)
        starts = (line for line, record in lines if layout.kind == "text" or record.strip())
        line_of = {row: line for row, line in zip(range(wanted[-1] + 1), starts, strict=False) if row in set(wanted)}
        return [line_of[row] for row in wanted]

    return Where(file.name, "line", numbers=numbers)


def with_integer_ids(file: TableFile, columns: SeriesByRole, promised: list[str]) -> SeriesByRole:
    """Make ids integers where all of them are; say so where the first rows promised it and others break it."""
    for role in ("user", "item") if file.ids == "auto" else ():
        integers = _integers(without_words(columns[role]))
        if integers is not None:
            columns[role] = integers
        elif role in promised:
            odd = columns[role].filter(~columns[role].str.contains(INTEGER))
            example = f", such as {shown(odd[0])}" if len(odd) else ""
            log.warning(
                "%s: %s ids are kept as text, for not all are integers%s; %s says that this is meant",
                *(file.name, role, example, Set("ids", "text")),
            )
    return columns


def _integers(column: pl.Series) -> pl.Series | None:
    """Return a column of text as integers, or None where a value is none or has a leading zero.

    Whole numbers written as fractions, such as 17850.0, are integers too, as a frame's would be, if all are.
    """
    plain = column.str.strip_chars().replace("", None)
    if plain.str.contains(WHOLE_FRACTION).all() and plain.null_count() < len(plain):
        plain = plain.str.replace(r"\.0*$", "")
    if not plain.str.contains(INTEGER).all() or plain.str.contains(LEADING_ZERO).any():
        return None
    integers = plain.cast(pl.Int64, strict=False)  # beyond 64 bits: null
    return integers if integers.null_count() == plain.null_count() else None


def narrowed(column: pl.Series) -> pl.Series:
    """Return a column of text as integers or numbers where every value is one."""
    integers = _integers(without_words(column))
    if integers is not None and integers.null_count() < len(column):
        return integers
    plain = without_words(column.str.strip_chars().replace("", None))
    numbers = plain.cast(pl.Float64, strict=False)
    if plain.str.contains(LEADING_ZERO + r"\d*$").any() or numbers.null_count() > plain.null_count():
        return column
    return numbers if plain.null_count() < len(column) else column
