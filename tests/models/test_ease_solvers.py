"""EASE's solvers: between users, by the nearest items, with intercepts; what is derived of the data."""

import logging

import naive
import numpy as np
import pytest
from altered import alter
from synthetic import interactions, low_rank

from palate import files
from palate.data.interactions import Interactions
from palate.errors import DivergenceError, ModelFileError, ParameterError
from palate.models import EASE
from palate.models.items import ease

SOLVERS = ("items", "users", "neighbors")


@pytest.fixture(scope="module")
def data():
    """Return counts of 20 users and 35 items."""
    rng = np.random.default_rng(4)
    cells = np.argwhere(rng.random((20, 35)) < 0.4)
    return interactions(cells[:, 0] + 100, cells[:, 1] + 1000, rng.integers(1, 4, len(cells)).astype(float))


def matrix(data, values=True):
    X = np.zeros((data.n_users, data.n_items))
    X[data.user_index, data.item_index] = data.values if values else 1
    return X


def naive_scores(X, B, intercept):
    return X @ B[: X.shape[1]] + (intercept * B[-1] if intercept else 0)


# long: seconds of compiling; a model in double precision is in the fast tests of test_ease.py
IN_DOUBLE = pytest.param("float64", 1e-6, marks=pytest.mark.long)


@pytest.mark.parametrize("positive", ["any", "values"])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize(("dtype", "near"), [("float32", 2e-4), IN_DOUBLE])
def test_between_items_and_between_users_the_answer_is_the_regressions(
    data, positive, fit_intercept, dropout, dtype, near
):
    X = matrix(data, positive == "values")
    intercept = np.sqrt(np.square(X).sum() / np.count_nonzero(X)) * fit_intercept
    B = naive.ease(X, 2.0, dropout, intercept)
    given = {"dropout": dropout, "fit_intercept": fit_intercept, "positive": positive, "dtype": dtype}
    for solver in ("items", "users"):
        m = EASE(2.0, solver=solver, **given).fit(data)
        np.testing.assert_allclose(m.score_rows(np.arange(20)), naive_scores(X, B, intercept), atol=near)
        if fit_intercept:
            np.testing.assert_allclose(m.intercepts_, intercept * B[-1], atol=near)
        assert len(m.intercepts_) == 35 * fit_intercept
        assert m.weights_.shape == ((35, 35) if solver == "items" else (0, 35))
        np.testing.assert_allclose(m.ranker.scorer.B.column(7), B[:35, 7], atol=near)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("n", [1, 6, 100])
@pytest.mark.parametrize(("dtype", "near"), [("float32", 1e-4), IN_DOUBLE])
def test_neighbors_are_regressions_on_the_nearest_items(data, fit_intercept, n, dtype, near):
    values = np.random.default_rng(6).uniform(0.5, 2, len(data)).astype(np.float32)  # no two cosines are equal
    data = Interactions(data.user_index, data.item_index, values, None, data.users, data.items, (0, 2))
    X = matrix(data)
    intercept = np.sqrt(np.square(X).sum() / np.count_nonzero(X)) * fit_intercept
    B = naive.ease(X, 3.0, 0.2, intercept, naive.nearest_items(X, 3.0, 0.2, n))
    given = {"dropout": 0.2, "fit_intercept": fit_intercept, "positive": "values", "dtype": dtype}
    m = EASE(3.0, solver="neighbors", n_neighbors=n, **given).fit(data)
    np.testing.assert_allclose(m.score_rows(np.arange(20)), naive_scores(X, B, intercept), atol=near)
    np.testing.assert_allclose(m.ranker.scorer.B.column(7), B[:35, 7], atol=near)


def test_neighbors_have_the_same_bits_on_any_number_of_threads(data, monkeypatch):
    monkeypatch.setattr("palate.parallel.GRAIN.solved", 5)
    one, *others = (
        EASE(solver="neighbors", n_neighbors=5, positive="any", n_threads=n).fit(data) for n in (1, 2, 3, 7)
    )
    for other in others:
        np.testing.assert_array_equal(other.weights_values_, one.weights_values_)
        np.testing.assert_array_equal(other.intercepts_, one.intercepts_)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_answers_everything_alike(data, solver, tmp_path):
    m = EASE(solver=solver, positive="any").fit(data)
    files.save(m, tmp_path / "m")
    loaded = files.load(tmp_path / "m")
    assert loaded.solver_ == solver
    lists = m.recommend(data.users.values, 35, exclude_seen=False)
    assert loaded.recommend(data.users.values, 35, exclude_seen=False).equals(lists)
    mine = Interactions.from_table({"user": ["me"] * 3, "item": [1003, 1008, 1030], "rating": [1, 1, 1]})
    folded = m.recommend_for(mine, 4)
    assert loaded.recommend_for(mine, 4).equals(folded)
    for item in (1003, 1020):
        users = m.recommend_users(item, 20, exclude_seen=False)
        own = lists.filter(item_id=item).sort("score", descending=True)["score"].to_numpy()
        np.testing.assert_allclose(users["score"], own, atol=1e-5)
        for explained in (m.explain(105, item), m.explain("me", item, interactions=mine)):
            assert explained.parts["contribution"].sum() == pytest.approx(explained.score, abs=1e-5)
    near = m.similar_items(1003, 3)
    row = np.array([m.ranker.scorer.B.column(i)[3] for i in range(35)])
    np.testing.assert_allclose(near["score"], np.sort(np.delete(row, 3))[::-1][:3], atol=1e-5)
    twin = data.take(np.flatnonzero(data.user_index == 4))
    assert m.recommend_for(twin, 5).drop("user_id").equals(m.recommend(104, 5).drop("user_id"))


def test_somebody_without_clicks_gets_no_intercepts():
    data = interactions([1, 1, 2, 3, 4], [10, 11, 10, 11, 12], [5.0, 5, 5, 4, 1])
    m = EASE(positive=4).fit(data)
    assert m.fit_intercept_
    assert m.recommend(4)["score"].to_list() == [0.0, 0.0]
    assert set(m.recommend(4)["source"]) == {"popular"}


def test_with_intercepts_a_large_penalty_leaves_what_is_popular():
    cells = np.argwhere(np.random.default_rng(0).random((60, 12)) < np.linspace(0.05, 0.6, 12))
    data = interactions(cells[:, 0], cells[:, 1])
    counts = np.bincount(data.item_index)
    for solver in SOLVERS:
        m = EASE(1e6, fit_intercept=True, solver=solver).fit(data)
        np.testing.assert_allclose(1e6 * m.intercepts_, counts, rtol=1e-3)


def test_what_is_derived_is_stored_and_a_given_number_stays(data, tmp_path):
    derived, given = EASE(positive="any").fit(data), EASE(20.0, positive="any").fit(data)
    assert derived.reg_ == pytest.approx(18 * np.sqrt(len(data) / 35) * (1 + 10 / (len(data) / 20)))
    assert (derived.dropout_, derived.fit_intercept_, derived.solver_) == (ease.DROPOUT, True, "items")
    assert (given.reg_, given.dropout_, given.fit_intercept_, given.solver_) == (20, 0, False, "items")
    files.save(derived, tmp_path / "m")
    loaded = files.load(tmp_path / "m")
    assert (loaded.reg, loaded.reg_, loaded.dropout_) == (None, derived.reg_, derived.dropout_)


@pytest.mark.parametrize("factor", [16, 20])
def test_values_in_other_units_give_the_same_lists(data, factor):
    times = Interactions(
        data.user_index, data.item_index, data.values * np.float32(factor), None, data.users, data.items, (0, 100)
    )
    for solver in SOLVERS:
        for logs, scale in ((None, 1), (False, factor)):
            one, other = (EASE(solver=solver, positive="values", log_values=logs).fit(rows) for rows in (data, times))
            assert other.reg_ == pytest.approx(one.reg_ * scale**2, rel=1e-5)
            np.testing.assert_allclose(other.score_rows([0, 5]), scale * one.score_rows([0, 5]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_logarithms_of_values_are_learned_and_scored_by(data, solver):
    logs = np.log1p(data.values / data.values.min())
    scale = 1 / np.sqrt(np.square(logs).mean())
    logs = (scale * logs).astype(np.float32)
    taken = Interactions(data.user_index, data.item_index, logs, None, data.users, data.items, (0, 9))
    one = EASE(9.0, solver=solver, positive="values", log_values=True).fit(data)
    other = EASE(9.0, solver=solver, positive="values", log_values=False).fit(taken)
    np.testing.assert_allclose(one.score_rows([0, 5]), other.score_rows([0, 5]), rtol=1e-5, atol=1e-6)
    mine, mine_taken = (
        Interactions.from_table({"user": ["me"] * 2, "item": [1003, 1008], "rating": r})
        for r in ([3, 1], scale * np.log1p([3.0, 1.0]))
    )
    found, expected = one.recommend_for(mine, 3), other.recommend_for(mine_taken, 3)
    assert found["item_id"].equals(expected["item_id"])
    assert one.log_values_
    assert not EASE(positive="any", log_values=True).fit(data).log_values_


def test_the_solver_follows_from_the_sizes(data, monkeypatch):
    def solver(n_users, n_items, **changes):
        return EASE(**changes)._solver_for(n_users, n_items)

    assert solver(1000, 1999) == solver(29_999, 30_000) == solver(10**6, 30_000) == "items"
    assert solver(1000, 2000) == solver(50_000, 10**5) == solver(2000, 10**6) == "users"
    assert solver(50_001, 10**6) == solver(10**5, 30_001) == "neighbors"
    assert solver(10**5, 50_000, reg=9.0) == "items"
    assert solver(10**5, 50_001, reg=9.0) == "neighbors"
    assert solver(1000, 2000, store_history=False) == solver(1000, 2000, n_neighbors=9) == "items"
    assert solver(1000, 10**6, store_history=False) == "neighbors"
    assert solver(9, 9, solver="users") == "users"
    monkeypatch.setattr(ease, "WIDE", 30)
    assert EASE(positive="any").fit(data).solver_ == "neighbors"
    monkeypatch.setattr(ease, "FEWER", 1)
    assert EASE(positive="any").fit(data).solver_ == "users"


def test_a_wide_catalogue_is_told_of(data, monkeypatch, caplog):
    monkeypatch.setattr(ease, "WIDE", 30)
    with caplog.at_level(logging.INFO):
        EASE(positive="any").fit(data)
    assert "35 items are too many for a square matrix: each is learned from its 34 nearest" in caplog.text


def test_memory_is_that_of_the_solver():
    wide = interactions(np.arange(139_000) % 70_000, range(139_000))
    assert EASE().memory_estimate(wide) < 3e9
    assert EASE(solver="items").memory_estimate(wide) > 77e9
    few = interactions(np.arange(139_000) % 1000, range(139_000))
    assert EASE().memory_estimate(few) < 1e8


def test_users_are_not_solved_for_without_their_rows(data):
    with pytest.raises(ParameterError, match=r"solver='users' scores by the training rows, .* store_history=True"):
        EASE(solver="users", store_history=False, positive="any").fit(data)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_penalty_that_rounding_swallows_is_refused(solver):
    rng = np.random.default_rng(1)
    values = rng.random((400, 3)) @ rng.random((3, 60))  # of rank 3
    users, items = np.indices(values.shape)
    dependent = interactions(users.ravel(), items.ravel(), values.ravel())
    reg = 1.3e-7 * np.square(values).sum(axis=0).max()
    with pytest.raises(DivergenceError, match=r"cannot be solved in float32: reg=\S+ is too small"):
        EASE(reg, solver=solver, positive="values").fit(dependent)


def test_a_file_whose_parts_do_not_fit_is_refused(data):
    m = EASE(solver="users", positive="any").fit(data)
    for name, value, message in (
        ("intercepts_", np.zeros(3), "intercepts_ must have one for each of the 35 items, or none"),
        ("item_scales_", np.ones(3), "goes with scales of the 35 items, and with no weights"),
        ("weights_", np.zeros((35, 35), np.float32), "goes with scales of the 35 items, and with no weights"),
        ("between_users_", np.eye(3), "between_users_ goes with training rows of 3 users"),
    ):
        kept = getattr(m, name)
        alter(m, **{name: value})
        with pytest.raises(ModelFileError, match=message):
            m.check_learned()
        alter(m, **{name: kept})
        m.check_learned()


def test_low_rank_data_still_fit():
    data = low_rank(25, 12, 120)
    assert EASE(positive="any").fit(data).recommend(100, 3).height == 3
