"""What a comparison found, in sentences: who is ahead in a metric, and from whom the difference is not significant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from palate.errors import DataError
from palate.metrics import named


def findings(table: pl.DataFrame, tests: pl.DataFrame, metrics: Sequence[str]) -> list[str]:
    """Return a sentence for each of the metrics that any model has.

    Args:
        table, tests: as `Comparison.table` and `Comparison.tests` give them.
        metrics: their names.
    """
    return [finding(table, tests, metric) for metric in measured(table, metrics)]


def measured(table: pl.DataFrame, metrics: Sequence[str]) -> list[str]:
    """Return the metrics that any model has a figure of."""
    known = set(table.drop_nulls("mean").filter(pl.col("mean").is_finite())["metric"])
    return [metric for metric in metrics if metric in known]


def finding(table: pl.DataFrame, tests: pl.DataFrame, metric: str) -> str:
    """Return in a sentence which model is best in a metric, and from which others the difference is not significant."""
    rows, asked = ranked(table, metric), named(metric)
    best = rows.row(0, named=True)
    value = value_with_interval(best)
    if len(rows) == 1:
        return f"{best['model']} has {an(asked.label)} of {value}."
    if not asked.metric.sense:
        low, high = (end(rows["mean"].to_list()) for end in (min, max))
        return f"{asked.label} runs from {low:.4f} to {high:.4f}."
    unsure, sure = unsure_of(tests, metric, best["model"])
    start = f"{best['model']} has the {asked.metric.best} {asked.label}, {value}"
    if not unsure and not sure:
        return f"{start}."
    if not unsure:
        others = sure[0] if len(sure) == 1 else "every other model"
        return f"{start}; the difference from {others} is significant."
    rest = f", but from {listed(sure)}" if sure and len(sure) < 4 else ", but from every other model" if sure else ""
    return f"{start}; no significant difference from {listed(unsure)}{rest}."


def unsure_of(tests: pl.DataFrame, metric: str, label: str) -> tuple[list[str], list[str]]:
    """Return the other models whose difference from one is not significant, and those whose is."""
    parts: tuple[list[str], list[str]] = ([], [])
    for row in tests.filter(pl.col("metric") == metric).iter_rows(named=True):
        if label in (row["model"], row["other"]):
            other = row["other"] if row["model"] == label else row["model"]
            parts[not is_unsure(row["verdict"])].append(other)
    return parts


def is_unsure(verdict: str) -> bool:
    """Return whether a verdict says that no difference was found."""
    return verdict.startswith("no ")


def ranked(table: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return a metric's rows with a known mean, the best first; in the given order where neither end is best.

    Raises:
        DataError: the table has no such rows.
    """
    rows = table.filter(pl.col("metric") == metric).drop_nulls("mean").filter(pl.col("mean").is_finite())
    if rows.is_empty():
        known = ", ".join(table["metric"].unique(maintain_order=True)) or "none"
        raise DataError(
            f"the table has no values of {metric} to draw; it has {known}", code="nothing_to_draw", subject=metric
        )
    up = named(metric).metric.higher_is_better
    return rows if up is None else rows.sort("mean", descending=up, maintain_order=True)


def value_with_interval(row: Mapping[str, Any], key: str = "mean", digits: int = 4) -> str:
    """Return "0.9120 (0.9050 to 0.9190)", or the value alone where there is no interval."""
    text = f"{row[key]:.{digits}f}"
    low, high = row.get("low"), row.get("high")
    return text if low is None or high is None else f"{text} ({low:.{digits}f} to {high:.{digits}f})"


def listed(names: Sequence[str]) -> str:
    """Return "a", "a and b", or "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def an(word: str) -> str:
    """Return a metric with its article, as it is spoken: an RMSE, an NDCG, a recall."""
    spoken_with_vowel = word[:2].isupper() and word[0] in "AEFHILMNORSX"
    return f"{'an' if spoken_with_vowel or word[0] in 'aeiou' else 'a'} {word}"
