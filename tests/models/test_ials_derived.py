"""What ImplicitALS derives from the data: factors, weights, counts as confidence, the shrinkage by held-out clicks."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic import communities, low_rank

from palate.models import ImplicitALS
from palate.models.contract.learner import Training
from palate.models.ridge import shrinking
from palate.models.ridge.shrinking import MIDDLE, TRIED, chosen_shrinkage, parted, top
from palate.models.ridge.weighing import factors_for

FEW = {"n_factors": 3, "n_epochs": 2, "dtype": "float64", "random_state": 0}


@pytest.fixture(scope="module")
def data():
    return low_rank(12, 10, 60)


@pytest.fixture(scope="module")
def groups():
    return communities(300, 240, 10, each=8)


def derived_by_hand(data, weights, shrinkage, share, exponent):
    """Return o and reg of eq. 2 and 3 of the module, from a dense table of weights."""
    W = np.zeros((data.n_users, data.n_items))
    W[data.user_index, data.item_index] = weights
    W = W[W.any(axis=1)][:, W.any(axis=0)]
    M, N = W.shape
    o = share * W.sum() / (M * N)
    rows, columns = (W.sum(axis=1) + o * N) ** exponent, (W.sum(axis=0) + o * M) ** exponent
    held = shrinkage * share**0.5 * W.sum() / (W > 0).sum()
    return o, held / (rows.mean() * columns.mean()) ** 0.5


@pytest.mark.parametrize("exponent", [1.0, 0.5])
def test_weights_and_penalties_follow_from_shares_and_given_numbers_say_the_same(data, exponent):
    m = ImplicitALS(positive="any", shrinkage=0.7, unobserved_share=5.0, reg_exponent=exponent, **FEW).fit(data)
    o, reg = derived_by_hand(data, 1.0, 0.7, 5.0, exponent)
    assert (m.unobserved_weight_, m.reg_) == pytest.approx((o, reg))
    assert (m.alpha_, m.typical_count_, m.n_factors_, m.shrinkage_) == (1.0, 0.0, 3, 0.7)
    given = {"alpha": 1.0, "unobserved_weight": m.unobserved_weight_, "reg": m.reg_}
    same = ImplicitALS(positive="any", unobserved_share=5.0, reg_exponent=exponent, **given, **FEW).fit(data)
    np.testing.assert_array_equal(same.user_factors_, m.user_factors_)
    assert same.shrinkage_ == pytest.approx(0.7)


def test_counts_weigh_as_their_logarithm_beside_the_median_whatever_their_unit(data):
    m = ImplicitALS(positive="values", shrinkage=0.7, **FEW).fit(data)
    weights = np.log2(1 + data.values.astype(float) / np.median(data.values))
    o, reg = derived_by_hand(data, weights, 0.7, 16.0, 1.0)
    assert (m.unobserved_weight_, m.reg_) == pytest.approx((o, reg), rel=1e-6)
    by_hand = replace(data, values=weights.astype(np.float32))
    given = {"alpha": 1.0, "unobserved_weight": m.unobserved_weight_, "reg": m.reg_}
    same = ImplicitALS(positive="values", **given, **FEW).fit(by_hand)
    np.testing.assert_array_equal(same.user_factors_, m.user_factors_)
    np.testing.assert_array_equal(m.fold_in(data).factors, m.user_factors_)
    larger = ImplicitALS(positive="values", shrinkage=0.7, **FEW).fit(replace(data, values=data.values * 64))
    np.testing.assert_array_equal(larger.user_factors_, m.user_factors_)
    alike = ImplicitALS(positive="values", **FEW).fit(replace(data, values=np.full(len(data), 7, np.float32)))
    np.testing.assert_array_equal(alike.user_factors_, ImplicitALS(positive="any", **FEW).fit(data).user_factors_)


def test_shrinkage_goes_before_reg_and_what_is_given_of_alpha_scales_all_alike(data):
    m = ImplicitALS(positive="any", shrinkage=0.7, reg=5.0, **FEW).fit(data)
    assert m.shrinkage_ == 0.7
    assert m.reg_ < 1
    doubled = ImplicitALS(positive="any", shrinkage=0.7, alpha=2.0, **FEW).fit(data)
    assert doubled.reg_ == pytest.approx(m.reg_)
    np.testing.assert_allclose(doubled.user_factors_, m.user_factors_, rtol=1e-6, atol=1e-9)


def test_factors_follow_from_the_smaller_side(data):
    assert [factors_for(n, 10**6) for n in (1, 943, 4000, 10**5)] == [16, 120, 256, 256]
    assert factors_for(10**6, 943) == 120
    m = ImplicitALS(positive=3, n_epochs=1, random_state=0).fit(data)
    assert m.n_factors_ == m.user_factors_.shape[1] == 16
    again = ImplicitALS(positive=3, n_epochs=1, random_state=0).fit(data, start=ImplicitALS(5, positive=3).fit(data))
    assert again.n_factors_ == 5


def test_the_shrinkage_is_where_held_out_clicks_are_found_and_few_clicks_get_the_middle(data, groups, monkeypatch):
    assert ImplicitALS(positive="any", **FEW).fit(data).shrinkage_ == MIDDLE
    steps = []
    m = ImplicitALS(8, n_epochs=4, random_state=0).fit(groups, progress=steps.append)
    assert 0.8 * min(TRIED) <= m.shrinkage_ <= 0.8 * max(TRIED)
    assert {step.stage for step in steps} == {"choosing the shrinkage", "training"}
    same = ImplicitALS(8, n_epochs=4, random_state=0, n_threads=3).fit(groups)
    assert same.shrinkage_ == m.shrinkage_
    places = np.random.default_rng(1).permutation(groups.n_items).astype(np.int32)
    renumbered = replace(groups, item_index=places[groups.item_index])
    assert ImplicitALS(8, n_epochs=4, random_state=0).fit(renumbered).shrinkage_ == pytest.approx(m.shrinkage_, 1e-4)
    learn, held = parted(groups, 0)
    assert len(learn) + len(held) == len(groups)
    assert 0.15 < len(held) / len(groups) < 0.25
    watched = ImplicitALS(8, n_epochs=4, random_state=0).fit(learn, validation=held)
    assert 0.8 * watched.shrinkage_ == m.shrinkage_  # the validation part that is given is the one looked at


def test_the_shrinkage_goes_round_what_cannot_be_solved_and_stops_at_ctrl_c(groups, monkeypatch):
    training = Training(groups, None, None, None, None, lambda step: None)
    model = ImplicitALS(8, unobserved_weight=1e-30, cg_steps=0, random_state=0)
    monkeypatch.setattr(shrinking, "TRIED", (1e-30, 1.0))  # a fifth less of what is left
    assert chosen_shrinkage(model, training, 0) == 0.8

    def stop(step):
        if step.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ImplicitALS(8, random_state=0).fit(groups, progress=stop)


def test_the_top_of_a_parabola():
    tried = np.array([0.5, 1.0, 2.0])
    assert top(tried, np.array([0.2, 0.3, 0.2])) == 1.0
    assert top(tried, 3 - (np.log2(tried) - 0.25) ** 2) == pytest.approx(2**0.25)
    assert top(tried, np.array([0.3, 0.2, 0.1])) == 0.5
    assert top(tried, np.array([0.1, 0.2, 0.3])) == 2.0
    assert top(tried, np.array([-1.0, 0.3, 0.2])) == 1.0
    assert top(tried, np.array([0.3, 0.3, 0.3])) == 0.5
    assert top(tried, np.zeros(3)) == top(tried, np.full(3, -1.0)) == MIDDLE
