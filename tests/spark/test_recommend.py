"""`recommend_all`: the lists of one machine, whatever the blocks, chunks of users and groups of items."""

from __future__ import annotations

import contextlib
import io
import re

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from standing import standing

import palate
from palate.errors import DataError, ParameterError, UnknownIdError
from palate.models.contract.diversified import diversified
from palate.spark import recommend, sending
from palate.spark import user_blocks as blocks
from palate.spark.recommend import groups_for, recommend_all
from palate.spark.user_blocks import Addresses, WireTypes, chunks_of, packed_bits, to_items, to_users

LISTS = ["user_id", "rank", "item_id", "score"]


@pytest.fixture(scope="module")
def interactions(ratings_table):
    return palate.Interactions.from_table(ratings_table, rating_range=(0.5, 5))


@pytest.fixture(scope="module")
def table(interactions):
    n = interactions.n_items
    columns = {"item_id": interactions.items.values, "title": [f"title {x}" for x in range(n)]}
    genres = [[["drama"], ["comedy", "drama"], []][x % 3] for x in range(n)]
    return pl.DataFrame({**columns, "year": range(1980, 1980 + n), "genres": genres})


@pytest.fixture(scope="module")
def fitted(interactions, table):
    return palate.ALS(4, n_epochs=2, random_state=0, reg=1.0, reg_biases=1.0).fit(interactions, items=table)


@pytest.fixture(scope="module")
def trained(prepared_ratings, fitted, table):
    return standing(prepared_ratings, fitted, items=table)


def lists_of(frame):
    return pl.DataFrame(pl.from_arrow(frame.toArrow())).sort("user_id", "rank")


def check_lists(frame, model, users, n, **options):
    found = lists_of(frame) if not isinstance(frame, pl.DataFrame) else frame
    wanted = model.recommend(users, n, **options).select(LISTS).sort("user_id", "rank")
    assert found.columns == LISTS
    for name in LISTS:
        assert found[name].to_list() == wanted[name].to_list()  # scores bit for bit


def test_lists_are_those_of_one_machine_in_one_exchange(trained, fitted, interactions, monkeypatch):
    monkeypatch.setattr(sending, "CHUNK", 5)
    lists = recommend_all(trained, n=7)
    plan = io.StringIO()
    with contextlib.redirect_stdout(plan):
        lists.explain()
    assert len(re.findall(r"\bExchange\b", plan.getvalue())) == 1
    check_lists(lists, fitted, interactions.users.values, 7)


@pytest.mark.long  # without Spark: the test of items dealt over groups
def test_groups_of_items_merge_to_the_same_lists_and_are_written(trained, fitted, interactions, tmp_path):
    path, users = str(tmp_path / "lists"), interactions.users.values
    some = interactions.items.values[:30].to_list()
    options = {"allow": some, "deny": [*some[:3], "unknown"], "where": ["year<2005", "genres=drama"]}
    frame = recommend_all(trained, path, 50, exclude_seen=False, item_groups=3, **options)
    assert frame.columns == LISTS
    found = pl.read_parquet(f"{path}/*.parquet").sort("user_id", "rank")
    check_lists(found, fitted, users, 50, exclude_seen=False, **options)
    with pytest.raises(DataError, match="exists already") as error:
        recommend_all(trained, path)
    assert error.value.code == "data"


def test_equal_scores_stand_in_the_order_of_popularity(trained, fitted, interactions):
    nothing = np.zeros_like(fitted.user_factors_)
    same = standing(trained.prepared, fitted, user_factors=nothing, item_biases=np.zeros(interactions.n_items))
    found = lists_of(recommend_all(same, n=40, item_groups=2))
    order = interactions.items.at(fitted.item_order.order).to_list()
    seen = interactions.by_user()
    for index, user in enumerate(interactions.users.values):
        had = set(interactions.items.at(seen.row(index)[0]).to_list())
        assert found.filter(user_id=user)["item_id"].to_list() == [item for item in order if item not in had]


def test_diversity_orders_the_best_anew_as_the_service_does(trained, fitted, interactions):
    found = lists_of(recommend_all(trained, n=4, diversity=0.6))
    users = interactions.users.values
    for index, user in enumerate(users):
        best = fitted.lists_index([index], 200, excluded=[fitted.seen_])
        items, scores = best.items[0][best.items[0] >= 0], best.scores[0]
        order = (
            np.arange(0)
            if not len(items)
            else diversified(scores[: len(items)], fitted.ranker.scorer.likeness(items), 0.6)[:4]
        )
        mine = found.filter(user_id=user)
        assert mine["item_id"].to_list() == interactions.items.at(items[order]).to_list()
        assert mine["score"].to_list() == scores[order].tolist()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n": 0}, "n must be"),
        ({"diversity": 1.5}, "diversity must be a number from 0 to 1, got 1.5"),
        ({"diversity": True}, "diversity must be a number"),
        ({"item_groups": 0}, "item_groups must be"),
        ({"item_groups": 2, "diversity": 0.5}, "2 groups, .* 3,200 bytes a user .* with 3,200 bytes"),
        ({"where": "yaer>=1990"}, "the item table has no column 'yaer'; it has item_id, title, year, genres"),
        ({"where": pl.col("yaer") > 3}, "yaer"),
        ({"where": "genres=dramma"}, "no item has genres 'dramma'"),
        ({"where": "year"}, "cannot read the condition"),
    ],
)
def test_wrong_options_are_refused(trained, options, words):
    with pytest.raises(ParameterError, match=words):
        recommend_all(trained, **options)


def test_unknown_items_are_refused(trained):
    with pytest.raises(UnknownIdError, match="unknown item ids 'nowhere', 'never'; known are 40 items"):
        recommend_all(trained, allow=["0é", "nowhere", "never"])
    with pytest.raises(UnknownIdError, match="item ids are text here; got 3 of type int"):
        recommend_all(trained, deny=[3])


def test_items_are_dealt_over_groups_where_a_task_could_not_hold_them(trained, monkeypatch):
    assert groups_for(trained, 40) == 1
    monkeypatch.setattr(recommend, "GROUP_BYTES", 1000)
    assert groups_for(trained, 40) == 4  # 40 x (2 x 4 x 4 + 48) bytes
    with pytest.raises(ParameterError, match="dealt over 4 groups"):
        recommend_all(trained, diversity=0.5)


# -- messages ----------------------------------------------------------------------------------------------------------

TYPES = WireTypes("long", "string")


def item_batches(positions):
    factors = pa.array([np.full(2, p, np.float32).tobytes() for p in positions])
    of_factors = pa.record_batch(
        {"p": pa.array(positions, pa.int32()), "f": factors, "b": pa.array(positions, pa.float64())}
    )
    ids = pa.array([f"i{p}" for p in positions])
    counts, weights = pa.array(positions, pa.int64()), pa.array(positions, pa.float64())
    return of_factors, pa.record_batch({"p": of_factors["p"], "id": ids, "count": counts, "weight": weights})


def user_batches(positions):
    of_factors, _ = item_batches(positions)
    return of_factors, pa.record_batch({"p": of_factors["p"], "id": pa.array([10 * p for p in positions], pa.int64())})


def pairs(users, items):
    return pa.record_batch({"user": pa.array(users, pa.int32()), "item": pa.array(items, pa.int32())})


def sent(addresses, users=range(7), items=range(5), seen=((6, 4, 0), (1, 3, 2))):
    """Return messages as Spark brings them: in any order of their making, sorted by key and chunk."""
    rng, frames = np.random.default_rng(0), []
    for make, to, kinds, positions in (
        (item_batches, to_items, (blocks.ITEM_FACTORS, blocks.ITEM_FACTS), items),
        (user_batches, to_users, (blocks.USER_FACTORS, blocks.USER_IDS), users),
    ):
        for part in np.array_split(rng.permutation(list(positions)), 2):
            for kind, batch in zip(kinds, make(part.tolist()), strict=True):
                frames += list(to([batch], kind, addresses))
    frames += list(to_users([pairs(*seen)], blocks.SEEN, addresses))
    table = pa.Table.from_batches(frames)
    shuffled = table.take(pa.array(rng.permutation(table.num_rows)))
    order = (
        pl.DataFrame(pl.from_arrow(shuffled)).select(pl.arg_sort_by("key", "chunk", maintain_order=True)).to_series()
    )
    return shuffled.take(order.to_arrow()).to_batches(max_chunksize=3)


def test_messages_come_together_by_position_whatever_their_order():
    addresses = Addresses((100, 101, 200, 201), 2, 2, packed_bits(np.array([True, True, True, False, True])), 2)
    found = {
        (key, tuple(users.positions.tolist())): (items, users)
        for key, items, users in chunks_of(sent(addresses), TYPES)
    }
    chunks = [
        (100, (0, 2)),
        (100, (4, 6)),
        (101, (0, 2)),
        (101, (4, 6)),
        (200, (1, 3)),
        (200, (5,)),
        (201, (1, 3)),
        (201, (5,)),
    ]
    assert list(found) == chunks
    items, users = found[100, (4, 6)]
    assert_array_equal(items.positions, [0, 2, 4])  # of the group 0; item 3 is not sent
    assert items.ids.to_pylist() == ["i0", "i2", "i4"]
    assert_array_equal(items.Q[:, 0], [0, 2, 4])
    assert_array_equal(users.P[:, 1], [4, 6])
    assert users.ids.to_pylist() == [40, 60]
    rows = users.seen_rows(items)
    assert_array_equal(rows.indptr, [0, 0, 0])  # user 6 had item 1, of the other group, and user 4 item 3
    assert_array_equal(found[101, (4, 6)][1].seen_rows(found[101, (4, 6)][0]).sizes, [0, 1])


def test_items_without_a_row_stand_in_the_order_of_their_ids():
    counts = np.array([1, 2, 0, 0, 0])
    numbers = np.arange(5, dtype=np.int32), np.zeros((5, 1)), np.zeros(5), counts, counts * 1.0, counts * 3.0
    items = blocks.ItemPart(*numbers, pa.array(["b", "c", "z", "a", "é"]))
    assert_array_equal(items.by_popularity(), [1, 0, 3, 2, 4])
    assert_array_equal(np.argsort(items.id_ranks()), [0, 1, 3, 2, 4])


@pytest.mark.parametrize("missing", ["users", "items"])
def test_a_model_of_another_folder_is_refused(missing):
    addresses = Addresses((100,), 1, 1, None, 99)
    whole = pa.Table.from_batches(sent(addresses))
    extra = user_batches([9])[1] if missing == "users" else item_batches([9])[1]
    kind = blocks.USER_IDS if missing == "users" else blocks.ITEM_FACTS
    more = next((to_users if missing == "users" else to_items)([extra], kind, addresses))
    table = pl.DataFrame(pl.from_arrow(pa.concat_tables([whole, pa.Table.from_batches([more])])))
    batches = table.sort("key", "chunk").to_arrow().cast(whole.schema).to_batches()
    with pytest.raises(DataError, match=f"1 {missing} stand in one of them alone, such as position 9"):
        list(chunks_of(batches, TYPES))
