"""The cases of MLlib's own suite, on one machine: the same bounds, or an error that says what is wrong."""

import mllib_cases
import numpy as np
import polars as pl
import pytest
from mllib_cases import CASES, LENGTHS, LISTS, error, listed

from palate import Interactions, load, save
from palate.errors import DataError, UnknownIdError

LEARNED = [name for name, case in CASES.items() if case.refused is None]
REFUSED = [name for name, case in CASES.items() if case.refused is not None]


def fitted(case):
    return case.unfitted().fit(Interactions.from_table(case.rows, **case.options))


def predictions(model, asked):
    """Return p . q of each cell, with the mean and the biases where a model has them."""
    pairs = asked["user"].cast(model.users_.dtype), asked["item"].cast(model.items_.dtype)
    if model.score_kind == "rating":
        return model.predict(*pairs, clip=False)
    u, i = model.users_.index(pairs[0]), model.items_.index(pairs[1])
    return np.einsum("nk,nk->n", model.user_factors_[u], model.item_factors_[i])


@pytest.mark.parametrize("name", LEARNED)
def test_the_error_is_within_the_bound_of_the_suite(name):
    case = CASES[name]
    found = error(case, predictions(fitted(case), case.asked))
    assert found < case.most
    assert np.isfinite(found)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_learned_says_why(name):
    case = CASES[name]
    with pytest.raises(DataError, match=case.refused):
        fitted(case)


def test_no_case_is_lost():
    assert (len(LEARNED), len(REFUSED)) == (29, 5)


def test_a_value_below_the_rule_is_a_cell_without_a_click():
    """MLlib weighs such a cell by its size; here it counts as any other without a click."""
    case = CASES["negative values are no clicks"]
    model, without = fitted(case), case.unfitted().fit(Interactions.from_table(case.rows.head(2)))
    assert predictions(model, case.rows)[2] < 0.5 < predictions(model, case.rows)[0]
    np.testing.assert_array_equal(model.user_factors_, without.user_factors_)


@pytest.mark.parametrize("n", LENGTHS)
def test_lists_below_equal_to_and_above_the_catalogue(n):
    model = fitted(listed())
    lists = model.recommend(list(LISTS), n, exclude_seen=False)
    for user, expected in LISTS.items():
        mine = lists.filter(pl.col("user_id") == user)
        assert mine["item_id"].to_list() == [item for item, _ in expected[:n]]
        np.testing.assert_allclose(mine["score"], [score for _, score in expected[:n]], atol=1e-3)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_lists_of_users_for_an_item_likewise(n):
    scores = {i: sorted((-dict(LISTS[u])[i], u) for u in LISTS) for i in mllib_cases.ITEMS}
    lists = fitted(listed()).recommend_users(list(scores), n, exclude_seen=False)
    for item, expected in scores.items():
        assert lists.filter(pl.col("item_id") == item)["user_id"].to_list() == [user for _, user in expected[:n]]


def test_somebody_unknown_is_an_error_that_names_them_or_no_number():
    case = CASES["more blocks than rows"]
    model = fitted(case)
    with pytest.raises(UnknownIdError, match="12345"):
        model.predict([12345], [case.rows["item"][0]])
    assert np.isnan(model.predict([12345], [case.rows["item"][0]], on_unknown="nan"))


@pytest.mark.parametrize("name", ["rank 2 with noise, 3 factors", "counts above 0", "text ids"])
def test_read_and_write(name, tmp_path):
    case = CASES[name]
    model = fitted(case)
    save(model, tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(predictions(again, case.asked), predictions(model, case.asked))
    assert again.get_params() == model.get_params()
