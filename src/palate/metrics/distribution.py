"""Scores of a predictive distribution: is it sharp, and does it mean what it says?

`crps_*` and `log_score_*` are proper scores (Gneiting & Raftery 2007): a forecaster does best, on average, by saying
what it believes. Both are lower for better, and given per rating, (n,), so that they can be averaged by user or group.
A distribution comes in three forms: draws (n_draws, n) of the *rating*, its noise included (draws of a model's score
alone are too narrow); mean and standard deviation of a normal, (n,) each; probabilities (n, n_stars) over the possible
ratings `stars`. Nothing is clipped: a distribution that knows the range shows it.

CRPS(F, y) = integral (F(x) - 1{x >= y})^2 dx = E|X - y| - E|X - X'| / 2, in the unit of the ratings; for a
distribution on one point it is the absolute error. The log score is -log p(y), in nats.
"""

from __future__ import annotations

from functools import partial
from typing import Protocol

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

from palate.errors import ParameterError
from palate.metrics.arrays import CELLS, Array, Values
from palate.metrics.metric import Metric
from palate.parallel import chunks

LOG_2PI = float(np.log(2 * np.pi))


class Distributions(Protocol):
    """Predictive distributions of n ratings, as a model gives them."""

    def crps(self, truth: Array) -> Values:
        """Return the continuous ranked probability score of each rating, (n,)."""

    def interval(self, level: float) -> tuple[Values, Values]:
        """Return the ends of the central interval of each distribution, (n,) each."""


def crps(truth: Array, predictive: Distributions) -> Values:
    """Return the continuous ranked probability score of each rating, (n,), by its own formula for the distribution.

    In the unit of the ratings; lower is better, and for a sure prediction it is the absolute error (Gneiting & Raftery
    2007, eq. 20).
    """
    return predictive.crps(truth)


def coverage_80(truth: Array, predictive: Distributions) -> float:
    """Return the share of ratings inside their central 80 percent interval: honest distributions give 0.8."""
    return interval_coverage(truth, *predictive.interval(0.8))


def coverage_95(truth: Array, predictive: Distributions) -> float:
    """Return the share of ratings inside their central 95 percent interval: honest distributions give 0.95."""
    return interval_coverage(truth, *predictive.interval(0.95))


def crps_draws(truth: Array, draws: Array) -> Values:
    """Return the CRPS of the empirical distribution of the draws, (n,).

    mean_s |x_s - y| - sum_s (2 s - S - 1) x_(s) / S^2 over sorted draws x_(1) <= … <= x_(S), which equals
    E|X - y| - E|X - X'| / 2 with X' drawn with replacement: finitely many draws make it a little too high, in
    proportion to 1/S. One draw gives the absolute error. Memory: a block of 2^20 draws, sorted.

    Raises:
        ParameterError: shapes do not fit, or a number is missing.
    """
    _check(truth, draws=draws, axis=1)
    n_draws = len(draws)
    weights = (2 * np.arange(1, n_draws + 1) - n_draws - 1) / n_draws**2
    out = np.empty(len(truth))
    for block in chunks(len(truth), max(1, CELLS // n_draws)):
        away = np.sort(draws[:, block] - np.asarray(truth[block], np.float64), axis=0)
        out[block] = np.abs(away).mean(axis=0) - (weights[:, None] * away).sum(axis=0)
    return out


def crps_normal(truth: Array, mean: Array, std: Array) -> Values:
    """Return the CRPS of a normal distribution, (n,).

    std (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)), z = (y - mean) / std (Gneiting, Raftery, Westveld &
    Goldman 2005); |y - mean| where std is 0.

    Raises:
        ParameterError: shapes do not fit, a number is missing, or a std is negative.
    """
    _check(truth, mean=mean, std=std)
    if (std < 0).any():
        raise ParameterError.of("std", f"must not be negative, got {std.min()}")
    away = np.asarray(truth, np.float64) - mean
    z = np.divide(away, std, out=np.zeros(len(away)), where=std > 0)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    spread = std * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))
    return np.where(std > 0, spread, np.abs(away))


def crps_stars(truth: Array, probabilities: Array, stars: Array) -> Values:
    """Return the CRPS of a distribution over the possible ratings, (n,).

    sum_j p_j |s_j - y| - sum_j F_j (1 - F_j) (s_{j+1} - s_j), F the cumulated p. Also right for a truth that is none
    of the stars.

    Args:
        truth: (n,) ratings.
        probabilities: (n, n_stars), each row summing to 1.
        stars: (n_stars,) the possible ratings, ascending.

    Raises:
        ParameterError: shapes do not fit, stars do not ascend, or a row is no distribution.
    """
    _check_stars(truth, probabilities, stars)
    below = np.cumsum(probabilities, axis=1, dtype=np.float64)[:, :-1]
    near = (probabilities * np.abs(stars - np.asarray(truth, np.float64)[:, None])).sum(axis=1)
    return np.asarray(near - (below * (1 - below) * np.diff(stars)).sum(axis=1))


def log_score_normal(truth: Array, mean: Array, std: Array) -> Values:
    """Return -log of the normal density at each rating, (n,): log std + log(2 pi) / 2 + z^2 / 2.

    Raises:
        ParameterError: shapes do not fit, a number is missing, or a std is not above 0 (no density is there).
    """
    _check(truth, mean=mean, std=std)
    if (std <= 0).any():
        raise ParameterError(
            f"the log score needs every std above 0, {(std <= 0).sum()} of {len(std)} are not", subject="std"
        )
    return np.asarray(np.log(std) + LOG_2PI / 2 + ((truth - mean) / std) ** 2 / 2)


def log_score_draws(truth: Array, draws: Array) -> Values:
    """Return `log_score_normal` at the draws' mean and standard deviation (ddof 1), (n,).

    Draws have no density of their own; this is the normal approximation (Krueger, Lerch, Thorarinsdottir & Gneiting
    2021). A model that knows its noise is better judged by `log_score_mixture`.

    Raises:
        ParameterError: as `crps_draws`; fewer than 2 draws; all draws of a rating are equal.
    """
    _check(truth, draws=draws, axis=1)
    if len(draws) < 2:
        raise ParameterError(
            "the log score of draws needs at least 2 of them: their spread is part of it", subject="std"
        )
    return log_score_normal(truth, draws.mean(axis=0, dtype=np.float64), draws.std(axis=0, ddof=1, dtype=np.float64))


def log_score_mixture(truth: Array, draws: Array, noise_std: Array | float) -> Values:
    """Return -log of the mean over draws of N(y; draw, noise_std^2), (n,): the exact density of a Gibbs sampler.

    The mixture-of-parameters estimate that Krueger et al. 2021 recommend. Here, alone, draws are of the mean, without
    noise.

    Args:
        truth: (n,) ratings.
        draws: (n_draws, n) draws of the mean.
        noise_std: above 0, a number or anything that broadcasts to draws, such as (n_draws, 1).

    Raises:
        ParameterError: shapes do not fit, a number is missing, or a noise_std is not above 0.
    """
    _check(truth, draws=draws, axis=1)
    noise = np.asarray(noise_std, np.float64)
    if not (noise > 0).all():
        raise ParameterError.of("noise_std", "must be above 0 for every draw")
    if np.broadcast_shapes(noise.shape, draws.shape) != draws.shape:
        raise ParameterError.of("noise_std", f"of shape {noise.shape} does not fit draws of shape {draws.shape}")
    noise = np.broadcast_to(noise, draws.shape)
    out = np.empty(len(truth))
    for block in chunks(len(truth), max(1, CELLS // len(draws))):
        z = (np.asarray(truth[block], np.float64) - draws[:, block]) / noise[:, block]
        out[block] = np.log(len(draws)) - logsumexp(-(z**2) / 2 - np.log(noise[:, block]) - LOG_2PI / 2, axis=0)
    return out


def log_score_stars(truth: Array, probabilities: Array, stars: Array) -> Values:
    """Return -log of the probability given to each rating, (n,); infinite where it was called impossible.

    A probability is not a density: compare it with no `log_score_normal`.

    Raises:
        ParameterError: as `crps_stars`; a rating is none of the stars.
    """
    place = _places(truth, probabilities, stars)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(probabilities[np.arange(len(truth)), place], dtype=np.float64))


def pit_stars(
    truth: Array, probabilities: Array, stars: Array, random_state: int | np.random.Generator | None = None
) -> Values:
    """Return the randomised probability integral transform of each rating, (n,): a uniform number below or at it.

    F(y - 1) + v p(y), v uniform: uniform on 0 … 1 where the distributions are right, whatever they are (Smith 1985;
    Czado, Gneiting & Held 2009). Humps in the middle tell of distributions too wide, at the ends of too narrow ones.

    Args:
        random_state: seed, Generator, or None, of v.

    Raises:
        ParameterError: as `log_score_stars`.
    """
    place = _places(truth, probabilities, stars)
    above = np.cumsum(probabilities, axis=1, dtype=np.float64)
    v, row = np.random.default_rng(random_state).random(len(truth)), np.arange(len(truth))
    return np.asarray(above[row, place] - (1 - v) * probabilities[row, place])


def interval_draws(draws: Array, level: float) -> tuple[Values, Values]:
    """Return the ends of the central interval of the draws, (n,) each: their (1 ± level) / 2 quantiles.

    Quantiles are interpolated between draws (NumPy's default, type 7 of Hyndman & Fan 1996).
    """
    low, high = np.quantile(np.asarray(draws, np.float64), _tails(level), axis=0)
    return low, high


def interval_normal(mean: Array, std: Array, level: float) -> tuple[Values, Values]:
    """Return the ends of the central interval of a normal distribution, (n,) each."""
    half = std * ndtri(_tails(level)[1])
    return np.asarray(mean - half, np.float64), np.asarray(mean + half, np.float64)


def interval_stars(probabilities: Array, stars: Array, level: float) -> tuple[Values, Values]:
    """Return the ends of the central interval over stars, (n,) each: the first stars at which F reaches each tail.

    It holds at least `level`, and often more: stars cannot be divided.
    """
    cumulated = np.cumsum(probabilities, axis=1, dtype=np.float64)
    cumulated /= cumulated[:, -1:]
    slack = 1e-12  # of sums that round: 0.1 + 0.2 reaches 0.3
    low, high = ((cumulated < tail - slack).sum(axis=1) for tail in _tails(level))
    return np.asarray(stars[low], np.float64), np.asarray(stars[high], np.float64)


def interval_coverage(truth: Array, low: Array, high: Array) -> float:
    """Return the share of ratings inside their interval, both ends included; to be near the interval's level.

    More is not better: an interval over all ratings covers everything and says nothing.

    Raises:
        ParameterError: shapes do not fit, a number is missing, or an interval ends before it begins.
    """
    _check(truth, low=low, high=high)
    if (low > high).any():
        raise ParameterError(
            f"{(low > high).sum()} of {len(low)} intervals end below where they begin", subject="intervals"
        )
    return float(np.mean((low <= truth) & (truth <= high)))


def _tails(level: float) -> tuple[float, float]:
    if not 0 < level < 1:
        raise ParameterError.of("level", f"must lie between 0 and 1, such as 0.8; got {level!r}", value=level)
    return (1 - level) / 2, (1 + level) / 2


def _check(truth: Array, axis: int = 0, **given: Array) -> None:
    """Refuse arrays whose ``axis`` is not as long as truth, and missing numbers."""
    if truth.ndim != 1 or not len(truth):
        raise ParameterError.of("truth", f"must be a row of at least one rating, got shape {truth.shape}")
    for name, array in given.items():
        if array.ndim != axis + 1 or array.shape[axis] != len(truth) or not array.size:
            shape = f"(n_draws, {len(truth)})" if axis else f"({len(truth)},)"
            raise ParameterError.of(name, f"must have shape {shape}, got {array.shape}", value=array.shape)
    for name, array in {"truth": truth, **given}.items():
        if np.isnan(array).any():
            raise ParameterError.of(name, f"has {np.isnan(array).sum()} missing numbers (NaN)")


def _places(truth: Array, probabilities: Array, stars: Array) -> Array:
    """Return which star each rating is."""
    _check_stars(truth, probabilities, stars)
    place = np.searchsorted(stars, truth).clip(max=len(stars) - 1)
    odd = np.flatnonzero(stars[place] != truth)
    if len(odd):
        raise ParameterError(
            f"rating {truth[odd[0]]} in row {odd[0]} is none of the stars {stars.tolist()}",
            subject="truth",
            code="unknown_name",
        )
    return place


def _check_stars(truth: Array, probabilities: Array, stars: Array) -> None:
    _check(truth)
    if probabilities.shape != (len(truth), len(stars)):
        raise ParameterError.of(
            "probabilities",
            f"must have shape ({len(truth)}, {len(stars)}), got {probabilities.shape}",
            value=probabilities.shape,
        )
    if (np.diff(stars) <= 0).any():
        raise ParameterError.of("stars", f"must ascend, got {stars.tolist()}")
    bad = np.flatnonzero(~((probabilities >= 0).all(axis=1) & (np.abs(probabilities.sum(axis=1) - 1) < 1e-6)))
    if len(bad):
        raise ParameterError(
            f"{len(bad)} rows of probabilities are no distribution, the first is row {bad[0]}", subject="probabilities"
        )


_coverage = partial(Metric, kind="rating", per="all", higher_is_better=None, unit="share")

METRICS = (
    Metric("crps", "CRPS", crps, kind="rating", per="rating", higher_is_better=False, unit="rating",
           meaning="the error of a rating's whole predicted distribution; of a sure prediction, its absolute error"),
    _coverage("coverage_80", "coverage 80", coverage_80,
              meaning="the share of ratings inside the 80 % intervals predicted for them; honest ones give 0.8"),
    _coverage("coverage_95", "coverage 95", coverage_95,
              meaning="the share of ratings inside the 95 % intervals predicted for them; honest ones give 0.95"),
)  # fmt: skip
