"""What a catalogue spans, whatever its columns hold."""

from __future__ import annotations

import polars as pl

from palate.serve.engine.spread import MOST, Spread, spread_of


def test_genres_of_lists_and_of_texts_are_one_and_the_most_frequent_comes_first():
    lists = pl.DataFrame({"genres": [["Drama", "War"], ["Drama"], None, []], "year": [1950, 1999, None, 1970]})
    texts = pl.DataFrame({"genre": ["War|Drama", "Comedy", "unknown", ""], "year": ["1940", "soon", None, "2001"]})
    assert spread_of([lists, texts]) == Spread(("Drama", "War", "Comedy"), (1940, 2001))


def test_a_catalogue_without_these_columns_spans_nothing():
    assert spread_of([pl.DataFrame({"item_id": [1]}), pl.DataFrame({"genres": [None], "year": [None]})]) == Spread()


def test_of_many_genres_the_most_frequent_are_told():
    many = pl.DataFrame({"genre": [f"g{at}" for at in range(2 * MOST)] + ["g7"]})
    told = spread_of([many]).genres
    assert len(told) == MOST
    assert told[0] == "g7"
