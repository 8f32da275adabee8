"""A model that was fitted before, measured as it is: by what it keeps of its training rows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from palate.data.dataset import Dataset, interactions_of
from palate.data.ids import Id
from palate.data.interactions import Interactions
from palate.data.items import Condition, item_table
from palate.data.splits.fixed import OnOverlap
from palate.data.splits.leaks import dropping_overlap
from palate.data.splits.split import facts_of
from palate.errors import DataError, Remedy, Set, UnknownIdError
from palate.evaluation.measuring import kept_rows_of, measure_part
from palate.evaluation.metric_inputs import Relevance
from palate.evaluation.result import Evaluation, default_metrics, evaluation_of
from palate.models.contract.answers import allowed_items
from palate.models.contract.base import Recommender


def evaluate_fitted(
    model: Recommender,
    test: Dataset | Interactions,
    train: Dataset | Interactions | None = None,
    *,
    metrics: Sequence[str] | None = None,
    name: str = "given",
    positive: Relevance = None,
    allow: Sequence[Id] | None = None,
    deny: Sequence[Id] | None = None,
    where: Condition | Sequence[Condition] | None = None,
    on_overlap: OnOverlap = "raise",
    items: Any = None,
    skip: bool = False,
) -> Evaluation:
    """Measure a fitted model, as `palate.evaluate` does without ``train``.

    Args:
        model: fitted.
        test: rows with ids of their own; those of people and items that the model does not know are counted and left
            out.
        train: what the model was fitted on, where it does not keep its rows (``store_history=False``).
        metrics, name, positive, allow, deny, where, items, skip: as in `palate.evaluate`.
        on_overlap: "raise" where the model was fitted on test rows, or "drop" these, and tell how many.

    Raises:
        NotFittedError: the model is not fitted.
        ParameterError: as `palate.evaluate`; or train is given, and the model keeps its rows.
        DataError: the model knows no test row's user and item, was fitted on test rows, or keeps no rows and there is
            no train.
    """
    model._check_fitted()
    learned = _training_rows(model, train)
    rows, unknown = _known_rows(model, interactions_of(test, "test"))
    rows = dropping_overlap(learned, rows, name, on_overlap)
    table = model.item_table_ if items is None else item_table(model.items_, items)
    part = allowed_items(model.items_, table, allow, deny, where)
    names = default_metrics(model, learned) if metrics is None else metrics
    started = time.perf_counter()
    measured = measure_part(model, learned, rows, names, items=table, positive=positive, part=part, skip=skip)
    seconds = {"score": time.perf_counter() - started}
    return evaluation_of(
        model,
        facts_of(name, learned, rows),
        measured,
        seconds,
        epoch_chosen_on=model.epoch_chosen_on_,
        n_listed=len(model.items_) if part is None else int(part.sum()),
        positive=positive,
        unknown=unknown,
    )


def _training_rows(model: Recommender, train: Dataset | Interactions | None) -> Interactions:
    if train is None:
        return kept_rows_of(model)
    if model.seen_ is not None:
        raise DataError.of("the model", "keeps the rows that it was fitted on: leave out train", code="other_data")
    rows = interactions_of(train, "train")
    known, unknown = _known_rows(model, rows, "train")
    if unknown["test_rows"]:
        raise DataError.of(
            "train",
            f"has {unknown['test_rows']:,} rows of people or items that the model does not know: it is of other data",
            code="other_data",
        )
    return known


def _known_rows(model: Recommender, test: Interactions, name: str = "test") -> tuple[Interactions, Mapping[str, int]]:
    """Return the rows of people and items that the model knows, by its positions, and how many it does not know."""
    try:
        users = model.users_.index(test.users.values, on_unknown="mark")
        items = model.items_.index(test.items.values, on_unknown="mark")
    except UnknownIdError as error:
        raise DataError(
            f"the {name} part's ids are of another type than the model's: {error}",
            Remedy("; read them with ", Set("ids", "text")),
            code="ids",
            subject=name,
        ) from None
    user_index, item_index = users[test.user_index], items[test.item_index]
    keep = (user_index >= 0) & (item_index >= 0)
    unknown = {
        "users": len(np.unique(test.user_index[user_index < 0])),
        "items": len(np.unique(test.item_index[item_index < 0])),
        "test_rows": int((~keep).sum()),
    }
    if not keep.any():
        raise DataError.of(
            name,
            f"has no row of a user and an item that the model knows ({len(test):,} rows, {unknown['users']:,} unknown "
            f"users, {unknown['items']:,} unknown items): it is of other data",
            code="other_data",
        )
    known = replace(test, user_index=user_index, item_index=item_index, users=model.users_, items=model.items_)
    return known.take(np.flatnonzero(keep)), unknown
