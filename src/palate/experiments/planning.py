"""How many lists an experiment needs, fixed before it starts.

Two arms with n and r n lists have the rates R and R + d = g R. A list's value has the variance v in the first, of
which the part rho lies between people, with m lists each (Kish 1965). In the second what lies within people grows as
the variance of counts does, with g, and what lies between them with g^2, for a rate that grows does so for everybody.
A test of level alpha finds d with the power wanted when

    n = (z_{1-alpha/2} + z_power)^2 (S(1) + S(g) / r) / d^2,     S(g) = v ((1 - rho) g + m rho g^2).          (1)

With more than two arms alpha is divided by the number of comparisons with the first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from scipy import special

from palate.errors import DataError, ParameterError

JudgedBy = Literal["positives", "clicks"]
MOST_LISTS = 1e15  # of an arm; what needs more is a mistake
METRICS: tuple[JudgedBy, ...] = ("positives", "clicks")


@dataclass(frozen=True, slots=True)
class ArmShare:
    """One way to make lists; the first arm of an experiment is what the others are compared with.

    Attributes:
        name: of the arm.
        share: of the people, above 0.
    """

    name: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an experiment is judged by, fixed when it starts.

    Attributes:
        metric: what decides, counted per list.
        lists: how many each arm needs; empty where nobody planned.
        rate: of the metric, before the experiment.
        effect: the smallest difference that is to be found.
        lists_per_person, correlation: of a person's lists.
        power: the chance that such a difference is found.
        alpha: the chance that one is found where there is none.
    """

    metric: JudgedBy = "positives"
    lists: tuple[int, ...] = ()
    rate: float | None = None
    effect: float | None = None
    lists_per_person: float = 1.0
    correlation: float = 0.0
    power: float = 0.8
    alpha: float = 0.05

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as JSON holds it."""
        return {**asdict(self), "lists": list(self.lists)}

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Plan:
        """Return the plan that `as_dict` gave; what it lacks has its default."""
        return cls(**{**said, "lists": tuple(said.get("lists", ()))})


@dataclass(frozen=True, slots=True, kw_only=True)
class PastLists:
    """What lists of the past say, to plan from.

    Attributes:
        rate: mean of a list's value.
        variance: of a list's value.
        lists_per_person: as the average list sees it: sum n^2 / sum n over people with n lists.
        correlation: of two lists of one person, from an analysis of variance.
        lists, people: that this was learned from.
    """

    rate: float
    variance: float
    lists_per_person: float
    correlation: float
    lists: int
    people: int


def check_arms(arms: Sequence[ArmShare]) -> None:
    """Refuse arms that are none.

    Raises:
        ParameterError: fewer than two, a name twice, or shares that are not above 0 and together at most 1.
    """
    names = [arm.name for arm in arms]
    if len(arms) < 2:
        raise ParameterError.of("arms", f"must be at least two, got {len(arms)}")
    if len(set(names)) < len(names):
        raise ParameterError.of("arms", f"have one name twice: {', '.join(names)}")
    total = sum(arm.share for arm in arms)
    if not all(arm.share > 0 for arm in arms) or not total <= 1 + 1e-9:
        raise ParameterError.of("shares", f"must be above 0 and together at most 1, got {total:g} together")


def planned(
    arms: Sequence[ArmShare],
    rate: float,
    effect: float,
    *,
    metric: JudgedBy = "positives",
    lists_per_person: float = 1.0,
    correlation: float = 0.0,
    variance: float | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
) -> Plan:
    """Return how many lists each arm needs.

    Args:
        arms: the first one is compared with each other one.
        rate: of the metric per list, as it is now.
        effect: the smallest difference per list that is to be found.
        metric: "positives" or "clicks".
        lists_per_person, correlation: of a person's lists; `baseline` counts them.
        variance: of a list's value; None: the rate itself, as for counts of rare events.
        power: the chance to find such a difference.
        alpha: the chance to find one where there is none.

    Raises:
        ParameterError: a number is outside its range.
    """
    check_arms(arms)
    variance = rate if variance is None else variance
    _check_numbers(rate, effect, lists_per_person, correlation, variance, power, alpha)
    if metric not in METRICS:
        raise ParameterError.outside("metric", "'positives' or 'clicks'", metric)
    z = float(special.ndtri(1 - alpha / (2 * (len(arms) - 1))) + special.ndtri(power))
    within, between = variance * (1 - correlation), variance * correlation * lists_per_person
    more = (rate + effect) / rate
    control, better = within + between, within * more + between * more**2
    first = max(z**2 * (control + better * arms[0].share / arm.share) / effect / effect for arm in arms[1:])
    needed = [first * arm.share / arms[0].share for arm in arms]
    if not max(needed) < MOST_LISTS:
        raise ParameterError.of("effect", f"is too small to be found: it needs more than {MOST_LISTS:.0e} lists")
    return Plan(
        metric=metric,
        lists=tuple(map(math.ceil, needed)),
        rate=rate,
        effect=effect,
        lists_per_person=lists_per_person,
        correlation=correlation,
        power=power,
        alpha=alpha,
    )


def _check_numbers(
    rate: float,
    effect: float,
    lists_per_person: float,
    correlation: float,
    variance: float,
    power: float,
    alpha: float,
) -> None:
    checks = (
        ("rate", rate, rate > 0, "a number above 0"),
        ("effect", effect, effect > 0, "a number above 0"),
        ("lists_per_person", lists_per_person, lists_per_person >= 1, "a number from 1"),
        ("correlation", correlation, 0 <= correlation <= 1, "a number from 0 to 1"),
        ("variance", variance, variance > 0, "a number above 0"),
        ("power", power, 0 < power < 1, "a number between 0 and 1"),
        ("alpha", alpha, 0 < alpha < 1, "a number between 0 and 1"),
    )
    for name, value, holds, allowed in checks:
        if not holds or not math.isfinite(value):
            raise ParameterError.outside(name, allowed, value)


def baseline(frame: pl.DataFrame, metric: JudgedBy = "positives") -> PastLists:
    """Return what lists of the past say, to plan from.

    Args:
        frame: shown places with columns ``list``, ``person`` and the metric's; lists of nobody are left out.
        metric: "positives" or "clicks".

    Raises:
        DataError: there are fewer than two people with lists.
    """
    lists = frame.filter(pl.col("person").is_not_null()).group_by("list", "person").agg(pl.col(metric).sum())
    by_person = lists.group_by("person").agg(pl.len().alias("n"), pl.col(metric).cast(pl.Float64).sum().alias("y"))
    n, y = (by_person[name].to_numpy().astype(np.float64) for name in ("n", "y"))
    if len(n) < 2:
        raise DataError(
            f"a baseline needs lists of at least two people, and there are {len(n)}", code="empty", subject="person"
        )
    value = lists[metric].to_numpy().astype(np.float64)
    return PastLists(
        rate=float(value.mean()),
        variance=float(value.var(ddof=1)),
        lists_per_person=float((n**2).sum() / n.sum()),
        correlation=_correlation(value, n, y),
        lists=len(value),
        people=len(n),
    )


def _correlation(value: Any, n: Any, y: Any) -> float:
    """Return the correlation within people by analysis of variance (Donner 1986), at least 0."""
    total, people = n.sum(), len(n)
    if total == people:
        return 0.0
    means, mean = y / n, value.mean()
    between = (n * (means - mean) ** 2).sum() / (people - 1)
    within = ((value**2).sum() - (n * means**2).sum()) / (total - people)
    size = (total - (n**2).sum() / total) / (people - 1)
    spread = between + (size - 1) * within
    return float(np.clip((between - within) / spread, 0, 1)) if spread > 0 else 0.0
