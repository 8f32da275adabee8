"""Paired tests of all pairs of models in all metrics, each with its outcome in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import polars as pl

from palate.evaluation.significance import (
    FoldSums,
    Test,
    bootstrap,
    central,
    effect_size,
    holm,
    permutation,
    wilcoxon,
)  # fmt: skip
from palate.metrics import named

_TESTS = {
    **dict.fromkeys(("metric", "model", "other"), pl.String),
    **dict.fromkeys(("difference", "low", "high", "p", "p_holm", "effect"), pl.Float64),
    "verdict": pl.String,
}


def paired_tests(
    columns: Mapping[tuple[str, str], FoldSums],
    models: Mapping[str, Sequence[str]],
    test: Test,
    level: float,
    n_resamples: int,
    seed: int,
) -> pl.DataFrame:
    """Return one row a metric and pair of models, as `Comparison.tests` does.

    Args:
        columns: of each model and metric, over the same users or folds.
        models: those that have each metric, in order.
        test, level, n_resamples: as there.
        seed: of permutations and intervals.
    """
    pairs = [(metric, a, b) for metric, labels in models.items() for a, b in combinations(labels, 2)]
    if not pairs:
        return pl.DataFrame(schema=_TESTS)
    sums = [(columns[a, metric], columns[b, metric]) for metric, a, b in pairs]
    p = permutation(sums, n_resamples, seed) if test == "permutation" else np.array([wilcoxon(a, b) for a, b in sums])
    drawn = dict(zip(columns, bootstrap(list(columns.values()), n_resamples, seed).T, strict=True))
    rows = []
    for (metric, a, b), (first, second), chance, corrected in zip(pairs, sums, p, holm(p), strict=True):
        difference = first.value() - second.value(), *central(drawn[a, metric] - drawn[b, metric], level)
        verdict = _verdict(metric, a, b, difference, sure=bool(corrected < 1 - level))
        rows.append((metric, a, b, *difference, chance, corrected, effect_size(first, second), verdict))
    return pl.DataFrame(rows, schema=_TESTS, orient="row").with_columns(pl.col("effect").fill_nan(None))


def _verdict(name: str, a: str, b: str, figures: Sequence[float], *, sure: bool) -> str:
    """Return the test's outcome in words."""
    difference, low, high = figures
    if not sure:
        return f"no significant difference in {name} between {a} and {b}"
    metric = named(name).metric
    if not metric.is_better(difference, 0.0):
        a, b, difference, low, high = b, a, -difference, -high, -low
    if metric.higher_is_better is False:
        difference, low, high = -difference, -high, -low  # by how much it is better, not lower
    word = "higher" if metric.higher_is_better is None else "better"
    return f"{a} is {word} than {b} in {name} by {difference:.4f} ({low:.4f} to {high:.4f})"
