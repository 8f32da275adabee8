"""What is popular is known of every model, its training rows kept or not."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from altered import alter
from synthetic import low_rank

from palate import ImplicitALS, Popularity, files
from palate.errors import ModelFileError, ParameterError
from palate.models.contract.state import Rated


@pytest.fixture(scope="module")
def data():
    return low_rank()


def test_what_is_popular_is_kept_where_training_rows_are_not(tmp_path, data):
    path = tmp_path / "m.safetensors"
    files.save(Popularity(store_history=False).fit(data), path)
    m = files.load(path)
    assert m.seen_ is None
    expected = Popularity().fit(data).recommend(7, 5, on_unknown="popular")
    assert m.recommend(7, 5, on_unknown="popular", exclude_seen=False).equals(expected)
    again = tmp_path / "again.safetensors"
    files.save(m, again)
    assert again.read_bytes() == path.read_bytes()


def test_a_model_of_an_older_file_without_rows_says_that_it_knows_nothing_of_popularity(data):
    liking_nothing = data.take(np.flatnonzero((data.user_index != 3) | (data.values < 4)))
    fitted = ImplicitALS(2, n_epochs=1, positive=4, store_history=False, random_state=0).fit(liking_nothing)
    m = ImplicitALS.from_state(replace(fitted.state(), rated=None))
    with pytest.raises(ParameterError, match="older file without training rows, does not know which items are popular"):
        m.recommend(7, on_unknown="popular", exclude_seen=False)


@pytest.mark.parametrize(
    ("rated", "text"),
    [
        (Rated(np.zeros(3, np.int64), np.zeros(30)), r"rated\.counts must be one row of 30 int64"),
        (Rated(np.zeros(30), np.zeros(30)), r"rated\.counts must be one row of 30 int64"),
        (Rated(np.zeros(30, np.int64), np.zeros((30, 1))), r"rated\.means must be one row of 30 float64"),
        (Rated(np.zeros(30, np.int64), np.full(30, np.nan)), r"rated\.means holds NaN"),
        (Rated(np.full(30, -1), np.zeros(30)), r"rated\.counts holds a number below 0"),
    ],
)
def test_faulty_popularity_is_refused(tmp_path, data, rated, text):
    m = alter(Popularity(store_history=False).fit(data), rated_=rated)
    with pytest.raises(ModelFileError, match=text):
        files.save(m, tmp_path / "m.safetensors")


def test_lists_by_ids_alone_are_said_to_be(data, caplog):
    liking_nothing = data.take(np.flatnonzero((data.user_index != 3) | (data.values < 4)))
    fitted = ImplicitALS(2, n_epochs=1, positive=4, store_history=False, random_state=0).fit(liking_nothing)
    assert set(fitted.recommend(103, 3, exclude_seen=False)["source"]) == {"popular"}
    m = ImplicitALS.from_state(replace(fitted.state(), rated=None))
    with caplog.at_level(logging.WARNING, "palate.models"):
        table = m.recommend(103, 3, exclude_seen=False)
    assert table["item_id"].to_list() == [1000, 1001, 1002]
    assert set(table["source"]) == {"model"}
    (line,) = caplog.records
    assert line.getMessage().startswith("the scores of 1 users are all equal, and this model, of an older file")
