"""Lists in the store: one comes out as it was shown, with its pages, and only to its namespace."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from palate.errors import NotFoundError
from palate.store import ShownList, experiments, lists, scenarios
from palate.store.experiments import Arm
from palate.store.packing import decode_ranked, encode_ranked
from palate.store.presets import Preset
from palate.store.records import Page, Place
from palate.store.schema import lists as table

LIST = "0190" + "ab" * 14


def shown(list_id=LIST, user="ann", **more):
    places = (Place("tea", 1.5), Place("milk", 0.5, 0.25, "popular"))
    return ShownList(list_id, user, 1_000, "popular", None, places, **more)


def test_a_list_comes_out_with_its_pages(store, ns):
    one = shown(request={"n": 2}, arm="a", ranked=encode_ranked([4, 1], 5))
    store.writer.lists(ns, [one]).result()
    lists.add_page(store, ns, LIST, 3, [Place("cake", 0.25)], time=2_000)
    lists.add_page(store, ns, LIST, 4, [], time=3_000)
    with store.read() as conn:
        kept = lists.get(conn, ns, LIST)
    assert kept == shown(
        request={"n": 2},
        arm="a",
        ranked=one.ranked,
        pages=(Page(2_000, 3, (Place("cake", 0.25),)), Page(3_000, 4, ())),
    )
    assert decode_ranked(kept.ranked).positions.tolist() == [4, 1]


def test_a_list_names_its_scenario_its_experiment_and_its_chance(store, ns):
    made = scenarios.put(store, ns, "home", Preset(n=2))
    scenarios.put(store, ns, "home", Preset(n=3))
    arms = (Arm("a", 0.5, "home"), Arm("b", 0.5, "default"))
    experiments.start(store, ns, "spring", "home", arms)
    named = {"scenario": ("home", made.revision), "experiment": "spring", "arm": "a"}
    one = shown(**named, explored={"policy": "softmax", "seed": 2**53}, uncounted=b"\0\1")
    store.writer.lists(ns, [one, shown(LIST[:-1] + "c")]).result()
    with store.read() as conn:
        assert lists.get(conn, ns, LIST) == one
        assert lists.get(conn, ns, LIST[:-1] + "c") == shown(LIST[:-1] + "c")


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"scenario": ("home", 1)}, "revision 1 of the scenario 'home' is not there"),
        ({"experiment": "spring"}, "the experiment 'spring' is not there"),
    ],
)
def test_a_list_of_what_is_not_there_is_refused(store, ns, named, words):
    shop = store.create_namespace("shop")  # what another namespace has is not there
    scenarios.put(store, shop, "home", Preset())
    experiments.start(store, shop, "spring", "home", (Arm("a", 0.5, "home"), Arm("b", 0.5, "default")))
    with pytest.raises(NotFoundError, match=words):
        store.writer.lists(ns, [shown(**named)]).result()


def test_a_session_without_a_user(store, ns):
    store.writer.lists(ns, [shown(user=None)]).result()
    with store.read() as conn:
        assert lists.get(conn, ns, LIST) == shown(user=None)


@pytest.mark.parametrize("list_id", ["", "x", "zz" * 16, LIST[:-2] + "ff", LIST.replace("a", "é"), " " + LIST[1:]])
def test_a_list_that_is_not_there(store, ns, list_id):
    store.writer.lists(ns, [shown()]).result()
    with store.read() as conn, pytest.raises(NotFoundError, match="there is no list"):
        lists.get(conn, ns, list_id)
    with pytest.raises(NotFoundError, match="there is no list"):
        lists.add_page(store, ns, list_id, 1, [])


def test_a_list_of_another_namespace_is_not_there(store, ns):
    shop = store.create_namespace("shop")
    store.writer.lists(shop, [shown()]).result()
    with store.read() as conn, pytest.raises(NotFoundError) as other:
        lists.get(conn, ns, LIST)
    absent = LIST[:-2] + "ff"
    with store.read() as conn, pytest.raises(NotFoundError) as nowhere:
        lists.get(conn, ns, absent)
    assert str(other.value).replace(LIST, absent) == str(nowhere.value)


def test_bytes_of_a_list_in_the_store(store, ns):
    places = tuple(Place(str(item), 1.5) for item in range(1000, 1010))
    ranked = encode_ranked(range(500), 1682)
    store.writer.lists(ns, [ShownList(LIST, "ann", 1_000, "model", None, places, ranked=ranked)]).result()
    length = func.length(table.c.shown) + func.length(table.c.ranked) + func.length(table.c.list_id)
    with store.read() as conn:
        assert conn.execute(select(length)).scalar_one() == 63 + 1007 + 16
