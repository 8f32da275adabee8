"""The lines of a file as what they say, and every error with its line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from palate.data.reading.untyped import Untyped
from palate.serve.web.entries import entries_of
from palate.serve.web.guessing import ROLES

NOW = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


def micros(*date):
    return int(datetime(*date, tzinfo=UTC).timestamp()) * 1_000_000


def read(names, *rows, scale=None, lines=None, long=(), **options):
    file = Untyped(names, True, list(rows), lines or list(range(2, 2 + len(rows))), list(long))
    roles = [name if name in ROLES else None for name in names]
    return entries_of(file, roles, scale, now=NOW, **options)


def test_a_line_says_a_film_a_rating_and_when():
    found = read(
        ("title", "original", "year", "rating", "item", "imdb", "date", "notes"),
        ("Seven Samurai", "Shichinin no samurai", "1954", "4,5", "7", "tt0047478", "2020-01-31", "great"),
    )
    (entry,) = found.rows
    assert entry.titles == ("Seven Samurai", "Shichinin no samurai")
    assert (entry.line, entry.year, entry.rating, entry.item, entry.imdb) == (2, 1954, 4.5, "7", "tt0047478")
    assert entry.time == micros(2020, 1, 31)
    assert found.scale == (0.5, 5)
    assert found.errors == []


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (("", "", "4", ""), "names no film"),
        (("Heat", "1995", "six", ""), "the rating 'six' is no number from 1 to 10"),
        (("Heat", "1995", "11", ""), "the rating '11' is no number from 1 to 10"),
        (("Heat", "1995", "0", ""), "the rating '0' is no number from 1 to 10"),
        (("Heat", "1995", "nan", ""), "the rating 'nan' is no number from 1 to 10"),
        (("Heat", "95", "4", ""), "the year '95' is none"),
        (("Heat", "soon", "4", ""), "the year 'soon' is none"),
        (("Heat", "1995.5", "4", ""), "the year '1995.5' is none"),
        (("Heat", "1995", "4", "some day"), "the date 'some day' cannot be read: write 2024-12-31"),
        (("Heat", "1995", "4", "1969-12-31"), "the date '1969-12-31' lies before 1970"),
        (("Heat", "1995", "4", "2027-01-01"), "the date '2027-01-01' lies ahead"),
        (("Heat", "1995", "4", "31/31/2020"), "the date '31/31/2020' cannot be read"),
    ],
)
def test_what_is_wrong_is_told_by_its_line_and_the_others_are_taken(row, what):
    found = read(("title", "year", "rating", "date"), ("Alien", "1979", "9", ""), row, scale=(1, 10), lines=[3, 7])
    assert [entry.titles for entry in found.rows] == [("Alien",)]
    ((line, told),) = found.errors
    assert line == 7
    assert told.startswith(what)


def test_lines_that_are_too_long_are_errors_in_their_place():
    found = read(("title", "rating"), ("", "4"), ("Heat", "4"), lines=[2, 9], long=[(5, 3)])
    assert found.errors == [(2, "names no film"), (5, "has 3 fields, and the file 2 columns")]


@pytest.mark.parametrize(
    ("texts", "day"),
    [
        (["2020-03-01 10:11:12"], (2020, 3, 1, 10, 11, 12)),
        (["2020-03-01T10:11:12Z"], (2020, 3, 1, 10, 11, 12)),
        (["2020-03-01T10:11:12+02:00"], (2020, 3, 1, 8, 11, 12)),
        (["1260759144"], (2009, 12, 14, 2, 52, 24)),
        (["1260759144000"], (2009, 12, 14, 2, 52, 24)),
        (["3/1/20"], (2020, 3, 1)),
        (["1/3/20", "31/12/19"], (2020, 3, 1)),
        (["1.3.2020"], (2020, 3, 1)),
        (["1 March 2020"], (2020, 3, 1)),
        (["Mar 1, 2020"], (2020, 3, 1)),
    ],
)
def test_dates_are_read_as_people_write_them(texts, day):
    found = read(("title", "date"), *((f"Film {k}", text) for k, text in enumerate(texts)))
    assert found.errors == []
    assert found.rows[0].time == micros(*day)


def test_a_rating_that_is_not_there_is_none():
    found = read(("title", "rating"), ("Heat", ""), ("Alien", "4"))
    assert [entry.rating for entry in found.rows] == [None, 4]
    assert read(("title",), ("Heat",)).scale is None


def test_ratings_that_are_all_no_numbers_are_errors():
    found = read(("title", "rating"), ("Heat", "good"))
    assert found.errors == [(2, "the rating 'good' is no number")]


def test_of_several_people_one_is_taken_and_another_can_be():
    rows = [("Ann", "Heat"), ("Bob", "Alien"), ("Ann", "Brazil")]
    found = read(("person", "title"), *rows)
    assert (found.people, found.whose) == ({"Ann": 2, "Bob": 1}, "Ann")
    assert [entry.called for entry in found.rows] == ["Heat", "Brazil"]
    other = read(("person", "title"), *rows, whose="Bob")
    assert (other.whose, [entry.line for entry in other.rows]) == ("Bob", [3])


def test_the_reader_may_say_how_far_ratings_go_up():
    assert read(("title", "rating"), ("Heat", "4")).scale == (1, 5)
    assert read(("title", "rating"), ("Heat", "4"), top=10.0).scale == (1, 10)
    assert read(("title", "rating"), ("Heat", "4"), top=3.0).errors == [(2, "the rating '4' is no number from 1 to 3")]
