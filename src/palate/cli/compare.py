"""``palate compare``: several models on the same folds, with intervals and paired tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args

import typer

from palate.cli import common, completion, inputs, together

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from palate.evaluation import Comparison
    from palate.models.contract.base import Recommender


def compare(
    data: common.DataOrParts = None,
    models: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            autocompletion=completion.models,
            help="Such as popularity,baseline,mf; mf:original takes a preset, a .json file a tuned model.",
        ),
    ] = "popularity,baseline,mf",
    split: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.split,
            help=f"Such as time:0.2, last:1, kfold:5:42, rolling:4:0.1; {inputs.DEFAULT_SPLIT} without it.",
        ),
    ] = None,
    train: common.TrainFile = None,
    test: common.TestFile = None,
    on_overlap: common.OnOverlapOption = "raise",
    metrics: common.Metrics = None,
    positive: common.PositiveOption = None,
    allow: common.Allow = None,
    deny: common.Deny = None,
    where: common.WhereOption = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="MODEL.NAME=VALUE", help="A parameter of one of the models; may be repeated."),
    ] = None,
    groups: Annotated[
        str | None, typer.Option(metavar="COLUMNS", help="Columns of the user table to look at users by.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results; the same command goes on where it was stopped.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Runs side by side; all cores without it, 1 for times without noise.")
    ] = None,
    paired_test: Annotated[together.PairedTest, typer.Option(help="The paired test; formerly --test.")] = "permutation",
    across: Annotated[Literal["users", "folds"], typer.Option(help="What the test is across.")] = "users",
    seed: Annotated[int, typer.Option(min=0, help="Seed of models without one, of intervals and tests.")] = 42,
    attributes: common.Attributes = None,
    items: common.ItemsOption = None,
    users: common.UsersOption = None,
    read: common.Read = None,
    as_json: common.Json = False,
) -> None:
    """Compare models on the same folds: means with intervals, paired tests in words, times and memory.

    [dim]palate compare ml-100k --models popularity,baseline,mf --split time:0.2 --metrics rmse,ndcg@10,recall@20[/]
    """
    from palate.evaluation import compare as compare_all
    from palate.evaluation.comparing import default_for
    from palate.evaluation.gathering import GROUPS
    from palate.parallel import check_threads

    if train is None and str(test) in get_args(together.PairedTest):  # as --paired-test was called
        paired_test, test = cast("together.PairedTest", str(test)), None
    named = {label: inputs.with_positive(model, positive) for label, model in _models(models, set_).items()}
    tables, catalogue = inputs.Tables(items, users, read), {"allow": allow, "deny": deny, "where": where}
    if len(named) == 1 and (paired_test, across) != ("permutation", "users"):
        raise common.usage_error("--paired-test and --across are of two models and more: name them, or leave it out")
    dataset, wanted = inputs.data_and_split(data, train, test, split, on_overlap, tables, list(named.values()))
    models_ = list(named.values())
    asked = common.names(metrics) or default_for(models_, dataset.interactions)
    together.check_metrics_use(models_, asked, positive=positive, part=catalogue)
    if groups is None and not set(GROUPS) & set(dataset.users.columns):
        together.check_users_use(models_, attributes, users is not None, more="; or --groups looks at people by it")
    options: dict[str, Any] = {"positive": positive, "groups": common.names(groups), "out": out, "random_state": seed}
    options |= {"n_processes": processes or check_threads(None)}
    options["words"] = inputs.words_of(data, train, test, on_overlap, tables)
    options["attributes"] = attributes
    options |= inputs.part_of_catalogue(dataset.interactions.items, **catalogue)
    try:
        with common.live_progress() as progress:
            comparison = compare_all(named, dataset, wanted, asked, progress=progress, **options)
    except KeyboardInterrupt:
        kept = f"finished runs are kept in {out}, the same command goes on" if out else "with --out runs are kept"
        raise common.Stopped(f"stopped; {kept}") from None
    tests = comparison.tests(test=paired_test, across=across)
    if as_json:
        common.emit(_record(comparison, tests, out))
    else:
        stdout = common.console()
        show(comparison, tests, f"{paired_test} test across {across}", stdout)
        if groups is not None:
            _show_groups(comparison, stdout)
        if out is not None:
            common.show_next(stdout, "report", out, done=f"results are in {out}/")
    if comparison.failures:
        raise typer.Exit(1)


def _models(text: str, words: list[str] | None) -> dict[str, Recommender]:
    """Return {label: unfitted model}; a label is what stands on the command line."""
    labels = common.names(text) or []
    if len(set(labels)) < len(labels) or "" in labels:
        raise common.usage_error(f"--models takes names with commas, each once, got '{text}'")
    own: dict[str, list[str]] = {label: [] for label in labels}
    for word in words or ():
        label = next((known for known in labels if word.startswith(f"{known}.")), None)
        if label is None:
            raise common.usage_error(
                f"--set takes MODEL.NAME=VALUE here, MODEL one of {', '.join(labels)}, got '{word}'"
            )
        own[label].append(word.removeprefix(f"{label}."))
    out = {}
    for label in labels:
        key, _, preset = label.partition(":")
        out[label] = inputs.new_model(key, preset or None, own[label])
    return out


def _record(comparison: Comparison, tests: pl.DataFrame, out: Path | None) -> dict[str, Any]:
    return {
        "table": comparison.table().to_dicts(),
        "tests": tests.to_dicts(),
        "groups": comparison.groups.to_dicts(),
        "warnings": comparison.warnings,
        "skipped": _skipped(comparison),
        "failures": comparison.failures,
        "out": None if out is None else str(out),
        "plan": comparison.plan,
    }


def _skipped(comparison: Comparison) -> dict[str, dict[str, str]]:
    """Return {model: {metric: why}} of what was asked for and is not to be had."""
    of = ((label, comparison.details.get(label, {}).get("skipped", {})) for label in comparison.labels)
    asked = comparison.plan["metrics"]
    return {label: known for label, why in of if (known := {name: why[name] for name in asked if name in why})}


def show(comparison: Comparison, tests: pl.DataFrame, test: str, stdout: Console) -> None:
    """Print a comparison: a table a metric, costs, verdicts, notes and the commands that repeat it."""
    from palate.cli.draw import table

    rows = comparison.table()
    stdout.print(_sizes(comparison))
    for metric in comparison.plan["metrics"]:
        stdout.print(_of_metric(metric, rows.filter(metric=metric)))
    costs = table("Cost", [("", "left"), *((name, "right") for name in ("fit s", "score s", "peak MB"))])
    of = {row["model"]: row for row in rows.to_dicts()}
    for row in (of[label] for label in comparison.labels if label in of):
        peak = "-" if row["peak_mb"] is None else f"{row['peak_mb']:,.0f}"
        costs.add_row(row["model"], f"{row['fit_seconds']:.2f}", f"{row['score_seconds']:.2f}", peak)
    stdout.print(costs)
    if len(tests):
        stdout.print(_differences(tests, test))
    _notes(comparison, stdout)
    stdout.print("To repeat a row", style="bold")
    for label in comparison.labels:
        if label in of:
            stdout.print(f"  {of[label]['command']}", soft_wrap=True)


def _show_groups(comparison: Comparison, stdout: Console) -> None:
    """Print a table a grouping and metric: each group's models with intervals."""
    from palate.cli.draw import table

    groups = comparison.groups
    columns = [("", "left"), ("", "left"), *((name, "right") for name in ("mean", "95 % interval", "users"))]
    for grouping in groups["grouping"].unique(maintain_order=True):
        for metric in (m for m in comparison.plan["metrics"] if m in groups["metric"]):
            made = table(f"{metric} by {grouping}", columns)
            last = None
            for row in groups.filter(grouping=grouping, metric=metric).sort("place", maintain_order=True).to_dicts():
                name = "" if row["group"] == last else row["group"]
                last = row["group"]
                made.add_row(name, row["model"], _four(row["mean"]), _interval(row), f"{row['n']:,}")
            stdout.print(made)


def _sizes(comparison: Comparison) -> str:
    folds = comparison.plan["splits"]
    more = f"{len(folds)} folds; the first: " if len(folds) > 1 else ""
    part = comparison.plan.get("part")
    listed = (
        f"; lists are drawn from {part['n_items']:,} of {comparison.plan['data']['n_items']:,} items" if part else ""
    )
    return f"{comparison.plan['data']['name']}, {comparison.plan['split']}: {more}{folds[0]['says']}{listed}"


def _of_metric(metric: str, rows: pl.DataFrame) -> Any:
    """Return the table of one metric."""
    from palate.cli.draw import table

    popular = any(rows["n_popular"].fill_null(0))
    columns = ("mean", "95 % interval", "worst tenth", *(["of the others"] if popular else []), "users")
    made = table(metric, [("", "left"), *((name, "right") for name in columns)])
    for row in rows.to_dicts():
        others = [_four(row["mean_of_others"] if row["n_popular"] else row["mean"])] if popular else []
        figures = (_four(row["mean"]), _interval(row), _four(row["worst_tenth"]), *others)
        made.add_row(row["model"], *figures, _users(row))
    return made


def _four(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.4f}"


def _interval(row: Mapping[str, Any]) -> str:
    return "-" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}"


def _users(row: Mapping[str, Any]) -> str:
    if row["n_users"] is None:
        return "-"
    more = [(row["n_without_list"], "without a list"), (row["n_left_out"], "left out")]
    return "; ".join([f"{row['n_users']:,}", *(f"{n:,} {what}" for n, what in more if n)])


def _differences(tests: pl.DataFrame, test: str) -> Any:
    """Return the table of verdicts: how sure, and how large against the spread of users."""
    from palate.cli.draw import table

    title = f"Differences: {test}, 95 % intervals, p corrected by Holm"
    made = table(title, [("", "left"), ("p", "right"), ("effect", "right")])
    for row in tests.to_dicts():
        effect = "-" if row["effect"] is None else f"{abs(row['effect']):.2f}"
        made.add_row(row["verdict"], f"{row['p_holm']:.4f}", effect)
    return made


def _notes(comparison: Comparison, stdout: Console) -> None:
    for line in _lines(comparison):
        stdout.print(line)


def _popular(rows: pl.DataFrame) -> Iterator[str]:
    """Yield how many were given the popular list by each model."""
    seen = set()
    for row in rows.to_dicts():
        if row["n_popular"] and row["model"] not in seen:
            seen.add(row["model"])
            yield (
                f"{row['model']} knows nothing of {row['n_popular']:,} of {row['n_users']:,} users and gave them the "
                "popular list; the column 'of the others' is without them"
            )


def _lines(comparison: Comparison) -> Iterator[str]:
    labels: dict[str, list[str]] = {}
    for label, why in _skipped(comparison).items():
        for reason in why.values():
            labels.setdefault(reason, []).append(label)
    for reason, those in labels.items():
        yield f"not measured of {', '.join(those)}: {reason}"
    yield from _popular(comparison.table())
    for text in comparison.warnings:
        yield f"warning: {text}"
    for failure in comparison.failures:
        yield f"failed: {failure['model']}, fold {failure['fold'] + 1}: {failure['error']}"
