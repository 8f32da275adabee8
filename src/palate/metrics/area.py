"""AUC over the full catalogue: blocks of scores, never a dense matrix of users x items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import ParameterError
from palate.metrics.arrays import Values, check_rows, ratio
from palate.metrics.metric import Metric
from palate.parallel import chunks
from palate.sparse import Rows

SCORES = 1 << 21  # scores held at once: 16 MiB in float64, and as much again sorted

ScoreBlock = Callable[[NDArray[np.intp]], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Standing:
    """Where relevant items stand among all that are neither relevant nor excluded for their user, the negatives.

    Attributes:
        better, tied: (n,) negatives that score higher, or the same, one number for each relevant item.
        indptr: (m + 1,) user u has ``indptr[u]:indptr[u + 1]``; excluded items are not among them.
        negatives: (m,) how many each user has; 0 where nothing is relevant.
    """

    better: NDArray[np.int64]
    tied: NDArray[np.int64]
    indptr: NDArray[np.int64]
    negatives: NDArray[np.int64]


def auc(score_block: ScoreBlock, relevant: Rows, excluded: Rows, n_items: int) -> Values:
    """Return, per user, the chance that a relevant item scores above another candidate; ties count half, (m,).

    (wins + ties / 2) / (n_positive n_negative), the Wilcoxon-Mann-Whitney statistic (Hanley & McNeil 1982), with exact
    counts: from the sorted scores of the whole row, less what the left-out items count. Positives are the relevant
    items, negatives all others; excluded items (training) are neither, also where they are relevant. NaN for a user
    without positives or without negatives.

    Args:
        score_block, relevant, excluded, n_items: as in `standing`.

    Raises:
        ParameterError: as `standing`.
    """
    of = standing(score_block, relevant, excluded, n_items)
    size = np.diff(of.indptr)
    row = np.repeat(np.arange(len(size)), size)
    below = np.bincount(row, 2 * (of.negatives[row] - of.better) - of.tied, len(size))
    return ratio(below / 2, size * of.negatives)


def standing(score_block: ScoreBlock, relevant: Rows, excluded: Rows, n_items: int) -> Standing:
    """Return how many negatives stand above each relevant item, and beside it.

    Args:
        score_block: given (b,) positions of rows here, gives their scores of all items, (b, n_items). It is not asked
            for users without relevant items.
        relevant, excluded: m rows each, sorted by item.
        n_items: size of the catalogue.

    Raises:
        ParameterError: rows do not fit each other or the catalogue; a block has another shape or holds NaN.
    """
    m = relevant.n_rows
    check_rows(relevant, m, n_items, "relevant")
    check_rows(excluded, m, n_items, "excluded")
    size, negatives = np.zeros((2, m), np.int64)
    better: list[NDArray[np.int64]] = []
    tied: list[NDArray[np.int64]] = []
    users = np.flatnonzero(relevant.sizes)
    for block in chunks(len(users), max(1, SCORES // n_items)):
        scores = _checked(score_block(users[block]), (block.stop - block.start, n_items))
        ordered = np.sort(scores, axis=1)
        for place, user in enumerate(users[block]):
            left_out = excluded.row(user)[0]
            positives = np.setdiff1d(relevant.row(user)[0], left_out, assume_unique=True)
            others = np.sort(scores[place][np.concatenate([positives, left_out])])
            high = scores[place][positives]
            reach = [_counts(ordered[place], high, side) - _counts(others, high, side) for side in ("left", "right")]
            size[user], negatives[user] = len(positives), n_items - len(positives) - len(left_out)
            better.append(negatives[user] - reach[1])
            tied.append(reach[1] - reach[0])
    none = [np.empty(0, np.int64)]
    indptr = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    return Standing(np.concatenate(better or none), np.concatenate(tied or none), indptr, negatives)


def _counts(ordered: Values, high: Values, side: Any) -> NDArray[np.int64]:
    return np.searchsorted(ordered, high, side).astype(np.int64)


def _checked(scores: NDArray[Any], shape: tuple[int, int]) -> Values:
    if scores.shape != shape:
        raise ParameterError.of("score_block", f"gave shape {scores.shape}, asked for {shape}")
    if np.isnan(scores).any():
        raise ParameterError.of("score_block", "gave missing scores (NaN); every item needs a score")
    return scores


METRICS = (
    Metric("auc", "AUC", auc, kind="ranking", per="user", higher_is_better=True,
           meaning="the chance that a good item stands above another one; 0.5 is guessing"),
)  # fmt: skip
