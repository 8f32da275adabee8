"""A small world in which everything is known: people of a few tastes, lists drawn by Plackett-Luce, clicks by a model.

All permutations are enumerated, so propensities, whole-list probabilities and the true value of a policy are exact.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.experiments.clicks import crossfitted, folds
from palate.experiments.estimates import Places

Floats = NDArray[np.float64]


def every_list(m: int, k: int) -> NDArray[np.int64]:
    """Return all lists of k of m items, (n, k)."""
    return np.array(list(itertools.permutations(range(m), k)), np.int64)


def list_probabilities(lists: NDArray[np.int64], utility: Floats) -> Floats:
    """Return the Plackett-Luce probability of each list."""
    strength = np.exp(utility - utility.max())
    left, p = np.full(len(lists), strength.sum()), np.ones(len(lists))
    for place in range(lists.shape[1]):
        own = strength[lists[:, place]]
        p *= own / left
        left = left - own
    return p


def best_first(utility: Floats, k: int, lists: NDArray[np.int64]) -> Floats:
    """Return the probabilities of a policy that shows the k best items."""
    best = np.argsort(-utility, kind="stable")[:k]
    return (lists == best).all(axis=1).astype(float)


@dataclass(frozen=True, eq=False)
class World:
    """People of several tastes, items they like, and places they look at.

    Attributes:
        attraction: (n_tastes, n_items) the chance that a click follows a look.
        examination: (n_places,) the chance of a look.
        cascade: a person looks from the top, and ends at the first click.
        spread: of how much people click, as a gamma's.
    """

    attraction: Floats
    examination: Floats
    cascade: bool = False
    spread: float = 0.3

    @classmethod
    def made(cls, seed: int = 0, tastes: int = 4, m: int = 6, k: int = 3, **more: Any) -> World:
        rng = np.random.default_rng(seed)
        return cls(rng.beta(1.5, 4, (tastes, m)), 1 / np.sqrt(np.arange(1, k + 1)), **more)

    @property
    def lists(self) -> NDArray[np.int64]:
        return every_list(self.attraction.shape[1], len(self.examination))

    def click_chances(self, taste: int, lists: NDArray[np.int64]) -> Floats:
        """Return the chance of a click at each place of lists, (n, k)."""
        gamma = self.attraction[taste][lists]
        if not self.cascade:
            return self.examination * gamma
        before = np.cumprod(np.column_stack([np.ones(len(lists)), 1 - gamma[:, :-1]]), axis=1)
        return before * gamma

    def value(self, policies: list[Floats]) -> float:
        """Return the clicks per list of a policy: of each taste, the probability of each list."""
        lists = self.lists
        return float(np.mean([p @ self.click_chances(t, lists).sum(axis=1) for t, p in enumerate(policies)]))

    def marginals(self, policy: Floats) -> Floats:
        """Return the probability of each item at each place, (k, m)."""
        lists, m = self.lists, self.attraction.shape[1]
        return np.stack([np.bincount(lists[:, k], policy, m) for k in range(lists.shape[1])])


def logged(
    world: World, ran: list[Floats], asked: list[Floats], people: int, rng: np.random.Generator, mean_lists: float = 2.0
) -> Places:
    """Return lists of a policy that ran, and what another one would do with them."""
    n = 1 + rng.poisson(mean_lists - 1, people)
    taste_of = rng.integers(len(ran), size=people)
    keen = rng.gamma(1 / world.spread, world.spread, people) if world.spread else np.ones(people)
    person = np.repeat(np.arange(people), n)
    taste, every = taste_of[person], world.lists
    chosen = np.empty(len(person), np.int64)
    for at, policy in enumerate(ran):
        own = taste == at
        chosen[own] = rng.choice(len(every), own.sum(), p=policy)
    items = every[chosen]
    clicked = _clicks(world, items, taste, keen[person], rng)
    before, after = (np.stack([world.marginals(p) for p in policies]) for policies in (ran, asked))
    place = np.arange(items.shape[1])
    whole = np.array([asked[t][c] / ran[t][c] for t, c in zip(taste, chosen, strict=True)])
    places = Places(
        list=np.repeat(np.arange(len(person)), items.shape[1]),
        place=np.tile(place + 1, len(person)),
        propensity=before[taste[:, None], place, items].ravel(),
        target=np.minimum(after[taste[:, None], place, items], 1).ravel(),
        fills=np.ones(items.size),
        reward=clicked.ravel(),
        person=person,
        whole=whole,
    )
    return with_model(places, items.ravel(), taste, after)


def _clicks(
    world: World, items: NDArray[np.int64], taste: NDArray[np.int64], keen: Floats, rng: np.random.Generator
) -> Floats:
    gamma = world.attraction[taste[:, None], items]
    if not world.cascade:
        return rng.poisson(world.examination * gamma * keen[:, None]).astype(float)
    liked = rng.random(gamma.shape) < gamma
    first = np.cumsum(liked, axis=1) == 1
    return (liked & first).astype(float)


def with_model(places: Places, item: NDArray[np.int64], taste: NDArray[np.int64], asked: Floats) -> Places:
    """Return places with a cross-fitted reward model; ``asked`` is (n_tastes, k, m)."""
    _, k, m = asked.shape
    fold = folds(places.person)[places.list]
    models = crossfitted(fold, places.place, item, places.reward, k, m)
    expected = np.stack([model.expected(np.arange(1, k + 1)[:, None], np.arange(m)) for model in models])
    at, whose = places.place - 1, taste[places.list]
    direct = (expected[fold, at] * asked[whose, at]).sum(axis=1)
    return replace(places, modelled=expected[fold, at, item], direct=direct)
