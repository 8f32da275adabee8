"""`/v1/scenarios`: named presets of lists, changed while the service runs."""

from __future__ import annotations

from typing import Any

from palate.serve import answers, bodies
from palate.serve import scenario_bodies as said
from palate.serve.engine.presets import checked
from palate.serve.operations import Exchange, Offers
from palate.serve.routes.said import in_thread, time_said
from palate.store import scenarios
from palate.store.presets import Preset
from palate.store.scenarios import Scenario

offer = Offers("scenarios")
HOME = {"where": ["year>=1990"], "diversity": 0.3, "rotation": {"shown": 5, "days": 7}}
EXPLORING = {"explore": {"policy": "softmax", "temperature": 0.2}}


@offer(
    "POST",
    "/v1/scenarios",
    said.ScenarioSaid,
    role="admin",
    errors=(404, 409),
    examples={
        "a home page": {"name": "home", "preset": HOME},
        "one that explores": {"name": "home-bold", "preset": {**HOME, **EXPLORING}},
    },
)
async def put_scenario(call: Exchange, asked: said.ScenarioWrite) -> dict[str, Any]:
    """Write a scenario: what requests that name it leave open. All workers follow with their next request.

    The preset takes the place of the one before, which stays as a revision. "default" is that of requests which name
    no scenario.
    """
    preset = Preset.of(asked.preset.model_dump(exclude_unset=True))
    return _said(await in_thread(_put, call, asked.name, preset))


def _put(call: Exchange, name: str, preset: Preset) -> Scenario:
    store, ns = call.service.store, call.ns
    return scenarios.put(store, ns, name, checked(store, ns, preset))


@offer("GET", "/v1/scenarios", said.ScenariosSaid, role="read")
async def list_scenarios(call: Exchange, asked: bodies.Nothing) -> dict[str, Any]:
    """List the scenarios of the namespace, as they are now."""
    return {"scenarios": [_said(one) for one in await in_thread(_listed, call)]}


@offer("GET", "/v1/scenarios/revisions", said.ScenariosSaid, role="read", errors=(404,))
async def list_scenario_revisions(call: Exchange, asked: said.OneName) -> dict[str, Any]:
    """List what a scenario was, the newest revision first; lists name the one that they were made by."""
    return {"scenarios": [_said(one) for one in await in_thread(_revisions, call, asked.name)]}


@offer("DELETE", "/v1/scenarios", answers.Deleted, role="admin", errors=(404, 409))
async def delete_scenario(call: Exchange, asked: said.OneName) -> dict[str, Any]:
    """Delete a scenario: requests may not name it any more. Its revisions stay, for the lists that name them."""
    await in_thread(scenarios.delete, call.service.store, call.ns, asked.name)
    return {"deleted": True}


def _listed(call: Exchange) -> list[Scenario]:
    with call.service.store.read() as conn:
        return scenarios.listed(conn, call.ns)


def _revisions(call: Exchange, name: str) -> list[Scenario]:
    with call.service.store.read() as conn:
        return scenarios.revisions(conn, call.ns, name)


def _said(one: Scenario) -> dict[str, Any]:
    return {
        "name": one.name,
        "revision": one.revision,
        "preset": None if one.preset is None else one.preset.as_dict(),
        "created": time_said(one.created),
    }
