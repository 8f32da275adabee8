"""`similar_items`: the items nearest to every item by the cosine of their factors, as on one machine."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from palate.models.contract.lists import inverse
from palate.models.contract.parameters import check_whole
from palate.models.contract.scoring import nearest
from palate.spark import user_blocks as blocks
from palate.spark.failures import clear_errors
from palate.spark.listing import ids_at
from palate.spark.sending import SentRows, addresses_of, of_all_items, routed, types_of
from palate.spark.user_blocks import Batches, WireTypes, chunks_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from palate.spark.trained import Trained


def similar_items(trained: Trained, n: int = 10) -> DataFrame:
    """Return the ``n`` items nearest to every item: like (the item's id), rank (from 1), item_id, score (the cosine).

    Equal to ``similar_items`` of one machine, bit for bit. Each block of items has all items in its task, as
    `palate.spark.recommend_all` has them; computed when Spark is asked for it.

    Raises:
        ParameterError: n is below 1.
        DataError: Spark cannot read the model.
    """
    check_whole("n", n, low=1)
    prepared, kind = trained.prepared, types_of(trained).item
    types = WireTypes(kind, kind, types_of(trained).factors)
    with clear_errors(trained.path, "finding items alike"):
        addresses = addresses_of(prepared)
        asked = [
            SentRows.of_factors(blocks.USER_FACTORS, trained, "item"),
            SentRows(blocks.USER_IDS, prepared.ids("item").select("position", "id")),
        ]
        every = of_all_items(trained, addresses)
        every += [source.messages(blocks.to_users, addresses) for source in asked]
        task = partial(list_items, n=min(n, prepared.n_items), types=types)
        return routed(every, addresses).mapInArrow(task, f"like {kind}, rank int, item_id {kind}, score double")


def list_items(batches: Batches, n: int, types: WireTypes) -> Iterator[pa.RecordBatch]:
    """Yield the items like those of a partition, a chunk of them at a time."""
    import pyarrow as pa

    for _, items, asked in chunks_of(batches, types):
        if items is None:
            continue
        at, _ = items.index(asked.positions)
        alike, scores = nearest(items.Q, items.Q[at], at, n, inverse(items.by_popularity()), 1)
        row, rank = np.nonzero(alike >= 0)
        given = {"like": ids_at(asked.ids, row), "rank": pa.array((rank + 1).astype(np.int32))}
        given |= {"item_id": ids_at(items.ids, alike[row, rank]), "score": pa.array(scores[row, rank])}
        yield pa.RecordBatch.from_arrays(list(given.values()), names=list(given))
