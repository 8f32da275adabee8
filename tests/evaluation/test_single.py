from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from synthetic import low_rank

from palate.data.splits.making import make_splits, split
from palate.errors import DataError, ParameterError
from palate.evaluation import evaluate, evaluate_splits, mean_metrics, versions
from palate.models import MatrixFactorization


def model(**changes):
    settings = {"n_factors": 4, "n_epochs": 8, "learning_rate": 0.03, "random_state": 3}
    return MatrixFactorization(**{**settings, **changes})


@pytest.fixture(scope="module")
def data():
    return low_rank()


@pytest.fixture(scope="module")
def parts(data):
    return split(data)


def test_figures_are_those_of_the_fitted_model_on_the_test_part(parts):
    train, test = parts
    result = evaluate(
        model(n_epochs=60, reg=0.0, n_factors=12, init_scale=0.5, validation_fraction=0),
        train,
        test,
        name="random:0.2:42",
    )
    u, i = test.users.at(test.user_index), test.items.at(test.item_index)
    raw, clipped = (result.fitted.predict(u, i, clip=clip) for clip in (False, True))
    assert (raw != clipped).any()
    assert result.metrics == pytest.approx(
        {
            "rmse": root_mean_squared_error(test.values.astype(float), clipped),
            "rmse_unclipped": root_mean_squared_error(test.values.astype(float), raw),
            "mae": mean_absolute_error(test.values.astype(float), clipped),
        }
    )
    assert (result.model, result.split, result.n_train, result.n_test) == ("mf", "random:0.2:42", 480, 120)
    assert result.history == result.fitted.history_
    assert set(result.seconds) == {"fit", "score"}
    assert min(result.seconds.values()) > 0


def test_the_epoch_is_chosen_in_the_training_part_unless_told_otherwise(parts):
    train, test = parts
    honest = evaluate(model(), train, test)
    assert honest.epoch_chosen_on == "validation"
    expected = model().fit(train)
    np.testing.assert_array_equal(honest.fitted.user_factors_, expected.user_factors_)

    seen = evaluate(model(reg_biases=0.01), train, test, stop_on="test")  # biases of the epoch, not solved once more
    assert seen.epoch_chosen_on == "test"
    best = min(r["validation_rmse_unclipped"] for r in seen.history)
    assert seen.metrics["rmse_unclipped"] == pytest.approx(best, rel=1e-5)
    assert evaluate(model(validation_fraction=0), train, test).epoch_chosen_on == "none"


def test_the_record_is_json_with_its_keys_and_the_seed_used(parts):
    result = evaluate(model(random_state=np.random.default_rng(1), n_factors=np.int64(3)), *parts)
    record = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    keys = "model parameters split epoch_chosen_on n_train n_test n_listed positive unknown without_training metrics"
    assert list(record) == [*keys.split(), "summaries", "seconds", "history", "versions"]
    assert record["parameters"]["random_state"] == result.fitted.seed_
    assert set(record["parameters"]) == set(MatrixFactorization.parameter_names())
    assert record["versions"] == versions()
    assert {"palate", "numpy", "scipy", "numba", "polars", "python", "platform"} == set(record["versions"])
    none = evaluate(model(random_state=None), *parts)
    assert none.to_dict()["parameters"]["random_state"] == none.fitted.seed_


def test_items_and_progress_reach_the_model(data, parts):
    seen = []
    items = {"item_id": data.items.values, "title": ["T"] * data.n_items}
    result = evaluate(model(), *parts, items=items, progress=seen.append)
    assert result.fitted.recommend(100, 1)["title"].to_list() == ["T"]
    assert [s.stage for s in seen][:1] == ["training"]


def test_every_split_gets_a_fresh_model_of_the_same_parameters(data):
    given = model()
    results = evaluate_splits(given, data, "kfold:3:1", stop_on="test")
    splits = make_splits(data, "kfold:3:1")
    assert [r.split for r in results] == [s.name for s in splits]
    assert not hasattr(given, "users_")
    assert len({id(r.fitted) for r in results}) == 3
    for one, r in zip(splits, results, strict=True):
        alone = evaluate(model(), *one.apply(data), name=one.name, stop_on="test")
        assert r.metrics == alone.metrics
        assert r.epoch_chosen_on == "test"
    again = evaluate_splits(given, data, splits, stop_on="test")
    assert [r.metrics for r in again] == [r.metrics for r in results]
    mean = mean_metrics(results)
    assert mean == {name: pytest.approx(np.mean([r.metrics[name] for r in results])) for name in results[0].metrics}


def test_wrong_words_are_refused(parts):
    train, test = parts
    with pytest.raises(ParameterError, match="stop_on must be 'validation' or 'test', got 'luck'"):
        evaluate(model(), train, test, stop_on="luck")
    with pytest.raises(ParameterError, match="unknown split 'loo'"):
        evaluate_splits(model(), train, "loo")


def test_lists_of_strings_and_splits_are_taken(data):
    [one] = make_splits(data, "random:0.2:2")
    results = evaluate_splits(model(n_epochs=1), data, ["random:0.2:1", one, "kfold:2:1"])
    names = ["random:0.2:1", "random:0.2:2", "kfold:2:1 fold 1", "kfold:2:1 fold 2"]
    assert [r.split for r in results] == names
    assert [r.split for r in evaluate_splits(model(n_epochs=1), data, one)] == ["random:0.2:2"]
    with pytest.raises(ParameterError, match=r"splits takes a text such as random:0\.2:42, or a list of splits, got 5"):
        evaluate_splits(model(), data, 5)
    fits = []
    with pytest.raises(ParameterError, match="unknown split 'loo'"):
        evaluate_splits(model(), data, ["random:0.2:1", "loo"], progress=fits.append)
    assert not fits


def test_what_is_no_interactions_is_refused(data):
    message = r"must be Interactions, got .*: build it with Interactions\.from_table\(table\)"
    for call in (
        lambda: evaluate(model(), data.to_table(), data),
        lambda: evaluate(model(), data, data.to_table()),
        lambda: evaluate_splits(model(), data.to_table(), "random:0.2:1"),
    ):
        with pytest.raises(DataError, match=message):
            call()
