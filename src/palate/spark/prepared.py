"""`Prepared`: ratings or clicks as `prepare` has written them, with what is known of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.spark.facts import path_in, read_facts
from palate.spark.laying_out import LAYOUT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SideName = Literal["user", "item"]
KIND = "prepared folder"
FORMAT_VERSION = 1
TYPES = {"integer": "bigint", "text": "string"}


def other(side: SideName) -> SideName:
    """Return the other side."""
    return "item" if side == "user" else "user"


@dataclass(frozen=True, eq=False)
class Prepared:
    """Checked rows by position, laid out by blocks, in a folder; `prepare` makes it.

    Attributes:
        spark: the session that reads it.
        path: the folder.
        facts: what is known of the whole, as JSON holds it.
    """

    spark: SparkSession
    path: str
    facts: dict[str, Any]

    @classmethod
    def open(cls, spark: SparkSession, path: str) -> Prepared:
        """Return what `prepare` has written.

        Raises:
            DataError: there is no such folder, or it is another one, half written, or of a newer format.
        """
        facts = read_facts(spark, path, KIND, "palate.spark.prepare")
        if facts.get("format_version") != FORMAT_VERSION:
            raise DataError.of(
                path,
                f"has format {facts.get('format_version')}, and this Palate reads {FORMAT_VERSION}: prepare it anew",
                code="version",
            )
        return cls(spark, path, facts)

    @property
    def n_users(self) -> int:
        """Users known by id."""
        return int(self.facts["n_users"])

    @property
    def n_items(self) -> int:
        """Items known by id."""
        return int(self.facts["n_items"])

    @property
    def n_rows(self) -> int:
        """Rows that were kept."""
        return int(self.facts["n_rows"])

    @property
    def n_blocks(self) -> int:
        """Blocks of either side."""
        return len(self.keys)

    @property
    def keys(self) -> list[int]:
        """The key of each block, see `palate.spark.blocks`."""
        return list(self.facts["keys"])

    @property
    def has_times(self) -> bool:
        """Whether rows have a time."""
        return bool(self.facts["has_times"])

    @property
    def has_weights(self) -> bool:
        """Whether rows have a weight."""
        return bool(self.facts["has_weights"])

    @property
    def rating_range(self) -> tuple[float, float] | None:
        """The stated lowest and highest rating, or None."""
        stated = self.facts["rating_range"]
        return None if stated is None else (stated[0], stated[1])

    @property
    def rating_limits(self) -> tuple[float, float]:
        """The stated rating range, else the lowest and highest value."""
        return self.rating_range or (self.facts["lowest"], self.facts["highest"])

    @property
    def value_sum(self) -> float:
        """The sum of all values."""
        return float(self.facts["sums"][0])

    @property
    def square_sum(self) -> float:
        """The sum of the squares of all values."""
        return float(self.facts["sums"][1])

    @property
    def weight_sum(self) -> float:
        """The sum of all weights; each row weighs 1 where there are none."""
        return float(self.facts["sums"][2])

    @property
    def rows(self) -> DataFrame:
        """The rows: user, item (positions), value, and time and weight where they are there."""
        return self._read("rows", rows_schema(times=self.has_times, weights=self.has_weights))

    @property
    def item_table(self) -> DataFrame | None:
        """The item columns to show, one row an item: position, item_id, title and more; None where none was given."""
        return self.spark.read.parquet(path_in(self.path, "item_table")) if self.facts["item_table"] else None

    def n(self, side: SideName) -> int:
        """Return how many positions a side has."""
        return self.n_users if side == "user" else self.n_items

    def ids(self, side: SideName) -> DataFrame:
        """Return position, id, count, weight and block of each user or item."""
        return self._read(f"{side}s", ids_schema(self.facts["ids"][side]))

    def layout(self, side: SideName) -> DataFrame:
        """Return the records of a side's blocks, see `palate.spark.laying_out`: cells, long, counts, features, routes.

        Routes were written by the tasks of the other side, which know what they need.
        """
        from pyspark.sql import functions as F

        own, its = (self._read(f"by_{s}", LAYOUT) for s in (side, other(side)))
        kinds = F.col("kind")
        return own.filter(~kinds.isin("routes", "facts")).unionByName(its.filter(kinds == "routes"))

    def long(self, side: SideName) -> dict[int, float]:
        """Return the positions of the long rows, with their cells or the sum of their weights."""
        return {int(position): float(count) for position, count in self.facts["long"][side]}

    def needed(self, side: SideName) -> NDArray[np.int64]:
        """Return how many rows of each block of a side each block of the other side needs, (source, destination)."""
        return np.array(self.facts["needed"][side], np.int64).reshape(self.n_blocks, self.n_blocks)

    def features(self, side: SideName) -> dict[str, Any] | None:
        """Return the names and the encoding of a side's features, or None where it has none."""
        features: dict[str, Any] | None = self.facts["features"][side]
        return features

    def _read(self, name: str, schema: str) -> DataFrame:
        return self.spark.read.schema(schema).parquet(path_in(self.path, name))

    def __repr__(self) -> str:
        return (
            f"Prepared({self.path!r}: {self.n_rows:,} rows, {self.n_users:,} users, {self.n_items:,} items, "
            f"{self.n_blocks} blocks)"
        )


def rows_schema(*, times: bool, weights: bool) -> str:
    """Return the columns of rows by position."""
    return "user int, item int, value float" + ", time bigint" * times + ", weight float" * weights


def ids_schema(kind: str) -> str:
    """Return the columns of the table of a side's ids, integers or text."""
    return f"position int, id {TYPES[kind]}, count bigint, weight double, block int"
