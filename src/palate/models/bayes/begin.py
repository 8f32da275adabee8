"""The start of a `BayesianMF`'s chain, and what is watched of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from palate.data.features import Features
from palate.data.ids import Ids
from palate.data.interactions import Interactions
from palate.errors import DataError, ParameterError, Remedy
from palate.models.bayes.asked import Asked, AskedSide, Numbers, OneMore, one_more_component, one_more_count
from palate.models.bayes.chain import Chain, Constants, stream
from palate.models.bayes.chance import ByName
from palate.models.bayes.derived import BayesSettings
from palate.models.bayes.hyper import Hyper
from palate.models.bayes.ordinal import MOST_STARS, Stars, star_probabilities
from palate.models.bayes.start import Components, CountEncoding, Encoders, side
from palate.models.bayes.time_effects import TimeEffect, effect_names, found_groups, keys_of
from palate.models.contract.learner import Training, WarmStart
from palate.models.contract.training_part import rating_limits
from palate.models.ridge.rows import copy_known, on_ids
from palate.sparse import Array

if TYPE_CHECKING:
    from palate.models.bayes.model import BayesianMF


@dataclass(frozen=True)
class Ground:
    """What all chains of a fit stand on: the features of both sides, users first.

    Attributes:
        dense: groups of features, (n_rows, F) each.
        more: what one more cell of a row changes in each of them.
        numbers: of cells of the rows.
        encoders: how users' rows become features.
    """

    dense: tuple[list[Array], list[Array]]
    more: tuple[list[OneMore], list[OneMore]]
    numbers: tuple[Numbers, Numbers]
    encoders: Encoders


def ground_of(model: BayesianMF, training: Training) -> Ground:
    """Return the features of both sides."""
    data = training.data
    by_user, by_item = data.by_user(), data.by_item()
    c = Components.of(by_user, data.n_items, model.n_components)
    sides = []
    for rows, features, vectors, projection in (
        (by_user, _matrix(training.user_features, data.users), c.users, c.projection),
        (by_item, _matrix(training.item_features, data.items), c.items, c.item_projection),
    ):
        numbers = rows.sizes
        counter = CountEncoding.of(numbers) if model.counts else None
        known = features if counter is None else np.concatenate([features, counter.matrix(numbers)], axis=1)
        cells = Numbers.of(numbers, features)
        count = one_more_count(counter, cells, features.shape[1], len(projection))
        pairs = [(known, count), (vectors, one_more_component(vectors, cells, projection))]
        pairs = [pair for pair in pairs if pair[0].shape[1]]
        sides.append(([dense for dense, _ in pairs], [more for _, more in pairs], counter, cells))
    (dense_u, more_u, counter_u, cells_u), (dense_i, more_i, _, cells_i) = sides
    return Ground((dense_u, dense_i), (more_u, more_i), (cells_u, cells_i), Encoders(counter_u, c.projection))


def begun(
    model: BayesianMF,
    training: Training,
    settings: BayesSettings,
    ground: Ground,
    seed: int,
    number: int = 0,
    unit: float = 1.0,
    *,
    by_name: bool = False,
) -> tuple[Chain, Asked | None]:
    """Return a chain before its first sweep, and what a question brings.

    The last is None where there is no incidence in any form.

    Args:
        settings: parameters that may follow from the data.
        number: which of the chains of this seed.
        unit: what the ratings were divided by; the prior of mu and the model to start from are in the ratings' own.
        by_name: whether the numbers that rows are drawn by follow from their positions.

    Raises:
        DataError: time effects are asked for and the data has no times.
        ParameterError: the ordinal likelihood, and too many different values.
    """
    data = training.data
    by_user, by_item = data.by_user(), data.by_item()
    hyper = Hyper(settings.wishart_scale, settings.wishart_df, model.mean_strength, model.ridge_shape, model.ridge_rate)
    rng = stream(seed, number, 0)
    D = settings.n_factors + 1
    chance, n = ByName(seed, number, 0), (data.n_users, data.n_items)
    first = [chance.normals(which, n[which], D) if by_name else rng.standard_normal((n[which], D)) for which in (0, 1)]
    options: dict[str, Any] = {"init_scale": model.init_scale, "incidence": model.incidence}
    users = side(by_user, by_item, ground.dense[0], hyper, first[0], **options)
    items = side(by_item, by_user, ground.dense[1], hyper, first[1], **options)
    sd = None if model.mean_sd is None else model.mean_sd / unit
    noise = settings.noise_shape, settings.noise_rate
    constants = Constants(model.mean_center / unit, sd, *noise, model.scale_df)
    chain = Chain(users, items, constants, seed, _effects(model, training), _stars(model, training), number, by_name)
    if chain.stars is None:
        chain.mu = float(np.mean(data.values, dtype=np.float64))
    if training.start is not None:
        _go_on_from(chain, training.start, data, unit)
    more = ground.more
    brings = model.incidence or any(part.always.any() or part.brings.any() for part in (*more[0], *more[1]))
    if not brings:
        return chain, None
    numbers, part = ground.numbers, training.validation
    of_users = AskedSide.of(users, more[0], numbers[0], data.n_items)
    of_items = AskedSide.of(items, more[1], numbers[1], data.n_users)
    pairs = (np.zeros(0, np.int32),) * 2 if part is None else (part.user_index, part.item_index)
    return chain, Asked(of_users, of_items, *pairs)


def _matrix(features: Features | None, ids: Ids) -> Array:
    """Return features without the column of ones: rows have a mean of their own."""
    matrix = on_ids(features, ids)
    return np.zeros((len(ids), 0), np.float32) if matrix is None else matrix[:, 1:]


def _effects(model: BayesianMF, training: Training) -> list[TimeEffect]:
    names, data = effect_names(model.time_effects), training.data
    if names and data.times is None:
        raise DataError(
            f"time_effects='{model.time_effects}' needs the time of each rating, and these have none",
            subject="time_effects",
            code="times",
        )
    order = np.lexsort((data.item_index, data.user_index))
    return [TimeEffect.of(name, data, order, model.time_shape, model.time_rate) for name in names]


def _stars(model: BayesianMF, training: Training) -> Stars | None:
    if model.likelihood == "gaussian":
        return None
    order = np.lexsort((training.data.item_index, training.data.user_index))
    levels, index = np.unique(training.data.values[order], return_inverse=True)
    if not 2 <= len(levels) <= MOST_STARS:
        raise ParameterError(
            f"likelihood='ordinal' is for 2 to {MOST_STARS} different values, and these ratings have {len(levels)}",
            Remedy(": take 'gaussian'"),
            subject="likelihood",
        )
    return Stars(levels.astype(np.float64), index, int(model.n_burn_in))


def _go_on_from(chain: Chain, start: WarmStart, data: Interactions, unit: float) -> None:
    """Begin with the rows, mu and alpha of a fitted model's last draw, by the ids that both know."""
    unit32 = np.float32(unit)
    copy_known(chain.users.X[:, :-1], data.users, start.P / unit32, start.users)
    copy_known(chain.users.X[:, -1], data.users, start.b / unit32, start.users)
    copy_known(chain.items.X[:, :-1], data.items, start.Q, start.items)  # factors of items have no unit
    copy_known(chain.items.X[:, -1], data.items, start.c / unit32, start.items)
    if chain.stars is None and start.noise_precision is not None:
        chain.mu, chain.alpha = start.mean / unit, start.noise_precision * unit**2


class Watch:
    """Figures of one chain's sweeps: of each draw, and of the sum of the draws so far on a validation part."""

    CHANGES: ClassVar[tuple[str, ...]] = ("total", "count")

    def __init__(self, chain: Chain, training: Training, asked: Asked | None) -> None:
        self.chain, self.asked, self.part = chain, asked, training.validation
        self.limits = rating_limits(training.data)
        self.total: Array = np.zeros(0 if self.part is None else len(self.part))
        self.count = 0
        self.last, self.own = self.total, self.total  # of the sweep just done: expected ratings, and their own cells
        self._groups = [] if self.part is None else [_groups_of(effect, self.part) for effect in chain.effects]

    def record(self, *, warm: bool) -> dict[str, float]:
        """Return the figures of the sweep just done; ``warm`` once the warm-up is over."""
        record = {"loss": self.chain.loss, **self.chain.norms()}
        if self.part is not None:
            self.last = self._scores(self.part)
            self.own = np.zeros(len(self.part)) if self.asked is None else self.asked.mean()
            if self.chain.stars is not None:
                self.last, self.own = self._expected_stars(self.last + self.own, self.part), 0 * self.own
            if warm:
                self.total, self.count = self.total + self.last, self.count + 1
            record["validation_rmse_draw"] = self.error(self.last + self.own)
        return record

    def error(self, guess: Array) -> float:
        """Return the RMSE of expected ratings of the validation part."""
        part: Any = self.part
        return float(np.sqrt(np.mean((np.clip(guess, *self.limits) - part.values) ** 2)))

    def _scores(self, part: Interactions) -> Array:
        """Return the scores of the rows in this draw."""
        chain, u, i = self.chain, part.user_index, part.item_index
        P, Q = chain.users.means[u], chain.items.X[i]
        scores = chain.mu + np.einsum("nf,nf->n", P[:, :-1], Q[:, :-1], dtype=np.float64) + P[:, -1] + Q[:, -1]
        for effect, groups in zip(chain.effects, self._groups, strict=True):
            scores += np.where(groups >= 0, effect.values[groups], 0)
        return np.asarray(scores)

    def _expected_stars(self, scores: Array, part: Interactions) -> Array:
        chain, u, i = self.chain, part.user_index, part.item_index
        stars: Any = chain.stars
        sd = 1 / np.sqrt(chain.users.scales[u] * chain.items.scales[i].astype(np.float64))
        expected: Array = star_probabilities(scores, sd, stars.cuts) @ stars.levels
        return expected


def _groups_of(effect: TimeEffect, part: Interactions) -> Array:
    if part.times is None:
        raise DataError(
            f"time effects need the time of each rating, and those of the {effect.name}s to predict have none",
            code="times",
            subject="time_effects",
        )
    return found_groups(effect.keys, keys_of(effect.name, part.user_index, part.item_index, part.times))
