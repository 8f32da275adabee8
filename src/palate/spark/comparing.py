"""`compare`: several models that were trained on Spark, on one test part, with intervals and paired tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from palate.data.splits.split import SplitFacts
from palate.errors import DataError, ParameterError
from palate.evaluation.comparing import FEWEST_USERS
from palate.evaluation.comparison import FORMAT_VERSION, Comparison
from palate.evaluation.gathering import GROUP_ROWS, RESULTS, RUNS
from palate.evaluation.jobs import result_of, units_table
from palate.evaluation.measuring import beside, checked
from palate.evaluation.plan import machine
from palate.evaluation.result import Evaluation, versions
from palate.models.contract.answers import id_list
from palate.spark.evaluating import default_metrics, evaluate

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palate.spark.trained import Trained

PART = ("allow", "deny", "where")  # options that name a part of the catalogue


def compare(
    models: Mapping[str, Trained] | Sequence[Trained],
    test: str | DataFrame,
    metrics: Sequence[str] | None = None,
    *,
    random_state: int = 42,
    **options: Any,
) -> Comparison:
    """Measure trained models on one test part, as `palate.compare` measures those that it fits.

    The result is one of one machine: its tables have bootstrap intervals over the same users, its tests are paired. The
    driver holds each user's share of each metric, and resamples these.

    Args:
        models: trained on the same prepared folder, or {label: model}.
        test: as in `evaluate`.
        metrics: names such as "rmse" or "ndcg@10"; a model that does not have one is left out of it.
        random_state: seed of intervals and permutations.
        options: the others of `evaluate`: columns, name, positive, allow, where, on_overlap and so on; but skip, which
            is so wherever there are several models.

    Raises:
        ParameterError: no model, two of one label, or a metric that none of them offers; or as `evaluate`.
        UnknownIdError: an item of allow is unknown.
        DataError: models of different prepared folders, a test part of one user; or as `evaluate`.
    """
    named = _named(models)
    first = next(iter(named.values()))
    by_kind = sorted(named.values(), key=lambda one: one.model.score_kind != "rating")
    asked = checked(default_metrics(by_kind[0]) if metrics is None else metrics, first.prepared.n_items)
    names = [request.name for request in asked]
    every = names + beside(asked)
    results = {label: evaluate(one, test, every, skip=len(named) > 1, **options) for label, one in named.items()}
    _check(results, names)
    result = next(iter(results.values()))
    part = {"n_items": result.n_listed, **_words(**{name: options.get(name) for name in PART})}
    plan = {
        "format_version": FORMAT_VERSION,
        "kind": "comparison",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": _data(first),
        "split": result.split,
        "splits": [_split(result)],
        "metrics": names,
        "positive": result.positive,
        "part": None if all(options.get(name) is None for name in PART) else part,
        "random_state": random_state,
        "attributes": None,
        "versions": versions(),
        "machine": machine(),
        "models": [{"label": label, "key": r.model, "parameters": dict(r.parameters)} for label, r in results.items()],
        "failures": [],
    }
    return _comparison(plan, results)


def _comparison(plan: dict[str, Any], results: Mapping[str, Evaluation]) -> Comparison:
    runs, figures, units = [], [], []
    for label, result in results.items():
        head = {"model": label, "fold": 0}
        seconds = {f"{name}_seconds": result.seconds.get(name) for name in ("fit", "score")}
        facts = {"split": result.split, "seed": result.parameters["random_state"], "epochs": len(result.history)}
        runs.append({**head, **facts, "epoch_chosen_on": "none", **seconds})
        figures += [
            {**head, **result_of(name, value, result.summaries.get(name))} for name, value in result.metrics.items()
        ]
        of_users = units_table(result.measured.units)
        units.append(of_users.select(pl.lit(label).alias("model"), pl.lit(0, pl.Int64).alias("fold"), pl.all()))
    return Comparison(
        plan=plan,
        runs=pl.DataFrame(runs, schema=RUNS),
        results=pl.DataFrame(figures, schema=RESULTS),
        units=pl.concat(units),
        groups=pl.DataFrame(schema=GROUP_ROWS),
        details={label: {"skipped": result.measured.skipped, "warnings": []} for label, result in results.items()},
    )


def _named(models: Mapping[str, Trained] | Sequence[Trained]) -> dict[str, Trained]:
    """Return {label: model}; a model without a label is called by its key, or by its folder where keys repeat."""
    if isinstance(models, Mapping):
        named = dict(models)
    else:
        several = list(models)
        keys = [one.model.key for one in several]
        labels = [key if keys.count(key) == 1 else one.path for key, one in zip(keys, several, strict=True)]
        if len(set(labels)) < len(labels):
            raise ParameterError(
                f"two models are the same: {', '.join(labels)}; give {{label: model}} to tell them apart",
                subject="models",
            )
        named = dict(zip(labels, several, strict=True))
    if not named:
        raise ParameterError("give at least one trained model", subject="models")
    folders = dict.fromkeys(one.prepared.path for one in named.values())
    if len(folders) > 1:
        raise DataError.of(
            "models", f"were trained on different prepared folders ({', '.join(folders)}): their users and items stand "
            "at other positions; train them on one", code="other_data",
        )  # fmt: skip
    return named


def _check(results: Mapping[str, Evaluation], names: Sequence[str]) -> None:
    for name in names:
        if all(name in result.measured.skipped for result in results.values()):
            raise ParameterError.of(
                name, f"is offered by none here: {next(iter(results.values())).measured.skipped[name]}",
                code="not_offered",
            )  # fmt: skip
    users = {
        user for result in results.values() for own in result.measured.units.values() for user in own.user_index[:2]
    }
    if len(users) < FEWEST_USERS:
        raise DataError.of(
            "the test part",
            "has rows of one user only, and intervals and tests are over users: choose a larger part, or measure one "
            "model with evaluate",
            code="split",
        )


def _data(trained: Trained) -> dict[str, Any]:
    prepared = trained.prepared
    stated = None if prepared.rating_range is None else list(prepared.rating_range)
    sizes = {"n_rows": prepared.n_rows, "n_users": prepared.n_users, "n_items": prepared.n_items}
    return {"name": prepared.path, "fingerprint": None, "words": [], **sizes, "rating_range": stated, "card": None}


def _split(result: Evaluation) -> dict[str, Any]:
    without = result.without_training
    facts = SplitFacts(
        result.split, result.n_train, result.n_test, without["users"], without["items"], without["test_rows"]
    )
    return {**vars(facts), "says": facts.says}


def _words(allow: Any, deny: Any, where: Any) -> dict[str, Any]:
    conditions = [] if where is None else [where] if isinstance(where, str | pl.Expr) else list(where)
    ids = {name: None if given is None else id_list(given) for name, given in (("allow", allow), ("deny", deny))}
    return {**ids, "where": [str(condition) for condition in conditions]}
