from __future__ import annotations

import pytest
from films import film_data

import palate
from palate.serve.engine.genres import genres_of, genres_of_items


@pytest.mark.parametrize(
    ("columns", "genres"),
    [
        ({"genres": ["Drama", "War", "Drama"]}, ["Drama", "War"]),
        ({"genre": "Drama| War |"}, ["Drama", "War"]),
        ({"genres": None, "genre": ["Drama"]}, ["Drama"]),
        ({"genres": ["unknown", None, 3]}, []),
        ({"genres": "(no genres listed)"}, []),
        ({"genres": 7}, []),
        ({}, []),
    ],
)
def test_genres_are_read_from_lists_and_texts(columns, genres):
    assert genres_of(columns) == genres


def test_genres_of_a_models_items():
    model = palate.Popularity().fit(film_data())
    every = genres_of_items(model)
    assert every[model.items_.index(["f3"])[0]] == ["Science Fiction", "Comedy"]
    bare = palate.Interactions.from_table({"user": [1, 2], "item": [1, 2], "rating": [1.0, 2.0]})
    assert genres_of_items(palate.Popularity().fit(bare)) == [[], []]
