import gzip
import logging
import tempfile

import polars as pl
import pytest
import rating_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rating_files import HEADER, ROWS, packed, text_of, zstd

from palate import read_ratings
from palate.errors import DataError

write = rating_files.write

# -- formats --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", ["", ".gz", ".zst"])
@pytest.mark.parametrize("header", [HEADER, None], ids=["header", "no header"])
@pytest.mark.parametrize(
    ("name", "separator"),
    [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t"), ("a.dat", "::"), ("a.dat", "|"), ("a", ";"), ("a.txt", " ")],
)
def test_separated_text(write, name, separator, header, pack):
    path = write(name + pack, packed(text_of(separator, header=header), pack))
    assert read_ratings(path).to_table().rows() == ROWS


@pytest.mark.parametrize("pack", ["", ".gz", ".zst"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.log"])
def test_json_lines(write, name, pack):
    frame = pl.DataFrame(ROWS, HEADER, orient="row").with_columns(title=pl.lit("x"), more=pl.lit([1, 2]))
    text = frame.write_ndjson()
    assert read_ratings(write(name + pack, packed(text, pack))).to_table().rows() == ROWS


@pytest.mark.parametrize("name", ["a.parquet", "a.pq", "nameless"])
def test_parquet(tmp_path, name):
    frame = pl.DataFrame(ROWS, HEADER, orient="row").with_columns(title=pl.lit("x"))
    frame.write_parquet(tmp_path / name)
    assert read_ratings(tmp_path / name).to_table().rows() == ROWS
    as_text = read_ratings(str(tmp_path / name), ids="text").to_table()
    assert as_text["user_id"].to_list() == ["1", "2", "1"]


def test_compression_is_told_by_the_first_bytes_where_the_name_says_nothing(write):
    assert len(read_ratings(write("log", gzip.compress(text_of(",").encode())))) == 3
    assert len(read_ratings(write("log2", zstd(text_of(","))))) == 3


def test_names_with_glob_signs_are_names(write):
    assert len(read_ratings(write("a[1]*.csv", text_of(",")))) == 3
    assert len(read_ratings(write("b[1]*.jsonl", '{"user": 1, "item": 2}\n'))) == 1
    path = write("c[1]*.parquet", "")
    pl.DataFrame(ROWS, HEADER, orient="row").write_parquet(path)
    assert len(read_ratings(path)) == 3


@pytest.mark.parametrize("separator", [",", "::"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252", "utf-8-sig"])
def test_other_encodings_lose_no_letter(write, encoding, separator):
    rows = (
        [("Zoë", "Café, très: ñ|", 4), ("ÿ", "Ærø", 2)] if separator == "::" else [("Zoë", "Café", 4), ("ÿ", "Ærø", 2)]
    )
    path = write("a.dat", text_of(separator, rows, ("user", "item", "rating")), encoding)
    assert [row[:3] for row in read_ratings(path, encoding=encoding).to_table().rows()] == rows


def test_rewritten_copies_are_removed_and_separators_at_chunk_ends_survive(write, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    rows = [(f"ü{k}", f"é{k}", k % 5) for k in range(60)]
    path = write("a.dat", text_of("::", rows, None), "latin-1")
    for size in (1, 2, 3, 7, 50):
        monkeypatch.setattr("palate.data.reading.raw.CHUNK", size)
        assert read_ratings(path, encoding="latin-1").to_table().rows() == rows
    bad = write("b.dat", text_of("::", [("a", "b", "x")], None))
    with pytest.raises(DataError, match="value cannot be read"):
        read_ratings(bad)
    assert not list((tmp_path / "temporary").iterdir())


def test_double_colon_text_may_hold_the_characters_that_stand_for_it(write):
    rows = [("a\x1fb", "c\x1ed", 3), ("e,f", 'g"h', 4)]
    assert read_ratings(write("a.dat", text_of("::", rows, None))).to_table().rows() == rows
    taken = [("".join("\x1f\x1e\x1d\x1c\x01"), "x", 1)]
    with pytest.raises(DataError, match=r"holds the control character \\x01 in line 1"):
        read_ratings(write("b.dat", text_of("::", taken, None)))
    with pytest.raises(DataError, match="every control character that could stand for '::'"):
        read_ratings(write("c.dat", text_of("::", taken, None)), encoding="latin-1")


# -- columns --------------------------------------------------------------------------------------------------------


def test_two_columns_are_clicks(write):
    data = read_ratings(write("a.csv", "7,8\n7,9\n"))
    assert data.to_table().rows() == [(7, 8, 1), (7, 9, 1)]
    assert data.times is None


def test_columns_given_by_name_or_position(write):
    path = write("a.csv", "when,stars,what,who\n5,4,x,u\n6,3,y,u\n")
    wanted = [("u", "x", 4, 5), ("u", "y", 3, 6)]
    by_name = {"user": "who", "item": "what", "value": "stars", "time": "when"}
    assert read_ratings(path, columns=by_name).to_table().rows() == wanted
    assert read_ratings(path, columns={"user": 3, "item": 2, "value": 1, "time": 0}).to_table().rows() == wanted
    bare = write("b.csv", "5,4,x,u\n6,3,y,u\n")
    assert read_ratings(bare, columns={"user": 3, "item": 2, "value": 1, "time": 0}).to_table().rows() == wanted
    assert read_ratings(bare, columns={"user": 3, "item": 2}).to_table().rows() == [("u", "x", 1), ("u", "y", 1)]
    json = write("c.jsonl", '{"who": 1, "what": 2}\n')
    assert read_ratings(json, columns={"user": "who", "item": "what"}).to_table().rows() == [(1, 2, 1)]


def test_further_columns_are_not_read(write):
    path = write("a.csv", 'title,user,genres,item\n"a, b",1,"x""y",2\nc,3,d,4\n')
    assert read_ratings(path).to_table().rows() == [(1, 2, 1), (3, 4, 1)]


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        (
            "kunde,artikel,note\n1,2,3\n",
            None,
            "cannot tell which column holds the user and item id; the table has 'kunde'",
        ),
        ("kunde,artikel\n1,2\n3,4\n", None, "cannot tell which column holds the user and item id"),
        ("user,thing,rating\n1,2,3\n", None, "cannot tell which column holds the item id"),
        ("user,item,score,stars\n1,2,3,4\n", None, "could all be the value"),
        ("user,item\n1,2\n", {"value": "x"}, "no column 'x'; the table has 'user', 'item'"),
        ("1,2,3\n4,5,6\n", {"user": "who", "item": 1}, r"has no header with 'who'.*from 0 to 2"),
        ("1,2,3\n4,5,6\n", {"user": 0, "item": 3}, r"has no header with 3"),
        ("1,2,3\n4,5,6\n", {"user": 0, "value": 1}, "needs the roles user and item"),
    ],
)
def test_columns_that_cannot_be_told(write, content, columns, message):
    with pytest.raises(DataError, match=message):
        read_ratings(write("a.csv", content), columns=columns)


# -- ids and types --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "kind", "kept"),
    [
        (["1", "-2", "30"], "integer", [-2, 1, 30]),
        (["007", "7", "8"], "text", ["007", "7", "8"]),
        (["7", "8", "007"], "text", ["007", "7", "8"]),
        (["1", "2", "x"], "text", ["1", "2", "x"]),
        (["1", "2", "9223372036854775808"], "text", ["1", "2", "9223372036854775808"]),
        (["1", "2.5", "3"], "text", ["1", "2.5", "3"]),
    ],
)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_ids_are_integers_where_all_are(write, ids, kind, kept, form):
    if form == "csv":
        path = write("a.csv", "item,user\n" + "".join(f"1,{i}\n" for i in ids))
    else:
        path = write("a.jsonl", "".join(f'{{"item": 1, "user": "{i}"}}\n' for i in ids))
        if kind == "integer":  # JSON says itself what is text
            kind, kept = "text", sorted(ids)
    data = read_ratings(path)
    assert data.users.kind == kind
    assert data.users.values.to_list() == kept


def test_ids_turn_to_text_when_later_rows_are_none_and_that_is_said(write, caplog):
    rows = [(k, k % 7) for k in range(20_000)] + [("A7", 3)]
    with caplog.at_level(logging.WARNING, "palate"):
        data = read_ratings(write("a.csv", text_of(",", rows, ("user", "item"))))
    assert data.users.kind == "text"
    assert data.items.kind == "integer"
    assert "user ids are kept as text, for not all are integers, such as 'A7'; ids='text' says that" in caplog.text


def test_json_values_may_change_their_type_after_many_rows(write, caplog):
    rows = "".join(f'{{"user": {k}, "item": {k % 7}, "rating": {k % 5}}}\n' for k in range(2_000))
    path = write("a.jsonl", rows + '{"user": "A7", "item": 3, "rating": "4.5"}\n')
    with caplog.at_level(logging.WARNING, "palate"):
        data = read_ratings(path)
    assert (data.users.kind, data.items.kind, data.values[-1]) == ("text", "integer", 4.5)
    assert "user ids are kept as text" in caplog.text


def test_ids_as_text_keep_every_digit(write):
    data = read_ratings(write("a.csv", "user,item\n1,+2\n3,4\n"), ids="text")
    assert data.to_table().rows() == [("1", "+2", 1), ("3", "4", 1)]


@pytest.mark.parametrize(
    "times", [["2020-01-01", "2020-01-02"], ["1577836800", "1577923200"], ["1577836800.0", "1577923200.5"]]
)
def test_times_as_seconds_fractions_or_dates(write, times):
    path = write("a.csv", "user,item,rating,date\n" + "".join(f"1,{k},2,{t}\n" for k, t in enumerate(times)))
    assert read_ratings(path).times.tolist() == [1577836800, 1577923200]


ID = st.one_of(st.integers(-(10**6), 10**6).map(str), st.text("aé0 9,;\"'#%\t", min_size=1, max_size=4))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.tuples(ID, ID, st.integers(1, 10)), min_size=1, max_size=8, unique_by=lambda r: r[:2]))
def test_what_was_written_as_csv_is_read(tmp_path, rows):
    if any(not field.strip() for row in rows for field in row[:2]):
        return
    frame = pl.DataFrame(rows, ["user", "item", "value"], orient="row")
    frame.write_csv(tmp_path / "a.csv")
    got = read_ratings(tmp_path / "a.csv", ids="text").to_table()
    assert got.rows() == [(u, i, float(v)) for u, i, v in rows]


# -- faults and their lines -----------------------------------------------------------------------------------------


def faults_in(path, **options):
    with pytest.raises(DataError) as caught:
        read_ratings(path, **options)
    return str(caught.value)


BAD = ["1,10,4", "", "1,20,five", ",30,3", "2,10,", "  ", "2,10,9", "", "1,10,2"]


@pytest.mark.parametrize("pack", ["", ".gz", ".zst"])
@pytest.mark.parametrize("separator", [",", "::", "\t"])
def test_all_faults_are_listed_with_the_true_lines_of_the_file(write, separator, pack):
    lines = ["", "user,item,rating", "", *BAD, "", ""]
    text = "\n".join(lines).replace(",", separator)
    name = {",": "a.csv", "::": "a.dat", "\t": "a.tsv"}[separator]
    message = faults_in(write(name + pack, packed(text, pack)), rating_range=(1, 5))
    for fault in (
        "user is missing: 1 of 6 (line 7)",
        "value is missing: 1 of 6 (line 8)",
        "value cannot be read, such as 'five': 1 of 6 (line 6)",
        "value is outside 1 to 5, such as 9: 1 of 6 (line 10)",
        "a user-item pair stands again: 1 of 6 (line 12)",
        "on_missing='drop'",
        "on_invalid='drop'",
        "on_duplicate='last'",
    ):
        assert fault in message


def test_lines_are_true_on_the_fast_path_too(write):
    text = "user,item,rating\n1,10,4\n\n1,20,\n1,10,3\n\n"
    message = faults_in(write("a.csv", text))
    assert "value is missing: 1 of 3 (line 4)" in message
    assert "stands again: 1 of 3 (line 5)" in message
    assert "user is missing: 1 of 3 (line 2)" in faults_in(write("b.csv", "1,2,3\n,,\n4,5,6\n"))
    assert "user is missing: 1 of 2 (line 2)" in faults_in(write("c.csv", "1,2,3\n,5,6\n"))


def test_lines_are_true_after_fields_that_hold_line_ends(write):
    text = 'title,user,item,rating\n"a\n\nb",1,1,4\nc,1,2,x\n\n"d\ne",1,1,3\n'
    message = faults_in(write("a.csv", text))
    assert "'x': 1 of 3 (line 5)" in message
    assert "stands again: 1 of 3 (line 7)" in message


def test_windows_line_ends_and_a_byte_order_mark(write):
    path = write("a.csv", b"\xef\xbb\xbf" + text_of(",", end="\r\n").encode() + b"\r\n")
    assert read_ratings(path).to_table().rows() == ROWS
    bare = write("b.csv", b"\xef\xbb\xbf" + text_of(",", header=None, end="\r\n").encode())
    assert read_ratings(bare).to_table().rows() == ROWS
    assert "'x': 1 of 2 (line 4)" in faults_in(write("c.csv", b"user,item,rating\r\n\r\n1,2,3\r\n1,3,x\r\n"))


def test_json_faults_have_the_lines_of_the_file(write):
    text = '{"user": 1, "item": 1, "rating": 3}\n\n{"user": 1, "item": 2, "rating": "x"}\n{"item": 3, "rating": 1}\n'
    message = faults_in(write("a.jsonl", text))
    assert "'x': 1 of 3 (line 3)" in message
    assert "user is missing: 1 of 3 (line 4)" in message


def test_parquet_faults_have_row_numbers(tmp_path):
    pl.DataFrame({"user": [1, None], "item": [1, 2]}).write_parquet(tmp_path / "a.parquet")
    assert "user is missing: 1 of 2 (row 1)" in faults_in(tmp_path / "a.parquet")


def test_faulty_rows_can_be_dropped_and_merged(write):
    path = write("a.csv", "user,item,rating\n" + "\n".join(BAD))
    data = read_ratings(path, rating_range=(1, 5), on_missing="drop", on_invalid="drop", on_duplicate="mean")
    assert data.to_table().rows() == [(1, 10, 3.0)]
    assert sum(data.dropped.values()) == 5
