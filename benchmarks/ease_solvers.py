"""Seconds and NDCG@20 of `EASE`'s solvers, on training rows of three sets: a fifth of each person's is held out."""

from __future__ import annotations

import argparse
import time
from typing import Any

from common import machine, markdown, publish
from eight_sets import QUESTIONS, some_people

import palate
from palate.data.splits.making import make_splits

ON = ("ml-100k from 4", "lastfm-2k, counts", "retailrocket, events", "yelp2018, fixed")
NEAREST = (50, 100, 300, 1000)
PEOPLE = 3000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace the table in docs/")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--on", action="append", choices=ON)
    options = parser.parse_args()
    palate.EASE(solver="users").fit(tiny())  # compiled
    palate.EASE(solver="neighbors").fit(tiny())
    rows = [row for name in options.on or ON for row in lines(name, options.threads)]
    header = ["data", "solver", "NDCG@20", "against the whole", "fit, s", "lists, s"]
    told = f"Defaults otherwise; yelp2018 by {PEOPLE:,} people. {options.threads} threads. {machine('scipy')}"
    publish("ease-solvers", f"{markdown(header, rows)}\n\n{told}", write=options.write)


def tiny() -> palate.Interactions:
    """Return a few clicks."""
    return palate.Interactions.from_table({"user": [1, 1, 2, 2, 3], "item": [1, 2, 2, 3, 3]})


def lines(name: str, n_threads: int) -> list[list[str]]:
    """Return a line for each solver."""
    question = QUESTIONS[name]
    train = some_people(question.parts()[0], PEOPLE)
    data = getattr(train, "interactions", train)
    (parts,) = make_splits(data, question.validation)
    known, held_out = data.take(parts.train), data.take(parts.test)
    out, whole = [], 0.0
    smaller = "users" if 2 * data.n_users < data.n_items else "items"
    for solver, n in ((smaller, None), *(("neighbors", n) for n in NEAREST)):
        model: Any = palate.EASE(solver=solver, n_neighbors=n, n_threads=n_threads, **question.parameters)
        begun = time.perf_counter()
        model.fit(known)
        fitted = time.perf_counter()
        given = {} if question.relevant is None else {"positive": question.relevant}
        figure = palate.measure(model, known, held_out, ["ndcg@20"], **given).units["ndcg@20"].value
        listed = time.perf_counter()
        whole = whole or figure
        said = solver if n is None else f"{solver}, {n:,}"
        against = "" if n is None else f"{figure / whole - 1:+.1%}"
        times = [f"{seconds:.1f}" for seconds in (fitted - begun, listed - fitted)]
        out.append([name if n is None else "", said, f"{figure:.4f}", against, *times])
    return out


if __name__ == "__main__":
    main()
