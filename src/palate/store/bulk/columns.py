"""Which column of a file holds what: the names that exports have, and the usual ones of the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from palate.data.columns import USUAL, plain_name
from palate.errors import DataError, Remedy, Set

Kind = Literal["users", "items", "events"]
KINDS: tuple[Kind, ...] = ("users", "items", "events")
EVENTS = (
    *("event_id", "user", "item", "kind", "value", "time", "received", "source", "list_id", "place", "withdraws"),
)
THINGS: dict[Kind, tuple[str, ...]] = {
    "users": ("user_id", "attributes", "hidden", "created", "updated", "merged_into"),
    "items": ("item_id", "attributes", "hidden", "described", "deleted", "created", "updated"),
}
OWN: dict[Kind, tuple[str, ...]] = {**THINGS, "events": EVENTS}
ALIASES: dict[str, tuple[str, ...]] = {
    "user": USUAL["user"],
    "item": USUAL["item"],
    "value": USUAL["value"],
    "time": USUAL["time"],
    "kind": ("kind", "event", "eventkind", "eventtype", "type", "action", "behavior", "behaviour", "feedbacktype"),
    "event_id": ("eventid",),
    "list_id": ("listid",),
}
Given = Mapping[str, str | int | None]


def event_columns(names: Sequence[str], given: Given | None, source: str) -> dict[str, str]:
    """Return {role: name of the column} for a file of events; the user and, but for undos, the item must be there.

    Args:
        names: the file's columns.
        given: roles that the caller names himself, as in `read_ratings`.
        source: the file's name in messages.

    Raises:
        DataError: a column is not there, or several may be it.
    """
    found: dict[str, str] = {}
    for role in EVENTS:
        name = _column(names, role, given or {}, source)
        if name is not None:
            found[role] = name
    for role in ("user", "item"):
        if role not in found:
            raise DataError.of(
                source, f"has no column of {role}s; it has {', '.join(map(repr, names))}", _say(role), code="columns"
            )
    return found


def _column(names: Sequence[str], role: str, given: Given, source: str) -> str | None:
    if role in given:
        named = given[role]
        if named is None:
            return None
        place = int(named) if str(named).isdigit() and named not in names else None
        if named not in names and (place is None or place >= len(names)):
            raise DataError.of(source, f"has no column {named!r}; it has {', '.join(map(repr, names))}", code="columns")
        return names[place] if place is not None else str(named)
    if role in names:
        return role
    fits = [name for name in names if plain_name(name) in ALIASES.get(role, ())]
    if len(fits) > 1:
        words = f"has several columns that may be the {role}: {', '.join(map(repr, fits))}"
        raise DataError.of(source, words, _say(role, fits[0]), code="columns", value=fits)
    return fits[0] if fits else None


def _say(role: str, name: str = "NAME") -> Remedy:
    return Remedy("; say which with ", Set("columns", {role: name}))


def kind_of(names: Sequence[str]) -> Kind | Literal["ratings"] | None:
    """Return what a file with these columns holds, as far as its names say it."""
    plain = {plain_name(name) for name in names}
    user, item = plain & set(ALIASES["user"]), plain & set(ALIASES["item"])
    if user and item:
        return "events" if plain & {*ALIASES["kind"], "eventid"} else "ratings"
    if not user and not item:
        return None
    return "users" if user else "items"
