"""`/v1/schedules`: what is done again and again."""

from __future__ import annotations

from typing import Any

from palate.serve import answers, bodies, learning
from palate.serve.operations import Exchange, Offers
from palate.serve.routes.jobs import CHECKS
from palate.serve.routes.said import in_thread, micros, time_said
from palate.store import schedules
from palate.store.schedules import StoredSchedule

offer = Offers("schedules")


@offer("GET", "/v1/schedules", learning.SchedulesSaid, role="admin")
async def list_schedules(call: Exchange, asked: bodies.Nothing) -> dict[str, Any]:
    """List the schedules of the namespace, with the next time of each."""
    return {"schedules": await in_thread(_listed, call)}


@offer(
    "POST",
    "/v1/schedules",
    learning.ScheduleSaid,
    role="admin",
    examples={"each night": {"kind": "retrain", "every": "1d", "first": "2027-01-01T03:00:00Z", "settings": {}}},
)
async def set_schedule(call: Exchange, asked: learning.ScheduleRequest) -> dict[str, Any]:
    """Let a job be started again and again; times that nobody was there for are made up by one.

    A time at which the job before still waits or runs is passed over.
    """
    details = CHECKS[asked.kind](asked.settings)
    given = (call.service.store, call.ns, asked.kind, asked.every, details, micros(asked.first))
    return _said(await in_thread(schedules.put, *given))


@offer(
    "POST",
    "/v1/schedules/pause",
    learning.ScheduleSaid,
    role="admin",
    errors=(404,),
    examples={"pause": {"kind": "retrain", "paused": True}},
)
async def pause_schedule(call: Exchange, asked: learning.PauseRequest) -> dict[str, Any]:
    """Let a schedule do nothing for a while, or go on; times that passed meanwhile are made up by one."""
    return _said(await in_thread(_pause, call, asked.kind, asked.paused))


@offer("DELETE", "/v1/schedules", answers.Deleted, role="admin", errors=(404,))
async def delete_schedule(call: Exchange, asked: learning.ScheduleNamed) -> dict[str, Any]:
    """Remove a schedule; a job of it that waits or runs goes on."""
    await in_thread(schedules.remove, call.service.store, call.ns, asked.kind)
    return {"deleted": True}


def _listed(call: Exchange) -> list[dict[str, Any]]:
    with call.service.store.read() as conn:
        return [_said(one) for one in schedules.listed(conn, call.ns)]


def _pause(call: Exchange, kind: str, paused: bool) -> StoredSchedule:
    return schedules.pause(call.service.store, call.ns, kind, paused=paused)


def _said(schedule: StoredSchedule) -> dict[str, Any]:
    return {
        "kind": schedule.kind,
        "every": schedules.interval_said(schedule.every),
        "due": time_said(schedule.due),
        "paused": schedule.paused,
        "settings": dict(schedule.details),
    }
