"""Whether a text's first line names its columns, and which columns are which where it does not."""

from __future__ import annotations

import logging

from palate.data.columns import ROLES, Columns, is_usual, place_of, usual_columns
from palate.errors import DataError, Remedy, Set, shown

log = logging.getLogger(__name__)

Row = tuple[str, ...]
YEAR = 366 * 86_400  # seconds


def has_header(source: object, rows: list[Row], columns: Columns) -> bool:
    """Return whether the first row names columns.

    Raises:
        DataError: it may be either, and header= must say which.
    """
    first, *others = rows
    if usual_columns(first, "user") and usual_columns(first, "item"):
        return True
    if any(isinstance(name, str) and not name.isdigit() and name in first for name in columns.values()):
        return True
    numeric = [k for k in range(len(first)) if others and all(k < len(r) and is_number(r[k]) for r in others)]
    if numeric:  # unknown names above numbers are a header too, so that the message can ask for its columns
        return not any(is_number(first[k]) for k in numeric)
    if any(is_usual(field) for field in first) and not any(is_number(field) for field in first):
        raise DataError(
            f"{source}: cannot tell whether the first line ({_line(first)}) names the columns or is a row",
            Remedy("; say ", Set("header", True), " or ", Set("header", False)),
            code="columns",
            subject=source,
        )
    return False


def by_position(source: object, rows: list[Row], columns: Columns) -> dict[str, int]:
    """Return {role: number of the column} of a file without header: as given, or user, item, value, time.

    Raises:
        DataError: a column that is not there, or columns that may be anything.
    """
    first = rows[0]
    if not set(columns) & {"user", "item"}:
        return _usual_order(source, rows, columns)
    places = {role: place_of(column, len(first)) for role, column in columns.items() if column is not None}
    bad = [columns[role] for role, place in places.items() if place is None]
    if bad:
        raise DataError(
            f"{source} has no header with {', '.join(map(repr, bad))}; its first line is ({_line(first)})",
            Remedy(f": give the columns by position, from 0 to {len(first) - 1}, such as ", _positions("user", "item")),
            code="columns",
            subject=source,
            value=bad,
        )
    if not {"user", "item"} <= set(places):
        raise DataError.of(
            source, f"has no header: columns= needs the roles user and item; got {dict(columns)}", code="columns"
        )
    if len(set(places.values())) < len(places):
        raise DataError(f"columns= gives one column two roles: {dict(columns)}", subject="columns", code="columns")
    if "value" not in columns and len(places) < len(first):
        third = Set("columns", {"value": 2})
        log.warning("%s: every row is a click of value 1; %s takes the third column's values", source, third)
    return {role: place for role, place in places.items() if place is not None}


def _usual_order(source: object, rows: list[Row], columns: Columns) -> dict[str, int]:
    first = rows[0]
    order = _positions("user", "item", "value")
    say = f"its first line is ({_line(first)})", Remedy(": say which is which, such as ", order)
    if not 2 <= len(first) <= 4:
        raise DataError.of(source, f"has {len(first)} columns and no header; ", *say, code="columns")
    places = dict(zip(ROLES[:4], range(len(first)), strict=False))
    given = {role: place_of(c, len(first)) for role, c in columns.items() if c is not None}
    places_of = {
        role: k for role, k in {**places, **given}.items() if k is not None and columns.get(role, k) is not None
    }
    if "time" in places_of and "time" not in columns and _near_1970([r[3] for r in rows if len(r) > 3]):
        raise DataError(
            f"{source} has no header, and its fourth column is hardly a time: it would be in 1970; ",
            *say,
            Remedy(", or ", Set("columns", {"time": 3}), " if it is one"),
            code="columns",
            subject=source,
        )
    words = ", ".join(places_of) + ("" if "value" in places_of else ", and every row is a click of value 1")
    log.warning("%s: no header, so the columns are %s; %s says otherwise", source, words, order)
    return places_of


def _positions(*roles: str) -> Set:
    return Set("columns", {role: position for position, role in enumerate(roles)})


def _near_1970(fields: list[str]) -> bool:
    numbers = [float(field) for field in fields if is_number(field)]
    return bool(numbers) and all(abs(number) < YEAR for number in numbers)


def is_number(field: str) -> bool:
    """Return whether a text is a number."""
    try:
        float(field)
    except ValueError:
        return False
    return True


def _line(fields: Row) -> str:
    more = ", …" if len(fields) > 12 else ""
    return ", ".join(map(shown, fields[:12])) + more
