"""Change the event kinds of a namespace."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from palate.store import popular
from palate.store.kinds import EventKind, Kinds
from palate.store.records import IMPRESSION, UNDO, Namespace
from palate.store.schema import events, namespaces

if TYPE_CHECKING:
    from palate.store.store import Store


def set_kinds(store: Store, ns: Namespace, kinds: Kinds | Iterable[EventKind]) -> dict[str, int]:
    """Write the event kinds of a namespace; what is popular is counted anew by them, in the same transaction.

    Args:
        store, ns: where.
        kinds: all of them; events of a kind that is left out stay in the log, and count for nothing.

    Returns:
        How many events of the log each kind that is left out has.

    Raises:
        ParameterError: kinds are none, or have one name twice.
    """
    made = kinds if isinstance(kinds, Kinds) else Kinds(tuple(kinds))
    with store.write() as conn:
        change = {"kinds": made.to_json(), "changes": namespaces.c.changes + 1}
        conn.execute(update(namespaces).where(namespaces.c.key == ns.key).values(change))
        popular.recount(conn, ns)
        counted = select(events.c.kind, func.count()).where(events.c.namespace == ns.key).group_by(events.c.kind)
        return {kind: n for kind, n in conn.execute(counted) if kind not in {*made, IMPRESSION, UNDO}}
