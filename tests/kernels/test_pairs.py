"""Pairwise losses: steps against their naive twins and the gradient, draws against what they should be."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from read_only import read_only

from palate.kernels import Cells
from palate.kernels.pairs import ItemMeans, PairSteps
from palate.kernels.simd.steps import padded_width
from palate.models.sgd.pairwise import harmonic

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in scalar:RuntimeWarning")
REGS = 0.3, 0.2, 0.1, 0.4
EXACT = {np.float64: {"rtol": 1e-9, "atol": 1e-12}, np.float32: {"rtol": 1e-4, "atol": 1e-5}}  # by the type of numbers


@pytest.fixture(scope="module")
def dtype(typed):
    return typed[1]


@pytest.fixture(scope="module")
def pairs(typed):
    kernel, _ = typed
    return kernel("pairs")


def problem(dtype=np.float64, seed=0, n_users=4, n_items=6, k=3):
    """Return (P, Q, c) and the clicks of each user, two or three, as compressed rows."""
    rng = np.random.default_rng(seed)
    width = padded_width(k, np.dtype(dtype).itemsize)
    P, Q = np.zeros((n_users, width), dtype), np.zeros((n_items, width), dtype)
    P[:, :k], Q[:, :k] = rng.normal(0, 0.7, (n_users, k)), rng.normal(0, 0.7, (n_items, k))
    rows = [np.sort(rng.permutation(n_items)[: 2 + u % 2]) for u in range(n_users)]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    items = np.concatenate(rows).astype(np.int32)
    cells = read_only(Cells(indptr, items, np.ones(len(items), np.float32)))
    return (P, Q, rng.normal(0, 0.5, n_items).astype(dtype)), cells


def mixed(pairs, key):
    return np.uint64(pairs.mix(key))


def whole_block(cells, times=1):
    indptr, indices, _ = cells
    rows = np.repeat(np.arange(len(indptr) - 1, dtype=np.int32), np.diff(indptr))
    return rows, indices.copy(), np.full(len(rows), times, np.int32)


def steps(rate, dtype, regs=REGS):
    less = [1 - rate * reg for reg in regs]
    return PairSteps(*map(dtype, (rate, *less[:3], rate, less[3])), held=False)


def trace_of(pairs, n, dtype):
    return pairs.Trace(np.zeros(n, np.int64), np.full(n, -1), np.zeros(n, dtype), np.ones(n, dtype))


def descend(
    pairs, factors, cells, block, counts=None, *, negatives="uniform", mean_rank=0.1, most_draws=None, key=5, how=None,
    means=(None, None), held=False,
):  # fmt: skip
    """Run the draws of one block, of WARP with most_draws; return the loss, and users, items, negatives, steps."""
    us, them = pairs.drawn(*block, mixed(pairs, np.uint64(key)), True)
    n_items, k = factors[1].shape
    items, adaptive = np.arange(n_items, dtype=np.int32), None
    pool = pairs.Pool(items, np.cumsum(np.ones(n_items) if counts is None else counts), negatives == "popular")
    if negatives == "adaptive":
        adaptive = pairs.Adaptive(np.empty((k, n_items), np.int32), np.empty(k), mean_rank)
        pairs.arrange(factors[1], items, np.array([0, n_items]), 0, k, *adaptive[:2])
    warp = None if most_draws is None else pairs.Warp(harmonic(n_items), most_draws)
    draws, trace = pairs.Draws(us, them, np.uint64(key)), trace_of(pairs, len(us), factors[0].dtype)
    bits, shift = pairs.filter_of(*block[:2])
    known = pairs.Clicked(*cells[:2], bits, np.uint64(shift))
    how = (how or steps(0.1, factors[0].dtype.type))._replace(held=held)
    loss = pairs.descend_draws(pairs.PairTerms(*factors), *means, draws, known, pool, adaptive, warp, how, trace)
    return loss, us, them, trace.negatives, trace.moves


@pytest.mark.parametrize("warp", [None, 4])
@pytest.mark.parametrize("kind", ["uniform", "popular", "adaptive"])
@pytest.mark.parametrize("held", [False, True])
def test_draws_are_the_naive_steps_one_after_the_other(pairs, dtype, warp, kind, held):
    factors, cells = problem(dtype)
    P, Q, c = (X.copy() for X in factors)
    block = whole_block(cells, 2)
    kind = "uniform" if held and kind == "adaptive" else kind
    rule = {"negatives": kind, "mean_rank": 0.3, "most_draws": warp}
    loss, us, them, negatives, moves = descend(pairs, factors, cells, block, [1.0, 2, 3, 1, 5, 1], **rule, held=held)
    assert sorted(zip(us, them, strict=True)) == sorted([*zip(*block[:2], strict=True)] * 2)
    expected = 0.0
    for u, i, j, move in zip(us, them, negatives, moves, strict=True):
        if not move:
            assert warp
            continue
        assert j not in cells[1][cells[0][u] : cells[0][u + 1]]
        g, margin = (move / 0.1, 1.0) if warp else (1.0, 0.0)  # of WARP's weight another test has more
        expected += naive.pair_loss(P, Q, c, u, i, j, g, margin)
        new = naive.pair_step(P, Q, c, u, i, j, g, margin, REGS, 0.1)
        P, Q, c = (new[0], Q, c) if held else new
    assert (moves != 0).any()
    assert loss == pytest.approx(expected, rel=max(EXACT[dtype]["rtol"], 1e-6))
    for new, wanted in zip(factors, (P, Q, c), strict=True):
        np.testing.assert_allclose(new, wanted, **EXACT[dtype])


@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_a_step_is_minus_the_gradient_of_the_objective(margin):
    (P, Q, c), _ = problem(k=4)
    P *= 0.3
    rate, h = 1e-3, 1e-6
    after = naive.pair_step(P, Q, c, 1, 2, 4, 1.7 if margin else 1.0, margin, REGS, rate)
    for which, array in enumerate((P, Q, c)):
        for at in np.ndindex(array.shape):
            values = []
            for sign in (1, -1):
                moved = [X.copy() for X in (P, Q, c)]
                moved[which][at] += sign * h
                values.append(naive.pair_objective(*moved, 1, 2, 4, 1.7 if margin else 1.0, margin, REGS))
            gradient = (values[0] - values[1]) / (2 * h)
            assert after[which][at] - array[at] == pytest.approx(-rate * gradient, rel=1e-5, abs=1e-10)


@pytest.mark.parametrize("held", [False, True])
def test_penalties_pull_to_the_means(pairs, dtype, held):
    """With means, a step is that of the objective whose penalties are of the distance from them."""
    factors, cells = problem(dtype)
    P, Q, c = (X.copy() for X in factors)
    rng = np.random.default_rng(1)
    M, N, o = (rng.normal(0, 0.4, X.shape).astype(dtype) for X in factors)
    means = M, None if held else ItemMeans(N, o)
    _, us, them, negatives, _ = descend(pairs, factors, cells, whole_block(cells, 2), means=means, held=held)
    for u, i, j in zip(us, them, negatives, strict=True):
        new_P, new_Q, new_c = naive.pair_step(P, Q, c, u, i, j, 1.0, 0.0, REGS, 0.1)
        new_P[u] += 0.1 * REGS[0] * M[u]
        for item, reg in ((i, REGS[1]), (j, REGS[2])):
            new_Q[item] += 0.1 * reg * N[item]
            new_c[item] += 0.1 * REGS[3] * o[item]
        P, Q, c = (new_P, Q, c) if held else (new_P, new_Q, new_c)
    for new, wanted in zip(factors, (P, Q, c), strict=True):
        np.testing.assert_allclose(new, wanted, **EXACT[dtype])


def test_the_filter_and_the_row_together_know_every_click(pairs):
    rng = np.random.default_rng(0)
    rows, cols = rng.integers(0, 50, 300).astype(np.int32), rng.integers(0, 80, 300).astype(np.int32)
    order = np.unique(rows.astype(np.int64) * 80 + cols)
    indptr, indices = np.searchsorted(order, np.arange(51) * 80), (order % 80).astype(np.int32)
    bits, shift = pairs.filter_of(rows, cols)

    def passes(u, j):
        h = int(pairs.place(u, j, shift))
        return bool((int(bits[h >> 6]) >> (h & 63)) & 1)

    truth = np.zeros((50, 80), bool)
    truth[rows, cols] = True
    said = np.array([[passes(u, j) for j in range(80)] for u in range(50)])
    assert said[truth].all()
    assert said[~truth].mean() < 0.1
    looked_up = [[pairs.has(indices, indptr[u], indptr[u + 1], j) for j in range(80)] for u in range(50)]
    np.testing.assert_array_equal(looked_up, truth)


@pytest.mark.parametrize("kind", ["uniform", "popular"])
def test_negatives_are_drawn_as_often_as_the_rule_says(pairs, dtype, kind):
    factors, cells = problem(dtype)
    counts = np.array([1.0, 2, 3, 1, 5, 1])
    still = steps(1e-12, dtype)
    block = whole_block(cells, 400)
    _, us, _, negatives, _ = descend(pairs, factors, cells, block, counts, negatives=kind, how=still)
    for u in range(4):
        own = cells[1][cells[0][u] : cells[0][u + 1]]
        share = np.where(np.isin(np.arange(6), own), 0, counts if kind == "popular" else 1.0)
        met = negatives[(us == u) & (negatives >= 0)]
        found = np.bincount(met, minlength=6) / len(met)
        np.testing.assert_allclose(found, share / share.sum(), atol=0.06)


def test_adaptive_negatives_score_high(pairs, dtype):
    (P, Q, _), _ = problem(dtype, n_items=60, k=3)
    orders, deviations = np.zeros((3, 60), np.int32), np.zeros(3)
    items = np.arange(60, dtype=np.int32)
    pairs.arrange(Q, items, np.array([0, 60]), 0, 3, orders, deviations)
    for f in range(3):
        np.testing.assert_array_equal(orders[f], np.argsort(Q[:, f], kind="stable"))
        assert deviations[f] == pytest.approx(Q[:, f].std(), rel=1e-5)
    ends = np.array([0, 25, 60])  # of two blocks
    pairs.arrange(Q, items, ends, 1, 3, orders, deviations)
    for f, blocks in ((0, [items]), (1, np.split(items, [25])), (2, np.split(items, [25]))):
        expected = np.concatenate([part[np.argsort(Q[part, f], kind="stable")] for part in blocks])
        np.testing.assert_array_equal(orders[f], expected)
    pairs.arrange(Q, items, np.array([0, 60]), 0, 3, orders, deviations)
    scores = P[1] @ Q.T
    far = [pairs.adapted(P, 1, orders, deviations, 0.05, mixed(pairs, np.uint64(n))) for n in range(400)]
    near = [pairs.adapted(P, 1, orders, deviations, 0.9, mixed(pairs, np.uint64(n))) for n in range(400)]
    assert scores[far].mean() > scores[near].mean() > scores.mean()


def test_nobody_is_met_where_all_was_clicked(pairs, dtype):
    (P, Q, c), _ = problem(dtype, n_items=3)
    cells = read_only(Cells(np.array([0, 3]), np.arange(3, dtype=np.int32), np.ones(3, np.float32)))
    before = P.copy(), Q.copy(), c.copy()
    for warp in (None, 5):
        loss, us, _, _, moves = descend(pairs, (P, Q, c), cells, whole_block(cells), most_draws=warp)
        assert (loss, len(us)) == (0, 3)
        assert not moves.any()
    for new, old in zip((P, Q, c), before, strict=True):
        np.testing.assert_array_equal(new, old)


def test_warp_estimates_the_rank_by_the_draws_it_needs(pairs, dtype):
    """One of 40 others violates the margin: t is geometric, and n / t is what weighs the step."""
    P, Q, c = np.zeros((1, 8), dtype), np.zeros((41, 8), dtype), np.zeros(41, dtype)
    P[0, 0], Q[0, 0] = 1.0, 5.0  # the clicked item scores 5, one other 4.5, the rest 0
    Q[7, 0] = 4.5
    cells, still = Cells(np.array([0, 1]), np.zeros(1, np.int32), np.ones(1, np.float32)), steps(1e-12, dtype)
    read_only(cells)
    block = np.zeros(1, np.int32), np.zeros(1, np.int32), np.array([800], np.int32)
    loss, _, _, negatives, moves = descend(pairs, (P, Q, c), cells, block, most_draws=1000, how=still)
    assert set(negatives) == {7}
    weights = moves / 1e-12
    assert loss == pytest.approx(weights.sum() * 0.5, rel=1e-5)
    ranks, p, t = harmonic(41), 1 / 40, np.arange(1, 2000)
    chance = p * (1 - p) ** (t - 1)
    assert weights.mean() == pytest.approx((chance * ranks[np.maximum(1, 40 // t)]).sum(), rel=0.06)
    few = descend(pairs, (P, Q, c), cells, block, most_draws=5, how=still)
    assert (few[4] != 0).mean() == pytest.approx(1 - (39 / 40) ** 5, abs=0.04)
    c[7] = -10
    assert not descend(pairs, (P, Q, c), cells, block, most_draws=30, how=still)[4].any()


def test_grouping_counts_draws_by_their_mean(pairs):
    _, (indptr, indices, _) = problem(n_users=6, n_items=8)
    values = np.linspace(0.2, 2.4, len(indices)).astype(np.float32)
    scale, block_of = np.full(6, 1.3), (np.arange(8) % 3).astype(np.int32)
    n = len(indices)
    clicks, total = pairs.Scaled(indptr, indices, read_only(values), scale), np.zeros((6, 8))
    arrays = tuple(np.zeros(n, np.int32) for _ in range(3))
    for turn in range(600):
        ptr = np.zeros(4, np.int64)
        users = np.array([4, 0, 2, 1, 5, 3], np.int32)
        key, out = mixed(pairs, np.uint64(turn)), pairs.Grouped(*arrays, ptr)
        pairs.group_clicks(clicks, users, block_of, key, 0, out)
        rows, cols, times = arrays
        assert ptr[0] == 0
        assert ptr[-1] == n
        for b in range(3):
            assert (block_of[cols[ptr[b] : ptr[b + 1]]] == b).all()
        np.add.at(total, (rows, cols), times)
    expected = np.zeros((6, 8))
    expected[np.repeat(np.arange(6), np.diff(indptr)), indices] = 1.3 * values
    np.testing.assert_allclose(total / 600, expected, atol=0.07)


@pytest.mark.parametrize("n", range(14))
def test_dealt_draws_are_those_of_the_parts_in_turn(pairs, n):
    rows, cols = np.arange(n, dtype=np.int32), np.arange(n, dtype=np.int32) + 50
    times = np.ones(n, np.int32)
    us, them = pairs.drawn(rows, cols, times, np.uint64(3), False)
    parts = np.array_split(np.arange(n), 4)
    expected = [part[k] for k in range(-(-n // 4)) for part in parts if k < len(part)]
    assert us.tolist() == expected
    np.testing.assert_array_equal(them, us + 50)
    some, _ = pairs.drawn(rows, cols, times, np.uint64(3), True)
    assert sorted(some) == list(range(n))
    assert n < 5 or some.tolist() != expected
