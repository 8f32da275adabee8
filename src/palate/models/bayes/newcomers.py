"""Users whom a `BayesianMF` meets after training: in each kept draw the row conditional of training, eq. 2.

A newcomer's noise scale g is not known. With no ratings it is 1; else it takes STEPS turns between the row's mean given
g and the mean of g given the row, (nu + n) / (nu + alpha sum_i h_i e_i^2) (eq. 5), and with the ordinal likelihood the
means of the latent ratings in the slices of their stars. No chance plays a part, so a user gets the same answer alone
and in any batch.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.kernels import gibbs as kernel
from palate.kernels import prior as prior_kernel
from palate.models.bayes.ordinal import expected_latent
from palate.models.bayes.start import Counts, incidence, projected
from palate.models.contract.explanation import Part
from palate.models.ridge.rows import feature_names, row_ranges
from palate.parallel import GRAIN, Workers
from palate.sparse import Rows

Array = NDArray[Any]

STEPS = 3
STEPS_OF_STARS = 12  # latent ratings move slowly


def fold(model: Any, rows: Rows, features: Array | None, workers: Workers) -> tuple[Array, Array]:
    """Return the factors (n, n_kept n_factors) and biases (n,) of users by these rows."""
    n, n_kept, D = rows.n_rows, len(model.mean_draws_), model.user_draws_.shape[2]
    dense, X = _features(model, rows, features), incidence(rows, len(model.items_))
    means = np.empty((n_kept, n, D), np.float32)
    for s in range(n_kept):
        means[s] = _of_draw(model, s, rows, _prior_means(model, s, dense, X), workers)[0]
    factors = means[:, :, :-1].transpose(1, 0, 2).reshape(n, -1) / np.float32(n_kept**0.5)
    return np.ascontiguousarray(factors), means[:, :, -1].mean(axis=0, dtype=np.float64).astype(np.float32)


def _of_draw(model: Any, s: int, rows: Rows, M: Array, workers: Workers) -> tuple[Array, Array, Array]:
    """Return the means of the rows in one kept draw, their noise scales, and the ratings less the mean (or latent)."""
    items = item_rows(model, s)
    L = np.ascontiguousarray(model.prior_precisions_[s])
    LM = np.empty_like(M)
    prior_kernel.means(M, L, LM)
    targets = rows.values - model.mean_draws_[s]
    fixed = *kernel.padded_rows(items), np.ascontiguousarray(model.item_scales_[:, s])
    h = fixed[2][rows.indices]
    alpha = np.float32(model.noise_draws_[s])
    n = len(M)
    E, X, means = np.zeros_like(M), np.empty_like(M), np.empty_like(M)
    errors, sums, scales = np.empty_like(targets), np.empty((n, 5)), np.ones(n, np.float32)
    parts = row_ranges(rows, workers, GRAIN.solved)
    counts = rows.sizes
    nu = model.scale_df
    stars = _stars_of(model, s, rows)
    if stars is not None:
        targets = np.zeros_like(targets)
    for step in range(1 + (STEPS_OF_STARS if stars is not None else STEPS if nu is not None else 0)):
        if step:
            left = partial(kernel.residuals, (rows.indptr, rows.indices, targets), kernel.padded_rows(means), fixed[:2])
            workers.run([partial(left, a, b, errors) for a, b in parts])
            if stars is not None:
                sd = 1 / np.sqrt(np.repeat(scales, counts) * h.astype(np.float64))
                latent = expected_latent(*stars, targets - errors, sd).astype(np.float32)
                errors, targets = errors + (latent - targets), latent
            if nu is not None:
                kernel.sums_of_errors((rows.indptr, rows.indices, errors), fixed[2], 0, n, sums)
                scales = ((nu + counts) / (nu + alpha * sums[:, 2])).astype(np.float32)
        cells = rows.indptr, rows.indices, targets
        draw = partial(kernel.draw_rows, cells, fixed, (scales, alpha), (LM, L), E)
        workers.run([partial(draw, a, b, X, means) for a, b in parts])
    return means, scales, targets


def _stars_of(model: Any, s: int, rows: Rows) -> tuple[Array, Array] | None:
    """Return which slice each rating is and the cut points of one kept draw, or None without the ordinal likelihood."""
    if not model.levels_:
        return None
    levels = np.asarray(model.levels_)
    nearest = np.searchsorted((levels[1:] + levels[:-1]) / 2, rows.values)
    return nearest, model.cut_draws_[s].astype(np.float64)


def item_rows(model: Any, s: int) -> Array:
    """Return [factors, bias] of the items in one kept draw, (n_items, D) float32."""
    return np.ascontiguousarray(model.item_draws_[:, s])


def _features(model: Any, rows: Rows, features: Array | None) -> Array:
    """Return the dense features of newcomers: attributes, counts, components of the incidence.

    Where attributes are not known, they have their mean in training.
    """
    n = rows.n_rows
    parts = []
    if model.user_features_.shape[1]:
        known = model.user_features_.mean(axis=0, keepdims=True).repeat(n, axis=0) if features is None else features
        parts.append(known[:, 1:])
    if len(model.counts_encoding_):
        parts.append(Counts.from_plain(model.counts_encoding_).matrix(rows.sizes))
    if model.component_projection_.shape[1]:
        parts.append(projected(rows, model.component_projection_))
    return np.ascontiguousarray(np.concatenate([np.zeros((n, 0)), *parts], axis=1), np.float32)


def _prior_means(model: Any, s: int, dense: Array, X: Any) -> Array:
    """Return eq. 2's means in one kept draw, each row by itself in a fixed order."""
    M = np.empty((len(dense), model.user_draws_.shape[2]), np.float32)
    prior_kernel.means(dense, np.ascontiguousarray(model.dense_weights_[s]), M)
    M += model.prior_means_[s]
    if model.incidence_weights_.shape[1]:
        M += X @ model.incidence_weights_[s]
    return M


def parts_of_fold(
    model: Any, row: Rows, features: Array | None, item: int
) -> tuple[list[Part], tuple[Array, Array, Array]]:
    """Return the parts of a newcomer's score of an item, means over the kept draws; as `Recommender._parts`.

    In one draw x = inv(A) (L (m + W'f + sum_j B_j / root n) + sum_j w_j y_j z_j), so that z_i . x is a sum of parts;
    an item j of the user's own adds by its rating and by having been rated at all.
    """
    dense, X = _features(model, row, features), incidence(row, len(model.items_))
    names = feature_names(model.user_encoding_)[1:] if model.user_features_.shape[1] else []
    names += ["number of ratings"] * (dense.shape[1] - len(names))
    of_dense, own, average = np.zeros(len(names)), np.zeros(len(row.indices)), 0.0
    item_bias, n_kept = 0.0, len(model.mean_draws_)
    with Workers(1) as workers:
        for s in range(n_kept):
            _, g, targets = _of_draw(model, s, row, _prior_means(model, s, dense, X), workers)
            way, Z, pulls = _way(model, s, row, (float(g[0]), targets), item)
            to_prior = model.prior_precisions_[s].astype(np.float64) @ way
            average += model.prior_means_[s] @ to_prior
            of_dense += dense[0] * (model.dense_weights_[s] @ to_prior)
            own += pulls * (Z @ way)
            if model.incidence_weights_.shape[1] and len(own):
                own += (model.incidence_weights_[s][row.indices] @ to_prior) / np.sqrt(len(own))
            item_bias += float(model.item_draws_[item, s, -1])
    parts = [
        Part("mean", "mean rating", float(model.mean_draws_.mean(dtype=np.float64))),
        Part("item bias", "how the item is rated by all", item_bias / n_kept),
        Part("average user", "what everybody's taste adds", float(average / n_kept)),
    ]
    sums: dict[str, float] = {}
    for name, one in zip(names, of_dense / n_kept, strict=True):
        sums[name] = sums.get(name, 0.0) + float(one)
    parts += [Part("feature", name, one) for name, one in sums.items() if one]
    return parts, (row.indices, row.values, own / n_kept)


def _way(model: Any, s: int, row: Rows, of: tuple[float, Array], item: int) -> tuple[Array, Array, Array]:
    """Return inv(A) z_i in one draw, the rows z_j of the user's own items, and w_j y_j of each."""
    items = item_rows(model, s).astype(np.float64)
    Z = np.column_stack([items[:, :-1], np.ones(len(items))])
    g, targets = of
    w = float(model.noise_draws_[s]) * g * model.item_scales_[row.indices, s].astype(np.float64)
    own = Z[row.indices]
    A = model.prior_precisions_[s].astype(np.float64) + (own.T * w) @ own
    pulls = w * (targets - items[row.indices, -1])
    return np.linalg.solve(A, Z[item]), own, pulls


def questions(model: Any, among: Array, shares: Array, n: int) -> tuple[list[int], list[float]]:
    """Return n of these items to ask a newcomer about, one after the other, and what each teaches, in nats.

    In a kept draw a rating of item i teaches log(1 + w_i z_i' inv(A) z_i) / 2 of the newcomer's row (the mutual
    information of both; eq. 2), and leaves A + w_i z_i z_i' behind whatever the rating is. The next one is that with
    the largest mean over the draws times the share of people who can tell.

    Args:
        among: (c,) positions of items.
        shares: (c,) of each, the share of users who know it.
        n: how many, at most c.
    """
    Z = model.item_draws_[among].astype(np.float64).transpose(1, 0, 2)
    Z[:, :, -1] = 1
    w = (model.item_scales_[among].astype(np.float64) * model.noise_draws_).T
    spread = np.linalg.inv(model.prior_precisions_.astype(np.float64))
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
