"""Experiments of the store, planned and reported on: its lists and what came of them, through `palate.experiments`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from palate.errors import DataError, ParameterError
from palate.experiments import arms as tests
from palate.experiments import planning
from palate.experiments.planning import METRICS, JudgedBy, Plan, baseline, planned
from palate.store import experiments, outcomes
from palate.store.experiments import Arm, Experiment
from palate.store.scenarios import USUAL
from palate.store.times import now

if TYPE_CHECKING:
    from palate.store.records import Namespace
    from palate.store.store import Store

DAYS = 28  # of past lists that a plan is made from
DAY = 86_400_000_000  # microseconds


def start(
    store: Store,
    ns: Namespace,
    name: str,
    scenario: str,
    arms: Sequence[Arm],
    *,
    metric: JudgedBy = "positives",
    effect: float | None = None,
    rate: float | None = None,
    power: float = Plan().power,
    alpha: float = Plan().alpha,
) -> Experiment:
    """Plan and start an experiment.

    Args:
        store, ns, name, scenario, arms: as `palate.store.experiments.start` takes them.
        metric: what decides, per list.
        effect: the smallest difference that matters; None: no size is planned, and reports say so.
        rate: of the metric now; None: that of the scenario's lists of the last 28 days.
        power, alpha: chance to find such a difference, and to find one where there is none.

    Raises:
        ParameterError: a name or a number cannot be.
        DataError: there are no lists to count the rate from.
        NotFoundError: a scenario is not there.
        ConflictError: there is an experiment of this name, or one of this scenario runs.
    """
    if metric not in METRICS:
        raise ParameterError.outside("metric", " or ".join(map(repr, METRICS)), metric)
    if effect is None:
        if rate is not None:
            raise ParameterError.of("rate", "plans a size together with an effect: say effect, too")
        plan = Plan(metric=metric, power=power, alpha=alpha)
    else:
        known = {"rate": rate} if rate is not None else _past(store, ns, scenario, metric)
        plan = planned(_tested(arms), effect=effect, metric=metric, power=power, alpha=alpha, **known)
    return experiments.start(store, ns, name, scenario, arms, plan.as_dict())


def report(store: Store, ns: Namespace, name: str) -> tuple[Experiment, tests.Report]:
    """Return what came of an experiment; where it runs, that somebody looked is kept.

    Raises:
        NotFoundError: there is none of this name.
    """
    with store.read() as conn:
        found = experiments.get(conn, ns, name)
        frame = outcomes.frame(conn, ns, experiment=name)
    looks = [tests.Look.of(look) for look in found.looks]
    made = tests.report(frame, _tested(found.arms), Plan.of(found.plan), looks)
    if found.ended is None:
        found = experiments.looked(store, ns, name, made.look(now()).as_dict())
    return found, made


def _tested(arms: Sequence[Arm]) -> list[planning.ArmShare]:
    return [planning.ArmShare(arm.name, arm.share) for arm in arms]


def _past(store: Store, ns: Namespace, scenario: str, metric: JudgedBy) -> Mapping[str, Any]:
    """Return rate, spread and likeness of the lists that a scenario had of late."""
    with store.read() as conn:
        named = None if scenario == USUAL else scenario
        frame = outcomes.frame(conn, ns, since=now() - DAYS * DAY, scenario=named)
    if named is None:
        frame = frame.filter(pl.col("scenario").is_null() | (pl.col("scenario") == USUAL))
    try:
        past = baseline(frame, metric)
    except DataError as error:
        raise error.within(
            f"the rate of '{scenario}' cannot be counted from its lists of the last {DAYS} days: ", "; say the rate"
        ) from None
    known = ("rate", "variance", "lists_per_person", "correlation")
    return {name: getattr(past, name) for name in known}
