"""Lists by chance: the logged propensities are those of all lists, and of the lists that are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palate.experiments.choosing import Softmax, Thompson, by_place, utilities
from palate.experiments.explore import Explore


@dataclass(frozen=True, eq=False)
class Draws:
    """Scores in draws, as they are given."""

    S: np.ndarray

    @property
    def n_draws(self):
        return len(self.S)

    def of(self, draw):
        return self.S[draw]

    def every(self):
        return self.S


def softmax(m=5, **set_to):
    return Softmax(utilities(np.linspace(2, 1, m) ** 3), Explore(policy="softmax", **set_to))


def thompson(m=4, n_draws=10, **set_to):
    S = np.random.default_rng(3).normal(size=(n_draws, m)) + np.linspace(1, 0, m)
    return Thompson(np.zeros(m), Draws(S), Explore(policy="thompson", **set_to))


def own_places(policy):
    """Return the probability of each item at each place, by enumeration."""
    if isinstance(policy, Softmax):
        return naive.places_taken(np.exp(policy.utilities / policy.explore.temperature))
    P = np.zeros((policy.m, policy.m))
    for row in policy.draws.S:
        for place, item in enumerate(sorted(range(policy.m), key=lambda i: -row[i])):
            P[item, place] += 1 / len(policy.draws.S)
    return P


POLICIES = {
    "softmax": softmax(temperature=0.7),
    "softmax of some lists": softmax(temperature=0.3, share=0.4, uniform=0.1),
    "thompson": thompson(uniform=0.2),
    "thompson of some lists": thompson(share=0.5),
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_propensities_are_those_of_all_lists(policy):
    P = naive.mixed_places(own_places(policy), policy.explore.share, policy.explore.uniform)
    items = np.random.default_rng(1).permutation(policy.m)
    for turn in range(policy.m):
        places = (np.arange(policy.m) + turn) % policy.m + 1
        np.testing.assert_allclose(policy.propensities(items, places), P[items, places - 1], rtol=1e-6)
    assert policy.propensities([], []).tolist() == []


@pytest.mark.parametrize("n", [20_000, pytest.param(100_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_drawn_lists_have_the_places_and_orders_that_are_logged(policy, n):
    m = policy.m
    lists = np.array([policy.draw(seed << 20).order for seed in range(n)])
    assert (np.sort(lists, axis=1) == np.arange(m)).all()
    for place in range(m):
        for item in range(m):
            p = policy.propensities([item], [place + 1])[0]
            assert abs((lists[:, place] == item).mean() - p) < 4.5 * math.sqrt(p * (1 - p) / n) + 1e-9
    found, counts = np.unique(lists, axis=0, return_counts=True)
    for order, count in zip(found, counts, strict=True):
        p = math.exp(policy.log_probability(order))
        assert abs(count / n - p) < 5 * math.sqrt(p * (1 - p) / n) + 1e-9
    assert sum(math.exp(policy.log_probability(order)) for order in found) == pytest.approx(1, abs=0.02)


@pytest.mark.long
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_a_hundred_thousand_lists_of_ten_of_a_hundred_candidates_agree_with_their_log(temperature):
    """Of all lists together: how often an item stood at a place, beside the sum of what was logged for it there."""
    policy = Softmax(
        utilities(-np.sort(-np.random.default_rng(0).normal(size=100))),
        Explore(policy="softmax", temperature=temperature),
    )
    n, places = 100_000, np.arange(1, 11)
    lists = np.array([policy.draw(seed << 20).order[:10] for seed in range(n)])
    for place in places:
        for item in np.unique(lists[:, place - 1])[:30]:
            p = policy.propensities([item], [place])[0]
            assert abs((lists[:, place - 1] == item).mean() - p) < 5 * math.sqrt(p * (1 - p) / n) + 2 / n


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_no_candidate_has_probability_0_where_the_uniform_share_is_above_0(policy):
    least = min(policy.propensities([i], [r + 1])[0] for i in range(policy.m) for r in range(policy.m))
    assert least >= policy.explore.share * policy.explore.uniform / policy.m > 0 or not policy.explore.uniform


def test_the_same_seed_gives_the_same_list_and_says_by_what_it_was_made():
    policy = thompson(share=0.5, uniform=0.3)
    drawn = [policy.draw(seed) for seed in range(300)]
    assert {one.by for one in drawn} == {"order", "uniform", "thompson"}
    assert all((policy.draw(seed).order == one.order).all() for seed, one in enumerate(drawn))
    for one in drawn:
        assert (one.draw >= 0) == (one.by == "thompson")
        if one.by == "thompson":
            assert one.order.tolist() == np.argsort(-policy.draws.of(one.draw), kind="stable").tolist()
        elif one.by == "order":
            assert one.order.tolist() == [0, 1, 2, 3]


def test_offsets_move_the_order_of_every_draw():
    policy = Thompson(np.array([0.0, 0, 0, 99]), thompson().draws, Explore(policy="thompson", uniform=0.01))
    assert policy.propensities([3], [1])[0] == pytest.approx(0.99 + 0.01 / 4)


@settings(max_examples=40)
@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=8), st.floats(0.001, 1000), st.floats(-100, 100))
def test_utilities_know_no_unit_and_no_zero(scores, factor, moved):
    scores = np.sort(np.array(scores, float))[::-1]
    if scores[0] > scores[-1]:
        own = utilities(scores)
        assert own.mean() == pytest.approx(0, abs=1e-5)
        assert own.std() == pytest.approx(1, rel=1e-5)
        np.testing.assert_allclose(utilities(factor * scores + moved), own, atol=1e-3)


def test_utilities_follow_the_order_where_it_is_not_that_of_the_scores():
    assert by_place(np.array([1.0, 3, 2])).tolist() == [3, 2, 1]
    assert by_place(np.array([3.0, np.nan, 1])).tolist() == [3, 2, 1]
    assert by_place(np.full(3, np.nan)).tolist() == by_place(np.array([np.nan, 7, np.nan])).tolist() == [3, 2, 1]
    assert (np.diff(utilities(np.full(4, np.nan))) < 0).all()
    assert utilities(np.array([0.3, 0.1 + 0.2, 0.3])).tolist() == [0, 0, 0]  # equal but for rounding
    assert utilities(np.zeros(0)).tolist() == []
    assert utilities(np.array([8e-277, 0])).tolist() == [1, -1]  # their squares are 0


def test_a_low_temperature_is_the_order_and_a_high_one_is_chance():
    cold, hot = softmax(temperature=0.01), softmax(temperature=1000)
    assert cold.draw(1).order.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(cold.propensities(np.arange(5), np.arange(1, 6)), 1, atol=1e-6)
    np.testing.assert_allclose(hot.propensities(np.arange(5), np.arange(1, 6)), 0.2, atol=1e-3)


def test_one_candidate_is_certain():
    policy = softmax(m=1, uniform=0.5)
    assert policy.draw(3).order.tolist() == [0]
    assert policy.propensities([0], [1]).tolist() == [1]
    assert policy.log_probability([0]) == 0
