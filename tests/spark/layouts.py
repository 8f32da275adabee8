"""The layout of Spark training, written by NumPy alone: the naive twin of `palate.spark.prepare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from small_spark import Frame, Session

from palate import Interactions
from palate.spark.laying_out import LAYOUT
from palate.spark.prepared import Prepared, other
from palate.sparse import Rows

INTS = ("block", "key", "part", "row", "dest")
ARRAYS = ("indptr", "indices", "values", "weights", "rows", "features", "counts")
SCHEMA = pa.schema(
    [("kind", pa.string()), *((name, pa.int32()) for name in INTS), *((name, pa.binary()) for name in ARRAYS)]
)
Features = tuple[np.ndarray | None, np.ndarray | None]


def lay_out(
    spark: Any,
    data: Interactions,
    path: Path,
    keys: list[int],
    *,
    share: float = 0.25,
    features: Features = (None, None),
) -> Prepared:
    """Write these interactions in blocks; share: of a mean block's cells, above which a row is long."""
    sides, n = (data.by_user(), data.by_item()), len(keys)
    long = [long_rows(rows, n, share) for rows in sides]
    needs = [needed(rows, long[side], n) for side, rows in enumerate(sides)]
    for side, name in enumerate(("user", "item")):
        records = []
        for block in range(n):
            records += cell_records(sides[side], block, n, long[side], needs[side][block])
            if features[side] is not None:
                own = features[side][block::n].astype(np.float32)
                records.append({"kind": "features", "block": block, "features": own, "dest": own.shape[1]})
            records += route_records(block, n, needs[side][block])
        table = pa.Table.from_pylist([plain(record, keys) for record in records], SCHEMA)
        (path / f"by_{name}").mkdir(parents=True)
        pq.write_table(table, path / f"by_{name}" / "part-0.parquet")
    (path / "rows").mkdir()
    pq.write_table(rows_of(data), path / "rows" / "part-0.parquet")
    facts = facts_of(data, keys, long, needs, features)
    write_facts(path, facts)
    return (Small if isinstance(spark, Session) else Prepared)(spark, str(path), facts)


class Small(Prepared):
    """The same without Spark."""

    @property
    def rows(self):
        return Frame(self.spark, pq.read_table(f"{self.path}/rows/part-0.parquet"))

    def layout(self, side):
        own, others = (self._read(f"by_{s}", LAYOUT) for s in (side, other(side)))
        return own.where("kind != 'routes'").union(others.where("kind = 'routes'"))


def rows_of(data: Interactions) -> pa.Table:
    columns = {"user": data.user_index, "item": data.item_index, "value": data.values}
    return pa.table(columns | ({} if data.weights is None else {"weight": data.weights}))


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    (path / "facts").mkdir()
    pq.write_table(pa.table({"json": [json.dumps(facts)]}), path / "facts" / "part-0.parquet")


def facts_of(data: Interactions, keys: list[int], long: Any, needs: Any, features: Features) -> dict[str, Any]:
    values = data.values.astype(float)
    weights = np.ones(len(values)) if data.weights is None else data.weights.astype(float)
    n, sides = len(keys), (data.by_user(), data.by_item())
    counts = [[[np.sum(own % n == source) for own in side] for source in range(n)] for side in needs]
    width = [None if f is None else {"names": [f"f{j}" for j in range(f.shape[1])], "encoding": []} for f in features]
    return {
        "kind": "prepared folder",
        "format_version": 1,
        "n_users": data.n_users,
        "n_items": data.n_items,
        "n_rows": len(data),
        "keys": keys,
        "has_times": False,
        "has_weights": data.weights is not None,
        "rating_range": data.rating_range,
        "lowest": values.min(),
        "highest": values.max(),
        "sums": [float(s.sum()) for s in (values, values**2, weights, weights * values, weights * values**2)],
        "long": dict(
            zip(
                ("user", "item"),
                [[[row, float(rows.sizes[row])] for row in side] for rows, side in zip(sides, long, strict=True)],
                strict=True,
            )
        ),
        "needed": {"item": np.array(counts[0]).tolist(), "user": np.array(counts[1]).tolist()},
        "features": {"user": width[0], "item": width[1]},
        "ids": {"user": "integer", "item": "integer"},
        "item_table": False,
    }


def plain(record: dict[str, Any], keys: list[int]) -> dict[str, Any]:
    raw = {name: value.tobytes() if isinstance(value, np.ndarray) else value for name, value in record.items()}
    return {"part": 0, "row": 0, **raw, "key": keys[record["block"]]}


def long_rows(rows: Rows, n: int, share: float) -> list[int]:
    return np.flatnonzero(rows.sizes > share * len(rows.indices) / n).tolist() if n > 1 else []


def needed(rows: Rows, long: list[int], n: int) -> list[np.ndarray]:
    """Return the columns that each block needs, by their blocks and their places in them."""
    own = rows.row_of_cells()
    places = np.where(np.isin(own, long), rows.indices, own) % n
    columns = [np.unique(rows.indices[places == block]) for block in range(n)]
    return [each[np.lexsort((each // n, each % n))] for each in columns]


def cell_records(rows: Rows, block: int, n: int, long: list[int], columns: np.ndarray) -> list[dict[str, Any]]:
    own = np.arange(block, rows.n_rows, n)
    place = np.full(max(columns, default=0) + 1, -1, np.int32)
    place[columns] = np.arange(len(columns))
    ordinary = rows.take(own)
    ordinary = ordinary.filter(np.repeat(~np.isin(own, long), ordinary.sizes))
    records = [{"kind": "cells", **cells(ordinary, place)}, {"kind": "counts", "counts": counts_of(rows)[own]}]
    for row in long:
        piece = rows.take(np.array([row]))
        piece = piece.filter(piece.indices % n == block)
        if len(piece.indices):
            records.append({"kind": "long", "row": row, **cells(piece, place)})
    return [{"block": block, **record} for record in records]


def route_records(block: int, n: int, columns: np.ndarray) -> list[dict[str, Any]]:
    """Return the routes of the other side's blocks to this one."""
    places = [(columns[columns % n == source] // n).astype(np.int32) for source in range(n)]
    return [{"kind": "routes", "block": s, "dest": block, "rows": rows} for s, rows in enumerate(places)]


def counts_of(rows: Rows) -> np.ndarray:
    weights = np.ones(len(rows.indices)) if rows.weights is None else rows.weights.astype(float)
    return np.bincount(rows.row_of_cells(), weights, rows.n_rows)


def cells(rows: Rows, place: np.ndarray) -> dict[str, Any]:
    return {
        "indptr": rows.indptr,
        "indices": place[rows.indices],
        "values": rows.values,
        "weights": rows.weights,
    }
