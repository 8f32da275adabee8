"""Which items may be listed: ids and conditions, looked up through Spark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.ids import Id, Ids
from palate.data.items import CONDITION, Condition, matching_items
from palate.errors import UnknownIdError, shown
from palate.models.contract.answers import id_list, say_unknown

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palate.spark.prepared import Prepared, SideName

SHOWN = 5


def kept_items(
    prepared: Prepared,
    allow: Sequence[Id] | None,
    deny: Sequence[Id] | None,
    where: Condition | Sequence[Condition] | None,
) -> NDArray[np.bool_] | None:
    """Return which items may be listed, (n_items,), or None for all of them.

    The driver holds one byte an item, and the columns that conditions name.

    Raises:
        UnknownIdError: an item of allow is unknown, or an id is of another type than the data's.
        ParameterError: a condition is wrong.
    """
    if allow is None and deny is None and where is None:
        return None
    kept = np.ones(prepared.n_items, bool)
    if allow is not None:
        kept[:] = False
        kept[index_of(prepared, "item", id_list(allow))] = True
    if deny is not None:
        denied = index_of(prepared, "item", id_list(deny), on_unknown="mark")
        say_unknown("deny", int((denied < 0).sum()), "id", " of items")
        kept[denied[denied >= 0]] = False
    if where is not None:
        kept &= matching_items(_columns(prepared, where), where)
    return kept


def index_of(prepared: Prepared, side: SideName, ids: Sequence[Id], *, on_unknown: str = "raise") -> NDArray[np.int64]:
    """Return the position of each id; with ``on_unknown="mark"``, -1 where an id is unknown.

    Raises:
        UnknownIdError: an id is unknown, or of the other type than the ids of the data.
    """
    import pyarrow as pa
    from pyspark.sql import functions as F

    kind: Any = pl.Int64() if prepared.facts["ids"][side] == "integer" else pl.String()
    Ids(pl.Series([], dtype=kind), side).index(ids, on_unknown="mark")  # refuses ids of the other type
    fits = [place for place, given in enumerate(ids) if not isinstance(given, int) or -(2**63) <= given < 2**63]
    positions = np.full(len(ids), -1, np.int64)
    if fits:
        arrow = pa.int64() if isinstance(kind, pl.Int64) else pa.string()
        given = pa.table({"place": pa.array(fits, pa.int64()), "id": pa.array([ids[place] for place in fits], arrow)})
        asked = F.broadcast(prepared.spark.createDataFrame(given))
        found = prepared.ids(side).join(asked, "id").select("place", "position").toArrow()
        positions[found["place"].to_numpy()] = found["position"].to_numpy()
    unknown = [given for given, position in zip(ids, positions, strict=True) if position < 0]
    if unknown and on_unknown == "raise":
        first = ", ".join(map(shown, unknown[:SHOWN])) + (", …" if len(unknown) > SHOWN else "")
        n, s = prepared.n_users if side == "user" else prepared.n_items, "s" if len(unknown) > 1 else ""
        words = f"unknown {side} id{s} {first}; known are {n:,} {side}s"
        raise UnknownIdError(words, subject=side, value=unknown)
    return positions


def item_frame(prepared: Prepared) -> DataFrame:
    """Return position, item_id, title and further columns of the items; ids are the titles where nothing is known."""
    from pyspark.sql import functions as F

    table = prepared.item_table
    if table is None:
        ids = prepared.ids("item")
        return ids.select("position", F.col("id").alias("item_id"), F.col("id").cast("string").alias("title"))
    return table


def items_by_position(prepared: Prepared, names: Iterable[str] | None = None) -> pl.DataFrame:
    """Return columns of the items in the order of their positions, all of them where none are named."""
    frame = item_frame(prepared)
    columns = frame.columns if names is None else ["position", *(n for n in names if n != "position")]
    table = pl.DataFrame(pl.from_arrow(frame.select(*columns).toArrow()))
    return table.sort("position").drop("position")


def _columns(prepared: Prepared, where: Condition | Sequence[Condition]) -> pl.DataFrame:
    """Return the item columns that conditions name; where one is not there, the first row of all, to say so."""
    several = [where] if isinstance(where, str | pl.Expr) or not isinstance(where, Iterable) else list(where)
    names: set[str] = set()
    for condition in several:
        if isinstance(condition, pl.Expr):
            names |= set(condition.meta.root_names())
        elif isinstance(condition, str) and (match := CONDITION.match(condition)) is not None:
            names.add(match["column"])
    known = [name for name in item_frame(prepared).columns if name != "position"]
    if not names <= set(known):
        return pl.DataFrame(pl.from_arrow(item_frame(prepared).select(*known).limit(1).toArrow()))
    return items_by_position(prepared, sorted(names) or known[:1])
