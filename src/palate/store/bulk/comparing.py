"""Events of a file beside those that the store has: which are there already, and which have another's id."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from sqlalchemy import Connection, bindparam, select

from palate.data.checking import Fault
from palate.store.bulk.events import CONFLICT
from palate.store.prepared import Among
from palate.store.records import UNDO, Namespace
from palate.store.rows import item_keys, user_keys
from palate.store.schema import events

FIELDS = {
    "event_id": pl.String(),
    "key": pl.Int64(),
    "user_key": pl.Int64(),
    "item_key": pl.Int64(),
    "kind_there": pl.String(),
    "value_there": pl.Float64(),
    "time_there": pl.Int64(),
    "list_there": pl.Binary(),
    "place_there": pl.Int64(),
    "withdraws_key": pl.Int64(),
}
_COLUMNS = ("event_id", "key", "user", "item", "kind", "value", "time", "list_id", "place", "withdraws")
_THERE = Among(
    lambda among: select(*(events.c[name] for name in _COLUMNS)).where(
        events.c.namespace == bindparam("namespace"), among
    ),
    events.c.event_id,
    "namespace",
)


def there(connection: Connection, ns: Namespace, *ids: pl.Series) -> pl.DataFrame:
    """Return what the store has of these event ids."""
    wanted = pl.concat([column.drop_nulls() for column in ids]).unique().sort().to_list()
    rows = _THERE.rows(connection, wanted, ns.key)
    return pl.DataFrame([tuple(row) for row in rows], schema=FIELDS, orient="row")


def others(connection: Connection, ns: Namespace, rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return the rows whose event id has another content in the store; a visitor's are the account's."""
    both = rows.filter(~pl.col("made")).join(known, on="event_id", how="inner", maintain_order="left")
    if not len(both):
        return both
    undone = dict(zip(known["event_id"], known["key"], strict=True))
    said = {
        "user_key": key_of("user", user_keys(connection, ns, both["user"].unique().to_list())),
        "item_key": key_of("item", item_keys(connection, ns, both["item"].drop_nulls().unique().to_list())),
        "kind_there": pl.col("kind"),
        "value_there": pl.col("value"),
        "place_there": pl.col("place"),
        "list_there": pl.col("list_id").str.decode("hex"),
        "withdraws_key": key_of("withdraws", undone),
    }
    same = [expression.eq_missing(pl.col(name)) for name, expression in said.items()]
    time = pl.col("time").is_null() | (pl.col("time") == pl.col("time_there"))
    return both.filter(~pl.all_horizontal(*same, time))


def key_of(name: str, keys: Mapping[str, int]) -> pl.Expr:
    """Return a column of ids as keys, null where there is none."""
    if not keys:
        return pl.lit(None, pl.Int64).alias(name)
    return pl.col(name).replace_strict(list(keys), list(keys.values()), default=None, return_dtype=pl.Int64)


def conflicts(connection: Connection, ns: Namespace, frame: pl.DataFrame) -> tuple[list[Fault], pl.DataFrame]:
    """Return the rows that may not be written, as faults; and the events of given ids that the store has."""
    given = frame.filter(~pl.col("made"))["event_id"]
    known = (
        there(connection, ns, given, frame["withdraws"])
        if len(given) or _has_undos(frame)
        else pl.DataFrame(schema=FIELDS)
    )
    other, faults = others(connection, ns, frame, known), []
    if len(other):
        rows = np.sort(other["row"].to_numpy()).astype(np.intp)
        faults.append(Fault("invalid", "event_id", CONFLICT, rows, repr(other["event_id"][0])))
    return faults + _vain_undos(connection, ns, frame, known), known


def _has_undos(frame: pl.DataFrame) -> bool:
    return frame["withdraws"].null_count() < len(frame)


def _vain_undos(connection: Connection, ns: Namespace, frame: pl.DataFrame, known: pl.DataFrame) -> list[Fault]:
    """Return the undos of an event that no row above and no row of the store has, or that is another person's."""
    undos = frame.filter(kind=UNDO).select("row", "user", "withdraws")
    if not len(undos):
        return []
    in_file = frame.filter(pl.col("kind") != UNDO).select("event_id", owner="user", above="row")
    in_store = known.filter(pl.col("kind_there") != UNDO).select("event_id", "user_key")
    found = undos.join(in_file, left_on="withdraws", right_on="event_id", how="left", maintain_order="left")
    found = found.join(in_store, left_on="withdraws", right_on="event_id", how="left", maintain_order="left")
    mine = (pl.col("owner") == pl.col("user")) & (pl.col("above") < pl.col("row"))
    stored = pl.col("user_key") == key_of("user", user_keys(connection, ns, undos["user"].unique().to_list()))
    vain = found.filter(~(mine.fill_null(value=False) | stored.fill_null(value=False)))
    if not len(vain):
        return []
    what = "is no event of this user above it in the file, or in the store"
    return [Fault("invalid", "withdraws", what, vain["row"].to_numpy().astype(np.intp), repr(vain["withdraws"][0]))]
