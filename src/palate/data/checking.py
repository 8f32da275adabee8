"""The check at the door: one pass finds every fault of a table, one error lists them all with rows and remedies.

Faults are *missing* (an id, value or time is null, NaN or an empty text), *invalid* (unparsable, not finite, or outside
the stated rating range), *duplicate* (a user-item pair stands twice) and *empty* (no row is left).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, cast, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.columns import ALL_ROLES
from palate.data.convert import (
    EXACT,
    PER_SECOND,
    WORDS,
    TimeUnit,
    as_id,
    as_time,
    as_value,
    is_missing,
    may_be_missing,
    numbers_and_texts,
)
from palate.errors import DataError, ParameterError, Remedy, Set, shown

OnFault = Literal["error", "drop"]
IdsAs = Literal["auto", "text"]
OnDuplicate = Literal["error", "last", "mean", "sum"]
WORDS_OF: dict[str, tuple[str, ...]] = {
    "on_missing": get_args(OnFault),
    "on_invalid": get_args(OnFault),
    "on_duplicate": get_args(OnDuplicate),
    "ids": get_args(IdsAs),
    "time_unit": tuple(PER_SECOND),
}
SHOWN = 5  # rows named for each fault
FLOAT32 = float(np.finfo(np.float32).max)
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799  # the years 1 to 9999, which dates can hold


@dataclass(frozen=True)
class Policy:
    """What to do with faulty rows, the range that ratings must keep, how ids are taken, and what times count."""

    on_missing: OnFault = "error"
    on_invalid: OnFault = "error"
    on_duplicate: OnDuplicate = "error"
    rating_range: tuple[float, float] | None = None
    ids: IdsAs = "auto"
    time_unit: TimeUnit = "s"

    def __post_init__(self) -> None:
        """Refuse words that are no policy."""
        for name, known in WORDS_OF.items():
            if getattr(self, name) not in known:
                *most, last = map(repr, known)
                raise ParameterError.outside(name, f"{', '.join(most)} or {last}", getattr(self, name))
        if self.rating_range is not None and not _is_range(self.rating_range):
            raise ParameterError.of(
                "rating_range",
                f"must be (lowest, highest), got {shown(self.rating_range)}; give two numbers, such as (1, 5), the "
                "lower one first, finite and within 32-bit floats",
                value=self.rating_range,
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
        columns: {role: name of the column}, for messages.
    """

    name: str = "the table"
    unit: str = "row"
    first: int = 0
    numbers: Callable[[list[int]], list[int]] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    def numbers_of(self, index: NDArray[np.intp]) -> list[int]:
        """Return the numbers of the first few rows."""
        first = index[:SHOWN].tolist()
        return [i + self.first for i in first] if self.numbers is None else self.numbers(first)

    def rows(self, index: NDArray[np.intp]) -> str:
        """Return the first few row numbers as text."""
        numbers = ", ".join(map(str, self.numbers_of(index)))
        return f"{self.unit}{'s' if len(index) > 1 else ''} {numbers}{', …' if len(index) > SHOWN else ''}"


@dataclass(frozen=True)
class Fault:
    """One kind of fault in one column.

    Attributes:
        kind: what the words for faults in ``on_missing``, ``on_invalid`` and ``on_duplicate`` take together.
        role: the column: user, item, value, time or weight.
        what: what is wrong with it.
        rows: the positions of the faulty rows.
        example: one of the values at fault, as text.
        remedy: what mends it beside leaving the rows out.
        samples, total: some of the rows as text, and how many there are, where rows have no numbers.
    """

    kind: Literal["missing", "invalid", "duplicate"]
    role: str
    what: str
    rows: NDArray[np.intp]
    example: str = ""
    remedy: Remedy | None = None
    samples: tuple[str, ...] = ()
    total: int | None = None

    @property
    def count(self) -> int:
        """How many rows have the fault."""
        return len(self.rows) if self.total is None else self.total

    @property
    def reason(self) -> str:
        """The fault in words, without example."""
        return f"{self.role} {self.what}"

    @property
    def text(self) -> str:
        """The fault in words, with its example."""
        return f"{self.reason}, such as {self.example}" if self.example else self.reason

    def line(self, n_rows: int, where: Where) -> str:
        """Return the fault with its rows, and its column where that has another name than its role."""
        column = where.columns.get(self.role, self.role)
        place = f" in {shown(column)}" if column != self.role else ""
        rows = where.rows(self.rows) if self.total is None else self._sampled(where)
        return f"\n  {self.text}: {self.count:,} of {n_rows:,} ({rows}){place}"

    def _sampled(self, where: Where) -> str:
        """Return the sampled rows as text."""
        more = ", …" if self.count > len(self.samples) else ""
        return f"{where.unit}{'s' if self.count > 1 else ''} {', '.join(self.samples)}{more}"

    def as_dict(self, where: Where) -> dict[str, Any]:
        """Return the fault for `DataError.faults`."""
        return {
            "kind": self.kind,
            "role": self.role,
            "column": where.columns.get(self.role, self.role),
            "what": self.text,
            "count": self.count,
            "rows": where.numbers_of(self.rows),
            "remedy": None if self.remedy is None else self.remedy.as_dict(),
            **({} if self.total is None else {"samples": list(self.samples)}),
        }


WHOLE = (
    ". Is it the right column? Numbers have a decimal point; times are seconds since 1970, or dates like 2024-03-11 or "
    "2024-03-11T12:30:00, and ",
    Set("columns", {"time": None}),
    " leaves them out; say which column is which with ",
    ALL_ROLES,
)
REMEDY = {
    "missing": Remedy(Set("on_missing", "drop"), " leaves these rows out"),
    "invalid": Remedy(Set("on_invalid", "drop"), " leaves these rows out"),
    "duplicate": Remedy(Set("on_duplicate", "last"), ", 'mean' or 'sum' makes one row of each pair"),
}


def typed(columns: dict[str, pl.Series], policy: Policy) -> list[Fault]:
    """Make the columns ids (Int64 or String), Float32 values and weights, Int64 seconds; return the faults found."""
    faults: list[Fault] = []
    for name in ("user", "item"):
        if name in columns:
            columns[name] = _convert_id(columns[name], policy, faults)
    kinds: dict[str, Callable[[pl.Series], pl.Series]] = {
        "value": as_value,
        "time": partial(as_time, unit=policy.time_unit),
        "weight": as_value,
    }
    for name, convert in kinds.items():
        if name in columns:
            columns[name] = _convert(_as_text(columns[name]), convert, faults)
    if "value" in columns:
        faults += value_faults(columns["value"], policy)
    if "weight" in columns:
        faults += _weight_faults(columns["weight"])
    if "time" in columns:
        faults += _time_faults(columns["time"], policy)
    return faults


def _convert_id(column: pl.Series, policy: Policy, faults: list[Fault]) -> pl.Series:
    words = policy.ids == "auto"
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    elif column.dtype == pl.Object:
        column = _of_one_kind(column, policy, faults)
    if column.dtype == pl.String and not may_be_missing(column, words=words):
        return column
    if column.dtype.is_float():
        column = _exact(column, faults)
    if column.dtype.is_integer() and policy.ids == "text":
        column = column.cast(pl.String)  # also those beyond 64 bits
    done = _convert(column, as_id, faults, words=words)
    return done.cast(pl.String) if policy.ids == "text" else done


def _exact(column: pl.Series, faults: list[Fault]) -> pl.Series:
    """Refuse ids that are floats beyond 2**53: they may be several ids in one."""
    beyond = (column.abs() > EXACT).fill_null(value=False) & ~column.is_nan().fill_null(value=False)
    if not beyond.any():
        return column
    rows = np.flatnonzero(beyond.to_numpy())
    what, example = "is a float beyond 2**53, which may stand for several ids", f"{column[int(rows[0])]:.17g}"
    remedy = Remedy("read these ids as integers or text from the start, as a missing id")
    faults.append(Fault("invalid", column.name, what, rows, example, remedy))
    return column.set(beyond, 0.0)


def _of_one_kind(column: pl.Series, policy: Policy, faults: list[Fault]) -> pl.Series:
    """Return ids of a mixed column as text where that is said, else those of the more frequent kind."""
    kinds, made = numbers_and_texts(column)
    if policy.ids == "text":
        return made
    odd = min((kinds == "text", kinds == "number"), key=np.count_nonzero)
    rows = np.flatnonzero(odd | (kinds == "other"))
    if len(rows):
        remedy = Remedy(Set("ids", "text"), " takes all ids as text, as astype(str) does")
        example = shown(column[int(rows[0])])
        faults.append(Fault("invalid", column.name, "mixes numbers and text", rows, example, remedy))
    rest = made.set(pl.Series(odd | (kinds == "other")), "0")  # any id that stands for itself: these rows are faulty
    numbers = np.count_nonzero(kinds == "number") > np.count_nonzero(kinds == "text")
    return rest.cast(pl.Int64, strict=False) if numbers else rest


def _as_text(column: pl.Series) -> pl.Series:
    """Return a mixed column as text, so that what cannot be read is found row by row."""
    return numbers_and_texts(column)[1] if column.dtype == pl.Object else column


def _convert(
    column: pl.Series, convert: Callable[[pl.Series], pl.Series], faults: list[Fault], *, words: bool = True
) -> pl.Series:
    missing = is_missing(column, words=words)
    done = convert(column)
    if done.dtype.is_float():
        missing |= done.is_nan().fill_null(value=False)  # a text "NaN" too
        done = done.fill_nan(None)
    if missing.any():
        rows = np.flatnonzero(missing.to_numpy())
        word = _word(column, rows)
        faults.append(Fault("missing", column.name, "is missing", rows, word, _keep(column.name, word)))
        if done.dtype == pl.String:
            done = done.set(missing, None)
    bad = done.is_null() & ~missing if done.null_count() else None
    if bad is not None and bad.any():
        rows = np.flatnonzero(bad.to_numpy())
        example = column[int(rows[0])]
        remedy = _remedy(column.name, example)
        faults.append(Fault("invalid", column.name, "cannot be read", rows, shown(example), remedy))
    return done


def _word(column: pl.Series, rows: NDArray[np.intp]) -> str:
    """Return the first word such as NULL that stands for what is missing, for the message."""
    words = [column[int(row)] for row in rows[:SHOWN]] if column.dtype == pl.String else []
    return next((shown(word) for word in words if word and word.strip() in WORDS), "")


def _keep(role: str, word: str) -> Remedy | None:
    is_id = role in ("user", "item") and word
    return Remedy(Set("ids", "text"), " takes such words as ids") if is_id else None


def _remedy(role: str, example: object) -> Remedy | None:
    if role in ("user", "item") and isinstance(example, int):
        return Remedy(Set("ids", "text"), " takes integers beyond 64 bits as text")
    if role in ("value", "weight") and isinstance(example, str) and "," in example:
        return Remedy("numbers are written with a decimal point and without marks between thousands")
    return None


def value_faults(value: pl.Series, policy: Policy) -> list[Fault]:
    """Return the faults of Float32 values that are there."""
    faults = []
    infinite = value.is_infinite().fill_null(value=False)
    if infinite.any():
        faults.append(Fault("invalid", "value", "is not finite", np.flatnonzero(infinite.to_numpy())))
    if policy.rating_range is not None:
        low, high = policy.rating_range
        outside = (~value.is_between(low, high) & ~infinite).fill_null(value=False)
        if outside.any():
            rows = np.flatnonzero(outside.to_numpy())
            what = f"is outside {low:g} to {high:g}"
            faults.append(Fault("invalid", "value", what, rows, f"{value[int(rows[0])]:g}"))
    return faults


def _weight_faults(weight: pl.Series) -> list[Fault]:
    bad = (~weight.is_between(0, FLOAT32, closed="right")).fill_null(value=False)
    if not bad.any():
        return []
    rows = np.flatnonzero(bad.to_numpy())
    return [Fault("invalid", "weight", "is not a finite number above 0", rows, f"{weight[int(rows[0])]:g}")]


def _time_faults(time: pl.Series, policy: Policy) -> list[Fault]:
    low, high = time.min(), time.max()
    if low is None or (cast("int", low) >= FIRST_SECOND and cast("int", high) <= LAST_SECOND):
        return []
    rows = np.flatnonzero((~time.is_between(FIRST_SECOND, LAST_SECOND)).fill_null(value=False).to_numpy())
    example = int(time[int(rows[0])]) * PER_SECOND[policy.time_unit]
    what = "is outside the years 1 to 9999"
    if policy.time_unit != "s":
        return [Fault("invalid", "time", what, rows, str(example))]
    units = {"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
    unit = next((u for u in units if abs(example) <= PER_SECOND[u] * LAST_SECOND), "ns")
    remedy = Remedy(Set("time_unit", unit), f" reads {units[unit]}")
    return [Fault("invalid", "time", what, rows, f"{example}, as {units[unit]} are", remedy)]


def check_merged(values: NDArray[np.float32], how: OnDuplicate, policy: Policy, where: Where) -> None:
    """Refuse merged values that left the finite numbers or the stated range.

    Raises:
        DataError: how many pairs have such a value, and what can be done.
    """
    refuse_merged(len(values), value_faults(pl.Series(values), policy), how, where)


def refuse_merged(n_pairs: int, faults: list[Fault], how: OnDuplicate, where: Where) -> None:
    """Raise the error for faults of merged values, where there are any."""
    if faults:
        texts = "; ".join(f"{f.text}: {f.count:,} of {n_pairs:,} user-item pairs" for f in faults)
        raise DataError(
            *(f"{where.name}: after ", Set("on_duplicate", how), f" {texts}"),
            Remedy("; take ", Set("on_duplicate", "last"), " or 'mean', or a rating_range that holds the sums"),
            ", or scale the values down",
            code="faults",
            subject=where.name,
        )


def check_values(values: NDArray[np.float32], policy: Policy, where: Where) -> None:
    """Refuse values of checked rows that a stricter policy does not allow.

    Raises:
        DataError: which rows have such values.
    """
    faults = value_faults(pl.Series(values), policy)
    if faults:
        raise _error_of(len(values), faults, where)


def kept_rows(n_rows: int, faults: list[Fault]) -> NDArray[np.bool_]:
    """Return which rows have no fault."""
    keep = np.ones(n_rows, bool)
    for fault in faults:
        keep[fault.rows] = False
    return keep


def dropped_or_raise(n_rows: int, faults: list[Fault], policy: Policy, where: Where) -> dict[str, int]:
    """Return how many rows each fault costs, a row counted once; or raise one error of all that may not be dropped."""
    check_fatal(n_rows, faults, policy, where)
    dropped: dict[str, int] = {}
    seen = np.zeros(n_rows, bool)
    for fault in faults:
        dropped[fault.reason] = int((~seen[fault.rows]).sum())
        seen[fault.rows] = True
    check_left(n_rows, n_rows - int(seen.sum()), where)
    return {reason: count for reason, count in dropped.items() if count}


def check_fatal(n_rows: int, faults: list[Fault], policy: Policy, where: Where) -> None:
    """Raise one error of all faults that may not be dropped, or of no rows at all."""
    if n_rows == 0:
        raise DataError.of(where.name, "is empty: there is no rating in it", code="empty")
    allowed = {"missing": policy.on_missing, "invalid": policy.on_invalid}
    fatal = [f for f in faults if allowed.get(f.kind, "error") == "error"]
    if fatal:
        raise _error_of(n_rows, fatal, where)


def check_left(n_rows: int, n_left: int, where: Where) -> None:
    """Raise an error where no row is left."""
    if not n_left:
        raise DataError.of(where.name, f": no row is left after dropping {n_rows:,} faulty rows", code="empty")


def _error_of(n_rows: int, faults: list[Fault], where: Where) -> DataError:
    own = {str(f.remedy): f.remedy for f in faults if f.remedy is not None}
    whole = [f for f in faults if f.count == n_rows and f.remedy is None]
    if all(f.remedy is not None and f.count == n_rows for f in faults):
        remedies = []
    elif whole:
        remedies = [Remedy(f"all rows have this fault: {'; '.join(f.text for f in whole)}", *WHOLE)]
    else:
        remedies = [remedy for kind, remedy in REMEDY.items() if any(f.kind == kind for f in faults)]
    lines = [Remedy("\n  ", *remedy.parts) for remedy in (*remedies, *own.values())]
    error = DataError(
        f"{where.name} has faults:",
        *(f.line(n_rows, where) for f in faults),
        "\nwhat can be done:",
        *lines,
        code="faults",
        subject=where.name,
        rows=where.numbers_of(np.unique(np.concatenate([f.rows for f in faults]))),
    )
    error.faults = tuple(f.as_dict(where) for f in faults)
    return error
