"""``palate tune``: search for a model's parameters on validation data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palate.cli import auto, common, completion, inputs, together

if TYPE_CHECKING:
    from rich.console import Console

    from palate.tuning import Tuned

UNITS = {"s": 1, "m": 60, "h": 3600}
TRIALS, METRIC = 50, "rmse"  # of a search of one model


def tune(
    data: common.DataOrParts = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            autocompletion=completion.model_or_auto,
            help="Which model, see 'palate models'; a config (.json) of palate tune; or auto, which tries the models "
            "that suit the data, and fits the best one on all rows.",
        ),
    ] = "mf",
    metric: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.metric,
            help="What to make best, such as rmse or ndcg@10; without it rmse, or with auto ndcg@20 of clicks.",
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Trials in all, earlier ones in --out count; {TRIALS} without it, or with auto as many as there is "
            "time for. With auto it repeats: same data and seed, same model.",
        ),
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", help="Start no trial after 90s, 10m or 2h; with auto, be done by then.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, help="The same in seconds; with auto 300 without it and without --trials."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.split,
            help=f"What to put aside before the search: time:0.2; {inputs.DEFAULT_SPLIT} without it, none with auto; "
            "none: nothing.",
        ),
    ] = None,
    train: common.TrainFile = None,
    test: common.TestFile = None,
    on_overlap: common.OnOverlapOption = "raise",
    validation: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.split,
            help="How the training part is split again; as --split splits the data without it.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Keep a parameter at a value; may be repeated."),
    ] = None,
    preset: common.PresetOption = None,
    positive: common.PositiveOption = None,
    out: Annotated[
        Path, typer.Option(help="Folder for study, model, config and figures; the same command goes on there.")
    ] = Path("tuned"),
    workers: Annotated[int | None, typer.Option(min=1, help="Trials side by side, on threads; one without it.")] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Stop after so many trials without a better one.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search, and of models without one.")] = 42,
    attributes: common.Attributes = None,
    items: common.ItemsOption = None,
    users: common.UsersOption = None,
    read: common.Read = None,
    as_json: common.Json = False,
) -> None:
    """Search for the parameters that are best on validation data; the test part is seen once, at the end.

    [dim]palate tune ml-100k --model auto[/]

    [dim]palate tune ml-100k --model mf --metric rmse --trials 50 --time 10m[/]
    """
    limits: dict[str, Any] = {"n_trials": trials, "seconds": seconds or _seconds(time), "validation": validation}
    limits |= {"positive": positive, "random_state": seed, "attributes": attributes}
    tables = inputs.Tables(items, users, read)
    if model == auto.KEY:
        auto.check_alone({"--set": set_, "--preset": preset, "--workers": workers, "--patience": patience})
        auto.choose(data, train, test, split, on_overlap, tables, out, metric=metric, as_json=as_json, **limits)
        return
    from palate.tuning import tune as search

    metric = metric or METRIC
    learner = inputs.with_positive(inputs.new_model(model, preset, set_), positive)
    fixed = {inputs.setting(name) for name in inputs.key_values(set_, "--set")}
    space = {name: tried for name, tried in learner.searched().items() if name not in fixed}
    limits |= {"n_trials": trials or TRIALS, "patience": patience, "n_workers": workers or 1}
    together.check_metrics_use([learner], [metric], positive=positive, part={})
    together.check_users_use([learner], attributes, users is not None)
    dataset, limits["split"] = inputs.data_and_split(data, train, test, split, on_overlap, tables, [learner])
    try:
        with common.live_progress() as progress:
            tuned = search(learner, dataset, metric=metric, space=space, out=out, progress=progress, **limits)
    except KeyboardInterrupt:
        raise common.Stopped(f"stopped; finished trials are kept in {out}, the same command goes on") from None
    figures = _draw(tuned, out)
    if as_json:
        record = {**tuned.record, **tuned.summary(), "model": learner.key, "parameters": tuned.parameters}
        common.emit({**record, "out": str(out), "figures": [str(path) for path in figures]})
    else:
        named = inputs.words_of(data or str(train), None, None, "raise", tables)
        _show(tuned, learner.settings(), named, out, common.console())


def _seconds(text: str | None) -> float | None:
    """Return the seconds of a time such as 90s, 10m or 2h."""
    if text is None:
        return None
    written = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if written is None or not float(written[1]):
        raise common.usage_error(f"--time takes a time such as 90s, 10m or 2h, got '{text}'")
    return float(written[1]) * UNITS[written[2]]


def _draw(tuned: Tuned, out: Path) -> list[Path]:
    """Draw how the search went and what mattered, where there is something to draw."""
    from palate import plots
    from palate.plots.house import write_figure

    values = tuned.trials["value"].to_list()
    shown = {"history": plots.tuning_history(values, _best_so_far(values, tuned.metric))}
    if tuned.importances:
        shown["importances"] = plots.importances(tuned.importances)
    paths = []
    for name, figure in shown.items():
        paths.append(out / f"{name}.png")
        write_figure(figure, paths[-1])
    return paths


def _best_so_far(values: list[float | None], metric: str) -> list[float | None]:
    from palate.metrics import named

    is_better = named(metric).metric.is_better
    best: list[float | None] = []
    for value in values:
        last = best[-1] if best else None
        best.append(value if last is None or (value is not None and is_better(value, last)) else last)
    return best


def _show(tuned: Tuned, start: dict[str, Any], data: list[str], out: Path, stdout: Console) -> None:
    from palate.cli.draw import table

    counts = tuned.summary()["trials"]
    more = [f"{counts[state]} {state}" for state in ("pruned", "failed") if counts[state]]
    stdout.print(
        f"{sum(counts.values())} trials of {type(tuned.model).__name__}" + (f" ({', '.join(more)})" if more else "")
    )
    made = table(None, [("parameter", "left"), *((word, "right") for word in ("before", "best", "mattered"))])
    for name, value in sorted(tuned.parameters.items(), key=lambda pair: -tuned.importances.get(pair[0], 0)):
        share = tuned.importances.get(name)
        cells = (_short(start[name]), _short(value), "-" if share is None else f"{share:.0%}")
        made.add_row(name, *cells)
    stdout.print(made)
    before = "" if tuned.default_value is None else f", {tuned.default_value:.4f} before"
    stdout.print(
        f"{tuned.metric} on validation data: {tuned.value:.4f}{before} (optimistic: it is the best of many)",
        markup=False,
    )
    if tuned.test_value is not None:
        stdout.print(f"{tuned.metric} on the test part, which no trial saw: {tuned.test_value:.4f}")
    stdout.print(f"model, config, study and figures are in {out}{'/'}")
    common.show_next(stdout, "train", Path(data[0]), *data[1:], "--config", out / "config.json")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
