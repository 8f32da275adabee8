"""Which films lines mean, by ids that can be believed, and by titles."""

from __future__ import annotations

import pytest

from palate.serve.engine.titles import TitleIndex
from palate.serve.web.entries import FileLine
from palate.serve.web.matching import converted, match

TITLES = TitleIndex.of(
    {
        "1": {"title": "Toy Story (1995)", "imdb_id": "tt0114709"},
        "2": {"title": "GoldenEye (1995)"},
        "3": {"title": "Four Rooms (1995)"},
        "4": {"title": "Sabrina (1995)"},
        "5": {"title": "Sabrina (1954)"},
    }.items()
)


def found(*entries, scale=(0.5, 5), ours=(1, 5)):
    return match(entries, TITLES, scale, ours)


def pairs(matches):
    return {one.entry.line: one.film.item for one in matches.found}


def test_ids_alone_are_believed():
    assert pairs(found(FileLine(2, (), item="1"), FileLine(3, (), item="3"))) == {2: "1", 3: "3"}


def test_ids_are_believed_where_most_titles_agree():
    matches = found(
        FileLine(2, ("Toy Story",), item="1"),
        FileLine(3, ("Goldeneye",), item="2"),
        FileLine(4, ("Vier Zimmer",), item="3"),
    )
    assert pairs(matches) == {2: "1", 3: "2", 4: "3"}


def test_ids_of_another_catalogue_are_told_by_the_titles_beside_them():
    matches = found(
        FileLine(2, ("Toy Story",), 1995, item="1"),
        FileLine(3, ("Jumanji",), 1995, item="2"),
        FileLine(4, ("Grumpier Old Men",), 1995, item="3"),
        FileLine(5, ("GoldenEye",), 1995, item="10"),
    )
    assert pairs(matches) == {2: "1", 5: "2"}
    assert [(entry.line, why) for entry, why in matches.unknown] == [
        (3, "no film here has this title and year"),
        (4, "no film here has this title and year"),
    ]


def test_an_id_of_imdb_comes_before_a_title():
    assert pairs(found(FileLine(2, ("Sabrina",), 1995, imdb="tt0114709"))) == {2: "1"}
    assert pairs(found(FileLine(2, ("Sabrina",), 1995, imdb="tt9999999"))) == {2: "4"}


def test_what_is_not_found_says_why():
    matches = found(FileLine(2, ("Sabrina",)), FileLine(3, ("Heat",), 1995), FileLine(4, (), item="99"))
    assert [why for _, why in matches.unknown] == [
        "several films here have this title: a year would tell",
        "no film here has this title and year",
        "no film here has this id",
    ]


def test_of_two_lines_about_a_film_the_newer_counts():
    first = FileLine(2, ("Toy Story",), rating=2, time=20)
    matches = found(first, FileLine(3, ("Toy Story",), rating=5, time=10))
    assert (pairs(matches), matches.again) == ({2: "1"}, 1)
    assert pairs(found(FileLine(2, ("Toy Story",)), FileLine(3, ("Toy Story",)))) == {3: "1"}


@pytest.mark.parametrize(
    ("rating", "scale", "ours", "value"),
    [
        (0.5, (0.5, 5), (1, 5), 1),
        (3.5, (0.5, 5), (1, 5), 3.5),
        (9, (1, 10), (1, 5), 4.5),
        (1, (1, 10), (1, 5), 1),
        (0, (0, 100), (0.5, 5), 0.5),
        (4, (1, 5), (1, 10), 8),
        (85, (0, 100), (1, 10), 8.5),
    ],
)
def test_a_rating_keeps_its_share_of_the_best_one(rating, scale, ours, value):
    assert converted(rating, scale, ours) == value


def test_what_has_no_rating_was_seen():
    assert [one.value for one in found(FileLine(2, (), item="1", rating=4), FileLine(3, (), item="2")).found] == [
        4,
        None,
    ]
