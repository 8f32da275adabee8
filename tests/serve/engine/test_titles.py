"""Films by title and year, as people of other services write them."""

from __future__ import annotations

import pytest

from palate.serve.engine.titles import TitleIndex, keys_of

FILMS = {
    "1": {"title": "Matrix, The (1999)", "imdb_url": "https://www.imdb.com/title/tt0133093/"},
    "2": {"title": "Seven (a.k.a. Se7en) (1995)", "year": 1995, "imdb_id": 114369},
    "3": {"title": "City of Lost Children, The (Cité des enfants perdus, La) (1995)"},
    "4": {"title": "Sabrina (1995)"},
    "5": {"title": "Sabrina (1954)"},
    "6": {"title": "Star Kid", "year": 1997},
    "7": {"title": "Chasing Amy (1997)"},
    "8": {"title": "Chasing Amy (1997)"},
    "9": {"title": "Schindler's List", "release_date": "1993-12-15"},
    "10": {"name": "Avventura, L' (1960)"},
    "11": {"title": "300"},
    "12": {"title": "2001: A Space Odyssey (1968)"},
    "13": {},
}
TITLES = TitleIndex.of(FILMS.items())


@pytest.mark.parametrize(
    ("title", "year", "item"),
    [
        ("The Matrix", 1999, "1"),
        ("the matrix", 1998, "1"),
        ("MATRIX", None, "1"),
        ("Matrix, The (1999)", None, "1"),
        ("Se7en", 1995, "2"),
        ("Seven", 1996, "2"),
        ("La cite des enfants perdus", 1995, "3"),
        ("Sabrina", 1954, "5"),
        ("Sabrina", 1996, "4"),
        ("Chasing Amy", 1997, "7"),
        ("Schindlers List", 1993, "9"),
        ("Schindler\u2019s List", 1993, "9"),
        ("L'avventura", 1960, "10"),
        ("300", 2006, "11"),
        ("2001: A Space Odyssey", 1968, "12"),
        ("13", None, "13"),
    ],
)
def test_a_title_is_found_however_it_is_written(title, year, item):
    film, how = TITLES.find([title], year)
    assert how == "found"
    assert film.item == item


@pytest.mark.parametrize(
    ("title", "year", "how"),
    [
        ("Sabrina", None, "several"),
        ("The Matrix", 2003, "unknown"),
        ("Matrix Reloaded", 2003, "unknown"),
        ("", None, "unknown"),
        ("Star", 1997, "unknown"),
    ],
)
def test_what_is_not_sure_is_not_found(title, year, how):
    assert TITLES.find([title], year) == (None, how)


def test_another_title_of_the_same_film_is_tried():
    assert TITLES.find(["Sieben", "Se7en"], 1995)[0].item == "2"


@pytest.mark.parametrize(
    ("text", "item"),
    [("tt0133093", "1"), ("133093", "1"), ("imdb.com/title/tt0114369/", "2"), ("0114369", "2")],
)
def test_an_id_of_imdb_is_found(text, item):
    assert TITLES.imdb(text).item == item


@pytest.mark.parametrize("text", ["tt9999999", "nm0000206", "", "Heat"])
def test_what_is_no_id_of_imdb_here_is_not_found(text):
    assert TITLES.imdb(text) is None


def test_an_item_is_called_by_its_titles_alone():
    assert TITLES.is_called("2", ["Se7en"])
    assert not TITLES.is_called("2", ["Heat"])
    assert not TITLES.is_called("unknown", ["Heat"])


def test_a_title_of_signs_has_a_key_too():
    assert keys_of("...") == ["..."]
    assert keys_of("The") == ["the"]
