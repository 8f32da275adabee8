"""Sections of figures asked for: the data, the comparison, and what lies beyond accuracy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from palate import plots
from palate.evaluation.findings import is_unsure, ranked
from palate.markup import Html, TableColumn, bdi, code, element, join, pairs, paragraph, table
from palate.metrics import label_of, named
from palate.plots import alt
from palate.plots.house import MOST_TOGETHER
from palate.plots.of_comparison import paired
from palate.report.drawing import Picture, pictures
from palate.report.results import Results, interval, number

MOST_TESTS, MOST_FOLDED = 10, 100  # pairs shown, and pairs folded away


def the_data(results: Results) -> Html:
    """Return what the data card says, with its figures, and how it was split."""
    card = results.card
    drawn = [Picture(plots.card_values(card), alt.card_values(card))] if len(card.histogram) > 1 else []
    how = "Lines go from the fewest to the most, bars over the middle half, marks are medians."
    drawn.append(Picture(plots.card_spread(card), alt.card_spread(card), how))
    top = table(
        "Most rated",
        [TableColumn("Title"), TableColumn("Ratings", True), TableColumn("Mean value", True)],
        ((bdi(title), f"{count:,}", f"{mean:.2f}") for title, count, mean in card.top),
    )
    splits = [f"{part['name']}: {part['says']}" for part in results.run.plan["splits"]]
    notes = [
        note for note in card.notes if not note.startswith("read from ")
    ]  # whose folder it was is no reader's affair
    return join(
        [
            pairs(((name.capitalize(), value) for name, value in card.facts()), class_="tiles"),
            pictures(*drawn, prefix="data"),
            top,
            element("h3", "How it was split"),
            element("ul", *(element("li", text) for text in splits)),
            element("h3", "Notes") if notes else None,
            element("ul", *(element("li", note) for note in notes)) if notes else None,
        ]
    )


def the_comparison(results: Results) -> Html:
    """Return a figure, a table and the tests of each metric; then what the models cost, and what was warned of."""
    parts: list[Html | None] = [
        paragraph(
            "Intervals are 95 % bootstrap intervals over users: what another draw of users like these would give. "
            "Tests compare two models on the same users; p-values are corrected for the number of tests (Holm)."
        )
    ]
    for place, metric in enumerate(results.metrics):
        parts += [element("h3", label_of(metric)), paragraph(_meaning(metric), class_="meaning")]
        figure = plots.comparison(results.table, metric)
        figure.axes[0].set_title("", loc="left")  # the heading says it
        words = alt.comparison(results.table, metric)._replace(finding=results.finding(metric))
        parts.append(pictures(Picture(figure, words, "Dots with their intervals."), prefix=f"metric-{place}"))
        parts.append(_values(results, metric))
        parts.append(_tests(results, metric))
    return join([*parts, element("h3", "Time and memory"), _costs(results), _warnings(results)])


def _meaning(metric: str) -> str:
    sentences = (named(metric).metric.meaning, named(metric).metric.sense)
    return " ".join(f"{text[0].upper()}{text[1:]}." for text in sentences if text)


def _values(results: Results, metric: str) -> Html:
    rows = ranked(results.table, metric).to_dicts()
    columns = [TableColumn("Model"), TableColumn(label_of(metric), True)]
    cells = [[bdi(row["model"]), f"{row['mean']:.4f}"] for row in rows]
    optional: tuple[tuple[str, str, Callable[[dict[str, Any]], str]], ...] = (
        ("low", "95 % interval", interval),
        ("worst_tenth", "Worst tenth of users", lambda row: number(row["worst_tenth"], 4)),
        ("n_users", "Users", lambda row: number(row["n_users"])),
        ("n_without_list", "Without a list", lambda row: number(row["n_without_list"])),
        ("n_left_out", "Left out", lambda row: number(row["n_left_out"])),
    )
    per_user = any(row["worst_tenth"] is not None for row in rows)
    for name, heading, show in optional:
        if any(row[name] is not None for row in rows) and (per_user or name == "low"):
            columns.append(TableColumn(heading, True))
            for row, cell in zip(rows, cells, strict=True):
                cell.append(show(row))
    if any(row["n_popular"] for row in rows):
        columns += [TableColumn("Given the popular list", True), TableColumn("Of the others", True)]
        for row, cell in zip(rows, cells, strict=True):
            others = row["mean_of_others"] if row["n_popular"] else row["mean"]
            cell += [number(row["n_popular"]), number(others, 4)]
    note = "; left out are users with nothing to measure" if len(columns) > 3 else ""
    return table(f"{label_of(metric)} of each model{note}", columns, cells)


def _tests(results: Results, metric: str) -> Html | None:
    """Return the tests; where they are many, those of the best model, and the others folded away."""
    rows = results.tests.filter(pl.col("metric") == metric).to_dicts()
    if not rows:
        return None
    if len(rows) <= MOST_TESTS:
        return _table_of_tests(f"Paired tests of {label_of(metric)}", rows)
    best = results.best(metric)["model"]
    first = [row for row in rows if best in (row["model"], row["other"])]
    made = _table_of_tests(f"Paired tests of {label_of(metric)}: {best} against each other model", first)
    if len(rows) > MOST_FOLDED:
        return join([made, paragraph(f"All {len(rows):,} pairs: palate.evaluation.Comparison.open(RUN).tests()")])
    every = _table_of_tests(f"Paired tests of {label_of(metric)}: all pairs", rows)
    return join([made, element("details", element("summary", f"All {len(rows)} pairs"), every)])


def _table_of_tests(caption: str, rows: Sequence[Mapping[str, Any]]) -> Html:
    numbers = (TableColumn(h, True) for h in ("Difference", "95 % interval", "p", "p, Holm", "Effect size"))
    cells = (
        [
            join([bdi(row["model"]), " against ", bdi(row["other"])]),
            f"{row['difference']:+.4f}",
            f"{row['low']:+.4f} to {row['high']:+.4f}",
            _p(row["p"]),
            _p(row["p_holm"]),
            number(row["effect"], 2) if abs(row["effect"] or 0) < 100 else f"{row['effect']:.1e}",
            _verdict(row),
        ]
        for row in rows
    )
    return table(caption, [TableColumn("Pair"), *numbers, TableColumn("Verdict")], cells)


def _verdict(row: Mapping[str, Any]) -> Html:
    if is_unsure(row["verdict"]):
        return element("span", "no significant difference")
    first_is_better = named(row["metric"]).metric.is_better(row["difference"], 0.0)
    return element("strong", bdi(row["model"] if first_is_better else row["other"]), " is better")


def _costs(results: Results) -> Html:
    first = {row["model"]: row for row in reversed(results.table.to_dicts())}
    rows = [first[label] for label in results.labels]
    columns = [TableColumn("Model"), TableColumn("Training, s", True), TableColumn("Measuring, s", True)]
    cells = [[bdi(r["model"]), number(r["fit_seconds"], 2), number(r["score_seconds"], 2)] for r in rows]
    if any(row["peak_mb"] is not None for row in rows):
        columns.append(TableColumn("Most memory, MB", True))
        for row, cell in zip(rows, cells, strict=True):
            cell.append(number(row["peak_mb"], 0))
    folds = ", mean over folds" if len(results.run.plan["splits"]) > 1 else ""
    return table(f"What each model took{folds}", columns, cells)


def _warnings(results: Results) -> Html:
    run = results.run
    warnings = [
        f"{failure['model']}, fold {failure['fold'] + 1}, gave no result: {failure['error']}"
        for failure in run.failures
    ]
    warnings += run.warnings
    skipped = {
        label: ", ".join(
            label_of(metric) for metric in run.details[label].get("skipped", ()) if metric in run.plan["metrics"]
        )
        for label in run.labels
        if label in run.details
    }
    warnings += [f"{label} has no {metrics}, and is left out there" for label, metrics in skipped.items() if metrics]
    if not warnings:
        return paragraph("Nothing was warned of on the way.")
    return join(
        [element("h3", "Warnings"), element("ul", *(element("li", text) for text in warnings), class_="warnings")]
    )


def trade_offs(results: Results) -> Html:
    """Return accuracy against novelty and coverage, and a table of what lists look like."""
    beside = results.beside
    if not results.ranking or not beside:
        why = paragraph("No metric of ranked lists was asked for, so there is nothing to weigh against accuracy. Run")
        return join([why, code(results.command([*results.run.plan["metrics"], "ndcg@10"]))])
    accuracy = results.ranking[0]
    drawn = []
    for beyond in beside[:2]:
        if _has_both(results, accuracy, beyond):
            words = alt.trade_off(results.everything, accuracy, beyond)
            how = f"Filled marks: no other model is better in both. {label_of(beyond)}: {named(beyond).metric.meaning}."
            is_wide = len(paired(results.everything, accuracy, beyond)) > MOST_TOGETHER
            drawn.append(Picture(plots.trade_off(results.everything, accuracy, beyond), words, how, is_wide))
    known = {(row["model"], row["metric"]): row["mean"] for row in results.everything.iter_rows(named=True)}
    asked = [accuracy, *beside]
    rows = [
        [bdi(label), *(number(known.get((label, metric)), 4) for metric in asked)]
        for label in results.labels
        if any((label, metric) in known for metric in asked)
    ]
    terms = pairs(((label_of(metric), f"{named(metric).metric.meaning}.") for metric in beside), class_="terms")
    columns = [TableColumn("Model"), *(TableColumn(label_of(metric), True) for metric in asked)]
    return join([pictures(*drawn, prefix="trade"), table("Accuracy and what lies beyond it", columns, rows), terms])


def _has_both(results: Results, accuracy: str, beyond: str) -> bool:
    of = [set(ranked(results.everything, metric)["model"]) for metric in (accuracy, beyond)]
    return bool(of[0] & of[1]) and not paired(results.everything, accuracy, beyond).is_empty()


def _p(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.3f}"
