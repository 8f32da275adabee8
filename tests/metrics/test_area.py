from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from metrics import naive_metrics as naive
from metrics.made import cases, close, quick, rows
from sklearn.metrics import roc_auc_score

from palate.errors import ParameterError
from palate.metrics import auc


@quick
@given(cases(), st.data())
def test_auc_is_the_naive_twins_and_scikit_learns(case, data):
    shape = (len(case.shown), case.n_items)
    scores = data.draw(arrays(np.float64, shape, elements=st.sampled_from([-np.inf, -1.5, 0.0, 0.25, 2.0])))
    got = auc(lambda users: scores[users], rows(case.gains), rows(case.histories), case.n_items)
    for user, (relevant, excluded) in enumerate(zip(case.gains, case.histories, strict=True)):
        np.testing.assert_allclose(got[user], naive.auc(scores[user], relevant, excluded), **close)
        if np.isfinite(got[user]) and np.isfinite(scores[user]).all():
            candidates = [i for i in range(case.n_items) if i not in excluded]
            wanted = roc_auc_score([i in relevant for i in candidates], scores[user][candidates])
            np.testing.assert_allclose(got[user], wanted, **close)


def test_by_hand():
    """Item 0 was in training; a tie counts half; users without positives or without negatives have none."""
    scores = np.array([[9.0, 3, 2, 2, 1], [5, 4, 3, 2, 1], [1, 1, 1, 1, 1], [1, 2, 3, 4, 5]])
    relevant, excluded = rows([[1, 3], [], [0, 4], [0, 1]]), rows([[0], [], [], [0, 2, 3, 4]])
    got = auc(lambda users: scores[users], relevant, excluded, 5)
    np.testing.assert_array_equal(got, [(2 + 1 + 0.5) / 4, np.nan, 0.5, np.nan])


def test_scores_come_in_blocks_and_only_for_users_with_relevant_items(monkeypatch):
    monkeypatch.setattr("palate.metrics.area.SCORES", 12)
    rng, asked = np.random.default_rng(0), []
    scores = rng.normal(size=(9, 6)).astype(np.float32)
    relevant = rows([[u % 6] if u != 4 else [] for u in range(9)])

    def score_block(users):
        asked.append(users.tolist())
        return scores[users]

    got = auc(score_block, relevant, rows([[]] * 9), 6)
    assert asked == [[0, 1], [2, 3], [5, 6], [7, 8]]
    wanted = [(scores[u] < scores[u, u % 6]).sum() / 5 if u != 4 else np.nan for u in range(9)]
    np.testing.assert_allclose(got, wanted, **close)


def test_wrong_input_is_refused():
    one, none = rows([[0]]), rows([[]])
    with pytest.raises(ParameterError, match="excluded has 2 rows for 1 users"):
        auc(lambda u: np.zeros((1, 3)), one, rows([[], []]), 3)
    with pytest.raises(ParameterError, match=r"score_block gave shape \(1, 2\), asked for \(1, 3\)"):
        auc(lambda u: np.zeros((1, 2)), one, none, 3)
    with pytest.raises(ParameterError, match=r"score_block gave missing scores \(NaN\)"):
        auc(lambda u: np.full((1, 3), np.nan), one, none, 3)
    with pytest.raises(ParameterError, match="relevant items must be positions from 0 to 2"):
        auc(lambda u: np.zeros((1, 3)), rows([[3]]), none, 3)
