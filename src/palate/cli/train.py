"""``palate train``: learn a model from ratings and save it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from palate.cli import common, inputs

if TYPE_CHECKING:
    from palate.models.base import Recommender


def train(
    data: common.Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the model file.")] = Path(
        "model.safetensors"
    ),
    model: common.ModelKey = "mf",
    preset: common.Preset = None,
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="A config of palate tune: model and parameters.")
    ] = None,
    set_: common.Set = None,
    positive: Annotated[
        float | None, typer.Option(help="For a model that learns from clicks: values of at least this are clicks.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Keep the state of a long chain in this file; the same command goes on from it."),
    ] = None,
    features: common.Features = None,
    items: common.Items = None,
    users: common.Users = None,
    read: common.Read = None,
    as_json: common.Json = False,
) -> None:
    """Learn a model from all ratings of DATA and save it.

    [dim]palate train ml-100k --set n_factors=50 --out model.safetensors[/]
    """
    import polars as pl

    from palate import files
    from palate.models import BayesianMF

    if config is not None and (model != "mf" or preset is not None):
        raise common.usage_error("--config names the model and its parameters: leave out --model and --preset")
    learner = inputs.new_model(config or model, preset, set_)
    if positive is not None and "positive" not in learner.parameter_names():
        raise common.usage_error(f"{learner.key} learns from values and has no clicks: leave out --positive")
    inputs.with_positive(learner, positive)
    if checkpoint is not None:
        if not isinstance(learner, BayesianMF):
            raise common.usage_error(f"{learner.key} keeps no checkpoints, bayes does: leave out --checkpoint")
        learner.checkpoint = files.Checkpoint(checkpoint)
    common.check_writable(out)
    if checkpoint is not None:
        common.check_writable(checkpoint)
    source = inputs.dataset(data, read, items, users)
    replaced = " in place of the old file" if out.exists() else ""
    with common.live_progress() as progress:
        known = inputs.attributes(learner, source, features)
        learner.fit(source.interactions, items=source.items, progress=progress, **known)
    files.save(learner, out)
    if as_json:
        common.emit(
            {
                "model": learner.key,
                "parameters": learner.state().parameters,
                "seed": getattr(learner, "seed_", None),
                "data": source.name,
                "n_train": len(source.interactions),
                "epochs": learner.best_epoch_,
                "epoch_chosen_on": learner.epoch_chosen_on_,
                "interrupted": learner.interrupted_,
                "out": str(out),
                "bytes": out.stat().st_size,
                "history": learner.history_,
            }
        )
        return
    stdout = common.console()
    stdout.print(f"{learner!r} learned from {len(source.interactions):,} ratings of {source.name}")
    if learner.interrupted_:
        stdout.print("training was interrupted: this is the best so far, see the warning above")
    stdout.print(_course(learner))
    stdout.print(f"saved to {out}{replaced} ({out.stat().st_size / 1e3:,.0f} kB)")
    ids = source.interactions.users.values.cast(pl.String)
    whom = next((("--user", user) for user in ids if "\0" not in user), ("--all",))  # no command holds a NUL
    common.show_next(stdout, "recommend", out, *whom)


def _course(learner: Recommender) -> str:
    """Return how training went, in one line."""
    if not learner.history_:
        return "computed in one go: there are no epochs, and nothing was drawn by chance"
    record = learner.history_[learner.best_epoch_ - 1]
    chosen = "all of them, none held out to choose" if learner.epoch_chosen_on_ == "none" else "chosen on validation"
    told = ("RMSE " if any(name.endswith("_rmse") for name in record) else "") + common.figures(record)
    return f"epochs: {learner.best_epoch_}, {chosen}; {told}{'; ' if told else ''}seed {learner.seed_}"
