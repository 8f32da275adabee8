"""What "sure", "fairly sure" and "unsure" on a card are worth: how near the ratings were that people really gave.

    python benchmarks/interval_widths.py --write

BayesianMF with its defaults learns from the training part of each data set of ratings. The word of a prediction follows
from the width of the interval that holds a rating with probability 0.8, against the scale (`palate.serve.web.lists`).
Over the ratings of the test part, by word: how many were within a quarter of the scale (one star of five), the mean
error against the scale, how many the interval held; and how often the word stands in lists of the best 20.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from common import arguments, machine, markdown, publish
from eight_sets import QUESTIONS
from numpy.typing import NDArray

import palate
from palate.serve.engine.asking import Scale
from palate.serve.web.lists import LIKELY, certainty

SETS = ("ml-100k, random", "filmtrust, fixed", "movietweetings, random", "anime, random")
WORDS = {"sure": "sure", "fairly": "fairly sure", "unsure": "unsure"}
PEOPLE, SHOWN, NEAR = 300, 20, 0.25


def main() -> None:
    """Measure each data set, and print the table; with --write put it into the docs."""
    options = arguments(__doc__ or "")
    rows = [row for name in SETS for row in measured(name)]
    header = ["data, word", "of test ratings", "of lists", "within a quarter of the scale", "mean error", "held"]
    publish("interval-widths", f"{markdown(header, rows)}\n\n{machine()}", write=options.write)


def measured(name: str) -> list[list[str]]:
    """Return the rows of a data set, one a word."""
    train, test = QUESTIONS[name].parts()
    model = palate.BayesianMF(random_state=0).fit(train, progress=None)
    low, high = model.rating_range_
    told = known(model, getattr(test, "interactions", test).to_table())
    error = np.abs(model.predict(told["user_id"], told["item_id"]) - told["value"].to_numpy()) / (high - low)
    lower, upper = model.predict_interval(told["user_id"], told["item_id"], LIKELY)
    held = (told["value"].to_numpy() >= lower) & (told["value"].to_numpy() <= upper)
    said, listed = words_of(model, lower, upper), words_in_lists(model)
    return [
        [
            f"{name}: {shown}",
            f"{np.mean(said == word):.0%}",
            f"{np.mean(listed == word):.0%}",
            *(f"{np.mean(values[said == word]):.0%}" for values in (error <= NEAR, error, held)),
        ]
        for word, shown in WORDS.items()
    ]


def known(model: palate.Recommender, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows whose user and item were in the training part."""
    pairs = ((model.users_, "user_id"), (model.items_, "item_id"))
    there = [ids.index(rows[column].to_list(), on_unknown="mark") >= 0 for ids, column in pairs]
    return rows.filter(pl.Series(there[0] & there[1]))


def words_of(model: palate.Recommender, lower: NDArray[np.float64], upper: NDArray[np.float64]) -> NDArray[np.str_]:
    """Return the word of each interval, as a card says it."""
    scale = Scale(*model.rating_range_, predicted=True)
    return np.array([certainty(low, high, scale) for low, high in zip(lower, upper, strict=True)])


def words_in_lists(model: palate.BayesianMF) -> NDArray[np.str_]:
    """Return the words on the best 20 of some people, spread evenly."""
    people = model.users_.values.to_list()[:: max(1, len(model.users_) // PEOPLE)][:PEOPLE]
    told = model.recommend(people, n=SHOWN)
    return words_of(model, *model.predict_interval(told["user_id"], told["item_id"], LIKELY))


if __name__ == "__main__":
    main()
