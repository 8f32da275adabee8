"""Figures in words, for those who cannot see them: the finding first, then the numbers behind it.

Each function takes what the figure's function of the same name takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.card import NAMES, Card
from palate.evaluation.findings import listed, ranked, value_with_interval
from palate.metrics import label_of, named
from palate.models.bayes.chains import FEWEST_JUDGED, HIGHEST_RHAT, LOWEST_ESS, WATCHED, faults_in_words, unsettled
from palate.plots.alt_of_data import ages as ages
from palate.plots.alt_of_data import genres as genres
from palate.plots.alt_of_data import occupations as occupations
from palate.plots.alt_of_data import popularity as popularity
from palate.plots.alt_of_data import rating_distribution as rating_distribution
from palate.plots.alt_of_data import ratings_over_time as ratings_over_time
from palate.plots.alt_of_data import ratings_per_item as ratings_per_item
from palate.plots.alt_of_data import ratings_per_user as ratings_per_user
from palate.plots.of_comparison import paired
from palate.plots.of_errors import COUNTED, By, Details, known, shares_of_pit
from palate.plots.of_sampling import judged, summary_of
from palate.plots.of_training import RECORDED, scores
from palate.plots.words import Words as Words
from palate.reproduction import LOSS, TEST_RMSE

if TYPE_CHECKING:
    from palate.models.bayes.model import BayesianMF
    from palate.models.contract.base import Recommender


def card_values(card: Card) -> Words:
    """Return what `palate.plots.card_values` shows."""
    label, count = max(card.histogram, key=lambda pair: pair[1])
    counts = ", ".join(f"{label} {n:,} times" for label, n in card.histogram)
    finding = f"The most frequent value is {label}: {count / card.ratings:.0%} of {card.ratings:,} ratings."
    return Words(finding, f"Bar chart: {counts}.")


def card_spread(card: Card) -> Words:
    """Return what `palate.plots.card_spread` shows."""
    user, item = ([f"{spread[key]:,g}" for key in NAMES] for spread in (card.per_user, card.per_item))
    finding = f"Half of the users have {user[2]} ratings or more; half of the items have {item[2]} or more."
    rest = "; ".join(
        f"{who}: fewest {of[0]}, quartiles {of[1]}, {of[2]} and {of[3]}, most {of[4]}"
        for who, of in (("ratings of one user", user), ("ratings of one item", item))
    )
    return Words(finding, f"Ranges on a logarithmic scale, {rest}.")


def training(model: Recommender) -> Words:
    """Return what `palate.plots.training` shows."""
    return training_curves(model.history_, getattr(model, "best_epoch_", None))


def training_curves(history: Sequence[dict[str, float]], best_epoch: int | None, title: str = "Training") -> Words:
    """Return what `palate.plots.training_curves` shows."""
    curves = [
        f"{RECORDED.get(key, key.replace('_', ' '))} goes from {history[0][key]:.4f} to {history[-1][key]:.4f}"
        for key in scores(history)
        if history[-1].get(key) is not None
    ]
    n = f"{len(history)} epochs"
    finding = f"{title}: {n}, all of them used."
    watched = next((key for key in ("validation_rmse", "validation_ndcg") if history and key in history[0]), None)
    if best_epoch and watched:
        best = history[best_epoch - 1][watched]
        finding = f"{title}: best at epoch {best_epoch} of {n}, {RECORDED[watched]} {best:.4f}."
    elif best_epoch and best_epoch < len(history):
        finding = f"{title}: epoch {best_epoch} of {n} was chosen."
    return Words(finding, f"Line chart: {'; '.join(curves)}." if curves else "Line chart.")


def reproduction(histories: Sequence[Sequence[dict[str, float]]]) -> Words:
    """Return what `palate.plots.reproduction` shows."""
    best = [min(record["validation_rmse_unclipped"] for record in history) for history in histories]
    finding = f"The best published test RMSE is {min(TEST_RMSE):.4f}; ours is {min(best):.4f} to {max(best):.4f}."
    course = f"training loss goes from {LOSS[0]:.4f} to {LOSS[-1]:.4f} as published, over {len(LOSS)} epochs"
    return Words(finding, f"Line chart of {len(histories)} runs of ours beside the published points: {course}.")


def sampling(model: BayesianMF) -> Words:
    """Return what `palate.plots.sampling` shows."""
    table, history = summary_of(model), model.history_
    n, restless = len(history) - int(model.n_burn_in), unsettled(history, int(model.n_burn_in))
    after = f"{n} sweeps after a warm-up of {model.n_burn_in}"
    figures = f"a split R-hat of at most {HIGHEST_RHAT:g} and at least {LOWEST_ESS:g} effective draws"
    finding = f"The chain has settled in {after}: what it is judged by has {figures}."
    if n < FEWEST_JUDGED:
        finding = f"Too few sweeps to judge the chain by: {after}."
    elif restless:
        finding = f"The chain has not settled in {after}: {faults_in_words(restless)}."
    panels = [
        f"{WATCHED[row['quantity']]} {row['mean']:.4f} on average, {judged(row)}" for row in table.iter_rows(named=True)
    ]
    if "validation_rmse" in history[-1]:
        panels.append(f"validation RMSE of the mean so far ends at {history[-1]['validation_rmse']:.4f}")
    return Words(finding, f"Line charts by sweep, after the warm-up: {'; '.join(panels)}.")


def comparison(table: pl.DataFrame, metric: str) -> Words:
    """Return what `palate.plots.comparison` shows."""
    rows = ranked(table, metric).to_dicts()
    numbers = "; ".join(f"{row['model']} {value_with_interval(row)}" for row in rows)
    asked = named(metric)
    chart = f"Dot chart of {asked.label} with intervals: {numbers}."
    if not asked.metric.sense or len(rows) == 1:
        spread = f" to {max(r['mean'] for r in rows):.4f}" if len(rows) > 1 else f" ({rows[0]['model']})"
        return Words(f"{asked.label} is {min(r['mean'] for r in rows):.4f}{spread}.", chart)
    best = rows[0]
    return Words(f"{best['model']} has the {asked.metric.best} {asked.label}, {value_with_interval(best)}.", chart)


def calibration(details: Details) -> Words:
    """Return what `palate.plots.calibration` shows."""
    series, off = [], {}
    for label, rows in known(details, "calibration").items():
        gaps = [row["predicted"] - row["actual"] for row in rows]
        weights = [row.get("n", 1) for row in rows]
        off[label] = float(np.average(np.abs(gaps), weights=weights))
        worst = rows[int(np.argmax(np.abs(gaps)))]
        series.append(
            f"{label}, off by {off[label]:.3f} on average, most where it predicts {worst['predicted']:.2f} "
            f"and {worst['actual']:.2f} is given"
        )
    best = min(off, key=lambda label: off[label])
    closest = " is closest to the ratings given" if len(off) > 1 else "'s predictions are close to the ratings given"
    finding = f"{best}{closest}: off by {off[best]:.3f} on average over its bins."
    if len(off) == 1 and off[best] > 0.1:
        finding = f"{best}'s predictions differ from the ratings given by {off[best]:.3f} on average over its bins."
    return Words(finding, f"Line chart of mean rating against mean prediction: {'; '.join(series)}.")


def pit(values: NDArray[np.float64], title: str = "") -> Words:
    """Return what `palate.plots.pit` shows."""
    shares, (low, high) = shares_of_pit(values)
    outside = int(((shares < low) | (shares > high)).sum())
    finding = f"The distributions are right on the whole: the bins hold {shares.min():.1%} to {shares.max():.1%}."
    if np.abs(shares * len(shares) - 1).max() > 0.5:
        finding = f"The distributions are off: the bins hold {shares.min():.1%} to {shares.max():.1%}."
    even = f"{1 / len(shares):.1%} each would be even, and {outside} of {len(shares)} lie outside the band of chance"
    return Words(finding, f"Histogram of probability integral transforms of {len(values):,} ratings: {even}.")


def error_by(details: Details, by: By) -> Words:
    """Return what `palate.plots.error_by` shows."""
    by_model = known(details, f"error_by_{by}")
    all_rows = [(row["rmse"], label, row["group"]) for label, rows in by_model.items() for row in rows]
    (low, best, easy), (high, worst, hard) = min(all_rows), max(all_rows)
    finding = (
        f"RMSE by {COUNTED[by]} runs from {low:.3f} ({best}, {easy}) to {high:.3f} ({worst}, {hard})."
        if len(all_rows) > 1
        else f"RMSE is {low:.3f} ({best}, {easy})."
    )
    series = [
        f"{label}: " + ", ".join(f"{r['group']} {r['rmse']:.3f}" for r in rows) for label, rows in by_model.items()
    ]
    return Words(finding, f"Line chart, {'; '.join(series)}.")


def groups(groups_table: pl.DataFrame, metric: str, grouping: str) -> Words:
    """Return what `palate.plots.groups` shows."""
    rows = groups_table.filter((pl.col("metric") == metric) & (pl.col("grouping") == grouping)).drop_nulls("mean")
    gaps, series = [], []
    for (label,), own in rows.sort("place").group_by("model", maintain_order=True):
        parts = own.to_dicts()
        series.append(f"{label}: " + ", ".join(f"{part['group']} {value_with_interval(part)}" for part in parts))
        low, high = (end(parts, key=lambda part: part["mean"]) for end in (min, max))
        ends = (high, low) if named(metric).metric.higher_is_better is not False else (low, high)
        words = " and ".join(f"{part['mean']:.4f} for {part['group']}" for part in ends)
        if low["high"] is not None and high["low"] is not None and len(parts) > 1:
            words += f"; their intervals {'overlap' if low['high'] >= high['low'] else 'do not overlap'}"
        gaps.append((high["mean"] - low["mean"], f"{label}: {words}"))
    finding = f"The widest gap in {label_of(metric)} by {grouping} is that of {max(gaps)[1]}."
    return Words(finding, f"Chart with intervals, {'; '.join(series)}.")


def trade_off(table: pl.DataFrame, accuracy: str = "ndcg@10", beyond: str = "novelty@10") -> Words:
    """Return what `palate.plots.trade_off` shows."""
    rows = paired(table, accuracy, beyond).to_dicts()
    front = [row["model"] for row in rows if row["front"]]
    if len(rows) == 1:
        finding = f"{front[0]} alone has both figures."
    elif len(front) == 1:
        finding = f"{front[0]} is best in both {label_of(accuracy)} and {label_of(beyond)}."
    else:
        finding = f"More {label_of(beyond)} costs {label_of(accuracy)}: {listed(front)} are unbeaten in both together."
    points = "; ".join(f"{row['model']} {row['x']:.4f} and {row['y']:.4f}" for row in rows)
    return Words(finding, f"Points of {label_of(accuracy)} and {label_of(beyond)}: {points}.")


def importances(shares: Mapping[str, float]) -> Words:
    """Return what `palate.plots.importances` shows."""
    ordered = sorted(shares.items(), key=lambda pair: -pair[1])
    bars = ", ".join(f"{key} {share:.0%}" for key, share in ordered)
    return Words(f"{ordered[0][0]} mattered most, {ordered[0][1]:.0%} of the differences.", f"Bar chart: {bars}.")


def tuning_history(values: Sequence[float | None], best: Sequence[float | None]) -> Words:
    """Return what `palate.plots.tuning_history` shows."""
    until = [value for value in best if value is not None]
    failed = sum(value is None for value in values)
    finding = f"The best value of {len(values)} trials is {until[-1]:.4f}."
    return Words(finding, f"Line chart: the first best is {until[0]:.4f}; {failed} gave no result.")
