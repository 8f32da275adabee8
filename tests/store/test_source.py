"""The log of a store as data: by the rule of its kinds, with what is known of both sides, and which log it was."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from small_models import make

from palate import files
from palate.data.dataset import Dataset, LearnedLog
from palate.data.interactions import Interactions
from palate.errors import DataError, NotFoundError, ParameterError
from palate.store import Event, Thing, feedback, hashes, items, open_store, users
from palate.store.info import facts
from palate.store.schema import NEWEST
from palate.store.source import dataset, opened_dataset, split_address
from palate.store.tables import attribute_table

DAY = 86_400_000_000


@pytest.fixture
def filled(store, ns):
    """A store of three people who rate, click and undo."""
    users.upsert(store, ns, [Thing("ann", {"age": 31}), Thing("bob", {"age": 40, "vip": True})])
    items.upsert(store, ns, [Thing("tea", {"title": "Tea", "tags": ["a", "b"], "since": "1999-01-31"}), Thing("milk")])
    rows = [("ann", "tea", 5), ("ann", "milk", 2), ("bob", "tea", 4), ("bob", "bread", 3), ("cy", "milk", 1)]
    events = [Event(u, i, "rating", v, k * DAY, f"r{k}") for k, (u, i, v) in enumerate(rows)]
    events += [Event("ann", "bread", "click", None, 9 * DAY), Event("cy", None, "undo", None, 10 * DAY, withdraws="r4")]
    feedback.add(store, ns, events)
    return store


def test_a_store_gives_ratings_or_clicks_with_titles_and_attributes(filled, ns):
    ratings = dataset(filled, ns)
    assert ratings.interactions.to_table().rows() == [
        ("ann", "milk", 2.0, DAY // 1_000_000),
        ("ann", "tea", 5.0, 0),
        ("bob", "bread", 3.0, 3 * DAY // 1_000_000),
        ("bob", "tea", 4.0, 2 * DAY // 1_000_000),
    ]
    tea = ratings.items.row(by_predicate=pl.col("item_id") == "tea", named=True)
    assert tea == {"item_id": "tea", "title": "Tea", "tags": ["a", "b"], "since": date(1999, 1, 31)}
    assert ratings.users.rows() == [("ann", 31, None), ("bob", 40, True)]
    clicks = dataset(filled, ns, "clicks").interactions.to_table()
    assert clicks.select("user_id", "item_id").rows() == [("ann", "bread"), ("ann", "tea"), ("bob", "tea")]
    assert dataset(filled, ns).notes == ("ratings of the namespace 'default', by its event kinds",)


def test_a_store_without_ratings_gives_clicks(store, ns):
    feedback.add(store, ns, [Event("ann", "tea", "click"), Event("bob", "tea", "purchase")])
    assert len(dataset(store, ns)) == 2
    assert "clicks of the namespace" in dataset(store, ns).notes[0]
    with pytest.raises(DataError, match="has no ratings to learn from"):
        dataset(store, ns, "ratings")


def test_ids_of_a_namespace_of_integers_are_integers(store):
    numbers = store.create_namespace("numbers", "integer")
    feedback.add(store, numbers, [Event("7", "12", "click"), Event("10", "12", "click")])
    assert dataset(store, numbers).interactions.users.values.to_list() == [7, 10]


def test_a_model_keeps_which_log_it_learned_from(filled, ns, tmp_path):
    data = dataset(filled, ns)
    read = data.log.read
    assert data.log == LearnedLog(hashes.identity(filled.secret), "default", 7, 10 * DAY, read)
    files.save(make("popularity").fit(data), tmp_path / "m")
    assert files.load(tmp_path / "m").log_ == data.log
    assert dataset(filled, ns, until=2 * DAY).log.trained_to is None
    assert dataset(filled, ns, until=2 * DAY).log.newest_event == 2 * DAY
    assert data.take(np.arange(2)).log.trained_to is None


def test_what_was_imported_trains_the_same_model_as_the_file(store, ns, tmp_path):
    rng = np.random.default_rng(0)
    rows = {
        f"{u},{i}": f"{u},{i},{rng.integers(1, 6)},{k}\n" for k, (u, i) in enumerate(rng.integers(10, 40, (200, 2)))
    }
    (tmp_path / "ratings.csv").write_text(f"user,item,rating,time\n{''.join(rows.values())}")
    from palate.data.sources.loading import load_dataset
    from palate.store.bulk.importing import import_into

    import_into(store, ns, tmp_path / "ratings.csv")
    direct = load_dataset(tmp_path / "ratings.csv", ids="text")
    one, other = (make("als").fit(data) for data in (by_ids(direct), dataset(store, ns)))
    np.testing.assert_array_equal(one.item_factors_, other.item_factors_)


def by_ids(data):
    """Return rows in the order in which a store gives them."""
    table = data.interactions.to_table().sort("user_id", "item_id")
    return Dataset.from_tables(Interactions.from_table(table, ids="text"))


def test_addresses(sqlite_url):
    assert split_address("store:shop.db") == ("shop.db", "default")
    assert split_address("store:sqlite:///shop.db#eu") == ("sqlite:///shop.db", "eu")
    for wrong in ("store:", "store:#eu", "store:shop.db#"):
        with pytest.raises(ParameterError, match=r"a store is named as store:sqlite:///shop.db"):
            split_address(wrong)
    with pytest.raises(NotFoundError, match=r"nowhere.db is not there"):
        opened_dataset("store:/nowhere.db")
    open_store(sqlite_url).close()
    with pytest.raises(NotFoundError, match="no namespace 'eu'"):
        opened_dataset(f"store:{sqlite_url}#eu")
    with pytest.raises(DataError, match="has no clicks to learn from"):
        opened_dataset(f"store:{sqlite_url}", [make("ials")])


def test_attributes_become_typed_columns():
    texts = [
        '{"n": 1, "x": 1, "t": true, "l": ["a"], "d": "1999-01-31", "m": 1}',
        '{"x": 0.5, "m": "a", "d": "1999-02-30"}',
    ]
    table = attribute_table(["a", "b"], texts)
    assert table.schema == {
        "id": pl.String,
        "n": pl.Int64,
        "x": pl.Float64,
        "t": pl.Boolean,
        "l": pl.List(pl.String),
        "d": pl.String,
        "m": pl.String,
    }
    assert table["m"].to_list() == ["1", "a"]
    assert attribute_table(["a"], ['{"d": "1999-01-31"}'])["d"].to_list() == [date(1999, 1, 31)]
    assert attribute_table([], []).columns == ["id"]


def test_the_facts_of_a_store(filled, ns):
    found = facts(filled)
    assert found["schema"] == NEWEST
    assert found["bytes"] > 10_000
    assert found["bytes_a_list"] is None
    assert found["bytes_an_event"] > 50
    (record,) = found["namespaces"]
    assert record["events"] == {"click": 1, "rating": 5, "undo": 1}
    assert (record["users"], record["items"], record["first_event"], record["newest_event"]) == (3, 3, 0, 10 * DAY)
