import gzip
import logging
import tempfile

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palate import read_ratings
from palate.data.reading.ratings import read_table
from palate.errors import DataError, ParameterError

DAY = 1_260_759_144
ROWS = [(1, 10, 4.5, DAY), (2, 10, 3.0, DAY + 100), (1, 30, 0.5, DAY + 200)]
HEADER = ("userId", "movieId", "rating", "timestamp")


def text_of(separator, rows=ROWS, header=HEADER, end="\n"):
    return "".join(separator.join(map(str, row)) + end for row in ([header] if header else []) + list(rows))


@pytest.fixture
def write(tmp_path):
    def write(name, content, encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def zstd(text):
    """Polars writes the zstd that Python cannot."""
    buffer = pl.DataFrame({"line": text.splitlines()}).lazy()
    with tempfile.NamedTemporaryFile(suffix=".zst") as file:
        buffer.sink_csv(file.name, compression="zstd", include_header=False, quote_style="never", check_extension=False)
        return file.read()


def packed(text, how):
    return {"": text.encode, ".gz": lambda: gzip.compress(text.encode()), ".zst": lambda: zstd(text)}[how]()


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


# -- files that cannot be read --------------------------------------------------------------------------------------

CSV = b"user,item,rating\n1,2,3\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "a.csv is empty: there is no rating in it"),
        ("a.csv", b"\n \r\n", "a.csv is empty"),
        ("a.csv", b"user,item\n", "a.csv is empty"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), "a.csv.gz is empty"),
        ("a.csv", b"1\n2\n", r"has one column only, its first line is '1'.*separated by tab or ',' or ';' or '\|'"),
        ("a.tsv", b"1,2\n2,3\n", "has one column only.*separated by tab"),
        ("a.txt", b"hello\n", "has one column only, its first line is 'hello'"),
        ("a.csv", b"user,item\n1,caf\xe9\n", "is not UTF-8 in line 2; if it is Latin-1, say encoding='latin-1'"),
        ("a.csv", b"user,item\n" + b"1,2\n" * 30_000 + b"1,\xe9\n", "is not UTF-8 in line 30002; if it is Latin-1"),
        ("a.dat", b"1::2::3\n" * 30_000 + b"1::\xe9::1\n", "is not UTF-8 in line 30001; if it is Latin-1"),
        ("a.csv.gz", CSV, "is no whole gzip file"),
        ("a.csv.gz", gzip.compress(CSV, mtime=0)[:-9], "is no whole gzip file"),
        (
            "a.csv.gz",
            gzip.compress(b"".join(b"%d,2\n" % k for k in range(99_999)), mtime=0)[:99_999],
            "is no whole gzip file",
        ),
        ("a.csv.zst", b"\x28\xb5\x2f\xfd" + CSV, "is no whole zstd file"),
        ("a.csv.zst", zstd("1,2,3\n4,5,6\n")[:-6], "is no whole zstd file"),
        ("a.parquet", b"PAR1 broken PAR1", "is no whole Parquet file.*fetch or write it again"),
        ("a.parquet.gz", gzip.compress(b"PAR1", mtime=0), "Parquet is packed inside already"),
        ("a.jsonl", b'{"user": 1, "item": 2}\n\n{"user": 1,\n', "line 3 is no JSON: "),
        ("a.jsonl", b'{"user": 1, "item": 2}\n[1, 2]\n', "line 2 is no JSON object"),
        ("a.jsonl", b'{"user": 1, "item": 2, "rating": NaN}\n', "line 1 is no JSON: NaN is no number in JSON"),
        ("a.json", b'[{"user": 1}]', "is one JSON array; write one JSON object a line"),
        ("a.jsonl", b'{"x": 1, "y": 2}\n', "a.jsonl: cannot tell which column holds the user and item id"),
        ("a.csv", b"PK\x03\x04....", "is a zip archive"),
        ("a.bin", b"\x00\x01\x02\x03", "has an unknown format; known are csv"),
        ("a.csv", b"1,2\r3,4\r", "ends its lines in carriage returns alone"),
        (
            "a.csv",
            CSV + b"1,3,4,5\n2,2,2\n\n3,1,2,3,4,5\n",
            "line 3 has 4 fields, line 6 has 6 fields, the first line has 3",
        ),
        ("a.csv", CSV + b"1,3,4,true\n", "line 3 has 4 fields"),
        ("a.csv", CSV + b"1,2,3,4\n" * 99, r"line 7 has 4 fields, the first line has 3"),
        ("a.csv", CSV + b'1,"' + b"x" * 150_000 + b'",3,4\n', "cannot cut a line into fields: field larger"),
        ("a.jsonl", b'{"user": {"a": 1}}\n{"user": [1]}\n', r"a\.jsonl cannot be read: failed to determine"),
        ("a.csv", CSV + b'1,"3,4\n2,5,5\n', "a quote opened in line 3 is never closed"),
    ],
)
def test_files_that_cannot_be_read_say_why(write, name, content, message):
    with pytest.raises(DataError, match=message):
        read_ratings(write(name, content))


def test_what_only_polars_can_say_is_passed_on_in_one_line(write, monkeypatch):
    def refuse(*_, **__):
        raise pl.exceptions.ComputeError("strange\n\nset low_memory=True")

    path = write("a.csv", CSV)
    monkeypatch.setattr("palate.data.reading.text.pl.scan_csv", refuse)
    with pytest.raises(DataError, match=r"a\.csv cannot be read: strange$"):
        read_ratings(path)


def test_parquet_with_damaged_pages(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"user": range(5000), "item": range(5000)}).write_parquet(path)
    body = bytearray(path.read_bytes())
    body[10:2000] = b"x" * 1990
    path.write_bytes(body)
    with pytest.raises(DataError, match=r"a\.parquet is no whole Parquet file"):
        read_ratings(path)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*none\.csv"):
        read_ratings(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"is a folder; give the file of ratings in it, or open it with load_movielens"):
        read_ratings(tmp_path)


def test_wrong_encodings(write):
    path = write("a.csv", b"user,item\n1,2\n3,\xff\n")
    with pytest.raises(ParameterError, match="unknown encoding 'klingon'"):
        read_ratings(path, encoding="klingon")
    with pytest.raises(DataError, match="is not ascii in line 3; give its true encoding="):
        read_ratings(path, encoding="ascii")
    with pytest.raises(DataError, match="unpack it first: zstd -d"):
        read_ratings(write("b.csv.zst", bytes.fromhex("28b52ffd0458210000312ce90a5e3b51e9")), encoding="latin-1")


def test_wrong_options(write):
    path = write("a.csv", CSV)
    with pytest.raises(ParameterError, match="ids must be 'auto' or 'text', got 'int'"):
        read_ratings(path, ids="int")
    with pytest.raises(ParameterError, match="on_missing must be"):
        read_ratings(path, on_missing="skip")


# -- tables of attributes -------------------------------------------------------------------------------------------


def test_table_of_attributes_keeps_leading_zeros_and_text(write):
    text = "item_id,title,year,zip,price,none\n1,Brazil,1985,02138,2.5,\n\n2,1984,1984,94043,,\n"
    table = read_table(write("a.csv", text))
    assert table.rows() == [(1, "Brazil", 1985, "02138", 2.5, None), (2, "1984", 1984, "94043", None, None)]
    assert read_table(write("b.dat", "id::name\n1::a:b\n")).rows() == [(1, "a:b")]
    assert read_table(write("c.jsonl", '{"id": 1, "tags": ["a"]}\n')).rows() == [(1, ["a"])]
    path = write("d.parquet", "")
    table.write_parquet(path)
    assert read_table(path).equals(table)


def test_words_in_numbers_of_attributes_are_missing(write):
    table = read_table(write("a.tsv", "tconst\tyear\tscore\tname\n1\t1985\t\\N\tNone\n2\tNULL\t2.5\tA\n"))
    assert table.rows() == [(1, 1985, None, "None"), (2, None, 2.5, "A")]


def test_table_of_attributes_that_cannot_be_read(write):
    with pytest.raises(DataError, match="two columns have one name: id, id"):
        read_table(write("a.csv", "id,id\n1,2\n"))
    with pytest.raises(DataError, match="is no whole Parquet file"):
        read_table(write("a.parquet", "PAR1PAR1"))
    with pytest.raises(DataError, match="line 2 is no JSON"):
        read_table(write("a.jsonl", '{"id": 1}\n{"id"\n'))


# -- what the system refuses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".zst", ".gz", ".parquet", ".jsonl"])
@pytest.mark.parametrize("read", [read_ratings, read_table])
def test_file_that_may_not_be_read(write, monkeypatch, read, suffix):
    path = write("a" + suffix, "user,item\n1,2\n")

    def refuse(self, *_):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(DataError, match=f"^cannot read {path}: Permission denied$"):
        read(path)


@pytest.mark.parametrize("read", [read_ratings, read_table])
def test_name_too_long(tmp_path, read):
    with pytest.raises(DataError, match=r"^cannot read .*xxx: File name too long$"):
        read(tmp_path / ("x" * 300))


@pytest.mark.parametrize("encoding", ["base64", "rot13", "undefined", "a\0b", 5])
def test_encodings_of_no_text(write, encoding):
    with pytest.raises(ParameterError, match=f"unknown encoding {encoding!r}".replace("\\", "\\\\")):
        read_ratings(write("a.csv", "user,item\n1,2\n"), encoding=encoding)


def test_utf_16_without_its_first_mark(write):
    path = write("a.csv", "user,item\n1,2\n", "utf-16-le")
    with pytest.raises(DataError, match=r"is not utf-16.*; give its true encoding="):
        read_ratings(path, encoding="utf-16")


def test_json_nested_too_deep(write):
    path = write("a.jsonl", '{"user": 1, "item": 2}\n{"user": 1, "item": 3, "z": ' + "[" * 5000 + "]" * 5000 + "}\n")
    with pytest.raises(
        DataError,
        match=r"line 2 is nested too deep; write one flat JSON object a line|cannot be read: DepthLimitExceeded",
    ):
        read_ratings(path)


def test_long_ids_are_shortened_in_the_log(write, caplog):
    lines = "".join(f"{k},{k}\n" for k in range(20_000))
    with caplog.at_level(logging.WARNING):
        read_ratings(write("a.csv", f"user,item\n{lines}{'x' * 500},1\n"))
    assert f"for not all are integers, such as '{'x' * 58}…;" in caplog.messages[0]


@pytest.mark.parametrize("columns", [["user"], {"user": 1.5}, {"user": True}, {2: "user"}])
def test_columns_that_are_no_mapping(write, columns):
    with pytest.raises(DataError, match=r"columns= maps roles to names or positions of columns, such as .*; got "):
        read_ratings(write("a.csv", "user,item\n1,2\n"), columns=columns)


# -- files of other people ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        (["17850.0", "13047.0"], [13047, 17850]),
        (["17850.0", "13047.5"], ["13047.5", "17850.0"]),
        (["100", "NULL", "007"], ["007", "100"]),
        (["100", "\\N", "7"], [7, 100]),
        (["NULL", "100", "7"], [7, 100]),
        (["1e5", "2"], ["1e5", "2"]),
        ([" 7", "8 "], [7, 8]),
        (["😀", "🍵"], ["🍵", "😀"]),
    ],
)
def test_ids_of_a_file_are_those_of_the_frame(write, ids, found):
    path = write("a.csv", "user,item\n" + "".join(f"{one},{k}\n" for k, one in enumerate(ids)))
    assert read_ratings(path, on_missing="drop").users.values.to_list() == sorted(found)


def test_words_are_ids_where_that_is_said(write):
    path = write("a.csv", "user,item\nNULL,1\nann,None\n")
    with pytest.raises(DataError, match="ids='text' takes such words as ids"):
        read_ratings(path)
    assert read_ratings(path, ids="text").users.values.to_list() == ["NULL", "ann"]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_times_in_finer_units(write, unit, form):
    size = {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    times = [DAY * size + 999, -DAY * size]
    line = '{{"user": 1, "item": {}, "time": {}}}' if form == "jsonl" else "1,{},{}"
    text = "\n".join(line.format(k, t) for k, t in enumerate(times))
    path = write(f"a.{form}", text if form == "jsonl" else "user,item,time\n" + text)
    with pytest.raises(DataError, match=f"time_unit='{unit}' reads"):
        read_ratings(path)
    assert read_ratings(path, time_unit=unit).times.tolist() == [DAY, -DAY]
    assert read_ratings(path, columns={"time": None}).times is None


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("user;item;rating\n1;2;2,5\n1;3;3\n", [2.5, 3]),
        ("user\titem\trating\n1\t2\t,5\n1\t3\t-1,25\n", [0.5, -1.25]),
        ("sep=;\nuser;item;rating\n1;2;1,234\n1;3;2,5\n", [1.234, 2.5]),
    ],
)
def test_decimal_commas_are_read_and_said(write, caplog, text, values):
    data = read_ratings(write("a.txt", text))
    assert data.values.tolist() == pytest.approx(values)
    assert "'value' has decimal commas, such as" in caplog.text
    assert "or leave them out with columns={'value': None}" in caplog.text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("user;item;rating\n1;2;2,5\n1;3;3.5\n", "lines? 2"),
        ("user;item;rating\n1;2;1.234,5\n1;3;2,5\n", "lines 2, 3"),
        ("user;item;rating\n1;2;1,234\n1;3;3\n", "line 2"),
        ("user;item;rating\n1;2;3\n1;3;1,234,567\n", "line 3"),
        ('user,item,rating\n1,2,3\n1,3,"2,5"\n', "line 3"),
    ],
)
def test_commas_that_may_be_anything_are_refused_with_the_line(write, text, line):
    with pytest.raises(DataError, match=rf"value cannot be read, such as .*\({line}\)[\s\S]*with a decimal point"):
        read_ratings(write("a.csv", text))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_told_by_its_first_bytes(write, encoding):
    mark = "" if encoding == "utf-16" else "\ufeff"
    path = write("a.csv", mark + text_of(","), encoding)
    assert read_ratings(path).to_table().rows() == ROWS
    assert read_ratings(write("a.csv.gz", gzip.compress(path.read_bytes()))).to_table().rows() == ROWS


def test_two_bytes_a_letter_without_a_mark_are_hinted_at(write):
    with pytest.raises(DataError, match=r"unknown format.*needs encoding='utf-16-le' or 'utf-16-be'"):
        read_ratings(write("a.csv", text_of(","), "utf-16-le"))


def test_nested_values_of_json_are_no_ids(write):
    with pytest.raises(DataError, match=r"column 'user' has type Struct.*; the user must be one value a row"):
        read_ratings(write("a.jsonl", '{"user": {"a": 1}, "item": 2}\n'))
