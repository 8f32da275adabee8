"""What requests about scenarios and experiments hold, and what their answers do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from palate.experiments.explore import Explore
from palate.experiments.planning import Plan
from palate.serve.answers import Said
from palate.serve.bodies import EMPTY, MANY, Asked, Boosts, Condition, Id, ModelAsked, Name, Whole

MOST_ARMS = 20
USUAL, PLAN = Explore(), Plan()
Share = Annotated[float, Field(ge=0, le=1)]


class ExploreAsked(Asked):
    """How chance takes part in lists."""

    policy: Literal["none", "softmax", "thompson"]
    temperature: Annotated[float, Field(gt=0, le=1000, description="Of softmax, in deviations of the scores.")] = (
        USUAL.temperature
    )
    share: Annotated[float, Field(gt=0, le=1, description="Of lists that chance takes part in.")] = USUAL.share
    depth: Annotated[Whole, Field(ge=1, le=500, description="How many places are candidates.")] = USUAL.depth
    uniform: Annotated[Share | None, Field(description="Of the uniform distribution that is mixed in.")] = None


class RotationAsked(Asked):
    """When what was shown in vain goes behind all others."""

    shown: Annotated[Whole, Field(ge=1, le=1000, description="How often, without anything done with it since.")]
    days: Annotated[float, Field(gt=0, le=3650, description="Within how many days.")]


class PresetAsked(Asked):
    """What a scenario says of its lists; what is left out is the request's, or the default."""

    where: Annotated[list[Condition], Field(max_length=32, description="All of them hold.")] = EMPTY
    exclude: Annotated[list[Id], Field(max_length=MANY)] = EMPTY
    boosts: Boosts = EMPTY
    diversity: Share | None = None
    seen: bool | None = None
    not_mine: bool | None = None
    n: Annotated[Whole, Field(ge=1, le=500)] | None = None
    new_items_share: Share | None = None
    explore: ExploreAsked | None = None
    rotation: RotationAsked | None = None
    model: Annotated[
        ModelAsked | None,
        Field(description="A version's number, or the key of a model, whose newest version answers."),
    ] = None


class ScenarioWrite(Asked):
    """A scenario as it shall be now."""

    name: Name
    preset: PresetAsked


class OneName(Asked):
    """A scenario or an experiment."""

    name: Name


class ArmAsked(Asked):
    """One of the ways that are compared."""

    name: Name
    share: Annotated[float, Field(gt=0, le=1, description="Of people.")]
    scenario: Annotated[Name, Field(description="Whose preset its lists are made by.")]


class PlanAsked(Asked):
    """What an experiment is judged by; with an effect, how many lists each arm needs is counted."""

    metric: Annotated[Literal["positives", "clicks"], Field(description="Per list.")] = PLAN.metric
    effect: Annotated[
        float | None, Field(gt=0, allow_inf_nan=False, description="The smallest difference that matters.")
    ] = None
    rate: Annotated[
        float | None,
        Field(gt=0, allow_inf_nan=False, description="Of the metric now; without it, counted from past lists."),
    ] = None
    power: Annotated[float, Field(gt=0, lt=1)] = PLAN.power
    alpha: Annotated[float, Field(gt=0, lt=1)] = PLAN.alpha


class ExperimentStart(Asked):
    """An experiment to start."""

    name: Name
    scenario: Annotated[Name, Field(description="Whose requests take part.")] = "default"
    arms: Annotated[list[ArmAsked], Field(min_length=2, max_length=MOST_ARMS, description="The first is the control.")]
    plan: PlanAsked = PlanAsked()


# -- answers --------------------------------------------------------------------------------------------------------


class ScenarioSaid(Said):
    """A revision of a scenario."""

    name: str
    revision: int
    preset: Annotated[dict[str, Any] | None, Field(description="What it says; none where it was deleted.")]
    created: AwareDatetime


class ScenariosSaid(Said):
    """Scenarios, or the revisions of one."""

    scenarios: list[ScenarioSaid]


class ArmSaid(Said):
    """An arm."""

    name: str
    share: float
    scenario: str


class ExperimentSaid(Said):
    """An experiment."""

    name: str
    scenario: str
    arms: list[ArmSaid]
    plan: dict[str, Any]
    looks: Annotated[list[dict[str, Any]], Field(description="When somebody saw its report while it ran.")]
    started: AwareDatetime
    ended: AwareDatetime | None


class ExperimentsSaid(Said):
    """The experiments of a namespace, the newest first."""

    experiments: list[ExperimentSaid]


class ReportSaid(Said):
    """What came of an experiment."""

    experiment: ExperimentSaid
    report: Annotated[dict[str, Any], Field(description="Arms, differences, warnings and verdict.")]
