"""Files as others write them: one name twice, matrices, Windows' letters, ids in two ways of writing."""

import logging

import pytest

from palate import read_ratings
from palate.errors import DataError

TWICE = "user,item,rating,rating\n1,10,4,2\n2,20,5,3\n"


def written(folder, text, name="log.csv", encoding="utf-8"):
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def test_columns_of_one_name_are_asked_for_by_position(tmp_path):
    path = written(tmp_path, TWICE)
    for columns in (None, {"value": "rating"}):
        with pytest.raises(DataError, match=r"by its position from 0, such as columns=\{'value': 2\}"):
            read_ratings(path, columns=columns)
    assert read_ratings(path, columns={"value": 2}).values.tolist() == [4, 5]
    assert read_ratings(path, columns={"value": 3}).values.tolist() == [2, 3]
    assert read_ratings(path, columns={"value": 2, "weight": 3}).weights.tolist() == [2, 3]


def test_columns_of_one_name_that_end_like_a_value_are_asked_for_by_position(tmp_path):
    path = written(tmp_path, "user,item,my_rating,my_rating\n1,10,4,2\n2,20,5,3\n")
    with pytest.raises(DataError, match=r"columns=\{'value': 2\}"):
        read_ratings(path)
    assert read_ratings(path, columns={"value": 3}).values.tolist() == [2, 3]


def test_users_under_one_name_are_taken_by_position(tmp_path):
    path = written(tmp_path, "user,user,item,rating\n1,7,10,4\n2,8,20,5\n")
    assert read_ratings(path, columns={"user": 1}).users.values.to_list() == [7, 8]


def test_a_matrix_market_file_gives_no_row_of_its_sizes(tmp_path):
    text = "%%MatrixMarket matrix coordinate real general\n3 3 2\n1 1 4\n2 2 5\n"
    for name in ("log.mtx", "log.txt"):
        with pytest.raises(DataError, match=r"Matrix Market format: Interactions.from_scipy\(scipy.io.mmread"):
            read_ratings(written(tmp_path, text, name))


def test_windows_letters_are_named(tmp_path):
    path = written(tmp_path, "user,item,rating\nann,\u201ctea\u201d,4\n", encoding="cp1252")
    with pytest.raises(DataError, match="if it is Windows-1252, say encoding='cp1252'"):
        read_ratings(path)
    assert read_ratings(path, encoding="cp1252").items.values.to_list() == ["\u201ctea\u201d"]


def test_ids_written_in_two_ways_are_said(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        read_ratings(written(tmp_path, "user,item,rating\n1.0,1,2\n1,2,2\n"))
    assert "user ids are written as '1.0' and as '1', and stay text" in caplog.text


def test_json_over_several_lines_is_refused_with_the_way_out(tmp_path):
    path = written(tmp_path, '{\n "user": 1,\n "item": 2\n}\n', "log.json")
    with pytest.raises(DataError, match="one JSON object a line is needed"):
        read_ratings(path)


@pytest.mark.parametrize(("sign", "shown"), [("\0", "x00"), ("\x07", "x07"), ("\x1a", "x1a")])
def test_a_control_character_is_named_with_its_line(tmp_path, sign, shown):
    path = written(tmp_path, f"user,item,rating\nann,tea,4\nbob,te{sign}a,4\n")
    with pytest.raises(DataError, match=rf"holds the control character \\{shown} in line 3: take it out"):
        read_ratings(path)
