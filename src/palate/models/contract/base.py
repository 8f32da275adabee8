"""The contract of every model: prediction, recommendation, fold-in, likeness and explanation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.dataset import Dataset, interactions_of
from palate.data.features import Features
from palate.data.ids import Id
from palate.data.interactions import Interactions
from palate.data.items import Condition
from palate.errors import Call, ParameterError, Remedy
from palate.models.contract.abilities import (
    Explains,
    FoldsIn,
    FoldsItemsIn,
    LikensItems,
    LikensUsers,
    TakesFeatures,
    cannot,
)
from palate.models.contract.answers import (
    ListOptions,
    UserIds,
    allowed_items,
    id_list,
    item_columns,
    taken,
)
from palate.models.contract.explanation import Explanation, parts_table
from palate.models.contract.listing import listed
from palate.models.contract.newcomers import Newcomers, NewItems, features_on, rows_of, transpose
from palate.models.contract.parameters import check_choice, check_whole
from palate.models.contract.person import Group, Person, RowsGiven, Users, people_of, users_of
from palate.models.contract.predictor import Predictor
from palate.models.contract.ranker import Ranker
from palate.models.contract.titles import Titles
from palate.parallel import single_blas_thread
from palate.sparse import Rows


class Recommender(Predictor):
    """What every fitted model answers; the final classes say how they learn and how they score."""

    def person(self, rows: RowsGiven = None, features: Features | None = None, *, on_unknown: str = "drop") -> Person:
        """Return somebody whom training did not see, to be asked about wherever a user's id may stand.

        `recommend`, `predict`, `explain` and `similar_users` take ids and people alike, and give them one score.

        Args:
            rows: what they gave, {item: value}, or items had, or rows of one user; or None where features are given.
            features: of this one user; as in `fold_in`.
            on_unknown: "drop" items that training did not know, and say how many in one line, or "raise".

        Raises:
            NotFittedError: before ``fit``.
            ParameterError: nothing is given, several users' rows are, or the features are not those of training; or
                the model knows nothing of people by their rows alone, and names those that do.
            DataError: values are no numbers, or an item stands twice.
            UnknownIdError: an item that training did not know, with ``on_unknown="raise"``.
        """
        self._check_can("recommend_for")
        check_choice("on_unknown", on_unknown, ("drop", "raise"))
        return people_of(rows, features, self, on_unknown).person(self.items_)

    def recommend(
        self,
        users: Users,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        exclude: Dataset | Interactions | None = None,
        allow: Sequence[Id] | None = None,
        deny: Sequence[Id] | None = None,
        where: Condition | Sequence[Condition] | None = None,
        on_unknown: str = "raise",
        clip: bool = False,
        one_per_title: bool = False,
    ) -> pl.DataFrame:
        """Return the best ``n`` items for each user: user_id, rank (from 1), item_id, title, score, source.

        Exactly min(n, allowed items) rows a user; equal scores stand in the order of popularity. ``source`` is
        "popular" where the model's scores of all allowed items are equal, as for somebody of whom nothing is known,
        and the list is therefore the popular one; else it is "model" (`palate.models.contract.ranker`). With
        ``on_unknown="popular"`` users that training did not know get the popular list, too, without a score.

        Args:
            users: one id or person (`person`), or many of them.
            n: how many items a user.
            exclude_seen: leave out what the user had in training, or a person's own rows.
            exclude: further pairs to leave out, such as the test part when a person will read the list.
            allow, deny: item ids to choose from; to leave out, where unknown ones do no harm.
            where: conditions on the item table, such as "genres=Comedy", "year>=1990", or Polars expressions.
            on_unknown: "raise" or "popular".
            clip: show predicted ratings clipped to ``rating_range_``; the order never is, nor are other scores.
            one_per_title: of items with the same title and year show the best alone, and name the others' ids in a
                column ``same_title``; with ``exclude_seen`` none where the user had one of them.

        Raises:
            NotFittedError: before ``fit``.
            UnknownIdError: a user with ``on_unknown="raise"``, or an item of allow, is unknown.
            ParameterError: n, on_unknown or a condition is wrong, training rows were not kept (``store_history``), or
                the item table has no titles and years for ``one_per_title``.
            DataError: exclude is no `Interactions`.
        """
        self._check_fitted()
        check_whole("n", n, low=1)
        check_choice("on_unknown", on_unknown, ("raise", "popular"))
        left_out = None if exclude is None else interactions_of(exclude, "exclude")
        ids, groups = users_of(self, id_list(users), "mark" if on_unknown == "popular" else "raise")
        allowed = allowed_items(self.items_, self.item_table_, allow, deny, where)
        choice = ListOptions(
            n, allowed, self.titles if one_per_title else None, exclude_seen=exclude_seen, exclude=left_out
        )
        return listed(self, ids, groups, choice, clip=clip)

    @property
    def titles(self) -> Titles:
        """Which items have the same title and year.

        Raises:
            ParameterError: the item table has no titles, or no years.
        """
        return self._derived("titles", lambda: Titles.of(self.item_table_))

    def fold_in(
        self, interactions: Interactions, features: Features | None = None, *, on_unknown: str = "drop"
    ) -> Newcomers:
        """Return factors of users by their own rows, with the items as they are; the users may be new to the model.

        Args:
            interactions: rows of any users.
            features: of these users, encoded as those of training (``user_encoding_``); None where training had none,
                or where nothing is known of them.
            on_unknown: "drop" rows of items that training did not know, and say how many in one line, or "raise".

        Raises:
            NotFittedError: before ``fit``.
            ParameterError: this model has no fold-in, or features where training had none; names those that can.
            DataError: interactions is none, or a user has no features where some are given.
            UnknownIdError: an item that training did not know, with ``on_unknown="raise"``.
        """
        self._check_fitted()
        if not isinstance(self, FoldsIn):
            raise cannot(self, "fold_in")
        rows = rows_of(interactions, self.items_, on_unknown)
        factors, biases = self._fold(rows, features_on(features, interactions.users, self))
        return Newcomers(interactions.users, factors, biases, rows)

    def recommend_for(
        self,
        interactions: RowsGiven = None,
        n: int = 10,
        *,
        features: Features | None = None,
        exclude_seen: bool = True,
        allow: Sequence[Id] | None = None,
        deny: Sequence[Id] | None = None,
        where: Condition | Sequence[Condition] | None = None,
        on_unknown: str = "drop",
        one_per_title: bool = False,
    ) -> pl.DataFrame:
        """Return the best ``n`` items for users that are known by these rows alone: `fold_in`, then `recommend`.

        Args:
            interactions: what they gave, or had; or one nameless person's {item: value}, or items had; or None, for
                the people of ``features``, of whom nothing else is known. Users without a row get no list, unless
                they have features.
            n, allow, deny, where, one_per_title: as in `recommend`.
            features: as in `fold_in`.
            exclude_seen: leave out the items of these rows.
            on_unknown: as in `fold_in`; somebody of whom no item is known is scored by none.

        Raises:
            NotFittedError, ParameterError, DataError, UnknownIdError: as `fold_in` and `recommend`.
        """
        self._check_can("recommend_for")
        check_whole("n", n, low=1)
        check_choice("on_unknown", on_unknown, ("drop", "raise"))
        people = people_of(interactions, features, self, on_unknown)
        group = Group(self.ranker_of(people.rows, people.features), people.asked, np.arange(len(people.asked)))
        allowed = allowed_items(self.items_, self.item_table_, allow, deny, where)
        choice = ListOptions(n, allowed, self.titles if one_per_title else None, exclude_seen=exclude_seen)
        return listed(self, people.ids[people.asked], [group], choice)

    def recommend_users(self, items: UserIds, n: int = 10, *, exclude_seen: bool = True) -> pl.DataFrame:
        """Return the ``n`` users for whom each item scores highest: item_id, title, rank (from 1), user_id, score.

        Equal scores stand in the order of the users' ids. The scores are those of `recommend`: of a model of ratings
        they have the user's bias in them, so that generous people come first.

        Args:
            items: one id or many.
            n: how many users an item.
            exclude_seen: leave out users who had the item in training.

        Raises:
            NotFittedError: before ``fit``.
            UnknownIdError: an item that training did not know.
            ParameterError: n is below 1, or training rows were not kept (``store_history``).
        """
        self._check_fitted()
        check_whole("n", n, low=1)
        wanted = id_list(items)
        index = self.items_.index(wanted)
        best, scores = self.ranker.best_users(
            index,
            min(n, len(self.users_)),
            places=self._places_of_users(),
            exclude_seen=exclude_seen,
            n_threads=self.n_threads,
        )
        row, rank = np.nonzero(best >= 0)
        columns = item_columns(self.items_, self.item_table_["title"], index[row])
        users = self.users_.at(best[row, rank]).alias("user_id")
        return pl.DataFrame([*columns, pl.Series("rank", rank + 1), users, pl.Series("score", scores[row, rank])])

    def fold_in_items(
        self, interactions: Interactions, features: Features | None = None, *, on_unknown: str = "drop"
    ) -> NewItems:
        """Return factors of items by their own rows, with the users as they are; the items may be new to the model.

        Args:
            interactions: rows of any items.
            features: of these items, encoded as those of training (``item_encoding_``); or None.
            on_unknown: "drop" rows of users that training did not know, and say how many in one line, or "raise".

        Raises:
            NotFittedError, ParameterError, DataError: as `fold_in`.
            UnknownIdError: a user that training did not know, with ``on_unknown="raise"``.
        """
        self._check_fitted()
        if not isinstance(self, FoldsItemsIn):
            raise cannot(self, "fold_in_items")
        rows = rows_of(transpose(interactions), self.users_, on_unknown)
        factors, biases = self._fold_items(rows, features_on(features, interactions.items, self, "item"))
        return NewItems(interactions.items, factors, biases, rows)

    def explain(
        self,
        user: Id | Person,
        item: Id,
        *,
        interactions: Interactions | None = None,
        features: Features | None = None,
        on_unknown: str = "drop",
    ) -> Explanation:
        """Return the parts of a score: of the user's own items, of biases and features; they add up to it.

        Args:
            user: an id of the training part or, with ``interactions``, of those; or a `person`.
            item: whose score is explained; the user may have had it.
            interactions: rows of users that training did not see, folded in.
            features: of these users, as in `fold_in`.
            on_unknown: as in `fold_in`, of the items of these rows.

        Raises:
            NotFittedError: before ``fit``.
            UnknownIdError: the user or the item is unknown.
            ParameterError: the model cannot explain, training rows were not kept (``store_history``), or features are
                given of a user of training, or of a person, who has their own.
            DataError: interactions is none.
        """
        self._check_fitted()
        if not isinstance(self, Explains):
            raise cannot(self, "explain")
        at = int(self.items_.index([item])[0])
        if interactions is not None and not isinstance(user, Person):
            people = people_of(interactions, features, self, on_unknown)
            mine = interactions.users.index([user])
            user = replace(people, asked=mine).person(self.items_)
        elif features is not None:
            raise ParameterError.of(
                "features", "go with interactions=, of users that training did not see; a person has their own"
            )
        of_model = not isinstance(user, Person) and self.explains == "the model"
        row, features_of, ranker, place = self._asked_about(user)
        with single_blas_thread():
            parts, own = self._parts(row, features_of, at)
        score = float(ranker.scorer.pairs(np.array([place]), np.array([at]))[0])
        table = parts_table(parts, own, self.items_, self.item_table_)
        of = "the model" if of_model else "the fold-in"
        return Explanation(user.id if isinstance(user, Person) else user, item, score, of, table)

    def _asked_about(self, user: Id | Person) -> tuple[Rows, NDArray[Any] | None, Ranker, int]:
        """Return a user's row and features, and the ranker and position whose score is to be explained."""
        if isinstance(user, Person):
            _, (group,) = users_of(self, [user], "raise")
            return user.rows, user.features, group.ranker, 0
        place = int(self.users_.index([user])[0])
        if self.seen_ is None:
            raise ParameterError(
                "the model was fitted with store_history=False and does not know the user's rows",
                Remedy("; give them as ", Call("interactions=")),
                code="no_history",
                subject="interactions",
            )
        row = self.seen_.take(np.array([place]))
        features = self._stored_features(place) if isinstance(self, TakesFeatures) else None
        if self.explains == "the model":
            return row, features, self.ranker, place
        return row, features, self.ranker_of(row, features), 0

    def similar_items(self, items: UserIds, n: int = 10) -> pl.DataFrame:
        """Return the ``n`` items nearest to each item: by the cosine of their factors, or by weights of items.

        Returns:
            like (the item's id), rank, item_id, title, score (the cosine, or the weight); an item is not similar to
            itself.

        Raises:
            NotFittedError: before ``fit``.
            UnknownIdError: an item that training did not know.
            ParameterError: n is below 1, or the model has no likeness of items.
        """
        self._check_fitted()
        if not isinstance(self, LikensItems):
            raise cannot(self, "similar_items")
        check_whole("n", n, low=1)
        wanted = id_list(items)
        index = self.items_.index(wanted).astype(np.int32)
        alike, scores = self._items_like(index, n)
        row, rank = np.nonzero(alike >= 0)
        like = self.items_.at(index[row]).alias("like")
        columns = item_columns(self.items_, self.item_table_["title"], alike[row, rank])
        return pl.DataFrame([like, pl.Series("rank", rank + 1), *columns, pl.Series("score", scores[row, rank])])

    def similar_users(self, users: Users, n: int = 10) -> pl.DataFrame:
        """Return the ``n`` users nearest to each user by the cosine of their factors: like, rank, user_id, score.

        A user is an id, or a `person`, whose factors are folded in.

        Raises:
            NotFittedError: before ``fit``.
            UnknownIdError: a user that training did not know.
            ParameterError: n is below 1, or the model has no likeness of users.
        """
        self._check_fitted()
        if not isinstance(self, LikensUsers):
            raise cannot(self, "similar_users")
        check_whole("n", n, low=1)
        ids, groups = users_of(self, id_list(users), "raise")
        n = min(n, len(self.users_))
        alike, scores = np.full((len(ids), n), -1, np.int32), np.full((len(ids), n), np.nan)
        for group in groups:
            alike[group.at], scores[group.at] = self._users_like(group, n)
        row, rank = np.nonzero(alike >= 0)
        like, others = taken(ids, row).alias("like"), self.users_.at(alike[row, rank]).alias("user_id")
        return pl.DataFrame([like, pl.Series("rank", rank + 1), others, pl.Series("score", scores[row, rank])])
