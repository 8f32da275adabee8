"""Lists of MovieLens 100K on a cut in time, where most people are new: the films as they are, and under other numbers.

NDCG@10 of the test ratings of at least 4, of models with their defaults. Who had no rating of at least 4 in training is
given the popular list, and counted; the others' figure stands beside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from common import arguments, machine, markdown, publish

import palate

SPLITS = ("time:0.2", "random:0.2:42")
MODELS: dict[str, dict[str, Any]] = {
    "popularity": {},
    "baseline": {},
    "ease": {"positive": 4},
    "knn": {"positive": 4},
    "rp3beta": {"positive": 4},
    "ials": {"positive": 4, "random_state": 42},
}
METRIC = "ndcg@10"


def main() -> None:
    options = arguments(__doc__ or "")
    data = palate.load_movielens("100k").interactions
    rows = []
    for split in SPLITS:
        for key, parameters in MODELS.items():
            found = [measured(key, parameters, one, split) for one in numberings(data)]
            first = found[0].summaries[METRIC]
            others = "" if first.mean_of_others is None else f"{first.mean_of_others:.4f}"
            of = f"{first.n_popular} of {first.n_users}"
            values = [f"{one.metrics[METRIC]:.4f}" for one in found]
            rows.append([f"`{split}`" if key == "popularity" else "", f"`{key}`", *values, of, others])
            print(rows[-1], flush=True)
    header = ["split", "model", "as they are", "reversed", "shuffled", "given the popular list", "the others"]
    publish("renumbered", f"{markdown(header, rows)}\n\n`{METRIC}`, positive from 4. {machine()}", write=options.write)


def numberings(data: palate.Interactions) -> Iterator[palate.Interactions]:
    """Yield the same rows, with the ids of the items handed out in another order."""
    n = data.n_items
    for places in (np.arange(n), np.arange(n)[::-1], np.random.default_rng(1).permutation(n)):
        yield replace(data, item_index=places[data.item_index].astype(np.int32))


def measured(key: str, parameters: dict[str, Any], data: palate.Interactions, split: str) -> Any:
    """Return the evaluation of one model."""
    model = palate.MODELS[key](**parameters)
    return palate.evaluate(model, *palate.split(data, split), metrics=[METRIC], positive=4)


if __name__ == "__main__":
    main()
