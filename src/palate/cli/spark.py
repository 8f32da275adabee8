"""``palate spark``: the same models where the ratings outgrow one machine; Spark itself waits until a command runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import common, completion
from palate.cli import spark_options as options
from palate.cli.together import CheckedCommand
from palate.terminal import command

if TYPE_CHECKING:
    from palate.spark.prepared import Prepared
    from palate.spark.trained import Trained

app = typer.Typer(
    help="The same models on Apache Spark, where ratings outgrow one machine (extra 'spark').",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.command("prepare", cls=CheckedCommand)
def prepare(
    ratings: options.RatingsArgument,
    out: Annotated[str, typer.Option("--out", "-o", metavar="PREPARED", help="The folder to write, where Spark can.")],
    format_: options.FormatOption = None,
    blocks: Annotated[
        int | None,
        typer.Option(min=1, help="Of users, and of items; without it as many as Spark has cores, more for many rows."),
    ] = None,
    items: options.ItemsThere = None,
    user_features: options.UserFeatures = None,
    item_features: options.ItemFeatures = None,
    overwrite: options.OverwriteOption = False,
    read: options.ReadThere = None,
    master: options.MasterOption = None,
    remote: options.RemoteOption = None,
    conf: options.ConfOption = None,
    as_json: common.Json = False,
) -> None:
    """Check ratings or clicks of any size, number users and items, and lay the rows out for training.

    [dim]palate spark prepare ratings.parquet --out prepared --master 'local[2]'[/]
    """
    given = options.read_there(read) | {"items": items, "user_features": user_features, "item_features": item_features}
    started = time.perf_counter()
    with options.session(master, remote, conf) as spark:
        from palate.spark.preparing import prepare as prepare_there

        made = prepare_there(spark, ratings, out, format=format_, n_blocks=blocks, overwrite=overwrite, **given)
        record = _prepared(made) | {"out": out, "seconds": time.perf_counter() - started}
    if as_json:
        common.emit(record)
        return
    stdout = common.console()
    stdout.print(
        f"{record['n_rows']:,} rows of {record['n_users']:,} users and {record['n_items']:,} items, "
        f"in {record['n_blocks']:,} blocks a side, prepared in {record['seconds']:.1f} s: {out}"
    )
    for reason, count in record["dropped"].items():
        stdout.print(f"left out: {count:,} rows, {reason}")
    common.show_next(stdout, "spark", "train", out, "--out", "trained")


def _prepared(made: Prepared) -> dict[str, Any]:
    """Return what is known of a prepared folder."""
    counts = {"n_rows": made.n_rows, "n_users": made.n_users, "n_items": made.n_items, "n_blocks": made.n_blocks}
    return {**counts, "dropped": dict(made.facts["dropped"])}


@app.command("train", cls=CheckedCommand)
def train(
    prepared: Annotated[str, typer.Argument(metavar="PREPARED", help="A folder as palate spark prepare writes it.")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="TRAINED", help="The folder to write, where Spark can.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            autocompletion=completion.model,
            help="als for ratings, which is taken without it, or bayes (--set incidence=false); ials for clicks.",
        ),
    ] = None,
    preset: common.PresetOption = None,
    set_: common.SetOption = None,
    positive: Annotated[
        str | None,
        typer.Option("--positive", metavar="VALUE|any|values", help="For ials: which values are clicks."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on after the last whole sweep in --out, with the same model and parameters."),
    ] = False,
    overwrite: options.OverwriteOption = False,
    wire: Annotated[
        Literal["float32", "bfloat16"],
        typer.Option(help="How factors travel: bfloat16 halves the bytes, and loses digits."),
    ] = "float32",
    threads_per_task: Annotated[
        int, typer.Option(min=1, help="Threads in a task; spark.task.cpus must be as many.")
    ] = 1,
    save: Annotated[
        str | None,
        typer.Option("--save", metavar="MODEL", help="Also write the model file that recommend and serve read."),
    ] = None,
    master: options.MasterOption = None,
    remote: options.RemoteOption = None,
    conf: options.ConfOption = None,
    as_json: common.Json = False,
) -> None:
    """Train a model on prepared rows, one line a sweep; each whole sweep is kept, and --resume goes on from it.

    [dim]palate spark train prepared --out trained --set n_factors=64 --save model.safetensors[/]
    """
    named = any(given is not None for given in (model, preset, set_, positive))
    learner = _learner(model or "als", preset, set_, positive) if named or not resume else None
    again = command("palate", "spark", "train", prepared, "--out", out, "--resume")
    with options.session(master, remote, conf) as spark:
        from palate.spark.prepared import Prepared
        from palate.spark.training import train as train_there

        rows = Prepared.open(spark, prepared)
        more: dict[str, Any] = {"wire": wire, "threads_per_task": threads_per_task, "overwrite": overwrite}
        with options.sweeps_shown(again) as progress:
            made = train_there(rows, learner, out, resume=resume, progress=progress, **more)
        record = _trained(made) | {"out": out, "model_file": save}
        if save is not None:
            made.save(save, overwrite=overwrite)
    if as_json:
        common.emit(record)
        return
    stdout = common.console()
    stdout.print(f"{made.model!r} learned from {record['n_rows']:,} rows in {record['sweeps']} sweeps: {out}")
    if save is not None:
        stdout.print(f"saved to {save}")
    common.show_next(stdout, "spark", "recommend", out, "--out", "lists")


def _learner(key: str, preset: str | None, set_: list[str] | None, positive: str | None) -> Any:
    """Return the unfitted model that the options name.

    Raises:
        BadParameter: it is none that Spark trains, or a parameter is wrong.
    """
    from palate.cli.train import learner_of
    from palate.spark.trained import CLASSES, KINDS

    learner = learner_of(key, preset, set_, positive)
    known = (*KINDS, *CLASSES)
    if learner.key not in known:
        raise common.usage_error(f"Spark trains {', '.join(known)}; {learner.key} learns on one machine: palate train")
    return learner


def _trained(made: Trained) -> dict[str, Any]:
    """Return what is known of a training."""
    counts = {"n_rows": made.prepared.n_rows, "sweeps": made.sweep}
    return {"model": made.model.key, "parameters": made.model.get_params(), **counts, "history": made.history}


@app.command("save", cls=CheckedCommand)
def save(
    trained: options.TrainedArgument,
    out: Annotated[
        str,
        typer.Option("--out", "-o", metavar="MODEL", help="A .safetensors file, or a folder of Parquet of any size."),
    ],
    overwrite: options.OverwriteOption = False,
    master: options.MasterOption = None,
    remote: options.RemoteOption = None,
    conf: options.ConfOption = None,
    as_json: common.Json = False,
) -> None:
    """Write a trained model so that palate recommend, palate serve and palate.load read it, without Spark.

    [dim]palate spark save trained --out model.safetensors[/]
    """
    with options.session(master, remote, conf) as spark:
        from palate.spark.trained import Trained

        Trained.open(spark, trained).save(out, overwrite=overwrite)
    if as_json:
        common.emit({"out": out})
        return
    common.show_next(common.console(), "serve", out, done=f"saved to {out}")
