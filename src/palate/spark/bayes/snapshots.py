"""The driver's state as Parquet: arrays by name, in two places that take turns, so that the last one is whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from palate.models.bayes.checkpoints import Snapshot
from palate.spark.arrays import runs, schema_of
from palate.spark.facts import exists, path_in
from palate.spark.failures import clear_errors
from palate.spark.sweeps import WRITTEN

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

STATE = "name string, part int, parts int, form string, data binary"
VALUES = "values"  # under this name what JSON holds
FRAME_BYTES = 1 << 26  # of rows that go to Spark together: a task may have 128 MB


def frame_of(spark: SparkSession, rows: Sequence[Mapping[str, Any]], fields: str) -> DataFrame:
    """Return rows of the driver as a DataFrame, a partition or more for each `FRAME_BYTES`."""
    import pyarrow as pa

    schema = schema_of(fields)
    groups: list[list[Mapping[str, Any]]] = [[]]
    size = 0
    for row in rows:
        size += sum(len(value) for value in row.values() if isinstance(value, bytes))
        if size > FRAME_BYTES and groups[-1]:
            groups.append([])
            size = 0
        groups[-1].append(row)
    frames = [spark.createDataFrame(pa.Table.from_pylist(group, schema), fields) for group in groups]
    return reduce(lambda a, b: a.union(b), frames)


def state_path(path: str, turn: int) -> str:
    """Return where the state of a turn lies."""
    return path_in(path, "state", "ab"[turn % 2])


def is_sampling(spark: SparkSession, path: str) -> bool:
    """Return whether a folder has the state of chains."""
    places = [state_path(path, turn) for turn in (0, 1)]
    return any(exists(spark, place) and _names(spark, place) for place in places)


def _names(spark: SparkSession, place: str) -> list[Any]:
    with clear_errors(place, "reading the state of the chains"):
        rows: list[Any] = spark.read.schema(STATE).parquet(place).select("name").where("name = 'values'").collect()
    return rows


def forget_states(spark: SparkSession, path: str) -> None:
    """Write over the states of an earlier training, which nobody is to go on from."""
    for turn in (0, 1):
        place = state_path(path, turn)
        if exists(spark, place):
            with clear_errors(place, "writing over the state of other chains"):
                frame_of(spark, [], STATE).write.mode("overwrite").options(**WRITTEN).parquet(place)


def write_state(spark: SparkSession, path: str, turn: int, state: Snapshot) -> None:
    """Write a state in the place of the last but one."""
    rows = [*_rows_of(state)]
    frame = frame_of(spark, rows, STATE)
    with clear_errors(path, "keeping the state of the chains"):
        frame.write.mode("overwrite").options(**WRITTEN).parquet(state_path(path, turn))


def _rows_of(state: Snapshot) -> Iterator[dict[str, Any]]:
    yield from _parts(
        VALUES, "", np.frombuffer(json.dumps({**state.values, "n_arrays": len(state.arrays)}).encode(), np.uint8)
    )
    for name, array in state.arrays.items():
        yield from _parts(name, json.dumps([str(array.dtype), list(array.shape)]), array)


def _parts(name: str, form: str, array: Any) -> Iterator[dict[str, Any]]:
    flat = np.ascontiguousarray(array).reshape(-1)
    ends = list(runs(len(flat), flat.itemsize))
    for part, (first, last) in enumerate(ends):
        yield {"name": name, "part": part, "parts": len(ends), "form": form, "data": flat[first:last].tobytes()}


def read_states(spark: SparkSession, path: str) -> Iterator[Snapshot]:
    """Yield the states that lie there and are whole."""
    for turn in (0, 1):
        place = state_path(path, turn)
        if exists(spark, place):
            state = read_state(spark, place)
            if state is not None:
                yield state


def read_state(spark: SparkSession, place: str) -> Snapshot | None:
    """Return a state, or None where it is not whole."""
    with clear_errors(place, "reading the state of the chains"):
        rows = spark.read.schema(STATE).parquet(place).toArrow().to_pylist()
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(row["name"], []).append(row)
    if VALUES not in by_name or any(len(parts) != parts[0]["parts"] for parts in by_name.values()):
        return None
    data = {
        name: b"".join(part["data"] for part in sorted(parts, key=lambda row: int(row["part"])))
        for name, parts in by_name.items()
    }
    values = json.loads(data.pop(VALUES))
    if values.pop("n_arrays") != len(data):
        return None
    arrays = {}
    for name, whole in data.items():
        dtype, shape = json.loads(by_name[name][0]["form"])
        arrays[name] = np.frombuffer(whole, dtype).reshape(shape)
    return Snapshot(arrays, values)
