"""`BayesianMF` from outside: distributions, draws to explore by, times, stars, attributes, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import interactions, low_rank

from palate import files
from palate.data.features import Features
from palate.data.ids import Ids
from palate.data.interactions import Interactions
from palate.errors import DataError, NotFittedError, ParameterError, UnknownIdError
from palate.models import Baseline, BayesianMF

TINY = {"n_factors": 2, "n_sweeps": 25, "n_burn_in": 5, "n_components": 2, "n_chains": 1, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    return low_rank(20, 15, 150)


@pytest.fixture(scope="module")
def fitted(data):
    return BayesianMF(**TINY).fit(data)


def with_days(data):
    """Return the ratings, each user's of two days, the second of them a star better."""
    later = np.random.default_rng(1).random(len(data)) < 0.5
    times = np.where(later, 86400, 0) + np.arange(len(data)) % 7
    values = (data.values + 1.0 * later).astype(np.float32)
    return Interactions(data.user_index, data.item_index, values, times, data.users, data.items, None)


@pytest.fixture(scope="module")
def of_days(data):
    return BayesianMF(time_effects="day", **TINY).fit(with_days(data))


def stars_of(data):
    return interactions(data.user_index, data.item_index, np.round(data.values).tolist())


@pytest.fixture(scope="module")
def ordinal(data):
    return BayesianMF(likelihood="ordinal", **TINY).fit(stars_of(data))


def test_predictions_come_with_their_spread(data, fitted):
    users, items = data.users.values[:5], data.items.values[:5]
    score, sd = fitted.predict(users, items, return_std=True)
    np.testing.assert_array_equal(score, fitted.predict(users, items))
    assert (sd > 0.05).all()
    np.testing.assert_allclose(sd, fitted.spread_index(np.arange(5), np.arange(5)))
    wide, narrow = fitted.predict_interval(users, items, 0.95), fitted.predict_interval(users, items)
    assert (wide[0] < narrow[0]).all()
    assert (narrow[0] < score).all()
    assert (score < narrow[1]).all()
    assert (narrow[1] < wide[1]).all()
    with pytest.raises(ParameterError, match=r"level must be a number between 0 and 1, got 1\.5"):
        fitted.predict_interval(users, items, 1.5)


def test_stars_add_up_and_follow_the_prediction(data, fitted):
    found = fitted.predict_distribution(data.users.values[:4], data.items.values[:4])
    assert found.columns == ["user_id", "item_id", "stars", "probability"]
    p = found["probability"].to_numpy().reshape(4, 5)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert found["stars"].to_list()[:5] == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(
        p @ np.arange(1, 6), fitted.predict(data.users.values[:4], data.items.values[:4]), atol=0.4
    )


@pytest.mark.parametrize("limits", [(0.2, 0.8), (0, 1000)])
def test_a_range_without_stars_is_refused(data, limits):
    values = np.linspace(limits[0], limits[1], len(data))
    of_none = interactions(data.user_index, data.item_index, values, rating_range=limits)
    m = BayesianMF(**{**TINY, "n_sweeps": 6}).fit(of_none)
    with pytest.raises(ParameterError, match="stars"):
        m.predict_distribution([0], [0])


def test_models_without_distributions_are_refused(data):
    with pytest.raises(ParameterError, match=r"^Baseline .*bayes can$"):
        Baseline().fit(data).predict_interval([100], [1000])


def test_sampled_scores_are_draws_around_the_score(data, fitted):
    users = data.users.values[:3]
    one = fitted.sample_scores(users, random_state=3)
    np.testing.assert_array_equal(one, fitted.sample_scores(users, random_state=3))
    assert not np.array_equal(one, fitted.sample_scores(users, random_state=4))
    mean = np.mean([fitted.sample_scores(users, random_state=s) for s in range(200)], axis=0)
    np.testing.assert_allclose(mean, fitted.score_rows(np.arange(3)), atol=0.35)
    twice = fitted.sample_scores(np.repeat(users[:1].to_numpy(), 40), random_state=0)
    assert len(np.unique(twice[:, 0])) > 5  # a draw of their own for each
    with pytest.raises(UnknownIdError, match="unknown user id 7"):
        fitted.sample_scores([7])
    with pytest.raises(ParameterError, match="random_state"):
        fitted.sample_scores(users, random_state=-1)


def test_what_would_teach_most_is_what_is_known_least():
    # item 9 nobody rated, item 0 all did
    cells = [(u, i) for u in range(20) for i in range(9) if i == 0 or (u + i) % 3 == 0]
    u, i = np.array(cells).T
    values = 3 + np.random.default_rng(0).normal(0, 1, len(u))
    whole = Interactions(
        u.astype(np.int32),
        i.astype(np.int32),
        values.astype(np.float32),
        None,
        Ids(range(21), "user"),
        Ids(range(10), "item"),
        (1, 5),
    )
    m = BayesianMF(**{**TINY, "n_sweeps": 400, "incidence": False, "n_components": 0, "counts": False}).fit(whole)
    found = m.information_gain(20, 20)
    assert found.columns == ["rank", "item_id", "title", "gain"]
    assert found["rank"].to_list() == list(range(1, 11))
    assert found["gain"].is_sorted(descending=True)
    gains = dict(zip(found["item_id"], found["gain"], strict=True))
    assert gains[9] > gains[0] > 0
    rated = set(i[u == 1].tolist())
    assert set(m.information_gain(1, 10)["item_id"]) == set(range(10)) - rated
    assert m.information_gain(1, 2).height == 2
    with pytest.raises(ParameterError, match="n must be a whole number of at least 1, got 0"):
        m.information_gain(1, 0)


def test_questions_teach_most_given_the_answers_before_them(data, fitted):
    found = fitted.questions(4)
    assert found.columns == ["rank", "item_id", "title", "gain", "known"]
    counts = np.bincount(fitted.seen_.indices, minlength=15)
    V = [np.linalg.inv(L.astype(float)) for L in fitted.prior_precisions_]
    for item_id, gain, known in found.select("item_id", "gain", "known").iter_rows():
        gains = np.zeros(15)
        for s, spread in enumerate(V):
            Z = fitted.item_draws_[:, s].astype(float)
            Z[:, -1] = 1
            w = fitted.noise_draws_[s] * fitted.item_scales_[:, s]
            gains += np.log1p(w * np.einsum("if,fg,ig->i", Z, spread, Z)) / 2 / len(V)
        i = int(fitted.items_.index([item_id])[0])
        assert gain == pytest.approx(gains[i], rel=1e-5)
        assert known == counts[i] / 20
        asked = [int(fitted.items_.index([one])[0]) for one in found["item_id"][: found["item_id"].index_of(item_id)]]
        free = np.setdiff1d(np.arange(15), asked)
        assert gains[i] * counts[i] == pytest.approx((gains * counts)[free].max())
        for s, spread in enumerate(V):  # what any answer leaves
            z = np.append(fitted.item_draws_[i, s, :-1].astype(float), 1)
            w = float(fitted.noise_draws_[s] * fitted.item_scales_[i, s])
            V[s] = np.linalg.inv(np.linalg.inv(spread) + w * np.outer(z, z))
    assert fitted.questions(99)["item_id"].n_unique() == 15
    with pytest.raises(ParameterError, match="n must be a whole number of at least 1, got 0"):
        fitted.questions(0)
    blind = BayesianMF(**TINY, store_history=False).fit(data)
    assert blind.questions(2)["known"].to_list() == [1, 1]


def test_asking_before_fit_is_refused():
    m = BayesianMF()
    asks = lambda: m.predict([1], [1]), lambda: m.sample_scores([1]), lambda: m.information_gain(1), m.questions
    for ask in asks:
        with pytest.raises(NotFittedError):
            ask()


def test_predictions_differ_by_day_and_unseen_days_are_less_sure(data, of_days):
    u, i = np.arange(20), np.arange(20) % 15
    plain, early, late, never = (
        of_days.predict_index(u, i, clip=False, times=None if t is None else np.full(20, t))
        for t in (None, 0, 86400, 10**9)
    )
    assert late.mean() - early.mean() > 0.4
    np.testing.assert_array_equal(never, plain)
    users, items = data.users.values[:3], data.items.values[:3]
    sds = [of_days.predict(users, items, times=t, return_std=True)[1] for t in (None, 0, 10**9)]
    assert (sds[2] > sds[0]).all()
    assert (sds[2] > sds[1] - 1e-9).all()
    low, high = of_days.predict_interval(users, items, times=10**9)
    assert (high - low > np.subtract(*of_days.predict_interval(users, items)[::-1])).all()
    rows = with_days(data)
    np.testing.assert_array_equal(
        of_days.predict_rows(rows),
        of_days.predict_index(rows.user_index, rows.item_index, clip=False, times=rows.times),
    )


def test_times_that_are_none_are_refused(data, fitted, of_days):
    ids = data.users.values[:3], data.items.values[:3]
    with pytest.raises(ParameterError, match="this BayesianMF has no time effects and takes no times"):
        fitted.predict(*ids, times=0)
    for wrong in ([0.5, 1.0, 2.0], ["a", "b", "c"], [1, 2], [[1, 2, 3]]):
        with pytest.raises(ParameterError, match="times must be 3 whole numbers, in seconds since 1970"):
            of_days.predict(*ids, times=wrong)
    without = interactions(data.user_index, data.item_index, data.values)
    with pytest.raises(DataError, match="time_effects='day' needs the time of each rating, and these have none"):
        BayesianMF(time_effects="day", **TINY).fit(without)
    bare = Interactions(data.user_index, data.item_index, data.values, None, data.users, data.items, None)
    with pytest.raises(DataError, match="the model has time effects, and the ratings to predict have no times"):
        of_days.predict_rows(bare)
    with pytest.raises(DataError, match="time effects need the time of each rating, and those of the days to predict"):
        BayesianMF(time_effects="day", **TINY).fit(with_days(data), validation=bare)


def test_stars_as_slices_of_a_latent_rating(data, ordinal):
    u, i = np.arange(15), np.arange(15)
    found = ordinal.predict_distribution(ordinal.users_.values[:15], ordinal.items_.values[:15])
    levels = sorted(set(np.round(data.values).tolist()))
    p = found["probability"].to_numpy().reshape(15, len(levels))
    assert found["stars"].to_list()[: len(levels)] == levels
    np.testing.assert_allclose(p.sum(axis=1), 1)
    expected = ordinal.predict_index(u, i, clip=False)
    np.testing.assert_allclose(expected, p @ levels)
    assert ((expected > levels[0]) & (expected < levels[-1])).all()
    rows = stars_of(data)
    errors = rows.values - ordinal.predict_rows(rows)
    assert np.sqrt(np.mean(errors**2)) < rows.values.std()
    with pytest.raises(
        ParameterError, match="is for 2 to 50 different values, and these ratings have 150: take 'gaussian'"
    ):
        BayesianMF(likelihood="ordinal", **TINY).fit(interactions(data.user_index, data.item_index, np.arange(150)))


def test_attributes_tell_of_people_and_items_without_ratings():
    rng = np.random.default_rng(3)
    u, i = np.nonzero(rng.random((36, 20)) < 0.4)
    old, kind = rng.normal(size=40), np.arange(24) % 2
    values = 3 + 0.8 * old[u] * (2 * kind[i] - 1) + 0.5 * kind[i] + rng.normal(0, 0.3, len(u))
    every = Interactions(
        *(x.astype(np.int32) for x in (u, i)),
        values.astype(np.float32),
        None,
        Ids(range(40), "user"),
        Ids(range(24), "item"),
        None,
    )
    of_users = Features.from_table({"user_id": range(40), "old": old}, "user")
    of_items = Features.from_table({"item_id": range(24), "kind": [f"k{k}" for k in kind]}, "item")
    m = BayesianMF(**{**TINY, "n_sweeps": 120, "n_burn_in": 60}, counts=False, incidence=False).fit(
        every, user_features=of_users, item_features=of_items
    )
    scores = m.score_rows(np.arange(40))
    truth = 3 + 0.8 * old[:, None] * (2 * kind - 1) + 0.5 * kind
    cold = scores[36:], truth[36:]
    assert np.corrcoef(cold[0].ravel(), cold[1].ravel())[0, 1] > 0.6
    assert scores[:36, 21].mean() > scores[:36, 20].mean()  # items of no rating, by their kind
    newcomers = interactions(["x", "x", "y"], [0, 1, 3], [4, 2, 5])
    unknown = m.fold_in(newcomers)
    table = {"user_id": ["x", "y"], "old": [2.0, -2.0]}
    known = m.fold_in(newcomers, Features.from_table(table, "user", encoding=m.user_encoding_))
    assert not np.allclose(unknown.factors, known.factors)
    one = m.fold_in(
        interactions(["y"], [3], [5]),
        Features.from_table({"user_id": ["y"], "old": [-2.0]}, "user", encoding=m.user_encoding_),
    )
    np.testing.assert_array_equal(one.factors[0], known.factors[1])
    np.testing.assert_array_equal(one.biases[0], known.biases[1])


def test_a_batch_of_newcomers_equals_one_by_one(data, fitted):
    whole = fitted.fold_in(data)
    for user in (0, 7, 19):
        alone = fitted.fold_in(data.take(np.flatnonzero(data.user_index == user)))
        np.testing.assert_array_equal(alone.factors[user], whole.factors[user])
        np.testing.assert_array_equal(alone.biases[user], whole.biases[user])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *(
            (name, 0, f"{name} must be a whole number of at least 1, got 0")
            for name in ("n_factors", "n_sweeps", "n_kept")
        ),
        ("n_burn_in", 25, "n_burn_in must be a whole number from 0 to 24, got 25"),
        ("n_burn_in", -1, "n_burn_in must be a whole number of at least 0, got -1"),
        ("n_components", -1, "n_components must be a whole number of at least 0, got -1"),
        ("likelihood", "probit", "likelihood must be 'gaussian' or 'ordinal', got 'probit'"),
        *(
            (name, 0, f"{name} must be a number above 0")
            for name in ("scale_df", "mean_sd", "wishart_scale", "init_scale")
        ),
        *((name, 0.0, f"{name} must be a number above 0") for name in ("mean_strength", "ridge_shape", "ridge_rate")),
        *(
            (name, -1, f"{name} must be a number above 0")
            for name in ("noise_shape", "noise_rate", "time_shape", "time_rate")
        ),
        ("wishart_df", -0.5, "wishart_df must be a number of at least 0, got -0.5"),
        ("mean_center", float("nan"), "mean_center must be a number of at least -1e[+]15 and at most 1e[+]15, got nan"),
        *((name, None, f"{name} must be False or True, got None") for name in ("incidence", "counts", "store_history")),
        ("time_effects", 3, "time_effects must be text such as 'day,page', or None, got 3"),
        ("time_effects", "week", "time_effects takes day, page, month, each once, such as 'day,page', got 'week'"),
        ("time_effects", "day,day", "time_effects takes day, page, month, each once"),
        ("n_threads", 0, "n_threads must be None or a whole number of at least 1, got 0"),
        ("random_state", -1, "random_state must be a whole number of at least 0, got -1"),
    ],
)
def test_parameters_outside_their_range_are_refused(data, name, value, message):
    with pytest.raises(ParameterError, match=message):
        BayesianMF(**{**TINY, name: value}).fit(data)


def stop_at(number):
    def stop(step):
        if step.step == number:
            raise KeyboardInterrupt

    return stop


def test_ctrl_c_leaves_the_draws_so_far(data):
    m = BayesianMF(**TINY).fit(data, progress=stop_at(9))
    assert m.interrupted_
    assert m.best_epoch_ == len(m.history_) == 9
    assert m.mean_draws_.shape == (4,)
    short = BayesianMF(**{**TINY, "n_sweeps": 9}).fit(data)
    np.testing.assert_array_equal(m.score_rows(np.arange(20)), short.score_rows(np.arange(20)))
    assert not short.interrupted_


def test_ctrl_c_before_a_draw_is_kept_leaves_no_model(data):
    m = BayesianMF(**TINY)
    with pytest.raises(KeyboardInterrupt):
        m.fit(data, progress=stop_at(5))
    with pytest.raises(NotFittedError):
        m.predict([100], [1000])


def test_fewer_kept_draws_are_a_smaller_file_of_about_the_same_predictions(data, tmp_path):
    errors, sizes = [], []
    for n_kept in (None, 10):
        m = BayesianMF(**{**TINY, "n_sweeps": 65}, n_kept=n_kept).fit(data)
        assert m.user_draws_.shape[1] == (n_kept or 60)
        errors.append(np.sqrt(np.mean((data.values - m.predict_rows(data)) ** 2)))
        path = tmp_path / f"{n_kept}.safetensors"
        files.save(m, path)
        sizes.append(path.stat().st_size)
    assert sizes[1] < sizes[0] / 2
    assert errors[1] == pytest.approx(errors[0], rel=0.05)


def test_history_tells_of_every_sweep(data):
    rows = np.arange(len(data))
    m = BayesianMF(**TINY).fit(data.take(rows[:-30]), validation=data.take(rows[-30:]))
    assert [record["epoch"] for record in m.history_] == list(range(1, 26))
    wanted = {"loss", "train_rmse_unclipped", "noise_precision", "user_norm", "item_norm", "seconds"}
    for record in m.history_:
        assert wanted | {"validation_rmse", "validation_rmse_draw"} <= set(record)
        assert np.isfinite(list(record.values())).all()
        assert record["train_rmse_unclipped"] == pytest.approx(record["loss"] ** 0.5)
    assert m.history_[4]["validation_rmse"] == m.history_[4]["validation_rmse_draw"]
    held_out = data.take(rows[-30:])
    errors = held_out.values - m.predict_index(held_out.user_index, held_out.item_index)
    assert m.history_[-1]["validation_rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-4)
    plain = BayesianMF(**TINY).fit(data.take(rows[:-30]))
    np.testing.assert_array_equal(plain.user_factors_, m.user_factors_)  # validation changes nothing
    assert "validation_rmse" not in plain.history_[-1]


def test_a_chain_goes_on_from_a_fitted_model(data, fitted):
    short = {**TINY, "n_sweeps": 2, "n_burn_in": 0, "random_state": 5}
    again, fresh = BayesianMF(**short).fit(data, start=fitted), BayesianMF(**short).fit(data)
    assert again.history_[0]["loss"] < fresh.history_[0]["loss"]
    with pytest.raises(ParameterError, match="start has 2 factors, this model 3"):
        BayesianMF(**{**short, "n_factors": 3}).fit(data, start=fitted)
