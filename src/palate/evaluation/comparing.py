"""`compare`: several models on the same folds, measured alike; `cross_validate`: one model on many folds."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.data.dataset import Dataset, interactions_of
from palate.data.features import Features
from palate.data.ids import Id
from palate.data.interactions import Interactions
from palate.data.items import Condition
from palate.data.splits.split import Split
from palate.errors import DataError, ParameterError
from palate.evaluation.comparison import FORMAT_VERSION, Comparison
from palate.evaluation.gathering import gathered, groupings_of, with_groups
from palate.evaluation.jobs import Job, part_words
from palate.evaluation.measuring import beside, check_offered, checked
from palate.evaluation.metric_inputs import Relevance, relevant_rows
from palate.evaluation.plan import data_of, machine, part_of, prepared, split_of
from palate.evaluation.result import default_metrics, versions
from palate.evaluation.running import run_all
from palate.evaluation.single import all_splits
from palate.locks import only_writer
from palate.models import MODELS
from palate.models.contract.abilities import check_supports
from palate.models.contract.answers import allowed_items
from palate.models.contract.attributes import features_for
from palate.models.contract.base import Recommender
from palate.notebook import watched
from palate.parallel import check_threads
from palate.progress import ProgressCallback, automatic

log = logging.getLogger(__name__)

DEFAULT_SPLIT = "random:0.2:42"
FEWEST_USERS = 2
Models = Mapping[str, Recommender] | Sequence[Recommender | str]


def compare(
    models: Models,
    data: Dataset | Interactions,
    splits: str | Split | Iterable[str | Split] = DEFAULT_SPLIT,
    metrics: Sequence[str] | None = None,
    *,
    positive: Relevance = None,
    allow: Sequence[Id] | None = None,
    deny: Sequence[Id] | None = None,
    where: Condition | Sequence[Condition] | None = None,
    groups: Sequence[str] | None = None,
    attributes: bool | None = None,
    out: str | Path | None = None,
    n_processes: int | None = None,
    random_state: int = 42,
    words: Sequence[str] = (),
    progress: ProgressCallback | None = automatic,
) -> Comparison:
    """Fit and measure models on the same folds.

    A model without a seed of its own gets ``random_state`` plus the number of the fold. A run that fails does not end
    the others; a warning names it, and it stands in ``failed`` and ``failures``. With ``out``, every finished run is
    kept there at once: after a crash, a Ctrl-C, or with one more model, the same call runs only what is missing.

    Args:
        models: models or their keys, or {label: model}; they are not fitted themselves.
        data: a data set, or interactions alone (then without titles, genres, and groups by age or gender).
        splits: as `make_splits` takes and gives them.
        metrics: names such as "rmse" or "ndcg@10"; a model that does not have one is left out of it. None takes RMSE
            and MAE, or metrics of lists of ten where no model predicts ratings, and for clicks.
        positive: test values of at least this are relevant in metrics of lists; None or "any" takes every test row.
        allow, deny, where: the part of the catalogue that lists are drawn from, as in `measure`; training has all.
        groups: columns of the user table to look at users by, besides "activity"; None takes age and gender.
        attributes: whether those of the data's users and items enter each model that takes features; None lets them
            enter models that use them by themselves (``uses_attributes``).
        out: folder for the results; made where it is not there.
        n_processes: run so many side by side, each in a process of its own, which tells its memory; None runs them
            here. A script that asks for processes needs ``if __name__ == "__main__":``.
        random_state: seed of models without one, of intervals and of permutations.
        words: how the command line names the data, for the commands that repeat a row.
        progress: called with the task that a step belongs to, and with task "" as runs are finished; None
            shows nothing. Without it a notebook shows bars.

    Raises:
        ParameterError: a model, metric, split, group or number is not to be had.
        DataError: data is neither of the two, a split leaves one user in its test part, or ``out`` holds another
            comparison, or another process is writing there.
    """
    dataset = data if isinstance(data, Dataset) else Dataset.from_tables(interactions_of(data))
    named = _named(models)
    folds = list(all_splits(dataset.interactions, splits))
    n_items = dataset.interactions.n_items
    asked = checked(default_for(list(named.values()), dataset.interactions) if metrics is None else metrics, n_items)
    check_offered(asked, list(named.values()), dataset.items)
    _check(named, folds, dataset.interactions, n_processes)
    part = allowed_items(dataset.interactions.items, dataset.items, allow, deny, where)
    if any(request.metric.kind != "rating" for request in asked):
        for fold in folds:
            relevant_rows(dataset.interactions.take(fold.test), positive, part, f" of {fold.name}")
    groupings = groupings_of(dataset, groups)
    entering = _entering(named, dataset, attributes)
    families = dict.fromkeys(fold.family for fold in folds)
    names = [request.name for request in asked]
    plan = {
        "format_version": FORMAT_VERSION,
        "kind": "comparison",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": data_of(dataset, words),
        "split": splits if isinstance(splits, str) else ", ".join(families),
        "splits": [split_of(fold, dataset.interactions) for fold in folds],
        "metrics": names,
        "positive": positive,
        "part": part_of(part, allow, deny, where),
        "random_state": random_state,
        "attributes": attributes,
        "versions": versions(),
        "machine": machine(),
    }
    rows_folder = None if out is None else prepared(Path(out), plan)
    jobs = _jobs(named, folds, plan, names + beside(asked), part, n_processes, entering)
    alone = nullcontext() if out is None else only_writer(Path(out), "a comparison")
    with alone, watched(progress) as callback:
        outcomes = run_all(jobs, dataset, rows_folder, n_processes, callback)
        comparison = with_groups(gathered(plan, jobs, outcomes, words or ["DATA"]), groupings)
        if out is not None:
            comparison.save(out)
    for failure in comparison.failures:
        label, fold_number = failure["model"], failure["fold"] + 1
        log.warning("%s failed on fold %s and is left out of it: %s", label, fold_number, failure["error"])
    return comparison


def cross_validate(
    model: Recommender | str,
    data: Dataset | Interactions,
    splits: str | Split | Iterable[str | Split] = "kfold:5:42",
    metrics: Sequence[str] | None = None,
    **options: Any,
) -> Comparison:
    """Fit and measure one model on every fold: `compare` of one model; see there.

    Args:
        model: a model or its key.
        data, splits, metrics, options: as in `compare`.

    Raises:
        ParameterError, DataError: as `compare`.
    """
    return compare([model], data, splits, metrics, **options)


def _named(models: Models) -> dict[str, Recommender]:
    """Return {label: model}; a model without a label is called by its key, or as it is shown where keys repeat."""
    if isinstance(models, Mapping):
        named = {str(label): _model(model) for label, model in models.items()}
    else:
        given = [models] if isinstance(models, Recommender | str) else list(models)
        made = [_model(model) for model in given]
        keys = [model.key for model in made]
        labels = [key if keys.count(key) == 1 else _spelled(model) for key, model in zip(keys, made, strict=True)]
        if len(set(labels)) < len(labels):
            raise ParameterError(
                f"two models are the same: {', '.join(labels)}; give {{label: model}} to tell them apart",
                subject="models",
            )
        named = dict(zip(labels, made, strict=True))
    if not named:
        raise ParameterError(f"give at least one model; there is {', '.join(MODELS)}", subject="models")
    return named


def _spelled(model: Recommender) -> str:
    """Return a model as it is shown, called by its key."""
    return f"{model.key}{repr(model).removeprefix(type(model).__name__)}"


def _model(given: Any) -> Recommender:
    if isinstance(given, str):
        if given not in MODELS:
            raise ParameterError.unknown("no model", given, MODELS)
        return MODELS[given]()
    if not isinstance(given, Recommender):
        raise ParameterError(f"a model, or a key such as 'mf', is needed; got {type(given).__name__}", subject="models")
    return given


def default_for(models: Sequence[Recommender], data: Interactions) -> tuple[str, ...]:
    """Return what is measured of several models where nothing is asked for."""
    by_kind = sorted(models, key=lambda model: model.score_kind != "rating")
    return default_metrics(by_kind[0], data)


def _check(
    named: Mapping[str, Recommender], folds: Sequence[Split], data: Interactions, n_processes: int | None
) -> None:
    """Refuse what would fail after hours of work."""
    if n_processes is not None and (not isinstance(n_processes, int) or n_processes < 1):
        raise ParameterError.outside("n_processes", "a whole number of at least 1, or None", n_processes)
    for label, model in named.items():
        model.check_parameters()
        if isinstance(model.get_params().get("random_state"), np.random.Generator):
            raise ParameterError.of(
                label, ": random_state must be a whole number or None here, so that a run can be repeated"
            )
    for fold in folds:
        n_users = len(np.unique(data.user_index[fold.test]))
        if n_users < FEWEST_USERS:
            raise DataError.of(
                f"the test part of {fold.name}",
                "has rows of one user only, and intervals and tests are over users: "
                "choose a larger part or fewer folds, or measure one model with evaluate",
                code="split",
            )


class _Entering(NamedTuple):
    """What a model is given of the attributes: as in `features_for`, and a hash of the features, None without any."""

    attributes: bool | None
    mark: str | None


def _entering(named: Mapping[str, Recommender], dataset: Dataset, attributes: bool | None) -> dict[str, _Entering]:
    """Return what each model is given; one that takes no features is compared without.

    Raises:
        ParameterError: attributes shall enter, and no model takes features, or the data has none.
    """
    takes = {label: "features" in model.supports for label, model in named.items()}
    if attributes and not any(takes.values()):
        check_supports(next(iter(named.values())), "features")
    entering = {}
    for label, model in named.items():
        wanted = attributes if takes[label] else None
        features = features_for(model, dataset, attributes=wanted)
        entering[label] = _Entering(wanted, _mark(features) if any(features.values()) else None)
    return entering


def _mark(features: Mapping[str, Features | None]) -> str:
    """Return a hash of features: rows measured with others are made again."""
    digest = hashlib.sha256()
    for side in features.values():
        if side is not None:
            digest.update("|".join(side.names).encode() + side.matrix.tobytes())
    return digest.hexdigest()[:24]


def _jobs(
    named: Mapping[str, Recommender],
    folds: Sequence[Split],
    plan: Mapping[str, Any],
    metrics: Sequence[str],
    part: NDArray[np.bool_] | None,
    n_processes: int | None,
    entering: Mapping[str, _Entering],
) -> list[Job]:
    identity = {"data": plan["data"]["fingerprint"], "palate": plan["versions"]["palate"]}
    n_threads = None if n_processes is None else max(1, check_threads(None) // n_processes)
    jobs = []
    for label, model in named.items():
        attributes, mark = entering[label]
        known = identity if mark is None else {**identity, "attributes": mark}
        for number, fold in enumerate(folds):
            parameters = model.get_params()
            if "random_state" in parameters and parameters["random_state"] is None:
                parameters["random_state"] = plan["random_state"] + number
            if parameters.get("n_threads", 0) is None:
                parameters.pop("n_threads")  # changes speed, never the answer
            what = (label, type(model), parameters, number, fold, tuple(metrics), plan["positive"], known)
            jobs.append(Job(*what, part, part_words(plan["part"]), n_threads, attributes))
    return jobs
