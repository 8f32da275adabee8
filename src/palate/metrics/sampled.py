"""Ranking against sampled negatives: for comparison with old papers only.

Each relevant item is ranked among itself and n_negatives random items (He et al. 2017 used 100). The result is neither
an estimate of the metric over the catalogue nor, in general, in the same order over models (Krichene & Rendle 2020:
"On Sampled Metrics for Item Recommendation"). Use `ranking` for everything else.

Nothing is drawn here: each metric is its expected value over all draws, and over all orders of tied items. Of F items
that are neither relevant nor excluded, A stand above the relevant one; n are drawn without repetition, and x of those
above are among them with the chance

    C(A, x) C(F - A, n - x) / C(F, n),        x = 0, 1, …                                                         (1)

the hypergeometric distribution; its rank is then x + 1. With B items above and T tied, A is B, B + 1, … or B + T, each
as likely.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from palate.errors import ParameterError
from palate.metrics.area import ScoreBlock, Standing, standing
from palate.metrics.arrays import CELLS, Values, ratio
from palate.metrics.metric import Metric
from palate.parallel import chunks
from palate.sparse import Rows

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SampledRanks:
    """The rank of each relevant item among sampled negatives, as chances.

    Attributes:
        standing: where each relevant item stands among all negatives of its user.
        n_negatives: how many are drawn for each; fewer where there are fewer.
    """

    standing: Standing
    n_negatives: int

    def chances(self, k: int) -> Values:
        """Return the chance of each rank from 1 to k, (n, k), one row for each relevant item.

        Raises:
            ParameterError: k is not from 1 to n_negatives, beyond which everything hits.
        """
        if not 1 <= k <= self.n_negatives:
            raise ParameterError.of(
                "k", f"must be from 1 to {self.n_negatives}, the number of negatives, got {k}", value=k
            )
        of = self.standing
        triples = np.column_stack([np.repeat(of.negatives, np.diff(of.indptr)), of.better, of.tied])
        different, place = np.unique(triples, axis=0, return_inverse=True)
        free, better, tied = different.T
        sums = np.zeros((len(different), k))
        ends = np.cumsum(tied + 1)  # one number of items above for each place among the tied
        for part in chunks(int(ends[-1]) if len(ends) else 0, max(1, CELLS // k)):
            number = np.arange(part.start, part.stop)
            row = np.searchsorted(ends, number, "right")
            above = better[row] + number - (ends - tied - 1)[row]
            first = np.flatnonzero(np.diff(row, prepend=-1))
            sums[row[first]] += np.add.reduceat(_drawn(free[row], above, self.n_negatives, k), first)
        chances: Values = (sums / (tied[:, None] + 1))[place.reshape(-1)]
        return chances


def sampled_ranks(
    score_block: ScoreBlock, relevant: Rows, excluded: Rows, n_items: int, *, n_negatives: int = 100
) -> SampledRanks:
    """Return the rank of each relevant item among itself and sampled negatives, as chances; logs a warning.

    Negatives are drawn afresh for each relevant item, uniformly and without repetition, from the items that are neither
    relevant nor excluded for its user (He et al.'s files repeat some).

    Args:
        score_block, relevant, excluded, n_items: as in `palate.metrics.area.standing`.
        n_negatives: at least 1.

    Raises:
        ParameterError: rows do not fit, n_negatives is below 1, or a score is missing.
    """
    if n_negatives < 1:
        raise ParameterError.of("n_negatives", f"must be at least 1, got {n_negatives}", value=n_negatives)
    log.warning(
        "ranking against %s sampled negatives: comparable with old papers only, and may order models wrongly "
        "(Krichene & Rendle 2020)",
        n_negatives,
    )
    return SampledRanks(standing(score_block, relevant, excluded, n_items), n_negatives)


def sampled_hit_rate(sampled: SampledRanks, k: int) -> Values:
    """Return each user's share of relevant items ranked among the first k, (m,); NaN without relevant items.

    With one relevant item a user, as in leave-one-out, this is the HR@k of those papers.

    Raises:
        ParameterError: k is not from 1 to n_negatives, beyond which everything hits.
    """
    return _mean_worth(sampled, np.ones(max(k, 0)), k)


def sampled_ndcg(sampled: SampledRanks, k: int) -> Values:
    """Return each user's mean of 1 / log2(rank + 1) over relevant items ranked among the first k, 0 for others, (m,).

    With one relevant item a user, as in leave-one-out, this is the NDCG@k of those papers. NaN without relevant items.

    Raises:
        ParameterError: k is not from 1 to n_negatives.
    """
    return _mean_worth(sampled, 1 / np.log2(np.arange(2, max(k, 0) + 2)), k)


def _mean_worth(sampled: SampledRanks, worth: Values, k: int) -> Values:
    """Return each user's mean of what each rank is worth, (m,)."""
    size = np.diff(sampled.standing.indptr)
    row = np.repeat(np.arange(len(size)), size)
    return ratio(np.bincount(row, sampled.chances(k) @ worth, len(size)), size)


def _drawn(free: NDArray[np.int64], above: NDArray[np.int64], n_negatives: int, k: int) -> Values:
    """Return eq. 1 for x from 0 to k - 1, (len(above), k)."""
    F, A, x = free[:, None], above[:, None], np.arange(k)
    n = np.minimum(n_negatives, F)
    possible = (x <= A) & (x <= n) & (n - x <= F - A)
    x = np.where(possible, x, np.maximum(n - F + A, 0))  # a possible one, for the logarithm's sake
    logs = _log_choose(A, x) + _log_choose(F - A, n - x) - _log_choose(F, n)
    return np.where(possible, np.exp(logs), 0.0)


def _log_choose(n: NDArray[np.int64], k: NDArray[np.int64]) -> Values:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


_sampled = partial(Metric, kind="ranking", per="user", higher_is_better=True)

METRICS = (
    _sampled("sampled_hit_rate", "sampled hit rate", sampled_hit_rate, unit="share",
             meaning="the share of good items in the first places among 100 random others; for old papers only"),
    _sampled("sampled_ndcg", "sampled NDCG", sampled_ndcg,
             meaning="NDCG of each good item among 100 random others; for old papers only"),
)  # fmt: skip
