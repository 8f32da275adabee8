"""Read ratings from a file: csv, tsv, `::` and other separators, Parquet, JSON lines; plain, gzip or zstd.

The fast path lets Polars parse numbers straight into their types. Where that fails, the file is read again as text, so
that the check at the door finds every fault and can name its line.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from palate.data.bounds import MAX_BYTES, check_bounds
from palate.data.checking import OnDuplicate, OnFault, Policy, Where
from palate.data.columns import find_columns
from palate.data.interactions import Interactions, build
from palate.data.layout import Columns, look_at
from palate.data.raw import brief, json_fault, reading
from palate.data.text import (
    FAILED,
    IdsAs,
    SeriesByRole,
    Source,
    as_text,
    narrowed,
    numbering,
    opened,
    text_columns,
    with_integer_ids,
    without_blank_lines,
)
from palate.errors import DataError, ParameterError


def read_ratings(
    path: str | Path,
    *,
    columns: Columns | None = None,
    encoding: str = "utf-8",
    ids: IdsAs = "auto",
    rating_range: tuple[float, float] | None = None,
    on_missing: OnFault = "error",
    on_invalid: OnFault = "error",
    on_duplicate: OnDuplicate = "error",
    max_bytes: float = MAX_BYTES,
) -> Interactions:
    """Read a log of ratings or clicks from a file, and check it once.

    The format is told by the name (.csv, .tsv, .parquet, .jsonl, and .gz or .zst after it) and, where that says
    nothing, by the first lines. Columns are found by their usual names; without a header they are user, item, value,
    time. Two columns are clicks: every value is 1.

    Args:
        path: the file.
        columns: {"user": name, "item": name, "value": name, "time": name}, or numbers of columns from 0, where the
            usual names or the usual order do not fit.
        encoding: of text files, as Python names it, such as "latin-1".
        ids: "auto" makes ids integers where all of them are, none of the first rows with a leading zero; "text" keeps
            them as written.
        rating_range, on_missing, on_invalid, on_duplicate: as `Interactions.from_table`.
        max_bytes: what a packed file may unpack to; a small file can hold more than memory does.

    Raises:
        DataError: the file cannot be read, goes beyond max_bytes or 10,000 columns, or one error that lists every fault
            with its lines and what mends it.
        ParameterError: a policy, the range or the encoding is unknown.
    """
    policy = Policy(on_missing, on_invalid, on_duplicate, rating_range)
    if ids not in ("auto", "text"):
        raise ParameterError(f"ids must be 'auto' or 'text', got {ids!r}")
    with reading(Path(path)):
        check_bounds(Path(path), max_bytes)
        return _read_ratings(Path(path), columns, encoding, ids, policy)


def read_table(path: str | Path, *, encoding: str = "utf-8", max_bytes: float = MAX_BYTES) -> pl.DataFrame:
    """Read a table of attributes of users or items; a text file has the columns' names in its first line.

    Columns of text become integers or numbers where every value is one; leading zeros stay, as in zip codes.
    ``encoding`` and ``max_bytes`` are as in `read_ratings`.

    Raises:
        DataError: the file cannot be read, or two columns have one name.
    """
    with reading(Path(path)):
        check_bounds(Path(path), max_bytes)
        return _read_table(Path(path), encoding)


def _read_ratings(path: Path, columns: Columns | None, encoding: str, ids: IdsAs, policy: Policy) -> Interactions:
    layout = look_at(path, encoding, columns)
    if layout.kind == "text":
        with opened(Source(str(path), path, layout, ids), encoding) as source:
            found = text_columns(source)
            kept = without_blank_lines(source, found)
            return build(found, policy, numbering(source, kept))
    source = Source(str(path), path, layout, ids)
    if layout.kind == "parquet":
        return build(_from_parquet(source, columns or {}), policy, Where(str(path)))
    return build(_from_json(source, columns or {}), policy, numbering(source, None))


def _read_table(path: Path, encoding: str) -> pl.DataFrame:
    layout = look_at(path, encoding, attributes=True)
    source = Source(str(path), path, layout)
    if layout.kind == "parquet":
        return _collect_parquet(source, _scan_parquet(source))
    if layout.kind == "jsonl":
        return _collect_json(source, None)
    names = layout.names or ()
    if len(set(names)) < len(names):
        raise DataError(f"{path}: two columns have one name: {', '.join(names)}")
    with opened(source, encoding) as source:
        frame = as_text(source, dict.fromkeys(range(layout.width), pl.String()))
    frame = frame.filter(pl.any_horizontal(pl.all().is_not_null()))
    return pl.DataFrame({name: narrowed(frame[str(k)]) for k, name in enumerate(names)})


def _from_parquet(source: Source, columns: Columns) -> SeriesByRole:
    lazy = _scan_parquet(source)
    try:
        schema = lazy.collect_schema()
    except FAILED as error:
        raise _damaged_parquet(source, error) from None
    chosen = []
    for role, name in _roles_of(source, schema.names(), columns).items():
        column = pl.col(name).alias(role)
        if role == "value" and schema[name].is_numeric():
            column = column.cast(pl.Float32)
        elif role in ("user", "item") and source.ids == "text":
            column = column.cast(pl.String)
        chosen.append(column)
    frame = _collect_parquet(source, lazy.select(chosen))
    return {column.name: column for column in frame}


def _scan_parquet(source: Source) -> pl.LazyFrame:
    return pl.scan_parquet(source.path, glob=False)


def _collect_parquet(source: Source, lazy: pl.LazyFrame) -> pl.DataFrame:
    try:
        return lazy.collect()
    except FAILED as error:
        raise _damaged_parquet(source, error) from None


def _damaged_parquet(source: Source, error: Exception) -> DataError:
    return DataError(f"{source.name} is no whole Parquet file: {brief(error)}; fetch or write it again")


def _from_json(source: Source, columns: Columns) -> SeriesByRole:
    inferred = _json_schema(source)
    roles = _roles_of(source, inferred.names(), columns)
    types = {name: _json_type(source, role, inferred[name]) for role, name in roles.items()}
    try:
        frame = _scan_json(source, types).collect()
    except FAILED:
        frame = _collect_json(source, dict.fromkeys(types, pl.String()))
        found = {role: frame[name].alias(role) for role, name in roles.items()}
        return with_integer_ids(source, found, [r for r, name in roles.items() if types[name] == pl.Int64])
    return {role: frame[name].alias(role) for role, name in roles.items()}


def _json_schema(source: Source) -> pl.Schema:
    """Return the types that the first rows promise."""
    try:
        return _scan_json(source, None, infer=1000).collect_schema()
    except FAILED as error:
        raise _unreadable_json(source, error) from None


def _json_type(source: Source, role: str, inferred: pl.DataType) -> pl.DataType:
    if role in ("user", "item") and source.ids == "text":
        return pl.String()
    if role == "value" and inferred.is_numeric():
        return pl.Float32()
    return inferred if inferred in (pl.Int64, pl.Float64) else pl.String()


def _scan_json(source: Source, schema: Mapping[str, pl.DataType] | None, infer: int | None = None) -> pl.LazyFrame:
    kinds = None if schema is None else dict(schema)
    return pl.scan_ndjson(glob.escape(str(source.path)), schema=kinds, infer_schema_length=infer)


def _collect_json(source: Source, schema: Mapping[str, pl.DataType] | None) -> pl.DataFrame:
    try:
        return _scan_json(source, schema).collect()
    except FAILED as error:
        raise _unreadable_json(source, error) from None


def _unreadable_json(source: Source, error: Exception) -> DataError:
    fault = json_fault(source.path, source.layout.packed)
    return fault or DataError(f"{source.name} cannot be read: {brief(error)}")


def _roles_of(source: Source, names: list[str], columns: Columns) -> dict[str, str]:
    given = {role: names[n] if isinstance(n, int) and 0 <= n < len(names) else str(n) for role, n in columns.items()}
    try:
        return find_columns(names, given)
    except DataError as error:
        raise DataError(f"{source.name}: {error}") from None
