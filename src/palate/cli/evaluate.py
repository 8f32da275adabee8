"""``palate evaluate``: fit on the training part, measure on the test part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import common, inputs

if TYPE_CHECKING:
    from palate.evaluation import Evaluation

DEFAULT_SPLIT = "random:0.2:42"


def evaluate(
    data: Annotated[str | None, typer.Argument(help="ml-100k, a file of ratings, or a MovieLens folder.")] = None,
    model: common.ModelKey = "mf",
    preset: common.Preset = None,
    set_: common.Set = None,
    split: Annotated[
        str | None, typer.Option(help=f"Such as time:0.2, last:1, kfold:5:42, official:u1; {DEFAULT_SPLIT} without it.")
    ] = None,
    train: Annotated[
        Path | None, typer.Option("--train", help="Training ratings, instead of DATA and --split.")
    ] = None,
    test: Annotated[Path | None, typer.Option("--test", help="Test ratings, with --train.")] = None,
    stop_on: Annotated[
        Literal["validation", "test"],
        typer.Option(help="What chooses the epoch: validation (part of the training data) or test (optimistic)."),
    ] = "validation",
    items: common.Items = None,
    users: common.Users = None,
    read: common.Read = None,
    as_json: common.Json = False,
) -> None:
    """Fit a model on a training part and measure it on a test part.

    [dim]palate evaluate ml-100k --model mf --preset original --stop-on test --split random:0.2:42[/]
    """
    given = [x is not None for x in (train, test)]
    if (data is not None and any(given)) or (data is None and not all(given)):
        raise common.usage_error("take DATA (with --split), or both --train FILE and --test FILE")
    if all(given) and split is not None:
        raise common.usage_error("--train and --test are a split already: leave out --split")
    learner = inputs.new_model(model, preset, set_)
    from palate.evaluation import evaluate as evaluate_one
    from palate.evaluation import evaluate_splits

    with common.live_progress() as progress:
        options: dict[str, Any] = {"stop_on": stop_on, "progress": progress}
        if train is not None and test is not None:
            parts, table = inputs.train_and_test(train, test, read, items, users)
            results = [evaluate_one(learner, *parts, name=f"{train} / {test}", items=table, **options)]
        else:
            wanted = (split or DEFAULT_SPLIT).strip()
            source = inputs.dataset(str(data), read, items, users, all_rows=wanted.startswith("official"))
            results = evaluate_splits(learner, source.interactions, wanted, items=source.items, **options)
    if as_json:
        common.emit(_record(results, split or DEFAULT_SPLIT))
    else:
        _show(results)


def _record(results: list[Evaluation], split: str) -> dict[str, Any]:
    """Return the one evaluation, or the mean over folds with the folds beside it."""
    from palate.evaluation import mean_metrics

    first = results[0].to_dict()
    if len(results) == 1:
        return first
    folds = [r.to_dict() for r in results]
    seconds = {k: sum(r.seconds[k] for r in results) for k in first["seconds"]}
    return {**first, "split": split, "metrics": mean_metrics(results), "seconds": seconds, "folds": folds}


def _show(results: list[Evaluation]) -> None:
    from palate.cli.draw import metrics
    from palate.evaluation import mean_metrics

    rows: list[tuple[str, dict[str, Any]]] = [
        (r.split, {**r.metrics, "epochs": r.fitted.best_epoch_, "fit s": f"{r.seconds['fit']:.2f}"}) for r in results
    ]
    if len(results) > 1:
        rows.append(("mean", {**mean_metrics(results), "epochs": "", "fit s": ""}))
    stdout = common.console()
    first = results[0]
    stdout.print(metrics(rows, f"{first.fitted!r}, seed {first.fitted.seed_}"))
    stdout.print(f"trained on {first.n_train:,} ratings, measured on {first.n_test:,}")
    stdout.print(f"epoch chosen on {first.epoch_chosen_on}")
    if first.epoch_chosen_on == "test":
        stdout.print("[yellow]The epoch was chosen on the test part, so these figures are optimistic.[/]")
