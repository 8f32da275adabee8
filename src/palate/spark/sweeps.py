"""Half sweeps as plans of Spark: messages exchanged once, and solved beside the layout, which stays where it is."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from palate import errors
from palate.errors import DataError, PalateError
from palate.spark.halves import Half, RatingHalf, solve
from palate.spark.laying_out import LAYOUT
from palate.spark.long_rows import errors_plan, solved_plan
from palate.spark.messages import FACTORS, MESSAGES, SENT, LongRows, Wire, send, send_own
from palate.spark.starts import Beginning, begin
from palate.sparse import Array

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Raw bytes: no dictionary to build of them, no least and greatest to find
WRITTEN = {
    "compression": "uncompressed",
    "parquet.page.size.row.check.min": "1",  # Parquet asks for sizes after 100 records: here are few, and long ones
    "parquet.block.size.row.check.min": "1",
    "parquet.enable.dictionary": "false",
    "parquet.column.statistics.enabled": "false",
}
SETTINGS = {"spark.sql.adaptive.enabled": False, "spark.sql.execution.arrow.maxRecordsPerBatch": 16}
NAMES = [field.split()[0] for field in LAYOUT.split(",")]
SUMS = ("kind", "block", "row", "sweep", "figures", "sums", "gram", "note")
LONG = (*SUMS, "factors", "biases")  # of rows that were solved apart
ERRORS = ("kind", "row", "block", "figures")
TOLD = ("sums", "fault")  # kinds of the records that the driver needs of a half sweep


log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class BlockSums:
    """What the blocks of a side sum, in order of blocks, and then of long rows.

    Attributes:
        figures: (n_figures,) each.
        features: as `palate.spark.halves.feature_parts` has them; none without features.
        grams: (k, k) each; none where no Gram matrix was asked for.
    """

    figures: Sequence[Array]
    features: Sequence[Array]
    grams: Sequence[Array]


@dataclass(frozen=True, eq=False)
class SideFactors:
    """The factors of a side, written.

    Attributes:
        records: of `FACTORS`.
        sums: of its blocks and long rows.
        long: factors of rows that were solved apart, or None.
    """

    records: DataFrame
    sums: BlockSums
    long: LongRows | None = None


@dataclass(frozen=True, eq=False)
class Layouts:
    """The layouts of both sides, one partition a block.

    Attributes:
        wire: how factors travel.
        sides: by user and by item.
    """

    wire: Wire
    sides: tuple[DataFrame, DataFrame]

    @classmethod
    def of(cls, sides: tuple[DataFrame, DataFrame], wire: Wire) -> Layouts:
        """Return layouts whose records may lie anywhere."""

        def placed(layout: DataFrame) -> DataFrame:
            return layout.select(*NAMES).repartition(len(wire.keys), "key").sortWithinPartitions("key")

        return cls(wire, (placed(sides[0]), placed(sides[1])))

    def kept(self) -> Layouts | None:
        """Return layouts that the executors keep, or None where this Spark keeps nothing, as serverless ones."""
        from pyspark.errors import PySparkException

        try:
            users, items = (layout.persist() for layout in self.sides)
        except PySparkException as error:
            log.warning("Spark does not keep the layout: %s", first_line(error))
            return None
        return replace(self, sides=(users, items))

    def begin(self, side: int, given: DataFrame, start: Beginning) -> DataFrame:
        """Return the plan of what a side begins with; given: rows of `palate.spark.starts.GIVEN`."""
        layout = self.sides[side].where("kind != 'long'").groupBy("key")
        both = layout.cogroup(given.repartition(len(self.wire.keys), "key").groupBy("key"))
        return both.applyInArrow(partial(begin, start=start), FACTORS)

    def half(self, side: int, before: SideFactors, own: SideFactors | None, half: Half) -> DataFrame:
        """Return the plan of a half sweep.

        Args:
            side: that is solved, 0 for users.
            before: the other side.
            own: this side, to go on from; or None.
            half: what to solve.
        """
        both = self._beside(self.sides[side], before, own)
        plan: DataFrame = both.applyInArrow(partial(solve, half=half), FACTORS)
        return plan

    def errors(self, side: int, before: SideFactors, half: RatingHalf, long: LongRows) -> DataFrame:
        """Return the plan that sums the errors of long rows' cells, which need their factors."""
        pieces = self.sides[side].where("kind = 'long'")
        return errors_plan(self._beside(pieces, before, None), half, long)

    def forget(self) -> None:
        """Give the executors' memory back."""
        for layout in self.sides:
            layout.unpersist()

    def _beside(self, layout: DataFrame, before: SideFactors, own: SideFactors | None) -> Any:
        """Return the layout's groups beside those of the messages: the one exchange of a half sweep."""
        messages = self._sent(before, send)
        if own is not None:
            messages = messages.union(self._sent(own, send_own))
        messages = messages.repartition(len(self.wire.keys), "key")
        return layout.groupBy("key").cogroup(messages.groupBy("key"))

    def _sent(self, factors: SideFactors, how: Any) -> DataFrame:
        rows = factors.records.where("kind = 'rows'").select(*SENT)
        return rows.mapInArrow(partial(how, wire=self.wire, long=factors.long), MESSAGES)


def written(records: DataFrame, path: str) -> DataFrame:
    """Write records of `FACTORS`, and return them as they are read back."""
    records.write.mode("overwrite").options(**WRITTEN).parquet(path)
    return records.sparkSession.read.schema(FACTORS).parquet(path)


def told(records: DataFrame, path: str, names: Sequence[str], kinds: Sequence[str]) -> tuple[DataFrame, list[Any]]:
    """Write records of `FACTORS`; return them as they are read back, and columns of some kinds, by the same job."""
    watched, rows = observed(records, names, kinds)
    return written(watched, path), rows()


def observed(
    records: DataFrame, names: Sequence[str], kinds: Sequence[str]
) -> tuple[DataFrame, Callable[[], list[Any]]]:
    """Return a plan, and what gives columns of its records of some kinds once an action has carried it out."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    seen = Observation()
    row = F.when(F.col("kind").isin(*kinds), F.struct(*names))
    return records.observe(seen, F.collect_list(row).alias("rows")), lambda: list(seen.get["rows"])


def solved(plan: DataFrame, path: str, half: Half) -> SideFactors:
    """Carry out a half sweep, and return the side.

    Raises:
        PalateError: a row's equations could not be solved.
    """
    records, rows = told(plan, path, SUMS, TOLD)
    sums = sums_of(rows, half)
    if not half.common.long:
        return SideFactors(records, sums)
    _, rows = told(solved_plan(records, half), long_path(path), LONG, ("long", "fault"))
    more, long = long_sums(rows, half)
    return SideFactors(records, joined(sums, more), long)


def long_path(path: str) -> str:
    """Return where the long rows of a side lie."""
    return f"{path}-long"


def with_errors(factors: SideFactors, plan: DataFrame, path: str) -> SideFactors:
    """Return a side whose sums have the errors of long rows' cells, too."""
    _, rows = told(plan, errors_path(path), ERRORS, ("errors",))
    return replace(factors, sums=joined(factors.sums, error_sums(rows)))


def errors_path(path: str) -> str:
    """Return where the errors of long rows' cells lie."""
    return f"{path}-errors"


def reread(spark: SparkSession, path: str, half: Half) -> SideFactors:
    """Return a side as `solved` and `with_errors` have left it.

    Raises:
        DataError: it is not whole.
    """

    def read(name: str) -> DataFrame:
        return spark.read.schema(FACTORS).parquet(name)

    records = read(path)
    rows = records.where(f"kind in {TOLD}").select(*SUMS).collect()
    factors = SideFactors(records, sums_of(rows, half))
    if not half.common.long or half.common.sweep == 0:
        return factors
    more, long = long_sums(read(long_path(path)).collect(), half)
    factors = replace(factors, sums=joined(factors.sums, more), long=long)
    if isinstance(half, RatingHalf) and half.limits is not None:
        rows = read(errors_path(path)).select(*ERRORS).collect()
        return replace(factors, sums=joined(factors.sums, error_sums(rows)))
    return factors


def joined(sums: BlockSums, more: BlockSums) -> BlockSums:
    """Return the sums of blocks and then of long rows."""
    return BlockSums([*sums.figures, *more.figures], [*sums.features, *more.features], [*sums.grams, *more.grams])


def sums_of(rows: Sequence[Any], half: Half) -> BlockSums:
    """Return the sums of blocks, of the rows of `SUMS`.

    Raises:
        PalateError: a row's equations could not be solved.
        DataError: records are missing.
    """
    rows = ordered(rows, "block")
    whole = {(block, half.common.sweep) for block in range(len(half.common.wire.keys))}
    if {(row["block"], row["sweep"]) for row in rows} != whole:
        raise DataError(
            "the factors of a sweep are not whole: train anew with overwrite=True", code="damaged", subject="factors"
        )
    return read_sums(rows, half)


def long_sums(rows: Sequence[Any], half: Half) -> tuple[BlockSums, LongRows]:
    """Return the sums of long rows, and their factors, of the rows of `LONG`."""
    rows = ordered(rows, "row")
    return read_sums(rows, half), read_long(rows, half.common.wire)


def long_rows(records: DataFrame, wire: Wire) -> LongRows:
    """Return the factors of long rows."""
    return read_long(ordered(records.collect(), "row"), wire)


def read_long(rows: Sequence[Any], wire: Wire) -> LongRows:
    """Return the factors that records have."""
    X, b = ([np.frombuffer(row[name], wire.dtype) for row in rows] for name in ("factors", "biases"))
    return LongRows(tuple(row["row"] for row in rows), np.array(X), np.concatenate(b))


def error_sums(rows: Sequence[Any]) -> BlockSums:
    """Return the errors of long rows' cells, by row and block, of the rows of `ERRORS`."""
    in_order = sorted(rows, key=lambda row: (row["row"], row["block"]))
    return BlockSums([np.frombuffer(row["figures"], np.float64) for row in in_order], (), ())


def ordered(rows: Sequence[Any], by: str) -> list[Any]:
    """Return rows in order.

    Raises:
        PalateError: one is of a fault.
    """
    for row in rows:
        if row["kind"] == "fault":
            raise error_of(row["note"])
    return sorted(rows, key=lambda row: int(row[by]))


def error_of(note: str) -> PalateError:
    """Return the error that an executor has noted."""
    told = json.loads(note)
    kind: type[PalateError] = getattr(errors, told["kind"])
    return kind(told["words"], code=told["code"], subject=told["subject"])


def read_sums(rows: Sequence[Any], half: Half) -> BlockSums:
    """Return the sums of records."""
    wire = half.common.wire
    features = [np.frombuffer(row["sums"], np.float64) for row in rows if row["sums"] is not None]
    grams = [np.frombuffer(row["gram"], wire.dtype).reshape(wire.k, wire.k) for row in rows if row["gram"] is not None]
    figures = [np.frombuffer(row["figures"], np.float64) for row in rows]
    return BlockSums(figures, features, grams)


def first_line(error: Exception) -> str:
    """Return what an error of Spark says, without its trace."""
    return str(error).strip().partition("\n")[0]
