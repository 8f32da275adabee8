"""Newcomers of MovieLens 100K who are asked about films, chosen in five ways; the error on their other ratings.

A newcomer is somebody whom no model has seen. Half of their ratings, taken at random, answer questions; the other half
is what is predicted, and those films are never asked about. Whatever else is asked about they have not seen. Questions
come in rounds of five, as on the page. The settings of our own strategy are chosen (``--choose``) on people who are not
among the measured ones.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onboarding_figure
from common import ROOT, machine, markdown, publish

import palate
from palate.serve.engine.newcomers import entropies
from palate.serve.engine.questions import SMOOTH, TRUST, Questions
from palate.sparse import Rows

CHOOSING = 343  # people of whom the settings are chosen; the other 600 are measured
FOLDS = 3
ROUND, AFTER = 5, (0, 5, 10, 15, 20, 30, 40, 60)
LISTED = 10
SAMPLING: dict[str, Any] = {"n_factors": 8, "n_sweeps": 160, "n_burn_in": 40, "n_chains": 1, "n_kept": 32}
RESAMPLES = 2000
HELP = ROOT / "src" / "palate" / "serve" / "web" / "static" / "onboarding.js"
Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Newcomer:
    """Somebody by positions of a model's items."""

    answers: dict[int, float]
    others: Numbers
    values: Numbers


@dataclass
class Asked:
    """What somebody was asked about until now."""

    answers: dict[int, float] = field(default_factory=dict)
    unknown: list[int] = field(default_factory=list)

    def hear(self, items: Sequence[int], who: Newcomer) -> None:
        """Take the answers of a round."""
        for item in items:
            if item in who.answers:
                self.answers[item] = who.answers[item]
            else:
                self.unknown.append(item)


class Fold:
    """Models of some people, and newcomers among the others."""

    def __init__(self, data: Any, newcomers: Numbers, seed: int) -> None:
        held = np.isin(data.user_index, newcomers)
        train = palate.Interactions.from_table(data.take(np.flatnonzero(~held)).to_table())
        self.stars = palate.BayesianMF(**SAMPLING, random_state=0).fit(train)
        self.lists = palate.EASE(positive=4).fit(train)
        places = np.asarray(self.stars.items_.index(data.items.values.to_list(), on_unknown="mark"))
        self.n_items = len(self.stars.items_)
        rng = np.random.default_rng(seed)
        self.people = [self._newcomer(data, places, user, rng) for user in newcomers]

    def _newcomer(self, data: Any, places: Numbers, user: int, rng: np.random.Generator) -> Newcomer:
        rows = np.flatnonzero(data.user_index == user)
        rows = rows[places[data.item_index[rows]] >= 0]
        items, values = places[data.item_index[rows]], data.values[rows]
        order = rng.permutation(len(rows))
        half = len(rows) // 2
        given, others = order[:half], order[half:]
        answers = dict(zip(items[given].tolist(), values[given].tolist(), strict=True))
        return Newcomer(answers, items[others].astype(np.int32), values[others])

    def errors(self, asked: list[Asked]) -> Numbers:
        """Return the mean squared error of each person's other ratings."""
        scorer = self.stars.ranker_of(_rows([one.answers for one in asked]), None).scorer
        return np.array([self._error(scorer, at, who) for at, who in enumerate(self.people)])

    def _error(self, scorer: Any, at: int, who: Newcomer) -> float:
        guess = scorer.pairs(np.full(len(who.others), at, np.int32), who.others)
        return float(np.mean((np.clip(guess, 1, 5) - who.values) ** 2))

    def gains(self, asked: list[Asked]) -> Numbers:
        """Return NDCG@10 of each person's list: what they could be asked about is in no list of theirs."""
        liked = [{item: 4.0 for item, value in one.answers.items() if value >= 4} for one in asked]
        scorer = self.lists.ranker_of(_rows(liked), None).scorer
        popular = -np.asarray(self.lists.item_order.places, np.float64)
        scores = scorer.of_all(np.arange(len(asked), dtype=np.int32))
        return np.array([_ndcg(scores[at] if liked[at] else popular, who) for at, who in enumerate(self.people)])


def _rows(given: list[dict[int, float]]) -> Rows:
    items = np.array([item for one in given for item in sorted(one)], np.int32)
    values = np.array([one[item] for one in given for item in sorted(one)], np.float32)
    return Rows.of_sizes([len(one) for one in given], items, values)


def _ndcg(scores: Numbers, who: Newcomer) -> float:
    relevant = who.others[who.values >= 4]
    if not len(relevant):
        return float("nan")
    scores = scores.copy()
    scores[list(who.answers)] = -np.inf
    best = np.argsort(-scores, kind="stable")[:LISTED]
    discounts = 1 / np.log2(np.arange(2, LISTED + 2))
    return float(discounts[np.isin(best, relevant)].sum() / discounts[: len(relevant)].sum())


# -- strategies ----------------------------------------------------------------------------------------------------

Chooses = Callable[[Asked, Newcomer, int], Sequence[int]]


def in_order(values: Numbers) -> Chooses:
    """Ask about the items of highest value, the same for all."""
    order = np.argsort(-values, kind="stable").tolist()

    def next_items(asked: Asked, who: Newcomer, seed: int) -> Sequence[int]:
        out = {*asked.answers, *asked.unknown, *who.others.tolist()}
        return [item for item in order if item not in out][:ROUND]

    return next_items


def at_random(n_items: int) -> Chooses:
    def next_items(asked: Asked, who: Newcomer, seed: int) -> Sequence[int]:
        return in_order(np.random.default_rng(seed).random(n_items))(asked, who, seed)

    return next_items


def ours(questions: Questions, n_items: int) -> Chooses:
    def next_items(asked: Asked, who: Newcomer, seed: int) -> Sequence[int]:
        known, unknown = np.array(sorted(asked.answers), np.int32), np.array(asked.unknown, np.int32)
        lets = np.ones(n_items, bool)
        lets[who.others] = False
        return questions.next(_rows([asked.answers]), known, unknown, lets, ROUND)[0].tolist()

    return next_items


def entropy0(model: Any) -> Numbers:
    """Return Entropy0 of Rashid, Karypis & Riedl 2008: not to have rated an item is a level of weight 1/2."""
    seen, n_users = model.seen_, len(model.users_)
    total = np.zeros(len(model.items_))
    having = np.bincount(seen.indices, minlength=len(total))
    for weight, counts in [(0.5, n_users - having)] + [
        (1.0, np.bincount(seen.indices[seen.values == value], minlength=len(total))) for value in np.unique(seen.values)
    ]:
        shares = counts / n_users
        total -= weight * shares * np.log(np.where(shares > 0, shares, 1))
    return total


def strategies(fold: Fold) -> dict[str, Chooses]:
    counts = np.asarray(fold.stars.item_order.counts, np.float64)
    return {
        "ours": ours(Questions(fold.stars), fold.n_items),
        "popular": in_order(counts),
        "entropy0": in_order(entropy0(fold.stars)),
        "log popularity x entropy": in_order(np.log1p(counts) * entropies(fold.stars)),
        "random": at_random(fold.n_items),
    }


# -- measuring -----------------------------------------------------------------------------------------------------


@dataclass
class Course:
    """Of one strategy (people, len(AFTER)): squared errors, NDCG, and how many questions were answered."""

    errors: Numbers
    gains: Numbers
    answered: Numbers

    @classmethod
    def of(cls, fold: Fold, chooses: Chooses, after: Sequence[int] = AFTER) -> Course:
        """Ask all people of a fold."""
        asked = [Asked() for _ in fold.people]
        columns = []
        for n in range(0, after[-1] + 1, ROUND):
            if n in after:
                columns.append((fold.errors(asked), fold.gains(asked), np.array([len(one.answers) for one in asked])))
            for seed, (one, who) in enumerate(zip(asked, fold.people, strict=True)):
                one.hear(chooses(one, who, seed), who)
        return cls(*(np.stack(part, axis=1) for part in zip(*columns, strict=True)))

    @classmethod
    def joined(cls, courses: Sequence[Course]) -> Course:
        """Return the people of several folds together."""
        return cls(*(np.concatenate([getattr(one, name) for one in courses]) for name in cls.__annotations__))


def rmse(errors: Numbers) -> Numbers:
    """Return the root of the mean over people, each of whom counts the same."""
    return np.sqrt(errors.mean(axis=0))


def interval(ours_: Numbers, theirs: Numbers, measure: Callable[[Numbers], Numbers]) -> tuple[Numbers, Numbers]:
    """Return 95 % intervals of the difference, by resampling people."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(ours_), size=(RESAMPLES, len(ours_)))
    differences = np.array([measure(ours_[rows]) - measure(theirs[rows]) for rows in drawn])
    low, high = np.percentile(differences, [2.5, 97.5], axis=0)
    return low, high


def questions_for(error: float, curve: Numbers) -> float:
    """Return after how many questions a curve is down at an error, between two points on a line."""
    below = np.flatnonzero(curve <= error)
    if not len(below):
        return float("nan")
    at = int(below[0])
    if at == 0:
        return 0.0
    share = (curve[at - 1] - error) / (curve[at - 1] - curve[at])
    return float(AFTER[at - 1] + share * (AFTER[at] - AFTER[at - 1]))


def measured(data: Any, people: Numbers) -> dict[str, Course]:
    found: dict[str, list[Course]] = {}
    for at, newcomers in enumerate(np.array_split(people, FOLDS)):
        fold = Fold(data, newcomers, at)
        for name, chooses in strategies(fold).items():
            started = time.perf_counter()
            found.setdefault(name, []).append(Course.of(fold, chooses))
            print(
                f"fold {at + 1}, {name}: {rmse(found[name][-1].errors).round(4)} {time.perf_counter() - started:.0f} s"
            )
    return {name: Course.joined(courses) for name, courses in found.items()}


def choose(data: Any, people: Numbers) -> None:
    """Print the error of settings of our strategy, on people who are not measured."""
    fold = Fold(data, people, 99)
    popular = Course.of(fold, strategies(fold)["popular"])
    print("popular", rmse(popular.errors).round(4), popular.answered.mean(axis=0).round(1))
    for smooth in (0.1, 0.3, 0.5):
        for trust in (0.5, 1.0):
            course = Course.of(fold, ours(Questions(fold.stars, smooth, trust), fold.n_items))
            curve = rmse(course.errors)
            print(
                smooth, trust, curve.mean().round(4), curve.round(4), course.answered.mean(axis=0).round(1), flush=True
            )


def table(courses: dict[str, Course]) -> str:
    curves = {name: rmse(course.errors) for name, course in courses.items()}
    rows = []
    for name, course in courses.items():
        rows.append([name, *(f"{value:.4f}" for value in curves[name]), f"{course.answered[:, -1].mean():.1f}"])
    own, popular = courses["ours"], courses["popular"]
    low, high = interval(own.errors, popular.errors, rmse)
    rows.append(["ours less popular, 95 %", *(f"{a:+.3f} to {b:+.3f}" for a, b in zip(low, high, strict=True)), ""])
    rows.append(["questions of ours for popular's error", *(f"{number:.1f}" for number in needed(courses)), ""])
    header = ["RMSE after", *(f"{n} questions" for n in AFTER), "answered"]
    text = markdown(header, rows)
    rows = [[name, *(f"{v:.4f}" for v in np.nanmean(course.gains, axis=0))] for name, course in courses.items()]
    low, high = interval(own.gains, popular.gains, lambda part: np.nanmean(part, axis=0))
    rows.append(["ours less popular, 95 %", *(f"{a:+.3f} to {b:+.3f}" for a, b in zip(low, high, strict=True))])
    return f"{text}\n\n{markdown(['NDCG@10 after', *header[1:-1]], rows)}"


def needed(courses: dict[str, Course]) -> list[float]:
    """Return how many questions of ours leave the error of popular ones, for each number in ``AFTER``."""
    own, popular = rmse(courses["ours"].errors), rmse(courses["popular"].errors)
    return [questions_for(error, own) for error in popular]


def for_help(courses: dict[str, Course]) -> str:
    """Return the module by which the page's help draws the figure."""
    curves = {name: rmse(course.errors).round(4).tolist() for name, course in courses.items()}
    people, of_ours = len(courses["ours"].errors), [round(number, 1) for number in needed(courses)]
    told = {"after": AFTER, "people": people, "needed": of_ours, "rmse": curves}
    return f"/* Written by benchmarks/onboarding.py. */\nexport const onboarding = {json.dumps(told)};\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace the tables and the figure in docs/")
    parser.add_argument("--choose", action="store_true", help="try settings on people who are not measured")
    options = parser.parse_args()
    data = palate.load_movielens("100k").interactions
    people = np.random.default_rng(1).permutation(data.n_users)
    if options.choose:
        choose(data, people[:CHOOSING])
        return
    courses = measured(data, people[CHOOSING:])
    n = len(people) - CHOOSING
    told = (
        f"{n} newcomers in {FOLDS} folds, each of whom counts the same; s = {SMOOTH}, t = {TRUST}, tried on "
        f"{CHOOSING} others. RMSE: `bayes` with {SAMPLING['n_factors']} factors and {SAMPLING['n_sweeps']} "
        "sweeps, answers folded in; NDCG@10: `ease` folded in with what they gave 4 or 5. "
    )
    publish("onboarding", f"{table(courses)}\n\n{told}{machine()}", write=options.write)
    if options.write:
        onboarding_figure.drawn(AFTER, courses).savefig(ROOT / "docs" / "images" / "onboarding.png")
        HELP.write_text(for_help(courses), "utf-8")


if __name__ == "__main__":
    main()
