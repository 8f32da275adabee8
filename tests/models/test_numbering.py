"""No answer depends on how items are numbered: the same fitted model, and the same data, in another order."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl
import pytest
import small_models
from permuted import data_with_items_in_order, with_items_in_order
from synthetic import interactions

from palate import MODELS
from palate.data.card import card
from palate.data.ids import Ids
from palate.data.interactions import Interactions
from palate.models.contract.explanation import parts_table

FOLDED_BY_CHANCE = ("bpr", "warp")  # what a newcomer's steps are drawn by is where the items stand
WITHOUT_CHANCE = [key for key, cls in MODELS.items() if "random_state" not in cls.parameter_names()]
ORDERS = (np.arange(24)[::-1], np.random.default_rng(5).permutation(24))

make = partial(small_models.make, positive=4.0)


def stars(rename=lambda i: i) -> Interactions:
    """Return whole stars, with ties of all kinds: items of equal counts and means, people without a high rating."""
    rng = np.random.default_rng(3)
    cells = [(u, i) for u in range(30) for i in range(24) if rng.random() < 0.25 * (1 + (u + i) % 2)]
    cells = [(u, i) for u, i in cells if i < 20] + [(3, i) for i in range(20, 24)]  # some items of a single row each
    values = [1 + (7 * u + 3 * i) % 5 if u % 5 else 1 for u, i in cells]  # every fifth person likes nothing
    return interactions([u for u, _ in cells], [rename(i) for _, i in cells], values, rating_range=(1, 5))


@pytest.fixture(scope="module")
def rows():
    return stars()


@pytest.fixture(params=MODELS, scope="module")
def fitted(request, rows):
    return make(request.param).fit(rows)


def answers(model, data):
    """Return all tables that a model gives."""
    everybody, half = data.users.values, data.items.values.sort()[::2]
    yield model.recommend(everybody, 12)
    yield model.recommend(everybody, 24, exclude_seen=False)
    yield model.recommend(everybody, 5, allow=half)
    yield model.recommend(["new"] if data.users.kind == "text" else 777, 24, on_unknown="popular")
    if model.key not in FOLDED_BY_CHANCE:
        someone = {"user": ["a", "a", "b"], "item": [3, 8, 1], "rating": [5, 4, 1]}
        lists = model.recommend_for(Interactions.from_table(someone), 24)
        yield lists.with_columns(pl.col("score").round(5))  # sums over a newcomer's items are rounded in their order
    if "similar_items" in model.supports:
        yield model.similar_items(data.items.values.sort(), 23)


def assert_the_same(one, other):
    for a, b in zip(one, other, strict=True):
        a, b = (t.with_columns(pl.col("score").round(9)) for t in (a, b))
        assert a.equals(b)


@pytest.mark.parametrize("order", ORDERS)
def test_a_fitted_model_answers_the_same_in_any_order_of_items(fitted, rows, order):
    other = with_items_in_order(fitted, order)
    assert_the_same(answers(fitted, rows), answers(other, rows))
    users = np.arange(len(fitted.users_))
    seen, others = fitted.seen_, other.seen_
    lists, moved = fitted.lists_index(users, 24, excluded=[seen]), other.lists_index(users, 24, excluded=[others])
    np.testing.assert_array_equal(np.where(moved.items < 0, -1, order[moved.items]), lists.items)
    np.testing.assert_array_equal(moved.popular, lists.popular)
    keys = fitted.ranking_keys(users, excluded=[seen])
    np.testing.assert_array_equal(other.ranking_keys(users, excluded=[others]), keys[:, order])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("key", WITHOUT_CHANCE)
def test_data_in_another_order_give_the_same_model(rows, key, order):
    n_neighbors = {"n_neighbors": 4} if "n_neighbors" in MODELS[key].parameter_names() else {}
    for more in ({}, n_neighbors):
        one, other = (make(key, **more).fit(d) for d in (rows, data_with_items_in_order(rows, order)))
        assert_the_same(answers(one, rows), answers(other, rows))


def test_lists_are_ranked_by_the_keys_and_the_popular_ones_by_popularity(fitted, rows):
    users = np.arange(len(fitted.users_))
    seen = fitted.seen_
    lists, keys = fitted.lists_index(users, 24, excluded=[seen]), fitted.ranking_keys(users, excluded=[seen])
    counts = np.bincount(rows.item_index, minlength=24)
    means = np.bincount(rows.item_index, rows.values, 24) / counts
    for u in users:
        left = [i for i in range(24) if np.isfinite(keys[u, i])]
        assert left == sorted(set(range(24)) - set(fitted.seen_.row(u)[0].tolist()))
        best = sorted(left, key=lambda i: (-keys[u, i], -counts[i], -means[i], i))
        assert lists.items[u, : len(best)].tolist() == best
        scores = fitted.score_rows([u])[0]
        np.testing.assert_array_equal(lists.scores[u, : len(best)], scores[best])
        assert lists.popular[u] == (np.ptp(scores[left]) == 0)
        if lists.popular[u]:
            ranks = sorted({(counts[i], means[i]) for i in range(24)})
            np.testing.assert_array_equal(
                keys[u, left], [ranks.index((counts[i], means[i])) - len(ranks) + 1 for i in left]
            )


@pytest.mark.parametrize("key", ["ease", "knn", "rp3beta", "ials"])
def test_people_whose_rows_are_no_clicks_get_the_popular_list_with_the_models_own_scores(key, rows):
    m = make(key).fit(rows)
    table = m.recommend(rows.users.values, 5)
    popular = table.filter(source="popular")
    assert popular["user_id"].unique().sort().to_list() == [0, 5, 10, 15, 20, 25]
    assert popular["score"].to_list() == [0.0] * 30
    strangers = m.recommend(777, 24, on_unknown="popular")
    assert strangers["score"].null_count() == 24
    for user in (0, 25):
        had = rows.items.at(rows.item_index[rows.user_index == user])
        best = strangers.filter(~pl.col("item_id").is_in(had.implode()))["item_id"].head(5)
        assert table.filter(user_id=user)["item_id"].equals(best)


def test_a_list_of_one_item_has_no_ties_and_one_place_is_enough_to_see_them(rows):
    m = make("ease").fit(rows)
    assert m.recommend(0, 1)["source"].to_list() == ["popular"]
    assert m.recommend(0, 1, allow=m.recommend(0, 1)["item_id"].to_list())["source"].to_list() == ["model"]


def test_without_biases_noise_makes_up_no_taste_for_people_without_rows(rows):
    kept = rows.take(np.flatnonzero(rows.user_index != 4))
    start = make("mf", biases=False, validation_fraction=0.0).fit(rows)
    m = make("mf", biases=False).fit(kept)
    assert not m.user_factors_[4].any()
    assert set(m.recommend(4)["source"]) == {"popular"}
    warm = make("mf", biases=False, validation_fraction=0.0).fit(kept, start=start)
    np.testing.assert_array_equal(warm.user_factors_[4], start.user_factors_[4])
    assert set(warm.recommend(4)["source"]) == {"model"}


def test_biases_of_items_are_known_of_everybody(rows):
    kept = rows.take(np.flatnonzero(rows.user_index != 4))
    for key in ("baseline", "mf", "als", "bpr", "warp", "popularity", "bayes"):
        assert set(make(key).fit(kept).recommend(4)["source"]) == {"model"}, key


@pytest.mark.parametrize("order", ORDERS)
def test_what_a_newcomer_is_asked_does_not_depend_on_the_numbering(rows, order):
    model = make("bayes").fit(rows)
    other = with_items_in_order(model, order)
    assert other.questions(24)["item_id"].to_list() == model.questions(24)["item_id"].to_list()
    assert other.information_gain(3, 24)["item_id"].to_list() == model.information_gain(3, 24)["item_id"].to_list()


def test_equal_parts_of_an_explanation_stand_by_their_ids():
    ids = Ids(["c", "a", "b"], "item")
    items = np.arange(3), np.ones(3), np.array([0.5, -0.5, 0.7])
    table = parts_table([], items, ids, pl.DataFrame({"item_id": ids.values, "title": ids.values}))
    assert table["item_id"].to_list() == ["b", "a", "c"]


@pytest.mark.parametrize("order", ORDERS)
def test_the_most_rated_of_a_data_card_do_not_depend_on_the_numbering(rows, order):
    tops = [card(one).top for one in (rows, data_with_items_in_order(rows, order))]
    assert tops[0] == tops[1]
