"""`/web/scenes/…`: what goes on behind the page, for admins, mostly by the functions of `/v1`."""

from __future__ import annotations

import time
from typing import Annotated, Any

from pydantic import Field

from palate.serve import answers, learning, measures, refusals
from palate.serve import scenario_bodies as experimental
from palate.serve.answers import Said
from palate.serve.bodies import Asked, Nothing, Whole
from palate.serve.operations import Exchange, Reply
from palate.serve.routes import experiments, jobs, models
from palate.serve.routes.said import in_thread, time_said
from palate.serve.web.offers import Sure, page_offers
from palate.store import info, readiness, traffic, versions

offer = page_offers("behind the scenes")


class CardSaid(Said):
    """What data there is, and which model answers."""

    namespace: Annotated[dict[str, Any], Field(description="Counts of people, items, events by kind, and times.")]
    store: Annotated[dict[str, Any], Field(description="Where it is, its schema, its size in bytes.")]
    active: answers.Version | None


class VersionMeasured(Said):
    """A version, and what was measured of it."""

    version: int
    model: str
    state: str
    figures: Annotated[dict[str, Any] | None, Field(description="Metrics with intervals, where they were measured.")]
    verdict: dict[str, Any] | None


class ComparisonSaid(Said):
    """All versions whose files are there."""

    versions: list[VersionMeasured]


class CalibrationSaid(Said):
    """Predicted and actual ratings of the version that answers."""

    version: int | None
    of: str | None
    bins: list[dict[str, float]]


class TrafficSaid(Said):
    """What came and went."""

    hours: list[dict[str, Any]]
    routes: list[dict[str, Any]]


class ArmsSaid(Said):
    """Experiments, and of one that is asked for what came of it."""

    experiments: list[experimental.ExperimentSaid]
    report: dict[str, Any] | None


class RefusedSaid(Said):
    """Events that were refused, the newest first."""

    refused: list[dict[str, Any]]


class ReadySaid(Said):
    """What learning needs."""

    hints: list[dict[str, Any]]


class ArmsQuery(Asked):
    """Which experiment is reported on; none: they are listed alone."""

    name: Annotated[str | None, Field(min_length=1, max_length=100)] = None


class JobStart(Sure, learning.JobRequest):
    """A job to start."""


class JobCancel(Sure, learning.JobNamed):
    """A job to cancel."""


class VersionChosen(Sure):
    """A version that is to answer."""

    version: Annotated[Whole, Field(ge=1, le=2**31 - 1)]


@offer("GET", "/web/scenes/card", CardSaid, role="admin")
async def get_card(call: Exchange, asked: Nothing) -> dict[str, Any]:
    """Return what data there is, and which model answers."""
    return await in_thread(_card, call)


@offer("GET", "/web/scenes/comparison", ComparisonSaid, role="admin")
async def get_comparison(call: Exchange, asked: Nothing) -> dict[str, Any]:
    """Return what was measured of the versions."""
    found = await in_thread(versions.listed, call.service.store, call.ns)
    return {"versions": [_measured(version) for version in found if version.state != "removed"]}


@offer("GET", "/web/scenes/calibration", CalibrationSaid, role="admin")
async def get_calibration(call: Exchange, asked: Nothing) -> dict[str, Any]:
    """Return how predicted and actual ratings agree."""
    found = await in_thread(versions.listed, call.service.store, call.ns)
    active = next((version for version in found if version.state == "active"), None)
    figures = {} if active is None else active.details.get("figures") or {}
    return {
        "version": None if active is None else active.number,
        "of": figures.get("of"),
        "bins": figures.get("calibration") or [],
    }


@offer("GET", "/web/scenes/traffic", TrafficSaid, role="admin")
async def get_traffic(call: Exchange, asked: Nothing) -> dict[str, Any]:
    """Return lists and events of the last 24 hours, and how quickly requests were answered."""
    return await in_thread(_traffic, call)


@offer("GET", "/web/scenes/arms", ArmsSaid, role="admin", errors=(404,))
async def get_arms(call: Exchange, asked: ArmsQuery) -> dict[str, Any]:
    """Return the experiments; the report of one that runs is a look at its results, which is kept and counted."""
    found = await experiments.list_experiments(call, Nothing())
    report = None
    if asked.name is not None:
        told = await experiments.report_experiment(call, experimental.OneName(name=asked.name))
        report = told["report"]  # type: ignore[index,call-overload]
    return {"experiments": found["experiments"], "report": report}  # type: ignore[index,call-overload]


@offer("GET", "/web/scenes/jobs", learning.JobsSaid, role="admin", errors=(404,))
async def get_jobs(call: Exchange, asked: learning.JobQuery) -> Any:
    """Return jobs, the newest first; one that is asked for by its number with its log."""
    return await jobs.list_jobs(call, asked)


@offer("POST", "/web/scenes/jobs", {202: learning.JobSaid}, role="admin", errors=(409,))
async def begin_job(call: Exchange, asked: JobStart) -> Reply:
    """Start a job."""
    return await jobs.start_job(call, asked)  # type: ignore[return-value]


@offer("POST", "/web/scenes/jobs/cancel", learning.JobSaid, role="admin", errors=(404, 409))
async def stop_job(call: Exchange, asked: JobCancel) -> Any:
    """Cancel a job."""
    return await jobs.cancel_job(call, asked)


@offer("GET", "/web/scenes/versions", answers.Versions, role="admin")
async def get_versions(call: Exchange, asked: Nothing) -> Any:
    """Return the versions."""
    return await models.list_models(call, asked)


@offer("POST", "/web/scenes/versions/activate", answers.Version, role="admin", errors=(404, 409))
async def choose_version(call: Exchange, asked: VersionChosen) -> Any:
    """Let a version answer."""
    return await models.activate_model(call, asked)


@offer("POST", "/web/scenes/versions/rollback", answers.Version, role="admin", errors=(404, 409))
async def go_back(call: Exchange, asked: Sure) -> Any:
    """Let the version answer that was active before."""
    return await models.roll_back_model(call, asked)


@offer("GET", "/web/scenes/refused", RefusedSaid, role="admin")
async def get_refused(call: Exchange, asked: Nothing) -> dict[str, Any]:
    """Return the newest events that were refused, without whose they were."""
    rows = await in_thread(refusals.newest, call.service.store.folder, call.ns)
    return {"refused": [{**row, "time": time_said(row["time"])} for row in rows]}


@offer("GET", "/web/scenes/ready", ReadySaid, role="admin")
async def get_ready(call: Exchange, asked: Nothing) -> dict[str, Any]:
    """Return what learning needs, and what of it is there."""
    found = await in_thread(readiness.hints, call.service.store, call.ns, _now())
    return {"hints": [{"words": hint.words, "done": hint.done, "do": hint.do} for hint in found]}


def _card(call: Exchange) -> dict[str, Any]:
    store, ns = call.service.store, call.ns
    with store.read() as conn:
        facts, sizes = info.of_namespace(conn, ns), info.sizes(store, conn)
    for name in ("first_event", "newest_event"):
        facts[name] = time_said(facts[name])
    active = next((version for version in versions.listed(store, ns) if version.state == "active"), None)
    return {
        "namespace": facts,
        "store": sizes,
        "active": None if active is None else models.version_said(active),
    }


def _measured(version: versions.Version) -> dict[str, Any]:
    details = version.details
    return {
        "version": version.number,
        "model": version.model,
        "state": version.state,
        "figures": details.get("figures"),
        "verdict": details.get("verdict"),
    }


def _traffic(call: Exchange) -> dict[str, Any]:
    with call.service.store.read() as conn:
        hours = traffic.hourly(conn, call.ns, _now())
    return {"hours": [{**row, "hour": time_said(row["hour"])} for row in hours], "routes": measures.latencies()}


def _now() -> int:
    return time.time_ns() // 1000
