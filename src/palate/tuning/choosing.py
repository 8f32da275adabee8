"""`auto`: the few models that suit the rows, compared on one validation part within a budget; the best is fitted.

First every model is tried as it comes: defaults follow from the data and are strong. What is left of the budget goes to
a search of the best one, and of the next where it is close. What to do next follows from the finished trials alone, so
that a choice that was stopped goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from palate.data.dataset import Dataset, interactions_of
from palate.data.fingerprint import fingerprint
from palate.data.interactions import Interactions
from palate.data.splits.split import Split
from palate.errors import DataError, ParameterError
from palate.evaluation import versions
from palate.evaluation.measuring import checked
from palate.models.contract.attributes import features_for, within
from palate.models.contract.parameters import check_number, check_random_state, check_whole
from palate.notebook import watched
from palate.progress import ProgressCallback, automatic
from palate.tuning.budget import Budget
from palate.tuning.candidates import candidates_for, measured_people
from palate.tuning.chosen import Chosen
from palate.tuning.contest import Contest, new_model
from palate.tuning.facts import RowFacts, facts_of
from palate.tuning.outcome import alone, outcome
from palate.tuning.parts import NO_TEST, Parts, make_parts
from palate.tuning.studies import kept_studies, optuna_library
from palate.tuning.study import alone_in

SECONDS = 300.0


def auto(
    data: Dataset | Interactions,
    *,
    metric: str | None = None,
    seconds: float | None = None,
    n_trials: int | None = None,
    split: str | Split = NO_TEST,
    validation: str | None = None,
    positive: Any = None,
    attributes: bool | None = None,
    out: str | Path | None = None,
    random_state: int = 42,
    named: Sequence[str] = ("DATA",),
    clock: Callable[[], float] = time.monotonic,
    progress: ProgressCallback | None = automatic,
) -> Chosen:
    """Choose a model for the data, and fit it on all rows.

    Rows are looked at first: ratings, clicks or counts, how many and how dense. The models that the tables of
    docs/choosing.md recommend for such rows are tried as they come, all on the same validation part; a search improves
    the best one or two as long as the budget lasts. The best one is fitted on all training rows. Where no two models
    can be told apart (one person, one item, equal values, too few rows), the simplest one is fitted, and a sentence
    says so.

    Args:
        data: a data set, or interactions alone.
        metric: that decides, such as "rmse" or "recall@20"; None is rmse of ratings, ndcg@20 of clicks and counts.
        seconds: the budget, the last fit included; None is 300, or no limit where ``n_trials`` is given. No fit is
            begun that would not end in time.
        n_trials: trials of all models in all; without ``seconds`` the clock decides nothing, so that the same
            data and seed give the same model.
        split: one test part to put aside first, as in `tune`; "none" uses all rows and tests on nothing.
        validation: how the training rows are split; None as in `tune`.
        positive: how values become clicks, for lists: a number (values of at least it are clicks), "any" or "values".
        attributes: whether those of the data's users and items enter models that take them, as in ``fit``.
        out: folder for the studies (SQLite), the model, its config and the comparison; the same call goes on there.
        random_state: seed of the search, of the validation part and of the models.
        named: the words of a command line for the data, for the command that trains the model again.
        clock: gives seconds.
        progress: called at each step of a trial with the model as its task; None shows nothing.

    Raises:
        ParameterError: a metric, split or number is not to be had, or positive is beside a metric of ratings.
        DataError: lists of ratings are asked for without ``positive``, the data cannot be split as was asked, every
            trial failed, or ``out`` holds a search for something else or is being written by another process.
        MissingExtraError: Optuna is not installed.
        KeyboardInterrupt: Ctrl-C; with ``out``, finished trials are kept.
    """
    optuna_library()
    rows = interactions_of(data)
    _check(metric, seconds, n_trials, random_state, rows)
    limit = SECONDS if seconds is None and n_trials is None else seconds
    budget = Budget(limit, clock)
    parts, reason = _parts(rows, split, validation, random_state)
    facts = facts_of(rows if parts is None else parts.train, metric, positive)
    reason = facts.too_few or reason
    record = {
        "data": data.name if isinstance(data, Dataset) else "the given interactions",
        "fingerprint": fingerprint(rows),
        "split": split if parts is None else parts.split,
        "validation": validation if parts is None else parts.validation,
        "positive": facts.positive,
        "random_state": random_state,
        **({} if attributes is None else {"attributes": attributes}),
    }
    words = (*named, *_how(split, attributes))
    folder = None if out is None else Path(out)
    with ExitStack() as stack:
        callback = stack.enter_context(watched(progress))
        stack.enter_context(alone_in(folder))
        if parts is None or reason is not None:
            chosen = _floor(data, parts, facts, reason or "", words, record, random_state, callback)
        else:
            studies = stack.enter_context(kept_studies(folder))
            parts = _fewer_people(parts, facts, random_state)
            contest = Contest(
                data, parts, facts, studies, {**record, "metric": facts.metric}, budget, n_trials, callback
            )
            contest.run()
            chosen = outcome(contest, words, {**record, "versions": _versions()})
        if folder is not None:
            chosen.save(folder)
    return chosen


def _versions() -> dict[str, str]:
    return {**versions(), "optuna": optuna_library().__version__}


def _check(
    metric: str | None, seconds: float | None, n_trials: int | None, random_state: int, rows: Interactions
) -> None:
    if metric is not None:
        (goal,) = checked([metric], rows.n_items)
        if goal.metric.higher_is_better is None:
            raise ParameterError.of(metric, "has no better end to search for; choose another metric")
    if seconds is not None:
        check_number("seconds", seconds, low=0, open_low=True)
    if n_trials is not None:
        check_whole("n_trials", n_trials, low=1)
    check_random_state(random_state)


def _parts(
    rows: Interactions, split: str | Split, validation: str | None, random_state: int
) -> tuple[Parts | None, str | None]:
    """Return the parts, or none and why: too few rows for a validation part that nobody asked for in particular."""
    try:
        return make_parts(rows, split, validation, random_state), None
    except DataError as error:
        if split != NO_TEST or validation is not None:
            raise
        return None, f"there are too few rows to compare models on ({error})"


def _fewer_people(parts: Parts, facts: RowFacts, random_state: int) -> Parts:
    """Return the parts with the held-out rows of so many people that lists are measured in seconds."""
    if not facts.of_lists:
        return parts
    people = np.unique(parts.validate.user_index)
    most = measured_people(facts)
    if len(people) <= most:
        return parts
    some = np.random.default_rng([random_state, 3]).permutation(people)[:most]
    kept = np.flatnonzero(np.isin(parts.validate.user_index, some))
    return replace(parts, validate=parts.validate.take(kept))


def _how(split: str | Split, attributes: bool | None) -> list[str]:
    """Return the words of a command line for what is learned from."""
    words = ["--split", split] if isinstance(split, str) and split != NO_TEST else []
    return words + ([] if attributes is None else ["--attributes" if attributes else "--no-attributes"])


def _floor(
    data: Dataset | Interactions,
    parts: Parts | None,
    facts: RowFacts,
    reason: str,
    words: tuple[str, ...],
    record: Mapping[str, Any],
    random_state: int,
    progress: ProgressCallback,
) -> Chosen:
    """Return the simplest model, fitted on all training rows, where there is nothing to compare."""
    (first, *_) = candidates_for(facts)
    model = new_model(first.key, facts, random_state)
    known = within(features_for(model, data), interactions_of(data))
    rows = interactions_of(data) if parts is None else parts.train
    part = replace(data, interactions=rows) if isinstance(data, Dataset) else rows
    model.fit(part, attributes=False, **known, progress=progress)
    return alone(model, facts, reason, words, {**record, "versions": _versions()})
