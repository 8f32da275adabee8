"""Read ratings from a file: csv, tsv, `::` and other separators, Parquet, JSON lines; plain, gzip or zstd.

The fast path lets Polars parse numbers straight into their types. Where that fails, the file is read again as text, so
that the check at the door finds every fault and can name its line.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from palate.data.checking import IdsAs, OnDuplicate, OnFault, Policy, Where
from palate.data.columns import Columns, find_columns
from palate.data.convert import TimeUnit
from palate.data.interactions import Interactions, build
from palate.data.items import Side, id_column
from palate.data.reading.bounds import MAX_BYTES, check_bounds
from palate.data.reading.incoming import Incoming, as_file
from palate.data.reading.layout import FileForm, Header, QuoteAs, look_at
from palate.data.reading.raw import brief, json_fault, reading
from palate.data.reading.text import (
    FAILED,
    NUMBER,
    SeriesByRole,
    TableFile,
    as_text,
    checked_quotes,
    narrowed,
    numbering,
    opened,
    text_columns,
    with_integer_ids,
    with_points,
    without_blank_lines,
)
from palate.errors import DataError


def read_ratings(
    path: Incoming,
    *,
    columns: Columns | None = None,
    header: Header = "auto",
    quote: QuoteAs = "auto",
    encoding: str = "utf-8",
    ids: IdsAs = "auto",
    time_unit: TimeUnit = "s",
    rating_range: tuple[float, float] | None = None,
    on_missing: OnFault = "error",
    on_invalid: OnFault = "error",
    on_duplicate: OnDuplicate = "error",
    max_bytes: float = MAX_BYTES,
) -> Interactions:
    """Read a log of ratings or clicks from a file, and check it once.

    The format is told by the name (.csv, .tsv, .parquet, .jsonl, and .gz or .zst after it) and, where that says
    nothing, by the first lines. Columns are found by their usual names; two to four columns without a header are user,
    item, value, time. Two columns are clicks: every value is 1. What is guessed is logged, with the option that
    overrules it.

    Args:
        path: the file's name, or an open file or buffer.
        columns: {"user": name, "item": name, "value": name, "time": name} where the usual names or the usual order do
            not fit; each is a column's name, its position from 0, or None for no values (clicks) or no times.
        header: whether the first line names the columns; "auto" tells it by usual names, and by names above numbers.
        quote: "auto" takes double quotes around fields off in csv; "none" takes them as letters; "backslash" takes a
            quote after a backslash as a letter.
        encoding: of text files, as Python names it, such as "latin-1"; UTF-16 is told by its first bytes.
        ids: "auto" makes ids integers where all of them are, none of the first rows with a leading zero, and takes
            words such as NULL as missing; "text" keeps them as written.
        time_unit: what times that are numbers count: "s", "ms", "us" or "ns" since 1970.
        rating_range, on_missing, on_invalid, on_duplicate: as `Interactions.from_table`.
        max_bytes: what a packed file may unpack to; a small file can hold more than memory does.

    Raises:
        DataError: the file cannot be read, goes beyond max_bytes or 10,000 columns, a column cannot be told, or one
            error that lists every fault with its lines and what mends it.
        ParameterError: an option is none of those above, or the encoding is unknown.
    """
    policy = Policy(on_missing, on_invalid, on_duplicate, rating_range, ids, time_unit)
    with as_file(path, encoding) as (file, encoding, name), reading(file):
        check_bounds(file, max_bytes)
        return _read_ratings(file, columns, FileForm(encoding, header, quote, name), policy)


def read_table(
    path: Incoming,
    *,
    encoding: str = "utf-8",
    quote: QuoteAs = "auto",
    ids: IdsAs = "auto",
    side: Side | None = None,
    id_name: str | None = None,
    max_bytes: float = MAX_BYTES,
) -> pl.DataFrame:
    """Read a table of attributes of users or items; a text file has the columns' names in its first line.

    Columns of text become integers or numbers where every value is one; leading zeros stay, as in zip codes.

    Args:
        path, encoding, quote, max_bytes: as `read_ratings`.
        ids: "text" keeps the ids of ``side`` as they are written.
        side: "user" or "item", where the table has their ids.
        id_name: the column of ids, where it has no usual name.

    Raises:
        DataError: the file cannot be read, or two columns have one name.
    """
    with as_file(path, encoding) as (file, encoding, name), reading(file):
        check_bounds(file, max_bytes)
        frame, widen = _read_table(file, FileForm(encoding, quote=quote, name=name))
        as_ids = id_column(frame.columns, side, id_name) if side is not None and ids == "text" else None
        return frame.with_columns(c if c.name == as_ids else widen(c) for c in frame.get_columns())


def _read_ratings(path: Path, columns: Columns | None, form: FileForm, policy: Policy) -> Interactions:
    layout = look_at(path, form, columns)
    file = TableFile(form.name, path, layout, policy.ids)
    if layout.kind == "text":
        with opened(file) as copy:
            by_role, file = text_columns(copy)
            kept = without_blank_lines(file, by_role)
            return build(by_role, policy, numbering(file, kept))
    if layout.kind == "parquet":
        return build(_from_parquet(file, columns or {}), policy, Where(file.name))
    return build(_from_json(file, columns or {}), policy, numbering(file, None))


def _read_table(path: Path, form: FileForm) -> tuple[pl.DataFrame, Callable[[pl.Series], pl.Series]]:
    """Return a table as it is written, and what gives its columns their types."""
    layout = look_at(path, form, attributes=True)
    file = TableFile(form.name, path, layout)
    if layout.kind == "parquet":
        return _collect_parquet(file, _scan_parquet(file)), _unchanged
    if layout.kind == "jsonl":
        return _collect_json(file, None), _unchanged
    names = layout.names or ()
    if len(set(names)) < len(names):
        raise DataError.of(path, f": two columns have one name: {', '.join(names)}", code="columns")
    with opened(file) as file:
        if layout.quotable:
            quotes = checked_quotes(file)
            file = replace(file, layout=replace(file.layout, quoted=bool(quotes.count)))
        frame = as_text(file, dict.fromkeys(range(layout.width), pl.String()))
    frame = frame.filter(pl.any_horizontal(pl.all().is_not_null()))
    named = pl.DataFrame({name: frame[str(k)] for k, name in enumerate(names)})
    return named, narrowed if layout.separator == "," else partial(_narrowed_with_points, file)


def _narrowed_with_points(file: TableFile, column: pl.Series) -> pl.Series:
    done = narrowed(column)
    if done.dtype != pl.String or not column.drop_nulls().str.contains(NUMBER).all():
        return done
    return narrowed(with_points(file, column))


def _unchanged(column: pl.Series) -> pl.Series:
    return column


def _from_parquet(file: TableFile, columns: Columns) -> SeriesByRole:
    lazy = _scan_parquet(file)
    try:
        schema = lazy.collect_schema()
    except FAILED as error:
        raise _damaged_parquet(file, error) from None
    chosen = []
    for role, name in _roles_of(file, schema, columns).items():
        column = pl.col(name).alias(role)
        if role == "value" and schema[name].is_numeric():
            column = column.cast(pl.Float32)
        elif role in ("user", "item") and file.ids == "text":
            column = column.cast(pl.String)
        chosen.append(column)
    frame = _collect_parquet(file, lazy.select(chosen))
    return {column.name: column for column in frame}


def _scan_parquet(file: TableFile) -> pl.LazyFrame:
    return pl.scan_parquet(file.path, glob=False)


def _collect_parquet(file: TableFile, lazy: pl.LazyFrame) -> pl.DataFrame:
    try:
        return lazy.collect()
    except FAILED as error:
        raise _damaged_parquet(file, error) from None


def _damaged_parquet(file: TableFile, error: Exception) -> DataError:
    return DataError.of(file.name, f"is no whole Parquet file: {brief(error)}; fetch or write it again", code="damaged")


def _from_json(file: TableFile, columns: Columns) -> SeriesByRole:
    inferred = _json_schema(file)
    roles = _roles_of(file, inferred, columns)
    types = {name: _json_type(file, role, inferred[name]) for role, name in roles.items()}
    try:
        frame = _scan_json(file, types).collect()
    except FAILED:
        frame = _collect_json(file, dict.fromkeys(types, pl.String()))
        by_role = {role: frame[name].alias(role) for role, name in roles.items()}
        return with_integer_ids(file, by_role, [r for r, name in roles.items() if types[name] == pl.Int64])
    return {role: frame[name].alias(role) for role, name in roles.items()}


def _json_schema(file: TableFile) -> pl.Schema:
    """Return the types that the first rows promise."""
    try:
        return _scan_json(file, None, infer=1000).collect_schema()
    except FAILED as error:
        raise _unreadable_json(file, error) from None


def _json_type(file: TableFile, role: str, inferred: pl.DataType) -> pl.DataType:
    if role in ("user", "item") and file.ids == "text":
        return pl.String()
    if role == "value" and inferred.is_numeric():
        return pl.Float32()
    return inferred if inferred in (pl.Int64, pl.Float64) else pl.String()


def _scan_json(file: TableFile, schema: Mapping[str, pl.DataType] | None, infer: int | None = None) -> pl.LazyFrame:
    kinds = None if schema is None else dict(schema)
    return pl.scan_ndjson(glob.escape(str(file.path)), schema=kinds, infer_schema_length=infer)


def _collect_json(file: TableFile, schema: Mapping[str, pl.DataType] | None) -> pl.DataFrame:
    try:
        return _scan_json(file, schema).collect()
    except FAILED as error:
        raise _unreadable_json(file, error) from None


def _unreadable_json(file: TableFile, error: Exception) -> DataError:
    fault = json_fault(file.path, file.layout.packed)
    return fault or DataError.of(file.name, f"cannot be read: {brief(error)}", code="damaged")


def _roles_of(file: TableFile, schema: pl.Schema, columns: Columns) -> dict[str, str]:
    numeric = [name for name, kind in schema.items() if kind.is_numeric() or kind == pl.Boolean]
    roles = find_columns(schema.names(), columns, numeric=numeric, source=file.name)
    for role, name in roles.items():
        if schema[name].is_nested():
            raise DataError(
                f"{file.name}: column '{name}' has type {schema[name]}; the {role} must be one value a row",
                code="columns",
                subject=name,
            )
    return roles
