"""How films are told: titles as people say them, genres of any column, certainty in a word, reasons in words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from palate.serve.engine.asking import Scale
from palate.serve.web.cards import film, title_of
from palate.serve.web.lists import certainty, stars_said
from palate.serve.web.why import because, why_said

STARS, CLICKS = Scale(1.0, 5.0, predicted=True), Scale(1.0, 5.0, predicted=False)
TITLES = [
    ("Alien (1979)", "Alien"),
    ("Shawshank Redemption, The (1994)", "The Shawshank Redemption"),
    ("Cité des enfants perdus, La (1995)", "La Cité des enfants perdus"),
    ("Avventura, L' (1960)", "L'Avventura"),
    ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey"),
    ("(1984)", "(1984)"),
    ("Good, the Bad, and the Ugly", "Good, the Bad, and the Ugly"),
]


@pytest.mark.parametrize(("written", "said"), TITLES)
def test_titles_are_as_people_say_them(written, said):
    assert title_of(written) == said


COLUMNS = [
    ({"title": "M (1931)", "year": 1931, "genres": ["Crime"]}, ("M", 1931, ["Crime"])),
    ({"genre": "Drama|War"}, ("x", None, ["Drama", "War"])),
    ({"title": None, "year": float("nan"), "genres": None}, ("x", None, [])),
]


@pytest.mark.parametrize(("columns", "told"), COLUMNS)
def test_films_are_told_whatever_their_columns_hold(columns, told):
    got = film("x", columns)
    assert (got["title"], got["year"], got["genres"]) == told


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(3, 4, "sure"), (2, 4.2, "fairly"), (1, 5, "unsure"), (None, None, None)],
)
def test_certainty_is_the_width_against_the_scale(low, high, word):
    assert certainty(low, high, STARS) == word
    assert certainty(low, high, None) is None


def test_what_was_measured_of_the_words_is_what_they_say():
    """On each data set of docs/serving.md: the surer, the nearer were the ratings that people gave."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "serving.md").read_text()
    rows = [line.split("|") for line in page.split("interval-widths -->")[1].splitlines() if "%" in line]
    near = [int(row[4].strip(" %")) for row in rows]
    sure, fairly, unsure = near[::3], near[1::3], near[2::3]
    assert len(sure) == len(unsure) == 4
    assert (min(sure), max(sure)) == (87, 96)
    assert (min(fairly), max(fairly)) == (67, 78)
    assert (min(unsure), max(unsure)) == (58, 64)
    assert "87 to 96 % lay within a quarter" in page
    assert "67 to 78 %; of the others 58 to 64 %" in page


def test_ends_of_an_interval_are_ratings_that_can_be_given():
    got = stars_said(4.6, 3.4, 6.1, STARS)
    assert (got["low"], got["high"], got["sure"]) == (3.4, 5.0, certainty(3.4, 6.1, STARS))
    assert stars_said(None, None, None, STARS) == {"stars": None, "low": None, "high": None, "sure": None}


OWN = [
    {"item": "a", "title": "Alien (1979)", "value": 5.0, "contribution": 0.6},
    {"item": "b", "title": "Big (1988)", "value": 1.0, "contribution": 0.3},
    {"item": "c", "title": "Cats (2019)", "value": 5.0, "contribution": -0.4},
    {"item": "d", "title": None, "value": 4.0, "contribution": 0.1},
    {"item": "e", "title": "Eraserhead", "value": 4.0, "contribution": 0.05},
]
NAMED = [{"name": "mean", "contribution": 3.5}, {"name": "everything else", "contribution": 0.0}]


def test_why_shares_what_speaks_for_a_film_and_adds_up():
    got = why_said([*OWN, *NAMED], 4.15, None, STARS)
    assert got["words"] == [
        "Because you liked Alien (57 %)",
        "Because you did not like Big (29 %)",
        "Because you liked d (9 %)",
    ]
    assert got["others"] == "One other of yours (5 %)"
    assert got["is_stars"]
    assert got["rest"] == pytest.approx(-0.35)
    assert got["adds_up"]
    assert not why_said([*OWN, *NAMED], 4.2, None, STARS)["adds_up"]


@pytest.mark.parametrize(
    ("contributions", "percents"),
    [
        ([67, 67, 66], [34, 33, 33]),
        ([1, 1, 1], [34, 33, 33]),
        ([2490, 2490, 2490, 2530], [25, 25, 25, 25]),
        ([3], [100]),
    ],
)
def test_shares_of_reasons_add_up_to_100_percent_however_they_are_rounded(contributions, percents):
    rows = [{"item": f"{k}", "title": None, "value": 5.0, "contribution": c} for k, c in enumerate(contributions)]
    got = why_said(rows, sum(contributions), None, STARS)
    told = [*got["words"], *([got["others"]] if got["others"] else [])]
    assert sorted(int(re.search(r"\((\d+) %\)$", words)[1]) for words in told) == sorted(percents)


def test_clicks_are_liked_whatever_their_weight():
    assert because([OWN[1]], STARS) == "because you did not like Big"
    assert because([OWN[1]], CLICKS) == "because you liked Big"
    assert because([OWN[2]], STARS) is None
    assert because(None, STARS) is None
