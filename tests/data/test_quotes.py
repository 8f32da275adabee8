"""Quotes are whole, or the file is refused with the line; no row is swallowed without a word."""

import gzip
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palate import read_ratings
from palate.data.reading.quotes import Quotes, quotes_in, unescaped
from palate.data.reading.ratings import read_table
from palate.errors import DataError, ParameterError


def naive(text, separator, skip):
    """Walk over the letters one by one, as a reader of csv does."""
    text = "".join(text.splitlines(keepends=True)[skip:]) + "\n"
    found, inside, line, before, opened = Quotes(), False, skip + 1, "\n", 0
    for place, letter in enumerate(text):
        if letter == '"':
            found.count += 1
            beside = text[place + 1 : place + 2] if inside else before
            if beside not in (separator, "\n", "\r", '"') and not found.stray:
                found.stray = line
            opened = opened if inside else line
            inside = not inside
        if letter == "\n":
            if inside:
                found.spanning += 1
                found.first_spanning = found.first_spanning or line
            line += 1
        before = letter
    found.spanning -= inside  # the line end that was added
    found.first_spanning = found.first_spanning if found.spanning else 0
    found.unclosed = opened if inside else 0
    return found


@given(st.text('a",\n\r', max_size=30), st.integers(0, 2), st.integers(1, 5))
def test_quotes_are_found_in_pieces_as_letter_by_letter(text, skip, size):
    data = text.replace("\r", "").encode()
    pieces = iter([data[k : k + size] for k in range(0, len(data), size)])
    assert quotes_in(pieces, ",", skip) == naive(text.replace("\r", ""), ",", skip)


def test_a_mark_of_byte_order_and_windows_line_ends_do_no_harm():
    text = b'\xef\xbb\xbf"a","b"\r\n"c","d"\r\n'
    assert quotes_in(iter([text]), ",", 0) == Quotes(count=8)


def test_backslashes_before_quotes_become_two_quotes():
    assert unescaped(rb'"a \"b\" \\ \N"') == rb'"a ""b"" \ \N"'


@pytest.fixture
def write(tmp_path):
    def write(content, name="a.csv"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
        return path

    return write


INCHES = 'user,item,rating\nu1,abba,3\nu2,12" mix,4\nu3,7" single,5\n'
LATE = "".join(f"u{k},i{k % 9},3,x\n" for k in range(9000))


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("late", [False, True])
def test_quotes_inside_fields_are_refused_with_the_line_and_can_be_letters(write, name, late):
    lines = INCHES if not late else "user,item,rating,title\n" + LATE + 'u1,12" mix,4,x\nu3,7" single,5,x\n'
    line = 3 if not late else 9002
    path = write(lines, name)
    with pytest.raises(DataError, match=f"line {line} has a quote inside a field; say quote='none'"):
        read_ratings(path)
    items = read_ratings(path, quote="none").items.values.to_list()
    assert {'12" mix', '7" single'} <= set(items)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_an_id_over_several_lines_is_refused(write, name):
    text = 'user,item,rating\nu1,abba,3\nu2,"heroes,7\nu2,abba,9\nu3,cher,4\nu3,queen",6\nu4,abba,2\n'
    path = write(text, name)
    with pytest.raises(DataError, match=r"an item id goes over several lines \(line 3\)|a item id"):
        read_ratings(path)
    assert len(read_ratings(path, quote="none")) == 6
    with pytest.raises(DataError, match="a quote opened in line 2 is never closed; say quote='none'"):
        read_ratings(write('user,item\n1,"2\n3,4\n'))


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_rows_over_several_lines_are_said(write, caplog, name):
    path = write("user,item,rating,title\n" + LATE + 'u1,a,4,"a\nu8,b,c,4\nu9,d,3,e"\n', name)
    with caplog.at_level(logging.WARNING, "palate"):
        assert len(read_ratings(path)) == 9001
    assert "2 line ends stand inside quotes, the first in line 9002, so rows go over several lines" in caplog.text


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("row", ['u1,"a, b",4,x', 'u1,a,4,"a, b"'])
def test_quotes_after_the_first_lines_are_taken_off(write, row, name):
    data = read_ratings(write("user,item,rating,title\n" + LATE + row + "\n", name))
    assert data.to_table().rows()[-1] == ("u1", "a, b" if '"a, b",4' in row else "a", 4)


def test_backslashes_before_quotes_can_be_said(write):
    path = write('"User-ID";"ISBN";"Book-Rating"\n"1";"\\"a\\";b";"0"\n"2";"c";"5"\n')
    with pytest.raises(DataError, match=r"line 2 has a quote inside a field.*or quote='backslash'"):
        read_ratings(path)
    assert read_ratings(path, quote="backslash").to_table().rows() == [(1, '"a";b', 0), (2, "c", 5)]
    with pytest.raises(ParameterError, match="quote must be 'auto', 'none' or 'backslash', got 'single'"):
        read_ratings(path, quote="single")


def test_tables_of_attributes_keep_to_the_same_rules(write):
    path = write('item_id,title\n1,12" mix\n2,7" single\n')
    with pytest.raises(DataError, match="line 2 has a quote inside a field"):
        read_table(path)
    assert read_table(path, quote="none")["title"].to_list() == ['12" mix', '7" single']
