"""``palate evaluate``: fit on the training part, measure on the test part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from palate.cli import common, completion, inputs, together

if TYPE_CHECKING:
    from palate.data.dataset import Dataset
    from palate.data.splits.split import Split
    from palate.evaluation import Evaluation
    from palate.metrics import Summary
    from palate.models.contract.base import Recommender


def evaluate(
    data: common.DataOrParts = None,
    model: common.ModelKey = "mf",
    preset: common.PresetOption = None,
    set_: common.SetOption = None,
    model_file: Annotated[
        Path | None,
        typer.Option(help="Measure this model as train wrote it, in place of fitting one; on --test, or on DATA."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.split,
            help=f"Such as time:0.2, last:1, kfold:5:42, official:u1; {inputs.DEFAULT_SPLIT} without it.",
        ),
    ] = None,
    train: common.TrainFile = None,
    test: Annotated[
        Path | None, typer.Option("--test", help="Test ratings, with --train; or alone, with --model-file.")
    ] = None,
    stop_on: Annotated[
        Literal["validation", "test"],
        typer.Option(help="What chooses the epoch: validation (part of the training data) or test (optimistic)."),
    ] = "validation",
    metrics: common.Metrics = None,
    positive: common.PositiveOption = None,
    allow: common.Allow = None,
    deny: common.Deny = None,
    where: common.WhereOption = None,
    on_overlap: common.OnOverlapOption = "raise",
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
    """Fit a model on a training part and measure it on a test part; or measure a model file.

    [dim]palate evaluate ml-100k --model mf --preset original --stop-on test --split random:0.2:42[/]

    [dim]palate evaluate --model-file model.safetensors --test test.csv[/]
    """
    from palate.evaluation.result import default_metrics

    tables = inputs.Tables(items, users, read)
    catalogue = {"allow": allow, "deny": deny, "where": where}
    options: dict[str, Any] = {"metrics": common.names(metrics), "positive": positive}
    if model_file is not None:
        source = _Source(data, train, test, split, fold)
        results = [_measured(model_file, source, tables, catalogue, {**options, "on_overlap": on_overlap})]
    else:
        if out is not None:
            common.check_writable(out)
        learner = inputs.with_positive(inputs.new_model(model, preset, set_), positive)
        together.check_stop_on(learner, stop_on)
        together.check_users_use([learner], attributes, users is not None)
        dataset, wanted = inputs.data_and_split(data, train, test, split, on_overlap, tables, [learner])
        names = options["metrics"] or default_metrics(learner, dataset.interactions)
        together.check_metrics_use([learner], names, positive=positive, part=catalogue)
        options |= {"stop_on": stop_on, "attributes": attributes}
        results = _fitted(learner, dataset, _folds(dataset, wanted, fold), out, catalogue, options)
    if as_json:
        common.emit({**_record(results, split or inputs.DEFAULT_SPLIT), **({} if out is None else {"out": str(out)})})
        return
    _show(results)
    if out is not None:
        common.console().print(f"the model is in {out}, fitted on the training part alone")


class _Source(NamedTuple):
    """Where the test rows of a model file come from: --test, or the test part of DATA."""

    data: str | None
    train: Path | None
    test: Path | None
    split: str | None
    fold: int | None


def _measured(
    path: Path, source: _Source, tables: inputs.Tables, catalogue: Mapping[str, Any], options: dict[str, Any]
) -> Evaluation:
    """Return what a model file is worth on the test rows named."""
    from palate import files
    from palate.evaluation.fitted import evaluate_fitted
    from palate.evaluation.result import default_metrics

    fitted = files.load(path)
    train, test = _parts_for(fitted, source, tables)
    names = options["metrics"] or default_metrics(fitted, (train or test).interactions)
    together.check_metrics_use([fitted], names, positive=options["positive"], part=catalogue)
    options |= inputs.part_of_catalogue(fitted.items_, **catalogue)
    items = test.items if tables.items is not None else None
    return evaluate_fitted(fitted, test, train, items=items, name=test.name, **options)


def _parts_for(fitted: Recommender, source: _Source, tables: inputs.Tables) -> tuple[Dataset | None, Dataset]:
    """Return the training part, where the model does not keep it, and the test part."""
    from palate.data.sources.loading import load_dataset

    options = inputs.read_options(tables.read)
    if source.test is not None:
        test = replace(load_dataset(source.test, items=tables.items, **options), name=str(source.test))
        return None if source.train is None else load_dataset(source.train, **options), test
    if source.data is None:
        raise common.usage_error("--model-file is measured on --test FILE, or on DATA with the --split of its fit")
    dataset, wanted = inputs.data_and_split(source.data, None, None, source.split, "raise", tables, [fitted])
    folds = _folds(dataset, wanted, source.fold)
    if len(folds) > 1:
        raise common.usage_error(f"--model-file is one model, and {wanted} has {len(folds)}: choose one with --fold")
    train, test = folds[0].apply(dataset)
    return None if fitted.seen_ is not None else train, replace(test, name=folds[0].name)


def _fitted(
    learner: Recommender,
    dataset: Dataset,
    splits: Sequence[Split],
    out: Path | None,
    catalogue: Mapping[str, Any],
    options: dict[str, Any],
) -> list[Evaluation]:
    """Return the evaluations of a model on these splits; keep the model of the one, where it is asked for."""
    from palate import files
    from palate.evaluation import evaluate_splits

    if out is not None and len(splits) > 1:
        raise common.usage_error(
            f"--out keeps one model, and {splits[0].family} fits {len(splits)}: choose one with --fold"
        )
    options |= inputs.part_of_catalogue(dataset.interactions.items, **catalogue)
    with common.live_progress() as progress:
        results = evaluate_splits(learner, dataset, splits, progress=progress, **options)
    if out is not None:
        files.save(results[0].fitted, out)
    return results


def _folds(data: Dataset, wanted: str | Split, fold: int | None) -> Sequence[Split]:
    """Return the split's folds, or the one of that number."""
    from palate.data.splits.making import make_splits
    from palate.errors import ParameterError

    if not isinstance(wanted, str):
        return [wanted]
    folds = make_splits(data, wanted)
    if fold is not None and fold > len(folds):
        raise ParameterError(
            f"the split {wanted} has {len(folds)} parts: --fold takes 1 to {len(folds)}, got {fold}",
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
    for line in (*_left_out(first), *_relevant(first)):
        stdout.print(line)
    if first.n_listed < len(first.fitted.items_):
        stdout.print(f"lists are drawn from {first.n_listed:,} of {len(first.fitted.items_):,} items")
    if has_epochs:
        stdout.print(f"epoch chosen on {first.epoch_chosen_on}")
    if getattr(first.fitted, "time_effects", None):
        stdout.print("with time: predictions know when each test rating was given; compare them with none that do not")
    if first.epoch_chosen_on == "test":
        stdout.print("The epoch was chosen on the test part, so these figures are optimistic.", style="yellow")


def _seconds(result: Evaluation) -> dict[str, str]:
    return {f"{name} s": f"{result.seconds[name]:.2f}" for name in ("fit",) if name in result.seconds}


def _left_out(result: Evaluation) -> Iterator[str]:
    """Yield how many test rows a model file has nothing to say of."""
    of = result.unknown
    if of["test_rows"]:
        yield (
            f"left out: {of['test_rows']:,} of {result.n_test + of['test_rows']:,} test rows, of {of['users']:,} users "
            f"and {of['items']:,} items that the model does not know"
        )


def _relevant(result: Evaluation) -> Iterator[str]:
    """Yield which test rows count in lists, and what the model took for a click, where they are two rules."""
    from palate.metrics import named

    if not any(named(name).metric.kind != "rating" for name in result.metrics):
        return
    clicks = result.parameters.get("positive")
    rule = "every test row" if result.positive in (None, "any") else f"test rows of at least {result.positive:g}"
    own = "" if clicks in (None, result.positive) else f"; the model learned from rows of positive={clicks}"
    yield f"relevant in lists: {rule}{own}"


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
