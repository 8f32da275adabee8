"""No figure of lists depends on how items are numbered: not of a fitted model, nor of one fitted anew."""

from __future__ import annotations

import logging
from functools import partial

import numpy as np
import polars as pl
import pytest
import small_models
from permuted import data_with_items_in_order, with_items_in_order
from synthetic import interactions

from palate import MODELS
from palate.evaluation import measure
from palate.metrics import METRICS

N_ITEMS, K = 24, 5
WITHOUT_CHANCE = [key for key, cls in MODELS.items() if "random_state" not in cls.parameter_names()]
LISTS = [f"{n}@{K}" if m.at_k else n for n, m in METRICS.items() if m.kind != "rating"]
RANKING = [name for name in LISTS if METRICS[name.partition("@")[0]].kind == "ranking"]
ORDERS = (np.arange(N_ITEMS)[::-1], np.random.default_rng(7).permutation(N_ITEMS))

make = partial(small_models.make, n_factors=3, n_epochs=4, positive=4.0, n_sweeps=12, n_burn_in=4)


@pytest.fixture(scope="module")
def parts():
    """Return whole stars with many ties, every fifth person without a row in training that counts as a click."""
    rng = np.random.default_rng(3)
    cells = [(u, i) for u in range(40) for i in range(N_ITEMS) if rng.random() < 0.2 * (1 + (u + i) % 2)]
    values = [1 + (7 * u + 3 * i) % 5 for u, i in cells]
    data = interactions([u for u, _ in cells], [i for _, i in cells], values, rating_range=(1, 5))
    tested = rng.random(len(data)) < 0.3
    hidden = (data.user_index % 5 == 0) & (data.values >= 4)
    return data.take(np.flatnonzero(~tested & ~hidden)), data.take(np.flatnonzero(tested))


@pytest.fixture(scope="module")
def items(parts):
    genres = [[("Comedy", "Drama", "War")[i % 3]] for i in range(N_ITEMS)]
    return pl.DataFrame({"item_id": parts[0].items.values, "genres": genres})


@pytest.fixture(params=MODELS, scope="module")
def fitted(request, parts, items):
    return make(request.param).fit(parts[0], items=items)


@pytest.fixture(autouse=True)
def quiet(caplog):
    caplog.set_level(logging.ERROR, "palate")


def figures(model, train, test, names, **options):
    """Return each metric's value, and who was given the popular list."""
    found = measure(model, train, test, names, positive=4, skip=True, **options)
    return found.values, found.popular.sum(), {n: s.mean_of_others for n, s in found.summaries.items()}


def in_order(parts, order):
    return [data_with_items_in_order(part, order) for part in parts]


@pytest.mark.parametrize("order", ORDERS, ids=["reversed", "shuffled"])
@pytest.mark.parametrize("where", [None, ["genres=Comedy"]], ids=["all", "part"])
def test_a_fitted_model_has_the_same_figures_in_any_order_of_items(fitted, parts, order, where):
    values, n_popular, others = figures(fitted, *parts, LISTS, where=where)
    assert len(values) >= len(LISTS) - 1  # not every model has item factors
    moved = with_items_in_order(fitted, order)
    again, n_again, others_again = figures(moved, *in_order(parts, order), LISTS, where=where)
    assert again == pytest.approx(values, abs=1e-9, nan_ok=True)
    assert n_again == n_popular
    assert others_again == pytest.approx(others, abs=1e-9)


@pytest.mark.parametrize("order", ORDERS, ids=["reversed", "shuffled"])
@pytest.mark.parametrize("key", WITHOUT_CHANCE)
def test_a_model_fitted_anew_on_renumbered_data_has_the_same_figures(key, parts, order):
    """Items that their owner gave other numbers: metrics of shown lists may move, which end ties by the id."""
    values = figures(make(key).fit(parts[0]), *parts, RANKING)
    other = [given_other_ids(part, order) for part in parts]
    again = figures(make(key).fit(other[0]), *other, RANKING)
    assert again[0] == pytest.approx(values[0], abs=1e-6)
    assert again[1] == values[1]
    assert again[2] == pytest.approx(values[2], abs=1e-6)


@pytest.mark.parametrize("key", ["knn", "rp3beta"])
def test_few_neighbours_are_those_of_any_order_of_the_rows(key, parts):
    values = figures(make(key, n_neighbors=6).fit(parts[0]), *parts, LISTS)
    moved = in_order(parts, ORDERS[1])
    again = figures(make(key, n_neighbors=6).fit(moved[0]), *moved, LISTS)
    assert again[0] == pytest.approx(values[0], abs=1e-6, nan_ok=True)


def given_other_ids(part, order):
    """Return the same rows of items that were given other numbers by their owner."""
    moved = data_with_items_in_order(part, order)
    return type(moved)(**{**vars(moved), "items": part.items})


@pytest.mark.parametrize("key", [key for key in MODELS if "random_state" in MODELS[key].parameter_names()])
def test_models_with_a_seed_move_no_further_than_by_another_seed(key, parts):
    by_seed = [
        figures(make(key, random_state=s).fit(parts[0]), *parts, [f"ndcg@{K}"])[0][f"ndcg@{K}"] for s in range(5)
    ]
    moved = in_order(parts, ORDERS[1])
    again = figures(make(key).fit(moved[0]), *moved, [f"ndcg@{K}"])[0][f"ndcg@{K}"]
    spread = max(by_seed) - min(by_seed)
    assert min(by_seed) - spread <= again <= max(by_seed) + spread


def test_people_without_clicks_get_the_popular_list_and_are_counted(parts):
    model = make("ease").fit(parts[0])
    found = measure(model, *parts, [f"ndcg@{K}", "auc"], positive=4)
    liked = np.bincount(parts[0].user_index, parts[0].values >= 4, parts[0].n_users)
    np.testing.assert_array_equal(found.popular, liked[found.ranked] == 0)
    assert 0 < found.popular.sum() < len(found.ranked)
    for name, summary in found.summaries.items():
        assert summary.n_popular == found.popular.sum(), name
        own = found.units[name].num[~found.popular]
        assert summary.mean_of_others == pytest.approx(own.mean())
    popularity = measure(make("popularity").fit(parts[0]), *parts, [f"ndcg@{K}"], positive=4)
    assert popularity.popular.sum() == 0
    both = [found.units[f"ndcg@{K}"].num[found.popular], popularity.units[f"ndcg@{K}"].num[found.popular]]
    np.testing.assert_allclose(*both, atol=0.2)  # the popular list ends ties of counts by the mean value
