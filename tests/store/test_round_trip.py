"""What is exported and imported into an empty store of the other database is exported to the same bytes."""

from __future__ import annotations

import json

import polars as pl
import pytest
from sqlalchemy import insert

from palate.errors import DataError, NotFoundError, ParameterError
from palate.experiments.explore import Explore
from palate.store import Event, Thing, feedback, items, open_store, popular, scenarios, users
from palate.store.bulk.columns import OWN
from palate.store.bulk.exporting import FORMATS, export
from palate.store.bulk.importing import import_into
from palate.store.bulk.sources import namespace_for
from palate.store.configuring import set_kinds
from palate.store.kinds import DEFAULTS, EventKind
from palate.store.presets import Preset, Rotation
from palate.store.rows import user_keys
from palate.store.schema import versions

STRANGE = ["ann", " a,b;c|d ", 'say "hi"', "two\nlines", "007", "1e5", "NULL", "👩‍🚀/../x", "\u202eright", "a" * 512]
LIST = "0" * 31 + "a"


@pytest.fixture
def other_url(request, store_url):
    """A fresh store in the other database."""
    return request.getfixturevalue("postgres_url" if store_url.startswith("sqlite") else "sqlite_url")


@pytest.fixture
def sqlite(sqlite_url):
    """A fresh store, where the database plays no part."""
    with open_store(sqlite_url) as opened:
        yield opened


@pytest.fixture
def ns(sqlite):
    """The namespace that every store has."""
    return sqlite.namespace()


def filled(store):
    """Fill a namespace with a bit of everything."""
    ns = store.create_namespace("shop")
    set_kinds(store, ns, [*DEFAULTS, EventKind(name="watched", positive="value >= 0.8", weight=2.5)])
    taste = {"tags": ["a", "b|c"], "age": 31, "share": 0.1, "vip": True, "zip": "01234", "note": "", "none": None}
    users.upsert(store, ns, [Thing("ann", taste), Thing("shy", hidden=True)])
    goods = [Thing(f"item {one}", {"title": f"Title of {one}", "year": 1999}) for one in STRANGE[:-1]]
    items.upsert(store, ns, [*goods, Thing("gone", {"title": "Gone"}), Thing("under", {}, hidden=True)])
    items.delete_items(store, ns, ["gone"])
    events = [Event(one, "tea", "click", time=k, event_id=f"e{k}", source=one) for k, one in enumerate(STRANGE)]
    events += [
        Event("ann", "tea", "rating", 4.25, time=1_700_000_000_123_456, event_id="r1"),
        Event("ann", "tea", "watched", 1 / 3, time=5, event_id='w"1"'),
        Event("ann", "tea", "impression", time=6, event_id="i1"),
        Event("ann", "unseen", "purchase", time=7),
        Event("ann", None, "undo", withdraws="e0", event_id="u1"),
        Event("visitor", "tea", "click", time=8, event_id="v1"),
    ]
    receipts = feedback.add(store, ns, events)
    assert [r.error for r in receipts if r.error] == []
    feedback.merge(store, ns, "visitor", "ann")
    return ns


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix != ".json"}


def test_a_round_trip_through_the_other_database_gives_the_same_bytes(store, other_url, tmp_path):
    shop = filled(store)
    with open_store(other_url, folder=tmp_path / "more") as other:
        for form in FORMATS:
            first, second = tmp_path / form / "first", tmp_path / form / "second"
            export(store, shop, first, form)
            ns = namespace_for(other, form, first)
            done = import_into(other, ns, first)
            assert (done.events.new, done.events.known) == (16, 0)
            assert (done.users.new, done.items.new) == (len(STRANGE) + 2, len(STRANGE) + 3)
            export(other, ns, second, form)
            assert bytes_of(first) == bytes_of(second)
        again = import_into(other, ns, first)
        assert (again.events.new, again.events.known, again.users.known) == (0, 16, len(STRANGE) + 2)
        assert again.items.known == len(STRANGE) + 3
        with other.read() as connection:
            keys = user_keys(connection, ns, ["ann", "visitor"])
            ann = feedback.of_user(connection, ns, "ann")
            assert keys["ann"] == keys["visitor"]  # what comes under the visitor's id goes on to the account
            assert items.search(connection, ns, "title of say")[0].id == 'item say "hi"'
            counted = [(one.id, one.score) for one in popular.popular(connection, ns)]
    with store.read() as connection:
        assert counted == [(one.id, one.score) for one in popular.popular(connection, shop)]
    assert [event.event_id for event in ann][:3] == ["r1", 'w"1"', "i1"]


def test_a_namespace_of_integer_ids_goes_to_and_fro(store, other_url, tmp_path):
    ns = store.create_namespace("numbers", "integer")
    feedback.add(store, ns, [Event("7", "12", "rating", 5, event_id="a"), Event("-8", "12", "click", event_id="b")])
    export(store, ns, tmp_path / "out", "csv")
    with open_store(other_url, folder=tmp_path / "more") as other:
        back = namespace_for(other, "numbers", tmp_path / "out")
        assert back.id_kind == "integer"
        assert import_into(other, back, tmp_path / "out").events.new == 2


def test_scenarios_go_with_an_export_and_never_over_others(store, other_url, tmp_path):
    ns = store.namespace()
    home = Preset(where=("year>=1990",), explore=Explore(policy="softmax"), rotation=Rotation(shown=3, days=2), n=5)
    version = {"model": "ials", "digest": b"", "state": "ready", "trained": 1, "details": "{}"}
    with store.write() as connection:
        connection.execute(insert(versions).values(namespace=ns.key, number=1, **version))
    scenarios.put(store, ns, "home", home)
    scenarios.put(store, ns, "cart", Preset(model=1))
    scenarios.put(store, ns, "mail", Preset(n=7))
    export(store, ns, tmp_path / "out", "jsonl")
    with open_store(other_url, folder=tmp_path / "more") as other:
        there = other.namespace()
        mine = scenarios.put(other, there, "mail", Preset(n=3))
        done = import_into(other, there, tmp_path / "out")
        assert done.new_scenarios == ("home",)
        assert done.notes == (
            "the scenario 'cart' was left out: it names model version 1, which an export does not hold",
        )
        with other.read() as connection:
            assert [(each.name, each.preset) for each in scenarios.listed(connection, there)] == [
                ("home", home),
                ("mail", mine.preset),
            ]
        again = import_into(other, there, tmp_path / "out")
        assert again.new_scenarios == ()


def test_a_scenario_that_the_namespace_cannot_have_is_told_before_anything_is_written(sqlite, ns, tmp_path):
    scenarios.put(sqlite, ns, "home", Preset(exclude=("tea",)))
    users.upsert(sqlite, ns, [Thing("7")])
    export(sqlite, ns, tmp_path / "out")
    numbers = sqlite.create_namespace("numbers", "integer")
    with pytest.raises(DataError, match=r"the scenario 'home' of namespace.json: item must be a whole number"):
        import_into(sqlite, numbers, tmp_path / "out")
    with sqlite.read() as connection:
        assert user_keys(connection, numbers, ["7"]) == {}


def test_an_empty_namespace_is_exported_and_imported(sqlite, ns, tmp_path):
    for form in FORMATS:
        written = export(sqlite, ns, tmp_path / form, form)
        assert list(written.values()) == [0, 0, 0]
        assert import_into(sqlite, ns, tmp_path / form).events.new == 0


def test_an_export_says_what_it_is(sqlite, ns, tmp_path):
    feedback.add(sqlite, ns, [Event("ann", "tea", "rating", 4, time=0)])
    folder = tmp_path / "out"
    export(sqlite, ns, folder, "parquet", ["events"])
    assert sorted(path.name for path in folder.iterdir()) == ["events.parquet", "namespace.json"]
    table = pl.read_parquet(folder / "events.parquet")
    assert table.columns == list(OWN["events"])
    assert table["time"].dtype == pl.Datetime("us", "UTC")
    assert json.loads((folder / "namespace.json").read_text())["kinds"][0]["name"] == "rating"


def test_wrong_words_and_places_are_refused(sqlite, ns, tmp_path):
    with pytest.raises(ParameterError, match="form must be 'parquet', 'csv' or 'jsonl', got 'xml'"):
        export(sqlite, ns, tmp_path, "xml")
    with pytest.raises(ParameterError, match="only must be 'users', 'items' and 'events', got 'lists'"):
        export(sqlite, ns, tmp_path, only=["lists"])
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot export to .*file"):
        export(sqlite, ns, tmp_path / "file")
    with pytest.raises(NotFoundError, match="no namespace 'shop'"):
        namespace_for(sqlite, "shop", tmp_path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "namespace.json is not what an export writes: .*; export again"),
        ("[]", "is not what an export writes"),
        ('{"format_version": 2}', "was written by a newer Palate; pip install --upgrade palate"),
        ('{"format_version": 1, "id_kind": "float", "kinds": []}', "ids are no 'float'"),
        ('{"format_version": 1, "id_kind": "text", "kinds": [{"name": "a", "wight": 1}]}', "has no field 'wight'"),
        ('{"format_version": 1, "id_kind": "text", "kinds": [{"name": "a"}], "scenarios": [7]}', "export again"),
        (
            '{"format_version": 1, "id_kind": "text", "kinds": [{"name": "a"}], "scenarios": {"b": {"m": 1}}}',
            "namespace.json: a preset has no field 'm'",
        ),
    ],
)
def test_a_damaged_namespace_file_is_refused(sqlite, ns, tmp_path, text, fault):
    export(sqlite, ns, tmp_path / "out")
    (tmp_path / "out" / "namespace.json").write_text(text)
    with pytest.raises(DataError, match=fault):
        import_into(sqlite, ns, tmp_path / "out")
