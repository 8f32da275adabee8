from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from ir_measures import AP, RR, P, R, Success, nDCG
from metrics import naive_metrics as naive
from metrics.made import cases, close, padded, quick, rows
from metrics.twins import OF_LISTS
from sklearn.metrics import ndcg_score

from palate.errors import ParameterError
from palate.metrics import METRICS, judge, ranking, take_rows

NAMES = [METRICS[name].function.__name__ for name in OF_LISTS]


def judged(case):
    return judge(case.lists, rows(case.gains), case.n_items)


@pytest.mark.parametrize("name", NAMES)
@quick
@given(case=cases(lowest_gain=0))
def test_each_metric_is_its_naive_twin(name, case):
    got = getattr(ranking, name)(judged(case), case.k)
    wanted = [getattr(naive, name)(s, g, case.k) for s, g in zip(case.shown, case.gains, strict=True)]
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, wanted, **close)


@quick
@given(case=cases())
def test_each_metric_is_ir_measures_of_the_users_that_have_a_list_and_relevant_items(case):
    """trec_eval breaks ties by document id: it is fed distinct scores. Its NDCG has linear gains, as ours."""
    k = case.k
    names = {P @ k: "precision", R @ k: "recall", Success @ k: "hit_rate", RR @ k: "reciprocal_rank",
             AP @ k: "average_precision", nDCG @ k: "ndcg_graded"}  # fmt: skip
    users = [u for u in range(len(case.shown)) if case.shown[u] and case.gains[u]]
    qrels = {str(u): {f"i{i}": g for i, g in case.gains[u].items()} for u in users}
    run = {str(u): {f"i{i}": 100.0 - place for place, i in enumerate(case.shown[u])} for u in users}
    ours = judged(case)
    values = {measure: getattr(ranking, name)(ours, k) for measure, name in names.items()}
    found = list(ir_measures.iter_calc(list(names), qrels, run)) if users else []
    assert len(found) == len(users) * len(names)
    for one in found:
        assert values[one.measure][int(one.query_id)] == pytest.approx(one.value, abs=1e-10), one.measure
    binary = {u: dict.fromkeys(gains, 1) for u, gains in qrels.items()}
    for one in ir_measures.iter_calc([nDCG @ k], binary, run) if users else []:
        assert ranking.ndcg(ours, k)[int(one.query_id)] == pytest.approx(one.value, abs=1e-10)


@quick
@given(case=cases(lowest_gain=0))
def test_ndcg_is_scikit_learns_where_the_whole_list_is_given(case):
    """scikit-learn ranks every item, so each list is filled up with the rest, and gives 0 where we say NaN."""
    if case.n_items < 2:
        return
    full = [s + [i for i in range(case.n_items) if i not in s] for s in case.shown]
    k = min(case.k, case.n_items)
    truth = np.array([[g.get(i, 0) for i in range(case.n_items)] for g in case.gains])
    scores = np.array([[-one.index(i) for i in range(case.n_items)] for one in full])
    ours = judge(padded(full, case.n_items), rows(case.gains), case.n_items)
    for metric, gains in ((ranking.ndcg_graded, truth), (ranking.ndcg, None)):
        if gains is None:
            gains = np.array([[i in g for i in range(case.n_items)] for g in case.gains]).astype(int)
        wanted = [ndcg_score(gains[u : u + 1], scores[u : u + 1], k=k) for u in range(len(full))]
        np.testing.assert_allclose(np.nan_to_num(metric(ours, k)), wanted, **close)


def test_by_hand():
    """Users: two hits of three relevant; no relevant items; no list; a short list; nothing found."""
    lists = padded([[4, 0, 2, 1], [0, 1, 2, 3], [], [3], [0, 1]], 4)
    gains = [{0: 1, 2: 3, 5: 2}, {}, {1: 1}, {3: 2}, {5: 1}]
    ours = judge(lists, rows(gains), 6)
    nan = np.nan
    np.testing.assert_array_equal(ranking.precision(ours, 4), [2 / 4, nan, 0, 1 / 4, 0])
    np.testing.assert_array_equal(ranking.recall(ours, 2), [1 / 3, nan, 0, 1, 0])
    np.testing.assert_array_equal(ranking.recall_truncated(ours, 2), [1 / 2, nan, 0, 1, 0])
    np.testing.assert_array_equal(ranking.hit_rate(ours, 1), [0, nan, 0, 1, 0])
    np.testing.assert_array_equal(ranking.reciprocal_rank(ours, 4), [1 / 2, nan, 0, 1, 0])
    np.testing.assert_allclose(ranking.average_precision(ours, 4), [(1 / 2 + 2 / 3) / 3, nan, 0, 1, 0], rtol=1e-15)
    log2 = np.log2
    binary = (1 / log2(3) + 1 / log2(4)) / (1 + 1 / log2(3) + 1 / log2(4))
    graded = (1 / log2(3) + 3 / log2(4)) / (3 + 2 / log2(3) + 1 / log2(4))
    np.testing.assert_allclose(ranking.ndcg(ours, 4), [binary, nan, 0, 1, 0], rtol=1e-15)
    np.testing.assert_allclose(ranking.ndcg_graded(ours, 4), [graded, nan, 0, 1, 0], rtol=1e-15)


def test_precision_stays_below_one_where_recall_truncated_of_a_perfect_list_is_one():
    lists, relevant = padded([[0, 1]], 4), rows([[0, 1]])
    ours = judge(lists, relevant, 9)
    assert ranking.precision(ours, 4) == 0.5
    assert ranking.recall_truncated(ours, 4) == 1


def test_a_perfect_list_has_an_ndcg_of_exactly_one_at_every_k():
    rng = np.random.default_rng(0)
    order = rng.permutation(300)[:100]
    gains = dict(zip(order.tolist(), np.sort(rng.random(100))[::-1].tolist(), strict=True))
    ours = judge(order[None].astype(np.int32), rows([gains]), 300)
    for k in range(1, 101):
        assert ranking.ndcg(ours, k) == 1
        assert ranking.ndcg_graded(ours, k) == 1


def test_ndcg_does_not_look_at_gains_and_graded_does():
    lists = padded([[0, 1]], 2)
    flat, steep = (judge(lists, rows([{0: 1, 1: gain}]), 2) for gain in (1, 4))
    assert ranking.ndcg(flat, 2) == ranking.ndcg(steep, 2) == 1
    assert ranking.ndcg_graded(steep, 2) < ranking.ndcg_graded(flat, 2) == 1


def test_gains_that_are_all_zero_leave_nothing_to_grade():
    ours = judge(padded([[0]], 1), rows([{0: 0}]), 1)
    assert np.isnan(ranking.ndcg_graded(ours, 1))
    assert ranking.ndcg(ours, 1) == 1


def test_judging_in_blocks_changes_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    lists = np.array([rng.permutation(20)[:7] for _ in range(50)], np.int32)
    relevant = rows([{int(i): float(i) for i in rng.permutation(20)[: rng.integers(0, 9)]} for _ in range(50)])
    whole = judge(lists, relevant, 20)
    monkeypatch.setattr("palate.metrics.ranking.CELLS", 21)
    parts = judge(lists, relevant, 20)
    np.testing.assert_array_equal(whole.hits, parts.hits)
    np.testing.assert_array_equal(whole.gains, parts.gains)
    assert 0 < whole.hits.sum() < whole.hits.size


def test_no_users_at_all():
    ours = judge(np.empty((0, 3), np.int32), rows([]), 5)
    for name in NAMES:
        assert getattr(ranking, name)(ours, 2).shape == (0,)


def test_take_rows_picks_users_in_any_order():
    picked = take_rows(rows([{1: 5.0}, {}, {0: 2.0, 3: 4.0}]), np.array([2, 1, 2]))
    np.testing.assert_array_equal(picked.indptr, [0, 2, 2, 4])
    np.testing.assert_array_equal(picked.indices, [0, 3, 0, 3])
    np.testing.assert_array_equal(picked.values, [2, 4, 2, 4])


GOOD = padded([[0, 1], [2]], 2)


@pytest.mark.parametrize(
    ("lists", "relevant", "text"),
    [
        (GOOD.astype(float), rows([[0], [1]]), r"lists must be whole numbers of shape \(m, k\), got float64"),
        (GOOD[0], rows([[0], [1]]), r"of shape \(2,\)"),
        (GOOD + 2, rows([[0], [1]]), "lists must hold item positions from 0 to 3, or -1"),
        (GOOD - 2, rows([[0], [1]]), "lists must hold item positions from 0 to 3, or -1"),
        (padded([[0, 1], [2, 2]], 2), rows([[0], [1]]), "list 1 holds an item twice"),
        (GOOD, rows([[0]]), "relevant has 1 rows for 2 users; take_rows picks users"),
        (GOOD, rows([[0], [4]]), "relevant items must be positions from 0 to 3"),
        (GOOD, rows([[0], [-1]]), "relevant items must be positions from 0 to 3"),
        (GOOD, rows([[0], [1, 1]]), "relevant rows must be sorted by item, each item once"),
        (GOOD, rows([[0], {1: -1}]), "gains must be finite and at least 0"),
        (GOOD, rows([[0], {1: np.nan}]), "gains must be finite and at least 0"),
    ],
)
def test_what_cannot_be_judged_is_refused(lists, relevant, text):
    with pytest.raises(ParameterError, match=text):
        judge(lists, relevant, 4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("k", [0, -1, 3])
def test_k_beyond_the_lists_is_refused(name, k):
    with pytest.raises(
        ParameterError, match=f"k must be from 1 to 2, the length of the lists, got {k}; ask for longer"
    ):
        getattr(ranking, name)(judge(GOOD, rows([[0], [1]]), 4), k)
