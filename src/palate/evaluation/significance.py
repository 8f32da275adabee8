"""Intervals and paired tests over users, or over folds, of metrics that are functions of sums.

Models are compared on the same users (or folds), so every test is of the differences within a user:

* bootstrap interval (Efron 1979): users are drawn with replacement, all their rows in all folds with them; the
  percentiles of the metric, and of the difference of two models, over the same draws;
* permutation test (Fisher 1935; for metrics of lists Smucker, Allan & Carterette 2007): under the null hypothesis the
  two models' names are exchangeable for each user; p = (1 + draws at least as far from 0) / (1 + draws), two-sided;
* Wilcoxon's signed-rank test (1945), by SciPy, of each user's own values;
* Holm's correction (1979) over all tests of a table.

What users say is of users like these and of this training part; it does not tell how another training part would turn
out. Folds do, but share their training rows, so that tests over few folds of one data set find differences too easily
(Dietterich 1998).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from palate.metrics.units import SumForm, from_sums
from palate.parallel import chunks

CELLS = 1 << 21  # weights or signs held at once

Sums = NDArray[np.float64]  # (n, n_folds)
Test = Literal["permutation", "wilcoxon"]


@dataclass(frozen=True, eq=False)
class FoldSums:
    """A metric of one model.

    Attributes:
        num, den: (n, n_folds) sums of each user (or fold) in each fold.
        form: how the sums make the metric.
    """

    num: Sums
    den: Sums
    form: SumForm

    def value(self) -> float:
        """Return the metric: the mean of the folds' values."""
        return float(_mean_of_folds(self.form, self.num.sum(axis=0)[None], self.den.sum(axis=0)[None])[0])


def bootstrap(columns: Sequence[FoldSums], n_resamples: int, random_state: int) -> NDArray[np.float64]:
    """Return the metric of each column in each resample of users, (n_resamples, n_columns); the same users for all."""
    n = len(columns[0].num)
    rng = np.random.default_rng(random_state)
    out = np.empty((n_resamples, len(columns)))
    for block in chunks(n_resamples, max(1, CELLS // n)):
        drawn = rng.integers(n, size=(block.stop - block.start, n))
        weights = np.stack([np.bincount(row, minlength=n) for row in drawn]).astype(np.float64)
        for place, column in enumerate(columns):
            out[block, place] = _mean_of_folds(column.form, weights @ column.num, weights @ column.den)
    return out


def central(drawn: NDArray[Any], level: float) -> tuple[float, float]:
    """Return the ends of the central ``level`` of what was drawn."""
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def permutation(pairs: Sequence[tuple[FoldSums, FoldSums]], n_resamples: int, random_state: int) -> NDArray[np.float64]:
    """Return the p-value of each pair of columns, (n_pairs,): are the two exchangeable for each user?"""
    n = len(pairs[0][0].num)
    observed = np.array([abs(a.value() - b.value()) for a, b in pairs])
    reached = np.zeros(len(pairs))
    tiny = 1e-12 * np.maximum(observed, 1e-300)  # a pattern that only rounds differently has been reached
    n_drawn = 0
    for signs in _signs(n, n_resamples, random_state):
        n_drawn += len(signs)
        for place, (a, b) in enumerate(pairs):
            moved = abs(_swapped_difference(a, b, signs))
            reached[place] += np.count_nonzero(~(moved < observed[place] - tiny[place]))
    if 2**n <= n_resamples:  # all patterns were listed, the observed one among them
        return reached / n_drawn
    return (1 + reached) / (1 + n_drawn)


def wilcoxon(a: FoldSums, b: FoldSums) -> float:
    """Return the p-value of Wilcoxon's signed-rank test of the users' own values; 1 where all are equal."""
    from scipy import stats

    differences = _own_values(a) - _own_values(b)
    differences = differences[~np.isnan(differences)]
    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences).pvalue)


def effect_size(a: FoldSums, b: FoldSums) -> float:
    """Return the mean of the users' differences over their standard deviation (d_z, Cohen 1988); NaN where all equal.

    For RMSE and R2 the differences are of sums of squared errors, whose mean decides which is lower.
    """
    differences = (a.num - b.num).sum(axis=1) * (-1 if a.form == "explained" else 1)
    spread = differences.std(ddof=1)
    return float(differences.mean() / spread) if spread > 0 else float("nan")


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values corrected for their number (Holm 1979): the i-th smallest of m times m - i + 1, never falling."""
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    factors = np.arange(len(p), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * factors))
    return corrected


def _signs(n: int, n_resamples: int, random_state: int) -> Iterator[NDArray[np.float64]]:
    """Yield blocks of sign patterns, (b, n): all 2**n where these are few, else random ones."""
    if 2**n <= n_resamples:
        patterns = np.arange(2**n)[:, None] >> np.arange(n) & 1
        yield (1 - 2 * patterns).astype(np.float64)
        return
    rng = np.random.default_rng(random_state)
    for block in chunks(n_resamples, max(1, CELLS // n)):
        yield 1 - 2.0 * rng.integers(2, size=(block.stop - block.start, n), dtype=np.int8).astype(np.float64)


def _swapped_difference(a: FoldSums, b: FoldSums, signs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the difference of the metrics where the two models' sums are exchanged for users with sign -1."""
    sums = []
    for x, y in ((a.num, b.num), (a.den, b.den)):
        half, gap = (x + y).sum(axis=0) / 2, signs @ ((x - y) / 2)
        sums.append((half + gap, half - gap))
    (num_a, num_b), (den_a, den_b) = sums
    return _mean_of_folds(a.form, num_a, den_a) - _mean_of_folds(b.form, num_b, den_b)


def _mean_of_folds(form: SumForm, num: Sums, den: Sums) -> NDArray[np.float64]:
    values = from_sums(form, num, den)
    known = ~np.isnan(values)
    total = np.where(known, values, 0).sum(axis=1)
    means = np.full(len(values), np.nan)
    np.divide(total, known.sum(axis=1), out=means, where=known.any(axis=1))
    return means


def _own_values(column: FoldSums) -> NDArray[np.float64]:
    """Return each user's own value of the metric, over all folds; NaN without any."""
    return from_sums(column.form, column.num.sum(axis=1), column.den.sum(axis=1))
