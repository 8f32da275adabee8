"""The check at the door: one pass finds every fault of a table, one error lists them all with rows and remedies.

Faults are *missing* (an id, value or time is null, NaN or an empty text), *invalid* (unparsable, not finite, or outside
the stated rating range), *duplicate* (a user-item pair stands twice) and *empty* (no row is left).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.ids import shown
from palate.errors import DataError, ParameterError

OnFault = Literal["error", "drop"]
OnDuplicate = Literal["error", "last", "mean", "sum"]
SHOWN = 5  # rows named for each fault
FLOAT32 = float(np.finfo(np.float32).max)
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799  # the years 1 to 9999, which dates can hold


@dataclass(frozen=True)
class Policy:
    """What to do with faulty rows, and the range that ratings must keep."""

    on_missing: OnFault = "error"
    on_invalid: OnFault = "error"
    on_duplicate: OnDuplicate = "error"
    rating_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Refuse words that are no policy."""
        for name, known in (("on_missing", ("error", "drop")), ("on_invalid", ("error", "drop"))):
            if getattr(self, name) not in known:
                raise ParameterError(f"{name} must be 'error' or 'drop', got {getattr(self, name)!r}")
        if self.on_duplicate not in ("error", "last", "mean", "sum"):
            raise ParameterError(f"on_duplicate must be 'error', 'last', 'mean' or 'sum', got {self.on_duplicate!r}")
        if self.rating_range is not None and not _is_range(self.rating_range):
            raise ParameterError(
                f"rating_range must be (lowest, highest), got {shown(self.rating_range)}; give two numbers, such as "
                "(1, 5), the lower one first, finite and within 32-bit floats"
            )


def _is_range(given: Any) -> bool:
    if not isinstance(given, tuple | list) or len(given) != 2:
        return False
    low, high = given
    kinds = (int, float, np.integer, np.floating)
    if not all(isinstance(x, kinds) and not isinstance(x, bool) for x in (low, high)):
        return False
    return bool(-FLOAT32 <= low < high <= FLOAT32)


@dataclass(frozen=True)
class Where:
    """How rows are numbered in messages: lines of a file from 1, or rows of a table from 0.

    Attributes:
        name, unit: the source, and the word for one of its rows.
        first: number of the first row.
        numbers: gives the numbers of some rows, in rising order, where they do not simply count up from ``first``.
    """

    name: str = "the table"
    unit: str = "row"
    first: int = 0
    numbers: Callable[[list[int]], list[int]] | None = None

    def rows(self, index: NDArray[np.intp]) -> str:
        """Return the first few row numbers as text."""
        shown = index[:SHOWN].tolist()
        found = [i + self.first for i in shown] if self.numbers is None else self.numbers(shown)
        numbers = ", ".join(map(str, found))
        return f"{self.unit}{'s' if len(index) > 1 else ''} {numbers}{', …' if len(index) > SHOWN else ''}"


@dataclass(frozen=True)
class Fault:
    """One kind of fault in one column, with its rows."""

    kind: Literal["missing", "invalid", "duplicate"]
    text: str
    rows: NDArray[np.intp]


WHOLE = (
    "Is it the right column? Numbers have a decimal point; times are seconds since 1970, or dates like 2024-03-11 or "
    "2024-03-11T12:30:00; say which column is which with columns={'user': …, 'item': …, 'value': …, 'time': …}"
)
REMEDY = {
    "missing": "on_missing='drop' leaves these rows out",
    "invalid": "on_invalid='drop' leaves these rows out",
    "duplicate": "on_duplicate='last', 'mean' or 'sum' makes one row of each pair",
}


def typed(columns: dict[str, pl.Series], policy: Policy) -> list[Fault]:
    """Make the columns ids (Int64 or String), Float32 values and weights, Int64 seconds; return the faults found."""
    faults: list[Fault] = []
    kinds = {"user": _as_id, "item": _as_id, "value": _as_value, "time": _as_time, "weight": _as_value}
    for name, convert in kinds.items():
        if name in columns:
            columns[name] = _convert(columns[name], convert, faults)
    if "value" in columns:
        faults += _value_faults(columns["value"], policy)
    if "weight" in columns:
        faults += _weight_faults(columns["weight"])
    if "time" in columns:
        faults += _time_faults(columns["time"])
    return faults


def _convert(column: pl.Series, convert: Callable[[pl.Series], pl.Series], faults: list[Fault]) -> pl.Series:
    if convert is _as_id and column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    missing = _missing(column)
    done = convert(column)
    if done.dtype.is_float():
        missing |= done.is_nan().fill_null(value=False)  # a text "NaN" too
        done = done.fill_nan(None)
    if missing.any():
        faults.append(Fault("missing", f"{column.name} is missing", np.flatnonzero(missing.to_numpy())))
    bad = done.is_null() & ~missing if done.null_count() else None
    if bad is not None and bad.any():
        rows = np.flatnonzero(bad.to_numpy())
        example = column[int(rows[0])]
        faults.append(Fault("invalid", f"{column.name} cannot be read, such as {shown(example)}", rows))
    return done


def _missing(column: pl.Series) -> pl.Series:
    missing = column.is_null()
    if column.dtype == pl.String:
        missing |= column.str.contains(r"^\s*$").fill_null(value=True)
    elif column.dtype.is_float():
        missing |= column.is_nan().fill_null(value=True)
    return missing


def _as_id(column: pl.Series) -> pl.Series:
    kind = column.dtype
    if kind == pl.String:
        return column if not column.is_empty() and (column != "").all() else column.replace("", None)
    if kind.is_integer():
        return column.cast(pl.Int64, strict=False)
    if kind.is_float():
        whole = column.cast(pl.Int64, strict=False)
        return pl.select(pl.when(column == whole.cast(pl.Float64)).then(whole)).to_series().alias(column.name)
    if kind == pl.Null:
        return column.cast(pl.Int64)
    raise DataError(f"column '{column.name}' has type {kind}; ids are integers or text")


def _as_value(column: pl.Series) -> pl.Series:
    if column.dtype == pl.String:
        column = column.str.strip_chars().cast(pl.Float64, strict=False)
    elif not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
        raise DataError(f"column '{column.name}' has type {column.dtype}; values are numbers")
    return column.cast(pl.Float32, strict=False)


def _as_time(column: pl.Series) -> pl.Series:
    if column.dtype == pl.String:
        column = column.str.strip_chars()
        whole = column.cast(pl.Int64, strict=False)
        if whole.null_count() == column.null_count():
            return whole
        whole = whole.fill_null(column.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False))
        parsed = [
            column.str.to_datetime(f, strict=False) for f in ("%+", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f")
        ]
        parsed.append(column.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")))
        seconds = [p.dt.epoch("s") for p in parsed]
        return pl.select(pl.coalesce(whole, *seconds)).to_series().alias(column.name)
    if column.dtype.is_temporal() and column.dtype in (pl.Datetime, pl.Date):
        return column.cast(pl.Datetime("us")).dt.epoch("s")
    if column.dtype.is_numeric() or column.dtype == pl.Null:
        return column.cast(pl.Int64, strict=False)
    raise DataError(f"column '{column.name}' has type {column.dtype}; times are seconds, dates or ISO text")


def _value_faults(value: pl.Series, policy: Policy) -> list[Fault]:
    faults = []
    infinite = value.is_infinite().fill_null(value=False)
    if infinite.any():
        faults.append(Fault("invalid", "value is not finite", np.flatnonzero(infinite.to_numpy())))
    if policy.rating_range is not None:
        low, high = policy.rating_range
        outside = (~value.is_between(low, high) & ~infinite).fill_null(value=False)
        if outside.any():
            rows = np.flatnonzero(outside.to_numpy())
            text = f"value is outside {low:g} to {high:g}, such as {value[int(rows[0])]:g}"
            faults.append(Fault("invalid", text, rows))
    return faults


def _weight_faults(weight: pl.Series) -> list[Fault]:
    bad = (~weight.is_between(0, FLOAT32, closed="right")).fill_null(value=False)
    if not bad.any():
        return []
    rows = np.flatnonzero(bad.to_numpy())
    text = f"weight is not a finite number above 0, such as {weight[int(rows[0])]:g}"
    return [Fault("invalid", text, rows)]


def _time_faults(time: pl.Series) -> list[Fault]:
    low, high = time.min(), time.max()
    if low is None or (cast("int", low) >= FIRST_SECOND and cast("int", high) <= LAST_SECOND):
        return []
    rows = np.flatnonzero((~time.is_between(FIRST_SECOND, LAST_SECOND)).fill_null(value=False).to_numpy())
    example = int(time[int(rows[0])])
    size, units = 1000, "milliseconds"
    for larger, word in ((10**6, "microseconds"), (10**9, "nanoseconds")):
        if abs(example) > size * LAST_SECOND:
            size, units = larger, word
    text = f"time is outside the years 1 to 9999, such as {example}: times look like {units}: divide them by {size}"
    return [Fault("invalid", f"{text} to get seconds since 1970", rows)]


def check_merged(values: NDArray[np.float32], how: OnDuplicate, policy: Policy, where: Where) -> None:
    """Refuse merged values that left the finite numbers or the stated range.

    Raises:
        DataError: how many pairs have such a value, and what can be done.
    """
    faults = _value_faults(pl.Series(values), policy)
    if faults:
        found = "; ".join(f"{f.text}: {len(f.rows):,} of {len(values):,} user-item pairs" for f in faults)
        raise DataError(
            f"{where.name}: after on_duplicate='{how}' {found}; take on_duplicate='last' or 'mean', or a rating_range "
            "that holds the sums, or scale the values down"
        )


def kept_rows(n_rows: int, faults: list[Fault]) -> NDArray[np.bool_]:
    """Return which rows have no fault."""
    keep = np.ones(n_rows, bool)
    for fault in faults:
        keep[fault.rows] = False
    return keep


def dropped_or_raise(n_rows: int, faults: list[Fault], policy: Policy, where: Where) -> dict[str, int]:
    """Return how many rows each fault costs, a row counted once; or raise one error of all that may not be dropped."""
    if n_rows == 0:
        raise DataError(f"{where.name} is empty: there is no rating in it")
    allowed = {"missing": policy.on_missing, "invalid": policy.on_invalid}
    fatal = [f for f in faults if allowed.get(f.kind, "error") == "error"]
    if fatal:
        raise _error_of(n_rows, fatal, where)
    dropped: dict[str, int] = {}
    seen = np.zeros(n_rows, bool)
    for fault in faults:
        dropped[fault.text.split(", such as")[0]] = int((~seen[fault.rows]).sum())
        seen[fault.rows] = True
    if seen.all():
        raise DataError(f"{where.name}: no row is left after dropping {n_rows:,} faulty rows")
    return {reason: count for reason, count in dropped.items() if count}


def _error_of(n_rows: int, faults: list[Fault], where: Where) -> DataError:
    lines = [f"  {f.text}: {len(f.rows):,} of {n_rows:,} ({where.rows(f.rows)})" for f in faults]
    whole = [f for f in faults if len(f.rows) == n_rows]
    if whole:
        remedies = [f"  all rows have this fault: {'; '.join(f.text for f in whole)}. {WHOLE}"]
    else:
        remedies = [f"  {text}" for kind, text in REMEDY.items() if any(f.kind == kind for f in faults)]
    return DataError("\n".join([f"{where.name} has faults:", *lines, "what can be done:", *remedies]))
