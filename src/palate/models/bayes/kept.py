"""What a `BayesianMF` keeps of its chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from palate.errors import ModelFileError
from palate.models.bayes.chain import Chain
from palate.models.bayes.draw import Draw
from palate.models.bayes.side import Dense, Incidence
from palate.models.bayes.start import BANDS, PLAIN_SIZES, CountEncoding, Encoders, incidence, projected
from palate.models.bayes.time_effects import TimeOffsets
from palate.models.contract.learned import LARGEST_SQUARE, Array, Learned, Levels, Shape
from palate.sparse import Rows


@dataclass(frozen=True, eq=False)
class KeptDraws(Learned):
    """The kept draws of both sides and of all that newcomers need, and how newcomers' rows become features.

    Attributes:
        user_draws, item_draws: (n_users, n_kept, D), (n_items, n_kept, D), [factors, bias], D being n_factors + 1.
        user_scales, item_scales: (n_users, n_kept), (n_items, n_kept), noise scales g and h.
        mean_draws, noise_draws: (n_kept,), mu and alpha.
        cut_draws: (n_kept, n_levels - 1), cut points of the ordinal likelihood.
        prior_means, prior_precisions: (n_kept, D), (n_kept, D, D) of the users, eq. 4.
        dense_weights, incidence_weights: (n_kept, F, D), (n_kept, n_items or 0, D) of the users' features, eq. 3.
        counts_encoding: what `CountEncoding` is made of, or nothing.
        component_projection: (n_items, n_components) of `Components`.
        user_features: (n_users, n_user_features), no rows without features.
        levels: the stars of the ordinal likelihood, or nothing.
    """

    user_draws: Annotated[Array, Shape("n_users", "n_kept", "n_row")]
    item_draws: Annotated[Array, Shape("n_items", "n_kept", "n_row")]
    user_scales: Annotated[Array, Shape("n_users", "n_kept")]
    item_scales: Annotated[Array, Shape("n_items", "n_kept")]
    mean_draws: Annotated[Array, Shape("n_kept")]
    noise_draws: Annotated[Array, Shape("n_kept", largest=LARGEST_SQUARE)]
    cut_draws: Annotated[Array, Shape("n_kept", "n_cuts")]
    prior_means: Annotated[Array, Shape("n_kept", "n_row")]
    prior_precisions: Annotated[Array, Shape("n_kept", "n_row", "n_row", largest=LARGEST_SQUARE)]
    dense_weights: Annotated[Array, Shape("n_kept", "n_dense", "n_row")]
    incidence_weights: Annotated[Array, Shape("n_kept", "n_incidence", "n_row")]
    counts_encoding: Annotated[Array, Shape("n_counts")]
    component_projection: Annotated[Array, Shape("n_projected", "n_components")]
    user_features: Annotated[Array, Shape("n_users_with_features", "n_user_features")]
    levels: Levels

    @property
    def n_kept(self) -> int:
        """How many draws there are."""
        return len(self.mean_draws)

    def __getitem__(self, s: int) -> Draw:
        """Return one draw of what newcomers need."""
        return self.of_items(s, slice(None))

    def of_items(self, s: int, items: Any) -> Draw:
        """Return one draw of what newcomers need, of these items alone: what rows of them need."""
        weights = self.incidence_weights[s]
        return Draw(
            items=np.ascontiguousarray(self.item_draws[items, s]),
            item_scales=np.ascontiguousarray(self.item_scales[items, s]),
            mean=self.mean_draws[s],
            noise=self.noise_draws[s],
            cuts=self.cut_draws[s],
            prior_mean=self.prior_means[s],
            precision=np.ascontiguousarray(self.prior_precisions[s]),
            dense_weights=np.ascontiguousarray(self.dense_weights[s]),
            incidence_weights=weights[items] if len(weights) else weights,
            levels=np.asarray(self.levels),
        )

    def __iter__(self) -> Iterator[Draw]:
        """Yield the draws one after the other."""
        return (self[s] for s in range(self.n_kept))

    def features_of(self, rows: Rows, features: Array | None) -> tuple[Array, Any]:
        """Return the dense features of newcomers (attributes, counts, components), and their incidence.

        Where attributes are not known, they have their mean in training.
        """
        n, parts = rows.n_rows, []
        if self.user_features.shape[1]:
            mean = self.user_features.mean(axis=0, keepdims=True)
            parts.append((mean.repeat(n, axis=0) if features is None else features)[:, 1:])
        if len(self.counts_encoding):
            parts.append(CountEncoding.from_plain(self.counts_encoding).matrix(rows.sizes))
        if self.component_projection.shape[1]:
            parts.append(projected(rows, self.component_projection))
        dense = np.ascontiguousarray(np.concatenate([np.zeros((n, 0)), *parts], axis=1), np.float32)
        return dense, incidence(rows, len(self.item_draws))

    def long_items(self) -> tuple[Array, Array, float]:
        """Return the items as newcomers meet them in all draws: factors side by side, mean biases, and the mean."""
        biases = self.item_draws[:, :, -1].mean(axis=1, dtype=np.float64)
        return side_by_side(self.item_draws), biases, float(self.mean_draws.mean(dtype=np.float64))

    def check(self, n_factors: int) -> None:
        """Refuse draws that do not fit each other, in what their shapes by name do not tell.

        Raises:
            ModelFileError: says what is wrong.
        """
        D = self.prior_means.shape[1]
        n_users, n_items = len(self.user_draws), len(self.item_draws)
        dense = len(self.counts_encoding) and 2 + BANDS
        dense += self.component_projection.shape[1] + max(self.user_features.shape[1] - 1, 0)
        for name, size, allowed in (
            ("n_factors", D - 1, {n_factors}),
            ("cut_draws_", self.cut_draws.shape[1], {max(len(self.levels) - 1, 0)}),
            ("counts_encoding_", len(self.counts_encoding), {0, *PLAIN_SIZES}),
            ("component_projection_", len(self.component_projection), {n_items}),
            ("incidence_weights_", self.incidence_weights.shape[1], {0, n_items}),
            ("dense_weights_", self.dense_weights.shape[1], {dense}),
            ("user_features_", len(self.user_features), {n_users} if self.user_features.shape[1] else {0}),
        ):
            check_size(name, size, allowed)
        if not self.n_kept:
            raise ModelFileError("no draw was kept", subject="draws")
        for name, draws in (
            ("user_scales_", self.user_scales),
            ("item_scales_", self.item_scales),
            ("noise_draws_", self.noise_draws),
        ):
            if not (draws > 0).all():
                raise ModelFileError.of(name, "holds a number that is not above 0")
        if (np.linalg.eigvalsh(self.prior_precisions.astype(np.float64)) <= 0).any():
            raise ModelFileError.of("prior_precisions_", "holds a matrix that is not positive definite")


def check_size(name: str, size: int, allowed: set[int]) -> None:
    """Refuse a size that is none of those allowed.

    Raises:
        ModelFileError: names what has it.
    """
    if size not in allowed:
        wanted = " or ".join(map(str, sorted(allowed)))
        raise ModelFileError.of(name, f"does not fit the other arrays: {size} where there must be {wanted}")


class Kept:
    """The kept draws while the chains run.

    Args:
        wanted: how many there will be.
        chain: one of those that they are taken from.
        encoders: how the rows of users become features.
    """

    CHANGES: ClassVar[tuple[str, ...]] = (
        *("count", "user_draws", "item_draws", "scales", "single", "weights", "offsets", "taus"),
    )

    def __init__(self, wanted: int, chain: Chain, encoders: Encoders) -> None:
        n_users, n_items, D = len(chain.users.X), len(chain.items.X), chain.users.X.shape[1]
        self.wanted, self.encoders = wanted, encoders
        self.levels = [] if chain.stars is None else chain.stars.levels.tolist()
        self.count = 0
        self.user_draws = np.zeros((n_users, wanted, D), np.float32)
        self.item_draws = np.zeros((n_items, wanted, D), np.float32)
        self.scales = np.zeros((n_users, wanted), np.float32), np.zeros((n_items, wanted), np.float32)
        self.single: dict[str, list[Array]] = {
            name: [] for name in ("mean_draws_", "noise_draws_", "cut_draws_", "prior_means_", "prior_precisions_")
        }
        self.weights: dict[str, list[Array]] = {Dense.__name__: [], Incidence.__name__: []}
        self.offsets = {e.name: [np.zeros(len(e.keys)) for _ in range(3)] for e in chain.effects}
        self.keys = {e.name: e.keys for e in chain.effects}
        self.taus = dict.fromkeys(self.offsets, 0.0)

    def add(self, chain: Chain) -> None:
        """Keep a chain's state, where there is room."""
        at = self.count
        if at == self.wanted:
            return
        self.count += 1
        self.user_draws[:, at], self.item_draws[:, at] = chain.users.X, chain.items.X
        self.scales[0][:, at], self.scales[1][:, at] = chain.users.scales, chain.items.scales
        users = chain.users
        cuts = np.zeros(0) if chain.stars is None else chain.stars.cuts
        state = (chain.mu, chain.alpha, cuts, users.mean, users.L)
        for name, value in zip(self.single, state, strict=True):
            self.single[name].append(np.asarray(value, np.float32))
        for kind in (Dense, Incidence):
            groups = [group.B for group in users.groups if isinstance(group, kind)]
            if groups:
                self.weights[kind.__name__].append(np.concatenate(groups).astype(np.float32))
        for effect in chain.effects:
            sums = self.offsets[effect.name]
            for total, more in zip(sums, (effect.means, effect.means**2, effect.variances), strict=True):
                total += more
            self.taus[effect.name] += effect.tau

    def learned(self, features: Array | None) -> KeptDraws:
        """Return the draws; ``features`` of the users, or None."""
        n, D = self.count, self.user_draws.shape[2]

        def stacked(kind: type) -> Array:
            draws = self.weights[kind.__name__]
            return np.stack(draws) if draws else np.zeros((n, 0, D), np.float32)

        of_rows = self.user_draws, self.item_draws, *self.scales
        user_draws, item_draws, user_scales, item_scales = (np.ascontiguousarray(kept[:, :n]) for kept in of_rows)
        mean_draws, noise_draws, cut_draws, prior_means, precisions = map(np.stack, self.single.values())
        return KeptDraws(
            user_draws=user_draws,
            item_draws=item_draws,
            user_scales=user_scales,
            item_scales=item_scales,
            mean_draws=mean_draws,
            noise_draws=noise_draws,
            cut_draws=cut_draws,
            prior_means=prior_means,
            prior_precisions=precisions,
            dense_weights=stacked(Dense),
            incidence_weights=stacked(Incidence),
            counts_encoding=np.zeros(0) if self.encoders.counts is None else self.encoders.counts.plain(),
            component_projection=self.encoders.projection,
            user_features=np.zeros((0, 0), np.float32) if features is None else features,
            levels=self.levels,
        )

    def time_offsets(self) -> TimeOffsets:
        """Return the offsets' means and variances over the draws, and of groups that training never saw."""
        unseen = {name: self.count / tau for name, tau in self.taus.items()}
        day, page, month = (self._offsets_of(name) for name in ("day", "page", "month"))
        return TimeOffsets(*day, *page, *month, unseen)

    def _offsets_of(self, name: str) -> tuple[Array, Array, Array]:
        """Return the groups of an effect, and the means and variances of their offsets."""
        first, second, variances = (s / self.count for s in self.offsets.get(name, [np.zeros(0)] * 3))
        keys = self.keys.get(name, np.zeros((0, 2), np.int64))
        return keys, first, np.maximum(second - first**2, 0) + variances


def side_by_side(rows: Array) -> Array:
    """Return factors of draws (n, n_kept, D) as (n, n_kept (D - 1)), over the root of n_kept: products are means."""
    return np.ascontiguousarray(rows[:, :, :-1].reshape(len(rows), -1) / np.float32(rows.shape[1] ** 0.5))
