"""A preset and a request are one: what the request says itself wins, conditions and boosts of both hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from palate.errors import ParameterError
from palate.serve.engine.asking import MOST_BOOSTS, Ask, Through
from palate.store.presets import Preset
from palate.store.scenarios import Scenario

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
