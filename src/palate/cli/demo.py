"""``palate demo``: all of Palate on MovieLens 100K, from the data to recommendations, a comparison and its report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palate.cli import common, inputs
from palate.terminal import command

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from palate.data.dataset import Dataset
    from palate.data.interactions import Interactions
    from palate.evaluation import Comparison, Evaluation
    from palate.models.contract.base import Recommender

FAST_ROWS = 20_000
SPLIT = "time:0.2"  # the past predicts the future, as in use
METRICS = ("rmse", "ndcg@10", "recall@20")


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the model and the figures.")] = Path("out"),
    fast: Annotated[bool, typer.Option("--fast", help="A part of the data and no figures; for tests.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 42,
    as_json: common.Json = False,
) -> None:
    """Show the whole of Palate on real data: card, training, results, recommendations, figures, comparison, report."""
    from palate import reproduction as original
    from palate.data.splits.making import make_splits

    stdout = common.console(stderr=as_json)
    source = inputs.dataset("ml-100k")
    if fast:
        source = _part(source)
    _card(source, stdout)
    parts = make_splits(source.interactions, original.SPLIT)[0].apply(source.interactions)
    _rule("2  The original system, and what changes it", stdout)
    with common.live_progress() as progress:
        steps = original.run_steps(*parts, seed, items=source.items, progress=progress)
    if not fast:
        _curve(steps[0][1], stdout)
    _results(steps, stdout)
    model = _final(source, seed, stdout)
    _top(steps[0][1].fitted, model, parts[1], stdout)
    paths = _write(source, steps[0][1], model, out, figures=not fast)
    comparison = _compare(source, seed, stdout, out, report=not fast)
    _next(paths, stdout)
    report = out / "report.html"
    if not fast:
        stdout.print(f"\nThe report: {report}, one file for any browser")
    if as_json:
        results = {label: result.metrics for label, result in steps}
        files = [str(p) for p in [*paths, *([] if fast else [report])]]
        common.emit({"results": results, "comparison": comparison, "seed": seed, "files": files})


def _rule(heading: str, stdout: Console) -> None:
    from rich.text import Text

    stdout.rule(Text(heading, style="bold"), align="left")


def _part(source: Dataset) -> Dataset:
    import numpy as np

    return replace(source, interactions=source.interactions.take(np.arange(FAST_ROWS)))


def _card(source: Dataset, stdout: Console) -> None:
    from palate.cli.data import show_card
    from palate.data.card import card

    _rule("1  The data", stdout)
    show_card(card(source), stdout)


def _curve(result: Evaluation, stdout: Console) -> None:
    """Print ours beside the published curve."""
    from palate import reproduction as original
    from palate.cli.draw import table

    columns = [
        ("epoch", "right"),
        *((word, "right") for word in ("loss", "published", "unclipped", "published")),
        ("", "left"),
    ]
    made = table("The original's training: loss and unclipped test RMSE, ours and published", columns)
    for r, loss, rmse in zip(result.history, original.LOSS, original.TEST_RMSE, strict=False):
        ours = (f"{r['loss']:.4f}", f"{loss:.4f}", f"{r['validation_rmse_unclipped']:.4f}", f"{rmse:.4f}")
        made.add_row(f"{r['epoch']}", *ours, "best" if r["epoch"] == result.fitted.best_epoch_ else "")
    stdout.print(made)


def _results(steps: list[tuple[str, Evaluation]], stdout: Console) -> None:
    from palate.cli.draw import metrics

    rows = []
    for label, result in steps:
        m = result.metrics
        figures: dict[str, Any] = {"RMSE": m["rmse"], "unclipped": m["rmse_unclipped"], "MAE": m["mae"]}
        rows.append((label, {**figures, "epoch": result.fitted.best_epoch_, "seconds": f"{result.seconds['fit']:.1f}"}))
    first = steps[0][1]
    stdout.print(metrics(rows, f"Test part of {first.split}: {first.n_test:,} ratings"))
    stdout.print("The first line chose its epoch on the test part, as the original did: figures")
    stdout.print("chosen like that are optimistic. The others never saw the test part.\n")


def _final(source: Dataset, seed: int, stdout: Console) -> Recommender:
    from palate import MatrixFactorization

    _rule("3  Recommendations", stdout)
    with common.live_progress() as progress:
        model = MatrixFactorization(random_state=seed)
        return model.fit(source.interactions, items=source.items, progress=progress)


def _top(original: Recommender, model: Recommender, test: Interactions, stdout: Console) -> None:
    """Print ten films for user 1: of the original system, leaving out the test part too, and of today's default."""
    from palate.cli.draw import recommendations

    user = model.users_.values[0]
    stdout.print(
        recommendations(original.recommend(user, exclude=test), f"For user {user}: the original system, raw scores")
    )
    stdout.print(recommendations(model.recommend(user), f"For user {user}: today's default, learned from all ratings"))


def _write(source: Dataset, result: Evaluation, model: Recommender, out: Path, *, figures: bool) -> list[Path]:
    from palate import files

    out.mkdir(parents=True, exist_ok=True)
    paths = [out / "model.safetensors"]
    files.save(model, paths[0])
    if not figures:
        return paths
    from palate import plots
    from palate.plots.house import write_figure

    paths += plots.save_all(source, out)
    for name, figure in (
        ("training", plots.training(model)),
        ("reproduction", plots.reproduction([result.history])),
    ):
        paths.append(out / f"{name}.png")
        write_figure(figure, paths[-1])
    return paths


def _compare(source: Dataset, seed: int, stdout: Console, out: Path, *, report: bool) -> list[dict[str, Any]]:
    """Compare the models on a split by time, write the report, and return the table."""
    from palate.cli.compare import show
    from palate.evaluation import compare
    from palate.models import MODELS
    from palate.parallel import check_threads

    _rule("4  Which model, for what?", stdout)
    ratings, clicks = ("bayes", "mf", "baseline", "popularity"), ("ials", "bpr", "warp", "ease", "knn", "rp3beta")
    models = {key: MODELS[key]() for key in ratings}
    models |= {key: MODELS[key]().set_params(positive="any") for key in clicks}
    options: dict[str, Any] = {"random_state": seed, "words": ["ml-100k"]}
    if report:  # processes of their own tell their memory
        options |= {"n_processes": check_threads(None)}
    with common.live_progress() as progress:
        comparison = compare(models, source, SPLIT, METRICS, progress=progress, **options)
    show(comparison, _neighbours(comparison), "permutation test across users", stdout)
    if report:
        from palate.report import write_report

        write_report(comparison, out / "report.html")
    return comparison.table().to_dicts()


def _neighbours(comparison: Comparison) -> pl.DataFrame:
    """Return the tests of models that stand next to each other in a metric: of ten models there are too many pairs."""
    import polars as pl

    tests, table = comparison.tests(), comparison.table()
    kept = []
    for metric in comparison.plan["metrics"]:
        order = table.filter(metric=metric).sort("mean")["model"].to_list()
        place = pl.col("model").replace_strict(order, range(len(order)), default=None)
        other = pl.col("other").replace_strict(order, range(len(order)), default=None)
        kept.append(tests.filter(pl.col("metric") == metric, (place - other).abs() == 1))
    return pl.concat(kept)


def _next(paths: list[Path], stdout: Console) -> None:
    _rule("5  Next", stdout)
    model = paths[0]
    if len(paths) > 1:
        stdout.print(f"{len(paths) - 1} figures are in {model.parent}{'/'}")
    for line in (
        f"{command('palate', 'serve', model)}   (or make serve: it installs the page first)",
        command("palate", "recommend", model, "--user", 2, "--where", "genres=Comedy"),
        "palate evaluate ml-100k --split official:u1",
        "palate compare ml-100k --split kfold:5:42 --metrics rmse,ndcg@10 --out run",
    ):
        stdout.print(f"  {line}", soft_wrap=True)
