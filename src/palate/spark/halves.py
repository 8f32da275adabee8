"""What an executor does in a half sweep: the rows of one block, by the functions of one machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from palate.errors import PalateError
from palate.models.ridge.rows import FixedSide, Prior
from palate.models.ridge.sweeps import half_sweep
from palate.parallel import Workers, single_blas_thread
from palate.spark.arrays import record, schema_of
from palate.spark.layout import Block
from palate.spark.messages import FACTORS, Received, Wire, factor_records
from palate.spark.parts import feature_sums, power_weights, rating_errors, rows_penalty
from palate.sparse import Array

if TYPE_CHECKING:
    import pyarrow as pa

Weights = tuple[Array, Array]  # of a prior: (n_features, k) of the factors, (n_features,) of the biases


@dataclass(frozen=True, eq=False)
class Common:
    """What half sweeps of all models have.

    Attributes:
        wire: how factors travel.
        sweep: its number.
        n_features: of the side that is solved, 0 without.
        prior: weights of these features, or None.
        n_threads: of a task.
        state: JSON that block 0 keeps beside its sums, or None.
    """

    wire: Wire
    sweep: int
    n_features: int
    prior: Weights | None
    n_threads: int
    state: str | None = None

    def prior_of(self, features: Array | None) -> Prior | None:
        """Return the prior of rows."""
        if features is None or self.prior is None:
            return None
        return Prior(features.astype(self.wire.dtype), *self.prior)


class Half(Protocol):
    """A half sweep of a model."""

    @property
    def common(self) -> Common:
        """What it has as those of other models."""
        ...

    def row_weights(self, block: Block) -> Array:
        """Return what rows weigh in the regression on features, as their penalties weigh them."""
        ...

    def records(self, block: Block, received: Received, workers: Workers) -> Iterator[pa.RecordBatch]:
        """Yield the records of a block's rows and of its sums."""
        ...


def solve(layout: pa.Table, messages: pa.Table, *, half: Half) -> pa.Table:
    """Return the records of one block after a half sweep, or of the fault that stopped it.

    A function of the module, for executors to import. What it raised would be tried again, in vain, and reach the
    driver as text.
    """
    import pyarrow as pa

    schema, common = schema_of(FACTORS), half.common
    try:
        block, received = Block.of(layout, common.n_features), Received.of(messages, common.wire)
        with Workers(common.n_threads) as workers, single_blas_thread():
            return pa.Table.from_batches(list(half.records(block, received, workers)), schema)
    except PalateError as error:
        return pa.Table.from_batches([record(schema, {"kind": "fault", "note": str(error), "sweep": common.sweep})])


@dataclass(frozen=True, eq=False)
class RatingHalf:
    """A half sweep of `ALS`.

    Attributes:
        common: of all models.
        regs: penalties of factors and of biases.
        exponent: of the rows' weights.
        mean, biases: as `FixedSide` has them.
        limits: lowest and highest rating, where errors are to be summed; else None.
    """

    common: Common
    regs: tuple[float, float]
    exponent: float
    mean: float
    biases: bool
    limits: tuple[float, float] | None

    def row_weights(self, block: Block) -> Array:
        """Return w of each row."""
        return power_weights(block.counts, self.exponent)

    def records(self, block: Block, received: Received, workers: Workers) -> Iterator[pa.RecordBatch]:
        """Yield the records of a block; figures: number, squares, clipped and weighted ones of errors, penalty."""
        side = FixedSide(received.Q, received.c, mean=self.mean, biases=self.biases)
        weights = self.row_weights(block)
        prior = self.common.prior_of(block.features)
        P, b = half_sweep(block.rows, side, weights, self.regs, prior, workers)
        errors = (0.0,) * 4 if self.limits is None else rating_errors(block.rows, P, b, side, self.limits, workers)
        own = np.where(block.rows.sizes > 0, weights, 0.0)  # long rows are solved apart
        figures = np.array([*errors, rows_penalty(P, b, prior, own, self.regs)])
        yield from factor_records(block.number, P, b, block.routes, self.common.sweep)
        yield sums_record(self.common, block, figures, feature_parts(block, P, b, own), None)


def feature_parts(block: Block, X: Array, biases: Array, weights: Array) -> Array | None:
    """Return the sums of features that the next prior is made of, as one array; None without features."""
    if block.features is None:
        return None
    sums = feature_sums(X, biases, block.features, weights)
    return np.concatenate([sums.of_factors.ravel(), sums.of_biases.ravel()])


def sums_record(common: Common, block: Block, figures: Array, features: Array | None, gram: Array | None) -> Any:
    """Return a block's record of sums."""
    values = {"kind": "sums", "block": block.number, "sweep": common.sweep}
    note = common.state if block.number == 0 else None
    return record(schema_of(FACTORS), {**values, "figures": figures, "sums": features, "gram": gram, "note": note})
