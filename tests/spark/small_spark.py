"""As much of Spark as training asks of it, in this process: plans run when they are made, on tables of Arrow.

Tests of numbers take this; those of Spark itself take Spark.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.errors import AnalysisException

from palate.spark.arrays import schema_of
from palate.spark.executors import Executors, _checked


class Session:
    """A session."""

    def __init__(self) -> None:
        settings: dict[str, Any] = {}
        self.conf = SimpleNamespace(get=settings.get, set=settings.__setitem__, unset=settings.pop)
        self.read = SimpleNamespace(
            schema=lambda fields: SimpleNamespace(parquet=lambda path: self.parquet(path, fields)),
            format=lambda _: SimpleNamespace(load=found),
        )
        _checked[self] = Executors(())  # it has none

    def createDataFrame(self, table: pa.Table, fields: str) -> Frame:  # noqa: N802
        return Frame(self, table.cast(schema_of(fields)))

    def parquet(self, path: str, fields: str) -> Frame:
        names = schema_of(fields).names
        return Frame(self, pq.read_table(path, partitioning=None).select(names).cast(schema_of(fields)))


class AbsentError(AnalysisException):
    """Spark's words for a path where nothing lies: the true ones come from Java."""

    def getCondition(self) -> str:  # noqa: N802
        return "PATH_NOT_FOUND"


def observed(frame: Frame, names: Any, kinds: Any) -> tuple[Frame, Callable[[], list[Any]]]:
    """Do what `palate.spark.sweeps.observed` does: its expressions of Spark are made in Java."""
    return frame, lambda: [row for row in frame.select(*names).collect() if row["kind"] in kinds]


def found(path: str) -> Any:
    """Return files as Spark's binaryFile does: here a schema is all that is asked for.

    Raises:
        AnalysisException: there are none.
    """
    if not Path(path).exists():
        raise AbsentError(path)
    return SimpleNamespace(schema="")


@dataclass
class Frame:
    """A table."""

    sparkSession: Session  # noqa: N815
    table: pa.Table

    def of(self, table: pa.Table) -> Frame:
        return Frame(self.sparkSession, table)

    def select(self, *names: str) -> Frame:
        return self.of(self.table.select(list(names)))

    def where(self, condition: str) -> Frame:
        name, how, value = re.fullmatch(r"(\w+) (=|!=|in|not in) (.*)", condition).groups()
        values = re.findall(r"'(\w+)'", value)
        found = np.isin(self.table[name].to_numpy(), values)
        return self.of(self.table.filter(found == (how in ("=", "in"))))

    def union(self, other: Frame) -> Frame:
        return self.of(pa.concat_tables([self.table, other.table]))

    def repartition(self, *_: Any) -> Frame:
        order = np.random.default_rng(len(self.table)).permutation(len(self.table))  # no order is promised
        return self.of(self.table.take(order))

    def sortWithinPartitions(self, _: str) -> Frame:  # noqa: N802
        return self

    persist = unpersist = lambda self: self

    def mapInArrow(self, call: Callable[..., Iterator[pa.RecordBatch]], fields: str) -> Frame:  # noqa: N802
        return self.of(pa.Table.from_batches(list(call(iter(self.table.to_batches(1)))), schema_of(fields)))

    def groupBy(self, name: str) -> Groups:  # noqa: N802
        return Groups(self, name)

    def toArrow(self) -> pa.Table:  # noqa: N802
        return self.table

    def collect(self) -> list[Any]:
        return [Row(row) for row in self.table.to_pylist()]

    @property
    def write(self) -> Any:
        return SimpleNamespace(mode=lambda _: SimpleNamespace(options=lambda **_: SimpleNamespace(parquet=self.save)))

    def save(self, path: str) -> None:
        Path(path).mkdir(parents=True, exist_ok=True)
        pq.write_table(self.table, Path(path) / "part-0.parquet")


class Row(dict[str, Any]):
    """A row, its values by name or as attributes."""

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __lt__(self, other: Row) -> bool:
        return tuple(self.values()) < tuple(other.values())


@dataclass
class Groups:
    """Rows by key."""

    frame: Frame
    name: str
    beside: Groups | None = None

    def cogroup(self, other: Groups) -> Groups:
        return Groups(self.frame, self.name, other)

    def keys(self) -> set[Any]:
        return set(self.frame.table[self.name].to_pylist())

    def of_key(self, key: Any) -> pa.Table:
        return self.frame.table.filter(np.array(self.frame.table[self.name]) == key)

    def applyInArrow(self, call: Callable[..., pa.Table], fields: str) -> Frame:  # noqa: N802
        keys = sorted(self.keys() | self.beside.keys())
        tables = [call(self.of_key(key), self.beside.of_key(key)) for key in keys]
        return self.frame.of(pa.concat_tables([table.cast(schema_of(fields)) for table in tables]))
