"""Tables of Spark and pandas, and folders of MovieLens: one command, repeatable, with counts."""

from __future__ import annotations

import json
from datetime import date, datetime

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from store.test_import import log

from palate.errors import DataError, ParameterError
from palate.store import import_table, items, open_store, users
from palate.store.bulk.importing import import_into

ROWS = {
    "user": ["ann", "bob", "ann", "eve"],
    "item": ["tea", "tea", "milk", "tea"],
    "kind": ["click", "purchase", "click", "click"],
    "time": [datetime(2026, 11, 1, 8), datetime(2026, 11, 1, 9), datetime(2026, 11, 2), datetime(2026, 11, 2, 1)],
}
FRAME = pl.DataFrame(ROWS)


@pytest.fixture
def store(sqlite_url):
    """A fresh store; what both databases do alike is tried in one."""
    with open_store(sqlite_url) as opened:
        yield opened


def said(store, ns):
    return [(e.user, e.item, e.kind, e.time) for e in log(store, ns)]


def written(folder, form="parquet", by=None, done=True):
    """Write the rows as Spark does, two a part, or a folder for each value of a column."""
    parts = (
        [(folder, part) for part in FRAME.iter_slices(2)]
        if by is None
        else [(folder / f"{by}={value}", part.drop(by)) for (value,), part in FRAME.group_by(by, maintain_order=True)]
    )
    for number, (place, part) in enumerate(parts):
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"part-{number:05d}-1f2e-c000.{'snappy.' if form == 'parquet' else ''}{form}"
        {"parquet": part.write_parquet, "csv": part.write_csv, "json": part.write_ndjson}[form](path)
        (place / f".{path.name}.crc").write_bytes(b"crc")
    if form == "csv":
        (folder / "part-00009-1f2e-c000.csv").touch()  # a partition without rows
    if done:
        (folder / "_SUCCESS").touch()
    return folder


@pytest.mark.parametrize("form", ["parquet", "csv", "json"])
def test_a_table_in_parts_is_one_table(store, ns, tmp_path, form):
    folder = written(tmp_path / "clicks", form)
    done = import_into(store, ns, folder)
    assert (done.events.new, done.events.known, done.notes) == (4, 0, ())
    assert [row[:3] for row in said(store, ns)] == list(zip(*list(ROWS.values())[:3], strict=True))
    assert [row[3] for row in said(store, ns)] == FRAME["time"].dt.epoch("us").to_list()
    again = import_into(store, ns, folder)
    assert (again.events.new, again.events.known) == (0, 4)


@pytest.mark.parametrize("form", ["parquet", "csv", "json"])
def test_columns_in_the_names_of_folders(store, ns, tmp_path, form):
    done = import_into(store, ns, written(tmp_path / "clicks", form, by="kind"))
    assert done.events.new == 4
    times = FRAME["time"].dt.epoch("us")
    assert sorted(said(store, ns)) == sorted(FRAME.with_columns(times).rows())
    whole = import_into(store, ns, written(tmp_path / "whole", form))  # the same rows, otherwise divided
    assert (whole.events.new, whole.events.known) == (0, 4)


def test_values_in_names_of_folders_are_quoted_and_may_be_null(store, ns, tmp_path):
    for name in ("title=Green%20tea%2F1", "title=__HIVE_DEFAULT_PARTITION__"):
        place = tmp_path / "items.parquet" / name
        place.mkdir(parents=True)
        pl.DataFrame({"item_id": [name[-1]], "price": [2.5]}).write_parquet(place / "part-0.parquet")
    done = import_into(store, ns, tmp_path)  # a folder with a table of items
    assert (done.items.new, done.events.new) == (2, 0)
    with store.read() as connection:
        found = items.get(connection, ns, ["1", "_"])
    assert [found[one].attributes for one in ("1", "_")] == [{"title": "Green tea/1", "price": 2.5}, {"price": 2.5}]


def test_a_folder_of_tables_in_parts(store, ns, tmp_path):
    written(tmp_path / "events.parquet")
    for name, column in (("users", "user_id"), ("items", "item_id")):
        (tmp_path / name).mkdir()
        pl.DataFrame({column: ["ann", "tea"], "age": [3, 4]}).write_csv(tmp_path / name / "part-0.csv")
    done = import_into(store, ns, tmp_path)
    assert (done.users.new, done.items.new, done.events.new) == (2, 2, 4)


def test_a_column_that_came_later_is_missing_before(store, ns, tmp_path):
    folder = tmp_path / "table"
    folder.mkdir()
    for number, more in enumerate(({}, {"value": [3.0]})):
        row = {"user": [f"u{number}"], "item": ["tea"], "kind": ["click"], **more}
        pl.DataFrame(row).write_parquet(folder / f"part-{number}.parquet")
    done = import_into(store, ns, folder)
    assert [event.value for event in log(store, ns)] == [None, 3.0]
    assert done.notes == (f"{folder} has no file _SUCCESS, so it is not known whether all of it is there",)


def test_faults_are_told_with_the_file(store, ns, tmp_path):
    folder = written(tmp_path / "clicks", "csv")
    (folder / "part-00005.csv").write_text("user,item,kind,time\nann,tea,click,\n,tea,click,\nann,tea,clack,\n")
    with pytest.raises(DataError) as caught:
        import_into(store, ns, folder)
    assert f"user is missing: 1 of 7 (line 3 of {folder}/part-00005.csv)" in str(caught.value)
    assert "kind is no event kind of this namespace" in str(caught.value)
    assert log(store, ns) == []
    done = import_into(store, ns, folder, skip_faulty=True)
    assert done.events.new == 5
    assert sum(done.faulty.values()) == 2


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"part-0.parquet": b"", "_delta_log/0.json": b"{}"}, "is a table of Delta, some of whose files no longer"),
        ({"part-0.csv": b"", "metadata/v1.metadata.json": b"{}"}, "is a table of Iceberg"),
        ({"part-0.csv": b"", ".hoodie/hoodie.properties": b""}, "is a table of Hudi"),
        ({"_temporary/0/part-0.csv": b"", "part-1.csv": b""}, "is not finished: it has a folder _temporary"),
        ({"_SUCCESS": b""}, "holds no file of .parquet, .csv"),
        ({"_SUCCESS": b"", "part-0.orc": b"ORC"}, "has parts .orc: all must be of one kind among .parquet"),
        ({"part-0.csv": b"user,item\n", "part-1.json": b"{}"}, "has parts .csv, .json: all must be of one kind"),
        (
            {"part-0.csv": b"user,item\na,b\n", "part-1.csv": b"c,d\ne,f\n"},
            r"part-1.csv has the columns 'c', 'd', and .*part-0.csv 'user', 'item': write all with .option\(\"header\"",
        ),
        ({"part-0.csv": b"a,b\nc,d\n"}, "cannot be told to be users, items or events"),
        ({"part-0.parquet": b"PAR1 and no more"}, "part-0.parquet is no whole Parquet file"),
    ],
)
def test_what_is_no_table_in_parts(store, ns, tmp_path, files, words):
    for name, content in files.items():
        path = tmp_path / "table" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        import_into(store, ns, tmp_path / "table")


def test_parts_of_other_types_are_refused(store, ns, tmp_path):
    folder = tmp_path / "table"
    folder.mkdir()
    for number, value in enumerate((1.0, [1.0])):
        pl.DataFrame({"user": ["a"], "item": ["b"], "value": [value]}).write_parquet(folder / f"part-{number}.parquet")
    with pytest.raises(DataError, match=r"has parts whose columns have other types: .*; write it with one schema"):
        import_into(store, ns, folder)


# -- tables in memory -----------------------------------------------------------------------------------------------

SPARK = type("DataFrame", (), {"__module__": "pyspark.sql.dataframe", "toPandas": lambda _: FRAME.to_pandas()})
SPARK_4 = type(
    "DataFrame", (SPARK,), {"__module__": "pyspark.sql.classic.dataframe", "toArrow": lambda _: FRAME.to_arrow()}
)


@pytest.mark.parametrize(
    "table",
    [FRAME, FRAME.lazy(), FRAME.to_pandas(), FRAME.to_arrow(), SPARK(), SPARK_4()],
    ids=["polars", "lazy", "pandas", "arrow", "spark", "spark 4"],
)
def test_a_table_in_memory_is_what_a_file_of_it_is(store, ns, tmp_path, table):
    done = import_table(store, ns, table)
    assert (done.events.new, done.events.known) == (4, 0)
    again = import_table(store, ns, table)
    assert (again.events.new, again.events.known) == (0, 4)
    FRAME.write_parquet(tmp_path / "events.parquet")
    assert import_into(store, ns, tmp_path / "events.parquet").events.known == 4


def test_tables_of_users_and_items_and_options(store, ns):
    assert import_table(store, ns, pd.DataFrame({"user_id": ["ann"], "joined": [date(2026, 1, 2)]})).users.new == 1
    goods = pd.DataFrame({"id": ["tea"], "genres": ["a|b"], "rating": [pd.NA]})
    assert import_table(store, ns, goods, kind="items").items.new == 1
    named = pa.table({"who": ["ann"], "what": ["tea"], "stars": [5.0], "at": [1_700_000_000_000]})
    columns = {"user": "who", "item": "what", "value": "stars", "time": "at"}
    assert import_table(store, ns, named, kind="events", columns=columns, time_unit="ms").events.new == 1
    with store.read() as connection:
        assert users.get(connection, ns, ["ann"])["ann"].attributes == {"joined": "2026-01-02"}
        assert items.get(connection, ns, ["tea"])["tea"].attributes == {"genres": ["a", "b"]}
    assert (log(store, ns)[0].kind, log(store, ns)[0].time) == ("rating", 1_700_000_000_000_000)


def test_faults_of_a_table_are_told_with_rows_and_nothing_is_written(store, ns):
    with pytest.raises(DataError, match=r"the table has faults:\n  item is missing: 1 of 4 \(row 2\)"):
        import_table(store, ns, FRAME.with_columns(item=pl.Series(["tea", "tea", None, "tea"])))
    assert log(store, ns) == []
    for table, words in (([1, 2], "cannot read a table|is no table|has the columns"), (None, "NoneType is no table")):
        with pytest.raises(DataError, match=words):
            import_table(store, ns, table)
    with pytest.raises(ParameterError, match="a table in memory has no option 'header'"):
        import_table(store, ns, FRAME, header=False)
    with pytest.raises(ParameterError, match="kind must be 'users', 'items' or 'events'"):
        import_table(store, ns, FRAME, kind="lists")


def test_the_index_of_pandas_is_left_out_and_that_is_said(store, ns, tmp_path):
    goods = pd.DataFrame({"item_id": ["tea", "milk"], "price": [2, 1]}, index=[5, 7])
    goods.to_parquet(tmp_path / "items.parquet")
    goods.to_csv(tmp_path / "items.csv")
    for name in ("items.parquet", "items.csv"):
        done = import_into(store, ns, tmp_path / name)
        assert "it is the index of pandas" in done.notes[0]
    assert (done.items.new, done.items.known) == (0, 2)
    with store.read() as connection:
        assert items.get(connection, ns, ["tea"])["tea"].attributes == {"price": 2}


# -- MovieLens ------------------------------------------------------------------------------------------------------

RATED = [(1, 10, 5, 978300760), (1, 20, 3, 978302109), (2, 10, 4, 978301968)]
MOVIES = [
    (10, "Toy Story (1995)", "Animation|Comedy"),
    (20, "Jumanji (1995)", "Adventure"),
    (30, "Heat (1995)", "Crime"),
]


def movielens(folder, size):
    folder.mkdir()
    if size == "latest":
        rows = "".join(f"{u},{i},{v}.0,{t}\n" for u, i, v, t in RATED)
        (folder / "ratings.csv").write_text(f"userId,movieId,rating,timestamp\n{rows}")
        rows = "".join(f"{i},{title},{genres}\n" for i, title, genres in MOVIES)
        (folder / "movies.csv").write_text(f"movieId,title,genres\n{rows}")
        return folder
    (folder / "ratings.dat").write_text("".join(f"{u}::{i}::{v}::{t}\n" for u, i, v, t in RATED))
    (folder / "movies.dat").write_text("".join(f"{i}::{title}::{genres}\n" for i, title, genres in MOVIES))
    if size == "1m":
        (folder / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n")
    return folder


@pytest.mark.parametrize("size", ["1m", "10m", "latest"])
def test_a_folder_of_movielens(store, ns, tmp_path, size):
    folder = movielens(tmp_path / "ml", size)
    done = import_into(store, ns, folder)
    n_users = 2 if size == "1m" else 0  # of the others nothing is known beside ratings
    assert (done.users.new, done.items.new, done.events.new) == (n_users, 3, 3)
    again = import_into(store, ns, folder)
    assert (again.users.known, again.items.known, again.events.known) == (n_users, 3, 3)
    assert (again.users.new, again.items.new, again.events.new, again.items.changed) == (0, 0, 0, 0)
    first = log(store, ns)[0]
    assert (first.user, first.item, first.kind, first.value, first.time) == ("1", "10", "rating", 5, 978300760_000_000)
    with store.read() as connection:
        heat = items.get(connection, ns, ["30"])["30"]  # nobody rated it
        ann = users.get(connection, ns, ["1"])["1"]
    assert heat.attributes == {"title": "Heat (1995)", "year": 1995, "genres": ["Crime"]}
    assert ann.attributes.get("age_group") == ("under 18" if size == "1m" else None)


@pytest.mark.long
def test_all_of_movielens_100k(store, ns):
    done = import_into(store, ns, "ml-100k")
    assert (done.users.new, done.items.new, done.events.new) == (943, 1682, 100_000)
    again = import_into(store, ns, "ml-100k")
    assert (again.users.known, again.items.known, again.events.known) == (943, 1682, 100_000)
    with store.read() as connection:
        film = items.get(connection, ns, ["1"])["1"].attributes
    assert json.loads(json.dumps(film))["genres"] == ["Animation", "Children's", "Comedy"]
