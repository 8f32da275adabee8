"""Metrics of lists that ties decide are the mean over all orders of the tied items, written out."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics import naive_metrics as naive
from metrics.made import close, padded, quick, rows
from metrics.twins import OF_LISTS

from palate.metrics import METRICS, at, judge, sampled_ranks
from palate.metrics.ties import tied_rows

OF_SAMPLES = {"sampled_hit_rate": lambda rank: 1.0, "sampled_ndcg": lambda rank: 1 / math.log2(rank + 1)}


@st.composite
def scored(draw):
    """Return a user's scores of few values, gains of relevant items (none of them had), and items had."""
    n_items = draw(st.integers(1, 5))
    scores = draw(st.lists(st.integers(0, 2), min_size=n_items, max_size=n_items))
    had = draw(st.sets(st.integers(0, n_items - 1)))
    free = [i for i in range(n_items) if i not in had]
    gains = {i: draw(st.integers(0, 3)) for i in free if draw(st.booleans())}
    return scores, gains, sorted(had)


def orders(scores, items):
    """Return all orders of these items that the scores allow."""
    return {tuple(sorted(order, key=lambda i: -scores[i])) for order in permutations(items)}


def judged(users, width):
    """Return the judged lists of users as they come, ties by position, with what to expect of the ties."""
    n_items = max(len(scores) for scores, _, _ in users)
    free = [[i for i in range(len(scores)) if i not in had] for scores, _, had in users]
    ordered = [sorted(f, key=lambda i: -s[i]) for f, (s, _, _) in zip(free, users, strict=True)]
    keys = np.full((len(users), width + 1), np.nan)
    for row, (one, (scores, _, _)) in enumerate(zip(ordered, users, strict=True)):
        keys[row, : len(one[: width + 1])] = [scores[i] for i in one[: width + 1]]

    def tail(asked):
        groups = [[i for i in free[r] if users[r][0][i] == keys[r, width - 1]] for r in asked]
        gains = [[users[r][1][i] for i in g if i in users[r][1]] for r, g in zip(asked, groups, strict=True)]
        return np.array([len(g) for g in groups]), np.array([len(g) for g in gains]), np.array([sum(g) for g in gains])

    lists = padded([one[:width] for one in ordered], width)
    return judge(lists, rows([gains for _, gains, _ in users]), n_items).with_ties(keys, tail)


def test_every_metric_of_lists_has_a_twin_here():
    ranking = {name for name, metric in METRICS.items() if metric.kind == "ranking"}
    assert ranking == {*OF_LISTS, *OF_SAMPLES, "auc"}


@quick
@given(users=st.lists(scored(), min_size=1, max_size=3), width=st.integers(1, 5), data=st.data())
def test_metrics_of_lists_are_means_over_all_orders(users, width, data):
    k = data.draw(st.integers(1, width))
    ours = judged(users, width)
    for name, twin in OF_LISTS.items():
        wanted = [
            naive.mean(twin(list(order), gains, k) for order in orders(s, [i for i in range(len(s)) if i not in had]))
            for s, gains, had in users
        ]
        np.testing.assert_allclose(at(f"{name}@{k}")(judged=ours), wanted, **close, err_msg=name)


def block_of(scores):
    return lambda users: np.tile(np.array(scores, float), (len(users), 1))


@quick
@given(user=scored())
def test_auc_is_the_mean_over_all_orders(user):
    scores, gains, had = user
    free = [i for i in range(len(scores)) if i not in had]
    places = [{item: -place for place, item in enumerate(order)} for order in orders(scores, free)]
    wanted = naive.mean(naive.auc([place.get(i, 0) for i in range(len(scores))], gains, had) for place in places)
    got = at("auc")(score_block=block_of(scores), relevant=rows([gains]), excluded=rows([had]), n_items=len(scores))
    np.testing.assert_allclose(got, [wanted], **close)


@quick
@given(user=scored(), n=st.integers(1, 4), data=st.data())
def test_sampled_metrics_are_means_over_all_draws_and_orders(user, n, data):
    scores, gains, had = user
    k = data.draw(st.integers(1, n))
    negatives = [i for i in range(len(scores)) if i not in had and i not in gains]
    draws = list(combinations(negatives, min(n, len(negatives))))
    sampled = sampled_ranks(block_of(scores), rows([gains]), rows([had]), len(scores), n_negatives=n)
    for name, worth in OF_SAMPLES.items():
        values = [
            naive.mean(
                naive.mean(
                    worth(rank) if rank <= k else 0.0 for rank in (o.index(i) + 1 for o in orders(scores, [i, *d]))
                )
                for d in draws
            )
            for i in gains
        ]
        wanted = naive.mean(values)
        np.testing.assert_allclose(at(f"{name}@{k}")(sampled=sampled), [wanted], **close, err_msg=name)


def test_lists_without_ties_stay_as_they_are():
    lists = padded([[2, 0], [1]], 2)
    plain = judge(lists, rows([[0], [1]]), 3)
    keys = np.array([[3.0, 2, 1], [1, np.nan, np.nan]])
    assert not len(tied_rows(keys))
    assert plain.with_ties(keys, tail=None).ties is None


@pytest.mark.parametrize("name", OF_LISTS)
def test_a_catalogue_of_equal_scores_gives_what_chance_gives(name):
    """Of 40 items with one relevant, a list of 10 hits with chance 1/4, wherever the relevant item stands."""
    found = set()
    for relevant in (0, 9, 10, 39):
        plain = judge(np.arange(10, dtype=np.int32)[None], rows([[relevant]]), 40)
        ours = plain.with_ties(np.zeros((1, 11)), lambda asked: (np.array([40]), np.array([1]), np.array([1.0])))
        found.add(float(at(f"{name}@10")(judged=ours)[0]))
    assert len(found) == 1
    if name in ("hit_rate", "recall"):
        assert found.pop() == pytest.approx(0.25)
