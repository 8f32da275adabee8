"""New rows behind a log whose ids keep their positions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from palate.data.checking import REMEDY, OnDuplicate, Policy, Where, check_merged, check_values
from palate.data.ids import READ_AS_TEXT, Ids
from palate.data.repeats import merged, repeats_of
from palate.errors import DataError

if TYPE_CHECKING:
    from palate.data.interactions import Interactions


def append(log: Interactions, more: Interactions, on_duplicate: OnDuplicate) -> Interactions:
    """Return the rows of both, the log's first; see `Interactions.append`."""
    policy = Policy(on_duplicate=on_duplicate, rating_range=log.rating_range)
    for name in ("times", "weights"):
        if (getattr(log, name) is None) != (getattr(more, name) is None):
            lacking = "the log" if getattr(log, name) is None else "the new rows"
            raise DataError.of(lacking, f"without {name}, the other part with them: read both alike", code="times")
    users, items = _longer(log.users, more.users), _longer(log.items, more.items)
    both = replace(
        log,
        user_index=np.concatenate([log.user_index, users.index(more.users.values)[more.user_index]]),
        item_index=np.concatenate([log.item_index, items.index(more.items.values)[more.item_index]]),
        values=np.concatenate([log.values, more.values]),
        times=None if log.times is None or more.times is None else np.concatenate([log.times, more.times]),
        weights=None if log.weights is None or more.weights is None else np.concatenate([log.weights, more.weights]),
        users=users,
        items=items,
        dropped={**log.dropped, **{why: n + log.dropped.get(why, 0) for why, n in more.dropped.items()}},
    )
    check_values(more.values, policy, Where("the new rows"))
    repeats = repeats_of(both.user_index, both.item_index, len(items))
    if not len(repeats):
        return both
    if on_duplicate == "error":
        raise DataError(
            f"{len(repeats):,} of {len(more):,} new rows have a user-item pair of the log: ",
            REMEDY["duplicate"],
            code="duplicates",
            subject="the new rows",
        )
    joined = merged(both, on_duplicate)
    check_merged(joined.values, on_duplicate, policy, Where("the log with the new rows"))
    return joined


def _longer(known: Ids, more: Ids) -> Ids:
    """Return the known ids in their positions, and those that are new behind them, sorted."""
    if known.kind != more.kind:
        raise DataError(
            f"{known.what} ids are {known.kind} in the log and {more.kind} in the new rows",
            READ_AS_TEXT,
            code="ids",
            subject=known.what,
        )
    new = more.values.filter(~more.values.is_in(known.values.implode())).sort()
    return Ids(pl.concat([known.values, new]), known.what) if len(new) else known
