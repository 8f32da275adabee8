"""Which column of a table holds what: the usual names of the field, or the names given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import UnionType

from palate.data.ids import shown
from palate.errors import DataError

ROLES = ("user", "item", "value", "time", "weight")

USUAL = {
    "user": ("user", "user_id", "userid", "uid", "customer", "customer_id", "customerid", "visitor_id", "reviewer_id"),
    "item": (
        *("item", "item_id", "itemid", "iid", "movie", "movie_id", "movieid", "product", "product_id", "productid"),
        *(
            "artist_id",
            "artistid",
            "book_id",
            "isbn",
            "track_id",
            "song_id",
            "article_id",
            "asin",
            "sku",
            "business_id",
        ),
    ),
    "value": ("value", "rating", "ratings", "score", "stars", "count", "counts", "plays", "weight", "overall"),
    "weight": (),  # a column of this name is a value in many data sets: sample weights are named by the caller
    "time": ("time", "timestamp", "ts", "date", "datetime", "created_at", "rated_at", "unix_time", "event_time"),
}


def find_columns(names: Sequence[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return {role: column name} for the roles user, item, value, time, weight that the table has.

    Args:
        names: the table's column names.
        given: roles that the caller names himself; the others are found by their usual names.

    Raises:
        DataError: user or item not found, a given column is not there, two columns fit one role, or ``given`` maps
            no texts to texts.
    """
    check_columns(given)
    given = dict(given or {})
    unknown = set(given) - set(ROLES)
    if unknown:
        raise DataError(f"columns= knows the roles {', '.join(ROLES)}; got {', '.join(sorted(unknown))}")
    absent = [name for name in given.values() if name not in names]
    if absent:
        raise DataError(f"no column {', '.join(map(repr, absent))}; the table has {', '.join(map(repr, names))}")
    if len(set(given.values())) < len(given):
        raise DataError(f"columns= gives one column two roles: {given}")
    found = dict(given)
    for role in ROLES:
        fits = [n for n in names if _plain(n) in USUAL[role] and n not in given.values()]
        if role in given or not fits:
            continue
        if len(fits) > 1:
            raise DataError(f"columns {fits} could all be the {role}; say which with columns={{'{role}': '{fits[0]}'}}")
        found[role] = fits[0]
    if "user" not in found or "item" not in found:
        missing = " and ".join(r for r in ("user", "item") if r not in found)
        raise DataError(
            f"cannot tell which column holds the {missing} id; the table has {', '.join(map(repr, names))}: "
            "say it with columns={'user': …, 'item': …, 'value': …, 'time': …}"
        )
    return {role: found[role] for role in ROLES if role in found}


def check_columns(given: object, kinds: type | UnionType = str) -> None:
    """Refuse columns= that are no mapping from texts to columns of these kinds.

    Raises:
        DataError: what was given, and how it should look.
    """
    if given is None:
        return
    if not isinstance(given, Mapping) or not all(
        isinstance(role, str) and isinstance(name, kinds) and not isinstance(name, bool) for role, name in given.items()
    ):
        names = "names" if kinds is str else "names or numbers"
        raise DataError(
            f"columns= maps roles to {names} of columns, such as {{'user': 'buyer', 'item': 'product'}}; got "
            f"{shown(given)}"
        )


def is_header(fields: Sequence[str]) -> bool:
    """Return whether a first line names columns: at least one field is a usual name."""
    usual = {name for names in USUAL.values() for name in names}
    return any(_plain(field) in usual for field in fields)


def _plain(name: str) -> str:
    return name.strip().strip("\"'").lower().replace(" ", "_").replace("-", "_").lstrip("#\ufeff")
