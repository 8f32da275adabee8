"""`tune`: a search by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011; Akiba et al. 2019).

The first trial has the parameters that the model was given, so that the result is never worse than these on the
validation data; what they leave to the model counts as the setting that it derived from the data. A trial whose model
tells its validation figure after each epoch is ended early where that figure is worse than the median of the trials
before it at the same epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palate.data.dataset import Dataset, interactions_of
from palate.data.fingerprint import fingerprint
from palate.data.interactions import Interactions
from palate.data.splits.split import Split
from palate.errors import DataError, PalateError, ParameterError
from palate.evaluation import measure, versions
from palate.evaluation.measuring import check_offered, checked
from palate.evaluation.metric_inputs import Relevance
from palate.locks import only_writer
from palate.models import MODELS
from palate.models.contract.attributes import features_for, within
from palate.models.contract.base import Recommender
from palate.models.contract.parameters import searched_as
from palate.models.search import Choice, Range
from palate.notebook import watched
from palate.parallel import check_threads
from palate.progress import DONE, Progress, ProgressCallback, automatic
from palate.tuning.intervals import interval_of
from palate.tuning.parts import Parts, make_parts
from palate.tuning.studies import (
    add_start,
    best_figure,
    finished_trials,
    importances,
    is_start,
    kept_study,
    optuna_library,
    resolved,
    suggested,
    trial_table,
    trials_since_best,
    used_at_start,
)
from palate.tuning.tuned import Tuned

if TYPE_CHECKING:
    import optuna


def tune(
    model: Recommender | str,
    data: Dataset | Interactions,
    *,
    metric: str = "rmse",
    n_trials: int = 50,
    seconds: float | None = None,
    split: str | Split = "random:0.2:42",
    validation: str | None = None,
    space: Mapping[str, Range | Choice] | None = None,
    positive: Relevance = None,
    attributes: bool | None = None,
    out: str | Path | None = None,
    n_workers: int = 1,
    patience: int | None = None,
    random_state: int = 42,
    progress: ProgressCallback | None = automatic,
) -> Tuned:
    """Search for the parameters of a model that are best on validation data, and fit it with them.

    The test part of ``split`` is put aside before anything else. Trials are fitted on one part of the training part and
    measured on the rest. The best parameters are then fitted on the whole training part, where the model chooses its
    number of epochs by itself, and measured once on the test part.

    Args:
        model: a model, whose parameters the search begins with, or its key.
        data: a data set, or interactions alone.
        metric: a name such as "rmse" or "ndcg@10".
        n_trials: trials in all; in a folder with earlier ones, only the missing ones are run.
        seconds: start no trial after so many.
        split: one test part, such as time:0.2, or a `Split` (see `palate.fixed_split`); "none" uses all rows and tests
            on nothing.
        validation: how the training part is split again; None asks of it what ``split`` asks of the data.
        space: {parameter: Range or Choice}; None takes the model's own. What is not in it stays as the model has it.
        positive: as in `evaluate`.
        attributes: whether those of the data's users and items enter the model, as in ``fit``.
        out: folder for the study (SQLite), the model, its config and the trials; the same call goes on where it was.
        n_workers: trials side by side, on threads; with more than one their order, and so the search, may differ.
        patience: stop after so many trials without a better one.
        random_state: seed of the search, of the inner split, and of models without a seed of their own.
        progress: called with task "trial 7" by each trial, and with task "" as trials are finished; None
            shows nothing. Without it a notebook shows bars.

    Raises:
        ParameterError: a model, metric, split, space or number is not to be had.
        DataError: the data cannot be split like this, every trial failed, or ``out`` holds a search for something else
            or is being written by another process.
        MissingExtraError: Optuna is not installed.
        KeyboardInterrupt: Ctrl-C; with ``out``, finished trials are kept.
    """
    optuna_library()
    if isinstance(model, str) and model not in MODELS:
        raise ParameterError.unknown("no model", model, MODELS)
    base = MODELS[model]() if isinstance(model, str) else model
    if not isinstance(base, Recommender):
        raise ParameterError.outside("model", f"a model or one of {', '.join(MODELS)}", model)
    dataset = data if isinstance(data, Dataset) else None
    interactions = interactions_of(data)
    _check_numbers(
        n_trials=n_trials, n_workers=n_workers, patience=patience, seconds=seconds, random_state=random_state
    )
    base = _seeded(base, random_state)
    wanted = space_of(base, space)
    (goal,) = checked([metric], interactions.n_items)
    items = dataset.items if dataset is not None else None
    if items is not None:
        check_offered([goal], [base], items)
    if goal.metric.higher_is_better is None:
        raise ParameterError.of(metric, "has no better end to search for; choose another metric")
    parts = make_parts(interactions, split, validation, random_state)
    record = {
        "data": dataset.name if dataset is not None else "the given interactions",
        "fingerprint": fingerprint(interactions),
        "split": parts.split,
        "validation": parts.validation,
        "positive": positive,
        "random_state": random_state,
        **({} if attributes is None else {"attributes": attributes}),
    }
    question = {
        **record,
        "metric": goal.name,
        "model": described(base),
        "space": {k: repr(v) for k, v in wanted.items()},
    }
    known = within(features_for(base, data, attributes=attributes), interactions)
    folder = None if out is None else Path(out)
    kept = kept_study(folder, question, maximise=bool(goal.metric.higher_is_better))
    with alone_in(folder), kept as study, watched(progress) as callback:
        search = ParameterSearch(base, parts, dataset, known, goal.name, positive, wanted, n_workers, callback)
        search.run(study, n_trials, seconds, patience)
        tuned = search.result(study, {**record, "versions": {**versions(), "optuna": optuna_library().__version__}})
        if folder is not None:
            tuned.save(folder)
    return tuned


@contextmanager
def alone_in(folder: Path | None) -> Iterator[None]:
    """Hold the lock of a search's folder, made where it is not there.

    Raises:
        DataError: another process is writing there, or the folder cannot be made.
    """
    if folder is None:
        yield
        return
    lock = only_writer(folder, "a search")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.__enter__()
    except OSError as error:
        raise DataError.of_disk("cannot keep the study in", folder, error) from None
    with ExitStack() as at_end:
        at_end.push(lock)
        yield


class ParameterSearch:
    """Trials of one model on one nested split.

    Attributes:
        clock: gives seconds; each trial keeps how long it took, and its fit alone.
        intervals: keep a 95 % interval of each trial's figure, over users.
        settled: parameters of the fit at the end, in place of those that trials had.
    """

    def __init__(
        self,
        base: Recommender,
        parts: Parts,
        dataset: Dataset | None,
        known: Mapping[str, Any],
        metric: str,
        positive: Relevance,
        space: Mapping[str, Range | Choice],
        n_workers: int,
        progress: ProgressCallback,
    ) -> None:
        self.base, self.parts, self.dataset, self.known, self.metric = base, parts, dataset, known, metric
        self.positive, self.space, self.n_workers, self.progress = positive, space, n_workers, progress
        self.clock: Callable[[], float] = time.monotonic
        self.intervals = False
        self.settled: Mapping[str, Any] = {}

    @property
    def _start(self) -> dict[str, Any]:
        settings = self.base.settings()
        return {name: settings[name] for name in self.space}

    @property
    def _derived(self) -> set[str]:
        """What is searched and left to the model at the start, which derives it from the data."""
        return {name for name, space in self.space.items() if self._start[name] is None and None not in space}

    def run(self, study: optuna.Study, n_trials: int, seconds: float | None, patience: int | None) -> None:
        """Run what is missing; a trial that diverges is kept as failed, and the search goes on."""
        library = optuna_library()
        begun = self.clock()
        state = library.trial.TrialState
        for trial in study.get_trials(deepcopy=False, states=(state.RUNNING,)):
            study.tell(trial.number, state=state.FAIL)  # its process was killed
        done = finished_trials(study)
        waiting = study.get_trials(
            deepcopy=False, states=(state.WAITING,)
        )  # enqueued by a process killed before it ran
        tried = waiting or any(trial.params == self._start or is_start(trial) for trial in done)
        if not tried and self._derived and all(_has_what_is_derived(self.space[name]) for name in self._derived):
            tried = True
            self._start_trial(study)
        self.space = resolved(self.space, {**self._start, **used_at_start(study)})
        if not tried and all(self._start[name] in space for name, space in self.space.items()):
            study.enqueue_trial(self._start)  # also after one that was killed: its parameters exist, and no value
            waiting = study.get_trials(deepcopy=False, states=(state.WAITING,))
        study.sampler = library.samplers.TPESampler(seed=_seed(self.base, len(done)), multivariate=True)

        def after(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            self.progress(Progress(DONE, 1, 1, task=f"trial {trial.number + 1}"))
            finished = finished_trials(study)
            self.progress(Progress("trials finished", len(finished), n_trials, best_figure(study)))
            if patience is not None and trials_since_best(study, finished) >= patience:
                study.stop()

        def go_on(n_jobs: int, most: int) -> None:
            missing = min(most, n_trials - len(finished := finished_trials(study)))
            left = None if seconds is None else seconds - (self.clock() - begun)
            patient = patience is None or trials_since_best(study, finished) < patience
            if missing > 0 and patient and (left is None or left > 0):
                study.optimize(self._trial, missing, left, n_jobs=n_jobs, catch=(PalateError,), callbacks=[after])

        if waiting:
            go_on(1, 1)  # alone: two threads may take the same waiting trial
        go_on(self.n_workers, n_trials)

    def _start_trial(self, study: optuna.Study) -> None:
        """Measure the model as it was given, and tell the study with which settings it learned."""
        begun, model, figures = datetime.now(UTC).replace(tzinfo=None), self._model({}), {}

        def watch(step: Progress) -> None:
            self.progress(replace(step, task="trial 1"))
            if (figure := step.record.get(f"validation_{self.metric}")) is not None:
                figures[step.step] = figure

        error = value = None
        notes: dict[str, Any] = {}
        try:
            value, notes = self._measured(model, watch)
        except PalateError as failure:
            error = str(failure)
        used = self._used(model) if error is None else {}
        add_start(study, used, resolved(self.space, used), value, error, figures, begun, notes)
        self.progress(Progress(DONE, 1, 1, task="trial 1"))

    def _used(self, model: Recommender) -> dict[str, Any]:
        """Return what is searched as a fitted model used it."""
        return {name: model.used(name) if name in self._derived else v for name, v in self._start.items()}

    def _trial(self, trial: optuna.Trial) -> float:
        """Return the metric of one setting on the validation part."""
        model = self._model({name: suggested(trial, name, space) for name, space in self.space.items()})
        try:
            value, notes = self._measured(model, partial(self._watch, trial))
        except PalateError as error:
            trial.set_user_attr("error", str(error))
            raise
        for name, note in notes.items():
            trial.set_user_attr(name, note)
        return value

    def _measured(self, model: Recommender, watch: ProgressCallback) -> tuple[float, dict[str, Any]]:
        """Return the metric of a model on the validation part, and what is kept beside it.

        Raises:
            PalateError: it cannot be fitted or measured.
        """
        begun = self.clock()
        self._fit(model, self.parts.learn, validation=self.parts.validate, progress=watch)
        fitted = self.clock()
        if model.interrupted_:
            raise KeyboardInterrupt
        measured = measure(model, self.parts.learn, self.parts.validate, [self.metric], positive=self.positive)
        value = measured.values[self.metric]
        if value != value:
            nothing = f"{self.metric} has nothing to measure on the validation part"
            raise DataError(nothing, code="failed_runs", subject="model")
        notes: dict[str, Any] = {"fit_seconds": fitted - begun, "seconds": self.clock() - begun}
        if self.intervals and self.metric in measured.units:
            notes["interval"] = interval_of(measured.units[self.metric])
        return value, notes

    def _fit(self, model: Recommender, rows: Interactions, **options: Any) -> None:
        """Fit a model on these rows, with the item table of the whole and the features that were made once."""
        part = rows if self.dataset is None else replace(self.dataset, interactions=rows)
        model.fit(part, attributes=False, **self.known, **options)

    def _model(self, values: Mapping[str, Any]) -> Recommender:
        model = type(self.base)(**self.base.get_params()).set_params(**values)
        if self.n_workers > 1 and model.get_params().get("n_threads", 0) is None:
            model.set_params(n_threads=max(1, check_threads(None) // self.n_workers))
        return model

    def _watch(self, trial: optuna.Trial, step: Progress) -> None:
        """Tell of a step, and end a trial that falls behind; only where the model tells this very metric."""
        self.progress(Progress(step.stage, step.step, step.total, step.record, f"trial {trial.number + 1}"))
        figure = step.record.get(f"validation_{self.metric}")
        if figure is not None:
            trial.report(figure, step.step)
            if trial.should_prune():
                raise optuna_library().TrialPruned

    def result(self, study: optuna.Study, record: Mapping[str, Any]) -> Tuned:
        """Return the best parameters fitted on the whole training part."""
        trials = trial_table(study)
        if not (trials["state"] == "complete").any():
            reasons = trials["error"].drop_nulls().unique(maintain_order=True).to_list()
            raise DataError(
                f"no trial came to an end: {'; '.join(reasons) or 'there was no time for one'}",
                code="failed_runs",
                subject="trials",
            )
        as_given = is_start(study.best_trial)
        best = {} if as_given else dict(study.best_params)
        model = self._model(best)
        model.set_params(
            **({"n_threads": self.base.get_params()["n_threads"]} if "n_threads" in model.get_params() else {})
        )
        model.set_params(**self.settled)
        parts = self.parts
        self._fit(model, parts.train, progress=self.progress)
        if model.interrupted_:
            raise KeyboardInterrupt
        test = None
        if parts.test is not None:
            test = measure(model, parts.train, parts.test, [self.metric], positive=self.positive).values[self.metric]
        start = self._start
        complete = [t for t in study.get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
        started = next((t.value for t in complete if t.params == start or is_start(t)), None)
        best = self._used(model) if as_given else best
        return Tuned(
            model, best, self.metric, float(study.best_value), started, test, importances(study), trials, record
        )


def _has_what_is_derived(space: Range | Choice) -> bool:
    """Return whether the sampler can be told of any setting that a model derives: of choices, of truth values alone."""
    return isinstance(space, Range) or {False, True} <= set(space.values)


def space_of(base: Recommender, space: Mapping[str, Range | Choice] | None) -> dict[str, Range | Choice]:
    """Return what a search of a model tries: its own space, or a given one.

    Raises:
        ParameterError: a name is none of its parameters, what is tried no range or choice, or nothing is left.
    """
    wanted, settable = dict(base.searched() if space is None else space), base.settable()
    unknown = sorted(set(wanted) - set(settable))
    if unknown:
        raise ParameterError.unknown(f"{base.key} has no parameter", unknown[0], settable, having="it has")
    if not wanted:
        raise ParameterError(
            f"there is nothing to search for in {base.key}: every parameter is fixed", subject=base.key
        )
    for name, tried in wanted.items():
        if not isinstance(tried, Range | Choice):
            raise ParameterError.of(f"the space of {name}", f"must be a Range or a Choice, got {tried!r}", value=tried)
    kinds = {name: parameter.type for name, parameter in settable.items()}
    return {name: searched_as(kinds.get(name), tried) for name, tried in wanted.items()}


def _check_numbers(**numbers: Any) -> None:
    for name, value in numbers.items():
        low = 0 if name == "random_state" else 1
        if value is None and name in ("patience", "seconds"):
            continue
        kinds: Any = int | float if name == "seconds" else int
        if not isinstance(value, kinds) or isinstance(value, bool) or value < (1e-9 if name == "seconds" else low):
            what = "a number above 0" if name == "seconds" else f"a whole number of at least {low}"
            raise ParameterError.outside(name, f"{what}", value)


def _seeded(base: Recommender, random_state: int) -> Recommender:
    """Return a copy of the model, with a seed: trials must differ by their parameters alone."""
    parameters = base.get_params()
    if "random_state" in parameters and not isinstance(parameters["random_state"], int):
        parameters["random_state"] = random_state
    copy = type(base)(**parameters)
    copy.check_parameters()
    return copy


def described(base: Recommender) -> dict[str, Any]:
    """Return a model in JSON values, as far as it bears on what a search finds."""
    return {"key": base.key, **{name: v for name, v in base.get_params().items() if name != "n_threads"}}


def _seed(base: Recommender, n_done: int) -> int:
    """Return a seed for the sampler: a resumed search must not draw again what it began with."""
    return int(base.get_params().get("random_state") or 0) + n_done
