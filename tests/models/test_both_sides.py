"""Items folded in, the users for an item, and titles that stand twice in a catalogue."""

from __future__ import annotations

import logging

import naive
import numpy as np
import pytest
from small_models import make
from synthetic import interactions

from palate import MODELS, Features, Interactions
from palate.errors import ParameterError, UnknownIdError

FOLDING = [key for key, cls in MODELS.items() if "fold_in_items" in cls.supports]


@pytest.fixture(scope="module", params=MODELS)
def fitted(request, data):
    return make(request.param).fit(data)


def test_the_users_for_an_item_are_those_who_score_it_highest(data, fitted):
    items = data.items.values.to_list()
    table = fitted.recommend_users(items, 40, exclude_seen=False)
    assert table.columns == ["item_id", "title", "rank", "user_id", "score"]
    scores = fitted.score_rows(np.arange(40))
    for i, item in enumerate(items):
        rows = table.filter(item_id=item)
        order = np.lexsort((np.arange(40), -scores[:, i]))
        assert rows["user_id"].to_list() == data.users.at(order).to_list()
        np.testing.assert_array_equal(rows["score"], scores[order, i])
        assert rows["rank"].to_list() == list(range(1, 41))
    for item in items[::9]:
        had = set(data.users.at(data.user_index[data.item_index == items.index(item)]))
        best = [u for u in table.filter(item_id=item)["user_id"] if u not in had][:5]
        assert fitted.recommend_users(item, 5)["user_id"].to_list() == best
    with pytest.raises(UnknownIdError, match="unknown item id 7"):
        fitted.recommend_users(7)
    with pytest.raises(ParameterError, match="n must be a whole number of at least 1"):
        fitted.recommend_users(1003, 0)


def test_the_users_for_an_item_of_weights_in_compressed_rows(data):
    m = make("ease", n_neighbors=5).fit(data)
    scores = m.score_rows(np.arange(40))
    table = m.recommend_users(1003, 40, exclude_seen=False)
    np.testing.assert_array_equal(table["score"], np.sort(scores[:, 3])[::-1])


def test_who_had_an_item_is_not_known_without_history(data):
    m = make("als", store_history=False).fit(data)
    assert len(m.recommend_users(1003, 3, exclude_seen=False)) == 3
    with pytest.raises(ParameterError, match="does not know what users have seen"):
        m.recommend_users(1003, 3)


def new_items(data):
    """Return rows of two new items by known users, and one of an unknown user."""
    return interactions([100, 103, 110, 101, 777], ["new", "new", "new", "other", "new"], [5, 4, 1, 3, 5])


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("key", ["mf", "als"])
def test_items_folded_in_are_the_minimum_with_the_users_as_they_are(key, biases, data, caplog):
    m = make(key, biases=biases, dtype="float64").fit(data)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "palate.models"):
        new = m.fold_in_items(new_items(data))
    assert [r.getMessage() for r in caplog.records] == [
        "the basket: left out 1 row of users that training did not know"
    ]
    assert new.items.values.to_list() == ["new", "other"]
    for row, (users, values) in enumerate((([0, 3, 10], [5, 4, 1]), ([1], [3]))):
        n, t = len(users), np.array(values) - m.mean_ - m.user_biases_[users]
        of_factors, of_bias = (
            (m.reg_ * n, m.reg_biases_ * n + m.reg_items_)
            if key == "mf"
            else (m.reg_ * n**m.reg_exponent, m.reg_items_)
        )
        expected = naive.ridge_row(
            m.user_factors_[users], t, np.ones(n), of_factors, of_bias if biases else None, np.zeros(5)
        )
        np.testing.assert_allclose(np.append(new.factors[row], new.biases[row]), expected, rtol=1e-6, atol=1e-9)
    with pytest.raises(UnknownIdError, match="unknown user id 777"):
        m.fold_in_items(new_items(data), on_unknown="raise")


def test_items_of_clicks_folded_in_are_at_the_minimum(data):
    m = make("ials", dtype="float64").fit(data)
    rows = interactions([100, 103, 110], ["new"] * 3, [5, 4, 1])
    q, P = m.fold_in_items(rows).factors[0], m.user_factors_
    warm = np.bincount(data.user_index[data.values >= 3], minlength=40) > 0
    assert (P[~warm] == 0).all()
    penalty = m.reg_ * (2 * m.alpha_ + m.unobserved_weight_ * warm.sum()) ** m.reg_exponent
    clicked, weights = np.array([0, 3]), np.full(2, m.alpha_)

    def loss(q):
        return naive.click_loss(q, P, clicked, weights, m.unobserved_weight_) + penalty * q @ q

    rng = np.random.default_rng(0)
    assert all(loss(q) < loss(q + 1e-4 * rng.normal(size=4)) for _ in range(50))
    np.testing.assert_allclose(
        make("ials", dtype="float64", store_history=False).fit(data).fold_in_items(rows).factors[0], q
    )


def test_an_item_of_the_baseline_folded_in_is_its_equation(data):
    m = make("baseline").fit(data)
    found = m.fold_in_items(new_items(data)).biases
    pulls = np.array([5, 4, 1]) - m.mean_ - m.user_biases_[[0, 3, 10]]
    assert found[0] == pytest.approx(pulls.sum() / (3 + m.reg_items_))
    np.testing.assert_allclose(m.fold_in_items(data).biases, m.item_biases_, atol=1e-9)


@pytest.mark.parametrize("key", ["mf", "als", "ials"])
def test_features_of_items_folded_in(key, data):
    def of(ids, encoding=None):
        return Features.from_table(
            {"item_id": ids, "year": [float(i % 3) for i in range(len(ids))]}, "item", encoding=encoding
        )

    m = make(key).fit(data, item_features=of(data.items.values.to_list()))
    rows = new_items(data)
    none = rows.take(np.empty(0, int))
    known = of(["new", "other"], m.item_encoding_)
    alone = m.fold_in_items(none, known)
    np.testing.assert_allclose(alone.factors, known.matrix @ m.item_weights_, rtol=1e-4, atol=1e-6)
    assert not np.allclose(m.fold_in_items(rows, known).factors, m.fold_in_items(rows).factors)
    with pytest.raises(ParameterError, match=r"encoding=model\.item_encoding_"):
        m.fold_in_items(rows, of(["new", "other"]))
    with pytest.raises(ParameterError, match="fitted without item_features"):
        make(key).fit(data).fold_in_items(rows, known)


def test_models_that_cannot_fold_items_in_say_so(data, fitted):
    if fitted.key in FOLDING:
        return
    with pytest.raises(ParameterError, match="cannot fold items in; baseline, mf, als, ials can"):
        fitted.fold_in_items(data)


def test_who_had_clicks_must_be_known_where_users_have_features(data):
    users = Features.from_table({"user_id": data.users.values, "age": np.arange(40.0)}, "user")
    m = make("ials", store_history=False).fit(data, user_features=users)
    with pytest.raises(ParameterError, match="does not know which users had clicks: items cannot be folded in"):
        m.fold_in_items(data)


# -- titles ---------------------------------------------------------------------------------------------------------


def twice(data):
    """Return an item table where items 3 and 4 are one film, and 5 shares its title alone."""
    ids = data.items.values.to_list()
    titles = [f"Film {i}" for i in ids]
    titles[4] = titles[5] = titles[3]
    years = [1990] * len(ids)
    years[5], years[6], years[7], titles[7] = 1991, None, None, titles[6]
    return {"item_id": ids, "title": titles, "year": years}


def test_each_title_is_shown_once_and_the_other_ids_are_named(data, fitted):
    m = make(fitted.key).fit(data, items=twice(data))
    users = data.users.values
    every = m.recommend(users, 30, exclude_seen=False)
    once = m.recommend(users, 30, exclude_seen=False, one_per_title=True)
    assert once.columns == [*every.columns, "same_title"]
    for user in users:
        full, short = every.filter(user_id=user)["item_id"].to_list(), once.filter(user_id=user)
        worse = max((1003, 1004), key=full.index)
        assert short["item_id"].to_list() == [i for i in full if i != worse]
        assert short["rank"].to_list() == list(range(1, 30))
        named = short.filter(short["same_title"].is_not_null())
        assert named["item_id"].to_list() == [2007 - worse]
        assert named["same_title"].to_list() == [[worse]]
    for user, had in m.recommend(users, 30, one_per_title=True).group_by("user_id"):
        seen = data.items.at(data.item_index[data.users.at(data.user_index) == user[0]]).to_list()
        assert {1003, 1004} & set(had["item_id"]) == set() or not {1003, 1004} & set(seen)
    few = m.recommend(users, 3, one_per_title=True)
    assert len(few) == 3 * len(users)
    basket = m.recommend_for({1000: 5.0}, 29, one_per_title=True)
    assert len({1003, 1004} & set(basket["item_id"])) == 1
    assert not {1003, 1004} & set(m.recommend_for({1003: 5.0}, 29, one_per_title=True)["item_id"])


def test_titles_and_years_are_needed_to_tell_that_two_items_are_one(data):
    m = make("popularity").fit(data)
    with pytest.raises(ParameterError, match="has no titles beside the ids; it has item_id, title: give"):
        m.recommend(100, one_per_title=True)
    m = make("popularity").fit(data, items={"item_id": data.items.values, "title": ["Same"] * 30})
    with pytest.raises(ParameterError, match="the item table has no years"):
        m.recommend(100, one_per_title=True)


def test_many_ids_of_one_title_leave_room_for_other_titles():
    rows = [(u, i) for u in range(12) for i in range(12) if u <= 11 - i] + [(20, 50)]
    log = Interactions.from_table({"user": [u for u, _ in rows], "item": [i for _, i in rows]})
    titles = ["One"] * 9 + ["Two", "Three", "Four", "Five"]
    m = make("popularity").fit(log, items={"item_id": log.items.values, "title": titles, "year": [2000] * 13})
    table = m.recommend(20, 3, one_per_title=True)
    assert table["title"].to_list() == ["One", "Two", "Three"]
    assert table["same_title"].to_list() == [list(range(1, 9)), None, None]
