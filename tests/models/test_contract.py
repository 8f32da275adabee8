"""What every model of MODELS keeps to; what a model cannot do it declares, and the test shows as skipped."""

from __future__ import annotations

import inspect
import sys
from dataclasses import fields

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from synthetic import interactions, low_rank

from palate import MODELS, Features, files
from palate.data.interactions import Interactions
from palate.errors import DataError, NotFittedError, ParameterError, UnknownIdError
from palate.models.contract.abilities import ABILITIES
from palate.parallel import GRAIN, Workers

SMALL = {  # where a model has them
    "random_state": 0,
    "n_factors": 4,
    "n_epochs": 5,
    "n_threads": 1,
    "positive": 3.0,
    "n_sweeps": 20,
    "n_burn_in": 5,
    "n_components": 3,
}
EXACT_TO_ROUNDING = {"ease"}  # for other numbers of threads: LAPACK solves it
NEEDS_HISTORY = {"ease", "knn", "rp3beta"}  # to score known users
STOPS_BY_LISTS = {"bpr", "warp"}  # of few users here: the first epochs are soon as good as any
FORGETS = {"popularity"}  # newcomers' rows make no difference to their scores

# another value for each parameter, with what else it needs to matter
OTHER = {
    "n_factors": 5,
    "n_epochs": 2,
    "learning_rate": 0.02,
    "reg": 0.7,
    "reg_biases": 0.4,
    "biases": False,
    "init": "uniform",
    "init_scale": 0.3,
    "schedule": "constant",
    "patience": 1,
    "validation_fraction": 0.4,
    "n_blocks": 2,
    "dtype": "float64",
    "random_state": 1,
    "half_life_days": 1.0,
    "reg_users": 30.0,
    "reg_items": 30.0,
    "alpha": 9.0,
    "unobserved_weight": 0.7,
    "reg_exponent": 0.3,
    "positive": "any",
    "cg_steps": 0,
    "dropout": 0.5,
    "n_neighbors": 3,
    "shrinkage": 90.0,
    "idf": True,
    "beta": 2.0,
    "reg_features": 0.01,
    "n_sweeps": 19,
    "n_burn_in": 6,
    "n_chains": 1,
    "n_kept": 3,
    "likelihood": "ordinal",
    "incidence": False,
    "n_components": 2,
    "counts": False,
    "time_effects": "day,page",
    "scale_df": None,
    "wishart_scale": 5.0,
    "wishart_df": 9.0,
    "mean_strength": 30.0,
    "ridge_shape": 50.0,
    "ridge_rate": 50.0,
    "noise_shape": 90.0,
    "noise_rate": 90.0,
    "mean_center": 9.0,
    "mean_sd": 0.01,
    "reg_negatives": 3.0,
    "draw": "clicks",
    "negatives": "popular",
    "negative_rank": 0.9,
    "most_draws": 1,
}

# parameters that matter only beside another
BESIDE = {
    "negative_rank": {"negatives": "adaptive"},
    "time_shape": {"time_effects": "day"},
    "time_rate": {"time_effects": "day"},
    "mean_center": {"mean_sd": 0.1},
}
OTHER |= {"time_shape": 40.0, "time_rate": 40.0}


def settings(key, **changes):
    return {n: v for n, v in {**SMALL, **changes}.items() if n in MODELS[key].parameter_names()}


def make(key, **changes):
    return MODELS[key](**settings(key, **changes))


@pytest.fixture(params=MODELS)
def key(request):
    return request.param


@pytest.fixture
def fitted(key, data):
    return make(key).fit(data)


def every_score(m):
    return m.score_rows(np.arange(len(m.users_)))


def needs(key, ability):
    if ability not in MODELS[key].supports:
        pytest.skip(f"{key} declares that it {ABILITIES[ability]}")


def same(one, other, key):
    if key in EXACT_TO_ROUNDING:
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    else:
        np.testing.assert_array_equal(one, other)


def test_the_class_says_what_it_is(key):
    cls = MODELS[key]
    assert cls.key == key
    assert cls.score_kind in ("rating", "probability", "order")
    assert cls.supports <= set(ABILITIES)
    assert ("predict" in cls.supports) == (cls.score_kind != "order")
    first, *rest = inspect.signature(cls).parameters.values()
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in rest), first
    assert {"store_history", "n_threads"} <= set(cls.parameter_names())
    assert repr(cls()) == f"{cls.__name__}()"
    assert clone(make(key)).get_params() == make(key).get_params()


def test_the_constructor_only_stores_and_fit_returns_the_model(key, data):
    m = MODELS[key](**{MODELS[key].parameter_names()[0]: "nonsense"})
    with pytest.raises(ParameterError, match=r"must be a .*number .*, got 'nonsense'"):
        m.fit(data)
    for ask in (lambda: m.recommend(100), lambda: m.score_rows(np.arange(2)), m.state, m.check_learned):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            ask()
    m = make(key)
    assert m.fit(data) is m
    assert m.history_ == [] or m.best_epoch_ >= 1


def test_every_parameter_changes_the_result(key, data):
    long = {"n_epochs": 40, "learning_rate": 0.05, "reg": 0.02 if key != "ease" else 50.0}  # mf then stops early
    if key in STOPS_BY_LISTS:
        rate, held_out = (0.1, 0.3) if key == "bpr" else (0.01, 0.3)
        long |= {"learning_rate": rate, "reg_users": 0.1, "validation_fraction": held_out}
    values, times = np.round(data.values), 40_000 * np.arange(len(data))  # stars, and some of the same day
    data = Interactions(data.user_index, data.item_index, values, times, data.users, data.items, data.rating_range)
    before = every_score(make(key, **long).fit(data))
    for name in set(MODELS[key].parameter_names()) - {"n_threads", "store_history"}:
        if name in ("reg_features", "own_factors", "n_kept"):
            continue  # the tests of the model see them matter
        beside = BESIDE.get(name, {})
        base = every_score(make(key, **{**long, **beside}).fit(data)) if beside else before
        m = make(key, **{**long, **beside, name: OTHER[name]})
        assert not np.array_equal(every_score(m.fit(data)), base), name


def test_scores_rank_and_a_batch_equals_one_by_one(data, fitted):
    users = data.users.values.to_list()
    batch = fitted.recommend(users, 5)
    for user in users[::7]:
        assert batch.filter(user_id=user).equals(fitted.recommend(user, 5))
    scores = every_score(fitted)
    items, best = fitted.rank_index(np.arange(40), 30)
    for u in range(40):
        order = np.lexsort((fitted.item_order.places, -scores[u]))
        assert items[u].tolist() == order.tolist()
        np.testing.assert_array_equal(best[u], scores[u, order])


def test_exclusions_and_filters_hold(data, fitted):
    allowed = data.items.values.to_list()[3:20]
    lists = fitted.recommend(data.users.values, 30, allow=allowed, deny=[1004, 1005])
    seen = set(zip(data.users.at(data.user_index), data.items.at(data.item_index), strict=True))
    found = set(zip(lists["user_id"], lists["item_id"], strict=True))
    assert found == {(u, i) for u in data.users.values for i in allowed if (u, i) not in seen} - {
        (u, i) for u in data.users.values for i in (1004, 1005)
    }
    every = fitted.recommend(data.users.values, 40, exclude_seen=False)
    assert every.height == 40 * 30
    assert np.isfinite(every["score"].to_numpy()).all()


@pytest.fixture
def tasks(monkeypatch):
    """Make every task small, and count those of each place that gives some to threads: {where: the most at once}."""
    for field in fields(GRAIN):
        monkeypatch.setattr(GRAIN, field.name, 2)
    most, run = {}, Workers.run

    def counted(self, tasks):
        where = sys._getframe(1).f_code.co_qualname
        most[where] = max(most.get(where, 0), len(tasks))
        return run(self, tasks)

    monkeypatch.setattr(Workers, "run", counted)
    return most


def test_threads_change_nothing(key, data, request):
    """The same bits for any number of threads; and all parts done: as one task does them, but for rounding."""
    several = {"n_blocks": 3, "n_chains": 3}
    whole = make(key, **several).fit(data)
    scores, lists = every_score(whole), whole.recommend(data.users.values, 4)
    tasks = request.getfixturevalue("tasks")
    assert whole.set_params(n_threads=7).recommend(data.users.values, 4).equals(lists)
    alone = None
    for n_threads in (1, 2, 3, 7):
        m = make(key, **several, n_threads=n_threads).fit(data)
        learned = [every_score(m), m.recommend(data.users.values, 4)]
        if "recommend_for" in m.supports:
            learned.append(m.recommend_for(data, 4))
        alone = alone or learned
        same(learned[0], alone[0], key)
        if key not in EXACT_TO_ROUNDING:
            assert all(lists.equals(others) for lists, others in zip(learned[1:], alone[1:], strict=True))
        np.testing.assert_allclose(learned[0], scores, rtol=1e-3, atol=1e-3)
    assert tasks
    assert {where: n for where, n in tasks.items() if n < 3} == {}


def test_fitting_again_forgets_and_repeats(key, data, fitted):
    again = make(key).fit(low_rank(seed=5)).fit(data)
    np.testing.assert_array_equal(every_score(again), every_score(fitted))


def test_a_failed_fit_leaves_the_model_as_it_was(data, fitted):
    before = every_score(fitted)
    with pytest.raises(DataError):
        fitted.fit(data, items={"item_id": ["no such id"]})
    np.testing.assert_array_equal(every_score(fitted), before)


def test_predictions_are_the_scores_where_they_are_ratings(data, fitted):
    u, i = np.arange(30), np.arange(30)
    if fitted.score_kind == "order":
        with pytest.raises(ParameterError, match=f"^{type(fitted).__name__} predicts no ratings, it orders items; use"):
            fitted.predict_index(u, i)
        return
    np.testing.assert_array_equal(fitted.predict_index(u, i, clip=False), fitted.score_index(u, i))
    clipped = fitted.predict(data.users.values[:30], data.items.values[:30])
    assert ((clipped >= 1) & (clipped <= 5)).all()


def test_unknown_users_and_what_was_not_kept(key, data, fitted):
    with pytest.raises(UnknownIdError, match="unknown user id 7"):
        fitted.recommend(7)
    assert fitted.recommend([7, 100], 2, on_unknown="popular")["source"].to_list() == ["popular"] * 2 + ["model"] * 2
    bare = make(key, store_history=False).fit(data)
    assert bare.seen_ is None
    if key in NEEDS_HISTORY:
        with pytest.raises(ParameterError, match="store_history=False; give the rows to recommend_for"):
            bare.recommend(100, exclude_seen=False)
        assert bare.recommend_for(data, 3).equals(fitted.recommend_for(data, 3))
        return
    np.testing.assert_array_equal(every_score(bare), every_score(fitted))
    with pytest.raises(ParameterError, match="store_history=False and does not know what users have seen"):
        bare.recommend(100)


def test_users_and_items_without_rows_get_finite_scores(key, data):
    m = make(key).fit(data.take(np.flatnonzero((data.user_index != 5) & (data.item_index != 7))))
    assert np.isfinite(every_score(m)).all()
    assert len(m.recommend(105, 30)) == 30


def test_one_user_one_item_and_a_log_of_clicks(key):
    m = make(key, positive=None).fit(interactions(["Ann"], ["Tea"]))
    assert m.recommend("Ann", exclude_seen=False)["item_id"].to_list() == ["Tea"]
    assert len(m.recommend("Ann")) == 0
    clicks = make(key, positive=None).fit(interactions([1, 1, 2, 3], [1, 2, 2, 2]))
    assert len(clicks.recommend([1, 2, 3], 2)) == 0 + 1 + 1


def test_equal_values_ties_and_equal_titles(key):
    data = interactions([1, 1, 2, 2, 3], [10, 11, 10, 11, 10], [4, 4, 4, 4, 4])
    m = make(key).fit(data, items={"item_id": [10, 11], "title": ["Twin", "Twin"]})
    assert np.isfinite(every_score(m)).all()
    assert m.recommend([1, 2, 3], 2, exclude_seen=False)["title"].to_list() == ["Twin"] * 6
    ties = make(key).fit(interactions([1, 2], [20, 10], [4, 4]))
    if MODELS[key].parameter_names()[0] != "n_factors":
        tied = ties.recommend([1], 2, exclude_seen=False, allow=[10, 20])
        assert tied.height == 2


def test_a_checkerboard_is_understood(key):
    if key in ("popularity", "baseline"):
        pytest.skip(f"{key} learns nothing of taste")
    # users of one colour had the items of that colour, all but one: it is the one right answer
    rows = [(u, i) for u in range(20) for i in range(20) if (u + i) % 2 == 0 and i != (u + 2) % 20]
    rows += [(u, i) for u in range(20) for i in range(20) if (u + i) % 2 and MODELS[key].score_kind == "rating"]
    values = [5.0 if (u + i) % 2 == 0 else 1.0 for u, i in rows]
    data = interactions(*zip(*rows, strict=True), values)
    m = make(
        key, n_epochs=60, n_sweeps=60, reg=0.05 if key != "ease" else 1.0, learning_rate=0.03, validation_fraction=0.0
    )
    best = m.fit(data).recommend(list(range(20)), 1)
    assert best["item_id"].to_list() == [(u + 2) % 20 for u in range(20)]


def test_newcomers_get_the_lists_of_their_twins(key, data, fitted):
    needs(key, "recommend_for")
    rows = np.flatnonzero(np.isin(data.user_index, (4, 9)))
    order = np.random.default_rng(0).permutation(rows)
    table = {"item": data.items.at(data.item_index[order]), "rating": data.values[order]}
    twins = Interactions.from_table({"user": [f"u{u}" for u in data.user_index[order]], **table})
    lists = fitted.recommend_for(twins, 6)
    assert lists["user_id"].unique().sort().to_list() == ["u4", "u9"]
    for user, twin in ((104, "u4"), (109, "u9")):
        one, other = fitted.recommend(user, 6), lists.filter(user_id=twin)
        if fitted.explains == "the model":  # else the stored factors are no function of the user's rows
            assert one.drop("user_id").equals(other.drop("user_id"))
    assert fitted.recommend_for(twins, 30, exclude_seen=False).height == 60
    denied = lists["item_id"].to_list()[:2]
    assert not set(denied) & set(fitted.recommend_for(twins, 30, deny=denied)["item_id"])
    with pytest.raises(UnknownIdError, match="unknown item id 7"):
        fitted.recommend_for(interactions([1], [7], [4]), on_unknown="raise")
    with pytest.raises(ParameterError, match="n must be a whole number of at least 1"):
        fitted.recommend_for(twins, 0)
    with pytest.raises(ParameterError, match=r"without user_features, and cannot use those of newcomers|features must"):
        fitted.recommend_for(twins, features=Features.from_table({"user_id": ["u4", "u9"], "age": [1, 2]}, "user"))


def test_folding_in_a_training_user_gives_the_stored_factors_bit_for_bit(key, data, fitted):
    needs(key, "fold_in")
    if fitted.explains != "the model":
        pytest.skip(f"{key}: the stored factors are no function of the user's rows alone")
    P, _, b, _, _ = fitted._factors()
    for n_threads in (1, 3):
        new = fitted.set_params(n_threads=n_threads).fold_in(data)
        np.testing.assert_array_equal(new.factors, P)
        np.testing.assert_array_equal(new.biases, b)
        few = data.take(np.random.default_rng(0).permutation(np.flatnonzero(data.user_index < 7)))
        np.testing.assert_array_equal(fitted.fold_in(few).factors[:7], P[:7])


def test_an_explanation_adds_up_to_the_score(key, data, fitted):
    needs(key, "explain")
    for u, i in ((0, 3), (11, 29), (39, 0)):
        user, item = data.users.values[u], data.items.values[i]
        found = fitted.explain(user, item)
        assert found.parts["contribution"].sum() == pytest.approx(found.score, abs=1e-5)
        own = set(data.item_index[data.user_index == u].tolist())
        assert set(found.parts["item_id"].drop_nulls()) <= {data.items.values[j] for j in own}
        assert found.of == fitted.explains
        if found.of == "the model":
            assert found.score == fitted.score_index([u], [i])[0]
    twin = Interactions.from_table({"user": ["me", "me"], "item": [1003, 1008], "rating": [5, 4]})
    told = fitted.explain("me", 1001, interactions=twin)
    assert told.of == "the fold-in"
    assert told.parts["contribution"].sum() == pytest.approx(told.score, abs=1e-5)
    assert told.score == pytest.approx(fitted.recommend_for(twin, 1, allow=[1001])["score"][0])
    with pytest.raises(UnknownIdError, match="unknown item id 7"):
        fitted.explain(100, 7)
    with pytest.raises(UnknownIdError, match="unknown user id 7"):
        fitted.explain(7, 1001)
    with pytest.raises(ParameterError, match="does not know the user's rows; give them as interactions="):
        make(key, store_history=False).fit(data).explain(100, 1001)


def test_weights_count_as_often_as_they_say(key, data):
    twice = np.flatnonzero(data.item_index < 10)
    weights = np.where(data.item_index < 10, 2, 1).astype(np.float32)
    weighted = Interactions(
        data.user_index,
        data.item_index,
        data.values,
        data.times,
        data.users,
        data.items,
        data.rating_range,
        {},
        weights,
    )
    if "weights" not in MODELS[key].supports:
        with pytest.raises(
            ParameterError, match=r"takes no sample weights; popularity, baseline, als, ials, bpr, warp can"
        ):
            make(key).fit(weighted)
        return
    rows = np.concatenate([np.arange(len(data)), twice])
    changes = {"dtype": "float64"}
    one, other = make(key, **changes).fit(weighted), make(key, **changes).fit(data.take(rows))
    if key in ("ials", *STOPS_BY_LISTS):  # a pair that stands twice is no longer one cell; a weight is a confidence
        again = interactions(data.user_index, data.item_index, weights.tolist())
        other = make(key, **changes, positive="values").fit(again)
        one = make(key, **changes, positive="any").fit(weighted)
    np.testing.assert_allclose(every_score(one), every_score(other), rtol=1e-6, atol=1e-8)
    assert not np.allclose(every_score(one), every_score(make(key, **changes).fit(data)), atol=1e-3)
    if "explain" in MODELS[key].supports:
        found = one.explain(100, 1020)
        assert found.parts["contribution"].sum() == pytest.approx(found.score, abs=1e-5)


def test_a_start_is_gone_on_from(key, data):
    later = low_rank(seed=3)
    if "warm_start" not in MODELS[key].supports:
        with pytest.raises(ParameterError, match="starts from no fitted model; mf, als, bayes, ials, bpr, warp can"):
            make(key).fit(data, start=make(key).fit(data))
        return
    changes = {"validation_fraction": 0.0, "schedule": "constant"}
    if key == "warp":
        changes |= {"learning_rate": 0.01, "reg_users": 0.1, "reg_items": 0.1, "reg_negatives": 0.1}
    short = {"n_epochs": 1, "n_sweeps": 1, "n_burn_in": 0}
    long = make(key, n_epochs=40, **changes).fit(data)
    again = make(key, **short, **changes).fit(data, start=long)
    fresh = make(key, **short, **changes).fit(data)
    name = "objective" if "objective" in long.history_[0] else "loss"
    chance = 1.2 if key in ("bayes", *STOPS_BY_LISTS) else 1.01  # a draw is not lower each time
    assert again.history_[-1][name] <= long.history_[-1][name] * chance < fresh.history_[-1][name]
    assert np.isfinite(every_score(make(key, **changes).fit(later, start=long))).all()
    texts = interactions(["a", "b", "a"], ["x", "y", "y"], [4, 5, 3])
    assert np.isfinite(every_score(make(key, **changes).fit(texts, start=long))).all()
    with pytest.raises(ParameterError, match="start must be a fitted"):
        make(key).fit(data, start=make(key))
    with pytest.raises(ParameterError, match="start has 4 factors, this model 5"):
        make(key, n_factors=5).fit(data, start=long)


def test_what_a_model_lacks_it_says(key, data, fitted):
    calls = {
        "fold_in": lambda: fitted.fold_in(data),
        "recommend_for": lambda: fitted.recommend_for(data),
        "similar_items": lambda: fitted.similar_items(1003),
        "similar_users": lambda: fitted.similar_users(103),
        "explain": lambda: fitted.explain(103, 1003),
    }
    for ability, call in calls.items():
        if ability in fitted.supports:
            call()
        else:
            with pytest.raises(ParameterError, match=rf"^{type(fitted).__name__} {ABILITIES[ability]}; .* can$"):
                call()
    features = Features.from_table({"user_id": data.users.values, "age": np.arange(40.0)}, "user")
    if "features" not in fitted.supports:
        with pytest.raises(ParameterError, match="takes no features; mf, als, bayes, ials, bpr, warp can"):
            make(key).fit(data, user_features=features)
    else:
        with pytest.raises(ParameterError, match="user_features must be Features, got DataFrame"):
            make(key).fit(data, user_features=pl.DataFrame({"user_id": [1]}))


def test_likeness(key, fitted):
    needs(key, "similar_items")
    likes = fitted.similar_items([1003, 1000], 4)
    assert likes["like"].to_list() == [1003] * 4 + [1000] * 4
    assert likes.filter(like=1003)["score"].is_sorted(descending=True)
    assert 1003 not in likes.filter(like=1003)["item_id"].to_list()
    with pytest.raises(ParameterError, match="n must be a whole number of at least 1"):
        fitted.similar_items(1003, 0)


def test_memory_is_estimated_and_refused(key, data, monkeypatch, caplog):
    m = make(key)
    needed = m.memory_estimate(data)
    assert needed > 16 * len(data)
    monkeypatch.setattr("palate.models.contract.memory.memory_limit", lambda: needed - 1)
    with pytest.raises(ParameterError, match=r"600 rows of 40 users and 30 items needs .* this machine has .*; .*"):
        m.fit(data)
    monkeypatch.setattr("palate.models.contract.memory.memory_limit", lambda: needed + 1)
    m.fit(data)
    assert "GB in training, and this machine has" in caplog.text
    with pytest.raises(DataError, match="interactions must be Interactions"):
        m.memory_estimate([1])


def test_a_saved_model_answers_as_before(key, data, fitted, tmp_path):
    files.save(fitted, tmp_path / "m")
    loaded = files.load(tmp_path / "m")
    assert type(loaded) is type(fitted)
    np.testing.assert_array_equal(every_score(loaded), every_score(fitted))
    assert loaded.recommend(data.users.values, 3).equals(fitted.recommend(data.users.values, 3))
    if "recommend_for" in fitted.supports:
        assert loaded.recommend_for(data, 3).equals(fitted.recommend_for(data, 3))
    if "explain" in fitted.supports:
        assert loaded.explain(103, 1003).parts.equals(fitted.explain(103, 1003).parts)
