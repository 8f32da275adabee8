"""A model that was fitted before is measured as it is: the same figures, and nothing of what it has seen."""

import logging

import numpy as np
import pytest
from small_models import make
from synthetic import low_rank

import palate
from palate import Dataset, Interactions, files
from palate.errors import DataError, NotFittedError, ParameterError
from palate.evaluation import evaluate, measure
from palate.evaluation.fitted import evaluate_fitted
from palate.models import MODELS

LISTS = ["ndcg@5", "recall@5", "coverage@5", "serendipity@5", "popularity_lift@5", "auc"]


@pytest.fixture(scope="module")
def parts():
    """Two parts of their own ids, some of the test part's people and items new."""
    data = low_rank()
    order = np.random.default_rng(5).permutation(len(data))
    tables = [data.take(rows).to_table() for rows in (order[:450], order[450:])]
    new = {"user_id": [900, 100], "item_id": [1001, 5000], "value": [4.0, 2.0], "time": [1, 2]}
    tables[1] = tables[1].vstack(type(tables[1])(new, schema=tables[1].schema))
    return [Interactions.from_table(table, rating_range=(1, 5)) for table in tables]


@pytest.mark.parametrize("key", MODELS)
def test_figures_of_a_model_file_are_those_of_its_fit_to_the_bit(key, parts, tmp_path):
    train, test = parts
    model = make(key)
    names = [*LISTS, *(["rmse", "mae"] if model.score_kind == "rating" else [])]
    once = evaluate(model, train, test, metrics=names, positive=4)
    files.save(once.fitted, tmp_path / "m")
    again = evaluate(files.load(tmp_path / "m"), test=test, metrics=names, positive=4)
    assert again.metrics == once.metrics
    assert again.summaries == once.summaries
    assert (again.n_train, again.n_test, again.without_training) == (once.n_train, once.n_test, once.without_training)
    assert again.unknown == {"users": 0, "items": 0, "test_rows": 0}  # the fit knew the ids of both parts
    assert (again.positive, "fit" in again.seconds) == (4, False)
    assert "training part" not in again._repr_html_()


def test_people_and_items_that_a_model_does_not_know_are_counted_and_left_out(parts):
    train, test = parts
    model = make("als").fit(train)
    got = evaluate(model, test=test)
    assert got.unknown == {"users": 1, "items": 1, "test_rows": 2}
    assert got.n_test == len(test) - 2
    known = test.take(np.arange(len(test) - 2))
    assert got.metrics == evaluate(model, test=known).metrics
    with pytest.raises(DataError, match=r"no row of a user and an item that the model knows .1 rows, 1 unknown users"):
        evaluate(model, test=Interactions.from_table({"user": [1], "item": [1], "rating": [3.0]}))
    with pytest.raises(DataError, match="ids are of another type than the model's: user ids are integers here"):
        evaluate(model, test=Interactions.from_table({"user": ["a"], "item": [1001], "rating": [3.0]}))


def test_rows_that_the_model_was_fitted_on_are_refused_or_dropped(parts, caplog):
    train, test = parts
    model = make("baseline").fit(train)
    both = Interactions.from_table(train.take(np.arange(7)).to_table().vstack(test.to_table()))
    with pytest.raises(DataError, match=r"7 of .* test rows are also in the training part"):
        evaluate(model, test=both)
    with pytest.raises(DataError, match="the model was fitted on 7 of"):
        measure(model, None, train.take(np.arange(7)), ["mae"])
    with caplog.at_level(logging.WARNING, "palate"):
        dropped = evaluate(model, test=both, on_overlap="drop")
    assert "7 test rows are also in the training part and left out" in caplog.text
    assert dropped.metrics == evaluate(model, test=test).metrics


def test_a_model_without_its_rows_is_measured_with_them(parts, tmp_path):
    train, test = parts
    whole = evaluate(make("ials"), train, test, metrics=LISTS)
    known = evaluate(make("ials", store_history=False), train, test, metrics=LISTS).fitted
    files.save(known, tmp_path / "m")
    loaded = files.load(tmp_path / "m")
    with pytest.raises(DataError, match=r"keeps no rows of its training .*: give the rows that it was fitted on"):
        evaluate(loaded, test=test)
    with pytest.raises(DataError, match="keeps no rows of its training"):
        measure(loaded, None, test, LISTS)
    assert evaluate_fitted(loaded, test, train, metrics=LISTS).metrics == whole.metrics
    with pytest.raises(DataError, match="keeps the rows that it was fitted on: leave out train"):
        evaluate_fitted(whole.fitted, test, train)
    other = Interactions.from_table({"user": [1], "item": [1001], "rating": [3.0]})
    with pytest.raises(DataError, match="train has no row of a user and an item that the model knows"):
        evaluate_fitted(loaded, test, other)
    other = Interactions.from_table({"user": [1, 100], "item": [1001, 1001], "rating": [3.0, 3.0]})
    with pytest.raises(DataError, match="train has 1 rows of people or items that the model does not know"):
        evaluate_fitted(loaded, test, other)
    seen = train.take(np.arange(3))
    with pytest.raises(DataError, match="3 of 3 test rows are also in the training part"):
        evaluate_fitted(loaded, seen, train)


def test_measure_without_train_takes_the_rows_that_the_model_keeps(parts):
    data, split = palate.fixed_split(*parts)
    train, test = split.apply(data)
    model = make("knn").fit(train)
    assert measure(model, None, test, LISTS).values == measure(model, train, test, LISTS).values


def test_lists_of_a_fitted_model_can_be_of_a_part_of_the_catalogue(parts):
    train, test = parts
    table = {
        "item_id": train.items.values,
        "title": [f"F{i}" for i in train.items.values],
        "year": range(train.n_items),
    }
    model = make("ease").fit(Dataset.from_tables(train, items=table))
    got = evaluate(model, test=test, metrics=["coverage@5"], where="year>=10")
    assert got.n_listed == train.n_items - 10
    again = evaluate(
        model, test=test, metrics=["coverage@5"], items={**table, "old": [i < 9 for i in range(train.n_items)]}
    )
    assert again.n_listed == train.n_items


def test_what_a_fitted_model_cannot_be_asked_is_refused(parts):
    train, test = parts
    with pytest.raises(NotFittedError):
        evaluate(palate.ALS(), test=test)
    model = make("mf").fit(train)
    with pytest.raises(ParameterError, match="evaluate takes a test part"):
        evaluate(model, train)
    for given in ({"stop_on": "test"}, {"attributes": True}, {"user_features": object()}):
        with pytest.raises(ParameterError, match=f"{next(iter(given))} is for fitting, and without train"):
            evaluate(model, test=test, **given)
