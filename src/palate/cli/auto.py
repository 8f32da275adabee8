"""``palate tune --model auto``: a model for the data, chosen within a budget."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palate.cli import common, inputs

if TYPE_CHECKING:
    from rich.console import Console

    from palate.data.splits.fixed import OnOverlap
    from palate.tuning import Chosen

KEY = "auto"
FIXES_ONE = ("--set", "--preset", "--workers", "--patience")  # options of a search of one model


def check_alone(given: Mapping[str, Any]) -> None:
    """Refuse options that are of one model's search: this one chooses the model and its settings."""
    beside = [option for option in FIXES_ONE if given[option] is not None]
    if beside:
        raise common.usage_error(f"--model auto chooses the model and its settings: leave out {beside[0]}")


def choose(
    data: str | None,
    train: Path | None,
    test: Path | None,
    split: str | None,
    on_overlap: OnOverlap,
    tables: inputs.Tables,
    out: Path,
    *,
    as_json: bool,
    **limits: Any,
) -> None:
    """Choose a model for the data that the options name, and say why it is this one."""
    from palate.tuning import auto
    from palate.tuning.parts import NO_TEST

    dataset, parted = inputs.data_and_split(data, train, test, split or NO_TEST, on_overlap, tables)
    named = inputs.words_of(data or str(train), None, None, "raise", tables)
    try:
        with common.live_progress() as progress:
            chosen = auto(dataset, split=parted, out=out, named=named, progress=progress, **limits)
    except KeyboardInterrupt:
        raise common.Stopped(f"stopped; finished trials are kept in {out}, the same command goes on") from None
    if as_json:
        record = {**chosen.record, **chosen.summary(), "model": chosen.model.key, "parameters": chosen.settings}
        common.emit({**record, "out": str(out)})
        return
    _show(chosen, out, common.console())


def _show(chosen: Chosen, out: Path, stdout: Console) -> None:
    from palate.cli.draw import table

    stdout.print(chosen.sentences[0], markup=False)
    columns = [("model", "left"), (chosen.metric, "right"), ("95 % interval", "right"), ("fit, s", "right")]
    made = table(None, [*columns, ("trials", "right"), ("why", "left")])
    for row in chosen.comparison.iter_rows(named=True):
        interval = "" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}"
        figures = [("", ".4f", row["value"]), ("", ".1f", row["seconds"])]
        value, seconds = ("" if x is None else format(x, form) for _, form, x in figures)
        why = row["why"] if row["state"] in ("chosen", "tried") else f"{row['state']}: {row['why']}"
        made.add_row(row["model"], value, interval, seconds, str(row["trials"] or ""), why)
    stdout.print(made)
    for sentence in chosen.sentences[1:]:
        stdout.print(sentence, markup=False)
    if chosen.test_value is not None:
        stdout.print(f"{chosen.metric} on the test part, which no trial saw: {chosen.test_value:.4f}")
    stdout.print(f"model, config, comparison and trials are in {out}{'/'}")
    stdout.print(f"the same model again: {chosen.command}", soft_wrap=True, markup=False)
    common.show_next(stdout, "recommend", out / "model.safetensors", "--all")
