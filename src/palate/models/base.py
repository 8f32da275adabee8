"""The contract of every model: prediction, recommendation, fold-in, likeness and explanation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.features import Features
from palate.data.ids import Id
from palate.data.interactions import Interactions, Rows, check_interactions
from palate.data.items import Condition
from palate.errors import ParameterError
from palate.models.abilities import check_supports
from palate.models.answers import (
    UserIds,
    allowed_items,
    check_64_bits,
    id_list,
    items_of,
    list_table,
    popular_items,
    rows_of_pairs,
)
from palate.models.explanation import Explanation, Part, parts_table
from palate.models.learner import Learner
from palate.models.newcomers import Newcomers, one_row, rows_of
from palate.models.parameters import check_choice, check_whole
from palate.models.predictive import Predictive
from palate.models.scoring import FactorScorer, Scorer, nearest
from palate.models.state import positions
from palate.models.training_part import check_features
from palate.topk import Excluded, Factors


class Recommender(Learner):
    """What every fitted model answers; the final classes say how they learn and how they score."""

    def _factors(self) -> Factors:
        """Return P (n_users, k), Q (n_items, k), b, c and mean: score = mean + b_u + c_i + P_u . Q_i."""
        raise NotImplementedError(f"{type(self).__name__} has no factors")

    def _predictive(self, u: NDArray[Any], i: NDArray[Any], times: NDArray[Any] | None) -> Predictive:
        """Return the distributions of ratings of pairs of positions, at these times."""
        raise NotImplementedError(f"{type(self).__name__} declares predict_distribution and has none")

    def _times_of(self, rows: Interactions) -> NDArray[np.int64] | None:
        """Return the times that the model needs of rows to predict; None for a model without time effects."""
        return None

    def _scorer(self) -> Scorer:
        """Return what scores the users of training."""
        return FactorScorer(self._factors())

    def _fold(self, rows: Rows, features: NDArray[Any] | None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return factors and biases of users by these rows and their features."""
        raise NotImplementedError(f"{type(self).__name__} declares fold_in and has none")

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

    def predict(self, users: UserIds, items: UserIds, *, clip: bool = True) -> NDArray[np.float64]:
        """Return the predicted value of each user-item pair.

        Args:
            users, items: n ids each (or one id against n).
            clip: clip to ``rating_range_``; scores that rank are never clipped.

        Returns:
            (n,) float64, in the unit of the ratings.

        Raises:
            NotFittedError: before ``fit``.
            UnknownIdError: an id that training did not know.
            ParameterError: as many users as items, or one of either, are needed; or the model's ``score_kind`` is
                "order", and there is no value to predict.
        """
        self._check_can("predict")
        u, i, _ = self._pairs(users, items, None)
        return self.predict_index(u, i, clip=clip)

    def predict_index(
        self, user_index: NDArray[Any], item_index: NDArray[Any], *, clip: bool = True
    ) -> NDArray[np.float64]:
        """Return the predicted value of each pair of positions, (n,) each; as `predict`.

        Raises:
            NotFittedError: before ``fit``.
            ParameterError: the arrays are not flat lists of whole numbers of one length, a position lies outside
                the model, or the model predicts no values.
        """
        self._check_can("predict")
        user_index, item_index = positions("user", user_index), positions("item", item_index)
        if len(user_index) != len(item_index):
            raise ParameterError(f"got {len(user_index)} user positions and {len(item_index)} item positions")
        for ids, index in ((self.users_, user_index), (self.items_, item_index)):
            if len(index) and not (np.min(index) >= 0 and np.max(index) < len(ids)):
                raise ParameterError(f"{ids.what} positions must lie from 0 to {len(ids) - 1}")
        scores = self._scorer().pairs(user_index, item_index)
        return np.clip(scores, *self.rating_range_) if clip and self.score_kind == "rating" else scores

    def predict_rows(self, rows: Interactions) -> NDArray[np.float64]:
        """Return the raw prediction of each row, by position; a model with time effects reads the rows' times.

        Raises:
            NotFittedError: before ``fit``.
            ParameterError: the model predicts no values.
            DataError: the model has time effects and the rows have no times.
        """
        return self.predict_index(rows.user_index, rows.item_index, clip=False)

    def predictive_of(self, rows: Interactions) -> Predictive:
        """Return the distribution of each row's rating, by position.

        Raises:
            NotFittedError: before ``fit``.
            ParameterError: the model has no predictive distribution; names those that have one.
            DataError: the model has time effects and the rows have no times.
        """
        self._check_can("predict_distribution")
        return self._predictive(rows.user_index, rows.item_index, self._times_of(rows))

    def spread_index(self, user_index: NDArray[Any], item_index: NDArray[Any]) -> NDArray[np.float64]:
        """Return the standard deviation of the rating of each pair of positions, (n,): what is not known, and noise.

        Raises:
            NotFittedError: before ``fit``.
            ParameterError: the model has no predictive distribution; names those that have one.
        """
        self._check_can("predict_distribution")
        return self._predictive(user_index, item_index, None).std()

    def predict_interval(
        self, users: UserIds, items: UserIds, level: float = 0.8, *, times: Any = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the central interval that holds the rating with this probability: lower and upper ends, (n,) each.

        Ends are not clipped; those of a model of stars are stars.

        Args:
            users, items: n ids each (or one id against n).
            level: between 0 and 1.
            times: (n,) seconds since 1970 (or one for all), for a model with time effects.

        Raises:
            NotFittedError, UnknownIdError: as `predict`.
            ParameterError: level or the number of ids or times is wrong, or the model has no predictive distribution.
        """
        self._check_can("predict_distribution")
        return self._predictive(*self._pairs(users, items, times)).interval(level)

    def predict_distribution(self, users: UserIds, items: UserIds, *, times: Any = None) -> pl.DataFrame:
        """Return the probability of each star: user_id, item_id, stars, probability; the stars of a pair add up to 1.

        Stars are the whole numbers of ``rating_range_``, or the values that a model of stars has learned.

        Args:
            users, items, times: as in `predict_interval`.

        Raises:
            NotFittedError, UnknownIdError, ParameterError: as `predict_interval`; or the range has more than 100 whole
                numbers, or less than two.
        """
        self._check_can("predict_distribution")
        u, i, when = self._pairs(users, items, times)
        found = self._predictive(u, i, when)
        n = len(found.levels)
        if n < 2:
            raise ParameterError(f"ratings from {self.rating_range_[0]:g} to {self.rating_range_[1]:g} are no stars")
        return pl.DataFrame(
            {
                "user_id": self.users_.at(np.repeat(u, n)),
                "item_id": self.items_.at(np.repeat(i, n)),
                "stars": np.tile(found.levels, len(u)),
                "probability": found.probabilities.reshape(-1),
            }
        )

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
    ) -> pl.DataFrame:
        """Return the best ``n`` items for each user: user_id, rank (from 1), item_id, title, score.

        Exactly min(n, allowed items) rows a user; ties are broken by item index. With ``on_unknown="popular"`` users
        that training did not know get the most rated items, marked by ``source`` = "popular" and without a score.

        Args:
            users: one id or many.
            n: how many items a user.
            exclude_seen: leave out what the user had in training.
            exclude: further pairs to leave out, such as the test part when a person will read the list.
            allow, deny: item ids to choose from; to leave out.
            where: conditions on the item table, such as "genres=Comedy", "year>=1990", or Polars expressions.
            on_unknown: "raise" or "popular".
            clip: show predicted ratings clipped to ``rating_range_``; the order never is, nor are other scores.

        Raises:
            NotFittedError: before ``fit``.
            UnknownIdError: a user with ``on_unknown="raise"``, or an item of allow or deny, is unknown.
            ParameterError: n, on_unknown or a condition is wrong, or training rows were not kept (``store_history``).
            DataError: exclude is no `Interactions`.
        """
        self._check_fitted()
        check_whole("n", n, low=1)
        n = min(n, len(self.items_))
        check_choice("on_unknown", on_unknown, ("raise", "popular"))
        if exclude is not None:
            check_interactions("exclude", exclude)
        wanted = id_list(users)
        index = self.users_.index(wanted, on_unknown="mark" if on_unknown == "popular" else "raise")
        known = index >= 0
        check_64_bits(wanted)
        allowed = allowed_items(self.items_, self.item_table_, allow, deny, where)
        items = np.full((len(index), n), -1, np.int32)
        scores = np.full((len(index), n), np.nan)
        excluded: list[Excluded] = [self._seen()] if exclude_seen else []
        if exclude is not None:
            excluded.append(rows_of_pairs(exclude, self.users_, self.items_))
        items[known], scores[known] = self._scorer().best(
            index[known], n, excluded=excluded, allowed=allowed, n_threads=self.n_threads
        )
        if clip and self.score_kind == "rating":
            scores = np.clip(scores, *self.rating_range_)
        popular = np.empty(0, np.int32) if known.all() else popular_items(self.seen_, len(self.items_), allowed)
        for row in np.flatnonzero(~known):
            best = popular[~np.isin(popular, items_of(exclude, wanted[row], self.items_))][:n]
            items[row, : len(best)] = best
        source = np.where(known, "model", "popular") if on_unknown == "popular" else None
        ids = pl.Series(wanted, dtype=self.users_.values.dtype)
        return list_table(ids, items, scores, self.item_table_, source)

    def fold_in(self, interactions: Interactions, features: Features | None = None) -> Newcomers:
        """Return factors of users by their own rows, with the items as they are; the users may be new to the model.

        Args:
            interactions: rows of any users, of items that the model knows.
            features: of these users, encoded as those of training (``user_encoding_``); None where training had none,
                or where nothing is known of them.

        Raises:
            NotFittedError: before ``fit``.
            ParameterError: this model has no fold-in, or features where training had none; names those that can.
            DataError: interactions is none, or a user has no features where some are given.
            UnknownIdError: an item that training did not know.
        """
        self._check_can("fold_in")
        rows = rows_of(interactions, self.items_)
        factors, biases = self._fold(rows, self._features_of(interactions, features))
        return Newcomers(interactions.users, factors, biases, rows)

    def recommend_for(
        self,
        interactions: Interactions,
        n: int = 10,
        *,
        features: Features | None = None,
        exclude_seen: bool = True,
        allow: Sequence[Id] | None = None,
        deny: Sequence[Id] | None = None,
        where: Condition | Sequence[Condition] | None = None,
    ) -> pl.DataFrame:
        """Return the best ``n`` items for users that are known by these rows alone: `fold_in`, then `recommend`.

        Args:
            interactions: what they gave, or had; users without a row get no list, unless they have features.
            n, allow, deny, where: as in `recommend`.
            features: as in `fold_in`.
            exclude_seen: leave out the items of these rows.

        Raises:
            NotFittedError, ParameterError, DataError, UnknownIdError: as `fold_in` and `recommend`.
        """
        self._check_can("recommend_for")
        check_whole("n", n, low=1)
        rows = rows_of(interactions, self.items_)
        scorer = self._scorer_for(rows, self._features_of(interactions, features))
        excluded = [(rows.indptr, rows.indices)] if exclude_seen else []
        asked = np.diff(rows.indptr) > 0 if features is None else np.ones(interactions.n_users, bool)
        users = np.flatnonzero(asked).astype(np.int32)
        allowed = allowed_items(self.items_, self.item_table_, allow, deny, where)
        n = min(n, len(self.items_))
        items, scores = scorer.best(users, n, excluded=excluded, allowed=allowed, n_threads=self.n_threads)
        return list_table(interactions.users.values[users], items, scores, self.item_table_)

    def explain(self, user: Id, item: Id, *, interactions: Interactions | None = None) -> Explanation:
        """Return the parts of a score: of the user's own items, of biases and features; they add up to it.

        Args:
            user: an id of the training part or, with ``interactions``, of those.
            item: whose score is explained; the user may have had it.
            interactions: rows of users that training did not see, folded in.

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
            row, features = one_row(self.seen_, u), self._stored_features(u)
        else:
            everybody = rows_of(interactions, self.items_)
            row, features = one_row(everybody, int(interactions.users.index([user])[0])), None
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
        found, scores = self._scorer().nearest(index, n, self.n_threads)
        table = list_table(pl.Series(wanted, dtype=self.items_.values.dtype), found, scores, self.item_table_)
        table.columns = ["like", *table.columns[1:]]  # not rename, which would start Polars' threads
        return table

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
        found, scores = nearest(self._factors()[0], index, n, self.n_threads)
        row, rank = np.nonzero(found >= 0)
        like = pl.Series(wanted, dtype=self.users_.values.dtype)[row]
        others = self.users_.values[found[row, rank]]
        return pl.DataFrame({"like": like, "rank": rank + 1, "user_id": others, "score": scores[row, rank]})

    def rank_index(
        self, user_index: NDArray[Any], n: int, *, excluded: Sequence[Excluded] = ()
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the best n items and their scores by position, as `palate.topk.topk` does.

        Args:
            user_index: (m,) positions of users.
            n: how many; at least 1.
            excluded: compressed rows over all users of items to leave out.

        Returns:
            (m, n) items, -1 where fewer are left, and scores.

        Raises:
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        users = np.asarray(user_index, np.int32)
        return self._scorer().best(users, n, excluded=excluded, n_threads=self.n_threads)

    def score_index(self, user_index: NDArray[Any], item_index: NDArray[Any]) -> NDArray[np.float64]:
        """Return the raw score of each pair of positions, (n,) each: what `rank_index` orders by.

        Raises:
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        return self._scorer().pairs(user_index, item_index)

    def score_rows(self, user_index: NDArray[Any]) -> NDArray[np.float64]:
        """Return the raw scores of all items for these users, (m, n_items): give a few users at a time.

        Raises:
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        m, n_items = len(user_index), len(self.items_)
        every = np.tile(np.arange(n_items, dtype=np.int32), m)
        return self.score_index(np.repeat(user_index, n_items), every).reshape(m, n_items)

    # -- helpers ----------------------------------------------------------------------------------------------------

    def _pairs(
        self, users: UserIds, items: UserIds, times: Any
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        """Return positions and times of pairs given by their ids."""
        u, i = self.users_.index(id_list(users)), self.items_.index(id_list(items))
        if len(u) != len(i) and 1 not in (len(u), len(i)):
            raise ParameterError(f"predict takes as many users as items, or one of either; got {len(u)} and {len(i)}")
        u, i = np.broadcast_arrays(u, i)
        if times is None:
            return u, i, None
        when = np.asarray(times)
        self._check_times(when, len(u))
        return u, i, np.broadcast_to(when, u.shape)

    def _check_times(self, times: NDArray[Any], n: int) -> None:
        """Refuse times of ratings where the model looks at none, or that are none."""
        if getattr(self, "time_effects", None) is None:
            raise ParameterError(
                f"this {type(self).__name__} has no time effects and takes no times; BayesianMF has with "
                "time_effects='day,page'"
            )
        if times.dtype.kind not in "iu" or times.shape not in ((), (1,), (n,)):
            raise ParameterError(f"times must be {n} whole numbers, in seconds since 1970")

    def _check_can(self, ability: str) -> None:
        self._check_fitted()
        check_supports(self, ability, "use recommend" if ability == "predict" else "")

    def _features_of(self, interactions: Interactions, features: Features | None) -> NDArray[Any] | None:
        """Return the rows of features of these users; refuse such as training did not have."""
        if features is None:
            return None
        check_features("features", features)
        encoding = getattr(self, "user_encoding_", None)
        if not encoding:
            raise ParameterError("the model was fitted without user_features, and cannot use those of newcomers")
        if [dict(one) for one in features.encoding] != [dict(one) for one in encoding]:
            raise ParameterError(
                "these features were encoded in another way than those of training: make them with "
                "Features.from_table(table, 'user', encoding=model.user_encoding_)"
            )
        return features.on(interactions.users)

    def _stored_features(self, user: int) -> NDArray[Any] | None:
        """Return the features of a training user, (1, n_features), where the model has some."""
        stored = getattr(self, "user_features_", None)
        return None if stored is None or not stored.shape[1] else stored[user : user + 1]

    def _seen(self) -> Excluded:
        if self.seen_ is None:
            raise ParameterError(
                "the model was fitted with store_history=False and does not know what users have seen; "
                "pass exclude_seen=False, and the pairs to leave out as exclude="
            )
        return self.seen_.indptr, self.seen_.indices
