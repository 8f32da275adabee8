"""Ranking against sampled negatives: for comparison with old papers only.

Each relevant item is ranked among itself and n_negatives random items (He et al. 2017 used 100). The result is neither
an estimate of the metric over the catalogue nor, in general, in the same order over models (Krichene & Rendle 2020:
"On Sampled Metrics for Item Recommendation"). Use `ranking` for everything else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Rows
from palate.errors import ParameterError
from palate.metrics.arrays import CELLS, Values, check_rows, ratio, row_of_cells
from palate.parallel import chunks

log = logging.getLogger(__name__)

ScorePairs = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class SampledRanks:
    """The rank of each relevant item among sampled negatives.

    Attributes:
        ranks: (n,) from 1, one for each relevant item.
        indptr: (m + 1,) user u has the ranks ``indptr[u]:indptr[u + 1]``.
        n_negatives: how many were drawn for each; fewer where the catalogue had fewer.
    """

    ranks: NDArray[np.int64]
    indptr: NDArray[np.int64]
    n_negatives: int


def sampled_ranks(
    score_pairs: ScorePairs,
    relevant: Rows,
    excluded: Rows,
    n_items: int,
    *,
    n_negatives: int = 100,
    random_state: int = 0,
) -> SampledRanks:
    """Return the rank of each relevant item among itself and sampled negatives; logs a warning.

    Negatives are drawn afresh for each relevant item, uniformly and without repetition, from the items that are neither
    relevant nor excluded for its user (He et al.'s files repeat some). Ties go against the relevant item, so that a
    constant score gains nothing.

    Args:
        score_pairs: given (n,) positions of rows here and (n,) items, gives the scores, (n,).
        relevant, excluded: m rows each, sorted by item; excluded are those of training.
        n_items: size of the catalogue.
        n_negatives: at least 1.
        random_state: the seed.

    Raises:
        ParameterError: rows do not fit, n_negatives is below 1, or a score is missing.
    """
    m = len(relevant.indptr) - 1
    check_rows(relevant, m, n_items, "relevant")
    check_rows(excluded, m, n_items, "excluded")
    if n_negatives < 1:
        raise ParameterError(f"n_negatives must be at least 1, got {n_negatives}")
    log.warning(
        "ranking against %s sampled negatives: comparable with old papers only, and may order models wrongly "
        "(Krichene & Rendle 2020)",
        n_negatives,
    )
    rng = np.random.default_rng(random_state)
    rows_of = row_of_cells(relevant)
    ranks = np.empty(len(rows_of), np.int64)
    for block in chunks(len(rows_of), max(1, CELLS // n_negatives)):
        drawn = [_draw(rng, relevant, excluded, row, n_items, n_negatives) for row in rows_of[block]]
        size = np.array([len(negatives) for negatives in drawn])
        high = _scores(score_pairs, rows_of[block], relevant.indices[block].astype(np.int64))
        low = _scores(score_pairs, np.repeat(rows_of[block], size), np.concatenate(drawn))
        pair = np.repeat(np.arange(len(size)), size)
        ranks[block] = 1 + np.bincount(pair[low >= high[pair]], minlength=len(size))
    return SampledRanks(ranks, relevant.indptr, n_negatives)


def sampled_hit_rate(sampled: SampledRanks, k: int) -> Values:
    """Return each user's share of relevant items ranked among the first k, (m,); NaN without relevant items.

    With one relevant item a user, as in leave-one-out, this is the HR@k of those papers.

    Raises:
        ParameterError: k is not from 1 to n_negatives, beyond which everything hits.
    """
    return _mean_worth(sampled, k, np.ones(len(sampled.ranks)))


def sampled_ndcg(sampled: SampledRanks, k: int) -> Values:
    """Return each user's mean of 1 / log2(rank + 1) over relevant items ranked among the first k, 0 for others, (m,).

    With one relevant item a user, as in leave-one-out, this is the NDCG@k of those papers. NaN without relevant items.

    Raises:
        ParameterError: k is not from 1 to n_negatives.
    """
    return _mean_worth(sampled, k, 1 / np.log2(sampled.ranks + 1))


def _mean_worth(sampled: SampledRanks, k: int, worth: Values) -> Values:
    """Return each user's mean of what each rank is worth, 0 beyond k."""
    if not 1 <= k <= sampled.n_negatives:
        raise ParameterError(f"k must be from 1 to {sampled.n_negatives}, the number of negatives, got {k}")
    size = np.diff(sampled.indptr)
    row = np.repeat(np.arange(len(size)), size)
    return ratio(np.bincount(row, np.where(sampled.ranks <= k, worth, 0.0), len(size)), size)


def _draw(
    rng: np.random.Generator, relevant: Rows, excluded: Rows, row: int, n_items: int, n_negatives: int
) -> NDArray[np.int64]:
    """Return distinct items that are neither relevant nor excluded for this row, without listing all that are not."""
    barred = np.union1d(relevant.row(row)[0], excluded.row(row)[0]).astype(np.int64)
    n_free = n_items - len(barred)
    free = rng.choice(n_free, min(n_negatives, n_free), replace=False, shuffle=False)
    # the free items in order are 0 … n_free - 1; each stands as many places later as barred items lie before it
    return free + np.searchsorted(barred - np.arange(len(barred)), free, "right")


def _scores(score_pairs: ScorePairs, rows: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[Any]:
    scores = score_pairs(rows, items)
    if scores.shape != items.shape or np.isnan(scores).any():
        raise ParameterError(f"score_pairs must give {items.shape} scores, none missing (NaN), got {scores.shape}")
    return scores
