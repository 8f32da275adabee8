"""`/web/purposes`: models by what they are good for, each with what was measured of it."""

from __future__ import annotations

from typing import Any, Literal

from palate.serve.answers import Said
from palate.serve.engine.asking import Scale
from palate.serve.engine.purposes import Purpose, purposes, scenario_of
from palate.serve.operations import Exchange
from palate.serve.routes.said import in_thread
from palate.serve.web.offers import OfPerson, page_offers
from palate.store.versions import VersionFigure

offer = page_offers("purposes")
PurposeName = Literal["lists", "stars", "because"]


class FigureSaid(Said):
    """What was measured."""

    metric: str
    value: float
    low: float | None
    high: float | None
    people: int | None
    popular: float | None
    of: str


class PurposeSaid(Said):
    """A purpose, and which model serves it."""

    name: PurposeName
    model: str
    version: int
    figure: FigureSaid | None
    sure: FigureSaid | None
    is_active: bool


class Purposes(Said):
    """All that can be chosen, the best lists first."""

    purposes: list[PurposeSaid]


@offer("GET", "/web/purposes", Purposes, role="write")
async def list_purposes(call: Exchange, asked: OfPerson) -> dict[str, Any]:
    """Return the purposes that a model serves here, the best lists first; none where there is no model yet."""
    return {"purposes": [_said(one) for one in await in_thread(_listed, call)]}


def stands_for(call: Exchange, purpose: PurposeName) -> str | None:
    """Return the scenario of a purpose; None where no version serves it, and the active one answers."""
    name = scenario_of(purpose)
    return name if call.service.engine.has_scenario(call.ns, name) else None


def rating_scale(call: Exchange) -> Scale | None:
    """Return the ratings that people give here: those of the version that predicts stars, else of the active one."""
    scale: Scale | None = call.service.engine.scale(call.ns, stands_for(call, "stars"))
    return scale


def _listed(call: Exchange) -> list[Purpose]:
    with call.service.store.read() as conn:
        return purposes(conn, call.service.store, call.ns)


def _said(one: Purpose) -> dict[str, Any]:
    return {
        "name": one.name,
        "model": one.version.model,
        "version": one.version.number,
        "figure": _figure(one.figure),
        "sure": _figure(one.sure),
        "is_active": one.is_active,
    }


def _figure(figure: VersionFigure | None) -> dict[str, Any] | None:
    return None if figure is None else {name: getattr(figure, name) for name in VersionFigure.__slots__}
