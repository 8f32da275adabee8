"""Who can be asked for, and by what: baskets, attributes alone, ids of tables, unknown ids."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from small_models import make
from synthetic import interactions, low_rank

from palate import MODELS, Features, Interactions
from palate.errors import DataError, ParameterError, UnknownIdError

WITH_FEATURES = [key for key, cls in MODELS.items() if "features" in cls.supports]
PREDICTING = [key for key, cls in MODELS.items() if "predict" in cls.supports]


@pytest.fixture(scope="module", params=MODELS)
def fitted(request, data):
    return make(request.param).fit(data)


def test_a_basket_is_a_dict_or_a_list_of_items(data, fitted):
    given = {1003: 5.0, 1008: 4.5, 1001: 1.0}
    rows = {"user": [7] * 3, "item": list(given), "rating": list(given.values())}
    table = fitted.recommend_for(given, 6)
    assert table["user_id"].null_count() == 6
    assert table.drop("user_id").equals(fitted.recommend_for(Interactions.from_table(rows), 6).drop("user_id"))
    if fitted.score_kind == "rating":
        with pytest.raises(ParameterError, match=r"learns from ratings: give them as \{item: rating\}"):
            fitted.recommend_for([1003, 1008], 6)
    else:
        liked = fitted.recommend_for(dict.fromkeys([1003, 1008], 5), 6)
        if getattr(fitted, "positive", None) != "values":
            assert fitted.recommend_for([1003, 1008], 6).equals(liked)


def test_unknown_items_of_a_basket_are_left_out_and_counted_in_one_line(fitted, caplog):
    with caplog.at_level(logging.WARNING, "palate.models"):
        table = fitted.recommend_for({1003: 5, 7: 4, 8: 1}, 5)
        assert [r.getMessage() for r in caplog.records] == ["the basket: left out 2 items that training did not know"]
    assert table.equals(fitted.recommend_for({1003: 5}, 5))
    rows = interactions([1, 1, 2, 2], [1003, 7, 8, 9], [5, 4, 3, 2])
    caplog.clear()
    lists = fitted.recommend_for(rows, 5)
    assert [r.getMessage() for r in caplog.records] == [
        "the basket: left out 3 rows of items that training did not know"
    ]
    assert lists.filter(user_id=1).drop("user_id").equals(table.drop("user_id"))
    nothing = fitted.recommend_for({}, 5)
    assert lists.filter(user_id=2).drop("user_id").equals(nothing.drop("user_id"))
    for ask in (
        lambda: fitted.recommend_for({7: 4}, on_unknown="raise"),
        lambda: fitted.recommend_for(rows, on_unknown="raise"),
    ):
        with pytest.raises(UnknownIdError, match="unknown item id"):
            ask()
    with pytest.raises(ParameterError, match="on_unknown must be 'drop' or 'raise', got 'mean'"):
        fitted.recommend_for({7: 4}, on_unknown="mean")


def test_fold_in_and_explain_leave_unknown_items_out_too(fitted):
    known, more = interactions([1], [1003], [5]), interactions([1, 1], [1003, 7], [5, 4])
    if "fold_in" in fitted.supports:
        np.testing.assert_array_equal(fitted.fold_in(more).factors, fitted.fold_in(known).factors)
        with pytest.raises(UnknownIdError, match="unknown item id 7"):
            fitted.fold_in(more, on_unknown="raise")
    told = fitted.explain(1, 1008, interactions=more)
    assert told.parts.equals(fitted.explain(1, 1008, interactions=known).parts)
    with pytest.raises(UnknownIdError, match="unknown item id 7"):
        fitted.explain(1, 1008, interactions=more, on_unknown="raise")


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({1003: "good"}, DataError, "the values of a basket must be finite numbers, got"),
        ({1003: float("nan")}, DataError, "the values of a basket must be finite numbers, got"),
        ({"1003": 5}, UnknownIdError, "item ids are integers here; got '1003' of type str"),
        ("1003", DataError, "interactions must be Interactions, got str"),
        (1003, DataError, "interactions must be Interactions, got int"),
        (None, ParameterError, "nothing is known of whom to recommend for: give their rows"),
    ],
)
def test_baskets_that_cannot_be_read_are_refused(data, given, error, text):
    with pytest.raises(error, match=text):
        make("ials").fit(data).recommend_for(given)


def test_an_item_twice_in_a_list_is_refused(data):
    with pytest.raises(DataError, match="an item stands twice in the basket"):
        make("ease").fit(data).recommend_for([1003, 1003])


def test_unknown_items_to_deny_do_no_harm_and_are_counted(fitted, caplog):
    with caplog.at_level(logging.WARNING, "palate.models"):
        table = fitted.recommend(100, 5, deny=[1003, 7, 8])
    assert [r.getMessage() for r in caplog.records] == ["deny: left out 2 ids of items that training did not know"]
    assert table.equals(fitted.recommend(100, 5, deny=[1003]))
    with pytest.raises(UnknownIdError, match="unknown item id 7"):
        fitted.recommend(100, 5, allow=[1003, 7])


@pytest.mark.parametrize("key", PREDICTING)
def test_predictions_of_unknown_ids(key, data):
    m = make(key).fit(data)
    users, items = [100, 7, 100, 7], [1003, 1003, 8, 8]
    with pytest.raises(UnknownIdError, match="unknown user ids 7, 7"):
        m.predict(users, items)
    known = m.predict(100, 1003)[0]
    np.testing.assert_array_equal(m.predict(users, items, on_unknown="nan"), [known, np.nan, np.nan, np.nan])
    of_item, of_user = m.item_biases_[3], m.user_biases_[0]
    expected = np.clip([m.mean_ + of_item, m.mean_ + of_user, m.mean_], 1, 5)
    found = m.predict(users, items, on_unknown="mean")
    assert found[0] == known
    np.testing.assert_allclose(found[1:], expected, rtol=1e-6)
    with pytest.raises(ParameterError, match="on_unknown must be 'raise' or 'mean' or 'nan', got 'popular'"):
        m.predict(users, items, on_unknown="popular")


def test_the_mean_of_a_model_without_biases_and_of_stars_is_that_of_training(data):
    mean = data.values.mean(dtype=float)
    for kept in (True, False):
        m = make("mf", biases=False, store_history=kept).fit(data)
        assert m.predict(7, 1003, on_unknown="mean")[0] == pytest.approx(mean)
    stars = interactions(data.user_index, data.item_index, np.round(data.values), rating_range=(1, 5))
    m = make("bayes", likelihood="ordinal").fit(stars)
    found, spread = m.predict([0, 99], [3, 3], on_unknown="mean", return_std=True)
    assert found[1] == pytest.approx(np.round(data.values).mean(dtype=float))
    assert np.isnan(spread).tolist() == [False, True]


# -- attributes alone ----------------------------------------------------------------------------------------------


def of_users(ids, encoding=None):
    return Features.from_table(
        {"user_id": ids, "age": [float(i % 7) for i in range(len(ids))]}, "user", encoding=encoding
    )


@pytest.mark.parametrize("key", WITH_FEATURES)
def test_people_of_whom_attributes_alone_are_known(key, data):
    m = make(key).fit(data, user_features=of_users(data.users.values.to_list()))
    new = of_users([901, 902], m.user_encoding_)
    table = m.recommend_for(features=new, n=4)
    assert table["user_id"].to_list() == [901] * 4 + [902] * 4
    nobody = interactions([901, 902], [1000, 1000], [1, 1]).take(np.empty(0, int))
    assert m.recommend_for(nobody, 4, features=new).equals(table)
    one = of_users([901], m.user_encoding_)
    assert m.recommend_for({1003: 5}, 3, features=one)["user_id"].to_list() == [901] * 3
    with pytest.raises(ParameterError, match="features of 2 users are given beside the items of one"):
        m.recommend_for({1003: 5}, features=new)


@pytest.mark.parametrize("key", WITH_FEATURES)
def test_people_and_items_of_tables_are_known_without_a_row(key, data):
    users, items = [*data.users.values.to_list(), 50, 900], [1050, *data.items.values.to_list()]
    of_items = Features.from_table({"item_id": items, "year": [float(i % 5) for i in items]}, "item")
    titles = {"item_id": items, "title": [f"Film {i}" for i in items]}
    m = make(key).fit(data, user_features=of_users(users), item_features=of_items, items=titles)
    assert m.users_.values.to_list() == users  # those with rows keep their positions
    assert m.items_.values.to_list() == [*data.items.values.to_list(), 1050]
    table = m.recommend([50, 900, 100], 31, exclude_seen=False)
    assert len(table) == 93
    assert np.isfinite(table["score"].to_numpy()).all()
    assert table.filter(item_id=1050)["title"].to_list() == ["Film 1050"] * 3
    assert m.recommend(50, 3, allow=[1050])["item_id"].to_list() == [1050]
    if "predict" in m.supports:
        assert np.isfinite(m.predict([50, 100], 1050)).all()


@pytest.mark.parametrize("key", WITH_FEATURES)
def test_features_of_the_same_ids_add_nothing(key, data):
    ids = data.users.values.to_list()
    m = make(key).fit(data, user_features=of_users(ids))
    other = make(key).fit(data, user_features=of_users([*ids, 900]).only(data.users))
    assert m.users_ == data.users == other.users_


@pytest.mark.parametrize("key", [key for key, cls in MODELS.items() if "warm_start" in cls.supports])
def test_warm_start_forgets_people_and_items_that_the_new_rows_lack(key, data):
    start = make(key).fit(data)
    kept = data.to_table().filter((data.to_table()["user_id"] > 104) & (data.to_table()["item_id"] < 1025))
    less = Interactions.from_table(kept, rating_range=(1, 5))
    m = make(key, n_epochs=1, validation_fraction=0.0).fit(less, start=start)
    assert m.users_ == less.users
    assert m.items_ == less.items
    with pytest.raises(UnknownIdError, match="unknown user id 100"):
        m.recommend(100)
    on_whole = make(key, n_epochs=1, validation_fraction=0.0).fit(
        data.take(np.flatnonzero((data.user_index > 4) & (data.item_index < 25))), start=start
    )
    assert 100 in on_whole.users_  # known by its id, without a row
    if key in ("mf", "bpr", "warp"):
        np.testing.assert_array_equal(on_whole.user_factors_[0], start.user_factors_[0])
    elif key in ("als", "ials"):
        assert not on_whole.user_factors_[0].any()
    assert np.isfinite(on_whole.recommend(100, 30, exclude_seen=False)["score"].to_numpy()).all()


def test_text_ids_of_features_beside_integers_are_refused():
    with pytest.raises(DataError, match="the user features' ids are text, those of the ratings integer"):
        make("als").fit(low_rank(), user_features=of_users(["a", "b"]))
