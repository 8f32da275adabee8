"""`fixed_split`: two parts that somebody else made, as one data set and the split that parts it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import polars as pl

from palate.data.dataset import Dataset, interactions_of
from palate.data.interactions import Interactions, on_shared_ids
from palate.data.items import attribute_table, item_table
from palate.data.lists import ListColumns
from palate.data.splits.leaks import dropping_overlap
from palate.data.splits.split import InTime, Split
from palate.errors import DataError, Remedy, Set

OnOverlap = Literal["raise", "drop"]


def fixed_split(
    train: Dataset | Interactions,
    test: Dataset | Interactions,
    *,
    items: Any = None,
    users: Any = None,
    name: str = "fixed",
    on_overlap: OnOverlap = "raise",
) -> tuple[Dataset, Split]:
    """Return two parts as one data set, and the split of it into these parts.

    Whatever takes splits takes this one: ``compare(models, data, split)``, ``tune(model, data, split=split)``,
    ``evaluate_splits``, ``save_splits``. Where no training row is later than any test row, the split says so.

    Args:
        train, test: each with ids of its own; the data set has the ids of both.
        items, users: tables of attributes for both parts; without them, those of the parts, the training part's first.
        name: of the split.
        on_overlap: "raise" where test rows are also in the training part, or "drop" them, and tell how many.

    Raises:
        ParameterError: on_overlap is neither of the two.
        DataError: a part is none; ids are text in one part alone, or times or weights are there in one part alone; no
            user and no item stands in both; test rows are also training rows; or a table does not fit.
    """
    parts = [interactions_of(train, "train"), interactions_of(test, "test")]
    _check_alike(*parts)
    learned, judged = on_shared_ids(parts)
    _check_related(learned, judged)
    judged = dropping_overlap(learned, judged, name, on_overlap)
    whole = _joined(learned, judged)
    tables = [part for part in (train, test) if isinstance(part, Dataset)]
    lists: ListColumns = True if items is not None or users is not None or not tables else tables[0].lists
    find = items is not None  # those of data sets stand there already
    if items is None:
        items = _both([part.items for part in tables], "item")
    if users is None:
        users = _both([part.users for part in tables], "user")
    of_users = pl.DataFrame({"user_id": whole.users.values}) if users is None else users
    dataset = Dataset(
        name=train.name if isinstance(train, Dataset) else name,
        interactions=whole,
        items=item_table(whole.items, items, lists=find),
        users=attribute_table(whole.users, of_users, "user"),
        notes=tuple(dict.fromkeys(note for part in tables for note in part.notes)),
        lists=lists,
    )
    cut, end = len(learned), len(whole)
    return dataset, Split(name, np.arange(cut), np.arange(cut, end), _in_time(learned, judged))


def _check_alike(train: Interactions, test: Interactions) -> None:
    for column in ("times", "weights"):
        has = [getattr(part, column) is not None for part in (train, test)]
        if has[0] != has[1]:
            without, other = ("test", "training") if has[0] else ("training", "test")
            raise DataError(
                f"the {without} part has no {column}, and the {other} part has them: read both alike",
                Remedy(", or leave times out with ", Set("columns", {"time": None})) if column == "times" else "",
                code="times",
                subject="test",
            )


def _check_related(train: Interactions, test: Interactions) -> None:
    """Refuse parts of which nothing is known in both: other data, or ids that were written anew."""
    shares = [np.isin(getattr(test, name), getattr(train, name)).any() for name in ("user_index", "item_index")]
    if not any(shares) and len(train) and len(test):
        user, item = (str(ids.values[int(index[0])]) for ids, index in _sides(test))
        raise DataError.of(
            "test",
            f"shares no user and no item with the training part (it begins with user {user} and item {item}): "
            "take both parts of one log",
            code="other_data",
        )


def _sides(part: Interactions) -> Any:
    return (part.users, part.user_index), (part.items, part.item_index)


def _joined(train: Interactions, test: Interactions) -> Interactions:
    """Return the rows of both, of the same ids, the training part's first."""

    def both(name: str) -> Any:
        pair = [getattr(part, name) for part in (train, test)]
        return None if pair[0] is None else np.concatenate(pair)

    arrays = {name: both(name) for name in ("user_index", "item_index", "values", "times", "weights")}
    reasons = dict.fromkeys([*train.dropped, *test.dropped])
    dropped = {reason: train.dropped.get(reason, 0) + test.dropped.get(reason, 0) for reason in reasons}
    return replace(train, **arrays, dropped=dropped)


def _both(tables: list[pl.DataFrame], side: str) -> pl.DataFrame | None:
    """Return one table with the rows of several, an id's from the first that has it."""
    if not tables:
        return None
    try:
        return pl.concat(tables, how="diagonal_relaxed").unique(f"{side}_id", keep="first", maintain_order=True)
    except pl.exceptions.PolarsError as error:
        raise DataError.of(
            f"the {side} tables of the two parts",
            f"do not fit each other ({str(error).splitlines()[0]}): give one table for both, {side}s=…",
            code="columns",
        ) from None


def _in_time(train: Interactions, test: Interactions) -> InTime:
    """Return what the parts are of each other in time: "all" where no training row is later than any test row."""
    if train.times is None or test.times is None or not len(train) or not len(test):
        return ""
    return "all" if train.times.max() <= test.times.min() else ""
