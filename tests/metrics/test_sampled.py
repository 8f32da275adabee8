from __future__ import annotations

import logging

import numpy as np
import pytest
from metrics.made import close, rows
from scipy.stats import hypergeom

from palate.errors import ParameterError
from palate.metrics import SampledRanks, judge, ranking, sampled, sampled_ranks
from palate.metrics.area import Standing

N_ITEMS = 40
RNG = np.random.default_rng(0)
HAD = [sorted(RNG.permutation(N_ITEMS)[: RNG.integers(0, 12)].tolist()) for _ in range(30)]
RELEVANT = [[i for i in RNG.permutation(N_ITEMS)[: RNG.integers(0, 4)].tolist() if i not in had] for had in HAD]
SCORES = RNG.normal(size=(30, N_ITEMS))


def by_scores(users):
    return SCORES[users]


def of_one(free, better, tied, n_negatives):
    """Return the ranks of one relevant item of one user."""
    return SampledRanks(Standing(np.array([better]), np.array([tied]), np.array([0, 1]), np.array([free])), n_negatives)


@pytest.mark.parametrize(("free", "better", "n"), [(30, 4, 10), (30, 0, 10), (30, 30, 10), (5, 2, 10), (2000, 90, 100)])
def test_ranks_follow_the_hypergeometric_distribution(free, better, n):
    drawn = hypergeom(free, better, min(n, free))
    np.testing.assert_allclose(of_one(free, better, 0, n).chances(10)[0], drawn.pmf(np.arange(10)), atol=1e-11)


def test_ties_spread_over_the_ranks():
    apart = [of_one(30, better, 0, 10).chances(5)[0] for better in range(4, 11)]
    np.testing.assert_allclose(of_one(30, 4, 6, 10).chances(5)[0], np.mean(apart, axis=0), **close)


def test_it_is_the_mean_of_many_draws():
    rng = np.random.default_rng(1)
    scores, better = rng.normal(size=30), 5
    high = np.sort(scores)[-better] - 1e-9
    ranks = np.array([1 + (rng.choice(scores, 10, replace=False) > high).sum() for _ in range(20_000)])
    one = of_one(30, better, 0, 10)
    assert sampled.sampled_hit_rate(one, 2)[0] == pytest.approx(np.mean(ranks <= 2), abs=0.015)
    worth = np.where(ranks <= 2, 1 / np.log2(ranks + 1), 0)
    assert sampled.sampled_ndcg(one, 2)[0] == pytest.approx(worth.mean(), abs=0.015)


def test_with_all_negatives_the_rank_is_the_one_in_the_catalogue():
    """With one relevant item a user and no sampling left, hit rate and NDCG are those of the full ranking."""
    relevant = [one[:1] for one in RELEVANT]
    got = sampled_ranks(by_scores, rows(relevant), rows(HAD), N_ITEMS, n_negatives=1000)
    free = SCORES.copy()
    for user, had in enumerate(HAD):
        free[user, had] = -np.inf
    lists = np.argsort(-free, axis=1).astype(np.int32)
    full = judge(lists, rows(relevant), N_ITEMS)
    for k in (1, 5, 20):
        np.testing.assert_allclose(sampled.sampled_hit_rate(got, k), ranking.hit_rate(full, k), **close)
        np.testing.assert_allclose(sampled.sampled_ndcg(got, k), ranking.ndcg(full, k), **close)
    assert 0 < np.nanmean(sampled.sampled_hit_rate(got, 5)) < 1


def test_by_hand():
    """One negative of two is drawn: above the first item with chance 1/2, above the second surely."""
    got = SampledRanks(Standing(np.array([1, 2]), np.array([0, 0]), np.array([0, 1, 1, 2]), np.array([2, 2, 2])), 1)
    np.testing.assert_allclose(sampled.sampled_hit_rate(got, 1), [0.5, np.nan, 0])
    two = SampledRanks(got.standing, 2)
    np.testing.assert_allclose(sampled.sampled_ndcg(two, 2), [1 / np.log2(3), np.nan, 0])


def test_a_constant_score_hits_as_chance_does():
    """Of six items in random order, each stands first with chance 1/6."""
    got = sampled_ranks(lambda u: np.zeros((len(u), 9)), rows([[0], [1]]), rows([[], []]), 9, n_negatives=5)
    np.testing.assert_allclose(sampled.sampled_hit_rate(got, 1), 1 / 6)


def test_nothing_left_to_draw_ranks_first():
    got = sampled_ranks(lambda u: np.zeros((len(u), 3)), rows([[0, 2], []]), rows([[1], []]), 3)
    np.testing.assert_allclose(got.chances(2), [[1, 0], [1, 0]])
    assert len(sampled_ranks(by_scores, rows([[]]), rows([[]]), N_ITEMS).chances(1)) == 0


def test_blocks_do_not_matter(monkeypatch):
    whole = of_one(500, 20, 300, 100).chances(5)
    monkeypatch.setattr(sampled, "CELLS", 20)
    np.testing.assert_allclose(of_one(500, 20, 300, 100).chances(5), whole, rtol=1e-12)


def test_it_warns_and_names_why(caplog):
    with caplog.at_level(logging.WARNING, logger="palate"):
        sampled_ranks(by_scores, rows([[0]]), rows([[]]), N_ITEMS)
    assert [r.getMessage() for r in caplog.records] == [
        "ranking against 100 sampled negatives: comparable with old papers only, and may order models wrongly "
        "(Krichene & Rendle 2020)"
    ]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"n_negatives": 0}, "n_negatives must be at least 1, got 0"),
        ({"excluded": rows([[], []])}, "excluded has 2 rows for 1 users"),
        ({"relevant": rows([[3]])}, "relevant items must be positions from 0 to 2"),
        ({"score_block": lambda u: np.zeros(0)}, r"score_block gave shape \(0,\), asked for \(1, 3\)"),
        ({"score_block": lambda u: np.full((len(u), 3), np.nan)}, "score_block gave missing scores"),
    ],
)
def test_wrong_input_is_refused(change, text):
    good = {"score_block": by_scores, "relevant": rows([[0]]), "excluded": rows([[]]), "n_items": 3}
    with pytest.raises(ParameterError, match=text):
        sampled_ranks(**{**good, **change})


@pytest.mark.parametrize("metric", [sampled.sampled_hit_rate, sampled.sampled_ndcg])
@pytest.mark.parametrize("k", [-1, 0, 11])
def test_k_beyond_the_negatives_is_refused(metric, k):
    with pytest.raises(ParameterError, match=f"k must be from 1 to 10, the number of negatives, got {k}"):
        metric(of_one(20, 1, 0, 10), k)
