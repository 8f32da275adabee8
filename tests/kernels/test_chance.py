from __future__ import annotations

import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from read_only import read_only


@pytest.fixture(scope="module")
def chance(kernel):
    return kernel("chance")


def taken(chance, logits, items, places):
    out = np.empty(len(items))
    chance.take_places(*read_only((np.asarray(logits, float), np.asarray(items), np.asarray(places))), out)
    return out


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), m=st.integers(1, 5), scale=st.sampled_from([0.0, 0.1, 1.0, 5.0, 20.0]))
def test_places_are_taken_as_often_as_over_all_orders(chance, seed, m, scale):
    rng = np.random.default_rng(seed)
    logits = scale * rng.normal(size=m)
    P = naive.places_taken(np.exp(logits))
    items = rng.permutation(m)
    for turn in range(m):  # every place of every item
        places = (np.arange(m) + turn) % m + 1
        np.testing.assert_allclose(taken(chance, logits, items, places), P[items, places - 1], rtol=1e-6, atol=1e-12)


def test_some_of_the_items_are_asked_about_as_all_are(chance):
    logits = np.linspace(3, 0, 6)
    P = naive.places_taken(np.exp(logits))
    np.testing.assert_allclose(taken(chance, logits, [4, 1], [2, 5]), [P[4, 1], P[1, 4]], rtol=1e-6)
    assert taken(chance, logits, [3], [1])[0] == pytest.approx(P[3, 0], rel=1e-12)  # the softmax itself


def test_the_places_of_an_item_sum_to_one_where_weights_lie_far_apart(chance):
    logits = np.linspace(800.0, 0.0, 8)
    every = [taken(chance, logits, [2], [place])[0] for place in range(1, 9)]
    assert sum(every) == pytest.approx(1, abs=1e-6)
    assert every[2] == pytest.approx(1, abs=1e-6)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), m=st.integers(1, 5))
def test_an_order_is_as_probable_as_the_paper_says(chance, seed, m):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=m)
    items = rng.permutation(m)[: rng.integers(1, m + 1)]
    found = chance.log_order(*read_only((logits, items)))
    assert math.exp(found) == pytest.approx(naive.first_places(np.exp(logits), items))


def test_arrivals_have_the_orders_of_the_paper(chance):
    logits, keys = read_only(np.array([1.0, 0.0, -0.5])), np.empty(3)
    n = 4000
    counts: dict = {}
    for key in range(n):
        chance.arrivals(logits, np.uint64(key * 1000), 3, keys)
        order = tuple(np.argsort(-keys).tolist())
        counts[order] = counts.get(order, 0) + 1
    expected = dict(naive.orders(np.exp(logits)))
    chi2 = sum((counts.get(order, 0) - n * p) ** 2 / (n * p) for order, p in expected.items())
    assert chi2 < 20.5  # 5 degrees of freedom, one in a thousand; the keys are fixed


def test_random_numbers_lie_between_0_and_1_and_come_from_key_and_number_alone(chance):
    numbers = [float(chance.share(np.uint64(7), n)) for n in range(1000)]
    assert min(numbers) > 0
    assert max(numbers) < 1
    assert np.mean(numbers) == pytest.approx(0.5, abs=0.03)
    assert numbers[5] == chance.share(np.uint64(7), 5) != chance.share(np.uint64(8), 3)


def test_counts_of_places_and_lists_are_those_of_sorted_rows(chance):
    S = np.random.default_rng(0).integers(0, 4, (50, 5)).astype(float)  # with ties
    orders = np.argsort(-S, axis=1, kind="stable")
    items, places = np.array([2, 0, 4]), np.array([1, 2, 5])
    out = np.empty(3, np.int64)
    chance.count_places(*read_only((S, items, places)), out)
    assert out.tolist() == [(orders[:, r - 1] == i).sum() for i, r in zip(items, places, strict=True)]
    first = orders[0, :2].copy()
    assert chance.count_lists(*read_only((S, first))) == (orders[:, :2] == first).all(axis=1).sum()


def test_scores_in_draws_are_sums_of_products(chance):
    rng = np.random.default_rng(2)
    x, Z, means = rng.normal(size=(2, 4)), rng.normal(size=(5, 3, 4)).astype(np.float32), rng.normal(size=3)
    items, chosen, out = np.array([4, 1, 2]), np.array([2, 0]), np.empty((2, 3))
    chance.scores_in_draws(*read_only((x, Z, means, items, chosen)), out)
    for row, s in enumerate(chosen):
        for n, i in enumerate(items):
            expected = means[s] + x[row, 3] + Z[i, s, 3] + x[row, :3] @ Z[i, s, :3]
            assert out[row, n] == pytest.approx(expected)
