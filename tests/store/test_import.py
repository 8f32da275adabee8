"""Imports: every fault with its line and nothing written, each row once, those who were forgotten stay so."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime

import polars as pl
import pytest
from sqlalchemy import func, select

from palate.errors import ConflictError, DataError, ParameterError, UnavailableError
from palate.store import Event, Thing, feedback, items, open_store, tombstones, users
from palate.store.bulk import thing_writing, writing
from palate.store.bulk.importing import import_into
from palate.store.hashes import tombstone
from palate.store.schema import events
from palate.store.schema import users as user_rows
from palate.store.times import now


@pytest.fixture
def store(sqlite_url):
    """A fresh store; what both databases do alike is tried in one."""
    with open_store(sqlite_url) as opened:
        yield opened


@pytest.fixture
def load(store, ns, tmp_path):
    """Import a text as a file of this name."""

    def loaded(text, name="events.csv", **options):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return import_into(store, ns, path, **options)

    return loaded


def log(store, ns):
    with store.read() as connection:
        return [event for _, event in feedback.log(connection, ns)]


def count(store, table=events):
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


HEAD = "event_id,user,item,kind,value,time\n"
GOOD = "a,ann,tea,rating,4,2024-03-11T12:30:00Z\n"


# -- faults ---------------------------------------------------------------------------------------------------------

FAULTS = {
    ",": ("user is missing: 1 of 2 (line 3)", "x,,tea,click,,\n"),
    "item": ("item is missing: 1 of 2 (line 3)", "x,ann,,click,,\n"),
    "value": ("value is missing: 1 of 2 (line 3)", "x,ann,tea,rating,,\n"),
    "word": ("value is no finite number, such as 'four': 1 of 2 (line 3)", "x,ann,tea,rating,four,\n"),
    "inf": ("value is no finite number, such as 'inf'", "x,ann,tea,rating,inf,\n"),
    "nan": ("value is no finite number, such as 'NaN'", "x,ann,tea,rating,NaN,\n"),
    "kind": ("kind is no event kind of this namespace, which has rating, click", "x,ann,tea,viewed,,\n"),
    "nokind": ("kind is missing: 1 of 2 (line 3)", "x,ann,tea,,,\n"),
    "time": ("time is no time, such as 'yesterday'", "x,ann,tea,click,,yesterday\n"),
    "old": ("time is outside the years 1970 to 9999, such as '-5'", "x,ann,tea,click,,-5\n"),
    "ahead": ("time is more than a day in the future, such as '2999-01-01'", "x,ann,tea,click,,2999-01-01\n"),
    "ms": ("time_unit='ms' counts them in smaller units", "x,ann,tea,click,,1710160200000\n"),
    "long": ("user has more than 512 bytes of UTF-8", f"x,{'é' * 257},tea,click,,\n"),
    "conflict": ("event_id is the id of another event, with other content, such as 'a'", "a,ann,tea,rating,5,\n"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_told_with_its_line_and_nothing_is_written(load, store, case):
    said, line = FAULTS[case]
    with pytest.raises(DataError) as caught:
        load(HEAD + GOOD + line)
    assert said in str(caught.value)
    assert caught.value.rows == (3,)
    assert count(store) == 0


def test_all_faults_are_told_at_once_and_left_out_where_that_is_said(load, store, ns):
    text = HEAD + GOOD + "\n" + "b,,tea,click,,\nc,bob,tea,viewed,,x\nd,bob,tea,click,,5\n"
    with pytest.raises(DataError, match=r"user is missing: 1 of 4 \(line 4\)") as caught:
        load(text)
    assert "'viewed': 1 of 4 (line 5)" in str(caught.value)
    assert "time is no time, such as 'x': 1 of 4 (line 5)" in str(caught.value)
    assert "rename=OLD=NEW takes a kind for another; new_kinds=True adds them" in str(caught.value)
    done = load(text, skip_faulty=True)
    assert (done.events.new, sum(done.faulty.values())) == (2, 2)
    assert [event.event_id for event in log(store, ns)] == ["a", "d"]


UNDOS = {
    "withdraws is missing in an undo": {"kind": "undo"},
    "item stands in an undo, which has withdraws": {"kind": "undo", "withdraws": "a", "item": "tea"},
    "withdraws stands in an event that is no undo": {"kind": "click", "withdraws": "a", "item": "tea"},
    "withdraws is no event of this user above it in the file, or in the store, such as 'b'": {
        "kind": "undo",
        "withdraws": "b",
    },
    "place needs the list_id of the list that it is in": {"kind": "click", "item": "tea", "place": 3},
    "place is no place from 1": {"kind": "click", "item": "tea", "place": 0.5, "list_id": "0" * 32},
    "list_id is not 32 hexadecimal digits": {"kind": "click", "item": "tea", "list_id": "XYZ"},
}


@pytest.mark.parametrize("said", UNDOS)
def test_faults_of_undos_and_places(load, store, said):
    rows = [{"event_id": "a", "user": "ann", "item": "tea", "kind": "click"}, {"user": "ann", **UNDOS[said]}]
    with pytest.raises(DataError) as caught:
        load("\n".join(map(json.dumps, rows)), "events.jsonl")
    assert f"{said}" in str(caught.value)
    assert count(store) == 0


def test_an_undo_of_somebody_elses_event_is_refused(load, store, ns):
    feedback.add(store, ns, [Event("bob", "tea", "click", event_id="b")])
    with pytest.raises(DataError, match="withdraws is no event of this user"):
        load('{"user": "ann", "kind": "undo", "item": null, "withdraws": "b"}', "events.jsonl")
    assert load('{"user": "bob", "kind": "undo", "item": null, "withdraws": "b"}', "events.jsonl").events.new == 1


THINGS = {
    "user is missing: 1 of 2 (line 3)": "ann,31,false\n,3,false\n",
    "user stands twice, such as 'ann': 1 of 2 (line 3)": "ann,31,false\nann,3,false\n",
    "hidden is neither true nor false, such as 'maybe'": "ann,31,maybe\nbob,3,false\n",
}


@pytest.mark.parametrize("said", THINGS)
def test_faults_of_users_are_told_with_their_lines(load, store, said):
    with pytest.raises(DataError) as caught:
        load(f"user_id,age,hidden\n{THINGS[said]}", "users.csv")
    assert said in str(caught.value)
    assert count(store, user_rows) == 0


ATTRIBUTES = {
    "attributes are no JSON object": ('"[1]"', '"{"'),
    "attributes are refused: attribute 'a' must be a finite number, text, true, false or a list of texts": (
        '"{""a"": {""b"": 1}}"',
        '"{""a"": [1]}"',
    ),
}


@pytest.mark.parametrize("said", ATTRIBUTES)
def test_faults_of_attributes_are_told_together(load, said):
    first, second = ATTRIBUTES[said]
    with pytest.raises(DataError) as caught:
        load(f"item_id,attributes\n1,{first}\n2,{second}\n3,{{}}\n", "items.csv")
    assert f"{said}: 2 of 3 (lines 2, 3)" in str(caught.value)


def test_columns_that_cannot_be_what_they_are_named(load, tmp_path):
    with pytest.raises(DataError, match=r"'user' must be one value a row .*line 2"):
        load('{"user": "a", "item": "b", "kind": "click"}\n{"user": ["a"], "item": "b", "kind": "click"}', "e.jsonl")
    pl.DataFrame({"user": ["a"], "item": [["b"]], "kind": ["click"]}).write_parquet(tmp_path / "lists.parquet")
    with pytest.raises(DataError, match=r"column 'item' has type List\(String\); ids and words are text or whole"):
        load((tmp_path / "lists.parquet").read_bytes(), "e.parquet")
    pl.DataFrame({"user": ["a"], "item": ["b"], "kind": ["click"], "time": [True]}).write_parquet(
        tmp_path / "t.parquet"
    )
    with pytest.raises(DataError, match="column 'time' has type Boolean; times are numbers, dates or ISO text"):
        load((tmp_path / "t.parquet").read_bytes(), "e.parquet")
    pl.DataFrame({"user": ["a"], "item": ["b"], "kind": ["click"], "value": ["b"]}).with_columns(
        value=pl.col("value").cast(pl.Binary)
    ).write_parquet(tmp_path / "v.parquet")
    with pytest.raises(DataError, match="column 'value' has type Binary; values are numbers"):
        load((tmp_path / "v.parquet").read_bytes(), "e.parquet")
    pl.DataFrame({"user": [1.5, 2.0], "item": ["b", "c"], "kind": "click"}).write_parquet(tmp_path / "f.parquet")
    with pytest.raises(DataError, match=r"user is no id, such as 1.5: 1 of 2 \(row 0\)"):
        load((tmp_path / "f.parquet").read_bytes(), "e.parquet")
    pl.DataFrame({"item_id": [1], "raw": [b"x"]}).write_parquet(tmp_path / "i.parquet")
    with pytest.raises(DataError, match="column 'raw' holds neither numbers, texts, truth, times nor lists of texts"):
        load((tmp_path / "i.parquet").read_bytes(), "i.parquet")


def test_files_that_cannot_be_told_or_read(load, store, ns, tmp_path):
    with pytest.raises(DataError, match="cannot be told to be users, items or events: say which with kind='items'"):
        load('{"code": 1, "title": "Tea"}', "t.jsonl")
    with pytest.raises(DataError, match="cannot tell which column holds the user and item id"):
        load("sku_code,title\n1,Tea\n", "t.csv")
    with pytest.raises(DataError, match=r"item has the character NUL, such as .*: 1 of 1 \(line 1\)"):
        load(r'{"user": "ann", "item": "te\u0000a", "kind": "click"}', "t.jsonl")
    with pytest.raises(DataError, match="two columns have one name: user, user"):
        load("user,user,item,kind\n1,2,3,click\n", "t.csv")
    with pytest.raises(DataError, match="has several columns that may be the kind: 'event', 'action'"):
        load("user,item,event,action\n1,2,click,click\n", "t.csv")
    with pytest.raises(DataError, match="has no column 'buyer'; it has 'user', 'item', 'kind'"):
        load('{"user": 1, "item": 2, "kind": "click"}', "t.jsonl", columns={"user": "buyer"})
    with pytest.raises(DataError, match="has no column of items; it has 'user', 'kind'"):
        load("user,kind\n1,click\n", "t.csv", kind="events")
    with pytest.raises(DataError, match=r"no data at '.*nowhere.csv': give ml-100k, a file"):
        import_into(store, ns, tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match="line 2 is no JSON: NaN is no number in JSON"):
        load('{"user": 1, "item": 2, "kind": "click"}\n{"user": NaN}\n', "t.jsonl")
    with pytest.raises(DataError, match="is no whole Parquet file"):
        load(b"PAR1 and no more of it", "t.parquet")
    with pytest.raises(ParameterError, match="kind must be 'users', 'items' or 'events', got 'lists'"):
        load("user,item\n1,2\n", "t.csv", kind="lists")
    (tmp_path / "two").mkdir()
    for name in ("events.csv", "feedback.jsonl"):
        (tmp_path / "two" / name).write_text("")
    with pytest.raises(DataError, match=r"has events.csv and feedback.jsonl: leave one of them there"):
        import_into(store, ns, tmp_path / "two")


# -- each row once --------------------------------------------------------------------------------------------------


def test_rows_with_ids_count_once_in_a_file_and_in_two(load, store, ns):
    text = HEAD + GOOD + GOOD + "b,ann,tea,click,,5\n"
    done = load(text)
    assert (done.events.new, done.events.known) == (2, 1)
    assert log(store, ns)[0] == Event("ann", "tea", "rating", 4.0, 1_710_160_200_000_000, "a")
    done = load(text)
    assert (done.events.new, done.events.known) == (0, 3)


def test_the_same_id_with_other_content_than_in_the_store_is_told(load, store, ns):
    feedback.add(store, ns, [Event("ann", "tea", "rating", 3, event_id="a")])
    with pytest.raises(
        DataError, match=r"is the id of another event, with other content, such as 'a': 1 of 1 \(line 2\)"
    ):
        load(HEAD + GOOD)
    done = load(HEAD + GOOD + "b,ann,tea,click,,\n", skip_faulty=True)
    assert (done.events.new, done.faulty) == (1, {"event_id is the id of another event, with other content": 1})


def test_rows_without_ids_count_once_also_in_a_file_that_has_grown(load, store, ns):
    rows = ["ann,tea,click,5\n", "ann,tea,click,5\n", "bob,tea,click,\n"]
    assert load(f"user,item,kind,time\n{''.join(rows)}").events.new == 3  # two equal rows are two events
    assert load(f"user,item,kind,time\n{''.join(rows)}").events.known == 3
    done = load(f"user,item,kind,time\n{''.join(reversed(rows))}ann,milk,click,6\n")
    assert (done.events.new, done.events.known) == (1, 3)
    assert len({event.event_id for event in log(store, ns)}) == 4


def test_what_a_visitor_did_is_the_accounts(load, store, ns):
    feedback.merge(store, ns, "visitor", "ann")
    text = HEAD + "a,visitor,tea,click,,5\n"
    assert load(text).events.new == 1
    assert load(text).events.known == 1
    assert log(store, ns)[0].user == "ann"


def test_things_are_new_changed_or_known_and_what_is_newer_stays(load, store, ns):
    text = 'item_id,title,year,tags\n1,Tea,1999,"a|b"\n2,Milk,,"b|c"\n3,"Bread, rye",2001,"a|c"\n'
    assert vars(load(text, "items.csv").items) == {"new": 3, "changed": 0, "known": 0, "forgotten": 0}
    with store.read() as connection:
        assert items.get(connection, ns, ["1"])["1"].attributes == {"title": "Tea", "year": 1999, "tags": ["a", "b"]}
        before = connection.exec_driver_sql("SELECT catalogue FROM namespaces").scalar_one()
    assert load(text, "items.csv").items.known == 3
    assert load(text.replace("Milk", "Oat milk"), "items.csv").items.changed == 1
    old = "item_id,title,updated\n1,Old tea,2001-01-01\n"
    assert load(old, "items.csv").items.known == 1
    with store.read() as connection:
        assert items.get(connection, ns, ["1"])["1"].attributes["title"] == "Tea"
        assert [item.id for item in items.search(connection, ns, "oat")] == ["2"]
        after = connection.exec_driver_sql("SELECT catalogue FROM namespaces").scalar_one()
    assert after == before + 1  # one change, and nothing where nothing changed


def test_chunks_commit_as_wholes_and_an_import_that_was_stopped_goes_on(load, store, monkeypatch):
    monkeypatch.setattr(writing, "CHUNK", 3)
    text = "user,item,kind,time\n" + "".join(f"u{k % 4},i{k},click,{k}\n" for k in range(10))
    seen = []

    def stop(step):
        seen.append((step.stage, step.step, step.total))
        if step.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(text, progress=stop)
    assert seen == [("events", 1, 4), ("events", 2, 4)]
    assert count(store) == 6
    done = load(text)
    assert (done.events.new, done.events.known) == (4, 6)


def test_what_others_write_meanwhile_is_seen(load, store, ns, monkeypatch):
    monkeypatch.setattr(writing, "CHUNK", 1)

    def also(step):
        if step.step == 1:
            feedback.add(store, ns, [Event("bob", "tea", "click", time=9_000_000, event_id="b")])

    text = HEAD + "a,ann,tea,click,,8\nb,bob,tea,click,,9\n"
    done = load(text, progress=also)
    assert (done.events.new, done.events.known) == (1, 1)

    def other(step):
        if step.step == 1:
            feedback.add(store, ns, [Event("bob", "tea", "click", time=9_000_000, event_id="d")])

    with pytest.raises(ConflictError, match="event 'd' was written by somebody else since the file was checked"):
        load(HEAD + "c,ann,tea,click,,8\nd,bob,milk,click,,9\n", progress=other)


def test_a_store_that_cannot_be_written_takes_nothing_of_a_chunk(load, store, monkeypatch):
    def full(*_):
        raise UnavailableError("the disk is full", subject="store")

    monkeypatch.setattr(writing, "raise_users", full)
    with pytest.raises(UnavailableError):
        load(HEAD + GOOD)
    assert count(store) == 0


def test_counters_and_the_newest_event_of_users_rise(load, store, ns):
    load(HEAD + GOOD + "b,ann,milk,click,,\nc,bob,tea,click,,\n")
    counters = store.counters(ns, ["ann", "bob"])
    assert counters.users == {"ann": (1, 2), "bob": (1, 3)}
    users.upsert(store, ns, [Thing("ann", {"age": 3})])
    load("user_id,age\nann,4\n", "users.csv")
    assert store.counters(ns, ["ann"]).users["ann"][0] == 3


# -- those who were forgotten ---------------------------------------------------------------------------------------


def test_older_rows_of_somebody_forgotten_are_left_out_and_counted(load, store, ns):
    digest = tombstone(store.secret, ns, "user", "ann")
    with store.write() as connection:
        tombstones.bury(connection, ns, [tombstones.Tombstone(ns.name, "user", digest, now())])
    later = datetime.fromtimestamp(now() // 1_000_000 + 3600, UTC).isoformat()
    rows = ["a,ann,tea,rating,4,5,", "b,ann,tea,click,,,", "c,bob,tea,click,,5,", f"d,ann,,undo,,{later},a"]
    text = "\n".join(["event_id,user,item,kind,value,time,withdraws", *rows])
    done = load(text)
    assert (done.events.new, done.events.known, done.events.forgotten) == (1, 0, 3)
    assert [event.user for event in log(store, ns)] == ["bob"]
    done = load("user_id,age,updated\nann,31,2020-01-01\nbob,9,\ncy,9,2001-01-01\n", "users.csv")
    assert vars(done.users) == {"new": 1, "changed": 1, "known": 0, "forgotten": 1}
    assert load(f"user_id,age,updated\nann,31,{later}\n", "users.csv").users.new == 1  # somebody new of this id
    assert load(f"user,item,kind,time\nann,tea,click,{later}\n").events.new == 1


# -- kinds, times, columns ------------------------------------------------------------------------------------------


def test_kinds_can_be_renamed_and_added(load, store, ns):
    text = "visitorid,itemid,event,timestamp\n1,2,view,5\n1,3,addtocart,6\n1,3,transaction,7\n"
    done = load(text, rename={"transaction": "purchase", "view": "impression"}, new_kinds=True)
    assert done.new_kinds == ("addtocart",)
    assert [event.kind for event in log(store, ns)] == ["impression", "addtocart", "purchase"]


def test_rows_that_name_no_kind_are_ratings_or_clicks(load, store, ns):
    assert load("user,item,rating,time\n1,2,4.5,5\n1,2,3,6\n", "ratings.csv").events.new == 2  # repeats are events
    assert load("user,item,time\n1,2,5\n", "clicks.csv").events.new == 1
    assert load("user,item\n1,3\n", "bought.csv", event_kind="purchase").events.new == 1
    assert [(e.kind, e.value) for e in log(store, ns)] == [
        *(("rating", 4.5), ("rating", 3.0), ("click", None), ("purchase", None)),
    ]


def test_files_of_ratings_without_a_header_are_read_as_everywhere(load, store, ns):
    assert load("1\t2\t4\t881250949\n1\t3\t5\t881250949\n", "u.data").events.new == 2
    assert load("1::5::4::978300760\n2::5::3::978300760\n", "ratings.dat").events.new == 2
    assert [event.item for event in log(store, ns)] == ["2", "3", "5", "5"]


TIMES = {
    "1710160200": 1_710_160_200_000_000,
    "1710160200.25": 1_710_160_200_250_000,
    "2024-03-11": 1_710_115_200_000_000,
    "2024-03-11 12:30:00": 1_710_160_200_000_000,
    "2024-03-11T12:30:00.123456": 1_710_160_200_123_456,
    "2024-03-11T14:30:00+02:00": 1_710_160_200_000_000,
}


def test_times_are_read_in_all_usual_ways(load, store, ns):
    load(HEAD + "".join(f"{k},ann,tea,click,,{text}\n" for k, text in enumerate(TIMES)))
    assert [event.time for event in log(store, ns)] == list(TIMES.values())


@pytest.mark.parametrize(("unit", "number"), [("ms", 1_710_160_200_123), ("ns", 1_710_160_200_123_000_000)])
def test_times_count_the_unit_that_is_said(load, store, ns, unit, number):
    load(HEAD + f"a,ann,tea,click,,{number}\n", time_unit=unit)
    assert log(store, ns)[0].time == 1_710_160_200_123_000


def test_typed_tables_and_ids_of_numbers_are_read(load, store, ns, tmp_path):
    moment = datetime(2024, 3, 11, 12, 30, tzinfo=UTC)
    frame = pl.DataFrame({"user": [7.0, 8.0], "item": [1, 2], "kind": ["click"] * 2, "time": [moment, None]})
    frame.with_columns(pl.col("kind").cast(pl.Categorical)).write_parquet(tmp_path / "typed.parquet")
    load((tmp_path / "typed.parquet").read_bytes(), "e.parquet")
    found = log(store, ns)
    assert [(e.user, e.item) for e in found] == [("7", "1"), ("8", "2")]
    assert found[0].time == 1_710_160_200_000_000
    table = pl.DataFrame({"item_id": [1], "day": [moment.date()], "at": [moment], "price": ["2.50"], "none": [None]})
    table.with_columns(pl.col("price").cast(pl.Decimal(6, 2))).write_parquet(tmp_path / "items.parquet")
    load((tmp_path / "items.parquet").read_bytes(), "items.parquet")
    with store.read() as connection:
        known = items.get(connection, ns, ["1"])["1"].attributes
    assert known == {"day": "2024-03-11", "at": "2024-03-11T12:30:00+00:00", "price": 2.5}


def test_ids_of_a_namespace_of_integers_are_written_in_one_way(store, tmp_path):
    numbers = store.create_namespace("numbers", "integer")
    (tmp_path / "e.csv").write_text("user,item,kind\n007,1,click\n")
    with pytest.raises(DataError, match=r"user is no whole number written without leading zeros.*'007'"):
        import_into(store, numbers, tmp_path / "e.csv")


def test_json_lines_may_have_numbers_and_truth(load, store, ns):
    load('{"user": 7, "item": "tea", "kind": "click", "value": 1.5, "time": 5, "source": true}', "e.jsonl")
    assert log(store, ns)[0] == Event("7", "tea", "click", 1.5, 5_000_000, log(store, ns)[0].event_id, "true")
    load('{"item_id": "tea", "title": "Tea", "tags": ["a"], "new": true}\n{"item_id": "milk"}', "items.jsonl")
    with store.read() as connection:
        assert items.get(connection, ns, ["tea"])["tea"].attributes == {"title": "Tea", "tags": ["a"], "new": True}


def test_standard_input_is_a_file_too(store, ns, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((HEAD + GOOD).encode())))
    assert import_into(store, ns, "-").events.new == 1


def test_chunks_of_things_are_small_too(load, monkeypatch):
    monkeypatch.setattr(thing_writing, "CHUNK", 2)
    text = "user_id,merged_into\nann,\nv1,ann\nv2,ann\n"
    assert load(text, "users.csv").users.new == 3


def test_columns_that_are_not_read_are_told(load, caplog):
    load("customer,sku,what_they_did,at\n1,2,buy,1998-04-23T00:00:00Z\n")
    assert "events.csv: not read: what_they_did, at; " in caplog.text
    caplog.clear()
    load("user,item,time\n1,2,1998-04-23T00:00:00Z\n")
    assert caplog.text == ""
