"""A month of a small shop, on a real store, engine, gate and experiment, with people whose tastes are known.

``python benchmarks/simulated_month.py [--write]`` lives through it, then estimates what could be known from its log
beside what is true, repeats the estimates many times (`month_replications.py`), prints the tables and draws
docs/images/month.png. With ``--write`` the tables go into docs/experiments.md.

Days 1-7    no model: popular items, explored
day 7, …    a model is trained, judged and takes over; later ones go on from where it stood
day 10      a bad model is trained, and refused
day 15 on   an experiment: what does exploring cost? It ends when each arm has the lists that it needs, and the better
            arm becomes the preset of all
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import month_figure
import month_replications as replications
import numpy as np
from common import ROOT, machine, markdown, publish
from month_world import EXAMINATION, PLACES, World

from palate.experiments import arms, planning
from palate.experiments.explore import Explore
from palate.plots.house import write_figure
from palate.retraining import KIND, checked, retrain
from palate.serve.engine import Answer, Ask, Engine
from palate.serve.off_policy import Answered, Question, answered
from palate.store import Event, experiments, feedback, jobs, open_store, outcomes, scenarios
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
RULE = {"metric": "ndcg@10", "days": 3, "margin": -0.02, "fewest": 30}
ESTIMATORS = ("ips", "snips", "dr")
EFFECT = 0.15  # of the rate: the smallest difference that the experiment is to find


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything.

    Attributes:
        people: at the beginning; a twentieth of them arrives anew each day.
        items: in the catalogue.
        days: of the month.
        good: the days on which a model is trained.
        bad: the day on which a bad one is.
        begin: day on which the experiment begins.
    """

    people: int = 700
    items: int = 120
    days: int = 28
    good: tuple[int, ...] = (7, 14, 21, 25)
    bad: int = 10
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
    _answered: dict[str, Answered] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Open the store and its engine."""
        self.store = open_store(f"sqlite:///{self.folder}/month.db")
        self.ns = self.store.namespace()
        self.world = World(self.size.items, np.random.default_rng(self.seed))
        chance = np.random.default_rng(self.seed + 1).bytes
        self._again = ExitStack()  # nearly the same month again: ids of lists are the seeds of what is drawn
        self._again.enter_context(mock.patch("palate.serve.engine.listing.os.urandom", chance))
        self._again.enter_context(mock.patch("palate.store.experiments.secrets.token_bytes", chance))
        self.begin = time.time_ns() // 1000 - (self.size.days + 1) * DAY
        self.now = self.begin
        self.engine = Engine(self.store, clock=lambda: self.now)
        for name, preset in PRESETS.items():
            scenarios.put(self.store, self.ns, name, preset)
        feedback.add(self.store, self.ns, [self._seen(item) for item in range(self.size.items)])

    def close(self) -> None:
        """End the engine and the store."""
        self._again.close()
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
        if day in (*self.size.good, self.size.bad):
            self._retrain(day, BAD if day == self.size.bad else GOOD)
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
            past = outcomes.frame(conn, self.ns, since=self.at(self.size.good[0]), scenario="default")
        found = planning.baseline(past, "clicks")
        two = [planning.ArmShare("exploring", 0.5), planning.ArmShare("keen", 0.5)]
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
            better = next(one for one in self.report.differences if one.metric == "clicks")
            if better.value > 0 and better.p_corrected <= self.plan.alpha:
                scenarios.put(self.store, self.ns, "default", PRESETS[better.arm])

    # -- what people do -----------------------------------------------------------------------------------------------

    def _day(self, day: int) -> None:
        told: dict[str, float] = defaultdict(float)
        shadow = self.size.good[0] <= day < self.size.good[1]  # lists of version 1, which estimates are made from
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

    # -- what can be known from the log -------------------------------------------------------------------------------

    def asked(self, scenario: str) -> Answered:
        """Return what a scenario would have brought in the days of the first version, from what was logged."""
        if scenario not in self._answered:
            self._answered[scenario] = self._ask(scenario)
        return self._answered[scenario]

    def _ask(self, scenario: str) -> Answered:
        first, second = self.size.good[:2]
        days = {"since": self.at(first), "until": self.at(second), "lists_of": "default", "model": 1}
        return answered(self.store, self.ns, Question(scenario=scenario, **days))


def right(answer: Any) -> Answer:
    """Return an answer that is none but an answer."""
    if not isinstance(answer, Answer):
        raise answer
    return answer


def batches(values: list[int], size: int) -> Iterator[list[int]]:
    """Yield values in parts."""
    for at in range(0, len(values), size):
        yield values[at : at + size]


# -- the tables -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Truths:
    """What is true of the days of the first version.

    Attributes:
        shop: the contexts of those days.
        exploring, keen: the two ways to make lists of them.
    """

    shop: replications.Shop
    exploring: replications.Policy
    keen: replications.Policy

    @classmethod
    def of(cls, month: Month) -> Truths:
        """Return what is true of a month."""
        contexts = month.contexts
        shop = replications.Shop.made(contexts, month.world)
        both = (replications.Policy.of(contexts, shop.attraction, explore) for explore in (EXPLORING, KEEN))
        return cls(shop, *both)

    def worth(self, scenario: str) -> float:
        """Return the clicks per list that a scenario brings."""
        if scenario == "shadow":
            return float((self.shop.attraction[:, :PLACES] @ EXAMINATION).mean())
        return self.shop.truth(self.keen if scenario == "keen" else self.exploring)


def gate_table(month: Month) -> str:
    rows = []
    for one in month.verdicts:
        verdict = one["verdict"]
        difference = verdict["difference"]
        told = f"{difference['value']:+.3f} ({difference['low']:+.3f} to {difference['high']:+.3f})"
        rows.append([f"day {one['day']}, version {one['version']}", verdict["against"], told, verdict["decision"]])
    return markdown(["trained", "judged against", "NDCG@10, difference and 95 % interval", "verdict"], rows)


def experiment_table(month: Month) -> str:
    if month.report is None:
        return "The experiment did not get the lists that it needs."
    rows = [
        [arm.name, f"{needed:,}", f"{arm.lists:,}", f"{arm.people:,}", span(arm.clicks)]
        for arm, needed in zip(month.report.arms, month.plan.lists, strict=True)
    ]
    table = markdown(["arm", "lists planned", "lists", "people", "clicks per list"], rows)
    return f"{table}\n\n{month.report.verdict}"


def estimates_table(month: Month, truths: Truths) -> str:
    names = {"keen": "keen: softmax at temperature 0.2", "shadow": "the order itself, nothing by chance"}
    rows = []
    for scenario, name in names.items():
        told = month.asked(scenario).clicks
        figures = [span(told[one].value) if told[one].refused is None else "refused" for one in ESTIMATORS]
        rows.append([name, *figures, f"{told['dr'].effective:,.0f} of {told.lists:,}", f"{truths.worth(scenario):.3f}"])
    return markdown(["policy asked about", *(one.upper() for one in ESTIMATORS), "effective lists", "truth"], rows)


def coverage_table(found: list[replications.Coverage]) -> str:
    rows = [
        [
            one.how,
            one.estimator.upper(),
            f"{one.truth:.3f}",
            f"{one.mean:.3f}",
            f"{one.spread:.3f}",
            f"{one.covered:.1%}",
        ]
        for one in found
    ]
    return markdown(["clicks", "estimator", "truth", "mean estimate", "spread", "intervals that hold it"], rows)


def span(figure: Any) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="replace the tables in docs/experiments.md and the figure")
    parser.add_argument("--replications", type=int, default=1000)
    parser.add_argument("--experiments", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, closing(Month(Path(folder), Size())) as month:
        month.live()
        truths = Truths.of(month)
        both = (truths.exploring, truths.keen)
        people = len(truths.shop.of)
        found = [
            one
            for how in replications.CLICK_MODELS
            for one in replications.coverage(truths.shop, *both, how, n=options.replications, n_people=people)
        ]
        power, needed = replications.found(truths.shop, both, same=False, n=options.experiments)
        alarms, _ = replications.found(truths.shop, both, same=True, n=options.experiments)
        publish("month-gate", gate_table(month), write=options.write)
        publish("month-experiment", experiment_table(month), write=options.write)
        publish("month-estimates", estimates_table(month, truths), write=options.write)
        told = f"{options.replications:,} replications of {people:,} people each. {machine()}"
        publish("month-coverage", f"{coverage_table(found)}\n\n{told}", write=options.write)
        words = (
            f"Of {options.experiments} experiments of {needed:,} lists an arm, as planned for the difference that "
            f"there is, {power:.0%} found it (promised: 80 %); of as many in which both arms were the same, "
            f"{alarms:.1%} found one (promised: 5 %)."
        )
        publish("month-power", words, write=options.write)
        figure = month_figure.drawn(month, truths, found)
        if options.write:
            write_figure(figure, ROOT / "docs" / "images" / "month.png")


if __name__ == "__main__":
    main()
