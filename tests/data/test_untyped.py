"""A text as it is written: every row with its line, whatever stands in it."""

from __future__ import annotations

import gzip
import io

import pytest

from palate.data.reading.untyped import read_untyped
from palate.errors import DataError


def read(text, encoding="utf-8", name="mine.csv", **options):
    source = io.BytesIO(text if isinstance(text, bytes) else text.encode(encoding))
    source.name = name
    return read_untyped(source, **{"max_bytes": 1e6} | options)


def test_rows_have_their_lines_also_behind_quotes_and_blank_lines():
    file = read('Name,Year\r\n"Good, the Bad\r\nand the Ugly",1966\r\n\r\nHeat , 1995\r\n')
    assert file.names == ("Name", "Year")
    assert file.rows == [("Good, the Bad\r\nand the Ugly", "1966"), ("Heat", "1995")]
    assert file.lines == [2, 5]


def test_short_rows_are_filled_and_long_ones_told():
    file = read("a,b,c\n1\n1,2,3,4\n1,2,3\n")
    assert file.rows == [("1", "", ""), ("1", "2", "3")]
    assert file.lines == [2, 4]
    assert file.long == [(3, 4)]


def test_a_file_without_names_begins_with_its_first_row():
    file = read("196\t242\t3\t881250949\n186\t302\t3\t891717742\n", name="u.data")
    assert file.names == ("column 1", "column 2", "column 3", "column 4")
    assert not file.has_names
    assert (file.rows[0], file.lines) == (("196", "242", "3", "881250949"), [1, 2])


@pytest.mark.parametrize("separator", [",", ";", "\t", "::", "|"])
def test_any_separator(separator):
    assert read(f"title{separator}rating\nHeat{separator}4\n", name="mine.txt").rows == [("Heat", "4")]


def test_letters_of_two_bytes_and_a_mark_before_the_names():
    assert read("title,rating\nAmélie,5\n".encode("utf-16")).rows == [("Amélie", "5")]
    assert read("\ufefftitle,rating\nAmélie,5\n").names == ("title", "rating")
    assert read("\ufeff1,2\n3,4\n").rows == [("1", "2"), ("3", "4")]


def test_a_packed_file_is_unpacked_up_to_a_bound():
    packed = gzip.compress(b"title,rating\n" + b"Heat,4\n" * 1000)
    assert len(read(packed, name="mine.csv.gz").rows) == 1000
    with pytest.raises(DataError, match="unpacks to more than"):
        read(packed, name="mine.csv.gz", max_bytes=5000)


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b'a,b\n1,"2\n3,4\n', "x.csv", "a quote opened in line 2 is never closed"),
        (b'a,b\n1,the "best" one\n', "x.csv", "line 2 has a quote inside a field"),
        (b"PK\x03\x04rest", "x.csv", "zip archive"),
        (b'{"a": 1}\n', "x.json", "save it as csv"),
        (b"title,rating\n" + b"Heat,4\n" * 12_000 + "Amélie,5\n".encode("latin-1"), "x.csv", "not UTF-8 in line 12002"),
    ],
)
def test_what_is_no_such_text_is_refused_with_its_line(data, name, words):
    with pytest.raises(DataError, match=words):
        read(data, name=name)
