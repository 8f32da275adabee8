"""``palate evaluate``: fit on the training part, measure on the test part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import common, completion, inputs

if TYPE_CHECKING:
    from palate.data.dataset import Dataset
    from palate.data.splits.split import Split
    from palate.evaluation import Evaluation
    from palate.metrics import Summary

DEFAULT_SPLIT = "random:0.2:42"


def evaluate(
    data: Annotated[str | None, typer.Argument(help="ml-100k, a file of ratings, or a MovieLens folder.")] = None,
    model: common.ModelKey = "mf",
    preset: common.Preset = None,
    set_: common.SetOption = None,
    split: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.split,
            help=f"Such as time:0.2, last:1, kfold:5:42, official:u1; {DEFAULT_SPLIT} without it.",
        ),
    ] = None,
    train: Annotated[
        Path | None, typer.Option("--train", help="Training ratings, instead of DATA and --split.")
    ] = None,
    test: Annotated[Path | None, typer.Option("--test", help="Test ratings, with --train.")] = None,
    stop_on: Annotated[
        Literal["validation", "test"],
        typer.Option(help="What chooses the epoch: validation (part of the training data) or test (optimistic)."),
    ] = "validation",
    metrics: common.Metrics = None,
    positive: common.PositiveOption = None,
    allow: common.Allow = None,
    deny: common.Deny = None,
    where: common.WhereOption = None,
    on_overlap: Annotated[
        Literal["raise", "drop"],
        typer.Option(help="Where test rows are also training rows: an error, or leave them out and say how many."),
    ] = "raise",
    fold: Annotated[int | None, typer.Option(min=1, help="Only this fold or window of the split, from 1.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Keep the model that was measured, in this file (one fold only).")
    ] = None,
    attributes: common.AttributesOnceFeatures = None,
    items: common.ItemsOption = None,
    users: common.UsersOption = None,
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
    if all(given) and fold is not None:
        raise common.usage_error("--train and --test have no folds: leave out --fold")
    if out is not None:
        common.check_writable(out)
    learner = inputs.with_positive(inputs.new_model(model, preset, set_), positive)
    from palate.evaluation import evaluate as evaluate_one
    from palate.evaluation import evaluate_splits

    with common.live_progress() as progress:
        options: dict[str, Any] = {"stop_on": stop_on, "positive": positive, "progress": progress}
        options["on_overlap"] = on_overlap
        options |= {"metrics": common.names(metrics), "attributes": attributes}
        if train is not None and test is not None:
            parts = inputs.train_and_test(train, test, read, items, users)
            options |= inputs.part_of_catalogue(parts[0].interactions.items, allow, deny, where)
            results = [evaluate_one(learner, *parts, name=f"{train} / {test}", **options)]
        else:
            wanted = (split or DEFAULT_SPLIT).strip()
            dataset = inputs.dataset(str(data), read, items, users, all_rows=inputs.all_rows(wanted))
            splits = _folds(dataset, wanted, fold)
            if out is not None and len(splits) > 1:
                raise common.usage_error(
                    f"--out keeps one model, and {wanted} fits {len(splits)}: choose one with --fold"
                )
            options |= inputs.part_of_catalogue(dataset.interactions.items, allow, deny, where)
            results = evaluate_splits(learner, dataset, splits, **options)
    if out is not None:
        from palate import files

        files.save(results[0].fitted, out)
    if as_json:
        common.emit({**_record(results, split or DEFAULT_SPLIT), **({} if out is None else {"out": str(out)})})
        return
    _show(results)
    if out is not None:
        common.console().print(f"the model is in {out}, fitted on the training part alone")


def _folds(data: Dataset, text: str, fold: int | None) -> Sequence[Split]:
    """Return the split's folds, or the one of that number."""
    from palate.data.splits.making import make_splits
    from palate.errors import ParameterError

    folds = make_splits(data, text)
    if fold is not None and fold > len(folds):
        raise ParameterError(
            f"the split {text} has {len(folds)} parts: --fold takes 1 to {len(folds)}, got {fold}",
            code="split",
            value=fold,
            subject="fold",
        )
    return folds if fold is None else [folds[fold - 1]]


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

    first = results[0]
    has_epochs = bool(first.history)
    rows: list[tuple[str, dict[str, Any]]] = [
        (r.split, {**r.metrics, **({"epochs": r.fitted.best_epoch_} if has_epochs else {}), **_seconds(r)})
        for r in results
    ]
    if len(results) > 1:
        rows.append(("mean", {**dict.fromkeys(rows[0][1], ""), **mean_metrics(results)}))
    stdout = common.console()
    seed = getattr(first.fitted, "seed_", None)
    stdout.print(metrics(rows, f"{first.fitted!r}" + (f", seed {seed}" if seed is not None else "")))
    for line in _people(results):
        stdout.print(line)
    stdout.print(f"trained on {first.n_train:,} ratings, measured on {first.n_test:,}{_newcomers(first)}")
    if first.n_listed < len(first.fitted.items_):
        stdout.print(f"lists are drawn from {first.n_listed:,} of {len(first.fitted.items_):,} items")
    if has_epochs:
        stdout.print(f"epoch chosen on {first.epoch_chosen_on}")
    if getattr(first.fitted, "time_effects", None):
        stdout.print("with time: predictions know when each test rating was given; compare them with none that do not")
    if first.epoch_chosen_on == "test":
        stdout.print("The epoch was chosen on the test part, so these figures are optimistic.", style="yellow")


def _seconds(result: Evaluation) -> dict[str, str]:
    return {"fit s": f"{result.seconds['fit']:.2f}"}


def _newcomers(result: Evaluation) -> str:
    """Return how many people and items of the test part have no row in training, in words."""
    of = result.without_training
    new = [f"{of[name]:,} {name if of[name] > 1 else name[:-1]}" for name in ("users", "items") if of[name]]
    if not new:
        return ""
    rows = f"{of['test_rows']:,} test row{'s' if of['test_rows'] > 1 else ''}"
    have = "has" if of["users"] + of["items"] == 1 else "have"
    return f"; {' and '.join(new)} of the test part {have} no training row ({rows})"


def _people(results: list[Evaluation]) -> Iterator[str]:
    """Yield, for a single split, how the worst-served users fare, and who is no part of a mean."""
    if len(results) > 1:
        return
    summaries = results[0].summaries
    worst = ", ".join(f"{name} {s.worst_tenth:.4f}" for name, s in summaries.items() if s.worst_tenth == s.worst_tenth)
    if worst:
        yield f"worst tenth of users: {worst}"
    for name, summary in summaries.items():
        if summary.n_without_list or summary.n_left_out:
            none = f"{summary.n_without_list:,} of them without a list (counted as zero)"
            yield f"{name}: {summary.n_users:,} users, {none}; {summary.n_left_out:,} more have nothing to measure"
    yield from _popular(summaries)


def _popular(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Yield how many were given the popular list, and the figures of the others."""
    some = {name: summary for name, summary in summaries.items() if summary.n_popular}
    for n_popular, n_users in dict.fromkeys((s.n_popular, s.n_users) for s in some.values()):
        same = {name: s for name, s in some.items() if (s.n_popular, s.n_users) == (n_popular, n_users)}
        others = ", ".join(f"{n} {s.mean_of_others:.4f}" for n, s in same.items() if s.mean_of_others is not None)
        yield (
            f"{n_popular:,} of {n_users:,} users were given the popular list, as the model knows nothing of them; "
            + (f"the others: {others}" if others else "there are no others")
        )
