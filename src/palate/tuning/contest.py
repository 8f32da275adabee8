"""Trials of several models on one validation part: which comes next, and what the budget still allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from palate.data.dataset import Dataset, interactions_of
from palate.data.interactions import Interactions
from palate.errors import ParameterError
from palate.evaluation.measuring import check_offered, checked
from palate.metrics import named
from palate.models import MODELS
from palate.models.contract.attributes import features_for, within
from palate.models.contract.base import Recommender
from palate.progress import DONE, Progress, ProgressCallback
from palate.tuning.budget import LONGEST, Budget, OutOfTime
from palate.tuning.candidates import Candidate, blended, candidates_for, measuring_seconds
from palate.tuning.facts import RowFacts
from palate.tuning.parts import Parts
from palate.tuning.studies import Studies, finished_trials, trials_since_best
from palate.tuning.study import ParameterSearch, described, space_of

if TYPE_CHECKING:
    import optuna

CLOSE = 0.03  # of the best figure: a model that is no further behind is searched, too
PATIENCE = 25  # trials of a model without a better one, after which it is searched no more
COMFORT = 2.0  # times the seconds that are expected: less time is spent on a shorter fit where there is one
SPARE = 1.3  # a trial is expected to take no more than so many times the longest of its model


@dataclass(eq=False)
class Entrant:
    """A model in the contest.

    Attributes:
        candidate: why it is here, and what it costs.
        study, search: its trials; None where it was never begun.
        state: "tried", "failed", "refused" (it does not offer the metric), "no time" or "left out".
        why: in words.
    """

    candidate: Candidate
    study: optuna.Study | None = None
    search: ParameterSearch | None = None
    state: str = "left out"
    why: str = ""

    @property
    def finished(self) -> list[optuna.trial.FrozenTrial]:
        """Its finished trials."""
        return [] if self.study is None else finished_trials(self.study)

    @property
    def best(self) -> optuna.trial.FrozenTrial | None:
        """Its best trial, or None."""
        complete = any(trial.state.name == "COMPLETE" for trial in self.finished)
        return self.study.best_trial if self.study is not None and complete else None

    @property
    def longest(self) -> float:
        """Seconds of its longest trial."""
        return max((trial.user_attrs.get("seconds", 0.0) for trial in self.finished), default=0.0)


class Contest:
    """Models on one validation part.

    Args:
        data, parts, facts: what is learned from and measured on, and what it is.
        studies: where trials are kept.
        question: what was asked, in JSON values.
        budget: the time that there is.
        n_trials: of all models in all, or None.
        progress: called at each step.
    """

    def __init__(
        self,
        data: Dataset | Interactions,
        parts: Parts,
        facts: RowFacts,
        studies: Studies,
        question: Mapping[str, Any],
        budget: Budget,
        n_trials: int | None,
        progress: ProgressCallback,
    ) -> None:
        self.data, self.parts, self.facts, self.studies, self.question = data, parts, facts, studies, question
        self.budget, self.n_trials, self.progress = budget, n_trials, progress
        self.whole = len(parts.train) / len(parts.learn)  # a fit on all rows takes so many times one of a trial
        self.maximise = bool(named(facts.metric).metric.higher_is_better)
        self.entrants = [Entrant(candidate, why=candidate.why) for candidate in candidates_for(facts)]
        studies.study({**question, "model": "auto"}, maximise=self.maximise)

    # -- what comes next --------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Try every model as it comes, then search the best ones, as long as budget and trials last.

        Raises:
            ParameterError: no model offers what the metric needs.
            KeyboardInterrupt: Ctrl-C.
        """
        wanted = [entrant for entrant in self.entrants if entrant.candidate.tried]
        for number, entrant in enumerate(wanted, 1):
            self._enter(entrant, floor=number == 1)
            best = self.best
            figures = {} if best is None or best.best is None else {"best": float(best.best.value or 0.0)}
            self.progress(Progress("models tried", number, len(wanted), figures))
        if all(entrant.state == "refused" for entrant in wanted):
            reason = f"is offered by no model that suits these rows: {wanted[0].why}"
            raise ParameterError.of(self.facts.metric, reason, code="not_offered")
        self._blend()
        while (better := self._next()) is not None:
            try:
                self._trial(better, self._time_of_search(better))
            except OutOfTime:
                return

    def _blend(self) -> None:
        """Let the blend of the best models of two kinds take part, where lists are compared."""
        tried = sorted((e for e in self.entrants if e.best is not None), key=self.loss) if self.facts.of_lists else []
        timed = self.budget.seconds is not None  # else the clock decides nothing
        blend = blended({e.candidate.key: self.last_fit(e) if timed else e.candidate.seconds for e in tried})
        if blend is not None:
            self.entrants.append(Entrant(blend, why=blend.why))
            self._enter(self.entrants[-1], floor=False)

    @property
    def best(self) -> Entrant | None:
        """The model with the best figure; of equal ones the one that was tried first."""
        there = [entrant for entrant in self.entrants if entrant.best is not None]
        return min(there, key=self.loss, default=None)

    @property
    def trials_left(self) -> bool:
        """Whether there may be another trial."""
        return self.n_trials is None or sum(len(e.finished) for e in self.entrants) < self.n_trials

    def loss(self, entrant: Entrant) -> float:
        """Return the figure of a model, less is better."""
        value = 0.0 if entrant.best is None else float(entrant.best.value or 0.0)
        return -value if self.maximise else value

    def _next(self) -> Entrant | None:
        """Return the model that is searched next: the best one, or one close to it that had fewer trials; or None."""
        first = self.best
        if not self.trials_left or first is None:
            return None
        bound = self.loss(first) + CLOSE * abs(self.loss(first))
        close = [e for e in self.entrants if e.best is not None and self.loss(e) <= bound]
        close = sorted(close, key=self.loss)[:2]
        able = [e for e in close if self._patient(e) and self._time_of_search(e) >= SPARE * e.longest]
        return min(able, key=lambda entrant: len(entrant.finished), default=None)

    def _patient(self, entrant: Entrant) -> bool:
        return entrant.study is not None and trials_since_best(entrant.study, entrant.finished) < PATIENCE

    # -- time -------------------------------------------------------------------------------------------------------

    def last_fit(self, entrant: Entrant) -> float:
        """Return about how long the fit on all rows takes, of a model that was tried."""
        if entrant.best is None:
            return 0.0
        if entrant.search is not None and entrant.search.settled:
            return self.budget.expected(entrant.candidate.seconds)
        return self.whole * float(entrant.best.user_attrs.get("fit_seconds", 0.0))

    def _reserved(self) -> float:
        best = self.best
        return 0.0 if best is None else self.last_fit(best)

    def _time_of_search(self, entrant: Entrant) -> float:
        """Return the seconds that a trial may take, so that a longer fit on all rows can follow."""
        longest = SPARE * max(self.last_fit(entrant), self._reserved())
        return self.budget.left - longest

    # -- one model --------------------------------------------------------------------------------------------------

    def _enter(self, entrant: Entrant, *, floor: bool) -> None:
        """Try a model as it comes, where there is time for it, unless it was tried before."""
        candidate = entrant.candidate
        way = self._way(candidate, floor=floor)
        if way is None:
            entrant.state, entrant.why = "no time", self._no_time(candidate)
            return
        settings, share = way
        model = new_model(candidate.key, self.facts, self.question["random_state"]).set_params(**candidate.given)
        try:
            self._begin(entrant, model, settings)
        except ParameterError as error:
            if error.code != "not_offered":
                raise
            entrant.state, entrant.why = "refused", str(error)
            return
        if settings:
            entrant.why += ": tried with a shorter chain, a whole one follows where it is the best"
        expected = share * candidate.seconds / self.whole
        within = self._time_of_first(candidate, share)
        begun = self.budget.clock()
        try:
            if not entrant.finished and self.trials_left:
                self._trial(entrant, within)
                self.budget.saw(expected + measuring_seconds(self.facts), self.budget.clock() - begun)
        except OutOfTime:
            if entrant.best is not None:  # it was done, and only late
                self._tell(entrant)
                return
            entrant.state, entrant.why = "no time", f"ended after {within:.0f} s, to leave time for the fit on all rows"
            return
        self._tell(entrant)

    def _tell(self, entrant: Entrant) -> None:
        if entrant.best is not None:
            entrant.state = "tried"
        elif entrant.finished:
            errors = [trial.user_attrs.get("error") for trial in entrant.finished]
            entrant.state, entrant.why = "failed", str(next((e for e in errors if e), "no trial came to an end"))
        else:
            entrant.state, entrant.why = "left out", f"all {self.n_trials} trials were of the models before it"

    def _way(self, candidate: Candidate, *, floor: bool) -> tuple[Mapping[str, Any], float] | None:
        """Return with which parameters a model is tried, and the share of a fit's time that takes, or None."""
        ways: list[tuple[Mapping[str, Any], float]] = [({}, 1.0)]
        if candidate.short:
            ways.append((candidate.short, candidate.short_share))
        if floor:
            return ways[0]
        for settings, share in ways:
            if self.budget.seconds is None:
                if candidate.seconds <= LONGEST:
                    return settings, share
            elif self._needs(candidate, share) * (COMFORT if candidate.short and share == 1 else 1) <= self.budget.left:
                return settings, share
        return None

    def _needs(self, candidate: Candidate, share: float) -> float:
        """Return the seconds of a trial, and of the fit on all rows that may follow."""
        trial = self.budget.expected(share * candidate.seconds / self.whole + measuring_seconds(self.facts))
        return trial + max(self.budget.expected(candidate.seconds), self._reserved())

    def _time_of_first(self, candidate: Candidate, share: float) -> float:
        """Return the seconds that a first trial may take, so that the fit on all rows can follow."""
        left = self.budget.left
        if share < 1:
            return left - max(self.budget.expected(candidate.seconds), self._reserved())
        return min(left - self._reserved(), left / (1 + self.whole))

    def _no_time(self, candidate: Candidate) -> str:
        if self.budget.seconds is None:
            return f"a fit takes about {candidate.seconds / 60:.0f} minutes: give seconds for it, or name the model"
        least = candidate.short_share if candidate.short else 1.0
        needed, left = self._needs(candidate, least), max(0.0, self.budget.left)
        return f"needs about {needed:.0f} s with the fit on all rows, and {left:.0f} s were left"

    def _begin(self, entrant: Entrant, model: Recommender, settings: Mapping[str, Any]) -> None:
        """Make study and search of a model, or find what is kept of them.

        Raises:
            ParameterError: the model or the data lack what the metric needs.
            DataError: the folder holds a search for something else.
        """
        rows = interactions_of(self.data)
        dataset = self.data if isinstance(self.data, Dataset) else None
        (goal,) = checked([self.facts.metric], rows.n_items)
        if dataset is not None:
            check_offered([goal], [model], dataset.items)
        settled = {name: model.get_params()[name] for name in settings}
        model.set_params(**settings)
        attributes = self.question.get("attributes") if "features" in model.supports else None
        known = within(features_for(model, self.data, attributes=attributes), rows)
        space = space_of(model, None)
        asked = {**self.question, "model": described(model), "space": {k: repr(v) for k, v in space.items()}}
        given = "".join(f" {value}" for value in entrant.candidate.given.values())
        name = f"{model.key}{given}{' short' if settings else ''}"
        entrant.study = self.studies.study(asked, maximise=self.maximise, name=name)
        positive = None if self.facts.positive == "values" else self.facts.positive
        entrant.search = ParameterSearch(
            model, self.parts, dataset, known, self.facts.metric, positive, space, 1, self.progress
        )
        entrant.search.clock, entrant.search.intervals, entrant.search.settled = self.budget.clock, True, settled

    def _trial(self, entrant: Entrant, within: float) -> None:
        """Run one more trial, ended after so many seconds.

        Raises:
            OutOfTime: it was.
        """
        search, study = entrant.search, entrant.study
        if search is None or study is None:
            return
        plain = _of_model(entrant.candidate.key, self.progress)
        search.progress = self.budget.stopping(plain, within)
        try:
            search.run(study, len(entrant.finished) + 1, None, None)
        finally:
            search.progress = plain  # the fit on all rows runs to its end


def new_model(key: str, facts: RowFacts, random_state: int) -> Recommender:
    """Return a model with its defaults, the rule of clicks and the seed."""
    model: Recommender = MODELS[key]()
    given = {"positive": facts.positive, "random_state": random_state}
    names = model.parameter_names()
    return model.set_params(**{name: value for name, value in given.items() if name in names})


def _of_model(key: str, progress: ProgressCallback) -> Callable[[Progress], None]:
    """Return a callback that says of which model a step is; how many trials there were is said elsewhere."""

    def show(step: Progress) -> None:
        if step.task or step.stage == DONE:
            progress(replace(step, task=f"{key}, {step.task}"))
        elif step.stage != "trials finished":
            progress(replace(step, task=key))

    return show
