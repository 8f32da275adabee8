"""``palate train``: learn a model from ratings and save it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from palate.cli import common, inputs


def train(
    data: common.Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the model file.")] = Path(
        "model.safetensors"
    ),
    model: common.ModelKey = "mf",
    preset: common.Preset = None,
    set_: common.Set = None,
    items: common.Items = None,
    users: common.Users = None,
    read: common.Read = None,
    as_json: common.Json = False,
) -> None:
    """Learn a model from all ratings of DATA and save it.

    [dim]palate train ml-100k --set n_factors=50 --out model.safetensors[/]
    """
    from palate import files

    learner = inputs.new_model(model, preset, set_)
    common.check_writable(out)
    source = inputs.dataset(data, read, items, users)
    replaced = " in place of the old file" if out.exists() else ""
    with common.live_progress() as progress:
        learner.fit(source.interactions, items=source.items, progress=progress)
    files.save(learner, out)
    record = learner.history_[learner.best_epoch_ - 1]
    if as_json:
        common.emit(
            {
                "model": model,
                "parameters": learner.state().parameters,
                "seed": learner.seed_,
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
    stdout.print(f"{learner!r} learned from {len(source.interactions):,} ratings of {source.name}", markup=False)
    if learner.interrupted_:
        stdout.print("training was interrupted: this is the best so far, see the warning above")
    chosen = "all of them, none held out to choose" if learner.epoch_chosen_on_ == "none" else "chosen on validation"
    stdout.print(f"epochs: {learner.best_epoch_}, {chosen}; RMSE {common.figures(record)}; seed {learner.seed_}")
    stdout.print(f"saved to {out}{replaced} ({out.stat().st_size / 1e3:,.0f} kB)", markup=False)
    stdout.print(f"next: palate recommend {out} --user {source.interactions.users.values[0]}", markup=False)
