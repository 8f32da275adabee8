"""What is in a store: counts by namespace and kind of event, its size, the bytes of a list and of an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy.exc import DBAPIError

from palate.store import scenarios
from palate.store.records import Namespace
from palate.store.schema import (
    NEWEST,
    events,
    experiments,
    items,
    jobs,
    list_pages,
    lists,
    namespaces,
    schedules,
    tombstones,
    users,
    versions,
)

if TYPE_CHECKING:
    from palate.store.store import Store


def facts(store: Store) -> dict[str, Any]:
    """Return what is in a store, as JSON holds it: schema, sizes in bytes, and one record a namespace.

    ``bytes_an_event`` and ``bytes_a_list`` are those of the tables and their indexes, of all namespaces together; None
    without a row, or where the database does not say.
    """
    with store.read() as connection:
        return {
            **sizes(store, connection),
            "bytes_an_event": _bytes_a_row(connection, events, events),
            "bytes_a_list": _bytes_a_row(connection, lists, lists, list_pages),
            "namespaces": [of_namespace(connection, Namespace(*row)) for row in connection.execute(_NAMESPACES)],
        }


def sizes(store: Store, connection: Connection) -> dict[str, Any]:
    """Return where a store is, without a password, its schema, and how many bytes it has."""
    return {"store": store.url, "schema": NEWEST, "bytes": _size(connection)}


_NAMESPACES = select(namespaces.c.key, namespaces.c.name, namespaces.c.id_kind).order_by(namespaces.c.name)


def of_namespace(connection: Connection, ns: Namespace) -> dict[str, Any]:
    """Return what is in one namespace, as JSON holds it; times in microseconds."""

    def count(table: Table, *more: Any) -> int:
        query = select(func.count()).select_from(table).where(table.c.namespace == ns.key, *more)
        return int(connection.execute(query).scalar_one())

    kinds = (
        select(events.c.kind, func.count()).where(events.c.namespace == ns.key).group_by(events.c.kind).order_by("kind")
    )
    span = select(func.min(events.c.time), func.max(events.c.time)).where(events.c.namespace == ns.key)
    first, last = connection.execute(span).one()
    return {
        "name": ns.name,
        "id_kind": ns.id_kind,
        "users": count(users),
        "merged": count(users, users.c.merged_into.is_not(None)),
        "items": count(items, items.c.deleted.is_(False)),
        "hidden_items": count(items, items.c.hidden.is_(True), items.c.deleted.is_(False)),
        "events": dict(map(tuple, connection.execute(kinds).all())),
        "first_event": first,
        "newest_event": last,
        "lists": count(lists),
        "uncounted_lists": count(lists, lists.c.uncounted.is_not(None)),
        "scenarios": len(scenarios.listed(connection, ns)),
        "experiments": count(experiments),
        "running_experiments": count(experiments, experiments.c.ended.is_(None)),
        "schedules": count(schedules),
        "jobs": count(jobs),
        "versions": count(versions),
        "tombstones": count(tombstones),
    }


def _size(connection: Connection) -> int:
    if connection.dialect.name == "sqlite":
        pages, size = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size")
        )
        return int(pages * size)
    return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def _bytes_a_row(connection: Connection, rows: Table, *tables: Table) -> float | None:
    """Return how many bytes the tables and their indexes take for each row of the first."""
    count = connection.execute(select(func.count()).select_from(rows)).scalar_one()
    if not count:
        return None
    sizes = [_bytes(connection, table) for table in tables]
    return None if None in sizes else sum(filter(None, sizes)) / count


def _bytes(connection: Connection, table: Table) -> int | None:
    if connection.dialect.name != "sqlite":
        total = text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
        return int(connection.execute(total, {"name": table.name}).scalar_one())
    of = text("SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_master WHERE tbl_name = :name)")
    try:
        return int(connection.execute(of, {"name": table.name}).scalar_one())
    except DBAPIError:  # a SQLite that was built without dbstat
        return None
