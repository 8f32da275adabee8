"""What lists and figures of all users need, as messages to the blocks of the users: one exchange for all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palate.spark import user_blocks as blocks
from palate.spark.blocks import block_keys, positions_of
from palate.spark.facts import path_in
from palate.spark.laying_out import LAYOUT
from palate.spark.user_blocks import CHUNK, SCHEMA, Addresses, Batches, WireTypes, packed_bits, to_items, to_users

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from palate.spark.prepared import Prepared, SideName
    from palate.spark.trained import Trained

TOTALS = "position int, total double, source int"
ID_TYPES = {"integer": "long", "text": "string"}
Made = Callable[[Any], Iterator["pa.RecordBatch"]]  # of batches of rows, others


@dataclass(frozen=True, eq=False)
class SentRows:
    """Rows that messages are made of, in one task: from a function to the next one in Python costs nothing.

    Attributes:
        kind: of the messages.
        rows: as they are stored.
        made: makes rows by position of them; None where they are such.
    """

    kind: int
    rows: DataFrame
    made: Made | None = None

    @classmethod
    def of_factors(cls, kind: int, trained: Trained, side: SideName) -> SentRows:
        """Return the factors of a side."""
        return cls(kind, *trained.factor_runs(side))

    def messages(self, send: Any, addresses: Addresses) -> DataFrame:
        """Return the messages, as `to_items` or `to_users` makes them."""
        task = partial(messages_task, made=self.made, send=send, kind=self.kind, addresses=addresses)
        return self.rows.mapInArrow(task, SCHEMA)


def types_of(trained: Trained) -> WireTypes:
    """Return the types of what is sent."""
    ids = trained.prepared.facts["ids"]
    return WireTypes(ID_TYPES[ids["user"]], ID_TYPES[ids["item"]], trained.dtype)


def addresses_of(prepared: Prepared, n_groups: int = 1, kept: NDArray[np.bool_] | None = None) -> Addresses:
    """Return where messages go: to a partition for each block of users and group of items."""
    n_blocks = prepared.n_blocks
    keys = prepared.keys if n_groups == 1 else block_keys(prepared.spark, n_blocks * n_groups)
    return Addresses(tuple(keys), n_blocks, n_groups, None if kept is None else packed_bits(kept), CHUNK)


def sent(
    trained: Trained, addresses: Addresses, *, seen: bool, user_ids: bool = True, test: DataFrame | None = None
) -> DataFrame:
    """Return the messages of a model, each in the partition where it is read, sorted by key and chunk.

    Args:
        trained: the model.
        addresses: where they go.
        seen: whether what users had in training goes along.
        user_ids: whether the users' ids do.
        test: rows (user, item, value) by position, or None.
    """
    prepared = trained.prepared
    of_users = [SentRows.of_factors(blocks.USER_FACTORS, trained, "user")]
    if user_ids:
        of_users.append(SentRows(blocks.USER_IDS, prepared.ids("user").select("position", "id")))
    if seen:
        of_users.append(SentRows(blocks.SEEN, prepared.rows.select("user", "item")))
    if test is not None:
        of_users.append(SentRows(blocks.TEST, test.select("user", "item", "value")))
    return routed([*of_all_items(trained, addresses), *(s.messages(to_users, addresses) for s in of_users)], addresses)


def of_all_items(trained: Trained, addresses: Addresses) -> list[DataFrame]:
    """Return the messages of the items."""
    of_items = [
        SentRows.of_factors(blocks.ITEM_FACTORS, trained, "item"),
        SentRows(blocks.ITEM_FACTS, trained.prepared.ids("item").select("position", "id", "count", "weight")),
        SentRows(blocks.ITEM_TOTALS, *cells_to_sum(trained.prepared)),
    ]
    return [source.messages(to_items, addresses) for source in of_items]


def routed(every: Sequence[DataFrame], addresses: Addresses) -> DataFrame:
    """Return messages, each in the partition where it is read, sorted by key and chunk."""
    whole = every[0]
    for part in every[1:]:
        whole = whole.unionAll(part)
    return whole.repartition(len(addresses.keys), "key").sortWithinPartitions("key", "chunk")


def messages_task(
    batches: Batches, *, made: Made | None, send: Any, kind: int, addresses: Addresses
) -> Iterator[pa.RecordBatch]:
    """Yield the messages of rows of one kind, of what ``made`` makes of them where it is given."""
    yield from send(batches if made is None else made(batches), kind=kind, addresses=addresses)


def totals_of(prepared: Prepared) -> DataFrame:
    """Return position, total, source: the sum of each item's values; several of a row that is dealt over blocks.

    Each is summed in the order of the users, as on one machine.
    """
    cells, made = cells_to_sum(prepared)
    return cells.mapInArrow(made, TOTALS)


def cells_to_sum(prepared: Prepared) -> tuple[DataFrame, Made]:
    """Return the records of the items' cells, and what makes `totals_of` of them."""
    from pyspark.sql import functions as F

    laid_out = prepared.spark.read.schema(LAYOUT).parquet(path_in(prepared.path, "by_item"))
    cells = laid_out.filter(F.col("kind").isin("cells", "long"))
    columns = cells.select("kind", "block", "row", "indptr", "values")
    return columns, partial(sums, n_blocks=prepared.n_blocks, n_items=prepared.n_items)


def sums(batches: Batches, n_blocks: int, n_items: int) -> Iterator[pa.RecordBatch]:
    """Yield the sums of the values of rows, from the records of a side's layout."""
    import pyarrow as pa

    names = ["position", "total", "source"]
    for batch in batches:
        for at in range(batch.num_rows):
            kind, block, row = (batch.column(place)[at].as_py() for place in range(3))
            indptr = np.frombuffer(batch.column(3)[at].as_buffer(), np.int64)
            values = np.frombuffer(batch.column(4)[at].as_buffer(), np.float32)
            m = len(indptr) - 1
            totals = np.bincount(np.repeat(np.arange(m), np.diff(indptr)), values, m).astype(np.float64)
            here = np.array([row]) if kind == "long" else positions_of(block, n_blocks, n_items)[row : row + m]
            arrays = here.astype(np.int32), totals, np.full(m, block, np.int32)
            yield pa.RecordBatch.from_arrays([pa.array(array) for array in arrays], names=names)
