"""`evaluate`: any metrics, by name, of a model trained on Spark, on a test part that need not fit one machine.

Users are measured by blocks with the metrics of one machine (`palate.spark.measuring`); the driver gets each user's
share, 20 bytes a test user and metric, and makes of it what one machine makes: values, the worst tenth, and the units
that intervals and paired tests resample. Metrics with a value a user are equal to the last bit; sums over ratings, and
those over lists (list overlap), to rounding (1e-12).

Refused: crps, coverage_80, and what else needs a predictive distribution; `BayesianMF` offers it on one machine.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from palate.data.checking import OnDuplicate, OnFault, Policy
from palate.data.columns import Columns
from palate.data.ids import Id
from palate.data.items import Condition
from palate.data.splits.fixed import OnOverlap
from palate.errors import ParameterError
from palate.evaluation.measuring import Measured, checked, needed
from palate.evaluation.metric_inputs import Relevance
from palate.evaluation.result import Evaluation
from palate.metrics import At, Summary, summarise
from palate.metrics.catalogue import coverage_of, entropy_of, gini_of, lift_of, overlap_of, told_overlap
from palate.metrics.units import Units
from palate.models.contract.base import Recommender
from palate.spark.executors import check as check_executors
from palate.spark.failures import clear_errors
from palate.spark.filters import items_by_position, kept_items
from palate.spark.measuring import FLOOR, LIFT, RANKED, RECORDS, TESTED, Measuring, MetricRecord, joined, measure_users
from palate.spark.sending import addresses_of, sent, types_of
from palate.spark.tested import Tested, check_relevant, tested_rows
from palate.spark.user_blocks import packed_bits

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palate.spark.trained import Trained


log = logging.getLogger(__name__)

OF_LISTS = ("lists", "judged")
OVERLAP = "list_overlap"
MetricRecords = Mapping[str, MetricRecord]


def evaluate(
    trained: Trained,
    test: str | DataFrame,
    metrics: Sequence[str] | None = None,
    *,
    columns: Columns | None = None,
    name: str = "test",
    positive: Relevance = None,
    allow: Sequence[Id] | None = None,
    deny: Sequence[Id] | None = None,
    where: Condition | Sequence[Condition] | None = None,
    on_overlap: OnOverlap = "raise",
    on_missing: OnFault = "error",
    on_invalid: OnFault = "error",
    on_duplicate: OnDuplicate = "error",
    skip: bool = False,
) -> Evaluation:
    """Measure a model on a test part, as `palate.evaluate` measures a fitted model.

    Test rows of people and items that training did not have are counted in ``unknown`` and left out. ``fitted`` of the
    result is the trained model; ``measured`` has no lists and no predictions, which stay on Spark.

    Args:
        trained: a model trained on Spark.
        test: a path, or a DataFrame, of rows by id.
        metrics: names such as "rmse" or "ndcg@10"; None takes RMSE and MAE, or metrics of lists of ten from a model
            that only ranks.
        columns: as in `prepare`.
        name: of the split, for the record.
        positive: test values of at least this are relevant in metrics of lists; None or "any" takes every test row.
        allow, deny, where: the part of the catalogue that lists are drawn from, as in `recommend_all`.
        on_overlap: "raise" where test rows are also in the training part, or "drop" them, and tell how many.
        on_missing, on_invalid, on_duplicate: what to do with faulty test rows, as in `prepare`.
        skip: leave out, with the reason, metrics that the model does not have, instead of raising.

    Raises:
        ParameterError: a metric, a condition, on_overlap or positive is wrong, or the model lacks what a metric needs.
        UnknownIdError: an item of allow is unknown.
        DataError: the test part has faults, is of other data or of the training part, or none of its rows is relevant.
    """
    prepared = trained.prepared
    wanted = default_metrics(trained) if metrics is None else metrics
    asked = checked(wanted, prepared.n_items)
    check_executors(prepared.spark)
    started = time.perf_counter()
    with clear_errors(trained.path, "measuring"):
        kept = kept_items(prepared, allow, deny, where)
        genres = _genres(trained) if any("genres" in request.metric.inputs for request in asked) else None
        skipped = _skipped(trained, asked, genres, skip=skip)
        asked = [request for request in asked if request.name not in skipped]
        policy = Policy(on_missing, on_invalid, on_duplicate)
        rows = tested_rows(prepared, test, columns, policy, name, on_overlap)
        measured = _measured(trained, asked, rows, positive, kept, genres)
    parameters = trained.model.get_params()
    return Evaluation(
        model=trained.model.key,
        parameters={**parameters, "random_state": trained.seed},
        split=name,
        epoch_chosen_on="none",
        n_train=prepared.n_rows,
        n_test=rows.n,
        n_listed=prepared.n_items if kept is None else int(kept.sum()),
        positive=positive,
        unknown=rows.unknown,
        without_training=rows.without_training,
        metrics=measured.values,
        summaries=measured.summaries,
        seconds={"score": time.perf_counter() - started},
        history=trained.history,
        fitted=cast("Recommender", trained),
        measured=replace(measured, skipped=skipped),
    )


def default_metrics(trained: Trained) -> tuple[str, ...]:
    """Return what is measured where nothing is asked for."""
    low, high = trained.prepared.rating_limits
    if trained.model.score_kind == "rating" and low < high:
        return ("rmse", "rmse_unclipped", "mae")
    k = min(10, trained.prepared.n_items)
    return (f"ndcg@{k}", f"recall@{k}", f"hit_rate@{k}", f"coverage@{k}")


def _genres(trained: Trained) -> bytes | None:
    """Return the genres of the items by position, as an Arrow stream; None where none has any."""
    import io

    table = trained.prepared.item_table
    if table is None or dict(table.dtypes).get("genres") != "array<string>":
        return None
    genres = items_by_position(trained.prepared, ["genres"])
    if not genres["genres"].explode().drop_nulls().len():
        return None
    stream = io.BytesIO()
    genres.write_ipc_stream(stream)
    return stream.getvalue()


def _skipped(trained: Trained, asked: Sequence[At], genres: bytes | None, *, skip: bool) -> dict[str, str]:
    """Return the metrics that the model or the data does not have, and why.

    Raises:
        ParameterError: there is one, and it shall not be left out.
    """
    lacking = {"predictive"} | ({"predicted"} if trained.model.score_kind != "rating" else set())
    lacking |= ({"genres"} if genres is None else set()) | (set() if trained.n_factors else {"features"})
    skipped = {}
    for request in asked:
        missing = next((name for name in request.metric.inputs if name in lacking), None)
        if missing and not skip:
            here = f"needs {needed(missing)}; {trained.model.key} on Spark does not offer it"
            if missing == "predictive" and trained.model.key == "bayes":
                here += ", the saved model does: measure that on one machine"
            raise ParameterError.of(request.name, here, code="not_offered")
        if missing:
            skipped[request.name] = f"{request.name} needs {needed(missing)}"
    return skipped


def _measured(
    trained: Trained,
    asked: Sequence[At],
    test: Tested,
    positive: Relevance,
    kept: NDArray[np.bool_] | None,
    genres: bytes | None,
) -> Measured:
    """Return the metrics of a test part: one job."""
    prepared, model = trained.prepared, trained.model
    n_allowed = None if kept is None else int(kept.sum())
    of_lists = any(request.metric.kind != "rating" for request in asked)
    if of_lists:
        check_relevant(test, positive, n_allowed, 1)
    names = [request.name for request in asked]
    width = max((request.k for request in asked if request.k), default=None)
    shown = any(set(OF_LISTS) & set(request.metric.inputs) for request in asked)
    if shown and not any(name.startswith(OVERLAP) for name in names):
        names.append(f"{OVERLAP}@{width}")  # for its warning
    task = Measuring(
        tuple(names),
        types_of(trained),
        trained.mean,
        model.score_kind,
        prepared.rating_limits,
        positive,
        prepared.n_users,
        weighted=prepared.has_weights,
        allowed=None if kept is None else packed_bits(kept),
        genres=genres,
        centre=trained.mean,
    )
    messages = sent(trained, addresses_of(prepared), seen=True, user_ids=False, test=test.rows)
    records = joined(messages.mapInArrow(partial(measure_users, asked=task), RECORDS).toArrow())
    if of_lists and RANKED not in records:
        check_relevant(test, positive, n_allowed, 0)
    return _gathered(asked, records, _Facts.of(records, trained, n_allowed))


class _Facts(NamedTuple):
    """What all metrics of a test part share."""

    ranked: NDArray[np.int32]
    popular: NDArray[np.bool_]
    lists: NDArray[np.int32]
    n_tested: int
    n_users: int
    n_listed: int
    key: str
    moments: tuple[float, float, float]  # of test values: rows, mean, and what squares were summed about

    @classmethod
    def of(cls, records: MetricRecords, trained: Trained, n_allowed: int | None) -> _Facts:
        """Return the facts that the records tell."""
        nobody = (RANKED, np.empty(0, np.int32), np.empty(0), np.empty(0))
        _, ranked, popular, has_list = records.get(RANKED, nobody)
        lists = np.where(has_list > 0, 0, -1).astype(np.int32)[:, None]
        n_listed = trained.prepared.n_items if n_allowed is None else n_allowed
        _, tested, rows, values = records[TESTED]
        n = float(rows.sum())
        moments = (n, float(values.sum()) / n, trained.mean)
        n_users, key = trained.prepared.n_users, trained.model.key
        return cls(ranked, popular > 0, lists, len(tested), n_users, n_listed, key, moments)


def _gathered(asked: Sequence[At], records: MetricRecords, facts: _Facts) -> Measured:
    """Return what was measured, of the records of all tasks."""
    values: dict[str, float] = {}
    summaries: dict[str, Summary] = {}
    units: dict[str, Units] = {}
    for request in asked:
        result: Any = _result(request, records, facts)
        metric, shares = request.metric, None
        if isinstance(result, Units):
            shares, values[request.name] = result, result.value
        else:
            values[request.name] = metric.value(result)
            if metric.per == "user":
                users = np.arange(facts.n_users) if metric.kind == "rating" else facts.ranked
                shares = metric.units(result, {}, users)
        if shares is not None:
            units[request.name] = shares
            summaries[request.name] = _summary(request, result, shares, values[request.name], facts)
    _warn(asked, records, values, facts)
    return Measured(values, summaries, units, {}, None, facts.popular, facts.ranked.astype(np.intp), None)


def _result(request: At, records: MetricRecords, facts: _Facts) -> Any:
    """Return what the metric's function gives on one machine, or the units of a function of sums."""
    metric = request.metric
    _, users, num, den = records[request.name]
    of_counts: Mapping[str, Callable[[Any], float]] = {
        "coverage": coverage_of,
        "gini": gini_of,
        "entropy": entropy_of,
    }
    if metric.key in of_counts:
        return of_counts[metric.key](num)
    if metric.key in (OVERLAP, "personalisation"):
        overlap = overlap_of(num, int(den[0]))
        return told_overlap(overlap) if metric.key == OVERLAP else 1 - overlap
    if metric.key == LIFT:
        return lift_of(num, den)
    if metric.per != "user":
        return Units(users, num, _about_mean(records, den, facts) if metric.form == "explained" else den, metric.form)
    if metric.kind != "rating":
        return num
    every = np.full(facts.n_users, np.nan)
    every[users] = num
    return every


def _about_mean(records: MetricRecords, squares: NDArray[np.float64], facts: _Facts) -> NDArray[np.float64]:
    """Return each user's sum of squares about the mean of all test values, of the sum about another number."""
    _, _, rows, values = records[TESTED]
    _, mean, centre = facts.moments
    shift = mean - centre
    moved: NDArray[np.float64] = squares - 2 * shift * (values - rows * centre) + rows * shift * shift
    return moved


def _summary(request: At, result: Any, shares: Units, value: float, facts: _Facts) -> Summary:
    """Return the metric with the worst tenth of the users' own values, and who is no part of it."""
    up = request.metric.higher_is_better is not False
    if request.metric.per != "user":
        return replace(summarise(shares.own, higher_is_better=up), mean=value)
    if request.metric.kind == "rating":
        return summarise(result, higher_is_better=up)
    lists = facts.lists if request.k and "sampled" not in request.metric.inputs else None
    summary = summarise(result, lists, popular=facts.popular, higher_is_better=up)
    return replace(summary, n_left_out=summary.n_left_out + facts.n_tested - len(result))


def _warn(asked: Sequence[At], records: MetricRecords, values: Mapping[str, float], facts: _Facts) -> None:
    """Warn where lists are too much alike, or rank below mere popularity, as one machine does."""
    hidden = next((name for name in records if name.startswith(OVERLAP) and name not in values), None)
    if hidden is not None:
        told_overlap(overlap_of(records[hidden][2], int(records[hidden][3][0])))
    below = []
    for request in asked:
        floor = records.get(FLOOR + request.name)
        if floor is not None and values[request.name] < (least := request.metric.value(floor[2])):
            below.append(f"{request.name} {values[request.name]:.3f} against {least:.3f}")
    if below:
        log.warning(
            "%s is made for ratings, and its lists rank below mere popularity here (%s): rank with popularity, or with "
            "a model made for ranking",
            facts.key,
            ", ".join(below),
        )
