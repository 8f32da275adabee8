from __future__ import annotations

import logging

import numpy as np
import pytest
from metrics.made import close, rows

from palate.errors import ParameterError
from palate.metrics import SampledRanks, judge, ranking, sampled, sampled_ranks

N_ITEMS = 40
RNG = np.random.default_rng(0)
HAD = [sorted(RNG.permutation(N_ITEMS)[: RNG.integers(0, 12)].tolist()) for _ in range(30)]
RELEVANT = [[i for i in RNG.permutation(N_ITEMS)[: RNG.integers(0, 4)].tolist() if i not in had] for had in HAD]
SCORES = RNG.normal(size=(30, N_ITEMS))


def by_scores(users, items):
    return SCORES[users, items]


def test_negatives_are_distinct_and_neither_relevant_nor_seen():
    asked = []

    def score_pairs(users, items):
        asked.append((users, items))
        return by_scores(users, items)

    sampled_ranks(score_pairs, rows(RELEVANT), rows(HAD), N_ITEMS, n_negatives=10)
    (users, items), (low_users, low_items) = asked
    np.testing.assert_array_equal(items, [i for one in RELEVANT for i in sorted(one)])
    np.testing.assert_array_equal(low_users, np.repeat(users, 10))
    for pair, user in enumerate(users):
        negatives = set(low_items[pair * 10 : pair * 10 + 10].tolist())
        assert len(negatives) == 10
        assert not negatives & {*RELEVANT[user], *HAD[user]}
        assert negatives <= set(range(N_ITEMS))


def test_every_free_item_is_as_likely():
    got = np.zeros(9, int)
    rng = np.random.default_rng(5)
    for _ in range(3000):
        got[sampled._draw(rng, rows([[4]]), rows([[0, 5]]), 0, 9, 2)] += 1
    np.testing.assert_array_equal(got[[0, 4, 5]], 0)
    np.testing.assert_allclose(got[[1, 2, 3, 6, 7, 8]], 1000, atol=110)  # 4 standard deviations


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
    got = SampledRanks(np.array([1, 3, 4]), np.array([0, 2, 2, 3]), 10)
    np.testing.assert_array_equal(sampled.sampled_hit_rate(got, 3), [1, np.nan, 0])
    np.testing.assert_array_equal(sampled.sampled_ndcg(got, 3), [(1 + 0.5) / 2, np.nan, 0])


def test_a_constant_score_gains_nothing():
    got = sampled_ranks(lambda u, i: np.zeros(len(i)), rows([[0], [1]]), rows([[], []]), 9, n_negatives=5)
    np.testing.assert_array_equal(got.ranks, [6, 6])


def test_nothing_left_to_draw_ranks_first():
    got = sampled_ranks(lambda u, i: np.zeros(len(i)), rows([[0, 2], []]), rows([[1], []]), 3)
    np.testing.assert_array_equal(got.ranks, [1, 1])
    assert len(sampled_ranks(by_scores, rows([[]]), rows([[]]), 3).ranks) == 0


def test_the_seed_decides_and_blocks_do_not(monkeypatch):
    def ranks(seed):
        return sampled_ranks(
            by_scores, rows(RELEVANT), rows(HAD), N_ITEMS, n_negatives=7, random_state=seed
        ).ranks.tolist()

    first = ranks(0)
    assert first == ranks(0) != ranks(1)
    monkeypatch.setattr(sampled, "CELLS", 20)
    assert first == ranks(0)


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
        ({"score_pairs": lambda u, i: np.zeros(0)}, r"score_pairs must give \(1,\) scores, none missing"),
        ({"score_pairs": lambda u, i: np.full(len(i), np.nan)}, "none missing"),
    ],
)
def test_wrong_input_is_refused(change, text):
    good = {"score_pairs": by_scores, "relevant": rows([[0]]), "excluded": rows([[]]), "n_items": 3}
    with pytest.raises(ParameterError, match=text):
        sampled_ranks(**{**good, **change})


@pytest.mark.parametrize("metric", [sampled.sampled_hit_rate, sampled.sampled_ndcg])
@pytest.mark.parametrize("k", [-1, 0, 11])
def test_k_beyond_the_negatives_is_refused(metric, k):
    with pytest.raises(ParameterError, match=f"k must be from 1 to 10, the number of negatives, got {k}"):
        metric(SampledRanks(np.array([1]), np.array([0, 1]), 10), k)
