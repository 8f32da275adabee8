"""A model of one machine in the shape of one that was trained on Spark: the same numbers, whatever its training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from palate.spark.prepared import Prepared


@dataclass(frozen=True, eq=False)
class WithItems(Prepared):
    """A prepared folder with a table of its items."""

    table: Any = None

    @property
    def item_table(self):
        return self.table


@dataclass(frozen=True, eq=False)
class Standing:
    """What lists and figures ask of a trained model."""

    prepared: Prepared
    model: Any
    frames: dict[str, Any]
    mean: float
    n_factors: int
    path: str = "the stand-in"
    seed: int = 0
    history: list[Any] = field(default_factory=list)

    @property
    def dtype(self):
        return str(self.model.dtype)

    def factors(self, side):
        return self.frames[side]

    def factor_runs(self, side):
        return self.frames[side], None


def standing(prepared, fitted, *, items=None, **arrays):
    """Return a fitted model of one machine as one trained on Spark; ``arrays`` are put in the place of its own."""
    spark, frames = prepared.spark, {}
    if items is not None:
        table = items.with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("position")).to_arrow()
        prepared = WithItems(prepared.spark, prepared.path, prepared.facts, spark.createDataFrame(table))
    for side in ("user", "item"):
        X = arrays.get(f"{side}_factors", getattr(fitted, f"{side}_factors_"))
        biases = arrays.get(f"{side}_biases", getattr(fitted, f"{side}_biases_", np.zeros(len(X))))
        columns = {"position": np.arange(len(X), dtype=np.int32), "factors": pa.array([x.tobytes() for x in X])}
        frames[side] = spark.createDataFrame(pa.table({**columns, "bias": biases.astype(np.float64)}))
    mean = float(getattr(fitted, "mean_", 0.0))
    return Standing(prepared, type(fitted)(**fitted.get_params()), frames, mean, frames_width(fitted))


def frames_width(fitted):
    return fitted.item_factors_.shape[1]
