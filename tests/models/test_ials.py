"""ImplicitALS: the objective over all cells, its minimum, the rule of clicks, features, steps or exact solves."""

from dataclasses import replace

import naive
import numpy as np
import pytest
from synthetic import interactions, low_rank

from palate.data.features import Features
from palate.data.interactions import Interactions
from palate.errors import DataError, DivergenceError, ParameterError
from palate.models import ImplicitALS
from palate.models.ridge import click_sweeps

GIVEN = {"alpha": 1.0, "reg": 0.01, "unobserved_weight": 0.1}
PRECISE = {"dtype": "float64", "random_state": 0, "positive": "values", **GIVEN}


@pytest.fixture(scope="module")
def data():
    return low_rank(12, 10, 60)


def objective(m, data, P=None, Q=None):
    """Return eq. 1 of the module over every cell."""
    P, Q = m.user_factors_ if P is None else P, m.item_factors_ if Q is None else Q
    cells = {
        (int(u), int(i)): m.alpha * float(v)
        for u, i, v in zip(data.user_index, data.item_index, data.values, strict=True)
    }
    sums_u, sums_i = np.zeros(len(P)), np.zeros(len(Q))
    for (u, i), w in cells.items():
        sums_u[u] += w
        sums_i[i] += w
    l_u = m.reg * (sums_u + m.unobserved_weight * len(Q)) ** m.reg_exponent
    l_i = m.reg * (sums_i + m.unobserved_weight * len(P)) ** m.reg_exponent
    return naive.ials_objective(P, Q, cells, m.unobserved_weight, l_u, l_i)


@pytest.mark.parametrize("changes", [{}, {"cg_steps": 0}, {"reg_exponent": 0.4, "alpha": 3.0}])
def test_the_objective_is_told_and_never_rises(data, changes):
    m = ImplicitALS(**{"n_factors": 4, "n_epochs": 12, "unobserved_weight": 0.2, **PRECISE, **changes}).fit(data)
    told = [record["objective"] for record in m.history_]
    assert told[-1] == pytest.approx(objective(m, data), rel=1e-9)
    assert (np.diff(told) <= 1e-9 * told[0]).all()


def test_no_direction_lowers_the_objective_of_the_users(data):
    m = ImplicitALS(3, n_epochs=3, **PRECISE).fit(data)
    lowest = objective(m, data)
    rng = np.random.default_rng(1)
    for size in (1e-2, 1e-4):
        for _ in range(50):
            P = m.user_factors_ + size * rng.standard_normal(m.user_factors_.shape)
            assert objective(m, data, P=P) > lowest


def test_steps_and_exact_solves_end_at_the_same_place(data):
    few = {"n_factors": 3, "n_epochs": 300, **PRECISE, "reg": 0.05}
    steps, exact = (ImplicitALS(cg_steps=n, **few).fit(data) for n in (3, 0))
    assert steps.history_[-1]["objective"] == pytest.approx(exact.history_[-1]["objective"], rel=1e-6)


def test_the_classic_of_hu_is_a_special_case(data):
    """With unobserved_weight 1 and alpha a, a click counts 1 + a v, all else 1; reg is per row."""
    given = {**PRECISE, "alpha": 2.0, "unobserved_weight": 1.0, "reg": 0.5}
    m = ImplicitALS(3, n_epochs=2, reg_exponent=0.0, **given).fit(data)
    Q = m.item_factors_
    rows = data.user_index == 4
    C = np.ones(10)
    C[data.item_index[rows]] += 2.0 * data.values[rows]
    p = np.zeros(10)
    p[data.item_index[rows]] = 1
    x = np.linalg.solve(Q.T @ np.diag(C) @ Q + 0.5 * np.eye(3), Q.T @ (C * p))  # Hu et al. 2008, eq. 4
    np.testing.assert_allclose(m.user_factors_[4], x, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_factors_are_solved_by_gradients_bit_for_bit_in_fold_in(data, monkeypatch, dtype):
    exact = ImplicitALS(6, n_epochs=3, positive=3, dtype=dtype, random_state=0, **GIVEN).fit(data)
    monkeypatch.setattr(click_sweeps, "MOST_EXACT", 5)
    m = ImplicitALS(6, n_epochs=3, positive=3, dtype=dtype, random_state=0, **GIVEN, n_threads=1).fit(data)
    np.testing.assert_allclose(m.user_factors_, exact.user_factors_, rtol=2e-3, atol=1e-5)
    np.testing.assert_array_equal(m.fold_in(data).factors, m.user_factors_)
    np.testing.assert_array_equal(m.set_params(n_threads=3).fold_in(data).factors, m.user_factors_)


def test_values_become_clicks_by_the_rule_given(data):
    asked = {"n_factors": 3, "n_epochs": 2, "random_state": 0}
    with pytest.raises(DataError, match=r"values of the training part differ, from 1.* to 4.*positive=4 suits ratings"):
        ImplicitALS(**asked).fit(data)
    kept = data.take(np.flatnonzero(data.values >= 3))
    as_clicks = replace(kept, values=np.ones(len(kept), np.float32))
    one = ImplicitALS(positive=3, **asked).fit(kept)
    other = ImplicitALS(**asked).fit(as_clicks)
    np.testing.assert_array_equal(one.user_factors_, other.user_factors_)
    with pytest.raises(DataError, match="no training row has a value of at least 7, the highest is"):
        ImplicitALS(positive=7, **asked).fit(data)
    below = interactions([1, 1], [1, 2], [0, 3])
    with pytest.raises(DataError, match="holds the value 0: with positive='values' all must lie above 0"):
        ImplicitALS(positive="values", **asked).fit(below)
    with pytest.raises(DataError, match="the values of these interactions differ"):
        ImplicitALS(**asked).fit(as_clicks).fold_in(interactions([1, 1], as_clicks.items.values[:2], [1, 2]))


def test_the_past_is_left_out_of_lists_whether_it_was_a_click_or_not(data):
    m = ImplicitALS(3, positive=4, random_state=0).fit(data)
    user = data.users.values[3]
    seen = set(data.items.at(data.item_index[data.user_index == 3]))
    assert not seen & set(m.recommend(user, 10)["item_id"])


def test_features_are_the_prior_mean_and_their_objective_never_rises():
    rng = np.random.default_rng(0)
    taste = rng.integers(0, 2, 30)
    kind = rng.integers(0, 2, 20)
    pairs = [(u, i) for u in range(30) for i in range(20) if rng.random() < (0.7 if taste[u] == kind[i] else 0.05)]
    cold = [(u, i) for u, i in pairs if u < 27 and i < 18]
    everyone = interactions(range(30), [i % 20 for i in range(30)])
    data = Interactions(
        *(np.array(side, np.int32) for side in zip(*cold, strict=True)), np.ones(len(cold), np.float32), None,
        everyone.users, everyone.items,
    )  # fmt: skip
    of_users = Features.from_table({"user_id": range(30), "taste": [f"t{t}" for t in taste]}, "user")
    of_items = Features.from_table({"item_id": range(20), "kind": [f"k{k}" for k in kind]}, "item")
    m = ImplicitALS(4, n_epochs=15, dtype="float64", reg_features=0.1, random_state=0, **{**GIVEN, "reg": 0.05})
    m.fit(data, user_features=of_users, item_features=of_items)
    told = [record["objective"] for record in m.history_]
    assert (np.diff(told) <= 1e-9 * told[0]).all()
    scores = m.score_rows(np.arange(30))
    for u in range(27, 30):  # users without a row: those of their taste lie above the others
        assert scores[u, kind == taste[u]].mean() > scores[u, kind != taste[u]].mean() + 0.1
    for i in (18, 19):  # items without a row
        assert scores[taste == kind[i], i].mean() > scores[taste != kind[i], i].mean() + 0.1
    np.testing.assert_allclose(m.item_factors_[18:], (of_items.matrix @ m.item_weights_)[18:], rtol=0.2, atol=0.05)
    new = m.fold_in(data, Features.from_table({"user_id": range(30), "taste": [f"t{t}" for t in taste]}, "user",
                                              encoding=m.user_encoding_))  # fmt: skip
    np.testing.assert_array_equal(new.factors, m.user_factors_)
    told = m.explain(28, 18)
    assert told.parts["contribution"].sum() == pytest.approx(told.score, abs=1e-9)
    assert told.parts["kind"].unique().to_list() == ["feature"]
    other = Features.from_table({"user_id": range(30), "taste": ["x"] * 15 + ["y"] * 15}, "user")
    with pytest.raises(ParameterError, match="encoded in another way than those of training"):
        m.fold_in(data, other)


def test_ctrl_c_leaves_the_last_whole_epoch_with_exact_users(data):
    def stop(step):
        if step.step == 2:
            raise KeyboardInterrupt

    m = ImplicitALS(3, n_epochs=50, **PRECISE).fit(data, progress=stop)
    assert m.interrupted_
    assert m.best_epoch_ == 2
    np.testing.assert_array_equal(m.fold_in(data).factors, m.user_factors_)


def test_systems_that_cannot_be_solved_are_refused(data):
    with pytest.raises(
        DivergenceError, match=r"equations of a row cannot be solved in float32: reg=1e-30 is too small"
    ):
        ImplicitALS(9, reg=1e-30, unobserved_weight=1e-30, cg_steps=0, positive=3, random_state=0).fit(data)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("n_factors", 0), ("n_epochs", 0), ("reg", 0), ("alpha", -1), ("unobserved_weight", 0), ("cg_steps", -1)),
        *(("reg_exponent", -1), ("positive", "yes"), ("positive", float("nan")), ("dtype", "float16")),
        *(("init_scale", 0), ("reg_features", 0), ("random_state", -1), ("n_threads", 0), ("store_history", 1)),
        *(("shrinkage", 0), ("unobserved_share", 0)),
    ],
)
def test_parameters_outside_their_range_are_refused(data, name, value):
    with pytest.raises(ParameterError, match=name):
        ImplicitALS(**{name: value}).fit(data)
