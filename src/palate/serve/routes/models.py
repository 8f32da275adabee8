"""`/v1/models`: which versions there are, and which one answers."""

from __future__ import annotations

from typing import Any

from palate.retraining import overrule
from palate.serve import answers, bodies, learning
from palate.serve.operations import Exchange, Offers
from palate.serve.routes.said import in_thread, time_said
from palate.store import versions

offer = Offers("models")


@offer("GET", "/v1/models", answers.Versions, role="read")
async def list_models(call: Exchange, asked: bodies.Nothing) -> dict[str, Any]:
    """List the model versions of the namespace; one of them is active."""
    return {
        "versions": [version_said(version) for version in await in_thread(versions.listed, call.service.store, call.ns)]
    }


@offer(
    "POST",
    "/v1/models/activate",
    answers.Version,
    role="admin",
    errors=(404,),
    examples={"version 2": {"version": 2}},
)
async def activate_model(call: Exchange, asked: bodies.ActivateRequest) -> dict[str, Any]:
    """Let a version answer, in all workers; no request is dropped."""
    return version_said(await in_thread(versions.activate, call.service.store, call.ns, asked.version))


@offer("POST", "/v1/models/rollback", answers.Version, role="admin", errors=(404, 409), examples={"back": {}})
async def roll_back_model(call: Exchange, asked: bodies.Nothing) -> dict[str, Any]:
    """Let the version answer that was active before."""
    return version_said(await in_thread(versions.roll_back, call.service.store, call.ns))


@offer(
    "POST",
    "/v1/models/overrule",
    answers.Version,
    role="admin",
    errors=(404, 409),
    examples={"version 3": {"version": 3, "by": "Ada", "why": "the newest days were a sale"}},
)
async def overrule_gate(call: Exchange, asked: learning.OverruleRequest) -> dict[str, Any]:
    """Let a version answer that the gate refused; who says so, and why, is kept with its verdict."""
    given = (call.service.store, call.ns, asked.version, asked.by, asked.why)
    return version_said(await in_thread(overrule, *given))


def version_said(version: Any) -> dict[str, Any]:
    """Return a version as JSON holds it."""
    return {
        "version": version.number,
        "model": version.model,
        "state": version.state,
        "trained": time_said(version.trained),
        "newest_event": time_said(version.newest_event),
        "activated": time_said(version.activated),
        "users": version.details.get("users"),
        "items": version.details.get("items"),
        "verdict": version.details.get("verdict"),
        "error": version.details.get("error"),
    }
