"""The report of an experiment: what each arm's lists brought, and whether the arms differ.

Figures are per list; intervals and tests are over people (`palate.experiments.people`). What decides, and after how
many lists, is the plan's, fixed beforehand; the report warns where the experiment does not deserve belief.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from palate.errors import ParameterError
from palate.evaluation.significance import central, holm
from palate.experiments.looks import false_alarm
from palate.experiments.people import Crowd, Figure, as_json, bootstrap, permutation, ratios
from palate.experiments.planning import METRICS, ArmShare, JudgedBy, Plan, check_arms

FEW = 30  # people of an arm; with fewer, intervals say little
MISMATCH = 0.001  # p-value of sizes that do not fit the shares, below which the report warns (Fabijan et al. 2019)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """What one arm's lists brought.

    Attributes:
        name, share: of the arm.
        people, lists: in it.
        clicks, positives: per list.
    """

    name: str
    share: float
    people: int
    lists: int
    clicks: Figure
    positives: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """An arm against the first one.

    Attributes:
        arm: its name.
        metric: "positives" or "clicks".
        value, low, high: the arm's figure minus the first one's, and its bootstrap interval.
        relative: the difference over the first arm's figure; NaN where that is 0.
        p: of the permutation test over people.
        p_corrected: by Holm, over the arms.
    """

    arm: str
    metric: JudgedBy
    value: float
    low: float
    high: float
    relative: float
    p: float
    p_corrected: float


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody saw the results.

    Attributes:
        time: microseconds.
        lists: how many each arm had then.
    """

    time: int
    lists: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the look as JSON holds it."""
        return {"time": self.time, "lists": list(self.lists)}

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Look:
        """Return the look that `as_dict` gave."""
        return cls(int(said["time"]), tuple(said["lists"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of an experiment.

    Attributes:
        plan: what it is judged by.
        arms: what each brought, the first one first.
        differences: each other arm against the first, by both metrics.
        sample_ratio: p-value of the arms' numbers of people, given their shares.
        early: looks before the planned size.
        false_alarm: the chance of a difference by the plan's test where there is none, with these looks.
        nobody: lists of nobody, left out.
        several: people with lists of several arms, left out.
        warnings: why the figures may not deserve belief, in sentences.
        verdict: what was found, in a sentence.
    """

    plan: Plan
    arms: tuple[ArmResult, ...]
    differences: tuple[Difference, ...]
    sample_ratio: float
    early: int
    false_alarm: float
    nobody: int
    several: int
    warnings: tuple[str, ...]
    verdict: str

    def look(self, time: int) -> Look:
        """Return that somebody saw this report at a time, in microseconds."""
        return Look(time, tuple(arm.lists for arm in self.arms))

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON holds it: NaN is null."""
        told: dict[str, Any] = as_json({**asdict(self), "plan": self.plan.as_dict()})
        return told


@dataclass(frozen=True, eq=False, slots=True)
class _People:
    """People of an experiment, a column each: their arm, their lists, what they brought by metric."""

    arm: NDArray[np.int64]
    lists: NDArray[np.float64]
    values: NDArray[np.float64]
    nobody: int
    several: int


def report(
    frame: pl.DataFrame,
    arms: Sequence[ArmShare],
    plan: Plan,
    looks: Sequence[Look] = (),
    *,
    level: float = 0.95,
    n_resamples: int = 2000,
    random_state: int = 0,
) -> Report:
    """Return what came of an experiment.

    Args:
        frame: places of its lists, with columns ``list``, ``person``, ``arm``, ``clicks`` and ``positives``. Lists
            without an arm are no part of it.
        arms: the first one is compared with each other one.
        plan: what was fixed before.
        looks: when somebody saw the results so far.
        level: of the intervals.
        n_resamples: of the bootstrap and of the permutation test.
        random_state: of both.

    Raises:
        ParameterError: arms that are none, or lists of an arm that is not among them.
    """
    check_arms(arms)
    people = _people(frame, arms)
    cells = Crowd.of(people.arm, people.lists, people.values, len(arms))
    rng = np.random.default_rng(random_state)
    drawn = [bootstrap(cells, at, n_resamples, rng) if n else None for at, n in enumerate(cells.people.tolist())]
    results = tuple(_arm(arm, cells, at, drawn[at], level) for at, arm in enumerate(arms))
    differences = _differences(cells, arms, drawn, level, n_resamples, rng)
    ratio = _sample_ratio(cells.people, arms)
    early = tuple(look for look in looks if any(look.lists) and _is_early(look.lists, plan))  # of no lists: no results
    alarm = false_alarm((_share(look.lists, plan) for look in early), plan.alpha)
    return Report(
        plan=plan,
        arms=results,
        differences=differences,
        sample_ratio=ratio,
        early=len(early),
        false_alarm=alarm,
        nobody=people.nobody,
        several=people.several,
        warnings=tuple(_warnings(results, plan, ratio, len(early), alarm, people)),
        verdict=_verdict(results, differences, plan),
    )


def _people(frame: pl.DataFrame, arms: Sequence[ArmShare]) -> _People:
    """Return people with all their lists; those of nobody, or of several arms, are counted and left out."""
    names = [arm.name for arm in arms]
    lists = (
        frame.filter(pl.col("arm").is_not_null())
        .group_by("list", "person", "arm")
        .agg(pl.col(metric).cast(pl.Float64).sum() for metric in METRICS)
    )
    unknown = lists.filter(~pl.col("arm").is_in(names))["arm"].unique().sort().to_list()
    if unknown:
        raise ParameterError.of("arms", f"have no '{unknown[0]}', and lists of it were shown; there is: {names}")
    of_people = lists.filter(pl.col("person").is_not_null())
    own = of_people.group_by("person").agg(
        pl.col("arm").n_unique().alias("n_arms"),
        pl.col("arm").first(),
        pl.len().cast(pl.Float64).alias("n"),
        *(pl.col(metric).sum() for metric in METRICS),
    )
    one = own.filter(pl.col("n_arms") == 1).sort("person")
    place = {name: at for at, name in enumerate(names)}
    return _People(
        arm=np.array([place[name] for name in one["arm"].to_list()], np.int64),
        lists=one["n"].to_numpy(),
        values=np.stack([one[metric].to_numpy() for metric in METRICS]),
        nobody=len(lists) - len(of_people),
        several=len(own) - len(one),
    )


def _arm(arm: ArmShare, cells: Crowd, at: int, drawn: NDArray[np.float64] | None, level: float) -> ArmResult:
    figures = {}
    for value, metric in enumerate(METRICS):
        mean = float(ratios(cells.counts[at : at + 1], cells.features(value)).value[0])
        known = drawn is not None and cells.people[at] > 1
        low, high = central(drawn[value], level) if known and drawn is not None else (math.nan, math.nan)
        figures[metric] = Figure(mean, low, high)
    lists = int(cells.counts[at] @ cells.lists)
    people = int(cells.people[at])
    return ArmResult(name=arm.name, share=arm.share, people=people, lists=lists, **figures)


def _differences(
    cells: Crowd,
    arms: Sequence[ArmShare],
    drawn: Sequence[NDArray[np.float64] | None],
    level: float,
    n_resamples: int,
    rng: np.random.Generator,
) -> tuple[Difference, ...]:
    means = np.stack([ratios(cells.counts, cells.features(value)).value for value in range(len(METRICS))])
    first, found, ps = drawn[0], [], []
    for at in range(1, len(arms)):
        other = drawn[at]
        if first is None or other is None or cells.people[[0, at]].min() < 2:
            continue
        ps.append(permutation(cells, (0, at), n_resamples, rng))
        found.append((at, [central(other[value] - first[value], level) for value in range(len(METRICS))]))
    corrected = np.stack([holm(np.array(p)) for p in np.transpose(ps)], axis=1) if ps else np.empty((0, 0))
    return tuple(
        _difference(arms[at].name, value, means[value, at], means[value, 0], ends[value], ps[row], corrected[row])
        for row, (at, ends) in enumerate(found)
        for value in range(len(METRICS))
    )


def _difference(
    arm: str, value: int, mean: float, first: float, ends: tuple[float, float], p: Any, corrected: Any
) -> Difference:
    gap = float(mean - first)
    return Difference(
        arm=arm,
        metric=METRICS[value],
        value=gap,
        low=ends[0],
        high=ends[1],
        relative=gap / float(first) if first else math.nan,
        p=float(p[value]),
        p_corrected=float(corrected[value]),
    )


# -- what the report warns of ---------------------------------------------------------------------------------------


def _sample_ratio(people: NDArray[np.int64], arms: Sequence[ArmShare]) -> float:
    """Return the p-value of the arms' sizes by Pearson's test; 1 without people."""
    shares = np.array([arm.share for arm in arms])
    if not people.sum():
        return 1.0
    expected = people.sum() * shares / shares.sum()
    return float(special.chdtrc(len(people) - 1, ((people - expected) ** 2 / expected).sum()))


def _is_early(lists: Sequence[int], plan: Plan) -> bool:
    return bool(plan.lists) and any(n < needed for n, needed in zip(lists, plan.lists, strict=True))


def _share(lists: Sequence[int], plan: Plan) -> float:
    """Return how much of the plan lists are: of the arm that lacks most."""
    return min(n / needed for n, needed in zip(lists, plan.lists, strict=True))


def _warnings(
    results: Sequence[ArmResult], plan: Plan, ratio: float, early: int, alarm: float, people: _People
) -> list[str]:
    said = []
    if ratio < MISMATCH:
        sizes = ", ".join(f"{arm.name} {arm.people:,} (share {arm.share:g})" for arm in results)
        said.append(
            f"The arms' sizes do not fit their shares: {sizes}; chance alone does so with p = {ratio:.2g}. Something "
            "loses people of one arm: find it before you believe any figure."
        )
    if early:
        said.append(
            f"The results were looked at {early} {'time' if early == 1 else 'times'} before the planned size. Where "
            f"somebody would have stopped at a difference, one is found {alarm:.0%} of the time where there is none, "
            f"not {plan.alpha:.0%}."
        )
    if not plan.lists:
        said.append("No size was planned: without one, to stop when a difference shows finds differences too easily.")
    few = [arm for arm in results if arm.people < FEW]
    if few:
        sizes = ", ".join(f"{arm.name} {arm.people}" for arm in few)
        said.append(f"Fewer than {FEW} people in an arm ({sizes}): intervals and tests say little.")
    if people.several:
        said.append(f"{people.several:,} people have lists of several arms, and are left out.")
    return said


def _verdict(results: Sequence[ArmResult], differences: Sequence[Difference], plan: Plan) -> str:
    if _is_early([arm.lists for arm in results], plan):
        have = ", ".join(f"{arm.name} {arm.lists:,} of {n:,}" for arm, n in zip(results, plan.lists, strict=True))
        return f"Too early to tell: the planned lists are not there yet ({have})."
    decisive = [one for one in differences if one.metric == plan.metric]
    if len(decisive) < len(results) - 1:
        return "Nothing to compare: an arm has fewer than two people."
    found = [one for one in decisive if one.p_corrected < plan.alpha]
    if not found:
        return f"No difference in {plan.metric} per list: {'; '.join(map(_told, decisive))}."
    first = results[0].name
    words = [f"{one.arm} brings {'more' if one.value > 0 else 'fewer'} than {first}: {_told(one)}" for one in found]
    return f"In {plan.metric} per list {'; '.join(words)}."


def _told(one: Difference) -> str:
    return f"{one.arm} {one.value:+.3g} ({one.low:+.3g} to {one.high:+.3g}), p = {one.p_corrected:.2g}"
