from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from small_mf import model
from synthetic import interactions

from palate.errors import DataError, NotFittedError, ParameterError, UnknownIdError
from palate.models import MatrixFactorization


def items_of(data) -> pl.DataFrame:
    """Return a table in an order of its own, with two items of one title."""
    ids = data.items.values.to_list()
    table = pl.DataFrame(
        {
            "item_id": ids,
            "title": ["Twin" if k in (3, 4) else f"Film {k}" for k in range(len(ids))],
            "year": [1980 + k for k in range(len(ids))],
            "genres": [["Comedy", "Drama"] if k % 3 == 0 else ["Drama"] if k % 3 == 1 else [] for k in range(len(ids))],
        }
    )
    return table.sample(fraction=1, shuffle=True, seed=1)


@pytest.fixture(scope="module")
def fitted(data) -> MatrixFactorization:
    return model().fit(data, items=items_of(data))


def seen_by(data, user):
    rows = data.to_table().filter(pl.col("user_id") == user)
    return set(rows["item_id"].to_list())


def test_the_best_unseen_items_with_rank_title_and_exact_score(data, fitted):
    users = data.users.values.to_list()
    table = fitted.recommend(users, n=5)
    assert table.columns == ["user_id", "rank", "item_id", "title", "score", "source"]
    assert set(table["source"]) == {"model"}
    items = np.array(data.items.values.to_list())
    for user in users:
        rows = table.filter(pl.col("user_id") == user)
        unseen = np.array([i for i in items if i not in seen_by(data, user)])
        scores = fitted.predict(user, unseen, clip=False)
        order = np.lexsort((unseen, -scores))[:5]
        assert rows["item_id"].to_list() == unseen[order].tolist()
        assert rows["rank"].to_list() == list(range(1, len(order) + 1))
        np.testing.assert_array_equal(rows["score"].to_numpy(), scores[order])
        assert rows["title"].to_list() == ["Twin" if i in (1003, 1004) else f"Film {i - 1000}" for i in unseen[order]]


def test_scores_are_those_of_predict_bit_for_bit_and_clipped_only_on_request(data, fitted):
    raw = fitted.recommend(100, n=30, exclude_seen=False)
    np.testing.assert_array_equal(raw["score"].to_numpy(), fitted.predict(100, raw["item_id"].to_list(), clip=False))
    wild = model(n_factors=12, n_epochs=200, reg=0.0, validation_fraction=0).fit(data)
    raw, shown = (wild.recommend(data.users.values, n=30, exclude_seen=False, clip=clip) for clip in (False, True))
    assert raw["score"].max() > 5
    assert shown["score"].max() == 5
    assert shown["item_id"].equals(raw["item_id"])


def test_exactly_min_of_n_and_allowed_rows(data, fitted):
    n_items = len(data.items)
    for n in (1, 7, n_items, 2**60):
        assert len(fitted.recommend(100, n, exclude_seen=False)) == min(n, n_items)
    left = n_items - len(seen_by(data, 101))
    assert len(fitted.recommend(101, n_items)) == left
    assert len(fitted.recommend(101, 3, exclude_seen=False, allow=[1000, 1001])) == 2
    assert len(fitted.recommend(101, allow=[])) == 0


def test_allow_deny_and_where_narrow_the_choice_together(fitted):
    def ids(**filters):
        return set(fitted.recommend(100, 99, exclude_seen=False, **filters)["item_id"].to_list())

    every = ids()
    assert ids(allow=[1002, 1009]) == {1002, 1009}
    assert ids(deny=[1002, 1009]) == every - {1002, 1009}
    assert ids(where="genres=Comedy") == {i for i in every if (i - 1000) % 3 == 0}
    assert ids(where=["genres=Comedy", "year>=2000"]) == {i for i in every if (i - 1000) % 3 == 0 and i >= 1020}
    assert ids(where=pl.col("year") < 1983) == {1000, 1001, 1002}
    assert ids(allow=[1000, 1003, 1004], deny=[1000], where="genres=Comedy") == {1003}
    assert ids(where=[]) == every


def test_seen_items_are_left_out_unless_asked_for_and_others_on_request(data, fitted):
    seen = seen_by(data, 100)
    assert not seen & set(fitted.recommend(100, 99)["item_id"].to_list())
    assert seen <= set(fitted.recommend(100, 99, exclude_seen=False)["item_id"].to_list())
    test_part = interactions([100, 100, 101, 55], [1001, 1002, 1003, 1004])
    got = set(fitted.recommend(100, 99, exclude_seen=False, exclude=test_part)["item_id"].to_list())
    assert got == set(data.items.values.to_list()) - {1001, 1002}
    both = set(fitted.recommend(100, 99, exclude=test_part)["item_id"].to_list())
    assert both == got - seen
    strange = interactions([100], [77777])
    assert fitted.recommend(100, exclude=strange).equals(fitted.recommend(100))


def test_a_batch_in_any_order_equals_one_by_one(data, fitted):
    users = data.users.values.to_list()[::-1]
    batch = fitted.recommend(users, 4)
    assert batch["user_id"].to_list() == [u for u in users for _ in range(4)]
    assert pl.concat([fitted.recommend(u, 4) for u in users]).equals(batch)
    for form in (np.array(users), pl.Series(users), tuple(users)):
        assert fitted.recommend(form, 4).equals(batch)
    twice = fitted.recommend([100, 100], 2)
    assert twice["rank"].to_list() == [1, 2, 1, 2]
    assert fitted.recommend([], 4).schema == batch.schema


def test_ties_are_broken_by_popularity_and_titles_may_repeat(data):
    equal = interactions(data.user_index, data.item_index, np.full(len(data), 3.0))
    names = pl.DataFrame({"item_id": equal.items.values, "title": "Same"})
    m = model(init_scale=0, validation_fraction=0).fit(equal, items=names)
    table = m.recommend(0, 99, exclude_seen=False)
    counts = np.bincount(equal.item_index)
    assert table["item_id"].to_list() == np.lexsort((np.arange(30), -counts)).tolist()
    assert table["score"].n_unique() == 1
    assert set(table["source"]) == {"popular"}
    assert table["title"].unique().to_list() == ["Same"]


def test_unknown_users_raise_or_get_the_most_rated_items_marked_and_without_a_score(data, fitted):
    with pytest.raises(UnknownIdError, match="unknown user ids 7, 8; known are 40 users, from 100 to 139"):
        fitted.recommend([7, 100, 8])
    table = fitted.recommend([7, 100], 4, on_unknown="popular")
    assert table.columns == ["user_id", "rank", "item_id", "title", "score", "source"]
    assert table["source"].to_list() == ["popular"] * 4 + ["model"] * 4
    known = fitted.recommend(100, 4)
    assert table.filter(pl.col("user_id") == 100).equals(known)
    unknown = table.filter(pl.col("user_id") == 7)
    assert unknown["score"].null_count() == 4
    counts = np.bincount(data.item_index, minlength=30)
    means = [data.values[data.item_index == i].mean(dtype=float) for i in range(30)]
    popular = sorted(range(30), key=lambda i: (-counts[i], -means[i], i))
    assert unknown["item_id"].to_list() == [1000 + i for i in popular[:4]]
    # the filters and what is left out with the call hold here too
    allowed = [1000 + i for i in popular[2:5]]
    narrow = fitted.recommend(7, 4, on_unknown="popular", allow=allowed)
    assert narrow["item_id"].to_list() == allowed
    left_out = interactions([7, 7, 9], [allowed[0], 77777, allowed[1]])
    assert (
        fitted.recommend(7, 4, on_unknown="popular", allow=allowed, exclude=left_out)["item_id"].to_list()
        == allowed[1:]
    )


def test_without_history_seen_items_are_unknown_and_popularity_is_not(data):
    m = model(store_history=False).fit(data)
    with pytest.raises(ParameterError, match="store_history=False and does not know what users have seen; pass exclu"):
        m.recommend(100)
    assert len(m.recommend(100, 5, exclude_seen=False)) == 5
    popular = model().fit(data).recommend(7, on_unknown="popular")
    assert m.recommend(7, exclude_seen=False, on_unknown="popular").equals(popular)


@pytest.mark.parametrize("wrong", ["100", 100.0, True, None, [100, "x"], [[100]], b"1"])
def test_ids_of_another_type_are_refused(fitted, wrong):
    for call in (fitted.recommend, lambda ids: fitted.predict(ids, 1000), lambda ids: fitted.predict(100, ids)):
        with pytest.raises(UnknownIdError, match=r"ids are integers here; got|unknown user id|unknown item id"):
            call(wrong)


def test_text_ids(data):
    m = model().fit(interactions([f"u{u}" for u in data.user_index], [f"i{i}" for i in data.item_index], data.values))
    assert m.recommend("u3", 2)["user_id"].to_list() == ["u3", "u3"]
    assert m.recommend(["u3", "new"], 2, on_unknown="popular")["source"].to_list() == ["model"] * 2 + ["popular"] * 2
    with pytest.raises(UnknownIdError, match="user ids are text here; got 3 of type int"):
        m.recommend(3)


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "5", None])
def test_n_must_be_a_whole_number(fitted, n):
    with pytest.raises(ParameterError, match="n must be a whole number of at least 1, got"):
        fitted.recommend(100, n)


def test_wrong_words_and_unknown_items_are_refused(fitted):
    with pytest.raises(ParameterError, match="on_unknown must be 'raise' or 'popular', got 'ignore'"):
        fitted.recommend(100, on_unknown="ignore")
    with pytest.raises(UnknownIdError, match="unknown item id 5; known are 30 items, from 1000 to 1029"):
        fitted.recommend(100, allow=[5])
    with pytest.raises(
        ParameterError, match="the item table has no column 'mood'; it has item_id, title, year, genres"
    ):
        fitted.recommend(100, where="mood=Glad")


def test_predict_takes_pairs_or_one_against_many(fitted):
    many = fitted.predict([100, 101, 102], 1001)
    assert many.tolist() == [fitted.predict(u, 1001)[0] for u in (100, 101, 102)]
    assert fitted.predict([100, 101], [1001, 1002]).shape == (2,)
    assert ((fitted.predict(100, range(1000, 1030)) >= 1) & (fitted.predict(100, range(1000, 1030)) <= 5)).all()
    with pytest.raises(ParameterError, match="predict takes as many users as items, or one of either; got 2 and 3"):
        fitted.predict([100, 101], [1000, 1001, 1002])
    with pytest.raises(UnknownIdError, match="unknown item id 7"):
        fitted.predict(100, 7)


def test_positions_outside_the_model_are_refused(fitted):
    for users, items, text in (
        ([-1], [0], "user positions must lie from 0 to 39"),
        ([40], [0], "user positions must lie from 0 to 39"),
        ([0], [30], "item positions must lie from 0 to 29"),
        ([0, 1], [0], "got 2 user positions and 1 item positions"),
    ):
        with pytest.raises(ParameterError, match=text):
            fitted.predict_index(np.array(users), np.array(items))
    assert fitted.predict_index(np.empty(0, int), np.empty(0, int)).shape == (0,)


def test_nothing_is_answered_before_fit():
    m = MatrixFactorization()
    calls = (
        lambda: m.recommend(1),
        lambda: m.predict(1, 1),
        lambda: m.predict_index(np.zeros(1, int), np.zeros(1, int)),
        m.state,
    )
    for call in calls:
        with pytest.raises(
            NotFittedError, match=r"this MatrixFactorization is not fitted yet: call fit\(interactions\)"
        ):
            call()


@pytest.mark.parametrize("ids", [b"10", [b"10"], None, 5.0, [np.True_]])
def test_what_is_no_id_is_refused(fitted, ids):
    for call in (fitted.recommend, lambda x: fitted.predict(x, 1000), lambda x: fitted.recommend(100, allow=[x])):
        with pytest.raises(UnknownIdError, match="ids are integers here; got "):
            call(ids)


def test_arrays_of_ids_are_flat_or_one_id(fitted):
    assert fitted.recommend(np.array(100), 3).equals(fitted.recommend(100, 3))
    assert fitted.predict(np.array(100), np.array(1000)).shape == (1,)
    with pytest.raises(ParameterError, match=r"one id or a flat list of ids, got an array of shape \(1, 2\)"):
        fitted.recommend(np.array([[100, 101]]))


@pytest.mark.parametrize("user", [10**23, np.uint64(2**64 - 1)])
def test_ids_beyond_64_bits_are_unknown(fitted, user):
    with pytest.raises(UnknownIdError, match=rf"unknown user id {int(user)}: integer ids have 64 bits"):
        fitted.recommend([100, user], on_unknown="popular")


@pytest.mark.parametrize("index", [[0.0, 1.0], np.zeros((2, 1), int), [True, False], ["0", "1"]])
def test_positions_are_flat_arrays_of_whole_numbers(fitted, index):
    for pair, what in (((index, [0, 1]), "user"), (([0, 1], index), "item")):
        with pytest.raises(ParameterError, match=f"{what} positions must be a flat array of whole numbers, got "):
            fitted.predict_index(*pair)
    assert fitted.predict_index([], []).shape == (0,)


def test_pairs_to_leave_out_are_interactions(data, fitted):
    message = r"exclude must be Interactions, got DataFrame: build it with Interactions\.from_table\(table\)"
    with pytest.raises(DataError, match=message):
        fitted.recommend(100, exclude=data.to_table())
