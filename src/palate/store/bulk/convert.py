"""Columns of any type as the store's ids, words, numbers and microseconds; what cannot be converted is a fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from palate.data.checking import Fault
from palate.data.convert import EXACT, PER_SECOND, TimeUnit, is_missing
from palate.errors import DataError, Remedy, Set, shown
from palate.store.checking import AHEAD, LAST, LAST_PLACE
from palate.store.ids import INTEGER, LONGEST
from palate.store.records import IdKind
from palate.store.times import now

MICRO = 1_000_000

FORMATS = ("%+", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f")


class IncomingColumn:
    """One column on its way in: what it has become, and the faults that were found.

    Args:
        column: as the file has it; its name is the role.
        faults: of the whole file, to which this column's are added.
    """

    def __init__(self, column: pl.Series, faults: list[Fault]) -> None:
        self.role, self.given, self.faults = column.name, column, faults

    def fault(self, bad: pl.Series, what: str, remedy: Remedy | None = None, *, missing: bool = False) -> None:
        """Note the rows where ``bad`` is true."""
        rows = np.flatnonzero(bad.fill_null(value=False).to_numpy())
        if len(rows):
            example = "" if missing else shown(self.given[int(rows[0])])
            self.faults.append(Fault("missing" if missing else "invalid", self.role, what, rows, example, remedy))

    def refuse(self, wanted: str) -> DataError:
        """Return the error for a column of another type altogether."""
        return DataError.of(f"column '{self.role}'", f"has type {self.given.dtype}; {wanted}", code="columns")

    def must_be_there(self, done: pl.Series) -> pl.Series:
        """Note the rows without a value."""
        self.fault(is_missing(self.given, words=False), "is missing", missing=True)
        return done

    def text(self, longest: int = LONGEST) -> pl.Series:
        """Return words, an empty text as none."""
        done = self._as_text()
        self.fault(done.str.len_bytes() > longest, f"has more than {longest} bytes of UTF-8")
        self.fault(done.str.contains("\0", literal=True), "has the character NUL")
        return done

    def _as_text(self) -> pl.Series:
        kind = self.given.dtype
        if kind in (pl.Categorical, pl.Enum) or kind.is_integer() or kind == pl.Null:
            return self.given.cast(pl.String)
        if kind.is_float():
            return self._whole().cast(pl.String)
        if kind != pl.String:
            raise self.refuse("ids and words are text or whole numbers")
        return self.given.replace("", None)

    def _whole(self) -> pl.Series:
        """Return floats as whole numbers, as a table with gaps has ids."""
        given = self.given.fill_nan(None)
        whole = given.cast(pl.Int64, strict=False)
        self.fault(given.is_not_null() & ((given != whole.cast(pl.Float64)) | (given.abs() > EXACT)), "is no id")
        return whole

    def id(self, kind: IdKind) -> pl.Series:
        """Return ids of users or items as the store has them; of integers, each number is written in one way."""
        done = self.text()
        if kind == "integer":
            good = done.str.contains(f"^(?:{INTEGER.pattern})$") & done.cast(pl.Int64, strict=False).is_not_null()
            self.fault(
                done.is_not_null() & ~good,
                "is no whole number written without leading zeros, as this namespace's ids are",
            )
        return done

    def number(self) -> pl.Series:
        """Return finite numbers."""
        if self.given.dtype == pl.String:
            plain = self.given.str.strip_chars().replace("", None)
            done, missing = plain.cast(pl.Float64, strict=False), plain.is_null()
        elif self.given.dtype.is_numeric() or self.given.dtype == pl.Null:
            done, missing = self.given.cast(pl.Float64).fill_nan(None), is_missing(self.given)
        else:
            raise self.refuse("values are numbers")
        self.fault(done.is_null() & ~missing | done.is_infinite() | done.is_nan(), "is no finite number")
        return done

    def place(self) -> pl.Series:
        """Return places in a list, from 1."""
        done = self.number()
        whole = done.cast(pl.Int64, strict=False)
        self.fault((whole.cast(pl.Float64) != done) | ~whole.is_between(1, LAST_PLACE), "is no place from 1")
        return whole

    def list_id(self) -> pl.Series:
        """Return 32 hexadecimal digits."""
        done = self.text()
        self.fault(~done.str.contains("^[0-9a-f]{32}$"), "is not 32 hexadecimal digits in small letters")
        return done

    def truth(self) -> pl.Series:
        """Return true and false."""
        if self.given.dtype == pl.Boolean:
            return self.given
        words = {"true": True, "false": False, "1": True, "0": False}
        done = self._as_text().str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.Boolean)
        self.fault(done.is_null() & ~is_missing(self.given, words=False), "is neither true nor false")
        return done

    def time(self, unit: TimeUnit) -> pl.Series:
        """Return microseconds since 1970; numbers count ``unit``s."""
        done, missing = micros(self, unit), is_missing(self.given, words=False)
        self.fault(done.is_null() & ~missing, "is no time")
        outside = ~done.is_between(0, LAST)
        self.fault(outside, "is outside the years 1970 to 9999", _other_unit(self.given, outside, unit))
        ahead = ~outside & (done > now() + AHEAD)
        self.fault(ahead, "is more than a day in the future")  # it would be the newest for ever
        return done


def micros(column: IncomingColumn, unit: TimeUnit) -> pl.Series:
    """Return a column of times as microseconds, null where it cannot be read."""
    given = column.given
    if given.dtype == pl.String:
        return _of_text(given, unit)
    if given.dtype in (pl.Datetime, pl.Date):
        if isinstance(given.dtype, pl.Datetime) and given.dtype.time_zone is not None:
            given = given.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return given.cast(pl.Datetime("us")).dt.epoch("us")
    if given.dtype.is_numeric() or given.dtype == pl.Null:
        return _counted(given, unit)
    raise column.refuse("times are numbers, dates or ISO text")


def _counted(given: pl.Series, unit: TimeUnit) -> pl.Series:
    per = PER_SECOND[unit]
    if given.dtype.is_float():
        return (given * (MICRO / per)).round().cast(pl.Int64, strict=False)
    whole = given.cast(pl.Int64, strict=False)
    if per > MICRO:
        return whole // (per // MICRO)
    factor = MICRO // per
    fits = whole.is_between(-(2**62) // factor, 2**62 // factor)
    return pl.select(pl.when(fits).then(whole * factor).when(whole.is_not_null()).then(-1)).to_series()


def _of_text(given: pl.Series, unit: TimeUnit) -> pl.Series:
    plain = given.str.strip_chars().replace("", None)
    done = _counted(plain.cast(pl.Int64, strict=False), unit)
    tries: list[Callable[[pl.Series], pl.Series]] = [_parser(form) for form in FORMATS]
    tries.append(lambda left: left.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.epoch("us"))
    tries.append(lambda left: _counted(left.cast(pl.Float64, strict=False), unit))
    for attempt in tries:
        left = done.is_null() & plain.is_not_null()
        if not left.any():
            break
        done = done.scatter(left.arg_true(), attempt(plain.filter(left)))
    return done


def _parser(form: str) -> Callable[[pl.Series], pl.Series]:
    def parsed(left: pl.Series) -> pl.Series:
        times: Any = left.str.to_datetime(form, strict=False)
        return micros(IncomingColumn(times, []), "s")

    return parsed


def _other_unit(given: pl.Series, outside: pl.Series, unit: TimeUnit) -> Remedy | None:
    """Return how to read times that are beyond all years as they count smaller units."""
    if unit != "s" or not outside.any():
        return None
    number = given.filter(outside.fill_null(value=False)).cast(pl.Float64, strict=False)[0]
    units: tuple[TimeUnit, ...] = ("ms", "us", "ns")
    fits = next((u for u in units if number is not None and 0 < number / PER_SECOND[u] * MICRO <= LAST), None)
    return None if fits is None else Remedy(Set("time_unit", fits), " counts them in smaller units")
