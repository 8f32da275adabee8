"""Factors that training goes on from: arrays by position, or a fitted model's by id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.data.ids import Ids
from palate.errors import ParameterError
from palate.models import ALS, ImplicitALS
from palate.models.contract.learner import WarmStart
from palate.spark.arrays import schema_of
from palate.spark.messages import Wire
from palate.spark.prepared import TYPES, Prepared, SideName
from palate.spark.starts import GIVEN
from palate.sparse import Array

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame


SIDES: tuple[SideName, SideName] = ("user", "item")


@dataclass(frozen=True, eq=False)
class GivenFactors:
    """Factors by position, as `palate.spark.prepare` has numbered users and items.

    Attributes:
        users, items: (n_users, k), (n_items, k), or None for random ones.
        user_biases, item_biases: (n_users,), (n_items,), or None for zeros.
    """

    users: Array | None = None
    items: Array | None = None
    user_biases: Array | None = None
    item_biases: Array | None = None

    def of_side(self, side: SideName) -> tuple[Array | None, Array | None]:
        """Return factors and biases of a side."""
        return (self.users, self.user_biases) if side == "user" else (self.items, self.item_biases)


@dataclass(frozen=True, eq=False)
class Start:
    """What training begins with.

    Attributes:
        prepared: the data.
        wire: how factors lie in records.
        given: factors by position, or a fitted model's.
    """

    prepared: Prepared
    wire: Wire
    given: GivenFactors | WarmStart

    @classmethod
    def of(cls, given: Any, prepared: Prepared, model: ALS | ImplicitALS, wire: Wire) -> Start:
        """Return the start that a user gave: arrays, a fitted model of the same class, or None.

        Raises:
            ParameterError: it fits neither model nor data.
        """
        if given is None or isinstance(given, GivenFactors):
            start = cls(prepared, wire, given or GivenFactors())
            for side in SIDES:
                start.check_shape(side)
            return start
        if type(given) is not type(model) or not hasattr(given, "users_"):
            raise ParameterError.outside("start", f"a fitted {type(model).__name__}, or a Given of arrays", given)
        begin = given._warm_start()
        if begin.P.shape[1] != wire.k:
            raise ParameterError.of("start", f"has {begin.P.shape[1]} factors, this model {wire.k}")
        return cls(prepared, wire, begin)

    def check_shape(self, side: SideName) -> None:
        """Refuse arrays of other data.

        Raises:
            ParameterError: names the shapes.
        """
        wanted = self.prepared.n(side), self.wire.k
        arrays = self.given.of_side(side) if isinstance(self.given, GivenFactors) else ()
        for array, shape in zip(arrays, (wanted, wanted[:1]), strict=False):
            if array is not None and array.shape != shape:
                raise ParameterError.of("start", f"has an array of shape {array.shape} of {side}s, the data {shape}")

    def rows(self, side: SideName) -> DataFrame:
        """Return the factors of a side as rows of `palate.spark.starts.GIVEN`; none where none are given.

        Raises:
            ParameterError: its ids are of another kind than those of the data.
        """
        if isinstance(self.given, GivenFactors):
            return _by_position(*self.given.of_side(side), self.prepared, self.wire)
        begin = self.given
        own = (begin.users, begin.P, begin.b) if side == "user" else (begin.items, begin.Q, begin.c)
        return _by_id(*own, self.prepared, side, self.wire)


def _by_position(X: Array | None, biases: Array | None, prepared: Prepared, wire: Wire) -> DataFrame:
    import pyarrow as pa

    schema = schema_of(GIVEN)
    if X is None:
        return prepared.spark.createDataFrame(schema.empty_table(), GIVEN)
    positions, keys = np.arange(len(X), dtype=np.int32), np.array(wire.keys, np.int32)
    columns = [pa.array(keys[positions % len(keys)]), pa.array(positions), *_columns(X, biases, wire)]
    return prepared.spark.createDataFrame(pa.Table.from_arrays(columns, schema=schema), GIVEN)


def _by_id(ids: Ids, X: Array, biases: Array | None, prepared: Prepared, side: SideName, wire: Wire) -> DataFrame:
    import pyarrow as pa

    kind = prepared.facts["ids"][side]
    if ids.kind != kind:
        raise ParameterError.of("start", f"has ids of {side}s of kind {ids.kind}, the data {kind}")
    table = pa.Table.from_arrays([pa.array(ids.values), *_columns(X, biases, wire)], ["id", "factors", "bias"])
    given = prepared.spark.createDataFrame(table, f"id {TYPES[kind]}, factors binary, bias double")
    known = given.join(prepared.ids(side).select("id", "position"), "id")
    keys = ", ".join(map(str, wire.keys))
    key = f"cast(element_at(array({keys}), position % {len(wire.keys)} + 1) as int) as key"
    return known.selectExpr(key, "position", "factors", "bias")


def _columns(X: Array, biases: Array | None, wire: Wire) -> list[pa.Array]:
    import pyarrow as pa

    rows = np.ascontiguousarray(X, wire.dtype)
    b = np.zeros(len(X)) if biases is None else np.asarray(biases, np.float64)
    return [pa.array([x.tobytes() for x in rows], pa.binary()), pa.array(b)]
