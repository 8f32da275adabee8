"""The pair's own cell: what one more cell of both rows changes in a score, against features made anew for each pair."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from synthetic import low_rank

from palate.data.features import Features
from palate.data.ids import Ids
from palate.data.interactions import Interactions
from palate.models import BayesianMF
from palate.models.bayes import asked as gibbs_asked
from palate.models.bayes import begin as bayes_begin
from palate.models.bayes import product_sum
from palate.models.bayes.asked import RARE, Numbers
from palate.models.bayes.begin import begun, ground_of
from palate.models.bayes.derived import BayesSettings
from palate.models.bayes.hyper import Hyper
from palate.models.bayes.product_sum import ProductSum
from palate.models.bayes.side import Incidence
from palate.models.bayes.start import CountEncoding
from palate.models.bayes.start import side as begun_side
from palate.models.contract.learner import Training
from palate.parallel import Workers

SETTINGS = {"n_factors": 2, "n_components": 3, "n_sweeps": 30, "n_burn_in": 5, "random_state": 0, "n_threads": 1}
USED = BayesSettings(n_factors=2, noise_shape=1.0, noise_rate=1.0, wishart_df=0.0, wishart_scale=1.0)
DATA = low_rank(14, 11, 60)
PART = low_rank(14, 11, 60, seed=3)
TABLE = {"user_id": DATA.users.values, "age": np.arange(14) * 3 + 20}


def state(**options):
    """Return a chain after some sweeps, and its question."""
    people = Features.from_table(pl.DataFrame(TABLE), "user", columns=["age"])
    model, training = BayesianMF(**{**SETTINGS, **options}), Training(DATA, PART, people, None, None, print)
    chain, asked = begun(model, training, USED, ground_of(model, training), 0)
    with Workers(1) as workers:
        for number in range(1, 9):
            chain.sweep(number, workers)
    return chain, asked


def prior_mean(side, row, cells, counter, projection, vectors):
    """Return the part of a row's prior mean that its cells make, from features made anew."""
    found = np.zeros(side.X.shape[1])
    root = np.sqrt(max(len(cells), 1))
    for group in side.groups:
        if isinstance(group, Incidence):
            found += group.B[cells].sum(axis=0) / root
        elif len(group.B) == vectors.shape[1]:
            found += projection[cells].sum(axis=0) / root @ group.B
        elif counter is not None:
            count = counter.matrix(np.array([len(cells)]))[0]
            found += count @ group.B[-len(count) :]
    return found


def by_hand(chain, components, *, counts):
    """Return what the own cell of each pair adds: both rows' prior means by their cells, with it and without."""
    total = np.zeros((len(chain.users.X), len(chain.items.X)))
    for side, other, projection, vectors, flip in (
        (chain.users, chain.items, components.projection, components.users, False),
        (chain.items, chain.users, components.item_projection, components.items, True),
    ):
        rows = side.rows
        counter = CountEncoding.of(rows.sizes) if counts else None
        Z = np.column_stack([other.X[:, :-1], np.ones(len(other.X))]).astype(float)
        for u in range(len(side.X)):
            own = rows.indices[rows.indptr[u] : rows.indptr[u + 1]]
            w = chain.alpha * side.scales[u] * other.scales[own].astype(float)
            A = side.L + (Z[own].T * w) @ Z[own]
            before = prior_mean(side, u, own, counter, projection, vectors)
            for i in range(len(other.X)):
                after = prior_mean(side, u, np.append(own, i), counter, projection, vectors)
                added = Z[i] @ np.linalg.solve(A, side.L @ (after - before))
                total[(i, u) if flip else (u, i)] += added
    return total


@pytest.fixture
def components(monkeypatch):
    """Return a list that will hold the components of the incidence that a chain begins with."""
    found, make = [], bayes_begin.Components.of

    def of(*args):
        found.append(make(*args))
        return found[-1]

    monkeypatch.setattr(bayes_begin.Components, "of", of)
    return found


def added(chain, asked, n_threads=1):
    """Return what the own cell of each pair adds in the state as it is: the sum of one state, which is exact here."""
    total = ProductSum(len(chain.users.X), len(chain.items.X), 2)
    with Workers(n_threads) as workers:
        asked.add(chain.alpha, total, 1, workers)
    left, right, error = total.factors(20, 1)
    assert error < 1e-5
    return left @ right.T


@pytest.mark.parametrize("options", [{}, {"counts": False}, {"incidence": False}, {"n_components": 0}])
def test_the_own_cell_is_what_features_made_anew_would_change(components, options):
    chain, asked = state(**options)
    assert not asked.mean().any()
    found = added(chain, asked, 2)
    expected = by_hand(chain, components[0], counts=options.get("counts", True))
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(asked.mean(), expected[PART.user_index, PART.item_index], rtol=2e-3, atol=2e-4)
    added(chain, asked)
    np.testing.assert_allclose(asked.mean(), expected[PART.user_index, PART.item_index], rtol=2e-3, atol=2e-4)


def numbers_of(cells):
    return Numbers.of(np.array(cells), np.zeros((len(cells), 0)))


def test_rows_without_cells_may_be_rare_or_are_new():
    cells = [0] * 10 + [1] * 6 + [2] * 9 + [7]
    known = numbers_of(cells).known[:, 0]
    assert (known[10:] == 1).all()
    np.testing.assert_allclose(known[:10], RARE * 6**2 / (2 * 9) / 10)  # Chao: two rare rows among the ten, at most
    assert (numbers_of([0, 0, 5, 9]).known[:2] == 0).all()  # nothing rare: all of them are new
    assert numbers_of([0] + [1] * 8 + [2]).known[0] == RARE
    np.testing.assert_allclose(numbers_of([0, 0, 0, 1, 1]).known[:3], RARE / 3)


def test_what_is_expected_of_a_new_row_is_a_ridge_regression_on_its_attributes():
    rng = np.random.default_rng(0)
    cells, F, features = np.array([0, 3, 500, 40, 700]), rng.normal(size=(5, 2)), rng.normal(size=(5, 3))
    centred = F - np.average(F, axis=0, weights=cells)
    W = np.diag(cells.astype(float))
    B = np.linalg.solve(centred.T @ W @ centred + gibbs_asked.RIDGE * np.eye(2), centred.T @ W @ features)
    expected = np.average(features, axis=0, weights=cells) + centred[0] @ B
    found = Numbers.of(cells, F).mixed(np.full((5, 3), 0.25), features)
    np.testing.assert_allclose(found[0], expected - features[0], rtol=1e-5)
    np.testing.assert_allclose(found[1:], 0.25)


def test_a_new_item_has_the_parts_of_the_item_of_a_rating_taken_at_random(components):
    u, i = np.nonzero(np.random.default_rng(3).random((14, 11)) < 0.7)
    i = i + (i >= 4)  # item 4 has no ratings, and none has one or two
    ids = Ids(range(12), "item")
    values = np.random.default_rng(4).normal(3, 1, len(u)).astype(np.float32)
    data = Interactions(u.astype(np.int32), i.astype(np.int32), values, None, DATA.users, ids, (1, 5))
    model, training = BayesianMF(**SETTINGS), Training(data, None, None, None, None, print)
    chain, asked = begun(model, training, USED, ground_of(model, training), 0)
    with Workers(1) as workers:
        for number in range(1, 9):
            chain.sweep(number, workers)
    found, items = added(chain, asked), chain.items
    counter = CountEncoding.of(items.rows.sizes)
    of_rows = [
        prior_mean(items, row, items.rows.indices[a:b], counter, components[0].item_projection, components[0].items)
        for row, (a, b) in enumerate(pairwise(items.rows.indptr))
    ]
    target = np.average(of_rows, axis=0, weights=np.diff(items.rows.indptr)) - of_rows[4]
    Z = np.column_stack([chain.users.X[:, :-1], np.ones(14)])
    of_users = asked.users.terms(items, chain.alpha)
    own = of_users.of_rows(slice(0, 14)) @ of_users.of_columns(slice(4, 5))[0]
    np.testing.assert_allclose(found[:, 4], Z @ target + own, rtol=2e-3, atol=2e-4)
    assert np.abs(Z @ target).max() > 0.01


def test_without_incidence_in_any_form_nothing_is_asked():
    assert state(incidence=False, counts=False, n_components=0)[1] is None


def test_scores_know_the_own_cell_and_distributions_follow(monkeypatch):
    with_it = BayesianMF(**SETTINGS).fit(DATA)
    monkeypatch.setattr(gibbs_asked.Asked, "add", lambda *_: None)
    without = BayesianMF(**SETTINGS).fit(DATA)
    u, i = (index.ravel() for index in np.indices((14, 11)))
    a, b = (model.predict_index(u, i, clip=False) for model in (with_it, without))
    assert np.abs(a - b).max() > 0.01
    found = with_it.predictive_of(Interactions(u, i, np.ones(len(u)), None, DATA.users, DATA.items, None))
    np.testing.assert_allclose(found.mean(), a, atol=1e-5)


def test_validation_sees_the_score_that_the_model_will_have():
    data = low_rank(14, 11, 60, seed=3)
    model = BayesianMF(**SETTINGS).fit(DATA, validation=data)
    errors = np.clip(model.predict_rows(data), *model.rating_range_) - data.values
    assert model.history_[-1]["validation_rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), abs=0.02)


def test_a_sketched_score_is_off_by_what_it_says(monkeypatch):
    exact = BayesianMF(**SETTINGS).fit(DATA)
    assert exact.mean_score_error_ < 1e-5  # one side is narrow: nothing is lost
    monkeypatch.setattr(product_sum, "WIDTH", 4)
    sketched = BayesianMF(**SETTINGS).fit(DATA)
    u, i = (index.ravel() for index in np.indices((14, 11)))
    a, b = (model.predict_index(u, i, clip=False) for model in (exact, sketched))
    off = np.sqrt(np.mean((a - b) ** 2))
    assert off > 1e-3
    assert off == pytest.approx(sketched.mean_score_error_, rel=0.5)


def test_numbers_of_ratings_that_are_all_alike_lead_nowhere():
    u = np.repeat(np.arange(30), 3)
    i = np.concatenate([np.random.default_rng(u).choice(20, 3, replace=False) for u in range(30)])
    values = np.random.default_rng(4).integers(1, 6, len(u)).astype(np.float32)
    data = Interactions(
        u.astype(np.int32), i.astype(np.int32), values, None, Ids(range(30), "user"), Ids(range(20), "item")
    )
    model = BayesianMF(**SETTINGS).fit(data)
    every = model.predict_index(*(index.ravel() for index in np.indices((30, 20))), clip=False)
    assert np.abs(every - 3).max() < 4


def test_rows_without_cells_tell_nothing_of_the_others():
    people = np.random.default_rng(0).normal(size=(16, 2)).astype(np.float32)
    found = []
    for n_rows in (14, 16):
        data = Interactions(
            DATA.user_index, DATA.item_index, DATA.values, None, Ids(range(n_rows), "user"), DATA.items, None
        )
        by_user, by_item = data.by_user(), data.by_item()
        normal = np.random.default_rng(1).standard_normal((16, 3))[:n_rows]
        options = {"init_scale": 1, "incidence": True}
        one = begun_side(by_user, by_item, [people[:n_rows]], Hyper(), normal, **options)
        one.X[:14] = np.random.default_rng(2).normal(size=(14, 3))
        rng = np.random.default_rng(3)
        with Workers(1) as workers:
            for _ in range(3):
                one.draw_hyper(rng)
                one.draw_weights(rng, workers)
        found.append([one.L, one.mean, *(group.B for group in one.groups)])
    for without, beside in zip(*found, strict=True):
        np.testing.assert_allclose(without, beside, rtol=1e-4, atol=1e-5)
