"""The contract of every model: prediction, recommendation, fold-in, likeness and explanation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.features import Features
from palate.data.ids import Id
from palate.data.interactions import Interactions, check_interactions
from palate.data.items import Condition
from palate.errors import ParameterError, Set
from palate.models.contract.answers import (
    UserIds,
    allowed_items,
    check_64_bits,
    id_list,
    items_of,
    list_table,
    popular_items,
    rows_of_pairs,
)
from palate.models.contract.explanation import Explanation, Part, parts_table
from palate.models.contract.lists import ItemOrder, Lists, best_lists, places_of_ids, ranking_keys
from palate.models.contract.newcomers import (
    Given,
    Newcomers,
    NewItems,
    basket_of,
    features_on,
    rows_of,
    transpose,
)
from palate.models.contract.parameters import check_choice, check_whole
from palate.models.contract.predictor import Predictor
from palate.models.contract.scoring import FactorScorer, Scorer, nearest
from palate.models.contract.state import Rated
from palate.models.contract.titles import groups_of, one_of_each, same_titles, wide_enough, with_same_title
from palate.parallel import single_blas_thread
from palate.sparse import Rows


class Recommender(Predictor):
    """What every fitted model answers; the final classes say how they learn and how they score."""

    def _fold(self, rows: Rows, features: NDArray[Any] | None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return factors and biases of users by these rows and their features."""
        raise NotImplementedError(f"{type(self).__name__} declares fold_in and has none")

    def _fold_items(self, rows: Rows, features: NDArray[Any] | None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return factors and biases of items by these rows, one an item, and their features."""
        raise NotImplementedError(f"{type(self).__name__} declares fold_in_items and has none")

    def _scorer_for(self, rows: Rows, features: NDArray[Any] | None) -> Scorer:
        """Return what scores users by these rows and their features."""
        factors, biases = self._fold(rows, features)
        _, Q, _, c, mean = self._factors()
        return FactorScorer((factors, Q, biases, c, mean))

    def _parts(
        self, row: Rows, features: NDArray[Any] | None, item: int
    ) -> tuple[list[Part], tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Return the parts of a score of a user with this one row: of no item; and items, values, contributions."""
        raise NotImplementedError(f"{type(self).__name__} declares explain and has none")

    def recommend(
        self,
        users: UserIds,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        exclude: Interactions | None = None,
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
        and the list is therefore the popular one; else it is "model" (`palate.models.contract.lists`). With
        ``on_unknown="popular"`` users that training did not know get the popular list, too, without a score.

        Args:
            users: one id or many.
            n: how many items a user.
            exclude_seen: leave out what the user had in training.
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
        if exclude is not None:
            check_interactions("exclude", exclude)
        wanted = id_list(users)
        index = self.users_.index(wanted, on_unknown="mark" if on_unknown == "popular" else "raise")
        check_64_bits(wanted)
        allowed = allowed_items(self.items_, self.item_table_, allow, deny, where)
        groups = groups_of(self.item_table_) if one_per_title else None
        wide = min(n, len(self.items_)) if groups is None else wide_enough(n, groups)
        had = [] if not exclude_seen else [self._seen()]
        had += [] if groups is None else [same_titles(one, groups) for one in had]
        lists = self._lists_of(wanted, index, wide, exclude, allowed, had)
        if clip and self.score_kind == "rating":
            lists = replace(lists, scores=np.clip(lists.scores, *self.rating_range_))
        return self._shown(pl.Series(wanted, dtype=self.users_.values.dtype), lists, groups, n)

    def _lists_of(
        self,
        wanted: list[Id],
        index: NDArray[np.int32],
        n: int,
        exclude: Interactions | None,
        allowed: NDArray[np.bool_] | None,
        had: list[Rows],
    ) -> Lists:
        """Return the lists of users by their ids and positions; the popular one where the position is -1."""
        known = index >= 0
        items, scores = np.full((len(index), n), -1, np.int32), np.full((len(index), n), np.nan)
        popular = np.ones(len(index), bool)
        also = [] if exclude is None else [rows_of_pairs(exclude, self.users_, self.items_)]
        lists = self.lists_index(index[known], n, excluded=[*had, *also], allowed=allowed)
        items[known], scores[known], popular[known] = lists.items, lists.scores, lists.popular
        best = np.empty(0, np.int32) if known.all() else popular_items(self.item_order, allowed)
        for row in np.flatnonzero(~known):
            left = best[~np.isin(best, items_of(exclude, wanted[row], self.items_))][:n]
            items[row, : len(left)] = left
        return Lists(items, scores, popular)

    def _shown(self, ids: pl.Series, lists: Lists, groups: NDArray[np.int64] | None, n: int) -> pl.DataFrame:
        """Return lists as a table, each title once where items are grouped by it."""
        if groups is None:
            return list_table(ids, lists, self.item_table_)
        shown = list_table(ids, one_of_each(lists, groups, n), self.item_table_)
        return with_same_title(shown, self.item_table_, groups)

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
        self._check_can("fold_in")
        rows = rows_of(interactions, self.items_, on_unknown)
        factors, biases = self._fold(rows, features_on(features, interactions.users, self))
        return Newcomers(interactions.users, factors, biases, rows)

    def recommend_for(
        self,
        interactions: Given = None,
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
        asked = basket_of(interactions, features, self, on_unknown)
        scorer = self._scorer_for(asked.rows, asked.features)
        allowed = allowed_items(self.items_, self.item_table_, allow, deny, where)
        groups = groups_of(self.item_table_) if one_per_title else None
        had = [asked.rows] if exclude_seen else []
        had += [] if groups is None else [same_titles(one, groups) for one in had]
        filters: dict[str, Any] = {"excluded": had, "allowed": allowed, "n_threads": self.n_threads}
        wide = min(n, len(self.items_)) if groups is None else wide_enough(n, groups)
        lists = best_lists(scorer, self.item_order, asked.asked, wide, **filters)
        return self._shown(asked.ids[asked.asked], lists, groups, n)

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
        excluded = [self._seen().transpose(len(self.items_))] if exclude_seen else []
        scorer, places = self._scorer(), places_of_ids(self.users_)
        n = min(n, len(self.users_))
        filters: dict[str, Any] = {"excluded": excluded, "places": places, "n_threads": self.n_threads}
        found, scores = scorer.best_users(index, n, **filters)
        row, rank = np.nonzero(found >= 0)
        shown = self.item_table_.select("item_id", "title")[index[row]].with_columns(rank=pl.Series(rank + 1))
        users = self.users_.values[found[row, rank]]
        return shown.with_columns(users.alias("user_id"), pl.Series("score", scores[row, rank], dtype=pl.Float64))

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
        self._check_can("fold_in_items")
        rows = rows_of(transpose(interactions), self.users_, on_unknown)
        factors, biases = self._fold_items(rows, features_on(features, interactions.items, self, "item"))
        return NewItems(interactions.items, factors, biases, rows)

    def explain(
        self, user: Id, item: Id, *, interactions: Interactions | None = None, on_unknown: str = "drop"
    ) -> Explanation:
        """Return the parts of a score: of the user's own items, of biases and features; they add up to it.

        Args:
            user: an id of the training part or, with ``interactions``, of those.
            item: whose score is explained; the user may have had it.
            interactions: rows of users that training did not see, folded in.
            on_unknown: as in `fold_in`, of the items of these rows.

        Raises:
            NotFittedError: before ``fit``.
            UnknownIdError: the user or the item is unknown.
            ParameterError: the model cannot explain, or training rows were not kept (``store_history``).
            DataError: interactions is none.
        """
        self._check_can("explain")
        at = int(self.items_.index([item])[0])
        if interactions is None:
            u = int(self.users_.index([user])[0])
            if self.seen_ is None:
                raise ParameterError(
                    "the model was fitted with store_history=False and does not know the user's rows; give them as "
                    "interactions="
                )
            row, features = self.seen_.take(np.array([u])), self._stored_features(u)
        else:
            everybody = rows_of(interactions, self.items_, on_unknown)
            row, features = everybody.take(interactions.users.index([user])), None
        with single_blas_thread():
            parts, own = self._parts(row, features, at)
        of_model = interactions is None and self.explains == "the model"
        scorer = self._scorer() if of_model else self._scorer_for(row, features)
        score = float(scorer.pairs(np.array([u if of_model else 0]), np.array([at]))[0])
        table = parts_table(parts, own, self.items_, self.item_table_)
        return Explanation(user, item, score, "the model" if of_model else "the fold-in", table)

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
        self._check_can("similar_items")
        check_whole("n", n, low=1)
        wanted = id_list(items)
        index = self.items_.index(wanted).astype(np.int32)
        found, scores = self._scorer().nearest(index, n, self.item_order.places, self.n_threads)
        lists = Lists(found, scores, np.zeros(len(found), bool))
        table = list_table(pl.Series(wanted, dtype=self.items_.values.dtype), lists, self.item_table_)
        like, *columns, _ = table.get_columns()  # not rename, which would start Polars' threads
        return pl.DataFrame([like.alias("like"), *columns])

    def similar_users(self, users: UserIds, n: int = 10) -> pl.DataFrame:
        """Return the ``n`` users nearest to each user by the cosine of their factors: like, rank, user_id, score.

        Raises:
            NotFittedError: before ``fit``.
            UnknownIdError: a user that training did not know.
            ParameterError: n is below 1, or the model has no likeness of users.
        """
        self._check_can("similar_users")
        check_whole("n", n, low=1)
        wanted = id_list(users)
        index = self.users_.index(wanted).astype(np.int32)
        found, scores = nearest(self._factors()[0], index, n, places_of_ids(self.users_), self.n_threads)
        row, rank = np.nonzero(found >= 0)
        like = pl.Series(wanted, dtype=self.users_.values.dtype)[row]
        others = self.users_.values[found[row, rank]]
        return pl.DataFrame({"like": like, "rank": rank + 1, "user_id": others, "score": scores[row, rank]})

    def lists_index(
        self,
        user_index: NDArray[Any],
        n: int,
        *,
        excluded: Sequence[Rows] = (),
        allowed: NDArray[np.bool_] | None = None,
    ) -> Lists:
        """Return the best n items of each user, and whose list is the popular one (`palate.models.contract.lists`).

        Args:
            user_index: (m,) positions of users.
            n: how many; at least 1.
            excluded: rows over all users of items to leave out.
            allowed: (n_items,) items to choose from, or None for all.

        Raises:
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        users = np.asarray(user_index, np.int32)
        filters: dict[str, Any] = {"excluded": excluded, "allowed": allowed, "n_threads": self.n_threads}
        return best_lists(self._scorer(), self.item_order, users, n, **filters)

    def rank_index(
        self,
        user_index: NDArray[Any],
        n: int,
        *,
        excluded: Sequence[Rows] = (),
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return items and scores of `lists_index`: (m, n) each, -1 and NaN where fewer are left.

        Raises:
            NotFittedError: before ``fit``.
        """
        lists = self.lists_index(user_index, n, excluded=excluded, allowed=allowed)
        return lists.items, lists.scores

    def ranking_keys(
        self,
        user_index: NDArray[Any],
        *,
        excluded: Sequence[Rows] = (),
        allowed: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float64]:
        """Return what `lists_index` orders all items by, (m, n_items): larger is better, equal is a tie.

        The raw score or, where the user's list is the popular one, a key of popularity; -inf where an item is left out.
        Give a few users at a time. The parameters are those of `lists_index`.

        Raises:
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        users = np.asarray(user_index, np.int32)
        return ranking_keys(self._scorer(), self.item_order, users, excluded=excluded, allowed=allowed)

    @property
    def item_order(self) -> ItemOrder:
        """The items in the order of popularity, by the rows of training.

        Raises:
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        made: tuple[Any, ItemOrder] | None = self.__dict__.get("_item_order")
        if made is None or made[0] is not self.item_table_:  # each fit makes a new one
            rated = (
                self.rated_ if self.seen_ is None else Rated.of(self.seen_.indices, self.seen_.values, len(self.items_))
            )
            made = self.item_table_, ItemOrder.of(rated, self.items_)
            self.__dict__["_item_order"] = made
        return made[1]

    # -- helpers ----------------------------------------------------------------------------------------------------

    def _stored_features(self, user: int) -> NDArray[Any] | None:
        """Return the features of a training user, (1, n_features), where the model has some."""
        stored = getattr(self, "user_features_", None)
        return None if stored is None or not stored.shape[1] else stored[user : user + 1]

    def _seen(self) -> Rows:
        if self.seen_ is None:
            raise ParameterError(
                "the model was fitted with store_history=False and does not know what users have seen; pass ",
                Set("exclude_seen", False),
                ", and the pairs to leave out as exclude=",
                code="no_history",
                subject="exclude_seen",
            )
        return self.seen_
