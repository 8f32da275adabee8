"""ALS: exact half sweeps, an objective that never rises, and fold-in as the training step."""

from dataclasses import replace

import naive
import numpy as np
import pytest
from altered import alter
from synthetic import interactions, low_rank

from palate.data.features import Features
from palate.data.ids import Ids
from palate.data.interactions import Interactions
from palate.errors import DataError, ParameterError, UnknownIdError
from palate.models import ALS, MODELS, Baseline, MatrixFactorization, Popularity
from palate.models.ridge import noise_edge
from palate.models.ridge.sums import prior_of
from palate.models.ridge.sweeps import row_weights

GIVEN = {"reg": 1.4, "reg_biases": 2.0, "init_scale": 0.1}
PRECISE = {"dtype": "float64", "random_state": 0}


@pytest.fixture(scope="module")
def data():
    return low_rank()


def objective(m, data):
    """Return eq. 1 of the module by a loop over ratings, and one over rows."""
    total = 0.0
    for u, i, r in zip(data.user_index, data.item_index, data.values.astype(float), strict=True):
        e = r - m.mean_ - m.user_biases_[u] - m.item_biases_[i] - m.user_factors_[u] @ m.item_factors_[i]
        total += e * e
    for index, factors, biases, reg_biases in (
        (data.user_index, m.user_factors_, m.user_biases_, m.reg_users_),
        (data.item_index, m.item_factors_, m.item_biases_, m.reg_items_),
    ):
        for row in range(len(biases)):
            weight = (index == row).sum() ** m.reg_exponent
            total += weight * m.reg_ * factors[row] @ factors[row] + reg_biases * biases[row] ** 2
    return total


@pytest.mark.parametrize(
    "changes",
    [
        {},
        GIVEN,
        {"reg_biases": 1.5},
        {"reg_exponent": 0.0, "reg": 2.0},
        {"reg_exponent": 1.0, "reg": 0.1},
        {"biases": False},
        {"n_factors": 1},
        {"n_factors": 8},
    ],
)
def test_a_fit_is_the_naive_twins(data, changes):
    m = ALS(**{"n_factors": 3, "n_epochs": 3, **PRECISE, **changes}).fit(data)
    start = np.random.default_rng([0, 0]).standard_normal((data.n_users, m.n_factors)) * m.init_scale_
    cells = (data.user_index, data.item_index, data.values.astype(float))
    first = Baseline().fit(data).user_biases_ if m.reg_biases is None and m.biases else None
    rest = {"exponent": m.reg_exponent, "biases": m.biases, "first_biases": first}
    found = naive.als(cells, data.n_items, start, m.mean_, 3, (m.reg_, m.reg_users_, m.reg_items_), **rest)
    for name, expected in zip(("user_factors_", "user_biases_", "item_factors_", "item_biases_"), found, strict=True):
        np.testing.assert_allclose(getattr(m, name), expected, rtol=1e-8, atol=1e-10)


def test_the_mean_is_that_of_the_ratings(data):
    assert ALS(reg_biases=2, **PRECISE).fit(data).mean_ == pytest.approx(data.values.mean(dtype=float))
    m, baseline = ALS(**PRECISE).fit(data), Baseline().fit(data)
    assert (m.mean_, m.reg_users_, m.reg_items_) == (baseline.mean_, baseline.reg_users_, baseline.reg_items_)
    assert ALS(biases=False).fit(data).mean_ == 0


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_the_objective_is_told_and_never_rises(data, exponent):
    m = ALS(4, n_epochs=12, reg=0.3, reg_exponent=exponent, **PRECISE).fit(data)
    told = [record["objective"] for record in m.history_]
    assert told[-1] == pytest.approx(objective(m, data), rel=1e-9)
    assert (np.diff(told) <= 1e-9 * told[0]).all()


def test_no_direction_lowers_the_objective_of_the_users(data):
    m = ALS(3, n_epochs=2, **PRECISE).fit(data)
    lowest = objective(m, data)
    rng = np.random.default_rng(1)
    factors, biases = m.user_factors_, m.user_biases_
    for size in (1e-2, 1e-4):
        for _ in range(50):
            moved = {"user_factors_": factors + size * rng.standard_normal(factors.shape)}
            moved["user_biases_"] = biases + size * rng.standard_normal(biases.shape)
            assert objective(alter(m, **moved), data) > lowest


def test_a_large_penalty_leaves_the_mean(data):
    m = ALS(3, reg=1e8, reg_biases=1e8, **PRECISE).fit(data)
    np.testing.assert_allclose(m.score_rows(np.arange(5)), m.mean_, atol=1e-5)


def test_penalised_factors_leave_a_baseline(data):
    m = ALS(2, reg=1e8, reg_biases=3.0, n_epochs=200, **PRECISE).fit(data)
    b = Baseline(3.0, reg_items=3.0).fit(data)
    np.testing.assert_allclose(m.user_biases_, b.user_biases_, atol=1e-6)
    np.testing.assert_allclose(m.item_biases_, b.item_biases_, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("biases", [True, False])
def test_folding_in_training_users_gives_the_stored_factors_bit_for_bit(data, dtype, biases):
    m = ALS(5, n_epochs=3, dtype=dtype, biases=biases, random_state=1, n_threads=1).fit(data)
    new = m.fold_in(data)
    np.testing.assert_array_equal(new.factors, m.user_factors_)
    np.testing.assert_array_equal(new.biases, m.user_biases_)
    m.set_params(n_threads=3)
    few = data.take(np.random.default_rng(0).permutation(np.flatnonzero(data.user_index < 7)))
    np.testing.assert_array_equal(m.fold_in(few).factors[:7], m.user_factors_[:7])


def test_newcomers_are_matched_by_item_ids_and_get_the_lists_of_their_twins(data):
    m = ALS(5, n_epochs=3, random_state=1).fit(data)
    rows = np.flatnonzero(data.user_index == 4)
    items = data.items.at(data.item_index[rows])
    order = np.argsort(items)[::-1]
    twin = Interactions.from_table(
        {
            "user": ["ann"] * len(rows),
            "item": np.array(items)[order].tolist(),
            "rating": data.values[rows][order].tolist(),
        }
    )
    np.testing.assert_array_equal(m.fold_in(twin).factors[0], m.user_factors_[4])
    known, new = m.recommend(104, 6), m.recommend_for(twin, 6)
    assert new["user_id"].to_list() == ["ann"] * 6
    assert new.drop("user_id").equals(known.drop("user_id"))
    kept = m.recommend_for(twin, 30, exclude_seen=False)
    assert kept.height == 30
    assert (
        m.recommend_for(twin, 3, deny=new["item_id"].to_list()[:2])["item_id"].to_list()
        == new["item_id"].to_list()[2:5]
    )
    part = m.recommend_for(data.take(rows), 2)
    assert part["user_id"].to_list() == [104, 104]  # users of the whole without a row here get no list


def test_unknown_items_and_models_without_fold_in_are_refused(data):
    m = ALS(2, n_epochs=1).fit(data)
    with pytest.raises(UnknownIdError, match="unknown item id 7"):
        m.fold_in(interactions([1], [7], [3]), on_unknown="raise")
    with pytest.raises(
        ParameterError, match="Popularity cannot fold users in; baseline, mf, als, bayes, ials, bpr, warp can"
    ):
        Popularity().fit(data).fold_in(data)
    with pytest.raises(ParameterError, match="n must be a whole number of at least 1"):
        m.recommend_for(data, 0)


def test_likeness_is_the_cosine_of_factors(data):
    m = ALS(4, n_epochs=4, random_state=2).fit(data)
    for table, ids, factors, column in (
        (m.similar_items([1003, 1000], 5), m.items_, m.item_factors_, "item_id"),
        (m.similar_users([103, 100], 5), m.users_, m.user_factors_, "user_id"),
    ):
        unit = factors / np.linalg.norm(factors, axis=1)[:, None]
        for like in (3, 0):
            cosines = unit.astype(float) @ unit[like]
            cosines[like] = -2
            rows = table.filter(like=ids.values[like])
            assert rows[column].to_list() == ids.values[np.argsort(-cosines)[:5]].to_list()
            np.testing.assert_allclose(rows["score"], np.sort(cosines)[::-1][:5], atol=1e-6)
            assert rows["rank"].to_list() == [1, 2, 3, 4, 5]
    assert m.similar_items(1003, 100).height == 29
    assert m.similar_items(1003, 2)["title"].to_list() == [str(i) for i in m.similar_items(1003, 2)["item_id"]]
    able = ", ".join(key for key, cls in MODELS.items() if "similar_items" in cls.supports)
    with pytest.raises(ParameterError, match=f"Baseline has no likeness of items; {able} can"):
        Baseline().fit(data).similar_items(1003)
    assert MatrixFactorization(2, n_epochs=2).fit(data).similar_users(100, 3).height == 3


def test_validation_is_told_and_chooses_nothing(data):
    train, held_out = data.take(np.arange(500)), data.take(np.arange(500, 600))
    plain, watched = (ALS(3, n_epochs=5, random_state=0) for _ in range(2))
    plain.fit(train)
    watched.fit(train, validation=held_out)
    np.testing.assert_array_equal(plain.user_factors_, watched.user_factors_)
    raw = watched.predict_index(held_out.user_index, held_out.item_index, clip=False)
    last = watched.history_[-1]
    assert last["validation_rmse_unclipped"] == pytest.approx(np.sqrt(np.mean((held_out.values - raw) ** 2)), rel=1e-5)
    assert "validation_rmse" not in plain.history_[-1]
    assert (plain.best_epoch_, plain.epoch_chosen_on_) == (5, "none")


def test_ctrl_c_leaves_the_last_whole_epoch(data):
    def stop(step):
        if step.step == 3:
            raise KeyboardInterrupt

    m = ALS(3, n_epochs=50, reg=1, random_state=0).fit(data, progress=stop)
    whole = ALS(3, n_epochs=3, reg=1, random_state=0).fit(data)
    assert m.interrupted_
    np.testing.assert_array_equal(m.user_factors_, whole.user_factors_)
    assert m.best_epoch_ == 3


def test_the_edge_of_the_noise_is_a_norm(data):
    left = Baseline().fit(data)
    left = data.values - left.predict_index(data.user_index, data.item_index, clip=False)
    signs = np.random.default_rng([3, 5]).choice(np.array([-1.0, 1.0]), len(data))
    for exponent in (0.0, 0.5, 1.0):
        weights = [row_weights(rows, exponent) for rows in (data.by_user(), data.by_item())]
        found = noise_edge.noise_edge(data, left, weights, 3)
        cells = data.user_index, data.item_index, left, data.n_users, data.n_items
        assert found == pytest.approx(naive.edge(*cells, exponent, signs), rel=0.01)
        assert noise_edge.noise_edge(data, 16 * left, weights, 3) == 16 * found
        assert noise_edge.noise_edge(data, 0 * left, weights, 3) == 0


def test_the_share_is_where_a_parabola_of_the_errors_is_least():
    def error(share, step):
        steps.append(step)
        return (np.log(share) / np.log(noise_edge.RATIO) - 3.3) ** 2

    steps = []
    assert noise_edge.best_share(error, error(1, 0)) == pytest.approx(noise_edge.RATIO**3.3)
    assert steps == [0, 1, 2, 3, 4, 5]
    assert noise_edge.best_share(lambda share, step: 2.0, 1.0) == 1
    assert noise_edge.best_share(lambda share, step: share, 1.0) == noise_edge.RATIO**noise_edge.MOST_STEPS


def test_of_noise_alone_no_factor_is_left_and_of_structure_they_are():
    rng = np.random.default_rng(0)
    u, i = np.nonzero(rng.random((80, 60)) < 0.3)
    b, c = rng.normal(0, 0.5, 80), rng.normal(0, 0.5, 60)
    noise = interactions(u, i, 3 + b[u] + c[i] + rng.normal(0, 1, len(u)))
    m, baseline = (model.fit(noise) for model in (ALS(random_state=0), Baseline()))
    cells = noise.user_index, noise.item_index
    apart = m.predict_index(*cells) - baseline.predict_index(*cells)
    assert np.sqrt(np.mean(apart**2)) < 0.05
    x, y = rng.normal(size=(2, 80)), rng.normal(size=(2, 60))
    structured = interactions(u, i, noise.values + np.sum(x[:, u] * y[:, i], axis=0))
    m = ALS(random_state=0).fit(structured)
    truth = 3 + b[:, None] + c + x.T @ y
    assert np.mean((m.score_rows(np.arange(80)) - truth) ** 2) < 0.5 * np.mean(
        (Baseline().fit(structured).score_rows(np.arange(80)) - truth) ** 2
    )


def scaled(data, times, plus=0.0):
    values = (data.values.astype(np.float64) * times + plus).astype(np.float32)
    low, high = (float(limit * times + plus) for limit in data.rating_range)
    return replace(data, values=values, rating_range=(low, high))


def answers(data, times, plus, features, weights):
    """Return predictions of a model for ratings in another unit, known and folded in."""
    other = replace(scaled(data, times, plus), weights=weights)
    of_users, of_items = features
    m = ALS(4, n_epochs=5, random_state=0).fit(other, user_features=of_users, item_features=of_items)
    some = other.take(np.flatnonzero(other.user_index < 9))
    new = m.fold_in(some, of_users)
    folded = (new.factors[:9] @ m.item_factors_.T + new.biases[:9, None]).ravel()
    return np.concatenate([m.predict_index(data.user_index, data.item_index), folded])


@pytest.mark.parametrize("case", ["plain", "features", "weights"])
def test_the_unit_of_the_ratings_is_of_no_account(case):
    """Powers of two change no bit; others, and a shift, only the rounding."""
    data, *features, _ = with_features()
    features = features if case == "features" else (None, None)
    weights = np.where(np.arange(len(data)) % 3, 1, 2).astype(np.float32) if case == "weights" else None
    one = answers(data, 1, 0, features, weights)
    np.testing.assert_array_equal(answers(data, 16, 0, features, weights), 16 * one)
    near = 1e-4 * data.values.std()
    np.testing.assert_allclose(answers(data, 20, 0, features, weights) / 20, one, atol=near)
    lower = answers(data, 1, -3, features, weights)
    lower[: len(data)] += 3
    np.testing.assert_allclose(lower, one, atol=near)


def test_a_shrinkage_multiplies_a_given_and_a_derived_penalty(data):
    m = ALS(3, reg=1, shrinkage=2, n_epochs=2, random_state=0).fit(data)
    np.testing.assert_array_equal(m.user_factors_, ALS(3, reg=2, n_epochs=2, random_state=0).fit(data).user_factors_)
    one, double = (ALS(3, shrinkage=s, n_epochs=2, random_state=0).fit(data).reg_ for s in (1, 2))
    assert double == 2 * one


def test_a_few_ratings_and_equal_ones_are_fitted(data):
    few = ALS(3, random_state=0).fit(data.take(np.arange(12)))
    equal = ALS(3, random_state=0).fit(interactions(data.user_index, data.item_index))
    for m in (few, equal):
        assert m.reg_ > 0
        assert np.isfinite(m.score_rows(np.arange(5))).all()


def test_systems_that_cannot_be_solved_are_refused():
    data = interactions([1, 1, 2, 2], [1, 2, 1, 2], [1, 5, 1, 5])
    with pytest.raises(ParameterError, match=r"reg=1e-30 and reg_biases=0 are too small for these ratings in float32"):
        ALS(8, reg=1e-30, reg_biases=0, random_state=0).fit(data)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("n_factors", 0), ("n_epochs", 0), ("reg", 0), ("reg", float("nan")), ("reg_biases", -1), ("init_scale", 0)),
        *(("dtype", "float16"), ("reg_exponent", -1), ("biases", None), ("random_state", -1), ("n_threads", 0)),
    ],
)
def test_parameters_outside_their_range_are_refused(data, name, value):
    with pytest.raises(ParameterError, match=name if name != "random_state" else "random_state"):
        ALS(**{name: value}).fit(data)


def with_features():
    """Return ratings that follow attributes, users and items without a rating, and the features of both."""
    rng = np.random.default_rng(3)
    old, kind = rng.normal(size=40), rng.integers(0, 3, 30)
    truth = 3 + 0.6 * old[:, None] * (kind == 1) - 0.6 * old[:, None] * (kind == 2) + 0.5 * (kind == 0)
    cells = [(u, i) for u in range(36) for i in range(27) if rng.random() < 0.4]
    u, i = np.array(cells).T
    data = interactions(u, i, np.clip(truth[u, i] + rng.normal(0, 0.2, len(u)), 1, 5))
    every = Interactions(
        data.user_index, data.item_index, data.values, None, Ids(range(40), "user"), Ids(range(30), "item"), (1, 5)
    )
    of_users = Features.from_table({"user_id": range(40), "old": old}, "user")
    of_items = Features.from_table({"item_id": range(30), "kind": [f"k{k}" for k in kind]}, "item")
    return every, of_users, of_items, truth


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_features_are_the_prior_mean_of_rows_without_ratings(exponent):
    data, of_users, of_items, truth = with_features()
    m = ALS(3, n_epochs=30, reg_exponent=exponent, reg=0.05 if exponent else 0.5, reg_features=0.1, **PRECISE)
    m.fit(data, user_features=of_users, item_features=of_items)
    told = [record["objective"] for record in m.history_]
    assert (np.diff(told) <= 1e-9 * told[0]).all()
    scores = m.score_rows(np.arange(40))
    cold = np.ix_(range(36, 40), range(27))
    assert np.sqrt(np.mean((scores[cold] - truth[cold]) ** 2)) < 0.25 < np.std(truth[cold])
    new = np.ix_(range(36), range(27, 30))
    assert np.sqrt(np.mean((scores[new] - truth[new]) ** 2)) < 0.25
    np.testing.assert_allclose(m.user_factors_[36:], (of_users.matrix @ m.user_weights_)[36:], atol=1e-12)
    np.testing.assert_allclose(m.item_biases_[27:], (of_items.matrix @ m.item_weights_biases_)[27:], atol=1e-12)
    told = m.explain(38, 5)
    assert told.parts["contribution"].sum() == pytest.approx(told.score, abs=1e-9)
    assert set(told.parts.filter(kind="feature")["name"]) == {"all", "old"}
    known = m.explain(3, 5)
    assert known.parts["contribution"].sum() == pytest.approx(known.score, abs=1e-9)
    again = Features.from_table({"user_id": range(40), "old": [0.0] * 40}, "user", encoding=m.user_encoding_)
    assert not np.allclose(m.fold_in(data, again).factors, m.user_factors_)
    np.testing.assert_array_equal(m.fold_in(data, of_users).factors, m.user_factors_)
    lists = m.recommend_for(data.take(np.arange(1)), 2, features=of_users)
    assert lists.height == 80  # with features, people without a rating get a list, too


def test_the_weights_of_features_are_at_their_minimum():
    rng = np.random.default_rng(0)
    X, b, F, n = rng.normal(size=(9, 2)), rng.normal(size=9), rng.normal(size=(9, 3)), rng.integers(0, 5, 9)
    found = prior_of(X, b, F, n, 0.5)
    W = np.column_stack([found.weights, found.weights_biases])
    rows = np.column_stack([n, n, n > 0])
    gradient = F.T @ (rows * (F @ W - np.column_stack([X, b]))) + 0.5 * W
    np.testing.assert_allclose(gradient, 0, atol=1e-12)
    assert prior_of(X, b, None, n, 0.5) is None


def test_a_users_features_that_are_missing_are_named():
    data, of_users, _, _ = with_features()
    few = Features.from_table({"user_id": range(39), "old": [0.0] * 39}, "user")
    with pytest.raises(DataError, match="1 users have no row in the table of features, such as 39"):
        ALS(2).fit(data, user_features=few)
    with pytest.raises(ParameterError, match="encoded in another way than those of training"):
        ALS(2, n_epochs=1).fit(data, user_features=of_users).fold_in(data, few)
