"""The log of a store as a data set: what `palate train store:sqlite:///shop.db` learns from.

Rows are made of events by the rule of the namespace's kinds (`palate.store.rule`), the same by which people are folded
in; a model keeps which log it learned from, and up to which event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl
from sqlalchemy import Connection, func, select

from palate.data.dataset import Dataset, LearnedLog
from palate.data.interactions import Interactions
from palate.errors import ParameterError
from palate.store import hashes
from palate.store.kinds import Kinds, kinds_of
from palate.store.records import DEFAULT, Namespace
from palate.store.rule import View, interactions, view_of
from palate.store.schema import events, items, users
from palate.store.store import Store, open_store
from palate.store.tables import attribute_table
from palate.store.times import now

if TYPE_CHECKING:
    from palate.models import Recommender

PREFIX = "store:"


def split_address(text: str) -> tuple[str, str]:
    """Return the URL and the namespace of store:URL#NAMESPACE; "default" without one.

    Raises:
        ParameterError: there is no URL, or no namespace after the sign.
    """
    url, sign, namespace = text.removeprefix(PREFIX).partition("#")
    if not url or (sign and not namespace):
        raise ParameterError(
            "a store is named as store:sqlite:///shop.db, with #NAMESPACE behind it where it is not the default one",
            subject="store",
        )
    return url, namespace or DEFAULT


def opened_dataset(address: str, models: Sequence[Recommender] = ()) -> Dataset:
    """Return the data set of store:URL#NAMESPACE, as the models that are to learn from it see the log.

    Args:
        address: as above.
        models: of one view; none, or of both views: ratings where the log has any, else clicks.

    Raises:
        ParameterError: the address is none.
        StoreError: there is no such store, or it has another schema.
        NotFoundError: there is no such namespace.
        DataError: no event counts.
    """
    url, name = split_address(address)
    views = {view_of(model) for model in models}
    with open_store(url, create=False) as store:
        return dataset(store, store.namespace(name), views.pop() if len(views) == 1 else None)


def dataset(store: Store, ns: Namespace, view: View | None = None, until: int | None = None) -> Dataset:
    """Return the rows of a namespace and the attributes of its users and items, all of one moment.

    Args:
        store, ns: which.
        view: "ratings" or "clicks", as a model sees the log; None: ratings where there are any, else clicks.
        until: microseconds; what happened later is left out. None: nothing.

    Raises:
        DataError: no event counts.
    """
    read = now()
    with store.read() as connection:
        kinds = kinds_of(connection, ns)
        view = view or _likely(connection, ns, kinds)
        rows = interactions(connection, ns, until=until, view=view)
        last = select(func.max(events.c.key), func.max(events.c.time)).where(events.c.namespace == ns.key)
        key, newest = connection.execute(last).one()
        tables = {side: _table(connection, ns, table, rows, side) for side, table in (("user", users), ("item", items))}
    name = f"{store.url}{'' if ns.name == DEFAULT else f'#{ns.name}'}"
    made = Dataset.from_tables(rows, users=tables["user"], items=tables["item"], name=name)
    log = LearnedLog(hashes.identity(store.secret), ns.name, key, newest, read)
    if until is not None:
        log = replace(log, trained_to=None, newest_event=min(newest, until))
    return replace(made, log=log, notes=(f"{view} of the namespace '{ns.name}', by its event kinds",))


def _likely(connection: Connection, ns: Namespace, kinds: Kinds) -> View:
    """Return "ratings" where an event of the log gives one."""
    rating = [kind.name for kind in kinds.every if kind.rating is not None]
    query = select(events.c.key).where(events.c.namespace == ns.key, events.c.kind.in_(rating)).limit(1)
    return "ratings" if connection.execute(query).first() is not None else "clicks"


def _table(connection: Connection, ns: Namespace, table: Any, rows: Interactions, side: str) -> pl.DataFrame:
    """Return what is known of the users or items of the rows."""
    ids = rows.users if side == "user" else rows.items
    found = connection.execute(select(table.c.id, table.c.attributes).where(table.c.namespace == ns.key)).all()
    known = pl.DataFrame([tuple(row) for row in found], schema={"id": pl.String, "text": pl.String}, orient="row")
    wanted = pl.DataFrame({"id": ids.values.cast(pl.String)})
    texts = wanted.join(known, on="id", how="left", maintain_order="left")["text"]
    made = attribute_table(wanted["id"].to_list(), texts.to_list())
    own = pl.Series(f"{side}_id", ids.values)
    return made.drop("id", f"{side}_id", strict=False).insert_column(0, own)
