"""AUC over the full catalogue: blocks of scores, never a dense matrix of users x items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Rows
from palate.errors import ParameterError
from palate.metrics.arrays import Values, check_rows
from palate.parallel import chunks

SCORES = 1 << 21  # scores held at once: 16 MiB in float64, and as much again sorted

ScoreBlock = Callable[[NDArray[np.intp]], NDArray[Any]]


def auc(score_block: ScoreBlock, relevant: Rows, excluded: Rows, n_items: int) -> Values:
    """Return, per user, the chance that a relevant item scores above another candidate; ties count half, (m,).

    (wins + ties / 2) / (n_positive n_negative), the Wilcoxon-Mann-Whitney statistic (Hanley & McNeil 1982), with exact
    counts: from the sorted scores of the whole row, less what the left-out items count. Positives are the relevant
    items, negatives all others; excluded items (training) are neither, also where they are relevant. NaN for a user
    without positives or without negatives.

    Args:
        score_block: given (b,) positions of rows here, gives their scores of all items, (b, n_items). It is not asked
            for users without relevant items.
        relevant, excluded: m rows each, sorted by item.
        n_items: size of the catalogue.

    Raises:
        ParameterError: rows do not fit each other or the catalogue; a block has another shape or holds NaN.
    """
    m = len(relevant.indptr) - 1
    check_rows(relevant, m, n_items, "relevant")
    check_rows(excluded, m, n_items, "excluded")
    out = np.full(m, np.nan)
    users = np.flatnonzero(np.diff(relevant.indptr))
    for block in chunks(len(users), max(1, SCORES // n_items)):
        scores = _checked(score_block(users[block]), (block.stop - block.start, n_items))
        ordered = np.sort(scores, axis=1)
        for place, user in enumerate(users[block]):
            left_out = excluded.row(user)[0]
            positives = np.setdiff1d(relevant.row(user)[0], left_out, assume_unique=True)
            out[user] = _auc_of_row(scores[place], ordered[place], positives, left_out)
    return out


def _auc_of_row(scores: Values, ordered: Values, positives: NDArray[Any], left_out: NDArray[Any]) -> float:
    """Return the AUC of one user; ``ordered`` has all scores, so positives and left-out items are counted off again."""
    n_negative = len(scores) - len(positives) - len(left_out)
    if not len(positives) or not n_negative:
        return float("nan")
    high = scores[positives]
    others = np.sort(np.concatenate([high, scores[left_out]]))
    below = sum(
        np.searchsorted(ordered, high, side).sum() - np.searchsorted(others, high, side).sum()
        for side in ("left", "right")
    )
    return float(below / 2 / (len(positives) * n_negative))


def _checked(scores: NDArray[Any], shape: tuple[int, int]) -> Values:
    if scores.shape != shape:
        raise ParameterError(f"score_block gave shape {scores.shape}, asked for {shape}")
    if np.isnan(scores).any():
        raise ParameterError("score_block gave missing scores (NaN); every item needs a score")
    return scores
