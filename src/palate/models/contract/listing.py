"""From users and a choice of items to the lists that people read: one way for ids and for people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from palate.models.contract.answers import ListOptions, items_of, list_table, popular_items, rows_of_pairs
from palate.models.contract.lists import Lists
from palate.models.contract.person import Group
from palate.models.contract.ranked import Ranked
from palate.models.contract.titles import one_of_each
from palate.sparse import Rows


def listed(
    model: Ranked, ids: pl.Series, groups: list[Group], choice: ListOptions, *, clip: bool = False
) -> pl.DataFrame:
    """Return the lists of users as a table; users of no group get the popular one.

    Args:
        model: fitted.
        ids: to show, one a user.
        groups: of the users that a ranker knows.
        choice: what the lists are made of.
        clip: show predicted ratings clipped to the range of the ratings.
    """
    width = choice.width(len(model.items_))
    lists, unknown = Lists.empty(len(ids), width), np.ones(len(ids), bool)
    for group in groups:
        filters: dict[str, Any] = {"excluded": _left_out(model, ids, group, choice), "allowed": choice.allowed}
        lists.put(group.at, group.ranker.lists(group.users, width, **filters, n_threads=model.n_threads))
        unknown[group.at] = False
    if unknown.any():
        best = popular_items(model.item_order, choice.allowed)
        for row in np.flatnonzero(unknown):
            left = best[~np.isin(best, items_of(choice.exclude, ids[int(row)], model.items_))][:width]
            lists.items[row, : len(left)] = left
    if clip and model.score_kind == "rating":
        lists = replace(lists, scores=np.clip(lists.scores, *model.rating_range_))
    shown = lists if choice.titles is None else one_of_each(lists, choice.titles.groups, choice.n)
    return list_table(ids, shown, model.items_, model.item_table_["title"], choice.titles)


def _left_out(model: Ranked, ids: pl.Series, group: Group, choice: ListOptions) -> list[Rows]:
    """Return what a group's lists leave out, as rows over the users of its ranker."""
    left_out = []
    if choice.exclude_seen:
        had = group.ranker.had
        left_out += [had] if choice.titles is None else [had, choice.titles.had(had, group.users)]
    if choice.exclude is not None:
        users = model.users_ if group.ranker is model.ranker else ids[group.at].to_list()
        left_out.append(rows_of_pairs(choice.exclude, users, model.items_))
    return left_out
