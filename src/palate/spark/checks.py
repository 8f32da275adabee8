"""The check at the door on Spark: batches of rows go through the check of one machine, `palate.data.checking.typed`.

Each row gets a mask of the faults that it has; the faulty ones keep what they held, so that an error can show some.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.checking import SHOWN, Fault, Policy, Where, typed
from palate.errors import shown

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

NAMES = ("user", "item", "value", "time", "weight")
RAW = "raw"
FaultName = tuple[Literal["missing", "invalid", "duplicate"], str, str]  # kind, role and what is wrong


@dataclass(frozen=True)
class RowDoor:
    """What a check needs to know.

    Attributes:
        roles: the columns that rows have, among user, item, value, time and weight.
        policy: what counts as faulty.
        truth: the roles whose texts are true and false, not numbers.
    """

    roles: tuple[str, ...]
    policy: Policy
    truth: tuple[str, ...] = ()

    def names(self) -> list[FaultName]:
        """Return all faults that rows may have, in the order of the check; the n-th is bit n of a mask."""
        names: list[FaultName] = []
        for role in self.roles:
            beyond: FaultName = ("invalid", role, "is a float beyond 2**53, which may stand for several ids")
            names += [beyond] * (role in ("user", "item"))
            names += [("missing", role, "is missing"), ("invalid", role, "cannot be read")]
        names.append(("invalid", "value", "is not finite"))
        if self.policy.rating_range is not None:
            low, high = self.policy.rating_range
            names.append(("invalid", "value", f"is outside {low:g} to {high:g}"))
        names.append(("invalid", "weight", "is not a finite number above 0"))
        return [*names, ("invalid", "time", "is outside the years 1 to 9999")]


def checked(batches: Iterable[pa.RecordBatch], door: RowDoor) -> Iterator[pa.RecordBatch]:
    """Yield rows as ids, values, seconds and weights, with a mask of their faults, 0 for a good one."""
    import pyarrow as pa

    names = {name: bit for bit, name in enumerate(door.names())}
    for batch in batches:
        if not batch.num_rows:
            continue
        columns, faults = typed_columns(pl.DataFrame(pl.from_arrow(batch)), door)
        mask = np.zeros(batch.num_rows, np.int32)
        for fault in faults:
            mask[fault.rows] |= 1 << names[fault.kind, fault.role, fault.what]
        arrays = {role: _arrow_of(columns[role]) for role in door.roles}
        yield pa.RecordBatch.from_pydict({**arrays, "faults": pa.array(mask), RAW: _raw(batch, mask)})


def typed_columns(frame: pl.DataFrame, door: RowDoor) -> tuple[dict[str, pl.Series], list[Fault]]:
    """Return a batch's columns in their types, and its faults, whatever the other rows of its batch are."""
    n_rows = len(frame)
    columns = {role: _alone(frame[role], role, door) for role in door.roles}
    faults = typed(columns, door.policy)
    return {role: column.head(n_rows) for role, column in columns.items()}, faults


def _alone(column: pl.Series, role: str, door: RowDoor) -> pl.Series:
    """Return a column that is read the same whatever stands in it: numbers by a good one behind it, or truth values."""
    if column.dtype != pl.String or role not in ("value", "weight"):
        return column
    if role in door.truth:
        texts = column.str.strip_chars().str.to_lowercase()
        return texts.replace({"true": "1", "false": "0"})
    low = door.policy.rating_range[0] if role == "value" and door.policy.rating_range else 1
    return pl.concat([column, pl.Series(role, [f"{low:.17g}"])])


def _arrow_of(column: pl.Series) -> pa.Array:
    import pyarrow as pa

    array = column.to_arrow()
    return array.cast(pa.string()) if column.dtype == pl.String else array


def _raw(batch: pa.RecordBatch, mask: NDArray[np.int32]) -> pa.Array:
    """Return what faulty rows held, and null for the others."""
    import pyarrow as pa

    fields = list(batch.schema)
    if not mask.any():
        return pa.nulls(batch.num_rows, pa.struct(fields))
    return pa.StructArray.from_arrays(batch.columns, fields=fields, mask=pa.array(mask == 0))


def checked_schema(roles: Sequence[str], kinds: dict[str, str], raw: str) -> str:
    """Return the columns that `checked` gives; ``kinds`` are the types of ids, ``raw`` is that of what was given."""
    types = {"value": "float", "time": "bigint", "weight": "float"} | kinds
    return ", ".join([*(f"{role} {types[role]}" for role in roles), "faults int", f"{RAW} {raw}"])


def counts_of(rows: DataFrame) -> dict[int, int]:
    """Return how many checked rows have each mask of faults."""
    return {int(row["faults"]): int(row["count"]) for row in rows.groupBy("faults").count().collect()}


def faults_of(rows: DataFrame, counts: dict[int, int], door: RowDoor, where: Where) -> list[Fault]:
    """Return the faults of checked rows, with their numbers and some of the rows, as one machine words them."""
    found = [bit for bit in range(len(door.names())) if any(mask >> bit & 1 for mask in counts)]
    if not found:
        return []
    samples = _samples(rows, found)
    return [_fault(samples[bit], bit, counts, door, where) for bit in found]


def _fault(sample: pl.DataFrame, bit: int, counts: dict[int, int], door: RowDoor, where: Where) -> Fault:
    name = door.names()[bit]
    _, faults = typed_columns(sample, door)
    fault = next(f for f in faults if (f.kind, f.role, f.what) == name)
    total = sum(count for mask, count in counts.items() if mask >> bit & 1)
    return replace(fault, rows=np.empty(0, np.intp), total=total, samples=tuple(rows_as_text(sample, where)))


def _samples(rows: DataFrame, bits: Iterable[int]) -> dict[int, pl.DataFrame]:
    """Return for each fault the rows that hold least, which are the same ones whatever the partitions."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    has = [F.when(F.col("faults").bitwiseAND(1 << bit) != 0, F.lit(bit)) for bit in bits]
    having = rows.filter("faults != 0").select(F.explode(F.array(*has)).alias("bit"), RAW).filter("bit is not null")
    place = F.row_number().over(Window.partitionBy("bit").orderBy(RAW))
    first = having.withColumn("place", place).filter(F.col("place") <= SHOWN).select("bit", "place", f"{RAW}.*")
    frame = pl.DataFrame(pl.from_arrow(first.toArrow())).sort("bit", "place").drop("place")
    return {bit: frame.filter(bit=bit).drop("bit") for bit in bits}


def rows_as_text(frame: pl.DataFrame, where: Where) -> list[str]:
    """Return rows as an error shows them: {user 7, item 'a', value NaN}."""
    names = [where.columns.get(role, role) for role in frame.columns]
    return ["{" + ", ".join(map(_pair, names, row)) + "}" for row in frame.rows()]


def _pair(name: str, value: Any) -> str:
    return f"{name} {'null' if value is None else shown(value)}"


def dropped_of(counts: dict[int, int], door: RowDoor) -> dict[str, int]:
    """Return how many rows each fault costs, by reason, a row counted once."""
    dropped: dict[str, int] = {}
    for bit, (_, role, what) in enumerate(door.names()):
        first = sum(count for mask, count in counts.items() if mask >> bit & 1 and not mask & ((1 << bit) - 1))
        if first:
            dropped[f"{role} {what}"] = first
    return dropped
