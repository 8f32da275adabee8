"""What a preset that was not run would have brought: from the lists of a store, as a job or on the command line.

`answered` reads lists with what came of them, replays the preset on them (`palate.serve.engine.replaying`), and
estimates (`palate.experiments.estimates`). ``python -m palate.serve.off_policy`` is the process of a job.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from palate.errors import NotFoundError, ParameterError
from palate.experiments.estimates import OffPolicy, estimate
from palate.serve.engine import presets
from palate.serve.engine.engine import NEW_ITEMS_SHARE
from palate.serve.engine.exploring import check
from palate.serve.engine.replaying import LoggedLists, replayed, tenant_of
from palate.store import experiments, outcomes, scenarios, versions
from palate.store.presets import Preset, checked_fields
from palate.store.scenarios import Scenario

if TYPE_CHECKING:
    from palate.serve.engine.loaded import LoadedVersion
    from palate.store.jobs import Run
    from palate.store.records import Namespace
    from palate.store.store import Store

KIND = "off-policy"
MOST = 20_000  # lists that are replayed, drawn from all that are there
LARGEST = 200_000
FIELDS = ("scenario", "preset", "model", "lists_of", "experiment", "since", "until", "most")
WORDS = {
    "nobody": "of nobody, of whom nothing was known",
    "uncounted": "whose propensities are not counted yet",
    "certain": "in which nothing was left to chance",
    "older": "shown before the version's newest training row, which it may have learned from",
    "drawn_out": "beyond the number that is replayed, drawn by chance",
    "failed": "that the preset cannot be asked for",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which policy is asked about, and on which lists.

    Attributes:
        scenario: whose newest preset it is; None: ``preset``.
        preset: the policy, where no scenario has it; {} is the order of the model.
        model: a version's number or a model's key, instead of the preset's; None: the preset's, or the active one.
        lists_of: scenario whose lists are replayed; None: all.
        experiment: whose lists are replayed; None: all.
        since, until: microseconds: lists shown from ``since`` on and before ``until``.
        most: lists to replay; of more, so many are drawn.
    """

    scenario: str | None = None
    preset: Preset | None = None
    model: int | str | None = None
    lists_of: str | None = None
    experiment: str | None = None
    since: int | None = None
    until: int | None = None
    most: int = MOST

    def __post_init__(self) -> None:
        """Refuse what cannot be asked.

        Raises:
            ParameterError: names the field, and what it may be.
        """
        if (self.scenario is None) == (self.preset is None):
            raise ParameterError("ask about a scenario or about a preset, one of the two", subject="scenario")
        if type(self.most) is not int or not 1 <= self.most <= LARGEST:
            raise ParameterError.outside("most", f"a whole number from 1 to {LARGEST:,}", self.most)
        for name in ("scenario", "lists_of", "experiment"):
            if not isinstance(getattr(self, name), str | None):
                raise ParameterError.outside(name, "a name", getattr(self, name))
        for name in ("since", "until"):
            if getattr(self, name) is not None and type(getattr(self, name)) is not int:
                raise ParameterError.outside(name, "microseconds since 1970", getattr(self, name))
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ParameterError.of("until", "must be later than since: no list was shown between them")

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Question:
        """Return what the settings of a job say.

        Raises:
            ParameterError: a field is unknown, or its value none.
        """
        given = checked_fields(record, "an off-policy question", FIELDS)
        if given.get("preset") is not None:
            given["preset"] = Preset.of(given["preset"])
        return cls(**given)

    def as_dict(self) -> dict[str, Any]:
        """Return what is asked as JSON holds it."""
        said = {**asdict(self), "preset": None if self.preset is None else self.preset.as_dict()}
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the policy asked about would have brought per list, in clicks and in positives.

    Attributes:
        clicks, positives: the estimates.
        version: that ranked.
        replayed: how many lists they are from.
        left_out: how many lists are not among them, by why.
        notes: what to know before believing them, in sentences.
    """

    clicks: OffPolicy
    positives: OffPolicy
    version: int
    replayed: int
    left_out: Mapping[str, int]
    notes: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as JSON holds it."""
        own = {name: getattr(self, name) for name in ("version", "replayed")}
        estimates = {"clicks": self.clicks.as_dict(), "positives": self.positives.as_dict()}
        return {**estimates, **own, "left_out": dict(self.left_out), "notes": list(self.notes)}


def checked(store: Store, ns: Namespace, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a job, checked.

    Raises:
        ParameterError: a field is unknown, its value none, or the model cannot do what the preset asks for.
        NotFoundError: there is no such scenario, experiment or version.
    """
    question = Question.of(record)
    scenario, number = _asked_about(store, ns, question)
    if scenario.preset is not None:
        presets.checked(store, ns, replace(scenario.preset, model=number))
    return question.as_dict()


def answered(
    store: Store, ns: Namespace, question: Question, step: Callable[[float, str], None] = lambda *_: None
) -> Answered:
    """Return what a policy would have brought per list.

    Args:
        store, ns: whose lists.
        question: about which policy, on which lists.
        step: told how far it is, from 0 to 1, and a line about it.

    Raises:
        NotFoundError: there is no such scenario or version, or no list to learn from.
        ParameterError: the preset cannot be asked for.
    """
    scenario, number = _asked_about(store, ns, question)
    space = tenant_of(store, ns, versions, NEW_ITEMS_SHARE, number)
    loaded = space.loaded
    if scenario.preset is not None and loaded is not None:
        check(loaded.model, scenario.preset.explore)
    log, left_out = _log(store, ns, question, loaded)
    step(0.05, f"replaying {len(log.lists):,} lists")
    made = replayed(space, log, scenario, lambda share: step(0.05 + 0.9 * share, ""))
    left_out = {**left_out, "failed": made.failed}
    results = {name: estimate(places) for name, places in made.places.items()}
    return Answered(
        **results,
        version=made.version,
        replayed=len(log.lists) - made.failed,
        left_out={name: n for name, n in left_out.items() if n},
        notes=tuple(_notes(scenario, left_out)),
    )


def _asked_about(store: Store, ns: Namespace, question: Question) -> tuple[Scenario, int | None]:
    """Return the scenario that is asked about, and the number of its version; None for the active one."""
    with store.read() as conn:
        if question.scenario is not None:
            scenario = scenarios.get(conn, ns, question.scenario)
        else:
            scenario = Scenario("asked", 0, _as_kept(ns, question.preset), 0)
        if question.experiment is not None:
            experiments.get(conn, ns, question.experiment)
        if question.lists_of not in (None, scenarios.USUAL):
            scenarios.revisions(conn, ns, str(question.lists_of))
        if scenario.preset is None:
            raise NotFoundError.of(f"scenario '{scenario.name}'", "was deleted: name another", value=scenario.name)
        wanted = scenario.preset.model if question.model is None else question.model
        number = versions.wanted_by(conn, ns, wanted)
    return replace(scenario, preset=replace(scenario.preset, model=None)), number


def _as_kept(ns: Namespace, preset: Preset | None) -> Preset | None:
    return None if preset is None else scenarios.checked(ns, "asked", preset)


def _log(
    store: Store, ns: Namespace, question: Question, loaded: LoadedVersion | None
) -> tuple[LoggedLists, dict[str, int]]:
    """Return the lists to replay with their places, and how many are left out, by why."""
    which: dict[str, Any] = {name: getattr(question, name) for name in ("since", "until", "experiment")}
    which["scenario"] = question.lists_of
    with store.read() as conn:
        places = outcomes.frame(conn, ns, **which).filter(pl.col("page") == 0)
        lists = outcomes.list_frame(conn, ns, **which)
    facts = places.group_by("list").agg(
        (pl.col("propensity") == 1).all().alias("certain"), pl.col("propensity").is_nan().any().alias("uncounted")
    )
    lists = lists.join(facts, on="list", how="inner", maintain_order="left")
    lists, left_out = _usable(lists, loaded)
    if not len(lists):
        raise NotFoundError(_nothing(left_out), subject="lists")
    if len(lists) > question.most:
        left_out["drawn_out"] = len(lists) - question.most
        at = np.random.default_rng(0).choice(len(lists), question.most, replace=False)
        lists = lists[np.sort(at)]
    numbered = lists.select("list").with_row_index("number")
    own = places.join(numbered, on="list", how="inner").sort("number", "place")
    own = own.drop("list").rename({"number": "list"}).with_columns(pl.col("list").cast(pl.Int64))
    return LoggedLists(lists, own), left_out


def _usable(lists: pl.DataFrame, loaded: LoadedVersion | None) -> tuple[pl.DataFrame, dict[str, int]]:
    newest = None if loaded is None else loaded.trained if loaded.newest_event is None else loaded.newest_event
    reasons = {
        "nobody": pl.col("person").is_null() | pl.col("user").is_null(),
        "uncounted": pl.col("uncounted"),
        "older": pl.lit(False) if newest is None else pl.col("time") <= newest,
    }
    left_out = {}
    for name, reason in reasons.items():
        left_out[name] = len(lists.filter(reason))
        lists = lists.filter(~reason)
    if not lists["certain"].all():  # else the estimates say that nothing can be learned
        left_out["certain"] = int(lists["certain"].sum())
        lists = lists.filter(~pl.col("certain"))
    return lists, left_out


def _nothing(left_out: Mapping[str, int]) -> str:
    said = "; ".join(_told(left_out))
    return f"there is no list to learn from{f': {said}' if said else ', of those asked for'}"


def _told(left_out: Mapping[str, int]) -> list[str]:
    return [f"{n:,} {'list' if n == 1 else 'lists'} {WORDS[name]}" for name, n in left_out.items() if n]


def _notes(scenario: Scenario, left_out: Mapping[str, int]) -> list[str]:
    said = ["People are as they were known when each list was shown; items, event kinds and attributes are today's."]
    if scenario.preset is not None and scenario.preset.rotation is not None:
        said.append("Rotation is left out: what this preset would have shown before is not known.")
    told = _told(left_out)
    return [*said, f"Left out: {'; '.join(told)}."] if told else said


def run_job(run: Run) -> None:
    """Do a job of this kind."""
    question = Question.of(run.details)
    run.note(**answered(run.store, run.ns, question, run.step).as_dict())


if __name__ == "__main__":
    from palate.store.working import work

    sys.exit(work(run_job))
