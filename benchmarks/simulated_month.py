"""A month of a small shop, on a real store, engine, gate and experiment, with people whose tastes are known.

``python benchmarks/simulated_month.py [--write]`` lives through it, then estimates what could be known from its log
beside what is true, repeats the estimates many times (`month_replications.py`), prints the tables and draws
docs/images/month.png. With ``--write`` the tables go into docs/experiments.md.

Days 1-7    no model: popular items, explored
day 7, 14   a model is trained, judged and takes over; again from where the first stood
day 10      a bad model is trained, and refused
day 15 on   an experiment: how much does exploration cost? It ends when each arm has the lists that it needs
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import month_figure
import month_replications
import numpy as np
from common import ROOT, machine, markdown, publish
from month_world import PLACES, World

from palate.experiments import arms, planning
from palate.experiments.explore import Explore
from palate.retraining import KIND, checked, retrain
from palate.serve.engine import Answer, Ask, Engine
from palate.store import Event, experiments, feedback, jobs, open_store, outcomes, scenarios, versions
from palate.store.presets import Preset

DAY = 86_400_000_000  # microseconds
CANDIDATES = 50
EXPLORING = Explore(policy="softmax", temperature=1.0, depth=CANDIDATES, uniform=0.2)
KEEN = Explore(policy="softmax", temperature=0.2, depth=CANDIDATES)
PRESETS = {
    "default": Preset(explore=EXPLORING),
    "keen": Preset(explore=KEEN),
    "shadow": Preset(explore=Explore(policy="none")),  # what the others draw from; nobody sees its lists
}
GOOD = {"model": "ials", "parameters": {"n_factors": 8, "n_epochs": 8, "random_state": 1}}
BAD = {"model": "ials", "parameters": {"n_factors": 1, "n_epochs": 1, "reg": 10.0, "random_state": 1}}
RULE = {"metric": "ndcg@10", "days": 3, "margin": 0.0, "fewest": 30}
EFFECT = 0.15  # of the rate: the smallest difference that the experiment is to find


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything.

    Attributes:
        people: at the beginning; a twentieth of them arrives anew each day.
        items: in the catalogue.
        days: of the month.
        gate: the days on which a model is trained, a bad one, and again a good one.
        begin: day on which the experiment begins.
    """

    people: int = 900
    items: int = 120
    days: int = 28
    gate: tuple[int, int, int] = (7, 10, 14)
    begin: int = 15


@dataclass(frozen=True, eq=False, slots=True)
class Context:
    """A list as it was before chance had its part: who asked, and the candidates in their order."""

    person: int
    items: np.ndarray[Any, Any]
    scores: np.ndarray[Any, Any]


@dataclass(eq=False)
class Month:
    """The month, day by day.

    Attributes:
        folder: of the store.
        size: how much of everything.
        daily: for each day: lists, clicks, what its lists were worth, and what the best lists would have been.
        events: what happened on which day, in words.
        contexts: of the lists that the estimates are made from.
    """

    folder: Path
    size: Size
    seed: int = 0
    daily: list[dict[str, float]] = field(default_factory=list)
    events: list[tuple[int, str]] = field(default_factory=list)
    contexts: list[Context] = field(default_factory=list)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    report: arms.Report | None = None

    def __post_init__(self) -> None:
        """Open the store and its engine."""
        self.store = open_store(f"sqlite:///{self.folder}/month.db")
        self.ns = self.store.namespace()
        self.world = World(self.size.items, np.random.default_rng(self.seed))
        self.begin = time.time_ns() // 1000 - (self.size.days + 1) * DAY
        self.now = self.begin
        self.engine = Engine(self.store, clock=lambda: self.now)
        for name, preset in PRESETS.items():
            scenarios.put(self.store, self.ns, name, preset)
        feedback.add(self.store, self.ns, [self._seen(item) for item in range(self.size.items)])

    def close(self) -> None:
        """End the engine and the store."""
        self.engine.close()
        self.store.close()

    def live(self) -> None:
        """Live through the month."""
        self.world.arrive(self.size.people)
        for day in range(1, self.size.days + 1):
            self.now = self.at(day)
            self._morning(day)
            self._day(day)
            self.world.arrive(self.size.people // 20)
            if day >= self.size.begin:
                self._look(day)

    def at(self, day: int) -> int:
        """Return when a day begins, in microseconds."""
        return self.begin + day * DAY

    # -- what the shop does -------------------------------------------------------------------------------------------

    def _morning(self, day: int) -> None:
        first, bad, again = self.size.gate
        if day in (first, bad, again):
            self._retrain(day, BAD if day == bad else GOOD)
        if day == self.size.begin:
            self._begin_experiment(day)

    def _retrain(self, day: int, settings: dict[str, Any]) -> None:
        number = jobs.only_one(self.store, self.ns, KIND, checked({**settings, "rule": RULE}), held=True)
        with jobs.running(self.store, self.ns, number) as run:
            retrain(run)
        with self.store.read() as conn:
            outcome = dict(jobs.get(conn, self.ns, number).outcome)
        self.verdicts.append({"day": day, **outcome})
        words = "takes over" if outcome["activated"] else "is refused"
        self.events.append((day, f"version {outcome['version']} {words}"))
        self.engine.refresh()

    def _begin_experiment(self, day: int) -> None:
        with self.store.read() as conn:
            past = outcomes.frame(conn, self.ns, since=self.at(self.size.gate[0]), scenario="default")
        found = planning.baseline(past, "clicks")
        two = [planning.Arm("exploring", 0.5), planning.Arm("keen", 0.5)]
        self.plan = planning.planned(
            two,
            found.rate,
            EFFECT * found.rate,
            metric="clicks",
            lists_per_person=found.lists_per_person,
            correlation=max(found.correlation, 0.0),
            variance=found.variance,
        )
        ways = [experiments.Arm("exploring", 0.5, "default"), experiments.Arm("keen", 0.5, "keen")]
        experiments.start(self.store, self.ns, "cost", "default", ways, self.plan.as_dict())
        self.two = two
        self.events.append((day, "the experiment begins"))

    def _look(self, day: int) -> None:
        """End the experiment when both arms have what they need; nobody looks at its figures before."""
        if self.report is not None:
            return
        with self.store.read() as conn:
            own = outcomes.frame(conn, self.ns, experiment="cost")
        sizes = dict(own.unique("list").group_by("arm").len().rows())
        if all(sizes.get(arm.name, 0) >= needed for arm, needed in zip(self.two, self.plan.lists, strict=True)):
            experiments.end(self.store, self.ns, "cost")
            self.report = arms.report(own, self.two, self.plan)
            self.events.append((day + 1, "the experiment ends"))

    # -- what people do -----------------------------------------------------------------------------------------------

    def _day(self, day: int) -> None:
        told: dict[str, float] = defaultdict(float)
        shadow = self.size.gate[0] <= day < self.size.begin - 1  # lists of version 1, which off-policy estimates read
        for people in batches(self.world.visitors(), 32):
            self.now += 60_000_000
            if shadow:
                self.contexts += self._contexts(people)
            answers = self.engine.answer([Ask(ns=self.ns, user=f"p{one}", n=PLACES) for one in people])
            self._react(people, answers, told)
        self.daily.append({"day": day, **told})

    def _contexts(self, people: list[int]) -> Iterator[Context]:
        asks = [Ask(ns=self.ns, user=f"p{one}", n=CANDIDATES, scenario="shadow") for one in people]
        for one, answer in zip(people, self.engine.answer(asks), strict=True):
            places = right(answer).places
            yield Context(one, np.array([int(p.item[1:]) for p in places]), np.array([p.score for p in places]))

    def _react(self, people: list[int], answers: list[Any], told: dict[str, float]) -> None:
        new: list[Event] = []
        for one, answer in zip(people, map(right, answers), strict=True):
            items = np.array([int(place.item[1:]) for place in answer.places])
            told["lists"] += 1
            told["best"] += self.world.best(one)
            told["worth"] += self.world.expected(one, items)
            clicks = self.world.clicks(one, items)
            told["clicks"] += len(clicks)
            new += [self._click(one, answer, at) for at in clicks.tolist()]
        if new:
            feedback.add(self.store, self.ns, new)

    def _click(self, person: int, answer: Answer, at: int) -> Event:
        item = answer.places[at].item
        return Event(
            f"p{person}", item, "click", time=self.now + 1, event_id=f"{answer.list_id}-{at}", list_id=answer.list_id
        )

    def _seen(self, item: int) -> Event:
        """Return what makes an item known before anybody came: somebody clicked it."""
        return Event(f"founder{item % 7}", f"i{item}", "click", time=self.begin - DAY, event_id=f"founder-{item}")


def right(answer: Any) -> Answer:
    """Return an answer that is none but an answer."""
    if not isinstance(answer, Answer):
        raise answer
    return answer


def batches(values: list[int], size: int) -> Iterator[list[int]]:
    """Yield values in parts."""
    for at in range(0, len(values), size):
        yield values[at : at + size]
