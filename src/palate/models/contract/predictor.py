"""What a fitted model says of pairs: scores, predicted ratings, and how sure it is of them."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.errors import ParameterError
from palate.models.contract.abilities import PredictsDistribution, cannot, models_that
from palate.models.contract.answers import UserIds, id_list
from palate.models.contract.pairs_of_people import distribution_of, paired
from palate.models.contract.parameters import check_choice
from palate.models.contract.person import Person, Users, users_of
from palate.models.contract.predictive import Predictive
from palate.models.contract.ranked import Ranked
from palate.models.contract.state import positions

T = TypeVar("T")


class Predictor(Ranked):
    """Scores of pairs of a user and an item; the final classes say how they score."""

    @property
    def _predicts_scores(self) -> bool:
        """Whether what is predicted of a pair is its score; not so where scores are latent ratings."""
        return True

    def _times_of(self, rows: Interactions) -> NDArray[np.int64] | None:
        """Return the times that the model needs of rows to predict; None for a model without time effects."""
        return None

    def _mean_of(self, user_index: NDArray[Any], item_index: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return the mean and the bias of whichever is known, (n,); None for a model without biases."""
        return None

    def _distribution(self, u: NDArray[Any], i: NDArray[Any], times: NDArray[Any] | None) -> Predictive:
        if not isinstance(self, PredictsDistribution):
            raise cannot(self, "predict_distribution")
        return self._predictive(u, i, times)

    def predict(
        self, users: Users, items: UserIds, *, clip: bool = True, on_unknown: str = "raise"
    ) -> NDArray[np.float64]:
        """Return the predicted value of each user-item pair.

        Args:
            users: n ids or people (`Recommender.person`), or one against n items.
            items: n ids, or one against n users.
            clip: clip to ``rating_range_``; scores that rank are never clipped.
            on_unknown: of a pair with an id that training did not know, "raise" an error, give the "mean" (`mean_of`),
                or "nan".

        Returns:
            (n,) float64, in the unit of the ratings.

        Raises:
            NotFittedError: before ``fit``.
            UnknownIdError: an id that training did not know, with ``on_unknown="raise"``.
            ParameterError: as many users as items, or one of either, are needed; on_unknown is none of the three; or
                the model's ``score_kind`` is "order", and there is no value to predict.
        """
        self._check_can("predict")
        wanted = id_list(users)
        if any(isinstance(user, Person) for user in wanted):
            return self._predicted_of_people(wanted, items, on_unknown, clip=clip)
        u, i, _ = self._pairs(wanted, items, None, on_unknown)
        return self._predicted(u, i, on_unknown, clip=clip)

    def _predicted_of_people(
        self, wanted: list[Any], items: UserIds, on_unknown: str, *, clip: bool
    ) -> NDArray[np.float64]:
        """Return the predictions of people that the model has not seen, perhaps among others: what their lists say."""
        check_choice("on_unknown", on_unknown, ("raise", "mean", "nan"))
        mark = "raise" if on_unknown == "raise" else "mark"
        item_index = self.items_.index(id_list(items), on_unknown=mark)
        who, i = paired(np.arange(len(wanted)), item_index)
        values, known = np.full(len(who), np.nan), np.zeros(len(who), bool)
        for group in users_of(self, wanted, mark)[1]:
            place = np.full(len(wanted), -1, np.int32)
            place[group.at] = group.users
            own = (place[who] >= 0) & (i >= 0)
            values[own], known = group.ranker.scorer.pairs(place[who][own], i[own]), known | own
        if on_unknown == "mean":
            nobody = np.full((~known).sum(), -1)
            values[~known] = self.mean_of(nobody, i[~known])
        return np.clip(values, *self.rating_range_) if clip and self.score_kind == "rating" else values

    def _predicted(
        self, u: NDArray[Any], i: NDArray[Any], on_unknown: str, *, clip: bool, **more: Any
    ) -> NDArray[np.float64]:
        """Return the predictions of pairs of positions, -1 where an id is unknown; ``more`` goes to `predict_index`."""
        known = (u >= 0) & (i >= 0)
        more = {name: value if value is None else value[known] for name, value in more.items()}
        scores = np.full(len(u), np.nan)
        scores[known] = self.predict_index(u[known], i[known], clip=clip, **more)
        if on_unknown == "mean":
            means = self.mean_of(u[~known], i[~known])
            scores[~known] = np.clip(means, *self.rating_range_) if clip else means
        return scores

    def mean_of(self, user_index: NDArray[Any], item_index: NDArray[Any]) -> NDArray[np.float64]:
        """Return what is predicted of pairs where a user or an item (position -1) is unknown, (n,).

        The mean, and the bias of whichever is known; of a model without biases, and of stars, the mean rating of
        training.

        Raises:
            NotFittedError: before ``fit``.
            ParameterError: the model predicts no values, or has no biases, and is of an older file that tells no mean.
        """
        self._check_can("predict")
        means = self._mean_of(user_index, item_index)
        return np.full(len(user_index), self._mean_rating()) if means is None else means

    def _mean_rating(self) -> float:
        if self.seen_ is not None:
            return float(self.seen_.values.mean(dtype=np.float64))
        if self.rated_ is None:
            raise ParameterError(
                "this model, of an older file without training rows, does not know the mean rating",
                code="no_history",
                subject="mean",
            )
        return float(np.average(self.rated_.means, weights=self.rated_.counts))

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
            raise ParameterError(
                f"got {len(user_index)} user positions and {len(item_index)} item positions", subject="positions"
            )
        for ids, index in ((self.users_, user_index), (self.items_, item_index)):
            if len(index) and not (np.min(index) >= 0 and np.max(index) < len(ids)):
                raise ParameterError.of(ids.what, f"positions must lie from 0 to {len(ids) - 1}")
        scores = self.ranker.scorer.pairs(user_index, item_index)
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
        return self._distribution(rows.user_index, rows.item_index, self._times_of(rows))

    def spread_index(self, user_index: NDArray[Any], item_index: NDArray[Any]) -> NDArray[np.float64]:
        """Return the standard deviation of the rating of each pair of positions, (n,): what is not known, and noise.

        Raises:
            NotFittedError: before ``fit``.
            ParameterError: the model has no predictive distribution; names those that have one.
        """
        self._check_can("predict_distribution")
        return self._distribution(user_index, item_index, None).std()

    def predict_interval(
        self, users: Users, items: UserIds, level: float = 0.8, *, times: Any = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the central interval that holds the rating with this probability: lower and upper ends, (n,) each.

        Ends are not clipped; those of a model of stars are stars.

        Args:
            users, items: n ids each (or one id against n); a user may be a `person`.
            level: between 0 and 1.
            times: (n,) seconds since 1970 (or one for all), for a model with time effects; not with people.

        Raises:
            NotFittedError, UnknownIdError: as `predict`.
            ParameterError: level or the number of ids or times is wrong, or the model has no predictive distribution.
        """
        self._check_can("predict_distribution")
        wanted = id_list(users)
        if any(isinstance(user, Person) for user in wanted):
            self._no_times_with_people(times)
            return distribution_of(self, wanted, items)[1].interval(level)
        return self._distribution(*self._pairs(wanted, items, times)).interval(level)

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
        distribution = self._distribution(u, i, when)
        n = len(distribution.levels)
        if n < 2:
            raise ParameterError(
                f"ratings from {self.rating_range_[0]:g} to {self.rating_range_[1]:g} are no stars",
                code="not_offered",
                subject="stars",
            )
        return pl.DataFrame(
            {
                "user_id": self.users_.at(np.repeat(u, n)),
                "item_id": self.items_.at(np.repeat(i, n)),
                "stars": np.tile(distribution.levels, len(u)),
                "probability": distribution.probabilities.reshape(-1),
            }
        )

    # -- helpers ----------------------------------------------------------------------------------------------------

    def _pairs(
        self, users: UserIds, items: UserIds, times: Any, on_unknown: str = "raise"
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        """Return positions and times of pairs given by their ids; -1 for an unknown one, unless that is an error."""
        check_choice("on_unknown", on_unknown, ("raise", "mean", "nan"))
        mark = "raise" if on_unknown == "raise" else "mark"
        u = self.users_.index(id_list(users), on_unknown=mark)
        i = self.items_.index(id_list(items), on_unknown=mark)
        u, i = paired(u, i)
        if times is None:
            return u, i, None
        when = np.asarray(times)
        self._check_times(when, len(u))
        return u, i, np.broadcast_to(when, u.shape)

    def _no_times_with_people(self, times: Any) -> None:
        if times is not None:
            raise ParameterError.of("times", "go with users of training, not with people it has not seen")

    def _check_times(self, times: NDArray[Any], n: int) -> None:
        """Refuse times of ratings where the model looks at none, or that are none."""
        if getattr(self, "time_effects", None) is None:
            able = " and ".join(
                cls.__name__ for cls in models_that(lambda cls: "time_effects" in cls.parameter_names())
            )
            raise ParameterError(
                f"this {type(self).__name__} has no time effects and takes no times; {able} has with "
                "time_effects='day,page'",
                code="not_offered",
                subject="times",
            )
        if times.dtype.kind not in "iu" or times.shape not in ((), (1,), (n,)):
            raise ParameterError.of("times", f"must be {n} whole numbers, in seconds since 1970")
