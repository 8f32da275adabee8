"""Models by what they are good for, each with what was measured of it; which of them the page asks for what."""

from __future__ import annotations

from typing import Any, Literal

from palate.serve.answers import Said
from palate.serve.engine.asking import Scale
from palate.serve.engine.purposes import Purpose, purposes, scenario_of
from palate.serve.engine.scenarios import VersionLoadingError
from palate.serve.operations import Exchange
from palate.store.versions import VersionFigure

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


def stands_for(call: Exchange, purpose: PurposeName) -> str | None:
    """Return the scenario of a purpose; None where no version serves it, and the active one answers."""
    name = scenario_of(purpose)
    return name if call.service.engine.has_scenario(call.ns, name) else None


def rating_scale(call: Exchange) -> Scale | None:
    """Return the ratings that people give here: those of the version that predicts stars, else of the active one.

    Raises:
        VersionLoadingError: the version that predicts stars is being loaded.
    """
    scale: Scale | None = call.service.engine.scale(call.ns, stands_for(call, "stars"))
    return scale


def rating_scale_now(call: Exchange) -> Scale | None:
    """Return `rating_scale`; while the version that predicts stars is being loaded, that of the active one."""
    try:
        return rating_scale(call)
    except VersionLoadingError:
        scale: Scale | None = call.service.engine.scale(call.ns)
        return scale


def own_ratings(call: Exchange) -> dict[str, float]:
    """Return what the person rated, by item, in the log and in the training of the version that predicts stars.

    While that version is being loaded, it is the active one's training.
    """
    engine, person = call.service.engine, call.visit.person
    rated: dict[str, float]
    try:
        rated = engine.own_ratings(call.ns, person, stands_for(call, "stars"))
    except VersionLoadingError:
        rated = engine.own_ratings(call.ns, person)
    return rated


def trained_ratings(call: Exchange) -> dict[str, float]:
    """Return what the person rated, by item, in the training of the version that predicts stars alone.

    Raises:
        VersionLoadingError: it is being loaded.
    """
    engine, scenario = call.service.engine, stands_for(call, "stars")
    rated: dict[str, float] = engine.trained_ratings(call.ns, call.visit.person, scenario)
    return rated


def purposes_said(call: Exchange) -> list[dict[str, Any]]:
    """Return the purposes that a model serves here, as `PurposeSaid`: the best lists first; none without a model."""
    with call.service.store.read() as conn:
        return [_said(one) for one in purposes(conn, call.service.store, call.ns)]


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
