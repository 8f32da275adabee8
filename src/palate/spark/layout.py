"""The layout of one block, as `palate.spark.prepare` has written it: its cells, routes, counts and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.errors import DataError
from palate.spark.arrays import array_of, rows_of
from palate.spark.messages import Routes, joined
from palate.sparse import Array, Rows, stacked

if TYPE_CHECKING:
    import pyarrow as pa

CELLS = ("indptr", "indices", "values", "weights")


@dataclass(frozen=True, eq=False)
class Block:
    """What a block knows of its rows, factors apart.

    Attributes:
        number: of the block.
        rows: its cells; those of long rows are in ``long``.
        counts: (n_rows,) float64, of each whole row: its cells, or the sum of their weights.
        routes: which rows each block of the other side needs.
        features: (n_rows, n_features), or None.
        long: this block's piece of long rows, by their positions.
    """

    number: int
    rows: Rows
    counts: Array
    routes: Routes
    features: Array | None
    long: dict[int, Rows]

    @classmethod
    def of(cls, table: pa.Table, n_features: int = 0) -> Block:
        """Return the block of its records, in any order; n_features of the side, 0 where it has none."""
        ordered = table.sort_by([("kind", "ascending"), ("part", "ascending"), ("row", "ascending")])
        kinds = np.array(ordered["kind"])
        of_kind = {kind: ordered.filter(kinds == kind) for kind in ("cells", "counts", "routes", "features", "long")}
        if not of_kind["cells"].num_rows:
            raise DataError(
                "a block of the prepared folder has no cells: its files are not whole; prepare it anew",
                code="damaged",
                subject="cells",
            )
        return cls(
            int(ordered["block"][0].as_py()),
            stacked_rows(of_kind["cells"]),
            column(of_kind["counts"], "counts", np.float64),
            {to.as_py(): array_of(rows, np.int32) for to, rows in rows_of(of_kind["routes"], ("dest", "rows"))},
            column(of_kind["features"], "features", np.float32).reshape(-1, n_features) if n_features else None,
            {row.as_py(): rows_at(cells) for row, *cells in rows_of(of_kind["long"], ("row", *CELLS))},
        )


def column(table: pa.Table, name: str, dtype: Any) -> Array:
    """Return the arrays of a column behind each other."""
    return joined([array_of(value, dtype) for (value,) in rows_of(table, (name,))], (0,), dtype)


def stacked_rows(table: pa.Table) -> Rows:
    """Return the cells of several records, one below the other."""
    parts = [rows_at(cells) for cells in rows_of(table, CELLS)]
    return parts[0] if len(parts) == 1 else stacked(parts)


def rows_at(cells: Sequence[Any]) -> Rows:
    """Return the compressed rows of four binary values."""
    indptr, indices, values, weights = cells
    own = array_of(weights, np.float32) if weights.is_valid else None
    return Rows(array_of(indptr, np.int64), array_of(indices, np.int32), array_of(values, np.float32), own)
