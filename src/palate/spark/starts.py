"""What sweeps begin with: random factors that are a function of seed and position alone, or given ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from palate.kernels.keyed import normals
from palate.models.ridge.sums import gram_sum
from palate.parallel import Workers, single_blas_thread
from palate.spark.arrays import array_of, rows_of, schema_of
from palate.spark.halves import Half, Solved, sums_record
from palate.spark.layout import Block
from palate.spark.messages import FACTORS, factor_records
from palate.sparse import Array

if TYPE_CHECKING:
    import pyarrow as pa

GIVEN = "key int, position int, factors binary, bias double"


@dataclass(frozen=True, eq=False)
class Beginning:
    """What the rows of a side begin with.

    Attributes:
        half: a half sweep of this side.
        seed, stream: of the random factors.
        scale: their standard deviation, 0 for zeros.
        gram: whether their Gram matrix is needed.
    """

    half: Half
    seed: int
    stream: int
    scale: float
    gram: bool

    def factors(self, positions: Array) -> Array:
        """Return random factors of positions."""
        wire = self.half.common.wire
        if not self.scale:
            return np.zeros((len(positions), wire.k), wire.dtype)
        X = normals(self.seed, self.stream, positions, wire.k)
        return np.asarray((X * self.scale).astype(wire.dtype))


def begin(layout: pa.Table, given: pa.Table, *, start: Beginning) -> pa.Table:
    """Return a block's records before the first sweep; rows that are given begin with those."""
    import pyarrow as pa

    common = start.half.common
    block, n = Block.of(layout, common.n_features), len(common.wire.keys)
    positions = block.number + n * np.arange(len(block.counts))
    X, b = start.factors(positions), np.zeros(len(positions), common.wire.dtype)
    for position, factors, bias in rows_of(given, ("position", "factors", "bias")):
        at = position.as_py() // n
        X[at], b[at] = array_of(factors, common.wire.dtype), bias.as_py()
    weights = start.half.row_weights(block)
    X[weights == 0] = 0  # no part of the objective
    with Workers(common.n_threads) as workers, single_blas_thread():
        gram = gram_sum(X[weights > 0], workers) if start.gram else None
        sums = sums_record(common, block, Solved(X, b, np.zeros(0), weights, gram))
    records = factor_records(block.number, X, b, block.routes, common.sweep)
    return pa.Table.from_batches([*records, sums], schema_of(FACTORS))
