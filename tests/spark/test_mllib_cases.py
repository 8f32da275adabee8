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

LEARNED = [name for name, case in CASES.items() if case.refused is None]
REFUSED = [name for name, case in CASES.items() if case.refused is not None]
SOON = ("no rows",)
WHOLE = ("exact rank 1, 1 factors", "rank 2 with noise, 3 factors", "clicks above 0", "50 sweeps")


def others_long(names):
    """Return the names as parameters, all but `SOON` of them long: a case takes seconds."""
    return [name if name in SOON else pytest.param(name, marks=pytest.mark.long) for name in names]


def prepared(case, spark, folder):
    return prepare(spark, spark.createDataFrame(case.rows.to_arrow()), folder, n_blocks=case.n_blocks, **case.options)


def factors_of(trained, side):
    """Return the factors (n, k) and biases (n,) of a side by position."""
    table = pl.from_arrow(trained.factors(side).toArrow()).sort("position")
    assert table["position"].to_list() == list(range(len(table)))
    X = np.frombuffer(b"".join(table["factors"]), trained.model.dtype).reshape(len(table), -1)
    return X, table["bias"].to_numpy()


def both_trained(case, spark, tmp_path):
    """Do the first sweeps of a case here, and the others both here and there; return the two models, fitted.

    The others are the last three, or all but the first in `WHOLE`: each costs a second or more there.
    """
    data, n = Interactions.from_table(case.rows, **case.options), case.model.n_epochs
    more = n - 1 if case.name in WHOLE else min(3, n - 1)
    start = case.unfitted(n_epochs=n - more).fit(data)
    rows, path = prepared(case, spark, str(tmp_path / "prepared")), str(tmp_path / "trained")
    there = train(rows, case.unfitted(n_epochs=more), path, start=start)
    again = Trained.open(spark, path)  # read and write
    assert again.model.get_params() == there.model.get_params()
    return case.unfitted(n_epochs=more).fit(data, start=start), again


@pytest.mark.parametrize("name", others_long(LEARNED))
def test_both_solvers_find_the_same_numbers_within_the_bound_of_the_suite(name, spark, tmp_path):
    case = CASES[name]
    here, there = both_trained(case, spark, tmp_path)
    (P, _), (Q, _) = factors_of(there, "user"), factors_of(there, "item")
    for mine, theirs in ((P, here.user_factors_), (Q, here.item_factors_)):
        assert np.linalg.norm(mine - theirs) <= 1e-5 * np.linalg.norm(theirs)
    asked = case.asked.with_columns(pl.col("user").cast(here.users_.dtype), pl.col("item").cast(here.items_.dtype))
    u, i = here.users_.index(asked["user"]), here.items_.index(asked["item"])
    one, both = (np.einsum("nk,nk->n", X[u], Y[i]) for X, Y in ((here.user_factors_, here.item_factors_), (P, Q)))
    np.testing.assert_allclose(both, one, atol=1e-5 * max(1.0, np.abs(one).max()))
    found = error(case, both)
    assert found < case.most
    assert np.isfinite(found)


@pytest.mark.parametrize("name", others_long(REFUSED))
def test_both_refuse_in_the_same_words(name, spark, tmp_path):
    case = CASES[name]
    with pytest.raises(DataError, match=case.refused):
        train(prepared(case, spark, str(tmp_path / "prepared")), case.unfitted(), str(tmp_path / "trained"))


@pytest.fixture(scope="module")
def lists_model(spark, tmp_path_factory):
    """The suite's model of lists, learned there, and saved as a model file."""
    place, case = tmp_path_factory.mktemp("lists"), listed()
    rows = prepared(case, spark, str(place / "prepared"))
    trained = train(rows, case.unfitted(n_epochs=5), str(place / "trained"))
    trained.save(str(place / "m.safetensors"))
    return trained, load(place / "m.safetensors")


@pytest.mark.long
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
