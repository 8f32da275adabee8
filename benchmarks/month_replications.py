"""The estimates of the simulated month many times over: how often intervals hold what is true, and tests find what is.

A replication draws people of the month anew, with the lists that they asked for, lets the policy that ran make each
list, lets them click, and estimates another policy from that. What is true is known: the mean, over all of these lists,
of what the other policy's lists are worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from month_world import EXAMINATION, PLACES, World
from numpy.typing import NDArray

from palate.experiments import arms, planning
from palate.experiments.choosing import Softmax, utilities
from palate.experiments.clicks import FOLDS, crossfitted, folds
from palate.experiments.estimates import OffPolicy, Places, estimate
from palate.experiments.explore import Explore

if TYPE_CHECKING:
    from simulated_month import Context

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
AT = np.arange(PLACES)
CLICK_MODELS = ("as stated", "cascade")


@dataclass(frozen=True, eq=False)
class Policy:
    """One way to make lists, in all contexts.

    Attributes:
        made: of each context.
        table: (n_contexts, m, PLACES) the probability of each candidate at each place.
        worth: (n_contexts,) clicks that a list is worth, where people click as stated.
    """

    made: Sequence[Softmax]
    table: Floats
    worth: Floats

    @classmethod
    def of(cls, contexts: Sequence[Context], attraction: Floats, explore: Explore) -> Policy:
        """Return a policy with all its probabilities; attraction is (n_contexts, m)."""
        made = [Softmax(utilities(one.scores), explore) for one in contexts]
        table = np.stack([_table(one) for one in made])
        return cls(made, table, np.einsum("cik,ci,k->c", table, attraction, EXAMINATION))

    def lists(self, which: Ints, rng: np.random.Generator) -> Ints:
        """Return a list for each of these contexts, (n, PLACES) numbers of candidates."""
        seeds = rng.integers(0, 2**63, len(which))
        return np.stack([self.made[c].draw(int(seed)).order[:PLACES] for c, seed in zip(which, seeds, strict=True)])


def _table(policy: Softmax) -> Floats:
    every = np.arange(policy.m)
    return np.stack([policy.propensities(every, np.full(policy.m, k + 1)) for k in AT], axis=1)


@dataclass(frozen=True, eq=False)
class Shop:
    """The contexts of a month, and who asked.

    Attributes:
        items: (n_contexts, m) candidates of each.
        attraction: (n_contexts, m)
        of: contexts of each person.
        n_items: in the catalogue.
    """

    items: Ints
    attraction: Floats
    of: Sequence[Ints]
    n_items: int

    @classmethod
    def made(cls, contexts: Sequence[Context], world: World) -> Shop:
        """Return the shop of contexts in a world."""
        items = np.stack([one.items for one in contexts])
        person = np.array([one.person for one in contexts])
        attraction = world.attraction[person[:, None], items]
        return cls(items, attraction, [np.flatnonzero(person == one) for one in np.unique(person)], world.n_items)

    def people(self, n: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Return the contexts that so many people bring, drawn anew, and whose each is."""
        drawn = [self.of[one] for one in rng.integers(0, len(self.of), n)]
        return np.concatenate(drawn), np.repeat(np.arange(n), [len(one) for one in drawn])

    def truth(self, policy: Policy) -> float:
        """Return the clicks per list that a policy brings, where people click as stated."""
        return float(policy.worth.mean())

    def clicks(self, which: Ints, lists: Ints, how: str, rng: np.random.Generator) -> Floats:
        """Return who clicks what, (n, PLACES); in a cascade, whoever has clicked reads no further."""
        hit = rng.random(lists.shape) < EXAMINATION * np.take_along_axis(self.attraction[which], lists, 1)
        if how == "cascade":
            hit &= np.cumsum(hit, axis=1) <= 1
        return hit.astype(np.float64)


def once(
    shop: Shop, ran: Policy, asked: Policy, how: str, n_people: int, rng: np.random.Generator
) -> tuple[OffPolicy, Floats]:
    """Return the estimate of a policy from lists of another, and the rewards that it was made from."""
    which, person = shop.people(n_people, rng)
    lists = ran.lists(which, rng)
    rewards = shop.clicks(which, lists, how, rng)
    items = np.take_along_axis(shop.items[which], lists, 1)
    shape, k = lists.shape, np.broadcast_to(AT, lists.shape)
    whose = np.repeat(np.arange(len(which)), PLACES)
    fold = folds(person)
    models = crossfitted(fold[whose], k.ravel() + 1, items.ravel(), rewards.ravel(), PLACES, shop.n_items)
    modelled, direct = np.zeros(shape), np.zeros(shape)
    for own in range(FOLDS):
        here, model = np.flatnonzero(fold == own), models[own]
        modelled[here] = model.examination * model.attraction[items[here]]
        expected = model.attraction[shop.items[which[here]]]
        direct[here] = np.einsum("cik,ci->ck", asked.table[which[here]], expected) * model.examination
    at = which[:, None], lists, k
    places = Places(
        list=whose,
        place=k.ravel() + 1,
        propensity=ran.table[at].ravel(),
        target=asked.table[at].ravel(),
        fills=np.ones(lists.size),
        reward=rewards.ravel(),
        person=person,
        modelled=modelled.ravel(),
        direct=direct.ravel(),
    )
    return estimate(places), rewards


@dataclass(frozen=True, slots=True)
class Coverage:
    """How an estimator did over all replications.

    Attributes:
        how: people click.
        estimator: its name.
        truth, mean: of the clicks per list.
        spread: standard deviation of the estimates.
        covered: share of the intervals that hold the truth.
        n: replications.
    """

    how: str
    estimator: str
    truth: float
    mean: float
    spread: float
    covered: float
    n: int


def coverage(
    shop: Shop, ran: Policy, asked: Policy, how: str, *, n: int, n_people: int, seed: int = 0
) -> list[Coverage]:
    """Return how each estimator did in n replications."""
    rng = np.random.default_rng(seed)
    truth = shop.truth(asked) if how == "as stated" else _by_drawing(shop, asked, how, rng)
    found = [once(shop, ran, asked, how, n_people, rng)[0] for _ in range(n)]
    out = []
    for name in ("ips", "snips", "dr"):
        figures = [one[name].value for one in found]
        values = np.array([one.value for one in figures])
        held = np.mean([one.low <= truth <= one.high for one in figures])
        out.append(Coverage(how, name, truth, float(values.mean()), float(values.std(ddof=1)), float(held), n))
    return out


def _by_drawing(shop: Shop, policy: Policy, how: str, rng: np.random.Generator, times: int = 40) -> float:
    which = np.tile(np.arange(len(shop.items)), times)
    return float(shop.clicks(which, policy.lists(which, rng), how, rng).sum(axis=1).mean())


def found(shop: Shop, two: tuple[Policy, Policy], same: bool, *, n: int, seed: int = 1) -> tuple[float, int]:
    """Return in which share of n experiments of the planned size a difference is found, and lists an arm.

    Args:
        shop: whose people take part.
        two: the policies of the arms.
        same: give both arms the first policy: what is found then is a false alarm.
        n: experiments.
        seed: of all chance.
    """
    rng, names = np.random.default_rng(seed), ("exploring", "keen")
    halves = [planning.ArmShare(name, 0.5) for name in names]
    before = _experiment(shop, (two[0], two[0]), 2000, rng)
    known = planning.baseline(before, "clicks")
    plan = planning.planned(
        halves,
        shop.truth(two[0]),
        shop.truth(two[1]) - shop.truth(two[0]),
        metric="clicks",
        lists_per_person=known.lists_per_person,
        correlation=max(known.correlation, 0.0),
        variance=known.variance,
    )
    people = round(sum(plan.lists) / (len(shop.items) / len(shop.of)))
    policies = (two[0], two[0] if same else two[1])
    said = [arms.report(_experiment(shop, policies, people, rng), halves, plan, n_resamples=400) for _ in range(n)]
    hits = [next(d for d in one.differences if d.metric == "clicks").p_corrected <= plan.alpha for one in said]
    return float(np.mean(hits)), plan.lists[0]


def _experiment(shop: Shop, two: tuple[Policy, Policy], n_people: int, rng: np.random.Generator) -> pl.DataFrame:
    """Return the lists of an experiment, one row each with all its clicks."""
    which, person = shop.people(n_people, rng)
    arm = rng.integers(0, 2, n_people)[person]
    clicks = np.zeros(len(which))
    for own, policy in enumerate(two):
        here = np.flatnonzero(arm == own)
        clicks[here] = shop.clicks(which[here], policy.lists(which[here], rng), "as stated", rng).sum(axis=1)
    names = np.array(["exploring", "keen"])[arm]
    return pl.DataFrame({"list": np.arange(len(which)), "person": person, "arm": names, "clicks": clicks}).with_columns(
        positives=pl.col("clicks")
    )
