"""`/v1/jobs`: long pieces of work: started, looked at, cancelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from palate.retraining import checked
from palate.serve import learning
from palate.serve.operations import Exchange, Offers, Reply
from palate.serve.routes.said import in_thread, time_said
from palate.store import jobs
from palate.store.jobs import StoredJob

offer = Offers("jobs")
CHECKS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {"retrain": checked}  # settings of each kind


@offer("GET", "/v1/jobs", learning.JobsSaid, role="admin", errors=(404,))
async def list_jobs(call: Exchange, asked: learning.JobQuery) -> dict[str, Any]:
    """List the jobs of the namespace, the newest first; one that is asked for by its number has its log."""
    return {"jobs": await in_thread(_found, call, asked)}


@offer(
    "POST",
    "/v1/jobs",
    {202: learning.JobSaid},
    role="admin",
    errors=(409,),
    examples={"retrain": {"kind": "retrain", "settings": {}}},
)
async def start_job(call: Exchange, asked: learning.JobRequest) -> Reply:
    """Start a job in a process of its own: it waits until the service begins it, in a second or so.

    A kind of which one waits or runs already is refused: 409.
    """
    details = CHECKS[asked.kind](asked.settings)
    return Reply(job_said(await in_thread(_start, call, asked.kind, details)), 202)


@offer("POST", "/v1/jobs/cancel", learning.JobSaid, role="admin", errors=(404, 409), examples={"job 7": {"job": 7}})
async def cancel_job(call: Exchange, asked: learning.JobNamed) -> dict[str, Any]:
    """Cancel a job that waits, or ask one that runs to stop: at its next step, or some seconds from now."""
    return job_said(await in_thread(jobs.cancel, call.service.store, call.ns, asked.job))


def _found(call: Exchange, asked: learning.JobQuery) -> list[dict[str, Any]]:
    store, ns = call.service.store, call.ns
    with store.read() as conn:
        if asked.job is not None:
            return [job_said(jobs.get(conn, ns, asked.job), log=True)]
        states = () if asked.state is None else (asked.state,)
        return [job_said(job) for job in jobs.listed(conn, ns, asked.kind, states, asked.n)]


def _start(call: Exchange, kind: str, details: Mapping[str, Any]) -> StoredJob:
    store, ns = call.service.store, call.ns
    number = jobs.only_one(store, ns, kind, details)
    with store.read() as conn:
        return jobs.get(conn, ns, number)


def job_said(job: StoredJob, *, log: bool = False) -> dict[str, Any]:
    """Return a job as JSON holds it."""
    return {
        "job": job.number,
        "kind": job.kind,
        "state": job.state,
        "progress": job.progress,
        "created": time_said(job.created),
        "started": time_said(job.started),
        "ended": time_said(job.ended),
        "settings": dict(job.details),
        "outcome": dict(job.outcome),
        "scheduled": time_said(job.scheduled),
        "cancel_asked": job.cancel_asked,
        "log": job.log if log else None,
    }
