"""Who likes an item: counted by hand, and nothing told of fewer than five people."""

from __future__ import annotations

import numpy as np
import pytest
from films import film_data

import palate
from palate.serve.engine import likers
from palate.serve.engine.likers import FEWEST, Likers, clearest

HORROR, ROMANCE = range(10), range(10, 20)


def made(rows):
    """Return the likers of a model of rows (user, item, rating), and the positions of its items by id."""
    users, items, ratings = zip(*rows, strict=True)
    log = palate.Interactions.from_table({"user": users, "item": items, "rating": [float(r) for r in ratings]})
    table = {"item_id": list(range(20)), "title": [f"Film {k}" for k in range(20)]}
    table["genres"] = [["Horror"] if k in HORROR else ["Romance"] for k in range(20)]
    model = palate.Popularity().fit(palate.Dataset.from_tables(log, items=table))
    return Likers(model), {id_: at for at, id_ in enumerate(list(model.items_.values))}


def two_camps():
    """Return ratings of 40 people: half like horror, half romance, and dislike the other."""
    rng = np.random.default_rng(5)
    return [
        (user, item, int(np.clip((5 if (item in HORROR) == (user < 20) else 1) + rng.integers(-1, 2), 1, 5)))
        for user in range(40)
        for item in range(20)
        if rng.random() < 0.7
    ]


def test_the_histogram_counts_the_ratings():
    rows = two_camps()
    of_people, place = made(rows)
    told = of_people.rated(place[3])
    ratings = [rating for _, item, rating in rows if item == 3]
    assert told.histogram == [(float(v), ratings.count(v)) for v in sorted({row[2] for row in rows})]
    assert told.count == len(ratings)
    assert told.mean == pytest.approx(np.mean(ratings))
    assert told.liked == pytest.approx(np.mean([rating >= 4 for rating in ratings]))


def test_friends_of_horror_like_horror():
    of_people, place = made(two_camps())
    told = of_people.alike(place[3])
    assert told.genres == ["Horror"]
    assert len(told.items) == 3
    assert set(told.items) <= {place[item] for item in HORROR if item != 3}
    assert of_people.alike(place[15]).genres == ["Romance"]


@pytest.mark.parametrize("people", [FEWEST - 1, FEWEST])
def test_of_fewer_than_five_people_nothing_is_told(people):
    others = [row for row in two_camps() if row[1] != 19 and row[0] >= people]
    few = [(user, item, 5) for user in range(people) for item in (*HORROR, 19)]
    of_people, place = made(others + few)
    assert (of_people.rated(place[19]) is None) == (people < FEWEST)
    told = of_people.alike(place[19])
    assert bool(told.items or told.genres) == (people >= FEWEST)


def test_a_count_below_five_is_not_told_however_clear_it_is():
    assert clearest(np.array([4, 5]), 10, np.array([0.001, 0.001]), 2) == [1]


def test_what_chance_gives_is_not_told():
    assert clearest(np.array([50, 60, 90]), 100, np.array([0.5, 0.5, 0.5]), 3) == [2, 1]
    assert clearest(np.array([10, 10]), 10, np.array([1.0, 0.0]), 2) == []


def test_people_of_one_taste_point_at_nothing():
    of_people, place = made([(user, item, 5 - 4 * (user == item == 0)) for user in range(30) for item in range(20)])
    assert of_people.alike(place[3]) == likers.Alike([], [])


def test_clicks_have_no_histogram():
    of_people, place = made([(user, item, 1) for user, item, rating in two_camps() if rating >= 4])
    told = of_people.rated(place[3])
    assert (told.histogram, told.mean, told.liked) == ([], None, None)
    assert told.count >= FEWEST
    assert of_people.alike(place[3]).genres == ["Horror"]


def test_a_fine_scale_is_told_in_equal_parts():
    rng = np.random.default_rng(2)
    of_people, place = made([(u, i, round(float(rng.uniform(0, 100)), 2)) for u in range(40) for i in range(20)])
    told = of_people.rated(place[3])
    assert len(told.histogram) == 10
    assert sum(people for _, people in told.histogram) == 40
    assert told.histogram[0][0] == pytest.approx(5, abs=1)


def test_without_rows_of_training_nothing_is_told():
    model = palate.Popularity(store_history=False).fit(film_data())
    of_people = Likers(model)
    assert of_people.rated(0) is None
    assert of_people.alike(0) == likers.Alike([], [])
