"""People with known tastes, who arrive, click and leave: the world of `simulated_month.py`.

Person u clicks item a at place k with probability e_k s(b_a + t_u . t_a), s the logistic function: the click model that
`palate.experiments.clicks` states. In a cascade, who has clicked does not read on: the stated model is then wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

PLACES = 10  # of a list
EXAMINATION = 1 / np.arange(1, PLACES + 1) ** 0.6  # e_k: one in four looks at the tenth place
N_TASTES = 3
VISITS = 0.35  # a day, of a person who is there
LEAVES, LEAVES_BORED = 0.01, 0.05  # for good, after a list with a click and after one without
Floats = NDArray[np.float64]


@dataclass(eq=False)
class World:
    """Items, and the people who are there.

    Attributes:
        n_items: in the catalogue.
        rng: all chance of the world.
        attraction: (n_people, n_items) s(b + t . t): the probability that a click follows where the person looks.
        there: (n_people,) who has not left.
        clicked: items that each person has clicked, which are in no list of theirs any more.
    """

    n_items: int
    rng: np.random.Generator
    attraction: Floats = field(init=False)
    there: NDArray[np.bool_] = field(init=False)
    clicked: list[set[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the items; nobody is there yet."""
        self._items = self.rng.normal(0, 1, (self.n_items, N_TASTES))
        self._bias = self.rng.normal(-2.6, 0.5, self.n_items)
        self.attraction = np.zeros((0, self.n_items))
        self.there = np.zeros(0, bool)

    def arrive(self, n: int) -> None:
        """Let so many people arrive."""
        tastes = self.rng.normal(0, 1.0, (n, N_TASTES))
        new = 1 / (1 + np.exp(-(self._bias + tastes @ self._items.T)))
        self.attraction = np.concatenate([self.attraction, new])
        self.there = np.concatenate([self.there, np.ones(n, bool)])
        self.clicked += [set() for _ in range(n)]

    def visitors(self) -> list[int]:
        """Return who comes today, in the order of coming."""
        come = np.flatnonzero(self.there & (self.rng.random(len(self.there)) < VISITS))
        return [int(one) for one in self.rng.permutation(come)]

    def clicks(self, person: int, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return at which places, from 0, a person clicks, who may then leave for good."""
        chances = EXAMINATION[: len(items)] * self.attraction[person, items]
        at = np.flatnonzero(self.rng.random(len(items)) < chances)
        self.clicked[person].update(int(item) for item in items[at])
        if self.rng.random() < (LEAVES if len(at) else LEAVES_BORED):
            self.there[person] = False
        return at

    def best(self, person: int) -> float:
        """Return the clicks that the best list of all would bring."""
        left = self.attraction[person].copy()
        left[list(self.clicked[person])] = 0
        return float(np.sort(left)[::-1][:PLACES] @ EXAMINATION)

    def expected(self, person: int, items: NDArray[np.int64]) -> float:
        """Return the clicks that a list is worth."""
        return float(EXAMINATION[: len(items)] @ self.attraction[person, items])
