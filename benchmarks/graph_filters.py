"""GraphFilter with its defaults: what its lists reach and cost on wide sets of clicks, and beside EASE on the others.

``graph_filters.py [--write]``; PALATE_DATA names the folder of the data sets.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from common import arguments, machine, markdown, publish
from defaults import fitted, made
from eight_sets import LISTS, fixed

import palate

SETS = ("gowalla", "yelp2018")
PEOPLE = 50  # whose lists are timed one by one
HEADER = ["data", "recall@20", "NDCG@20", "fit, s", "lists of all, s", "a list, ms (median)", "a list, ms (largest)"]


def timed(task: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a task gives, and its seconds."""
    start = time.perf_counter()
    found = task()
    return found, time.perf_counter() - start


def row_of(name: str) -> list[str]:
    """Return a data set's row of the table."""
    train, test = fixed(name)
    palate.warm("graph")
    model = palate.GraphFilter()
    _, fit = timed(lambda: model.fit(train))
    _, lists = timed(lambda: model.recommend(train.users.values, 20))
    people = np.random.default_rng(0).choice(train.users.values, PEOPLE, replace=False)
    each = [1000 * timed(partial(model.recommend, user, 20))[1] for user in people]
    values = palate.measure(model, train, test, ["recall@20", "ndcg@20"]).values
    times = [f"{fit:.0f}", f"{lists:.0f}", f"{np.median(each):.1f}", f"{max(each):.1f}"]
    row = [name, f"{values['recall@20']:.4f}", f"{values['ndcg@20']:.4f}", *times]
    print(row, file=sys.stderr, flush=True)
    return row


def beside_ease() -> list[list[str]]:
    """Return NDCG@20 of the graph filter and of EASE on the other sets."""
    rows = []
    for question in LISTS:
        if not question.name.startswith(SETS):
            figures = [fitted(made(key, question, 2), question)["ndcg@20"] for key in ("graph", "ease")]
            rows.append([question.name, *(f"{figure:.4f}" for figure in figures)])
    return rows


def main() -> None:
    """Measure and publish the tables."""
    options = arguments(__doc__)
    beside = markdown(["data", "`graph`, NDCG@20", "`ease`, NDCG@20"], beside_ease())
    publish("graph-beside-ease", f"{beside}\n\n{machine('scipy')}.", write=options.write)
    rows = [row_of(name) for name in SETS]
    publish("graph-filters", f"{markdown(HEADER, rows)}\n\n{machine('scipy')}.", write=options.write)


if __name__ == "__main__":
    main()
