"""What a `BayesianMF` has learned: the mean score and the kept draws, and what they say of ratings and newcomers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from palate.errors import ModelFileError
from palate.models.bayes.derived import BayesSettings
from palate.models.bayes.folded import FoldedRatings
from palate.models.bayes.kept import KeptDraws, check_size
from palate.models.bayes.mean import MeanFactors
from palate.models.bayes.predictive import grouped
from palate.models.bayes.time_effects import EFFECTS, TimeOffsets
from palate.models.contract.explanation import Part
from palate.models.contract.learned import Array, Course, Learned, StoredEncoding
from palate.models.contract.predictive import Predictive
from palate.models.ridge.rows import feature_names
from palate.parallel import Workers, chunks
from palate.sparse import Rows
from palate.topk import score_pairs

ROWS = 1 << 12  # pairs whose draws are held at once

POWERS = {
    **dict.fromkeys(("user_factors_", "user_biases_", "item_biases_", "user_draws_", "mean_draws_", "prior_means_"), 1),
    **dict.fromkeys(("dense_weights_", "incidence_weights_"), 1),
    **dict.fromkeys(("noise_draws_", "prior_precisions_"), -2),
    **{f"{name}_offsets_": 1 for name in EFFECTS},
    **{f"{name}_variances_": 2 for name in EFFECTS},
}  # of the unit that was sampled in, by array; item_draws_ are mixed


@dataclass(frozen=True, eq=False)
class Posterior(Learned):
    """The posterior as it is kept.

    Attributes:
        score: its mean score over all sweeps.
        draws: of the sweeps that were kept.
        time: offsets by group of ratings.
        user_encoding, item_encoding: how the features were made.
        settings: parameters as they were used.
        course: of the sampling.
    """

    score: MeanFactors
    draws: KeptDraws
    time: TimeOffsets
    user_encoding: StoredEncoding
    item_encoding: StoredEncoding
    settings: BayesSettings
    course: Course

    def predictive(
        self, u: Array, i: Array, times: Array | None, rating_range: tuple[float, float], n_threads: int | None
    ) -> Predictive:
        """Return the distributions of ratings of pairs of positions, (n,) each, at these times (seconds since 1970).

        The draws are moved so that their mean is the mean score, which knows all sweeps and the pair's own cell.
        Groups of ratings that training never saw have an offset around 0 with the variance that offsets have.
        """
        draws = self.draws
        means, sds = np.empty((len(u), draws.n_kept)), np.empty((len(u), draws.n_kept))
        for p in chunks(len(u), ROWS):
            users = draws.user_draws[u[p]].astype(np.float64)
            items = draws.item_draws[i[p]].astype(np.float64)
            means[p] = np.einsum("nsf,nsf->ns", users[:, :, :-1], items[:, :, :-1], optimize=True)
            means[p] += users[:, :, -1] + items[:, :, -1] + draws.mean_draws
            precisions = draws.user_scales[u[p]].astype(np.float64) * draws.item_scales[i[p]] * draws.noise_draws
            sds[p] = 1 / np.sqrt(precisions)
        offsets, variances = self.time.at(u, i, times)
        means += offsets[:, None]
        sds = np.sqrt(sds**2 + variances[:, None])
        center = score_pairs(self.score.factors(), u, i) + offsets
        return self._mixture(means, sds, center, rating_range, n_threads)

    def predictive_of_fold(
        self, people: FoldedRatings, u: Array, i: Array, rating_range: tuple[float, float], workers: Workers
    ) -> Predictive:
        """Return the distributions of ratings of pairs of a person folded in and an item, (n,) each."""
        means, sds = people.parts(u, i, workers)
        return self._mixture(means, sds, means.mean(axis=1), rating_range, workers.n_threads)

    def _mixture(
        self, means: Array, sds: Array, center: Array, rating_range: tuple[float, float], n_threads: int | None
    ) -> Predictive:
        """Return mixtures of these parts, moved so that their means are the center, (n,)."""
        low, high = rating_range
        whole = np.arange(np.ceil(low), np.floor(high) + 1) if high - low <= 100 else np.zeros(0)
        stars = self.draws.levels
        levels = np.asarray(stars, np.float64) if stars else whole
        if not stars:
            means, sds = grouped(means, sds)
        means += (center - means.mean(axis=1))[:, None]
        return Predictive(means, sds, self.draws.cut_draws, levels, n_threads)

    def fold(self, rows: Rows, features: Array | None, nu: float | None, workers: Workers) -> tuple[Array, Array]:
        """Return the factors (n, n_kept n_factors) and biases (n,) of users by these rows."""
        dense, X = self.draws.features_of(rows, features)
        n_kept, D = self.draws.prior_means.shape
        means = np.empty((n_kept, len(dense), D), np.float32)
        for s, draw in enumerate(self.draws):
            means[s] = draw.fold(rows, draw.prior_means(dense, X), nu, workers)[0]
        factors = means[:, :, :-1].transpose(1, 0, 2).reshape(len(dense), -1) / np.float32(n_kept**0.5)
        return np.ascontiguousarray(factors), means[:, :, -1].mean(axis=0, dtype=np.float64).astype(np.float32)

    def parts_of_fold(
        self, row: Rows, features: Array | None, item: int, nu: float | None
    ) -> tuple[list[Part], tuple[Array, Array, Array]]:
        """Return the parts of a newcomer's score of an item, means over the kept draws; as `Recommender._parts`.

        In one draw x = inv(A) (L (m + W'f + sum_j B_j / root n) + sum_j w_j y_j z_j), so that z_i . x is a sum of
        parts; an item j of the user's own adds by its rating and by having been rated at all.
        """
        dense, X = self.draws.features_of(row, features)
        names = feature_names(self.user_encoding)[1:] if self.draws.user_features.shape[1] else []
        names += ["number of ratings"] * (dense.shape[1] - len(names))
        of_dense, own, average = np.zeros(len(names)), np.zeros(len(row.indices)), 0.0
        item_bias, n_kept = 0.0, self.draws.n_kept
        with Workers(1) as workers:
            for draw in self.draws:
                _, g, targets, _ = draw.fold(row, draw.prior_means(dense, X), nu, workers)
                way, Z, pulls = draw.way(row, float(g[0]), targets, item)
                to_prior = draw.precision.astype(np.float64) @ way
                average += float(draw.prior_mean @ to_prior)
                of_dense += dense[0] * (draw.dense_weights @ to_prior)
                own += pulls * (Z @ way)
                if len(draw.incidence_weights) and len(own):
                    own += (draw.incidence_weights[row.indices] @ to_prior) / np.sqrt(len(own))
                item_bias += float(draw.items[item, -1])
        parts = [
            Part("mean", "mean rating", float(self.draws.mean_draws.mean(dtype=np.float64))),
            Part("item bias", "how the item is rated by all", item_bias / n_kept),
            Part("average user", "what everybody's taste adds", float(average / n_kept)),
        ]
        sums: dict[str, float] = {}
        for name, part in zip(names, of_dense / n_kept, strict=True):
            sums[name] = sums.get(name, 0.0) + float(part)
        parts += [Part("feature", name, part) for name, part in sums.items() if part]
        return parts, (row.indices, row.values, own / n_kept)

    def questions(self, among: Array, shares: Array, n: int) -> tuple[list[int], list[float]]:
        """Return n of these items to ask a newcomer about, one after the other, and what each teaches, in nats.

        In a kept draw a rating of item i teaches log(1 + w_i z_i' inv(A) z_i) / 2 of the newcomer's row (the mutual
        information of both; eq. 2), and leaves A + w_i z_i z_i' behind whatever the rating is. The next one is that
        with the largest mean over the draws times the share of people who can tell.

        Args:
            among: (c,) positions of items.
            shares: (c,) of each, the share of users who know it.
            n: how many, at most c.
        """
        draws = self.draws
        Z = draws.item_draws[among].astype(np.float64).transpose(1, 0, 2)
        Z[:, :, -1] = 1
        w = (draws.item_scales[among].astype(np.float64) * draws.noise_draws).T
        spread = np.linalg.inv(draws.prior_precisions.astype(np.float64))
        free, chosen, gains = np.ones(len(among), bool), [], []
        for _ in range(n):
            ways = Z @ spread
            teaches = w * (ways * Z).sum(axis=2)
            gain = np.log1p(teaches).mean(axis=0) / 2
            best = int(np.argmax(np.where(free, gain * shares, -1)))
            free[best] = False
            chosen.append(int(among[best]))
            gains.append(float(gain[best]))
            way = ways[:, best]
            step = w[:, best] / (1 + teaches[:, best])
            spread -= step[:, None, None] * way[:, :, None] * way[:, None, :]
        return chosen, gains

    def check(self, effects: list[str]) -> None:
        """Refuse what does not fit together of a file, in what shapes by name do not tell.

        Args:
            effects: the time effects that the model's parameters name.

        Raises:
            ModelFileError: says what is wrong.
        """
        self.draws.check(self.settings.n_factors)
        for name in EFFECTS:
            check_size(f"{name}_keys_", self.time.read(f"{name}_keys_").shape[1], {2})
        if set(self.time.time_variances) != set(effects):
            raise ModelFileError.of("time_variances_", "names other time effects than the model has")

    def out_of_unit(self, unit: float) -> Posterior:
        """Return what was learned in a unit as what it is in the ratings' own; arrays are changed in place."""
        for name, power in POWERS.items():
            array = self.read(name)
            array *= array.dtype.type(unit**power)  # many draws: no copy
        self.draws.item_draws[:, :, -1] *= np.float32(unit)  # the bias; factors of items have no unit
        score, time = self.score, self.time
        variances = {name: variance * unit**2 for name, variance in time.time_variances.items()}
        return replace(
            self,
            score=replace(score, mean=score.mean * unit, mean_score_error=score.mean_score_error * unit),
            time=replace(time, time_variances=variances),
        )
