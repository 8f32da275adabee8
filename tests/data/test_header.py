"""A first line names the columns, or is a row; where that is not sure, it is asked."""

import logging

import pytest

from palate import read_ratings
from palate.errors import DataError, ParameterError


@pytest.fixture
def write(tmp_path):
    def write(content, name="a.csv"):
        path = tmp_path / name
        path.write_text(content)
        return path

    return write


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_first_row_that_is_named_like_a_column_is_not_lost(write, name):
    text = "u1,Stars,12\nu1,abba,3\nu2,cher,7\n".replace(",", "," if name == "a.csv" else "\t")
    path = write(text, name)
    assert read_ratings(path).to_table().rows() == [("u1", "Stars", 12), ("u1", "abba", 3), ("u2", "cher", 7)]
    assert len(read_ratings(path, columns={"user": 0, "item": 1, "value": 2})) == 3


def test_where_a_first_line_may_be_either_it_is_asked(write):
    path = write("ann,Stars\nbob,abba\n")
    with pytest.raises(
        DataError, match=r"whether the first line \('ann', 'Stars'\) names .*header=True or header=False"
    ):
        read_ratings(path)
    assert len(read_ratings(path, header=False)) == 2
    assert read_ratings(path, header=True, columns={"user": 0, "item": 1}).to_table().rows() == [("bob", "abba", 1)]
    with pytest.raises(ParameterError, match="header must be 'auto', True or False, got 1"):
        read_ratings(path, header=1)


def test_unnamed_values_beside_users_and_items_are_a_header(write):
    path = write("user,item,0\n1,2,3\n")  # a Series of pandas, its index reset
    with pytest.raises(DataError, match="no column of values found among '0'"):
        read_ratings(path)
    assert read_ratings(path, columns={"value": "0"}).values.tolist() == [3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("7,1,2,99,3\n6,2,3,99,99\n", r"has 5 columns and no header; its first line is \('7', '1', '2', '99', '3'\)"),
        ("0 10 11 12\n1 11 13 14\n", "its fourth column is hardly a time: it would be in 1970"),
        ("0,1,31,2.5\n1,1,32,3\n", "its fourth column is hardly a time"),
        (",".join(map(str, range(30))) + "\n" + ",".join("9" * 30) + "\n", "has 30 columns and no header; .*'11', …"),
    ],
)
def test_files_without_header_that_may_be_anything_are_refused(write, content, message):
    with pytest.raises(DataError, match=message):
        read_ratings(write(content, "a.txt"))


def test_the_usual_order_is_said_and_can_be_changed(write, caplog):
    path = write("1,2,3,881250949\n2,2,4,881250950\n")
    with caplog.at_level(logging.WARNING, "palate"):
        assert len(read_ratings(path)) == 2
    assert "no header, so the columns are user, item, value, time; columns={'user': 0" in caplog.text
    assert read_ratings(path, columns={"time": None}).times is None
    assert read_ratings(path, columns={"value": None}).values.tolist() == [1, 1]
    early = write("1,2,3,5\n2,2,4,6\n", "b.csv")
    assert read_ratings(early, columns={"time": 3}).times.tolist() == [5, 6]
    assert read_ratings(early, columns={"user": "0", "item": "1", "value": "3"}).values.tolist() == [5, 6]


def test_columns_by_position_must_be_there(write):
    path = write("1,2,3\n4,5,6\n")
    with pytest.raises(DataError, match="has no header: columns= needs the roles user and item"):
        read_ratings(path, columns={"user": 0})
    with pytest.raises(DataError, match="gives one column two roles"):
        read_ratings(path, columns={"user": 0, "item": 0})


def test_lines_of_comment_before_the_rows_are_left_out_and_said(write, caplog):
    text = "% bip weighted\n% 100000 943 1682\n1 1 5 881250949\n1 2 3 891717742\n"
    with caplog.at_level(logging.WARNING, "palate"):
        assert read_ratings(write(text, "k.txt")).to_table().rows() == [(1, 1, 5, 881250949), (1, 2, 3, 891717742)]
    assert "left out are 2 lines of comment before the rows, that begin with %; header=False reads them" in caplog.text
    named = write("# of 2024\n#user\titem\trating\n1\t2\t3\n", "n.txt")
    assert read_ratings(named).to_table().rows() == [(1, 2, 3)]
    tags = write("#tea,#milk\n#rum,#milk\n", "t.csv")
    assert read_ratings(tags).to_table().rows() == [("#tea", "#milk", 1), ("#rum", "#milk", 1)]


def test_excels_first_line_names_the_separator(write):
    assert read_ratings(write("sep=;\r\nuser;item;rating\r\n1;2;3\r\n")).to_table().rows() == [(1, 2, 3)]
    with pytest.raises(DataError, match="is empty"):
        read_ratings(write("sep=;\n", "b.csv"))


def test_rows_that_begin_with_their_names_are_explained(write):
    with pytest.raises(DataError, match=r"line 2 has 4 fields.*as R writes them, give that column a name too"):
        read_ratings(write('"user" "item" "rating"\n"1" 5 7 3\n"2" 5 8 4\n', "r.txt"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1:\n1488844,3,2005-09-06\n", "first line '1:' before the rows of one item, as the Netflix prize"),
        ("\n<!DOCTYPE html>\n<html></html>\n", "is a web page, no data: fetch the file"),
        ("user,j1,j2,j3,j4,j5\n1,2,3,4,5,6\n", "a table with a column for each item must become one row a rating"),
    ],
)
def test_other_forms_are_named(write, content, message):
    with pytest.raises(DataError, match=message):
        read_ratings(write(content))


def test_text_that_reads_like_utf_8_is_questioned(write, caplog):
    path = write("user,item\nZoë,Café\n")
    assert read_ratings(path, encoding="latin-1").users.values[0] == "ZoÃ«"
    assert "reads like UTF-8, and is taken for latin-1: leave out encoding=" in caplog.text
