"""The user whose id was typed: one whom the store or the model knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palate.data.typed_ids import Found, find_user
from palate.errors import NotFoundError, ParameterError
from palate.serve.engine.loaded import LoadedVersion
from palate.serve.visitor_ids import without_visitors
from palate.store import users
from palate.store.ids import canonical
from palate.store.records import Namespace

if TYPE_CHECKING:
    from sqlalchemy import Connection


def typed_user(conn: Connection, ns: Namespace, loaded: LoadedVersion | None, typed: str) -> str:
    """Return the id of the user that somebody typed.

    Raises:
        NotFoundError: it is nobody's; in a sentence for whoever typed it, which names no visitor of the page.
    """
    if (user := _in_store(conn, ns, typed)) is not None:
        return user
    if loaded is None:
        raise NotFoundError("There is no such user yet.", subject="user")
    found = find_user(typed, loaded.model.users_)
    if not isinstance(found, Found):
        found = find_user(typed, loaded.model.users_, without_visitors(loaded.model.users_.values))
    if not isinstance(found, Found):
        raise NotFoundError(found.sentence, subject="user")
    user = str(found.user_id)
    if loaded.users_index([user])[0] < 0:  # forgotten since
        raise NotFoundError(f"There is no user {user} any more.", subject="user")
    return user


def _in_store(conn: Connection, ns: Namespace, typed: str) -> str | None:
    for text in (typed, typed.strip()):
        try:
            user = canonical(ns, text, "user")
        except ParameterError:
            continue  # no id at all: the model's sentence says what ids are
        if users.get(conn, ns, [user]):
            return user
    return None
