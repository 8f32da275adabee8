"""What an event says, as bytes: ids for rows that have none, and whether two rows of one id say the same."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import polars as pl

MADE = "import-"  # begins the ids that are made here
SIZE = 12  # bytes of a digest
SAID = ("user", "item", "kind", "value", "list_id", "place", "withdraws")  # the source may differ, and a time left out


def with_event_ids(frame: pl.DataFrame) -> pl.DataFrame:
    """Return events with an id for each row that has none, and whether it was made here, as ``made``.

    It is a digest of what the row says and of how often that stood above it: a file that is imported again, grown or in
    another order, gives the same ids, so that nothing counts twice, and two equal rows of one file are two events. The
    time stands first, so that ids of events that come one after the other lie side by side in the store's index.
    """
    lacking = frame["event_id"].is_null()
    frame = frame.with_columns(made=lacking)
    if not lacking.any():
        return frame
    rows = frame.filter(lacking)
    said = _said(rows, (*SAID, "time", "source"))
    before = pl.DataFrame({"said": said}).select(pl.int_range(pl.len()).over("said")).to_series()
    made = [
        f"{MADE}{time:015x}{blake2b(f'{text}#{n}'.encode(), digest_size=SIZE).hexdigest()}"
        for time, text, n in zip(*(of.to_list() for of in (rows["time"].fill_null(0), said, before)), strict=True)
    ]
    return frame.with_columns(event_id=frame["event_id"].scatter(lacking.arg_true(), pl.Series(made, dtype=pl.String)))


def _said(frame: pl.DataFrame, columns: tuple[str, ...]) -> pl.Series:
    """Return columns as one text that no row with other values has: each with its length before it."""
    bits = frame["value"].fill_null(0.0).to_numpy().view(np.int64)  # no digits that a way of writing may change
    parts = []
    for name in columns:
        column = pl.lit(pl.Series(bits)) if name == "value" else pl.col(name)
        text = pl.when(pl.col(name).is_not_null()).then(column.cast(pl.String))
        parts += [text.str.len_bytes().cast(pl.String).fill_null("-"), pl.lit(":"), text.fill_null("")]
    return frame.select(pl.concat_str(parts)).to_series()


def repeated_ids(frame: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Return which rows say again what a row of the same id said above, and which say something else."""
    twice = frame["event_id"].is_duplicated()
    if not twice.any():
        return twice, twice
    first = pl.col("said").first().over("event_id"), pl.col("time").first().over("event_id")
    later = pl.int_range(pl.len()).over("event_id") > 0
    same = (pl.col("said") == first[0]) & (pl.col("time").is_null() | pl.col("time").eq_missing(first[1]))
    rows = frame.with_columns(said=_said(frame, SAID)).select(again=later & same, other=later & ~same)
    return rows["again"], rows["other"]
