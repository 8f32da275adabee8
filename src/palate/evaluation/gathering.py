"""The comparison of finished rows: its tables, and each metric by group of users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from palate.data.dataset import Dataset
from palate.errors import DataError
from palate.evaluation.comparison import Comparison
from palate.evaluation.jobs import Job, Outcome
from palate.evaluation.running import Failure, Outcomes
from palate.evaluation.significance import bootstrap
from palate.metrics import quantile_groups, user_column

GROUPS = ("age", "gender")  # where the data has them
_OF_JOB = {"model": pl.String, "fold": pl.Int64}
RUNS = {
    **_OF_JOB,
    "split": pl.String,
    "seed": pl.Int64,
    "epochs": pl.Int64,
    "epoch_chosen_on": pl.String,
    **dict.fromkeys(("fit_seconds", "score_seconds", "peak_mb"), pl.Float64),
    "n_threads": pl.Int64,
    "command": pl.String,
}
RESULTS = {
    **_OF_JOB,
    "metric": pl.String,
    **dict.fromkeys(("value", "worst_tenth"), pl.Float64),
    **dict.fromkeys(("n_users", "n_without_list", "n_left_out", "n_popular"), pl.Int64),
    "mean_of_others": pl.Float64,
}
GROUP_ROWS = {
    **dict.fromkeys(("model", "metric", "grouping", "group"), pl.String),
    "place": pl.Int64,
    "mean": pl.Float64,
    "n": pl.Int64,
    **dict.fromkeys(("low", "high"), pl.Float64),
}


def gathered(plan: Mapping[str, Any], jobs: Sequence[Job], outcomes: Outcomes, words: Sequence[str]) -> Comparison:
    """Return the comparison of all that was finished, still without groups.

    Raises:
        DataError: every job failed.
    """
    finished = [(job, outcome) for job, outcome in zip(jobs, outcomes, strict=True) if isinstance(outcome, Outcome)]
    failures = [vars(outcome) for outcome in outcomes if isinstance(outcome, Failure)]
    if not finished:
        errors = "; ".join(dict.fromkeys(failure["error"] for failure in failures))
        raise DataError(f"every run failed: {errors}", code="failed_runs", subject="models")
    firsts = [job for job in jobs if job.fold == jobs[0].fold]
    models = [{"label": job.label, "key": job.cls.key, "parameters": dict(job.parameters)} for job in firsts]
    details: dict[str, Any] = {}
    runs, results, units = [], [], []
    for job, outcome in finished:
        details.setdefault(job.label, {**outcome.details, "skipped": outcome.skipped})
        measured = [name for name in plan["metrics"] if name not in outcome.skipped]
        head = {"model": job.label, "fold": job.fold}
        runs.append({**head, **outcome.figures, "command": job.command(words, measured)})
        results += [{**head, **result} for result in outcome.results]
        columns = [pl.lit(head[name], kind).alias(name) for name, kind in _OF_JOB.items()]
        units.append(outcome.units.select(*columns, pl.all()))
    return Comparison(
        plan={**plan, "models": models, "failures": failures},
        runs=pl.DataFrame(runs, schema=RUNS),
        results=pl.DataFrame(results, schema=RESULTS),
        units=pl.concat(units),
        groups=pl.DataFrame(schema=GROUP_ROWS),
        details=details,
    )


def groupings_of(dataset: Dataset, groups: Sequence[str] | None) -> dict[str, pl.Series]:
    """Return {grouping: group of each user}; groups of numbers are of about equal size."""
    data = dataset.interactions
    wanted = list(groups) if groups is not None else [name for name in GROUPS if name in dataset.users.columns]
    out = {"activity": quantile_groups(np.bincount(data.user_index, minlength=data.n_users))}
    for name in wanted:
        if name != "activity":
            column = user_column(dataset.users, name, data.users)
            out[name] = quantile_groups(column) if column.dtype.is_numeric() and column.n_unique() > 8 else column
    return out


def with_groups(comparison: Comparison, groupings: Mapping[str, pl.Series]) -> Comparison:
    """Return the comparison with each metric by group of users; an interval needs two users."""
    rows = []
    for grouping, labels in groupings.items():
        for place, group in enumerate(labels.unique().sort(nulls_last=True)):
            inside = labels.is_null() if group is None else (labels == group).fill_null(value=False)
            columns = comparison.columns_of(np.flatnonzero(inside.to_numpy()))
            if not columns:
                continue
            drawn = bootstrap(list(columns.values()), 1000, comparison.plan["random_state"])
            for ((model, metric), column), values in zip(columns.items(), drawn.T, strict=True):
                n = int((column.den.sum(axis=1) > 0).sum())
                low, high = np.quantile(values, [0.025, 0.975]) if n > 1 else (None, None)
                rows.append((model, metric, grouping, str(group or "unknown"), place, column.value(), n, low, high))
    return replace(comparison, groups=pl.DataFrame(rows, schema=GROUP_ROWS, orient="row"))
