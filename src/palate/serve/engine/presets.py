"""A preset and a request are one: what the request says itself wins, conditions and boosts of both hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from palate.errors import ParameterError
from palate.models.contract.abilities import LikensItems, cannot
from palate.serve.engine.asking import MOST_BOOSTS, Ask, Through
from palate.serve.engine.catalogue import Catalogue
from palate.serve.engine.exploring import check
from palate.serve.engine.space import read_items
from palate.store import versions
from palate.store.presets import Preset
from palate.store.scenarios import Scenario

if TYPE_CHECKING:
    from palate.store.records import Namespace
    from palate.store.store import Store

OPEN = ("n", "diversity", "seen", "not_mine")  # fields of which one value holds
DEFAULTS = {name: Ask.__dataclass_fields__[name].default for name in OPEN}  # of somebody who says nothing


def through(ask: Ask, scenario: Scenario | None, experiment: str | None = None, arm: str | None = None) -> Ask:
    """Return a request as the preset of a scenario, and the arm of an experiment, make it.

    Args:
        ask: as it came.
        scenario: None where an arm has no preset.
        experiment, arm: in which the user takes part.

    Raises:
        ParameterError: the two together cannot be answered.
    """
    if scenario is None or scenario.preset is None:
        return replace(ask, through=Through(ask, None, experiment, arm))
    preset = scenario.preset
    made = Through(
        ask,
        (scenario.name, scenario.revision),
        experiment,
        arm,
        preset.explore,
        preset.rotation,
        preset.new_items_share,
    )
    boosts = (*preset.boosts, *ask.boosts)
    if len(boosts) > MOST_BOOSTS:
        raise ParameterError.of(
            "boosts",
            f"are at most {MOST_BOOSTS}, those of the scenario ({len(preset.boosts)}) among them, got {len(boosts)}",
        )
    return replace(
        ask,
        **_left_open(ask, preset),
        where=(*preset.where, *ask.where),
        exclude=(*preset.exclude, *ask.exclude),
        boosts=boosts,
        through=made,
    )


def _left_open(ask: Ask, preset: Preset) -> dict[str, Any]:
    """Return what the preset says and the request does not."""
    said = {
        name: getattr(preset, name)
        for name in OPEN
        if getattr(preset, name) is not None and name not in ask.given and getattr(ask, name) == DEFAULTS[name]
    }
    if ask.user is None:
        said.pop("not_mine", None)  # nothing is nobody's own
    return said


def checked(store: Store, ns: Namespace, preset: Preset) -> Preset:
    """Return a preset that the version which it names can answer by.

    Raises:
        NotFoundError: there is no such version.
        ParameterError: a condition names a column that no item has, or the model cannot do what the preset asks for.
        ModelFileError: the version's files are damaged.
    """
    with store.read() as conn:
        number = versions.wanted_by(conn, ns, preset.model)
    loaded = versions.load_active(store, ns) if number is None else versions.load(store, ns, number)
    catalogue = Catalogue(loaded)
    with store.read() as conn:
        read_items(conn, ns, catalogue, 0)
    if catalogue.size:
        for condition in (*preset.where, *(condition for condition, _ in preset.boosts)):
            catalogue.mask((condition,))
    if loaded is not None and preset.diversity and not isinstance(loaded.model, LikensItems):
        raise cannot(loaded.model, "similar_items", "leave diversity out")
    check(None if loaded is None else loaded.model, preset.explore)
    return preset
