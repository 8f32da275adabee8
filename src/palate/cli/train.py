"""``palate train``: learn a model from ratings and save it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import common, inputs, together
from palate.locks import only_writer
from palate.progress import as_test, figures, watching_test

if TYPE_CHECKING:
    from palate.data.dataset import Dataset
    from palate.models.contract.base import Recommender


def train(
    data: common.DataArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the model file.")] = Path(
        "model.safetensors"
    ),
    model: common.ModelKey = "mf",
    preset: common.PresetOption = None,
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="A config of palate tune: model and parameters.")
    ] = None,
    set_: common.SetOption = None,
    positive: Annotated[
        str | None,
        typer.Option(
            metavar="VALUE|any|values",
            help="For a model that learns from clicks: values of at least this are clicks; or any (every row is one), "
            "values (a row's value is how much it counts).",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Learn from the training part of this split alone, such as random:0.2:42; else from all."),
    ] = None,
    stop_on: Annotated[
        Literal["validation", "test"],
        typer.Option(help="What chooses the epoch: validation (part of the training data) or --split's test part."),
    ] = "validation",
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Keep the state of a long chain in this file; the same command goes on from it."),
    ] = None,
    attributes: common.AttributesOnceFeatures = None,
    items: common.ItemsOption = None,
    users: common.UsersOption = None,
    read: common.Read = None,
    as_json: common.Json = False,
) -> None:
    """Learn a model from all ratings of DATA, or from the training part of a split, and save it.

    [dim]palate train ml-100k --set n_factors=50 --out model.safetensors[/]

    [dim]palate train ml-100k --preset original --split random:0.2:42 --stop-on test[/]
    """
    import polars as pl

    from palate import files

    if stop_on == "test" and split is None:
        raise common.usage_error("--stop-on test needs a test part: name it with --split, such as random:0.2:42")
    learner = learner_of(config or model, preset, set_, positive, checkpoint)
    together.check_stop_on(learner, stop_on)
    together.check_users_use([learner], attributes, users is not None)
    common.check_writable(out)
    dataset = inputs.dataset(
        data, read, items, users, all_rows=split is not None and inputs.all_rows(split), models=[learner]
    )
    replaced = " in place of the old file" if out.exists() else ""
    part, test = (dataset, None) if split is None else _parts(dataset, split)
    watched = test if stop_on == "test" else None
    alone = nullcontext() if checkpoint is None else only_writer(checkpoint, "a chain")
    with alone, common.live_progress() as progress:
        callback = progress if watched is None else watching_test(progress)
        learner.fit(part, validation=watched, attributes=attributes, progress=callback)
    chosen_on = "test" if watched is not None and learner.epoch_chosen_on_ == "validation" else learner.epoch_chosen_on_
    files.save(learner, out)
    if as_json:
        facts = {"data": dataset.name, "split": split, "n_train": len(part), "epoch_chosen_on": chosen_on}
        common.emit({**_record(learner), **facts, "out": str(out), "bytes": out.stat().st_size})
        return
    stdout = common.console()
    stdout.print(f"{learner!r} learned from {len(part):,} ratings of {dataset.name}")
    if test is not None:
        stdout.print(f"the {len(test):,} ratings of the test part of {split} are left out")
    if learner.interrupted_:
        stdout.print("training was interrupted: this is the best so far, see the warning above")
    stdout.print(_course(learner, chosen_on, on_test=watched is not None))
    if remark := learner.remark():
        stdout.print(remark)
    if chosen_on == "test":
        stdout.print("the epoch was chosen on the test part, so that figures of this model on it are optimistic")
    stdout.print(f"saved to {out}{replaced} ({out.stat().st_size / 1e3:,.0f} kB)")
    ids = dataset.interactions.users.values.cast(pl.String)
    whom = next((("--user", user) for user in ids if "\0" not in user), ("--all",))  # no command holds a NUL
    common.show_next(stdout, "recommend", out, *whom)


def learner_of(
    key: str,
    preset: str | None,
    set_: list[str] | None,
    positive: str | None,
    checkpoint: Path | None = None,
) -> Recommender:
    """Return the unfitted model that the options name."""
    from palate import files
    from palate.models.contract.abilities import Checkpoints, models_that

    learner = inputs.new_model(key, preset, set_)
    if positive is not None:
        if "positive" not in learner.parameter_names():
            raise common.usage_error(f"{learner.key} learns from values and has no clicks: leave out --positive")
        if learner.get_params()["positive"] is not None:
            raise common.usage_error(
                "--positive is the model's parameter positive, which has a value: give one of the two"
            )
        inputs.with_positive(learner, _rule(learner, positive))
    if checkpoint is not None:
        if not isinstance(learner, Checkpoints):
            able = ", ".join(cls.key for cls in models_that(lambda cls: isinstance(cls(), Checkpoints)))
            raise common.usage_error(f"{learner.key} keeps no checkpoints, {able} does: leave out --checkpoint")
        common.check_writable(checkpoint)
        learner.checkpoint = files.Checkpoint(checkpoint)
    return learner


def _record(learner: Recommender) -> dict[str, Any]:
    return {
        "model": learner.key,
        "parameters": learner.state().parameters,
        "seed": getattr(learner, "seed_", None),
        "epochs": learner.best_epoch_,
        "interrupted": learner.interrupted_,
        "history": learner.history_,
    }


def _rule(learner: Recommender, text: str) -> float | str | None:
    """Return the rule of --positive, as the model takes it."""
    from palate.errors import ParameterError

    try:
        rule: float | str | None = learner.declarations["positive"].parse(text)
    except ParameterError as error:
        raise common.usage_error(str(error)) from None
    return rule


def _parts(data: Dataset, split: str) -> tuple[Dataset, Dataset]:
    """Return the training and the test part of a split of one test part."""
    from palate.data.splits.making import make_splits

    splits = make_splits(data, split)
    if len(splits) > 1:
        raise common.usage_error(
            f"train saves one model, and {split} has {len(splits)} test parts: take a split of one, such as "
            "random:0.2:42, time:0.2 or official:u1"
        )
    return splits[0].apply(data)


def _course(learner: Recommender, chosen_on: str, *, on_test: bool) -> str:
    """Return how training went, in one line."""
    if not learner.history_:
        seed = getattr(learner, "seed_", None)
        if seed is None:
            return "computed in one go: there are no epochs, and nothing was drawn by chance"
        return f"no epochs of its own; seed {seed}"
    record: Mapping[str, float] = learner.history_[learner.best_epoch_ - 1]
    if on_test:
        record = as_test(record)
    chosen = "all of them, none held out to choose" if chosen_on == "none" else f"chosen on {chosen_on}"
    errors = ("RMSE " if any(name.endswith("_rmse") for name in record) else "") + figures(record)
    seed = getattr(learner, "seed_", None)
    return f"epochs: {learner.best_epoch_}, {chosen}; {errors}{'; ' if errors else ''}seed {seed}"
