"""Half sweeps by blocks of rows, long rows in pieces, and sums over blocks: what one machine does with all rows."""

from __future__ import annotations

import numpy as np
import pytest

from palate.errors import DivergenceError, ParameterError
from palate.models.ridge import click_sweeps, pieces, sums, sweeps
from palate.models.ridge.click_sweeps import ClickSettings
from palate.models.ridge.rows import FixedSide, Prior
from palate.models.ridge.weighing import Weighing, clicks_weigh, share_weight, unit_of, weight_of_share
from palate.parallel import GRAIN, Workers
from palate.sparse import Rows

N_ROWS, N_COLUMNS, K = 40, 30, 9
ALONE = Workers(1)
TYPES = [(np.float32, 1e-5), pytest.param(np.float64, 1e-12, marks=pytest.mark.long)]  # compiles long
REGS = 0.7, 2.0
WEIGHING = Weighing(alpha=2.0, unobserved_weight=0.2, reg=0.3, reg_exponent=0.8)


class Whole:
    """Rows of ratings with sample weights, the columns' factors, and features of the rows; the last row has no cell."""

    def __init__(self, dtype=np.float32) -> None:
        rng = np.random.default_rng(4)
        cells = np.unique(rng.integers(0, (N_ROWS - 1) * N_COLUMNS, 400))
        row, column = np.divmod(cells, N_COLUMNS)
        row, column = (
            np.concatenate(x)
            for x in ((row[row > 0], np.zeros(N_COLUMNS, int)), (column[row > 0], np.arange(N_COLUMNS)))
        )
        values, weights = (rng.uniform(low, high, len(row)).astype(np.float32) for low, high in ((1, 5), (0.5, 2)))
        self.rows = Rows.from_cells(row, column, N_ROWS, N_COLUMNS, values, weights)
        self.clicks = Rows(self.rows.indptr, self.rows.indices, self.rows.values)
        self.Q, self.c = rng.normal(0, 0.5, (N_COLUMNS, K)).astype(dtype), rng.normal(0, 0.3, N_COLUMNS).astype(dtype)
        self.start = rng.normal(0, 0.5, (N_ROWS, K)).astype(dtype)
        self.features = rng.normal(size=(N_ROWS, 3)).astype(dtype)
        self.prior = Prior(self.features, rng.normal(size=(3, K)).astype(dtype), rng.normal(size=3).astype(dtype))
        self.weights = sweeps.row_weights(self.rows, 0.5)
        self.penalties = WEIGHING.penalties(self.clicks, N_COLUMNS)
        self.G = sums.gram(self.Q, WEIGHING.unobserved_weight, ALONE)

    def side(self, columns=slice(None), biases=True) -> FixedSide:
        return FixedSide(self.Q[columns], self.c[columns], mean=3.0, biases=biases)

    def prior_at(self, at) -> Prior:
        return Prior(self.features[at], self.prior.weights, self.prior.weights_biases)


@pytest.fixture(scope="module")
def whole():
    return Whole()


def blocks(n: int, n_rows: int = N_ROWS):
    return [np.arange(block, n_rows, n) for block in range(n)]


def received(rows: Rows, own):
    """Return a block's rows with columns numbered among those that it needs, and which those are."""
    taken = rows.take(own)
    needed = np.zeros(N_COLUMNS, bool)
    needed[taken.indices] = True
    return taken.select(needed), np.flatnonzero(needed)


@pytest.mark.parametrize("n", [1, 3, 16])
@pytest.mark.parametrize("biases", [True, False])
def test_half_sweeps_of_ratings_by_blocks_have_the_bits_of_one(whole, n, biases):
    expected = sweeps.half_sweep(whole.rows, whole.side(biases=biases), whole.weights, REGS, whole.prior, ALONE)
    for own in blocks(n):
        rows, columns = received(whole.rows, own)
        side, prior = whole.side(columns, biases), whole.prior_at(own)
        found = sweeps.half_sweep(rows, side, whole.weights[own], REGS, prior, ALONE)
        for part, every in zip(found, expected, strict=True):
            np.testing.assert_array_equal(part, every[own])


@pytest.mark.parametrize("n", [1, 3, 16])
@pytest.mark.parametrize("cg_steps", [0, 2])
def test_half_sweeps_of_clicks_by_blocks_have_the_bits_of_one(whole, n, cg_steps):
    settings = ClickSettings(WEIGHING, cg_steps)
    asked = whole.G, whole.penalties, whole.prior, whole.start, settings, ALONE
    expected = click_sweeps.half_sweep(whole.clicks, whole.Q, *asked)
    for own in blocks(n):
        rows, columns = received(whole.clicks, own)
        asked = whole.G, whole.penalties[own], whole.prior_at(own), whole.start[own], settings, ALONE
        found = click_sweeps.half_sweep(rows, whole.Q[columns], *asked)
        for part, every in zip(found, expected, strict=True):
            np.testing.assert_array_equal(part, every[own])


def dealt(rows: Rows, n: int, add):
    """Return the sums of the rows' cells dealt to n blocks by their columns, added in order of blocks."""
    total = None
    for block in range(n):
        columns = np.arange(N_COLUMNS) % n == block
        part = add(rows.select(columns), np.flatnonzero(columns))
        total = part if total is None else total + part
    return total


@pytest.mark.parametrize(("dtype", "near"), TYPES)
@pytest.mark.parametrize("biases", [True, False])
def test_ratings_in_pieces_give_the_rows(dtype, near, biases):
    whole, regs = Whole(dtype), (REGS[0], REGS[1] * biases)
    P, b = sweeps.half_sweep(whole.rows, whole.side(biases=biases), whole.weights, regs, whole.prior, ALONE)
    added = dealt(whole.rows, 4, lambda rows, at: pieces.rating_sums(rows, whole.side(at, biases), ALONE))
    assert added.shape == (N_ROWS, pieces.width(K))
    found, its, losses = pieces.solve_ratings(added, biases, whole.weights, regs, whole.prior, ALONE)
    np.testing.assert_allclose(found, P, atol=near * np.abs(P).max(), rtol=0)
    np.testing.assert_allclose(its, b, atol=near * np.abs(P).max(), rtol=0)
    errors = sums.rating_errors(whole.rows, P, b, whole.side(), (1.0, 5.0), ALONE)
    penalty = sweeps.rows_penalty(P, b, whole.prior, whole.weights, regs)
    assert losses.sum() == pytest.approx(errors.weighted + penalty, rel=10 * near)


@pytest.mark.parametrize(("dtype", "near"), TYPES)
@pytest.mark.parametrize(("cg_steps", "most_exact"), [(0, 512), (2, 512), (0, 4)])
def test_clicks_in_pieces_give_the_rows(dtype, near, cg_steps, most_exact, monkeypatch):
    monkeypatch.setattr(click_sweeps, "MOST_EXACT", most_exact)
    whole, settings = Whole(dtype), ClickSettings(WEIGHING, cg_steps)
    asked = whole.G, whole.penalties, whole.prior, whole.start if cg_steps else None, settings, ALONE
    P, losses = click_sweeps.half_sweep(whole.clicks, whole.Q, *asked)
    added = dealt(whole.clicks, 4, lambda rows, at: pieces.click_sums(rows, whole.Q[at], WEIGHING, ALONE))
    found, their = pieces.solve_clicks(added, *asked)
    near *= 10 if most_exact < K else 1  # steps to a residual of a millionth
    np.testing.assert_allclose(found, P, atol=near * np.abs(P).max(), rtol=0)
    np.testing.assert_allclose(their, losses, atol=10 * near * losses.max(), rtol=0)


@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_pieces_and_sums_have_the_same_bits_on_any_threads(whole, n_threads, monkeypatch):
    monkeypatch.setattr(GRAIN, "gram", 4)
    monkeypatch.setattr(GRAIN, "errors", 8)

    def everything(workers: Workers):
        ratings, clicks = (
            pieces.rating_sums(whole.rows, whole.side(), workers),
            pieces.click_sums(whole.clicks, whole.Q, WEIGHING, workers),
        )
        yield from (ratings, clicks, sums.gram_sum(whole.Q, workers))
        P, b, losses = pieces.solve_ratings(ratings, True, whole.weights, REGS, whole.prior, workers)
        yield from (P, b, losses)
        yield np.array(sums.rating_errors(whole.rows, P, b, whole.side(), (1.0, 5.0), workers))
        for cg_steps in (0, 2):
            asked = whole.G, whole.penalties, whole.prior, whole.start, ClickSettings(WEIGHING, cg_steps), workers
            yield from pieces.solve_clicks(clicks, *asked)

    with Workers(n_threads) as workers:
        for alone, together in zip(everything(ALONE), everything(workers), strict=True):
            np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8])
def test_a_tree_adds_neighbours_in_a_fixed_order(n):
    parts = np.random.default_rng(n).normal(size=(n, 4)).astype(np.float32)
    found = sums.tree_sum(list(parts))
    np.testing.assert_allclose(found, parts.sum(axis=0), rtol=1e-5)
    in_words = {1: "0", 2: "(0+1)", 3: "((0+1)+2)", 7: "(((0+1)+(2+3))+((4+5)+6))", 8: "(((0+1)+(2+3))+((4+5)+(6+7)))"}

    class Word(str):
        def __add__(self, other):
            return Word(f"({self}{'+'}{other})")

    assert sums.tree_sum([Word(m) for m in range(n)]) == in_words[n]


def test_there_must_be_something_to_add():
    with pytest.raises(ValueError, match="nothing to add"):
        sums.tree_sum([])


def test_sums_of_blocks_are_those_of_all_rows(whole):
    own, warm = blocks(5), whole.rows.sizes > 0
    G = sums.tree_sum([sums.gram_sum(whole.Q[at], ALONE) for at in blocks(5, N_COLUMNS)])
    np.testing.assert_allclose(G, np.triu(whole.Q.T @ whole.Q), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(sums.gram(whole.Q, 0.2, ALONE), sums.gram_sum(whole.Q, ALONE) * np.float32(0.2))
    b = whole.start[:, 0]
    every = sums.prior_of(whole.start, b, whole.features, whole.weights, 2.0)
    parts = [sums.feature_sums(whole.start[at], b[at], whole.features[at], whole.weights[at]) for at in own]
    added = sums.FeatureSums(*(sums.tree_sum(field) for field in zip(*parts, strict=True)))
    W, w = sums.prior_weights(added, 2.0)
    np.testing.assert_allclose(W, every.weights, rtol=1e-5)
    np.testing.assert_allclose(w, every.weights_biases, rtol=1e-5)
    F, X = whole.features[warm].astype(float), whole.start[warm].astype(float)  # as the docstring has it
    D = np.diag(whole.weights[warm])
    np.testing.assert_allclose(W, np.linalg.inv(F.T @ D @ F + 2 * np.eye(3)) @ F.T @ D @ X, rtol=1e-5)
    np.testing.assert_allclose(w, np.linalg.inv(F.T @ F + 2 * np.eye(3)) @ F.T @ b[warm].astype(float), rtol=1e-5)


def test_penalties_and_errors_of_blocks_are_those_of_all_rows(whole):
    b, limits = whole.start[:, 0], (2.0, 4.0)
    of_all = sweeps.rows_penalty(whole.start, b, whole.prior, whole.weights, REGS)
    of_blocks = [
        sweeps.rows_penalty(whole.start[at], b[at], whole.prior_at(at), whole.weights[at], REGS) for at in blocks(3)
    ]
    assert sum(of_blocks) == pytest.approx(of_all)
    P, own = whole.start, whole.rows.row_of_cells()
    scores = 3.0 + b[own] + whole.c[whole.rows.indices] + (P[own] * whole.Q[whole.rows.indices]).sum(axis=1)
    left = whole.rows.values - scores.astype(float)
    clipped = whole.rows.values - np.clip(scores, *limits)
    expected = len(left), (left**2).sum(), (clipped**2).sum(), (whole.rows.weights * left**2).sum()
    parts = [sums.rating_errors(*_block(whole, at, P, b), limits, ALONE) for at in blocks(3)]
    np.testing.assert_allclose(np.sum(parts, axis=0), expected, rtol=1e-5)
    none = sums.rating_errors(Rows.empty(2), P[:2], b[:2], whole.side(), limits, ALONE)
    assert none == (0, 0, 0, 0)
    of_clicks = click_sweeps.rows_penalty(P, whole.penalties, whole.prior)
    parts = [click_sweeps.rows_penalty(P[at], whole.penalties[at], whole.prior_at(at)) for at in blocks(3)]
    assert sum(parts) == pytest.approx(of_clicks)


def _block(whole, at, P, b):
    rows, columns = received(whole.rows, at)
    return rows, P[at], b[at], whole.side(columns)


def test_what_clicks_weigh_follows_from_sums_of_blocks(whole):
    by_item = whole.clicks.transpose(N_COLUMNS)
    users, items = clicks_weigh(whole.clicks, 2.0), clicks_weigh(by_item, 2.0)
    n_users, n_items = int((users > 0).sum()), int((items > 0).sum())
    sides = []
    for own, n_columns, n_rows in ((users, n_items, N_ROWS), (items, n_users, N_COLUMNS)):
        parts = [WEIGHING.side_sums(own[at], n_columns) for at in blocks(4, n_rows)]
        sides.append(type(parts[0])(*(sum(part) for part in zip(*parts, strict=True))))
    n_clicks = len(whole.clicks.indices)
    assert sides[0].n_rows == n_users == N_ROWS - 1
    assert unit_of(*sides, n_clicks) == pytest.approx(WEIGHING.unit(whole.clicks, by_item), rel=1e-12)
    o = weight_of_share(sides[0].weight, n_users, n_items, 16.0)
    assert o == pytest.approx(share_weight(whole.clicks, by_item, 2.0, 16.0), rel=1e-12)
    np.testing.assert_array_equal(WEIGHING.row_penalties(users, n_items), WEIGHING.penalties(whole.clicks, n_items))


def test_pieces_that_cannot_be_solved_say_what_to_take(whole):
    ratings = pieces.rating_sums(whole.rows, whole.side(), ALONE)
    with pytest.raises(ParameterError, match=r"reg=-50 and reg_biases=2 are too small .* take larger ones"):
        pieces.solve_ratings(ratings, True, whole.weights, (-50.0, 2.0), whole.prior, ALONE)
    clicks = pieces.click_sums(whole.clicks, whole.Q, WEIGHING, ALONE)
    with pytest.raises(DivergenceError, match=r"cannot be solved in float32: reg=0.3 is too small"):
        pieces.solve_clicks(
            clicks, whole.G, -50 * whole.penalties, whole.prior, None, ClickSettings(WEIGHING, 3), ALONE
        )
    with pytest.raises(ValueError, match=r"no number of factors has sums of 12 numbers"):
        pieces.solve_ratings(ratings[:, :12], True, whole.weights, REGS, None, ALONE)
