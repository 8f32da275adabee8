"""Metrics of ranked lists at k, one value a user, over the full catalogue.

`judge` sets lists beside relevant items, checks both once, and marks the hits; each metric is then one formula over
the marks, cut at k. Letters: h_j = 1 where place j (from 1) holds a relevant item, g_j its gain, n the user's number of
relevant items.

For all of them: a user without relevant items gives NaN (nothing to find: no part of a mean). A user without a list
gives 0. A list with fewer than k items is as it is: its missing places hold nothing, and nothing is divided by less.
Where ties decide a list, each metric is its expected value over all orders of the tied items (`palate.metrics.ties`):
then h_j is the chance of a hit, g_j the gain to expect. So nothing depends on how items are numbered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from palate.errors import ParameterError
from palate.metrics.arrays import CELLS, Array, ItemLists, Values, check_lists, check_rows, cut, ratio, row_of_cells
from palate.metrics.metric import Metric
from palate.metrics.ties import Tail, Ties, ties_of
from palate.parallel import chunks
from palate.sparse import Rows


@dataclass(frozen=True, eq=False)
class Judged:
    """Lists with their hits marked.

    Attributes:
        lists: (m, width) int32 items, best first; -1 where there is none.
        hits: (m, width) bool, a relevant item stands there.
        gains: (m, width) float32, its gain, 0 elsewhere.
        relevant: row u has the relevant items of the user of list u, with their gains as values.
        ties: what to expect of the lists that ties decide, or None where there are none.
    """

    lists: ItemLists
    hits: NDArray[np.bool_]
    gains: NDArray[np.float32]
    relevant: Rows
    ties: Ties | None = None

    @property
    def n_relevant(self) -> NDArray[np.int64]:
        """How many relevant items each user has, (m,)."""
        return self.relevant.sizes

    def with_ties(self, keys: Values, tail: Tail) -> Judged:
        """Return the same with what to expect where ties decide; see `ties_of` for keys and tail."""
        return replace(self, ties=ties_of(keys, self.hits, self.gains, tail))

    def expected(self, name: str, marks: Array, k: int) -> Values:
        """Return marks of the first k places, (m, k), and in lists that ties decide what to expect by that name."""
        values = cut(marks, k).astype(np.float64)
        if self.ties is not None:
            values[self.ties.rows] = getattr(self.ties, name)[:, :k]
        return values


def judge(lists: ItemLists, relevant: Rows, n_items: int) -> Judged:
    """Return the lists with their hits marked, checked once for all metrics.

    Args:
        lists: (m, width) item positions, best first, -1 where there is none, as `topk` gives.
        relevant: m rows, sorted by item; values are gains of at least 0 (1 for clicks), used by `ndcg_graded` alone.
        n_items: size of the catalogue.

    Raises:
        ParameterError: as many rows as lists are needed; an item is out of the catalogue, stands twice in a list or
            row, or has a gain that is negative or not finite.
    """
    check_lists(lists, n_items)
    check_rows(relevant, len(lists), n_items, "relevant")
    gains = relevant.values
    if not (np.isfinite(gains) & (gains >= 0)).all():
        raise ParameterError.of(
            "gains", "must be finite and at least 0; leave out what is not relevant, or shift the values"
        )
    keys = np.append(row_of_cells(relevant) * n_items + relevant.indices, np.iinfo(np.int64).max)
    gain_of_cell = np.append(gains, np.float32(0))
    hits, gain = np.zeros(lists.shape, bool), np.zeros(lists.shape, np.float32)
    for block in chunks(len(lists), max(1, CELLS // max(1, lists.shape[1]))):
        wanted = np.arange(block.start, block.stop)[:, None] * n_items + lists[block]
        place = np.searchsorted(keys, wanted)
        hits[block] = (keys[place] == wanted) & (lists[block] >= 0)
        gain[block] = np.where(hits[block], gain_of_cell[place], 0)
    return Judged(lists, hits, gain, relevant)


def precision(judged: Judged, k: int) -> Values:
    """Return sum_{j<=k} h_j / k, (m,): the share of k places that hit. Also a short list is divided by k."""
    return _known(judged, _chances(judged, k).sum(axis=1) / k)


def recall(judged: Judged, k: int) -> Values:
    """Return sum_{j<=k} h_j / n, (m,): the share of the relevant items that were found.

    With n > k even a perfect list stays below 1. Papers after Mult-VAE (Liang et al. 2018) print `recall_truncated`
    under this name.
    """
    return _known(judged, _chances(judged, k).sum(axis=1) / np.maximum(judged.n_relevant, 1))


def recall_truncated(judged: Judged, k: int) -> Values:
    """Return sum_{j<=k} h_j / min(k, n), (m,): a perfect list gives 1 (Liang et al. 2018). May fall as k grows."""
    return _known(judged, _chances(judged, k).sum(axis=1) / np.clip(judged.n_relevant, 1, k))


def hit_rate(judged: Judged, k: int) -> Values:
    """Return 1 where any of the first k hits, else 0, (m,); its mean is the share of users who got a hit."""
    return _known(judged, 1 - _no_hit_yet(judged, k)[:, -1])


def reciprocal_rank(judged: Judged, k: int) -> Values:
    """Return 1 / (place of the first hit among k), 0 without one, (m,); its mean is MRR (Voorhees 1999)."""
    first_here = -np.diff(_no_hit_yet(judged, k), axis=1)
    return _known(judged, (first_here / np.arange(1, k + 1)).sum(axis=1))


def average_precision(judged: Judged, k: int) -> Values:
    """Return sum_{j<=k} h_j (h_1 + … + h_j) / j / n, (m,); its mean is MAP, as trec_eval's map_cut.

    Divided by n, as recall is; others (RecBole, Kaggle) divide by min(k, n), which is higher where n > k.
    """
    hits = cut(judged.hits, k)
    above = judged.expected("above", np.cumsum(hits, axis=1) - hits, k)
    precisions = (above + 1) / np.arange(1, k + 1)
    return _known(judged, (_chances(judged, k) * precisions).sum(axis=1) / np.maximum(judged.n_relevant, 1))


def ndcg(judged: Judged, k: int) -> Values:
    """Return binary NDCG, (m,): DCG = sum_{j<=k} h_j / log2(j + 1), over that of min(k, n) hits at the top.

    Jaervelin & Kekaelaeinen 2002, with the discount log2(j + 1) of Burges et al. 2005. The ideal list is cut at k too.
    Gains are not looked at; `ndcg_graded` does. A perfect list gives exactly 1.
    """
    hits, discounts = _chances(judged, k), _discounts(k)
    ideal = np.cumsum(discounts)[np.clip(judged.n_relevant, 1, k) - 1]
    return _known(judged, _in_order(hits * discounts) / ideal)


def ndcg_graded(judged: Judged, k: int) -> Values:
    """Return graded NDCG, (m,): DCG = sum_{j<=k} g_j / log2(j + 1), over that of the k best gains in order.

    Gains are linear, as in trec_eval and scikit-learn (not 2^g - 1): pass 2^g - 1 as values for the other. NaN for a
    user whose gains are all 0. A perfect list gives exactly 1.
    """
    gains, discounts = judged.expected("gain", judged.gains, k), _discounts(k)
    dcg = _in_order(gains * discounts)
    ideal = _ideal(judged.relevant, k, discounts)
    return ratio(dcg, ideal)


def _chances(judged: Judged, k: int) -> Values:
    """Return the chance that each of the first k places hits, (m, k); 0 and 1 without ties."""
    return judged.expected("chance", judged.hits, k)


def _no_hit_yet(judged: Judged, k: int) -> Values:
    """Return the chance that the first 0, 1, … k places hit nothing, (m, k + 1)."""
    misses = judged.expected("miss", ~judged.hits, k)
    return np.cumprod(np.concatenate([np.ones((len(misses), 1)), misses], axis=1), axis=1)


def _known(judged: Judged, values: Array) -> Values:
    return np.where(judged.n_relevant > 0, values, np.nan)


def _discounts(k: int) -> Values:
    return np.asarray(1 / np.log2(np.arange(2, k + 2)))


def _in_order(terms: Values) -> Values:
    """Return row sums taken from left to right, as the ideal's: so a perfect list gives exactly 1."""
    return np.asarray(np.cumsum(terms, axis=1)[:, -1])


def _ideal(relevant: Rows, k: int, discounts: Values) -> Values:
    """Return each row's DCG of its k largest gains, largest first; summed in that order."""
    size = relevant.sizes
    row = row_of_cells(relevant)
    gains = relevant.values[np.lexsort((-relevant.values, row))].astype(np.float64)
    place = np.arange(len(gains)) - np.repeat(relevant.indptr[:-1], size)
    top = place < k
    return np.bincount(row[top], gains[top] * discounts[place[top]], len(size)).astype(np.float64)


_of_lists = partial(Metric, kind="ranking", per="user", higher_is_better=True)

METRICS = (
    _of_lists("precision", "precision", precision, unit="share",
              meaning="the share of a list that people went on to choose"),
    _of_lists("recall", "recall", recall, unit="share",
              meaning="the share of what people went on to choose that stands in their lists"),
    _of_lists("recall_truncated", "recall truncated", recall_truncated, unit="share",
              meaning="recall, divided by no more than a list can hold; a perfect list gives 1"),
    _of_lists("hit_rate", "hit rate", hit_rate, unit="share",
              meaning="the share of people with at least one good recommendation"),
    _of_lists("ndcg", "NDCG", ndcg,
        meaning="how much of what people went on to choose stands in their lists, and how near the top; 1 is perfect"),
    _of_lists("ndcg_graded", "NDCG, graded", ndcg_graded,
              meaning="NDCG in which what was rated higher counts for more; 1 is perfect"),
    _of_lists("map", "MAP", average_precision,
              meaning="precision at each good recommendation, averaged; 1 is perfect"),
    _of_lists("mrr", "MRR", reciprocal_rank,
              meaning="one over the place of the first good recommendation; 1 is perfect"),
)  # fmt: skip
