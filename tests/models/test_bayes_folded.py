"""What the ratings of people folded in into a `BayesianMF` may be: eq. 1 and 2 of `palate.models.bayes.folded`."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import interactions, low_rank

from palate.errors import ParameterError, UnknownIdError
from palate.models import Baseline, BayesianMF
from palate.models.bayes.folded import FoldedRatings
from palate.parallel import Workers
from palate.sparse import Rows, stacked

SMALL = {"n_factors": 2, "n_sweeps": 25, "n_burn_in": 5, "n_components": 2, "n_chains": 1, "random_state": 0}
ITEMS = np.array([7, 0, 3, 7], np.int32)
ROW = Rows.of_sizes([3], np.array([1, 4, 6], np.int32), np.array([4.0, 2.0, 5.0], np.float32))


def ratings(likelihood):
    data = low_rank(20, 15, 150)
    return (
        data
        if likelihood == "gaussian"
        else interactions(data.user_index, data.item_index, np.round(data.values).tolist())
    )


@pytest.fixture(scope="module", params=["gaussian", "ordinal"])
def model(request):
    return BayesianMF(likelihood=request.param, **SMALL).fit(ratings(request.param))


def given(model):
    return dict(zip(model.items_.at(ROW.indices).to_list(), ROW.values.tolist(), strict=True))


def parts(model, rows, u, i):
    people = FoldedRatings.of(model.learned_.draws, rows, None, i, model.scale_df)
    with Workers(1) as workers:
        return people.parts(np.asarray(u), i, workers)


def test_a_rating_varies_as_the_draws_of_the_row_and_the_noise(model):
    """The kernel draws rows itself; their scores have the mean and the variance that are told, noise apart."""
    draws, s = model.learned_.draws, 4
    means, sds = parts(model, ROW, [0] * 4, ITEMS)
    scores = np.array([model._scores_in_draws(ROW, None, ITEMS, seed).of(s) for seed in range(1000)])
    g = draws[s].fold(ROW, draws[s].prior_means(*draws.features_of(ROW, None)), model.scale_df, Workers(1))[1][0]
    noise = 1 / (draws.noise_draws[s] * g * draws.item_scales[ITEMS, s])
    np.testing.assert_allclose(scores.mean(axis=0), means[:, s], atol=4 * sds[:, s].max() / np.sqrt(1000))
    np.testing.assert_allclose(scores.var(axis=0), sds[:, s] ** 2 - noise, rtol=0.2)


def test_the_mean_is_the_score_that_lists_show(model):
    found = model._predictive_for(ROW, None, np.zeros(4, np.int32), ITEMS)
    score = model._scorer_for(ROW, None).pairs(np.zeros(4, np.int32), ITEMS)
    np.testing.assert_allclose(found.means.mean(axis=1), score, rtol=1e-5)
    assert found.is_ordinal == (model.likelihood == "ordinal")


def test_several_people_are_told_as_each_alone(model):
    other = Rows.of_sizes([2], np.array([0, 9], np.int32), np.array([1.0, 2.0], np.float32))
    u = np.array([0, 1, 2, 1])
    means, sds = parts(model, stacked([ROW, other, Rows.empty(1)]), u, ITEMS)
    for at, row in enumerate([ROW, other, Rows.empty(1), other]):
        alone = parts(model, row, [0], ITEMS[at : at + 1])
        np.testing.assert_allclose([means[at], sds[at]], [alone[0][0], alone[1][0]], rtol=1e-5)


def test_who_gave_nothing_may_be_anybody(model):
    means, sds = parts(model, Rows.empty(1), [0], ITEMS[:1])
    draws = model.learned_.draws
    for s in range(draws.n_kept):
        z = np.append(draws.item_draws[7, s, :-1], 1).astype(float)
        scores = np.array([x @ z for x in draws.user_draws[:, s].astype(float)])
        noise = np.mean([1 / (draws.noise_draws[s] * g * draws.item_scales[7, s]) for g in draws.user_scales[:, s]])
        assert means[0, s] == pytest.approx(draws.mean_draws[s] + draws.item_draws[7, s, -1] + scores.mean(), rel=1e-5)
        assert sds[0, s] ** 2 == pytest.approx(scores.var() + noise, rel=1e-5)


def test_ratings_make_surer():
    """Of people with the same tastes, whoever gave fifteen ratings is told more narrowly than one who gave two."""
    model, every = BayesianMF(**SMALL).fit(ratings("gaussian")), np.arange(15, dtype=np.int32)
    widths = []
    for n in (0, 2, 15):
        row = Rows.of_sizes([n], every[:n], np.full(n, 3, np.float32))
        low, high = model._predictive_for(row, None, np.zeros(15, np.int32), every).interval(0.8)
        widths.append((high - low).mean())
    assert widths[0] > widths[1] > widths[2]


def test_people_stand_wherever_users_do(model):
    person, nobody = model.person(given(model)), model.person({})
    user, item = model.users_.values[2], model.items_.values[7]
    low, high = model.predict_interval([user, person, nobody], item, 0.8)
    assert (low < high).all()
    found = model._predictive_for(person.rows, None, np.zeros(1, np.int32), np.array([7])).interval(0.8)
    assert (low[1], high[1]) == (found[0][0], found[1][0])
    assert (low[:1], high[:1]) == model.predict_interval(user, item, 0.8)
    values, spread = model.predict([user, person], item, return_std=True)
    np.testing.assert_allclose(values, model.predict([user, person], item))
    assert spread[0] == pytest.approx(model.predict(user, item, return_std=True)[1][0])
    assert spread[1] == pytest.approx(
        model._predictive_for(person.rows, None, np.zeros(1, int), np.array([7])).std()[0]
    )


def test_of_stars_people_get_the_expected_stars():
    model = BayesianMF(likelihood="ordinal", **SMALL).fit(ratings("ordinal"))
    found = model._predictive_for(ROW, None, np.zeros(15, np.int32), np.arange(15))
    values = model.predict(model.person(given(model)), model.items_.values)
    np.testing.assert_allclose(values, found.probabilities @ np.asarray(model.levels_))


def test_unknown_items_have_no_spread(model):
    person = model.person(given(model))
    values, spread = model.predict(person, [model.items_.values[3], -5], on_unknown="nan", return_std=True)
    assert np.isnan(values).tolist() == np.isnan(spread).tolist() == [False, True]
    assert np.isnan(model.predict(person, [-5], on_unknown="nan", return_std=True)[1]).all()
    with pytest.raises(UnknownIdError, match="unknown item id -5"):
        model.predict_interval(person, [-5])


def test_what_people_cannot_be_asked_with_is_refused(model):
    person = model.person(given(model))
    with pytest.raises(ParameterError, match="times go with users of training, not with people"):
        model.predict_interval(person, model.items_.values[0], times=3)
    with pytest.raises(ParameterError, match="as many users as items, or one of either; got 3 and 2"):
        model.predict_interval([person] * 3, model.items_.values[:2])
    baseline = Baseline().fit(ratings("gaussian"))
    with pytest.raises(ParameterError, match=r"^Baseline has no predictive distribution.*bayes can$"):
        baseline.predict_interval(baseline.users_.values[0], baseline.items_.values[0])
