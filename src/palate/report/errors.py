"""Sections of where models go wrong: training, calibration, errors by popularity and activity, groups of users."""

from __future__ import annotations

import polars as pl

from palate import plots
from palate.evaluation.findings import listed
from palate.markup import Html, TableColumn, bdi, code, element, join, paragraph, table
from palate.metrics import label_of
from palate.plots import alt
from palate.plots.house import MOST_TOGETHER
from palate.plots.of_training import scores
from palate.report.drawing import Picture, pictures
from palate.report.results import Results, interval

MOST_METRICS = 4  # drawn by group; the others stand in the table


def training(results: Results) -> Html:
    """Return the curves of each model that was trained by epochs, on the first fold."""
    details = results.run.details
    with_history = [label for label in results.labels if scores(details.get(label, {}).get("history", ()))]
    others = [label for label in results.labels if label not in with_history]
    drawn = []
    for label in with_history:
        history, best = details[label]["history"], details[label]["best_epoch"]
        words = alt.training_curves(history, best, label)
        drawn.append(Picture(plots.training_curves(history, best, label), words))
    if not drawn:
        return join(
            [
                paragraph("No model here is trained by epochs, so there are no curves. One that is:"),
                code(results.command(models=results.model_keys("mf"))),
            ]
        )
    is_one = len(others) == 1
    rest = (
        f"{listed(others)} {'is' if is_one else 'are'} computed in one go and {'has' if is_one else 'have'} no curves."
    )
    fold = f"Of {results.run.plan['splits'][0]['name']}, the first of the folds. " if _has_folds(results) else ""
    held = "The validation part is held out of the training part; the test part is never looked at."
    return join([paragraph(f"{fold}{held} {rest if others else ''}".strip()), pictures(*drawn, prefix="training")])


def calibration(results: Results) -> Html:
    """Return mean ratings against mean predictions."""
    details = _of_known(results)
    if not any(of.get("calibration") for of in details.values()):
        return _no_ratings(results, "a calibration")
    how = (
        "Each mark stands for a tenth of a model's predictions on the test part; bars are 95 % intervals. "
        "Below the diagonal the model promises too much, above it too little."
    )
    return _figures(results, Picture(plots.calibration(details), alt.calibration(details), how), prefix="calibration")


def by_popularity_and_activity(results: Results) -> Html:
    """Return RMSE by training rows of the item and of the user."""
    details = _of_known(results)
    if not any(of.get("error_by_popularity") for of in details.values()):
        return _no_ratings(results, "an error of predicted ratings")
    how = "Groups hold about as many test ratings each; bars are 95 % intervals."
    drawn = [
        Picture(plots.error_by(details, by), alt.error_by(details, by), how) for by in ("popularity", "activity")
    ]  # fmt: skip
    return _figures(results, *drawn, prefix="errors")


def groups(results: Results) -> Html:
    """Return each metric by group of users."""
    rows = results.run.groups
    if rows.is_empty():
        return join(
            [
                paragraph("No group of users was looked at: no metric here is a mean over users or ratings. Run"),
                code(results.command(["rmse", "ndcg@10"])),
            ]
        )
    parts = [paragraph("Bars are 95 % bootstrap intervals over a group's users; of a group of one user there is none.")]
    groupings = rows["grouping"].unique(maintain_order=True).to_list()
    for place, grouping in enumerate(groupings):
        own = rows.filter(pl.col("grouping") == grouping).drop_nulls("mean")
        known = [metric for metric in results.metrics if metric in own["metric"].to_list()]
        drawn = [
            Picture(
                plots.groups(rows, metric, grouping),
                alt.groups(rows, metric, grouping),
                is_wide=rows["model"].n_unique() > MOST_TOGETHER,
            )
            for metric in known[:MOST_METRICS]
        ]
        parts += [element("h3", f"By {grouping}"), pictures(*drawn, prefix=f"groups-{place}"), _table(own, grouping)]
    missing = [name for name in ("age", "gender") if name not in groupings]
    if missing:
        parts.append(
            paragraph(
                f"The data says nothing of users' {listed(missing)}; with a table of users (--users FILE) that does, "
                "palate compare looks at those groups, too."
            )
        )
    return join(parts)


def _table(own: pl.DataFrame, grouping: str) -> Html:
    """Return the numbers of the figures, folded away."""
    columns = [
        TableColumn("Model"),
        TableColumn("Metric"),
        TableColumn("Group"),
        TableColumn("Users", True),
        TableColumn("Mean", True),
    ]
    cells = (
        [
            bdi(row["model"]),
            label_of(row["metric"]),
            row["group"],
            f"{row['n']:,}",
            f"{row['mean']:.4f}",
            interval(row),
        ]
        for row in own.iter_rows(named=True)
    )
    made = table(f"Metrics by {grouping}", [*columns, TableColumn("95 % interval", True)], cells)
    return element("details", element("summary", "The same as a table"), made)


def _figures(results: Results, *drawn: Picture, prefix: str) -> Html:
    """Return figures of errors, after a word on the models that are no part of them."""
    details = results.run.details
    wide = sum(bool(of.get("calibration")) for of in details.values()) > MOST_TOGETHER
    without = [label for label in results.labels if not details.get(label, {}).get("calibration")]
    verb = "does" if len(without) == 1 else "do"
    note = paragraph(f"{listed(without)} {verb} not predict ratings.") if without else None
    fold = (
        paragraph(f"Of {results.run.plan['splits'][0]['name']}, the first of the folds.")
        if _has_folds(results)
        else None
    )
    shown_wide = (Picture(picture.figure, picture.words, picture.how, wide) for picture in drawn)
    return join([note, fold, pictures(*shown_wide, prefix=prefix)])


def _no_ratings(results: Results, what: str) -> Html:
    metrics = dict.fromkeys(["rmse", *results.run.plan["metrics"]])
    return join(
        [
            paragraph(f"No model here predicts ratings, so there is no such thing as {what}. These do:"),
            code(results.command(list(metrics), results.model_keys("mf"))),
        ]
    )


def _of_known(results: Results) -> dict[str, dict[str, object]]:
    return {label: results.run.details.get(label, {}) for label in results.labels}


def _has_folds(results: Results) -> bool:
    return len(results.run.plan["splits"]) > 1
