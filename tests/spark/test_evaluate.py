"""`evaluate` and `compare`: the figures of one machine, made a block of users at a time."""

from __future__ import annotations

import logging

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from standing import standing

import palate
from palate.errors import DataError, ParameterError
from palate.evaluation.fitted import evaluate_fitted
from palate.metrics import METRICS
from palate.spark import sending
from palate.spark.comparing import compare
from palate.spark.evaluating import evaluate
from palate.spark.recommend import recommend_all
from palate.spark.training import train

pytestmark = pytest.mark.long  # tests/spark/test_story.py asks the command in the fast ones

EVERY = [f"{name}@5" if metric.at_k else name for name, metric in METRICS.items()]
SUMS = ("rmse", "rmse_unclipped", "mae", "mae_unclipped", "r2", "list_overlap@5", "personalisation@5")


@pytest.fixture(scope="module")
def interactions(ratings_table):
    return palate.Interactions.from_table(ratings_table, rating_range=(0.5, 5))


@pytest.fixture(scope="module")
def judged(interactions):
    """Pairs that training does not have, with a user and an item that it does not know."""
    rng, seen = np.random.default_rng(5), interactions.by_user()
    rows = [
        (user, item)
        for user in range(interactions.n_users)
        for item in rng.choice(
            np.setdiff1d(np.arange(40), seen.row(user)[0]), size=min(4, 40 - len(seen.row(user)[0])), replace=False
        )
    ]
    users, items = np.array(rows).T
    table = pl.DataFrame({"user_id": interactions.users.at(users), "item_id": interactions.items.at(items)})
    new = pl.DataFrame({"user_id": [1, table["user_id"][0]], "item_id": [table["item_id"][0], "new"]})
    table = pl.concat([table, new])
    return table.with_columns(rating=pl.Series(rng.integers(1, 11, len(table)) / 2))


@pytest.fixture(scope="module")
def table(interactions):
    n = interactions.n_items
    genres = [[["drama"], ["comedy", "drama"], [], ["war"]][x % 4] for x in range(n)]
    titles = [f"title {x}" for x in range(n)]
    return pl.DataFrame(
        {"item_id": interactions.items.values, "title": titles, "year": range(1980, 1980 + n), "genres": genres}
    )


@pytest.fixture(scope="module")
def fitted(interactions, table):
    return palate.ALS(4, n_epochs=2, random_state=0, reg=1.0, reg_biases=1.0).fit(interactions, items=table)


@pytest.fixture(scope="module")
def trained(prepared_ratings, fitted, table):
    return standing(prepared_ratings, fitted, items=table)


@pytest.fixture(scope="module")
def clicks(interactions, table):
    return palate.ImplicitALS(3, n_epochs=2, random_state=0, positive="any").fit(interactions, items=table)


@pytest.fixture(scope="module")
def test_part(spark, judged):
    return spark.createDataFrame(judged.to_arrow()).repartition(2).cache()


def same(found, wanted, *, exact=True):
    both_nan = np.isnan(found) & np.isnan(wanted)
    assert_allclose(np.where(both_nan, 0, found), np.where(both_nan, 0, wanted), rtol=0 if exact else 1e-12, atol=0)


def check_figures(found, wanted):
    assert found.metrics.keys() == wanted.metrics.keys()
    assert found.measured.skipped == wanted.measured.skipped
    for name, value in wanted.metrics.items():
        exact = name not in SUMS
        same(found.metrics[name], value, exact=exact)
        summaries = [vars(result.summaries[name]) if name in result.summaries else {} for result in (found, wanted)]
        for key, figure in summaries[1].items():
            if figure is not None:
                same(summaries[0][key], figure, exact=exact)
            else:
                assert summaries[0][key] is None
        units = [result.measured.units.get(name) for result in (found, wanted)]
        assert (units[0] is None) == (units[1] is None)
        if units[0] is not None:
            assert_array_equal(units[0].user_index, units[1].user_index)
            same(units[0].num, units[1].num, exact=exact)
            same(units[0].den, units[1].den, exact=exact)
    for name in ("unknown", "n_test", "n_train", "n_listed", "without_training", "positive"):
        assert getattr(found, name) == getattr(wanted, name)


@pytest.mark.parametrize("options", [{}, {"positive": 3.0, "where": "year<2010"}])
def test_all_figures_are_those_of_one_machine(trained, fitted, judged, test_part, options, monkeypatch, caplog):
    monkeypatch.setattr(sending, "CHUNK", 7)
    with caplog.at_level(logging.WARNING, "palate"):
        found = evaluate(trained, test_part, EVERY, skip=True, **options)
        told = [record.getMessage() for record in caplog.records]
        caplog.clear()
        test = palate.Interactions.from_table(judged)
        wanted = evaluate_fitted(fitted, test, metrics=EVERY, skip=True, **options)
    check_figures(found, wanted)
    assert len(found.metrics) == 28
    assert "coverage_80" in found.measured.skipped
    assert found.unknown == {"users": 1, "items": 1, "test_rows": 2}
    warned = [record.getMessage() for record in caplog.records if "sampled" not in record.getMessage()]
    assert [text for text in told if "below mere popularity" in text or "share" in text] == [
        text for text in warned if "below mere popularity" in text or "share" in text
    ]


def test_models_are_compared_on_the_same_users(prepared_ratings, trained, clicks, judged, test_part):
    other = standing(prepared_ratings, clicks)
    found = compare({"ratings": trained, "clicks": other}, test_part, ["rmse", "ndcg@5"], random_state=3)
    test = palate.Interactions.from_table(judged)
    wanted = evaluate_fitted(clicks, test, metrics=["ndcg@5"])
    shown = found.table(n_resamples=50)
    assert shown.select("model", "metric").rows() == [("ratings", "rmse"), ("ratings", "ndcg@5"), ("clicks", "ndcg@5")]
    row = shown.row(2, named=True)
    assert row["mean"] == wanted.metrics["ndcg@5"]
    assert row["low"] < row["mean"] < row["high"]
    tests = found.tests(n_resamples=99)
    assert tests.select("metric", "model", "other").rows() == [("ndcg@5", "ratings", "clicks")]
    assert tests["low"][0] <= tests["difference"][0] <= tests["high"][0]
    assert "list_overlap@5" in found.results["metric"].to_list()
    assert len(found.findings()) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metrics": ["rmse", "rmse"]}, "each once"),
        ({"metrics": ["ndcg@50"]}, "asks for lists of 50 of 40 items"),
        ({"metrics": ["crps"]}, "crps needs a model with a predictive distribution"),
        ({"metrics": ["rmse"], "on_overlap": "keep"}, "on_overlap must be 'raise' or 'drop'"),
        ({"metrics": ["ndcg@5"], "positive": "some"}, "positive must be a finite number"),
    ],
)
def test_wrong_options_are_refused(trained, test_part, options, words):
    with pytest.raises(ParameterError, match=words):
        evaluate(trained, test_part, **options)


def test_what_a_model_does_not_have_is_refused(prepared_ratings, clicks, test_part):
    other = standing(prepared_ratings, clicks)
    with pytest.raises(ParameterError, match="rmse needs a model that predicts ratings"):
        evaluate(other, test_part, ["rmse"])
    with pytest.raises(ParameterError, match="calibration@5 needs an item table with a column 'genres'"):
        evaluate(other, test_part, ["calibration@5"])


def test_test_rows_of_training_are_refused_or_left_out(spark, trained, ratings_table, judged, caplog):
    rows = pl.concat([judged.head(30), ratings_table.select(judged.columns).sort("user_id", "item_id").head(2)])
    leaking = spark.createDataFrame(rows.to_arrow())
    with pytest.raises(
        DataError, match=r"part one: 2 of 32 test rows are also in the training part, such as user -5 and item 10é"
    ) as error:
        evaluate(trained, leaking, ["rmse"], name="part one")
    assert error.value.code == "overlap"
    assert "take them out with on_overlap='drop', or with test = without_overlap(train, test)" in str(error.value)
    with caplog.at_level(logging.WARNING, "palate"):
        assert evaluate(trained, leaking, ["rmse"], on_overlap="drop").n_test == 30
    assert "2 test rows are also in the training part and left out" in caplog.text


BAD = {
    "twice": (lambda t: pl.concat([t.head(3), t.head(1)]), "stands again"),
    "missing": (lambda t: t.head(3).with_columns(rating=pl.Series([1.0, None, 2.0])), "value is missing: 1 of 3"),
    "infinite": (lambda t: t.head(2).with_columns(rating=pl.Series([1.0, float("inf")])), "not finite"),
    "texts": (lambda t: t.head(2).with_columns(pl.col("user_id").cast(pl.String)), "are text, and the model's are"),
    "strangers": (lambda t: t.tail(2), "no row of a user and an item that the model knows"),
}


@pytest.mark.parametrize("name", BAD)
def test_faulty_test_parts_are_refused(spark, trained, judged, name):
    make, words = BAD[name]
    with pytest.raises(DataError, match=words):
        evaluate(trained, spark.createDataFrame(make(judged).to_arrow()), ["rmse"])


def test_faulty_test_rows_are_left_out_where_that_is_asked_for(spark, trained, judged):
    faulty = pl.concat([judged.head(4), judged.head(1)]).with_columns(rating=pl.Series([1.0, None, 2.0, 3.0, 5.0]))
    part = spark.createDataFrame(faulty.to_arrow())
    assert evaluate(trained, part, ["rmse"], on_missing="drop", on_duplicate="mean").n_test == 3


def test_rules_of_relevance_that_no_row_meets_are_refused(trained, test_part):
    with pytest.raises(DataError, match="has a value of at least 9, the highest is 5: lower it"):
        evaluate(trained, test_part, ["ndcg@5"], positive=9)


def test_models_that_cannot_be_compared_are_refused(prepared_clicks, trained, clicks, test_part):
    with pytest.raises(ParameterError, match="give at least one trained model"):
        compare([], test_part)
    with pytest.raises(ParameterError, match="two models are the same: the stand-in, the stand-in"):
        compare([trained, trained], test_part)
    with pytest.raises(DataError, match="trained on different prepared folders"):
        compare([trained, standing(prepared_clicks, clicks)], test_part)
    with pytest.raises(TypeError, match="on_overlaps"):
        compare([trained], test_part, on_overlaps="drop")


@pytest.mark.long
def test_a_model_trained_here_is_listed_and_measured(prepared_ratings, test_part, judged, tmp_path):
    model = palate.ALS(3, n_epochs=1, random_state=0, reg=1.0, reg_biases=1.0, init_scale=0.1)
    trained = train(prepared_ratings, model, str(tmp_path / "trained"))
    sides = {}
    for side in ("user", "item"):
        table = pl.DataFrame(pl.from_arrow(trained.factors_with_ids(side).toArrow()))
        sides[side] = {row["id"]: (np.frombuffer(row["factors"], np.float32), row["bias"]) for row in table.to_dicts()}

    def score(user, item):
        (p, b), (q, c) = sides["user"][user], sides["item"][item]
        return trained.mean + b + c + p.astype(np.float64) @ q

    lists = pl.DataFrame(pl.from_arrow(recommend_all(trained, n=3, exclude_seen=False).toArrow())).sort(
        "user_id", "rank"
    )
    assert lists["rank"].to_list() == [1, 2, 3] * 60
    for user, best in lists.group_by("user_id", maintain_order=True):
        scores = sorted((score(*user, item) for item in sides["item"]), reverse=True)[:3]
        assert_allclose(best["score"], scores, rtol=1e-12)
    known = [(*row[:2], row[2]) for row in judged.rows() if row[0] in sides["user"] and row[1] in sides["item"]]
    errors = [value - np.clip(score(user, item), 0.5, 5) for user, item, value in known]
    assert_allclose(evaluate(trained, test_part).metrics["rmse"], np.sqrt(np.mean(np.square(errors))), rtol=1e-12)
