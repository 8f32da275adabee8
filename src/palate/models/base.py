"""The contract of every model: parameters, learned state, prediction and recommendation."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.ids import Id, Ids
from palate.data.interactions import Interactions, Rows, check_interactions
from palate.data.items import Condition, matching_items
from palate.errors import ModelFileError, NotFittedError, ParameterError, UnknownIdError
from palate.models.newcomers import Newcomers, nearest
from palate.models.parameters import check_choice, check_whole
from palate.models.search import SearchSpace
from palate.models.state import ModelState, positions
from palate.models.training_part import rating_limits
from palate.progress import ProgressCallback, silent
from palate.topk import Excluded, score_pairs, topk

UserIds = Id | Iterable[Id] | pl.Series
ScoreKind = Literal["rating", "probability", "order"]


class Recommender(ABC):
    """Base of all models; holds no state of its own beyond what ``fit`` stores.

    Learned attributes, besides the class's own: ``users_``, ``items_`` (ids), ``seen_`` (training rows),
    ``item_table_`` (columns to show), ``rating_range_``, ``history_`` (one record an epoch), ``best_epoch_``,
    ``epoch_chosen_on_`` ("validation" or "none"), ``interrupted_``; and ``seed_`` where chance plays a part. A model
    computed in one go has an empty history and best epoch 0.
    """

    key: ClassVar[str]
    score_kind: ClassVar[ScoreKind]  # what a score is: a predicted rating, a probability, or good for an order alone
    search_space: ClassVar[SearchSpace] = {}  # what a search may try for which parameter
    presets: ClassVar[tuple[str, ...]] = ()  # class methods that give a ready-made parameter set
    learned_arrays: ClassVar[Mapping[str, tuple[str, ...]]]  # attribute: shape in the words n_users, n_items, n_factors
    learned_scalars: ClassVar[tuple[str, ...]]  # attributes that JSON can hold

    store_history: bool
    n_threads: int | None
    users_: Ids
    items_: Ids
    seen_: Rows | None
    item_table_: pl.DataFrame
    rating_range_: tuple[float, float]
    history_: list[dict[str, float]]
    best_epoch_: int = 0
    epoch_chosen_on_: str = "none"
    interrupted_: bool = False
    seed_: int

    @abstractmethod
    def fit(
        self,
        interactions: Interactions,
        *,
        validation: Interactions | None = None,
        items: Any = None,
        progress: ProgressCallback = silent,
    ) -> Self:
        """Learn from interactions; see the class."""

    @abstractmethod
    def check_parameters(self) -> None:
        """Refuse parameters outside their type or range; ``fit`` calls it first."""

    @abstractmethod
    def _factors(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], float]:
        """Return P (n_users, k), Q (n_items, k), b, c and mean: score = mean + b_u + c_i + P_u . Q_i."""

    # -- parameters -------------------------------------------------------------------------------------------------

    @classmethod
    def parameter_names(cls) -> list[str]:
        """Return the constructor's parameters, in order."""
        return [name for name in inspect.signature(cls).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters with their values, as scikit-learn's ``clone`` asks for them."""
        return {name: getattr(self, name) for name in self.parameter_names()}

    def set_params(self, **parameters: Any) -> Self:
        """Set constructor parameters by name.

        Raises:
            ParameterError: a name is not a parameter of this model.
        """
        known = self.parameter_names()
        for name, value in parameters.items():
            if name not in known:
                raise ParameterError(f"{type(self).__name__} has no parameter '{name}'; it has {', '.join(known)}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = {n: p.default for n, p in inspect.signature(type(self)).parameters.items()}
        changed = [f"{n}={v!r}" for n, v in self.get_params().items() if v != defaults[n]]
        return f"{type(self).__name__}({', '.join(changed)})"

    # -- answers ----------------------------------------------------------------------------------------------------

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
        self._check_fitted()
        self._check_predicts()
        u, i = self.users_.index(self._id_list(users)), self.items_.index(self._id_list(items))
        if len(u) != len(i) and 1 not in (len(u), len(i)):
            raise ParameterError(f"predict takes as many users as items, or one of either; got {len(u)} and {len(i)}")
        u, i = np.broadcast_arrays(u, i)
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
        self._check_fitted()
        self._check_predicts()
        user_index, item_index = positions("user", user_index), positions("item", item_index)
        if len(user_index) != len(item_index):
            raise ParameterError(f"got {len(user_index)} user positions and {len(item_index)} item positions")
        for ids, index in ((self.users_, user_index), (self.items_, item_index)):
            if len(index) and not (np.min(index) >= 0 and np.max(index) < len(ids)):
                raise ParameterError(f"{ids.what} positions must lie from 0 to {len(ids) - 1}")
        scores = score_pairs(self._factors(), user_index, item_index)
        return np.clip(scores, *self.rating_range_) if clip and self.score_kind == "rating" else scores

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
        wanted = self._id_list(users)
        index = self.users_.index(wanted, on_unknown="mark" if on_unknown == "popular" else "raise")
        known = index >= 0
        self._check_64_bits(wanted)
        allowed = self._allowed(allow, deny, where)
        items = np.full((len(index), n), -1, np.int32)
        scores = np.full((len(index), n), np.nan)
        excluded = [*([self._seen()] if exclude_seen else []), *([self._pairs(exclude)] if exclude is not None else [])]
        items[known], scores[known] = topk(
            self._factors(), index[known], n, excluded=excluded, allowed=allowed, n_threads=self.n_threads
        )
        if clip and self.score_kind == "rating":
            scores = np.clip(scores, *self.rating_range_)
        popular = np.empty(0, np.int32) if known.all() else self._popular(allowed)
        for row in np.flatnonzero(~known):
            best = popular[~np.isin(popular, self._items_of(exclude, wanted[row]))][:n]
            items[row, : len(best)] = best
        source = np.where(known, "model", "popular") if on_unknown == "popular" else None
        return self._table(wanted, items, scores, source)

    def fold_in(self, interactions: Interactions) -> Newcomers:
        """Return factors of users by their own rows alone, with the items as they are; they may be new to the model.

        Raises:
            NotFittedError: before ``fit``.
            ParameterError: this model has no fold-in; names those that have one.
            UnknownIdError: an item that training did not know.
        """
        self._check_fitted()
        from palate.models import MODELS

        able = [key for key, cls in MODELS.items() if cls.fold_in is not Recommender.fold_in]
        raise ParameterError(f"{type(self).__name__} cannot fold users in; {', '.join(able)} can")

    def recommend_for(
        self,
        interactions: Interactions,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        allow: Sequence[Id] | None = None,
        deny: Sequence[Id] | None = None,
        where: Condition | Sequence[Condition] | None = None,
    ) -> pl.DataFrame:
        """Return the best ``n`` items for users that are known by these rows alone: `fold_in`, then `recommend`.

        Args:
            interactions: what they gave, or had; users without a row get no list.
            n, allow, deny, where: as in `recommend`.
            exclude_seen: leave out the items of these rows.

        Raises:
            NotFittedError, UnknownIdError, ParameterError: as `fold_in` and `recommend`.
        """
        new = self.fold_in(interactions)
        check_whole("n", n, low=1)
        n = min(n, len(self.items_))
        _, Q, _, c, mean = self._factors()
        excluded = [(new.rows.indptr, new.rows.indices)] if exclude_seen else []
        users = np.flatnonzero(np.diff(new.rows.indptr)).astype(np.int32)
        allowed = self._allowed(allow, deny, where)
        factors = (new.factors, Q, new.biases, c, mean)
        items, scores = topk(factors, users, n, excluded=excluded, allowed=allowed, n_threads=self.n_threads)
        return self._table(new.users.values[users], items, scores, None)

    def similar_items(self, items: UserIds, n: int = 10) -> pl.DataFrame:
        """Return the ``n`` items nearest to each item by the cosine of their factors.

        Returns:
            like (the item's id), rank, item_id, title, score (the cosine); an item is not similar to itself.

        Raises:
            NotFittedError: before ``fit``.
            UnknownIdError: an item that training did not know.
            ParameterError: n is below 1, or the model has no factors.
        """
        self._check_fitted()
        check_whole("n", n, low=1)
        wanted = self._id_list(items)
        index = self.items_.index(wanted).astype(np.int32)
        found, scores = nearest(type(self).__name__, self._factors()[1], index, n, self.n_threads)
        table = self._table(pl.Series(wanted, dtype=self.items_.values.dtype), found, scores, None)
        return table.rename({"user_id": "like"})

    def similar_users(self, users: UserIds, n: int = 10) -> pl.DataFrame:
        """Return the ``n`` users nearest to each user by the cosine of their factors: like, rank, user_id, score.

        Raises:
            NotFittedError: before ``fit``.
            UnknownIdError: a user that training did not know.
            ParameterError: n is below 1, or the model has no factors.
        """
        self._check_fitted()
        check_whole("n", n, low=1)
        wanted = self._id_list(users)
        index = self.users_.index(wanted).astype(np.int32)
        found, scores = nearest(type(self).__name__, self._factors()[0], index, n, self.n_threads)
        row, rank = np.nonzero(found >= 0)
        like = pl.Series(wanted, dtype=self.users_.values.dtype)[row]
        return pl.DataFrame(
            {
                "like": like,
                "rank": rank + 1,
                "user_id": self.users_.values[found[row, rank]],
                "score": scores[row, rank],
            }
        )

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
        return topk(self._factors(), users, n, excluded=excluded, n_threads=self.n_threads)

    def score_index(self, user_index: NDArray[Any], item_index: NDArray[Any]) -> NDArray[np.float64]:
        """Return the raw score of each pair of positions, (n,) each: what `rank_index` orders by.

        Raises:
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        return score_pairs(self._factors(), user_index, item_index)

    def score_rows(self, user_index: NDArray[Any]) -> NDArray[np.float64]:
        """Return the raw scores of all items for these users, (m, n_items): give a few users at a time.

        Raises:
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        m, n_items = len(user_index), len(self.items_)
        every = np.tile(np.arange(n_items, dtype=np.int32), m)
        return self.score_index(np.repeat(user_index, n_items), every).reshape(m, n_items)

    # -- state ------------------------------------------------------------------------------------------------------

    def state(self) -> ModelState:
        """Return all that the fitted model is, as plain data.

        Raises:
            NotFittedError: before ``fit``.
        """
        self._check_fitted()
        parameters = {n: v.item() if isinstance(v, np.generic) else v for n, v in self.get_params().items()}
        if isinstance(parameters.get("random_state"), np.random.Generator):
            parameters["random_state"] = self.seed_  # a Generator cannot be written; the seed it gave can
        return ModelState(
            key=self.key,
            parameters=parameters,
            learned={name: getattr(self, name) for name in self.learned_scalars},
            arrays={name: getattr(self, name) for name in self.learned_arrays},
            users=self.users_,
            items=self.items_,
            seen=self.seen_,
            item_table=self.item_table_,
        )

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        """Return the fitted model that a state describes.

        Raises:
            ModelFileError: parameters, learned values, arrays or their shapes are not those of this class.
        """
        names = set(cls.parameter_names())
        for what, given, wanted in (
            ("parameters", set(state.parameters), names),
            ("learned values", set(state.learned), set(cls.learned_scalars)),
            ("arrays", set(state.arrays), set(cls.learned_arrays)),
        ):
            if given != wanted:
                odd = ", ".join(sorted(given ^ wanted))
                raise ModelFileError(f"the {what} of a {cls.__name__} are not as they should be: {odd}")
        model = cls(**state.parameters)
        model.history_ = []
        sizes = {"n_users": len(state.users), "n_items": len(state.items)}
        for name, words in cls.learned_arrays.items():
            array = state.arrays[name]
            shape = tuple(sizes.setdefault(word, size) for word, size in zip(words, array.shape, strict=False))
            if array.shape != shape or array.ndim != len(words):
                raise ModelFileError(f"{name} has shape {array.shape}, but {' x '.join(words)} is {shape}")
            setattr(model, name, array)
        if len(state.item_table) != len(state.items):
            raise ModelFileError(f"the item table has {len(state.item_table)} rows for {len(state.items)} items")
        for name, value in state.learned.items():
            setattr(model, name, value)
        model.rating_range_ = (float(model.rating_range_[0]), float(model.rating_range_[1]))
        model.users_, model.items_ = state.users, state.items
        model.seen_, model.item_table_ = state.seen, state.item_table
        return model

    # -- helpers ----------------------------------------------------------------------------------------------------

    def _check_fitted(self) -> None:
        if not hasattr(self, "users_"):
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet: call fit(interactions) first")

    def _check_predicts(self) -> None:
        if self.score_kind == "order":
            raise ParameterError(
                f"{type(self).__name__} orders items and predicts no ratings; use recommend, "
                "or a model such as baseline"
            )

    def _remember(self, data: Interactions, item_table: pl.DataFrame, rows: Rows | None = None) -> None:
        """Keep what every model knows of its training part; ``rows`` are its compressed rows where they are made."""
        self.users_, self.items_ = data.users, data.items
        self.item_table_ = item_table
        self.rating_range_ = rating_limits(data)
        self.seen_ = (rows or data.by_user()) if self.store_history else None
        self.history_ = []

    @staticmethod
    def _id_list(ids: UserIds) -> list[Id]:
        """Return one id or many as a list of plain ids; their types are checked where they are looked up."""
        if isinstance(ids, np.ndarray) and ids.ndim > 1:
            raise ParameterError(f"give one id or a flat list of ids, got an array of shape {ids.shape}")
        if isinstance(ids, np.ndarray) and ids.ndim == 0:
            ids = ids.item()
        several: list[Any] = [ids] if isinstance(ids, str | bytes) or not isinstance(ids, Iterable) else list(ids)
        return [one.item() if isinstance(one, np.generic) else one for one in several]

    def _check_64_bits(self, users: list[Id]) -> None:
        """Refuse an integer that the answer's column of ids cannot hold."""
        for one in users:
            if isinstance(one, int) and not -(2**63) <= one < 2**63:
                raise UnknownIdError(f"unknown user id {one}: integer ids have 64 bits")

    def _seen(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        if self.seen_ is None:
            raise ParameterError(
                "the model was fitted with store_history=False and does not know what users have seen; "
                "pass exclude_seen=False, and the pairs to leave out as exclude="
            )
        return self.seen_.indptr, self.seen_.indices

    def _pairs(self, exclude: Interactions) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return pairs to leave out as compressed rows of this model; unknown ids need no leaving out."""
        users = self.users_.index(exclude.users.values, on_unknown="mark")[exclude.user_index]
        items = self.items_.index(exclude.items.values, on_unknown="mark")[exclude.item_index]
        known = (users >= 0) & (items >= 0)
        order = np.lexsort((items[known], users[known]))
        counts = np.bincount(users[known], minlength=len(self.users_))
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), items[known][order]

    def _allowed(
        self, allow: Sequence[Id] | None, deny: Sequence[Id] | None, where: Condition | Sequence[Condition] | None
    ) -> NDArray[np.bool_] | None:
        if allow is None and deny is None and where is None:
            return None
        allowed = np.ones(len(self.items_), bool)
        if allow is not None:
            allowed[:] = False
            allowed[self.items_.index(self._id_list(allow))] = True
        if deny is not None:
            allowed[self.items_.index(self._id_list(deny))] = False
        if where is not None:
            allowed &= matching_items(self.item_table_, where)
        return allowed

    def _items_of(self, exclude: Interactions | None, user: Id) -> NDArray[np.int32]:
        """Return the items to leave out for a user that the model does not know; -1 for unknown items."""
        if exclude is None:
            return np.empty(0, np.int32)
        rows = exclude.user_index == exclude.users.index([user], on_unknown="mark")[0]
        return self.items_.index(exclude.items.at(exclude.item_index[rows]), on_unknown="mark")

    def _popular(self, allowed: NDArray[np.bool_] | None) -> NDArray[np.int32]:
        """Return the items, most rated first, ties by their mean value, then by item index."""
        if self.seen_ is None:
            raise ParameterError(
                "the model was fitted with store_history=False and does not know which items are popular; "
                "leave out unknown users, or fit with store_history=True"
            )
        counts = np.bincount(self.seen_.indices, minlength=len(self.items_))
        sums = np.bincount(self.seen_.indices, self.seen_.values, minlength=len(self.items_))
        means = sums / np.maximum(counts, 1)
        order = np.lexsort((-means, -counts)).astype(np.int32)
        return order[allowed[order]] if allowed is not None else order

    def _table(
        self,
        users: list[Id] | pl.Series,
        items: NDArray[np.int32],
        scores: NDArray[np.float64],
        source: NDArray[Any] | None,
    ) -> pl.DataFrame:
        row, rank = np.nonzero(items >= 0)
        found = items[row, rank]
        shown = self.item_table_.select("item_id", "title")[found]
        ids = users if isinstance(users, pl.Series) else pl.Series(users, dtype=self.users_.values.dtype)
        table = pl.DataFrame({"user_id": ids[row], "rank": rank + 1})
        table = table.hstack(shown).with_columns(score=pl.Series(scores[row, rank]).fill_nan(None))
        return table if source is None else table.with_columns(source=pl.Series(source)[row])
