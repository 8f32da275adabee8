"""Why a score is what it is: parts that add up to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.ids import Id, Ids
from palate.notebook import card, preview

MOST_SHOWN = 10  # parts in a notebook


@dataclass(frozen=True)
class Part:
    """One part of a score that comes from no item: the mean, a bias, a feature."""

    kind: str
    name: str
    contribution: float


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """A score split into parts.

    Attributes:
        user_id, item_id: the pair explained; None for a nameless person.
        score: what the parts add up to.
        of: "the model" where this is the model's own score of the pair, or "the fold-in" where the model's user factors
            are no function of the user's rows, and the score is that of the same rows folded in.
        parts: one row a part, the largest first among those of one kind: kind ("mean", "item bias", "item", "feature",
            …), item_id and title of the user's own item, value given to it, name, contribution.
    """

    user_id: Id | None
    item_id: Id
    score: float
    of: str
    parts: pl.DataFrame

    def __repr__(self) -> str:
        pair = f"user {self.user_id!r}, item {self.item_id!r}"
        return f"Explanation({pair}: {self.score:.4f} of {self.of}, {self.parts.height:,} parts)"

    def _repr_html_(self) -> str:
        facts = [("user", str(self.user_id)), ("item", str(self.item_id)), ("score", f"{self.score:.4f}")]
        return card(f"Why: a score of {self.of}", facts, preview(self.parts, MOST_SHOWN))


def parts_table(
    parts: Sequence[Part],
    items: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    ids: Ids,
    table: pl.DataFrame,
) -> pl.DataFrame:
    """Return the parts as a table, those of no item first, then the largest; equal ones by the items' ids.

    Args:
        parts: of no item.
        items: positions of the user's own items, the values given to them, and their contributions.
        ids, table: the model's items.
    """
    index, values, contributions = (np.asarray(column) for column in items)
    own = ids.at(index).to_list()
    order = np.array(sorted(range(len(own)), key=lambda k: (-abs(contributions[k]), own[k])), np.intp)
    titles = table["title"][index[order]].to_list()
    nothing = [None] * len(parts)
    columns: dict[str, tuple[list[Any], Any]] = {  # lists: a forked process may lack Polars' threads
        "kind": ([*(p.kind for p in parts), *["item"] * len(order)], pl.String),
        "name": ([*(p.name for p in parts), *titles], pl.String),
        "item_id": ([*nothing, *(own[k] for k in order)], ids.values.dtype),
        "title": ([*nothing, *titles], pl.String),
        "value": ([*nothing, *values[order].tolist()], pl.Float64),
        "contribution": ([*(float(p.contribution) for p in parts), *contributions[order].tolist()], pl.Float64),
    }
    return pl.DataFrame({name: pl.Series(name, values, dtype) for name, (values, dtype) in columns.items()})
