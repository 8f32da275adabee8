"""How wide the intervals of predicted ratings are on MovieLens 100K: what "sure" and "unsure" mean on a card.

    python benchmarks/interval_widths.py

Widths of the intervals that hold a rating with probability 0.8, against the scale, of BayesianMF with its defaults:
over all films that a person has not rated, and over the 20 best of each person's list.
"""

from __future__ import annotations

import numpy as np

import palate
from palate.serve.web.lists import LIKELY

PEOPLE, SHOWN = 300, 20
AT = (0.05, 1 / 3, 0.5, 2 / 3, 0.95)


def main() -> None:
    """Print the quantiles."""
    model = palate.BayesianMF(random_state=0).fit(palate.load_movielens("100k"))
    people = model.users_.values.to_list()[:: len(model.users_) // PEOPLE][:PEOPLE]
    low, high = model.rating_range_
    for words, n in (("all that is left", len(model.items_)), (f"the best {SHOWN}", SHOWN)):
        told = model.recommend(people, n=n)
        lower, upper = model.predict_interval(told["user_id"], told["item_id"], LIKELY)
        width = (upper - lower) / (high - low)
        print(words, *(f"{share:.2f}: {np.quantile(width, share):.3f}" for share in AT), sep="  ")


if __name__ == "__main__":
    main()
