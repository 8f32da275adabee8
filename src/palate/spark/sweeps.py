"""Half sweeps as plans of Spark: messages exchanged once, and solved beside the layout, which stays where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from palate.errors import DataError, ParameterError
from palate.spark.halves import Half, solve
from palate.spark.laying_out import LAYOUT
from palate.spark.messages import FACTORS, MESSAGES, SENT, Wire, send, send_own
from palate.spark.starts import Start, begin
from palate.sparse import Array

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Raw bytes: no dictionary to build of them, no least and greatest to find
WRITTEN = {
    "compression": "uncompressed",
    "parquet.enable.dictionary": "false",
    "parquet.column.statistics.enabled": "false",
}
SETTINGS = {"spark.sql.adaptive.enabled": "false", "spark.sql.execution.arrow.maxRecordsPerBatch": "16"}
NAMES = [field.split()[0] for field in LAYOUT.split(",")]


@dataclass(frozen=True, eq=False)
class Layouts:
    """The layouts of both sides, one partition a block.

    Attributes:
        n_blocks: of either side.
        sides: by user and by item.
    """

    n_blocks: int
    sides: tuple[DataFrame, DataFrame]

    @classmethod
    def of(cls, sides: tuple[DataFrame, DataFrame], n_blocks: int, *, persist: bool) -> Layouts:
        """Return layouts whose records may lie anywhere, kept by the executors where ``persist``."""

        def kept(layout: DataFrame) -> DataFrame:
            placed = layout.select(*NAMES).repartition(n_blocks, "key").sortWithinPartitions("key")
            return placed.persist() if persist else placed

        return cls(n_blocks, (kept(sides[0]), kept(sides[1])))

    def begin(self, side: int, given: DataFrame, start: Start) -> DataFrame:
        """Return the plan of what a side begins with; given: rows of `palate.spark.starts.GIVEN`."""
        layout = self.sides[side].where("kind != 'long'").groupBy("key")
        both = layout.cogroup(given.repartition(self.n_blocks, "key").groupBy("key"))
        return both.applyInArrow(partial(begin, start=start), FACTORS)

    def half(self, side: int, before: DataFrame, own: DataFrame | None, half: Half) -> DataFrame:
        """Return the plan of a half sweep.

        Args:
            side: that is solved, 0 for users.
            before: the other side's records of `FACTORS`.
            own: those of this side, to go on from; or None.
            half: what to solve.
        """
        messages = sent(before, half.common.wire)
        if own is not None:
            messages = messages.union(sent(own, half.common.wire, own=True))
        messages = messages.repartition(self.n_blocks, "key")
        both = self.sides[side].groupBy("key").cogroup(messages.groupBy("key"))
        return both.applyInArrow(partial(solve, half=half), FACTORS)

    def forget(self) -> None:
        """Give the executors' memory back."""
        for layout in self.sides:
            layout.unpersist()


def sent(records: DataFrame, wire: Wire, *, own: bool = False) -> DataFrame:
    """Return the messages of records, to all blocks that need them or to their own."""
    rows = records.where("kind = 'rows'").select(*SENT)
    return rows.mapInArrow(partial(send_own if own else send, wire=wire), MESSAGES)


def written(records: DataFrame, path: str) -> DataFrame:
    """Write records of `FACTORS`, and return them as they are read back."""
    records.write.mode("overwrite").options(**WRITTEN).parquet(path)
    return read(records, path)


def read(beside: DataFrame, path: str) -> DataFrame:
    """Return records that were written, in the session of another frame."""
    return beside.sparkSession.read.schema(FACTORS).parquet(path)


@dataclass(frozen=True, eq=False)
class Sums:
    """What the blocks of a side sum, in order of blocks.

    Attributes:
        sweep: that they are of.
        figures: (n_figures,) of each block.
        features: of each block, as `palate.spark.halves.feature_parts` has them; none without features.
        grams: raw, of each block; none where no Gram matrix was asked for.
        state: that block 0 keeps.
    """

    sweep: int
    figures: Sequence[Array]
    features: Sequence[Array]
    grams: Sequence[bytes]
    state: str | None


def sums_of(records: DataFrame, n_blocks: int) -> Sums:
    """Return the sums of records that were written.

    Raises:
        ParameterError: a row's equations could not be solved.
        DataError: records are missing.
    """
    rows = records.where("kind in ('sums', 'fault')").select("kind", "block", "sweep", "figures", "sums", "gram", "note")
    found = rows.collect()
    for row in found:
        if row["kind"] == "fault":
            raise ParameterError(row["note"], subject="reg")
    sums = sorted(found, key=lambda row: int(row["block"]))
    if [int(row["block"]) for row in sums] != list(range(n_blocks)) or len({row["sweep"] for row in sums}) != 1:
        raise DataError("the factors of a sweep are not whole: train anew with overwrite=True", code="damaged")
    features = [np.frombuffer(row["sums"], np.float64) for row in sums if row["sums"] is not None]
    grams = [bytes(row["gram"]) for row in sums if row["gram"] is not None]
    figures = [np.frombuffer(row["figures"], np.float64) for row in sums]
    return Sums(int(sums[0]["sweep"]), figures, features, grams, sums[0]["note"])
