"""The running model as it answers: everybody folded in by their rows up to the cut, its items those that it knows.

To `compare` it is a model like another, which learns nothing: it takes the people and items of a split by their ids. An
item that it has not seen is in no list of its, and has the mean for a prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.dataset import Dataset
from palate.data.features import Features
from palate.data.ids import Ids
from palate.data.interactions import Interactions
from palate.errors import DataError, ParameterError
from palate.models import Recommender
from palate.models.contract.abilities import TakesFeatures
from palate.models.contract.learned import Learned
from palate.models.contract.learner import ScoreKind, Training
from palate.models.contract.parameters import Checked
from palate.models.contract.scoring import Scorer
from palate.models.contract.shared import StoreHistory, ThreadsToRecommend
from palate.retraining.days import texts_of
from palate.sparse import Rows
from palate.store.rule import values_for
from palate.store.versions.loaded import positions


@dataclass(frozen=True, eq=False)
class Running:
    """A fitted model, and the log as it sees it, up to the cut.

    Attributes:
        model: fitted.
        data: the rows of its view of the log up to the cut, and what is known of people.
        name: what to call it.
    """

    model: Recommender
    data: Dataset
    name: str = "the running model"

    def __repr__(self) -> str:
        return self.name

    def people(self, users: Ids, table: pl.DataFrame) -> tuple[Rows, NDArray[Any] | None]:
        """Return the rows of these users by the model's items, and their features where it takes such."""
        log, model = self.data.interactions, self.model
        user = positions(users, texts_of(log.users))[log.user_index]
        item = positions(model.items_, texts_of(log.items))[log.item_index]
        kept = np.flatnonzero((user >= 0) & (item >= 0))
        values = values_for(model, log.values)[kept]
        rows = Rows.from_cells(user[kept], item[kept], len(users), len(model.items_), values)
        return rows, self._features(users, table)

    def _features(self, users: Ids, table: pl.DataFrame) -> NDArray[Any] | None:
        encoding = self.model._encoding("user") if isinstance(self.model, TakesFeatures) else None
        if not encoding:
            return None
        lacking = [spec["column"] for spec in encoding if spec["column"] not in table.columns]
        table = table.with_columns(pl.lit(None).alias(name) for name in lacking)
        try:
            return Features.from_table(table, "user", encoding=encoding).on(users)
        except (DataError, pl.exceptions.PolarsError):  # attributes of another type now: as the service, without
            return None


def _is_running(value: Any) -> None:
    if not isinstance(value, Running):
        raise ParameterError.outside("running", "a fitted model and its log", value)


class Served(Recommender):
    """A fitted model's lists, of the people of a split."""

    key: ClassVar[str] = "running"
    score_kind: ClassVar[ScoreKind] = "order"

    running: Annotated[Running | None, Checked(_is_running), "the model that answers."] = None
    _: KW_ONLY
    store_history: StoreHistory = True
    n_threads: ThreadsToRecommend = None

    def fit(self, interactions: Any, **options: Any) -> Any:
        """Take the people of a split: there is nothing to learn."""
        self._table = interactions.users if isinstance(interactions, Dataset) else pl.DataFrame()
        return super().fit(interactions, **options)

    def _learn(self, training: Training) -> Learned:
        self._here = training.data
        return Learned()

    def _scorer(self) -> Scorer:
        if self.running is None:
            raise TypeError("parameters are checked before")
        return Folded(self.running.model, *self.running.people(self._here.users, self._table), self._here)

    def _bytes_needed(self, n_users: int, n_items: int, n_rows: int) -> int:
        return 32 * n_rows


class ServedRatings(Served):
    """A fitted model's predicted ratings and lists, of the people of a split."""

    key: ClassVar[str] = "running"
    score_kind: ClassVar[ScoreKind] = "rating"
    store_history: StoreHistory = True
    n_threads: ThreadsToRecommend = None


def served(running: Running) -> Served:
    """Return a running model as `palate.evaluation.compare` takes it."""
    return (ServedRatings if running.model.score_kind == "rating" else Served)(running)


@dataclass(frozen=True, eq=False)
class Folded(Scorer):
    """Scores of people folded in, by positions of a split.

    Attributes:
        model: that answers.
        rows: of each user of the split, by the model's items.
        features: of them, or None.
        here: the split's training part.
    """

    model: Recommender
    rows: Rows
    features: NDArray[Any] | None
    here: Interactions

    @cached_property
    def there(self) -> NDArray[np.int32]:
        """Where the model has each item of the split; -1 for one that it does not know."""
        return positions(self.model.items_, texts_of(self.here.items))

    @cached_property
    def back(self) -> NDArray[np.int32]:
        """Where the split has each item of the model; -1 for one that it has not."""
        back = np.full(len(self.model.items_), -1, np.int32)
        known = np.flatnonzero(self.there >= 0)
        back[self.there[known]] = known
        return back

    def _of(self, users: NDArray[Any]) -> Scorer:
        """Return what scores these users, numbered as they are given."""
        features = None if self.features is None else self.features[users]
        return self.model.ranker_of(self.rows.take(np.asarray(users, np.int64)), features).scorer

    def pairs(self, users: NDArray[Any], items: NDArray[Any]) -> NDArray[np.float64]:
        """Return the score of each pair of positions, (n,); of an item that the model does not know the mean."""
        wanted, place = np.unique(users, return_inverse=True)
        there = self.there[items]
        known, scores = there >= 0, np.full(len(there), np.nan)
        scores[known] = self._of(wanted).pairs(place[known].astype(np.int32), there[known])
        if self.model.score_kind == "rating" and not known.all():
            nobody = np.full(int((~known).sum()), -1)
            scores[~known] = self.model.mean_of(nobody, nobody)
        return scores

    def best(
        self,
        users: NDArray[np.int32],
        n: int,
        *,
        excluded: Sequence[Rows] = (),
        allowed: NDArray[np.bool_] | None = None,
        places: NDArray[np.int32] | None = None,
        n_threads: int | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return items and scores of the best n for each user, of those that the model knows."""
        own = self.back >= 0
        own[own] = True if allowed is None else allowed[self.back[own]]
        out = [self._excluded(rows.take(np.asarray(users, np.int64))) for rows in excluded]
        mine = np.zeros(len(self.back), np.int32) if places is None else self._places(places)
        every = np.arange(len(users), dtype=np.int32)
        n = min(n, len(self.back))
        items, scores = self._of(users).best(every, n, excluded=out, allowed=own, places=mine, n_threads=n_threads)
        return np.where(items >= 0, self.back[items], np.int32(-1)), scores

    def _excluded(self, rows: Rows) -> Rows:
        there = self.there[rows.indices]
        known = np.flatnonzero(there >= 0)
        return Rows.from_cells(rows.row_of_cells()[known], there[known], rows.n_rows, len(self.back))

    def _places(self, places: NDArray[np.int32]) -> NDArray[np.int32]:
        mine = np.full(len(self.back), len(places), np.int32)
        mine[self.back >= 0] = places[self.back[self.back >= 0]]
        return mine

    def of_all(self, users: NDArray[Any]) -> NDArray[np.float64]:
        """Return the scores of all items for these users, (m, n_items); -inf of one that the model does not know."""
        every = np.arange(len(users), dtype=np.int32)
        known = self.there >= 0
        scores = np.full((len(users), len(known)), -np.inf)
        scores[:, known] = self._of(users).of_all(every)[:, self.there[known]]
        return scores

    def knows_nothing(self, users: NDArray[Any], allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Return of whom it is plain that all scores are equal."""
        every = np.arange(len(users), dtype=np.int32)
        own = None if allowed is None else (self.back >= 0) & np.where(self.back >= 0, allowed[self.back], False)
        return self._of(users).knows_nothing(every, own)

    def take(self, users: NDArray[np.int32]) -> Scorer:
        """Return what scores these users alone."""
        return self._of(users)

    def best_users(self, items: NDArray[np.int32], n: int, **filters: Any) -> Any:
        """Refuse: a comparison asks for no users of items."""
        raise NotImplementedError

    def nearest(self, index: Any, n: int, places: Any, n_threads: int | None) -> Any:
        """Refuse: a comparison asks for no likeness."""
        raise NotImplementedError

    def alike(self, items: NDArray[np.int32]) -> NDArray[np.float64]:
        """Refuse: a comparison asks for no likeness."""
        raise NotImplementedError

    def joined(self, others: Sequence[Scorer]) -> Scorer:
        """Refuse: a comparison asks for no people beside those of the split."""
        raise NotImplementedError

    def likeness(self, items: NDArray[np.int32]) -> NDArray[np.float64]:
        """Refuse: a comparison asks for no likeness."""
        raise NotImplementedError
