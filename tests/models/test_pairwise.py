"""BPR and WARP: draws, threads, stopping, fold-in, limits; what the contract does not see."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from synthetic import communities, interactions, low_rank

import palate
from palate.data.interactions import Interactions
from palate.data.splits.making import split
from palate.errors import DataError, DivergenceError, ParameterError
from palate.kernels import pairs
from palate.models import BPR, WARP, Popularity
from palate.models.sgd.pairwise import BLOCKS, ClickEpochs
from palate.models.sgd.rating_blocks import default_blocks
from palate.parallel import Workers

BOTH = pytest.mark.parametrize("cls", [BPR, WARP])
SETTINGS = {"n_factors": 6, "n_epochs": 6, "random_state": 0, "n_threads": 1, "positive": "any"}


@pytest.fixture(scope="module")
def clicks():
    """A few hundred clicks of 30 users on 40 items, some of each long and short."""
    rng = np.random.default_rng(0)
    cells = [(u, i) for u in range(30) for i in rng.permutation(40)[: 2 + u % 12]]
    return interactions(*zip(*cells, strict=True))


def epochs_of(model, data):
    """Return what a run of this model does with clicks, not begun."""
    training = palate.models.contract.learner.Training(data, None, None, None, None, lambda _: None)
    run = model._run(training, 0, data, None, "training")
    assert isinstance(run.one_epoch, ClickEpochs)
    return run.one_epoch


@pytest.mark.parametrize("draw", ["users", "clicks"])
def test_draws_in_blocks_are_as_likely_as_draws_from_all(clicks, draw):
    epochs = epochs_of(BPR(**SETTINGS, draw=draw, n_blocks=3), clicks)
    met, against, n_epochs = np.zeros((30, 40)), np.zeros((30, 40)), 300
    still, model = (
        pairs.PairSteps(*map(np.float32, (1e-9, 1, 1, 1, 1e-9, 1)), held=False),
        pairs.PairTerms(*epochs.factors),
    )
    with Workers(1) as workers:
        for epoch in range(n_epochs):
            laid = epochs.layout(epoch, workers)
            *rows_cols_times, ptr = laid.grouped
            (items, popularity, _), ends = laid.pool, laid.ends
            for a in range(3):
                for b in range(3):
                    block = slice(ptr[a, b], ptr[a, b + 1])
                    part = tuple(array[block] for array in rows_cols_times)
                    us, them = pairs.drawn(*part, np.uint64(epoch * 9 + a * 3 + b), False)
                    pool = pairs.Pool(items[ends[b] : ends[b + 1]], popularity[ends[b] : ends[b + 1]], False)
                    none, empty = np.full(len(us), -1), np.zeros(len(us), np.float32)
                    trace = pairs.Trace(none, none, empty, empty)
                    known = pairs.Clicked(*epochs.clicks.cells[:2], *pairs.filter_of(*part[:2]))
                    draws = pairs.Draws(us, them, np.uint64(1_000_003 * epoch + 3 * a + b))
                    pairs.descend_draws(model, None, None, draws, known, pool, None, None, still, trace)
                    np.add.at(met, (us, them), 1)
                    np.add.at(against, (us[trace.negatives >= 0], trace.negatives[trace.negatives >= 0]), 1)
    own = np.zeros((30, 40), bool)
    own[clicks.user_index, clicks.item_index] = True
    lengths = own.sum(axis=1, keepdims=True)
    mean = len(clicks) / 30 / lengths if draw == "users" else np.ones_like(lengths)
    np.testing.assert_allclose(met / n_epochs, np.where(own, mean, 0), atol=0.25 * mean.max() ** 0.5)
    assert not against[own].any()
    warm = own.any(axis=0)
    assert not against[:, ~warm].any()
    each = against.sum(axis=1, keepdims=True)
    expected = np.where(~own & warm, 1 / (~own & warm).sum(axis=1, keepdims=True), 0)
    np.testing.assert_allclose((against / each).mean(axis=0), expected.mean(axis=0), atol=0.004)
    half = 5 * np.sqrt(expected / each) + 0.003
    assert (np.abs(against / each - expected) < half).all()


@BOTH
@pytest.mark.parametrize("negatives", ["uniform", "popular", "adaptive"])
def test_threads_and_blocks_change_nothing(cls, negatives, clicks):
    settings = {**SETTINGS, "negatives": negatives, "n_blocks": 4}
    one = cls(**settings).fit(clicks)
    for n_threads in (2, 3, 7):
        other = cls(**{**settings, "n_threads": n_threads}).fit(clicks)
        for name in cls.learned_.kind.ARRAYS:
            np.testing.assert_array_equal(getattr(other, name), getattr(one, name))
    assert not np.array_equal(cls(**{**settings, "n_blocks": 1}).fit(clicks).user_factors_, one.user_factors_)


def test_blocks_follow_from_the_data():
    assert default_blocks(499_999, 10**9, 400, **BLOCKS) == 1
    assert default_blocks(500_000, 100, 400, **BLOCKS) == 16
    assert default_blocks(500_000, 1_000_000, 256, **BLOCKS) == 123


@BOTH
def test_the_best_epoch_by_ranked_lists_is_restored(cls):
    train, validation = split(low_rank(60, 40, 900), 0.2, 1)
    m = cls(**{**SETTINGS, "n_epochs": 30, "patience": 3, "positive": 3.0}).fit(train, validation=validation)
    watched = [record["validation_ndcg"] for record in m.history_]
    assert m.best_epoch_ == int(np.argmax(watched)) + 1
    assert len(watched) == min(30, m.best_epoch_ + 3)
    assert m.epoch_chosen_on_ == "validation"
    assert m.refit_history_ == []
    liked = validation.take(np.flatnonzero(validation.values >= 3.0))
    found = palate.measure(m, train, liked, ["ndcg@10"]).values["ndcg@10"]
    assert found == pytest.approx(max(watched), abs=1e-6)


@BOTH
def test_few_users_are_judged_of_many(cls, monkeypatch):
    monkeypatch.setattr("palate.models.items.watched.JUDGED", 5)
    data = low_rank(60, 40, 900)
    m = cls(**SETTINGS).fit(data)
    again = cls(**SETTINGS).fit(data)
    assert [r["validation_ndcg"] for r in m.history_] == [r["validation_ndcg"] for r in again.history_]
    assert len(m.refit_history_) == m.best_epoch_


@BOTH
def test_a_held_out_part_without_clicks_chooses_nothing(cls):
    data = low_rank(30, 20, 300)
    values = np.where(np.arange(300) == 7, 9.0, 1.0).astype(np.float32)
    one = Interactions(data.user_index, data.item_index, values, None, data.users, data.items)
    m = cls(**{**SETTINGS, "positive": 5.0}).fit(one)
    assert (m.best_epoch_, m.epoch_chosen_on_) == (6, "none")


@BOTH
def test_folding_in_looks_at_the_users_own_rows_alone(cls, clicks):
    m = cls(**SETTINGS, negatives="popular").fit(clicks)
    every = m.fold_in(clicks)
    for users in ([3], [29, 3, 11]):
        table = clicks.to_table().filter(pl.col("user_id").is_in(users))
        few = palate.Interactions.from_table(table)
        found = m.fold_in(few)
        place = few.users.index(users)
        np.testing.assert_array_equal(found.factors[place], every.factors[users])
    for n_threads in (2, 5):
        np.testing.assert_array_equal(m.set_params(n_threads=n_threads).fold_in(clicks).factors, every.factors)


@BOTH
def test_folded_in_users_are_much_like_their_stored_selves(cls):
    data = low_rank(120, 60, 2500, noise=0.1)
    m = cls(8, n_epochs=30, random_state=0, positive=3.3, validation_fraction=0.0).fit(data)
    P, Q = m.fold_in(data).factors, m.item_factors_
    scores, stored = P @ Q.T, m.user_factors_ @ Q.T
    alike = [np.corrcoef(a, b)[0, 1] for a, b in zip(scores, stored, strict=True) if a.any()]
    assert np.mean(alike) > 0.7


@BOTH
def test_penalties_without_end_leave_the_biases_alone(cls, clicks):
    strong = {"reg_users": 1e6, "reg_items": 1e6, "reg_negatives": 1e6, "learning_rate": 0.003}
    m = cls(**SETTINGS, **strong).fit(clicks)
    assert np.abs(m.user_factors_).max() < 1e-10
    assert m.item_biases_.any()
    orders = m.score_rows(np.arange(30))
    assert (orders == orders[0]).all()


@BOTH
def test_popular_items_win_where_nobody_has_a_taste(cls):
    rng = np.random.default_rng(0)
    cells = [(u, i) for u in range(200) for i in range(12) if rng.random() < 0.9 - 0.07 * i]
    data = interactions(*zip(*cells, strict=True))
    m = cls(**{**SETTINGS, "n_epochs": 40, "init_scale": 0.0, "validation_fraction": 0.0}).fit(data)
    assert not m.user_factors_.any()
    expected = Popularity().fit(data).rank_index([0], 12)[0][0]
    assert np.abs(np.argsort(m.rank_index([0], 12)[0][0]) - np.argsort(expected)).max() <= 2


@BOTH
@pytest.mark.parametrize("changes", [{"learning_rate": 30.0}, {"learning_rate": 1e9, "init_scale": 1e3}])
@pytest.mark.parametrize("negatives", ["uniform", "adaptive"])
def test_the_advice_after_divergence_works(cls, clicks, changes, negatives):
    m = cls(**{**SETTINGS, **changes, "negatives": negatives, "validation_fraction": 0.1})
    with pytest.raises(DivergenceError) as caught:
        m.fit(clicks)
    advised = re.findall(r"(\w+)=([\d.e+-]+)", str(caught.value).split("; try ")[1])
    m.set_params(**{name: float(value) for name, value in advised}).fit(clicks)
    assert np.isfinite(m.user_factors_).all()


@BOTH
def test_faults_are_told(cls, clicks):
    with pytest.raises(
        DivergenceError, match=r"training diverged in epoch \d+ at learning rate .*; try learning_rate="
    ):
        cls(**{**SETTINGS, "learning_rate": 1e20, "reg_users": 0.0, "reg_items": 0.0, "reg_negatives": 0.0}).fit(clicks)
    with pytest.raises(DataError, match="no training row has a value of at least 9, the highest is 1"):
        cls(**{**SETTINGS, "positive": 9}).fit(clicks)
    for name, value, text in (
        ("draw", "items", "draw must be 'users' or 'clicks', got 'items'"),
        ("negatives", "hard", "negatives must be 'uniform' or 'popular' or 'adaptive', got 'hard'"),
        ("negative_rank", 0, "negative_rank must be a number above 0 and at most 1, got 0"),
        ("reg_negatives", -1, "reg_negatives must be a number of at least 0, got -1"),
        ("n_blocks", 0, "n_blocks must be a whole number of at least 1, got 0"),
        ("own_factors", 1, "own_factors must be False or True, got 1"),
    ):
        with pytest.raises(ParameterError, match=text):
            cls(**{**SETTINGS, name: value}).fit(clicks)


def test_most_draws_are_counted():
    with pytest.raises(ParameterError, match="most_draws must be a whole number of at least 1, got 0"):
        WARP(most_draws=0).fit(interactions([1], [1]))


@pytest.mark.parametrize(("cls", "floor"), [(BPR, 0.105), (WARP, 0.11)])
def test_on_movielens_both_are_far_above_popularity(cls, floor, movielens):
    """The last liked film of everybody: the defaults, few epochs, no search."""
    data = movielens.interactions
    liked = data.take(np.flatnonzero(data.values >= 4))
    (one, *_) = palate.make_splits(liked, "last:1")
    train, test = liked.take(one.train), liked.take(one.test)
    m = cls(32, n_epochs=30, random_state=0, positive="any", validation_fraction=0.0).fit(train)
    found = palate.measure(m, train, test, ["hit_rate@10"]).values["hit_rate@10"]
    popular = palate.measure(Popularity().fit(train), train, test, ["hit_rate@10"]).values["hit_rate@10"]
    assert found > max(1.3 * popular, floor)


@pytest.mark.parametrize("model", [BPR(random_state=0), BPR(learning_rate=0.05, random_state=0), WARP(random_state=0)])
def test_training_outlasts_the_first_epochs_whose_lists_are_those_of_popularity(model):
    """On sparse clicks NDCG falls for some epochs before users are told apart: five of patience end there."""
    train, test = split(communities(), 0.2, 1)
    ndcg = palate.measure(model.fit(train), train, test, ["ndcg@10"]).values["ndcg@10"]
    popular = palate.measure(Popularity().fit(train), train, test, ["ndcg@10"]).values["ndcg@10"]
    assert ndcg > 8 * popular
