"""Which column of a table holds what: the usual names of the field, or what the caller says.

A column is found with certainty or asked for by name. What is guessed is said in one line, with what overrules it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping, Sequence

from palate.errors import Blank, DataError, Remedy, Set, shown

log = logging.getLogger(__name__)

TITLES = (
    *("title", "name", "itemname", "itemtitle", "movietitle", "moviename", "filmtitle", "booktitle", "bookname"),
    *("producttitle", "productname", "songtitle", "songname", "tracktitle", "trackname", "artistname", "gametitle"),
    *("gamename", "animetitle", "animename", "videotitle", "newstitle", "headline"),
)
ROLES = ("user", "item", "value", "time", "weight")
Columns = Mapping[str, str | int | None]

USUAL = {  # in small letters, without spaces and signs
    "user": (
        *("user", "userid", "uid", "customer", "customerid", "visitor", "visitorid", "reviewer", "reviewerid"),
        *("member", "memberid", "listener", "listenerid", "reader", "readerid", "useridx", "usersha1", "username"),
    ),
    "item": (
        *("item", "itemid", "iid", "movie", "movieid", "product", "productid", "artist", "artistid", "book", "bookid"),
        *(
            "isbn",
            "track",
            "trackid",
            "song",
            "songid",
            "article",
            "articleid",
            "asin",
            "sku",
            "business",
            "businessid",
        ),
        *("anime", "animeid", "game", "gameid", "app", "appid", "video", "videoid", "joke", "jokeid", "news", "newsid"),
        *("recipe", "recipeid", "beer", "beerid", "film", "filmid", "venue", "venueid", "stockcode", "itemidx"),
    ),
    "value": ("value", "rating", "ratings", "score", "stars", "count", "counts", "plays", "weight", "overall"),
    "weight": (),  # a column of this name is a value in many data sets: sample weights are named by the caller
    "time": ("time", "timestamp", "ts", "date", "datetime", "createdat", "ratedat", "unixtime", "eventtime"),
}
VALUE_ENDINGS = ("rating", "ratings", "score", "stars", "plays", "playcount", "listencount")
OF_ALL = ("avg", "average", "mean", "pred")  # begins the name of a figure that no one person gave
ROW_NUMBER = re.compile(r"(|index|unnamed:?\d*|x|rownames?)")  # what tables are written with, and what nobody rates
NO_VALUE = re.compile(rf"({ROW_NUMBER.pattern}|.*id|.*idx|.*code|.*no|.*year|zip|age)")
KIND = re.compile(r":(token|float|token_seq|float_seq)$")  # RecBole writes a column's kind behind its name
ALL_ROLES = Set("columns", {role: Blank("…") for role in ("user", "item", "value", "time")})


def find_columns(
    names: Sequence[str], given: Columns | None = None, *, numeric: Collection[str] = (), source: str = "the table"
) -> dict[str, str]:
    """Return {role: column name} for the roles user, item, value, time, weight that the table has.

    Args:
        names: the table's column names.
        given: roles that the caller names himself, by name, by position from 0, or None for a role that is left out;
            the others are found by their usual names.
        numeric: the columns that hold numbers, or true and false; one of these may be the value, and is asked for.
        source: the table's name in messages.

    Raises:
        DataError: user or item not found, a given column is not there, two columns fit one role, numbers that may be
            the values and may be not, or ``given`` maps no roles to columns.
    """
    try:
        by_role = _given(names, given)
        for role in ROLES:
            if role not in by_role:
                by_role[role] = _usual(names, role, taken=by_role.values())
        if by_role["user"] is None or by_role["item"] is None:
            missing = " and ".join(r for r in ("user", "item") if by_role[r] is None)
            wide = (
                "; a table with a column for each item must become one row a rating first" if len(numeric) > 4 else ""
            )
            raise DataError(
                f"cannot tell which column holds the {missing} id; the table has {_list(names)}",
                Remedy(": say it with ", ALL_ROLES, wide),
                code="columns",
                subject=source,
            )
        if by_role["value"] is None and "value" not in (given or {}):
            by_role["value"] = _likely_value(names, by_role, numeric, source)
    except DataError as error:
        raise error.within(f"{source}: ", subject=source) from None
    return {role: name for role in ROLES if (name := by_role[role]) is not None}


def check_columns(given: object) -> None:
    """Refuse columns= that are no mapping from roles to names or positions of columns.

    Raises:
        DataError: what was given, and how it should look.
    """
    if given is None:
        return
    if not isinstance(given, Mapping) or not all(
        isinstance(role, str) and isinstance(name, str | int | None) and not isinstance(name, bool)
        for role, name in given.items()
    ):
        raise DataError(
            "columns= maps roles to names or positions of columns, such as {'user': 'buyer', 'item': 2, 'time': None}; "
            f"got {shown(given)}",
            subject="columns",
            code="columns",
            value=given,
        )
    unknown = set(given) - set(ROLES)
    if unknown:
        raise DataError(
            f"columns= knows the roles {', '.join(ROLES)}; got {', '.join(sorted(unknown))}",
            subject="columns",
            code="columns",
        )
    off = [role for role in ("user", "item") if role in given and given[role] is None]
    if off:
        raise DataError(
            f"columns= cannot leave out the {off[0]}: every row needs a user and an item",
            subject="columns",
            code="columns",
        )


def place_of(column: str | int, n_columns: int) -> int | None:
    """Return the position that a number, or a text of digits, means among so many columns, or None."""
    if isinstance(column, str):
        column = int(column) if re.fullmatch(r"\d{1,9}", column) else -1
    return column if 0 <= column < n_columns else None


def usual_columns(names: Sequence[str], role: str) -> list[str]:
    """Return the columns whose name is a usual one for this role."""
    return [name for name in names if plain_name(name) in USUAL[role]]


def is_usual(name: str) -> bool:
    """Return whether a text is a usual name of any role."""
    return any(plain_name(name) in usual for usual in USUAL.values())


def plain_name(name: str) -> str:
    """Return a column's name in small letters without spaces, quotes and signs."""
    name = KIND.sub("", name.strip().strip("\"'").lower())
    return re.sub(r"[\s_.#\ufeff-]", "", name)


def _given(names: Sequence[str], given: Columns | None) -> dict[str, str | None]:
    check_columns(given)
    by_role: dict[str, str | None] = {}
    places: list[int] = []
    for role, column in (given or {}).items():
        if column is None:
            by_role[role] = None
            continue
        if isinstance(column, str) and list(names).count(column) > 1:
            raise DataError(
                f"two columns have the name {column!r}", _say(names, role, column), code="columns", subject=role
            )
        place = names.index(column) if column in names else place_of(column, len(names))
        if place is None:
            raise DataError(f"no column {column!r}; the table has {_list(names)}", code="columns", subject="columns")
        places.append(place)
        by_role[role] = names[place]
    if len(set(places)) < len(places):
        raise DataError.of("columns=", f"gives one column two roles: {dict(given or {})}", code="columns")
    return by_role


def _say(names: Sequence[str], role: str, name: str) -> Remedy:
    """Return how to give a column: by its name, or by position where others have that name too."""
    if list(names).count(name) == 1:
        return Remedy("; say which with ", Set("columns", {role: name}))
    return Remedy("; say which by its position from 0, such as ", Set("columns", {role: list(names).index(name)}))


def _usual(names: Sequence[str], role: str, taken: Collection[str | None]) -> str | None:
    fits = [name for name in usual_columns(names, role) if name not in taken]
    if len(fits) > 1:
        raise DataError(
            f"columns {fits} could all be the {role}", _say(names, role, fits[0]), code="columns", subject=role
        )
    return fits[0] if fits else None


def _likely_value(
    names: Sequence[str], by_role: Mapping[str, str | None], numeric: Collection[str], source: str
) -> str | None:
    """Return the one column that ends like a value, or None where every row is a click; say what was taken."""
    rest = [name for name in names if name not in by_role.values() and not is_usual(name)]
    ending = [n for n in rest if plain_name(n).endswith(VALUE_ENDINGS) and not plain_name(n).startswith(OF_ALL)]
    if len(ending) > 1:
        raise DataError(
            f"columns {ending} could all be the value", _say(names, "value", ending[0]), code="columns", subject="value"
        )
    if ending:
        clicks = Set("columns", {"value": None})
        log.warning("%s: the values are those of '%s'; %s takes rows as clicks", source, ending[0], clicks)
        return ending[0]
    numbers = [n for n in rest if n in numeric and not NO_VALUE.fullmatch(plain_name(n))]
    if numbers:
        raise DataError(
            f"no column of values found among {_list(rest)}; numbers stand in {_list(numbers)}",
            Remedy(": say which it is, such as ", Set("columns", {"value": numbers[-1]})),
            Remedy(", or ", Set("columns", {"value": None}), " to take rows as clicks of value 1"),
            code="columns",
            subject="value",
            value=numbers,
        )
    words = _list([n for n in rest if not ROW_NUMBER.fullmatch(plain_name(n))])
    if words:
        which = Set("columns", {"value": Blank("NAME")})
        log.warning("%s: every row is a click of value 1; %s takes values from %s", source, which, words)
    return None


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
    return ", ".join(map(repr, names[:20])) + more
