"""How much a file of others may ask for: what it unpacks to and how wide it is, known before any of it is kept."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from palate.data.reading.raw import brief, packing, raw_chunks
from palate.errors import Blank, DataError, ParameterError, Remedy, Set

MAX_BYTES = 10**9  # that a packed file may unpack to; MovieLens 32M has 0.88 of it
MAX_COLUMNS = 10_000
MAX_LINE = 1 << 20  # bytes of the first line
MAX_FOOTER = 64 << 20  # bytes of a Parquet file's own table of contents
ROW = 16  # bytes that a row takes at least: two ids
ROWS_A_BYTE = 10  # no true log in Parquet holds so many
SEPARATORS = (b"\t", b",", b";", b"|", b"\x1f", b"::")


def check_bounds(path: Path, max_bytes: float = MAX_BYTES) -> None:
    """Refuse a file that unpacks to more than ``max_bytes``, or has more than 10,000 columns.

    Works in pieces, and keeps none. What is no file is left to whoever reads it.

    Raises:
        DataError: says the bound and how to lift it.
        ParameterError: max_bytes is no number above 0.
    """
    if isinstance(max_bytes, bool) or not isinstance(max_bytes, int | float) or not max_bytes > 0:
        raise ParameterError.outside("max_bytes", "a number of bytes above 0", max_bytes)
    if not path.is_file():
        return
    if _is_parquet(path):
        _check_parquet(path, max_bytes)
    else:
        _check_text(path, packing(path), max_bytes)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _check_text(path: Path, packed: str, max_bytes: float) -> None:
    total, start = 0, b""
    for chunk in raw_chunks(path, packed):
        if total < MAX_LINE:
            start += chunk[: MAX_LINE + 1]
            _check_first_line(path, start)
        total += len(chunk)
        if packed and total > max_bytes:
            size = f"{max_bytes / 1e9:g} GB (it is itself {path.stat().st_size / 1e6:,.1f} MB)"
            raise DataError.of(path, f"unpacks to more than {size}", _trust(2 * max_bytes), code="too_large")
        if not packed and total > MAX_LINE:
            return


def _check_first_line(path: Path, start: bytes) -> None:
    line, end, _ = start.lstrip(b"\r\n").partition(b"\n")
    if not end and len(start) > MAX_LINE:
        raise DataError.of(
            path, f": the first line goes on after {MAX_LINE:,} bytes; this is no log, one row a line", code="format"
        )
    n_columns = max(line.count(b'":') if line.startswith(b"{") else 0, *map(line.count, SEPARATORS)) + 1
    if n_columns > MAX_COLUMNS:
        raise _too_wide(path, n_columns)


def _check_parquet(path: Path, max_bytes: float) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - 8, 0))
        footer = int.from_bytes(file.read(4), "little")
    if MAX_FOOTER < footer < size:  # a longer one is damaged, as Polars will say
        raise DataError.of(
            path,
            f": the names of its columns take {footer:,} bytes; at most {MAX_FOOTER:,} are admitted",
            code="too_large",
        )
    try:
        lazy = pl.scan_parquet(path, glob=False)
        n_columns = len(lazy.collect_schema())
        n_rows = int(lazy.select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError.of(
            path, f"is no whole Parquet file: {brief(error)}; fetch or write it again", code="damaged"
        ) from None
    if n_columns > MAX_COLUMNS:
        raise _too_wide(path, n_columns)
    if n_rows * ROW > max_bytes and n_rows > ROWS_A_BYTE * size:
        raise DataError.of(path, f"holds {n_rows:,} rows in {size:,} bytes", _trust(n_rows * ROW), code="too_large")


def _trust(needed: float) -> Remedy:
    return Remedy(": if you trust it, say ", Set("max_bytes", Blank(f"{needed:.0e}")), " or more")


def _too_wide(path: Path, n_columns: int) -> DataError:
    return DataError.of(
        path,
        f"has {n_columns:,} columns; at most {MAX_COLUMNS:,} are read. A log has one row a rating: a table with "
        "a column an item is a pivot, to be unpivoted first",
        code="too_large",
    )
