"""Lists that were shown: one read with its pages, and a page added."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select

from palate.errors import NotFoundError
from palate.store.packing import decode_shown, encode_shown
from palate.store.records import Namespace, Page, Place, ShownList
from palate.store.rows import user_keys
from palate.store.schema import experiments, list_pages, lists, scenarios, users, versions
from palate.store.times import now as time_now

if TYPE_CHECKING:
    from palate.store.store import Store

ID_DIGITS = 32


def id_bytes(list_id: str) -> bytes:
    """Return the 16 bytes of a list's id.

    Raises:
        NotFoundError: it is not 32 hexadecimal digits, so no list has it.
    """
    try:
        packed = bytes.fromhex(list_id) if len(list_id) == ID_DIGITS else b""
    except ValueError:
        packed = b""
    if len(packed) != ID_DIGITS // 2:
        raise _not_found(list_id)
    return packed


def get(conn: Connection, ns: Namespace, list_id: str) -> ShownList:
    """Return a list as it was shown, with the pages that followed.

    Raises:
        NotFoundError: the namespace has no list of this id.
    """
    row = _row(conn, ns, list_id)
    pages = conn.execute(
        select(list_pages.c.time, list_pages.c.first, list_pages.c.shown)
        .where(list_pages.c.namespace == ns.key, list_pages.c.list == row.key)
        .order_by(list_pages.c.key)
    )
    return ShownList(
        list_id=bytes(row.list_id).hex(),
        user=row.user_id,
        time=row.time,
        policy=row.policy,
        version=row.number,
        places=decode_shown(bytes(row.shown)),
        request=json.loads(row.request or "{}"),
        arm=row.arm,
        ranked=None if row.ranked is None else bytes(row.ranked),
        scenario=None if row.scenario_name is None else (row.scenario_name, row.revision),
        experiment=row.experiment_name,
        explored=json.loads(row.explored or "{}"),
        uncounted=None if row.uncounted is None else bytes(row.uncounted),
        pages=tuple(Page(time, first, decode_shown(bytes(shown))) for time, first, shown in pages),
    )


def of_user(conn: Connection, ns: Namespace, user: str) -> list[ShownList]:
    """Return all lists of a user that are kept, the oldest first."""
    key = user_keys(conn, ns, [user]).get(user)
    if key is None:
        return []
    own = select(lists.c.list_id).where(lists.c.namespace == ns.key, lists.c.user == key).order_by(lists.c.key)
    return [get(conn, ns, bytes(row.list_id).hex()) for row in conn.execute(own).all()]


def _row(conn: Connection, ns: Namespace, list_id: str) -> Any:
    query = (
        select(lists, users.c.id.label("user_id"), versions.c.number)
        .add_columns(scenarios.c.name.label("scenario_name"), scenarios.c.revision)
        .add_columns(experiments.c.name.label("experiment_name"))
        .outerjoin(users, users.c.key == lists.c.user)
        .outerjoin(versions, versions.c.key == lists.c.version)
        .outerjoin(scenarios, scenarios.c.key == lists.c.scenario)
        .outerjoin(experiments, experiments.c.key == lists.c.experiment)
        .where(lists.c.namespace == ns.key, lists.c.list_id == id_bytes(list_id))
    )
    row = conn.execute(query).one_or_none()
    if row is None:
        raise _not_found(list_id)
    return row


def add_page(
    store: Store, ns: Namespace, list_id: str, first: int, places: Sequence[Place], time: int | None = None
) -> None:
    """Keep a following page of a list; when this returns it is committed.

    Args:
        store, ns: where.
        list_id: of the list.
        first: place in the list of the page's first item, from 1.
        places: what is shown.
        time: microseconds; None: now.

    Raises:
        NotFoundError: the namespace has no list of this id.
        UnavailableError: the store cannot be written now.
    """
    shown = encode_shown(places)
    with store.write() as conn:
        key = conn.execute(
            select(lists.c.key).where(lists.c.namespace == ns.key, lists.c.list_id == id_bytes(list_id))
        ).scalar_one_or_none()
        if key is None:
            raise _not_found(list_id)
        now = time_now() if time is None else time
        conn.execute(insert(list_pages).values(namespace=ns.key, list=key, time=now, first=first, shown=shown))


def _not_found(list_id: str) -> NotFoundError:
    return NotFoundError(f"there is no list '{list_id[:64]}'", subject="list_id", value=list_id)
