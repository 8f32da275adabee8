"""From a fitted `BayesianMF` to what a rating may be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.models.bayes.time_effects import effect_names, found_groups, keys_of
from palate.models.contract.predictive import Predictive
from palate.parallel import chunks

Array = NDArray[Any]

ROWS = 1 << 12  # pairs whose draws are held at once
FEWEST_PARTS = 8
PARTS = 16  # of a mixture: draws of like scores are put together


def predictive(model: Any, u: Array, i: Array, times: Array | None) -> Predictive:
    """Return the distributions of ratings of pairs of positions, (n,) each, at these times (seconds since 1970).

    The draws are moved so that their mean is the model's score, which knows all sweeps and the pair's own cell.
    Groups of ratings that training never saw have an offset around 0 with the variance that offsets have.
    """
    n_kept = len(model.mean_draws_)
    means, sds = np.empty((len(u), n_kept)), np.empty((len(u), n_kept))
    for p in chunks(len(u), ROWS):
        users = model.user_draws_[u[p]].astype(np.float64)
        items = model.item_draws_[i[p]].astype(np.float64)
        means[p] = np.einsum("nsf,nsf->ns", users[:, :, :-1], items[:, :, :-1], optimize=True)
        means[p] += users[:, :, -1] + items[:, :, -1] + model.mean_draws_
        precisions = model.user_scales_[u[p]].astype(np.float64) * model.item_scales_[i[p]] * model.noise_draws_
        sds[p] = 1 / np.sqrt(precisions)
    offsets, variances = time_offsets(model, u, i, times)
    means += offsets[:, None]
    sds = np.sqrt(sds**2 + variances[:, None])
    low, high = model.rating_range_
    whole = np.arange(np.ceil(low), np.floor(high) + 1) if high - low <= 100 else np.zeros(0)
    levels = np.asarray(model.levels_, np.float64) if model.levels_ else whole
    if not model.levels_:
        means, sds = grouped(means, sds)
    means += (model.ranker.scorer.pairs(u, i) + offsets - means.mean(axis=1))[:, None]
    return Predictive(means, sds, model.cut_draws_, levels, model.n_threads)


def grouped(means: Array, sds: Array) -> tuple[Array, Array]:
    """Return mixtures of at most PARTS parts, (n, PARTS) each: draws of neighbouring scores make one normal part.

    A part has the mean and variance of its draws, so those of the mixture are kept; a few parts are as good as a
    hundred draws, and a continuous ranked probability score takes the square of their number. Where no number of parts
    from FEWEST_PARTS on divides the draws, the last few are left out.
    """
    n_kept = means.shape[1]
    if n_kept > PARTS:
        parts = next((p for p in range(PARTS, FEWEST_PARTS - 1, -1) if n_kept % p == 0), PARTS)
        n_kept -= n_kept % parts
    else:
        parts = n_kept
    means, sds, size = means[:, :n_kept], sds[:, :n_kept], n_kept // parts
    order = np.argsort(means, axis=1)
    shape = len(means), parts, size
    m, s = (np.take_along_axis(x, order, axis=1).reshape(shape) for x in (means, sds))
    return m.mean(axis=2), np.sqrt(m.var(axis=2) + (s**2).mean(axis=2))


def time_offsets(model: Any, u: Array, i: Array, times: Array | None) -> tuple[Array, Array]:
    """Return mean and variance of what the time of each rating adds, (n,) each; zeros where no times are given."""
    mean, variance = np.zeros(len(u)), np.zeros(len(u))
    if times is None:
        return mean, variance
    for name in effect_names(model.time_effects):
        groups = found_groups(getattr(model, f"{name}_keys_"), keys_of(name, u, i, times))
        known = groups >= 0
        mean += np.where(known, np.append(getattr(model, f"{name}_offsets_"), 0.0)[groups], 0.0)
        unseen = model.time_variances_[name]
        variance += np.where(known, np.append(getattr(model, f"{name}_variances_"), 0.0)[groups], unseen)
    return mean, variance
