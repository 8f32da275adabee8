"""What the columns of other services' files are taken for."""

from __future__ import annotations

import pytest

from palate.serve.web.guessing import guess, scale_of, scale_up_to

LETTERBOXD = ("Date", "Name", "Year", "Letterboxd URI", "Rating")
DIARY = (*LETTERBOXD, "Rewatch", "Tags", "Watched Date")
IMDB = (
    *("Const", "Your Rating", "Date Rated", "Title", "Original Title", "URL", "Title Type", "IMDb Rating"),
    *("Runtime (mins)", "Year", "Genres", "Num Votes", "Release Date", "Directors"),
)
NETFLIX = ("Profile Name", "Title Name", "Rating Type", "Star Value", "Thumbs Value", "Device Model", "Event Utc Ts")


def roles(names, *rows):
    return dict(zip(names, guess(names, rows or [("",) * len(names)]).roles, strict=True))


@pytest.mark.parametrize(
    ("names", "source", "scale", "expected"),
    [
        (LETTERBOXD, "Letterboxd", (0.5, 5), {"Date": "date", "Name": "title", "Year": "year", "Rating": "rating"}),
        (
            DIARY,
            "Letterboxd",
            (0.5, 5),
            {"Name": "title", "Year": "year", "Rating": "rating", "Watched Date": "date"},
        ),
        (
            IMDB,
            "IMDb",
            (1, 10),
            {
                "Const": "imdb",
                "Your Rating": "rating",
                "Date Rated": "date",
                "Title": "title",
                "Original Title": "original",
                "Year": "year",
            },
        ),
        (
            ("userId", "movieId", "rating", "timestamp"),
            "MovieLens",
            (0.5, 5),
            {"userId": "person", "movieId": "item", "rating": "rating", "timestamp": "date"},
        ),
        (
            ("movie_id", "imdb_id", "tmdb_id", "rating", "average_rating", "title"),
            "MovieLens",
            (0.5, 5),
            {"movie_id": "item", "imdb_id": "imdb", "rating": "rating", "title": "title"},
        ),
        (
            NETFLIX,
            "Netflix",
            (1, 5),
            {"Profile Name": "person", "Title Name": "title", "Star Value": "rating", "Event Utc Ts": "date"},
        ),
        (("Title", "Date"), "Netflix", None, {"Title": "title", "Date": "date"}),
    ],
    ids=["letterboxd", "diary", "imdb", "movielens", "movielens.org", "netflix", "netflix history"],
)
def test_files_of_well_known_services_are_known(names, source, scale, expected):
    found = guess(names, [])
    assert (found.source, found.scale) == (source, scale)
    assert {name: role for name, role in zip(names, found.roles, strict=True) if role} == expected
    assert set(found.why) <= {f"as {source} names it", ""}


def test_names_that_many_use_are_guessed():
    names = ("Film", "Year of release", "My rating", "avg_rating", "watched_at")
    assert roles(names, ("Heat", "1995", "4", "3.9", "2020-01-02")) == {
        "Film": "title",
        "Year of release": "year",
        "My rating": "rating",
        "avg_rating": None,
        "watched_at": "date",
    }


def test_values_tell_what_names_do_not():
    names = ("column 1", "column 2", "column 3", "column 4", "column 5")
    rows = [("tt0113277", "Heat", "1995", "8", "2020-01-02"), ("tt0133093", "The Matrix", "1999", "9,5", "2020-01-03")]
    assert list(roles(names, *rows).values()) == ["imdb", None, "year", "rating", "date"]
    assert list(roles(names[1:], *(row[1:] for row in rows)).values()) == ["title", "year", "rating", "date"]
    assert guess(names, rows).why == ("by its values", "", "by its values", "by its values", "by its values")


def test_a_column_of_movies_holds_titles_or_ids():
    assert roles(("movie", "rating"), ("Heat", "4")) == {"movie": "title", "rating": "rating"}
    assert roles(("movie", "rating"), ("50", "4")) == {"movie": "item", "rating": "rating"}


def test_two_columns_of_one_role_are_not_both_taken():
    assert roles(("title", "name"), ("Heat", "Ann")) == {"title": "title", "name": None}


@pytest.mark.parametrize(
    ("ratings", "scale"),
    [
        ([1, 5], (1, 5)),
        ([0.5, 4], (0.5, 5)),
        ([3.5], (0.5, 5)),
        ([7, 10], (1, 10)),
        ([85, 40], (0, 100)),
        ([4] * 30 + [45], (1, 5)),
        ([], (1, 5)),
    ],
)
def test_ratings_tell_their_scale(ratings, scale):
    assert scale_of(ratings) == scale


def test_a_scale_that_the_reader_gives_goes_up_so_far():
    assert scale_up_to(10.0, [1, 5]) == (1, 10)
