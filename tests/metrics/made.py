"""Small made-up lists, rows and ratings for the tests of the metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from palate.data.interactions import Rows

quick = settings(max_examples=60, deadline=None)
close = {"rtol": 1e-10, "atol": 1e-10}


def rows(several) -> Rows:
    """Return compressed rows of dicts {item: value}, or of lists of items with value 1."""
    cells = [sorted(one.items()) if isinstance(one, dict) else [(i, 1.0) for i in sorted(one)] for one in several]
    flat = [cell for one in cells for cell in one]
    indptr = np.concatenate([[0], np.cumsum([len(one) for one in cells])]).astype(np.int64)
    return Rows(indptr, np.array([i for i, _ in flat], np.int32), np.array([v for _, v in flat], np.float32))


def padded(several, width) -> np.ndarray:
    """Return lists as (m, width) int32 with -1 where there is none."""
    out = np.full((len(several), width), -1, np.int32)
    for place, one in enumerate(several):
        out[place, : len(one)] = one
    return out


@dataclass
class Case:
    """Lists, gains of the relevant items, histories (never in the list) and sizes."""

    n_items: int
    width: int
    k: int
    shown: list[list[int]]
    gains: list[dict[int, int]]
    histories: list[list[int]]

    @property
    def lists(self):
        return padded(self.shown, self.width)

    @property
    def cut(self):
        return [one[: self.k] for one in self.shown]


@st.composite
def cases(draw, lowest_gain=1):
    n_items = draw(st.integers(1, 9))
    m = draw(st.integers(1, 5))
    width = draw(st.integers(1, n_items + 2))
    items = st.permutations(range(n_items))
    shown, gains, histories = [], [], []
    for _ in range(m):
        order = draw(items)
        n_listed = draw(st.integers(0, min(width, n_items)))
        n_had = draw(st.integers(0, n_items - n_listed))
        shown.append(list(order[:n_listed]))
        histories.append(sorted(order[n_items - n_had :]))
        gains.append(draw(st.dictionaries(st.integers(0, n_items - 1), st.integers(lowest_gain, 5), max_size=n_items)))
    return Case(n_items, width, draw(st.integers(1, width)), shown, gains, histories)
