"""What requests and answers about jobs, schedules and model versions hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from palate.serve.answers import Said
from palate.serve.bodies import WORD, Asked, Short, Whole
from palate.store.jobs import State

LARGEST = 2**53 - 1
JobKind = Literal["retrain"]
JobNumber = Annotated[Whole, Field(ge=1, le=LARGEST, description="Of the job.")]
JobSettings = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=100, pattern=WORD)], Any],
    Field(max_length=50, description="What is not said is as usual: `palate retrain --help` tells."),
]


class JobQuery(Asked):
    """Which jobs; one alone is told with its log."""

    job: JobNumber | None = None
    kind: Annotated[str | None, Field(min_length=1, max_length=100, pattern=WORD)] = None
    state: State | None = None
    n: Annotated[Whole, Field(ge=1, le=1000, description="How many, the newest first.")] = 20


class JobRequest(Asked):
    """A job to start."""

    kind: JobKind = "retrain"
    settings: JobSettings = Field(default_factory=dict)


class JobNamed(Asked):
    """A job."""

    job: JobNumber


class JobSaid(Said):
    """A job: what it is to do, how far it is, and what came of it."""

    job: int
    kind: str
    state: State
    progress: Annotated[float, Field(description="From 0 to 1.")]
    created: AwareDatetime
    started: AwareDatetime | None
    ended: AwareDatetime | None
    settings: Annotated[dict[str, Any], Field(description="What it is to do.")]
    outcome: Annotated[dict[str, Any], Field(description="What came of it: a version, the verdict of the gate.")]
    scheduled: Annotated[AwareDatetime | None, Field(description="The time of the schedule that began it.")]
    cancel_asked: Annotated[bool, Field(description="It ends at its next step, or some seconds from now.")]
    log: Annotated[str | None, Field(description="Of a job that is asked for by its number.")] = None


class JobsSaid(Said):
    """Jobs, the newest first."""

    jobs: list[JobSaid]


class ScheduleRequest(Asked):
    """What is to be done again and again; it takes the place of the schedule of its kind."""

    kind: JobKind = "retrain"
    every: Annotated[str, Field(max_length=10, pattern=WORD, description="30m, 12h, 1d.", examples=["1d"])]
    first: Annotated[AwareDatetime | None, Field(description="The first time; without it, one interval from now.")] = (
        None
    )
    settings: JobSettings = Field(default_factory=dict)


class ScheduleNamed(Asked):
    """A schedule."""

    kind: Annotated[str, Field(min_length=1, max_length=100, pattern=WORD)] = "retrain"


class PauseRequest(ScheduleNamed):
    """A schedule that does nothing for a while, or goes on."""

    paused: bool = True


class ScheduleSaid(Said):
    """What is done again and again."""

    kind: str
    every: Annotated[str, Field(description="From one time to the next: 30m, 12h, 1d.")]
    due: Annotated[AwareDatetime, Field(description="The next time; where it has passed, it is made up once.")]
    paused: bool
    settings: dict[str, Any]


class SchedulesSaid(Said):
    """The schedules of a namespace."""

    schedules: list[ScheduleSaid]


class OverruleRequest(Asked):
    """A person lets a version answer that the gate refused."""

    version: Annotated[Whole, Field(ge=1, le=2**31 - 1)]
    by: Annotated[Short, Field(description="Who answers for it; it is kept with the version.")]
    why: Annotated[str, Field(max_length=1000, pattern=WORD)] = ""
