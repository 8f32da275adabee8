import gzip
import logging

import polars as pl
import pytest
import rating_files
from rating_files import DAY, ROWS, text_of, zstd

from palate import read_ratings
from palate.data.reading.ratings import read_table
from palate.errors import DataError, ParameterError

write = rating_files.write

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
