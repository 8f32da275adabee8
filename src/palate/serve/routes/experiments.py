"""`/v1/experiments`: arms of a scenario, who is in which, and what came of it."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

from palate.serve import bodies
from palate.serve import scenario_bodies as said
from palate.serve.operations import Exchange, Offers
from palate.serve.routes.said import in_thread, time_said
from palate.store import experiments, reports
from palate.store.experiments import Arm, Experiment

offer = Offers("experiments")
ARMS = [
    {"name": "as-is", "share": 0.5, "scenario": "default"},
    {"name": "bold", "share": 0.5, "scenario": "home-bold"},
]


@offer(
    "POST",
    "/v1/experiments",
    said.ExperimentSaid,
    role="admin",
    errors=(404, 409),
    examples={"two arms": {"name": "boldness", "arms": ARMS, "plan": {"effect": 0.02, "rate": 0.2}}},
)
async def start_experiment(call: Exchange, asked: said.ExperimentStart) -> dict[str, Any]:
    """Start an experiment: from the next request on each user is in one arm, by a hash of their id, and stays there.

    What decides is fixed now. With an effect, so is how many lists each arm needs.
    """
    arms = [Arm(arm.name, arm.share, arm.scenario) for arm in asked.arms]
    plan = asked.plan.model_dump()
    run = partial(reports.start, call.service.store, call.ns, asked.name, asked.scenario, arms, **plan)
    return _said(await in_thread(run))


@offer("GET", "/v1/experiments", said.ExperimentsSaid, role="read")
async def list_experiments(call: Exchange, asked: bodies.Nothing) -> dict[str, Any]:
    """List the experiments of the namespace, the newest first, without what came of them."""
    return {"experiments": [_said(one) for one in await in_thread(_listed, call)]}


@offer(
    "POST",
    "/v1/experiments/end",
    said.ExperimentSaid,
    role="admin",
    errors=(404, 409),
    examples={"the end": {"name": "layout"}},
)
async def end_experiment(call: Exchange, asked: said.OneName) -> dict[str, Any]:
    """End an experiment for good: requests go back to the scenario itself. Its report can still be asked for."""
    return _said(await in_thread(experiments.end, call.service.store, call.ns, asked.name))


@offer("GET", "/v1/experiments/report", said.ReportSaid, role="admin", errors=(404,))
async def report_experiment(call: Exchange, asked: said.OneName) -> dict[str, Any]:
    """Report what came of an experiment: each arm's clicks and positives per list, differences, warnings.

    While it runs, this is a look at the results, which is kept: reports count the looks before the planned size.
    """
    experiment, report = await in_thread(reports.report, call.service.store, call.ns, asked.name)
    return {"experiment": _said(experiment), "report": report.as_dict()}


def _listed(call: Exchange) -> list[Experiment]:
    with call.service.store.read() as conn:
        return experiments.listed(conn, call.ns)


def _said(one: Experiment) -> dict[str, Any]:
    return {
        "name": one.name,
        "scenario": one.scenario,
        "arms": [asdict(arm) for arm in one.arms],
        "plan": dict(one.plan),
        "looks": [dict(look) for look in one.looks],
        "started": time_said(one.started),
        "ended": time_said(one.ended),
    }
