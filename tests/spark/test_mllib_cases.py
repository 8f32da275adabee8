"""The cases of MLlib's own suite through both of our solvers: one start, and the same numbers or the same error."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from mllib_cases import CASES, LENGTHS, LISTS, error, listed

from palate import Interactions, load
from palate.errors import DataError
from palate.spark.preparing import prepare
from palate.spark.recommend import recommend_all
from palate.spark.trained import Trained
from palate.spark.training import train

SOON = ("more blocks than rows", "counts above 0", "ids at the ends of 64 bits", "text ids")
SOON_REFUSED = ("no rows", "negative counts")
LEARNED = [name for name, case in CASES.items() if case.refused is None]
REFUSED = [name for name, case in CASES.items() if case.refused is not None]
pytestmark = pytest.mark.long
SWEEPS = 2  # for two solvers to agree they need not arrive


def prepared(case, spark, folder):
    return prepare(spark, spark.createDataFrame(case.rows.to_arrow()), folder, n_blocks=case.n_blocks, **case.options)


def factors_of(trained, side):
    """Return the factors (n, k) and biases (n,) of a side by position."""
    table = pl.from_arrow(trained.factors(side).toArrow()).sort("position")
    assert table["position"].to_list() == list(range(len(table)))
    X = np.frombuffer(b"".join(table["factors"]), trained.model.dtype).reshape(len(table), -1)
    return X, table["bias"].to_numpy()


def check_same_numbers(case, spark, tmp_path):
    """Train by both from one start; the factors and the predictions of asked cells must agree to 1e-5."""
    data = Interactions.from_table(case.rows, **case.options)
    start = case.unfitted(n_epochs=1, random_state=5).fit(data)
    here = case.unfitted(n_epochs=SWEEPS).fit(data, start=start)
    folder, path = str(tmp_path / "prepared"), str(tmp_path / "trained")
    there = train(prepared(case, spark, folder), case.unfitted(n_epochs=SWEEPS), path, start=start)
    P, Q = factors_of(there, "user")[0], factors_of(there, "item")[0]
    one = np.einsum("nk,nk->n", here.user_factors_[data.user_index], here.item_factors_[data.item_index])
    both = np.einsum("nk,nk->n", P[data.user_index], Q[data.item_index])
    np.testing.assert_allclose(both, one, atol=1e-5 * max(1.0, np.abs(one).max()))
    for mine, theirs in ((P, here.user_factors_), (Q, here.item_factors_)):
        assert np.linalg.norm(mine - theirs) <= 1e-5 * np.linalg.norm(theirs)
    again = Trained.open(spark, path)  # read and write
    assert again.model.get_params() == there.model.get_params()
    np.testing.assert_array_equal(factors_of(again, "user")[0], P)


@pytest.mark.parametrize("name", SOON)
def test_both_solvers_find_the_same_numbers(name, spark, tmp_path):
    check_same_numbers(CASES[name], spark, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in LEARNED if name not in SOON])
def test_both_solvers_find_the_same_numbers_of_the_other_cases(name, spark, tmp_path):
    check_same_numbers(CASES[name], spark, tmp_path)


def check_same_refusal(case, spark, tmp_path):
    with pytest.raises(DataError, match=case.refused):
        train(prepared(case, spark, str(tmp_path / "prepared")), case.unfitted(), str(tmp_path / "trained"))


@pytest.mark.parametrize("name", SOON_REFUSED)
def test_both_refuse_in_the_same_words(name, spark, tmp_path):
    check_same_refusal(CASES[name], spark, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in REFUSED if name not in SOON_REFUSED])
def test_both_refuse_the_other_cases_in_the_same_words(name, spark, tmp_path):
    check_same_refusal(CASES[name], spark, tmp_path)


@pytest.fixture(scope="module")
def lists_model(spark, tmp_path_factory):
    """The suite's model of lists, learned there, and saved as a model file."""
    place, case = tmp_path_factory.mktemp("lists"), listed()
    rows = prepared(case, spark, str(place / "prepared"))
    trained = train(rows, case.unfitted(n_epochs=5), str(place / "trained"))
    trained.save(str(place / "m.safetensors"))
    return trained, load(place / "m.safetensors")


@pytest.mark.parametrize("n", LENGTHS)
def test_lists_below_equal_to_and_above_the_catalogue(n, lists_model):
    trained, model = lists_model
    lists = pl.from_arrow(recommend_all(trained, None, n, exclude_seen=False).toArrow()).sort("user_id", "rank")
    for user, expected in LISTS.items():
        mine = lists.filter(pl.col("user_id") == user)
        assert mine["item_id"].to_list() == [item for item, _ in expected[:n]]
        np.testing.assert_allclose(mine["score"], [score for _, score in expected[:n]], atol=1e-2)
    one = model.recommend(list(LISTS), n, exclude_seen=False)
    assert lists.select("user_id", "item_id", "score").equals(one.select("user_id", "item_id", "score"))


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in LEARNED if CASES[name].most < np.inf])
def test_spark_alone_arrives_within_the_bound_of_the_suite(name, spark, tmp_path):
    case = CASES[name]
    there = train(prepared(case, spark, str(tmp_path / "p")), case.unfitted(), str(tmp_path / "t"))
    there.save(str(tmp_path / "m.safetensors"))
    model = load(tmp_path / "m.safetensors")
    asked = case.asked.with_columns(pl.col("user").cast(model.users_.dtype), pl.col("item").cast(model.items_.dtype))
    if model.score_kind == "rating":
        predicted = model.predict(asked["user"], asked["item"], clip=False)
    else:
        u, i = model.users_.index(asked["user"]), model.items_.index(asked["item"])
        predicted = np.einsum("nk,nk->n", model.user_factors_[u], model.item_factors_[i])
    assert error(case, predicted) < case.most
