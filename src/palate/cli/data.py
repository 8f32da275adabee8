"""``palate data``: fetch a data set, show what is in one, or split it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from palate.cli import common, completion, inputs
from palate.cli.together import CheckedCommand

if TYPE_CHECKING:
    from rich.console import Console

    from palate.data.card import Card
    from palate.data.interactions import Interactions

app = typer.Typer(help="Fetch a data set, show what is in one, or split it.", no_args_is_help=True)


@app.command("fetch", cls=CheckedCommand)
def fetch(
    name: Annotated[str, typer.Argument(help="The data set to fetch.")] = "ml-100k",
    as_json: common.Json = False,
) -> None:
    """Bring a data set into the cache, from its maker or a mirror; nothing is fetched twice."""
    from palate.data.sources.loading import KNOWN

    if name not in KNOWN:
        raise common.usage_error(f"can fetch {', '.join(KNOWN)}; got '{name}'")
    dataset = inputs.dataset(name)
    record = {"name": name, "ratings": len(dataset.interactions), "notes": dataset.notes}
    if as_json:
        common.emit(record)
    else:
        common.console().print(f"{name} is here: {len(dataset.interactions):,} ratings, {dataset.notes[0]}")


@app.command("show", cls=CheckedCommand)
def show(
    data: common.DataArgument,
    plots: Annotated[Path | None, typer.Option("--plots", metavar="DIR", help="Also draw figures into DIR.")] = None,
    items: common.ItemsOption = None,
    users: common.UsersOption = None,
    read: common.Read = None,
    as_json: common.Json = False,
) -> None:
    """Show the card of a data set: counts, sparsity, histogram, time span, top titles, faults."""
    from palate.data.card import card

    dataset = inputs.dataset(data, read, items, users)
    made = card(dataset)
    paths = []
    if plots is not None:
        from palate.plots import save_all

        paths = save_all(dataset, plots)
    if as_json:
        common.emit({**made.to_dict(), "plots": [str(p) for p in paths]})
        return
    stdout = common.console()
    show_card(made, stdout)
    for path in paths:
        stdout.print(f"drawn: {path}")


@app.command("split", cls=CheckedCommand)
def split(
    out: Annotated[Path, typer.Option("--out", help="The file to write; it ends in .parquet.")],
    data: common.DataOrParts = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--split",
            autocompletion=completion.split,
            help="Such as time:0.2, rolling:4:0.1, kfold:5:42; time:0.2 without it.",
        ),
    ] = None,
    train: common.TrainFile = None,
    test: common.TestFile = None,
    on_overlap: common.OnOverlapOption = "raise",
    joined: Annotated[
        Path | None, typer.Option(help="Where to write the rows of --train and --test as one file (.parquet).")
    ] = None,
    parts: Annotated[
        Path | None, typer.Option(help="Also write the parts, as train.parquet and test.parquet in this folder.")
    ] = None,
    items: common.ItemsOption = None,
    users: common.UsersOption = None,
    read: common.Read = None,
    as_json: common.Json = False,
) -> None:
    """Write a split as a file of row numbers, to share it: wherever a command takes --split, it takes the file.

    Two files that were split elsewhere become one file of rows and the split of it.

    [dim]palate data split ml-100k --split time:0.2 --out split.parquet[/]

    [dim]palate data split --train a.csv --test b.csv --joined rows.parquet --out split.parquet[/]
    """
    from palate.data.splits.making import make_splits, save_splits

    for path in (out, joined):
        if path is not None:
            common.check_writable(path)
    tables = inputs.Tables(items, users, read)
    dataset, wanted = inputs.data_and_split(data, train, test, by or "time:0.2", on_overlap, tables)
    rows = dataset.interactions
    made = make_splits(rows, wanted) if isinstance(wanted, str) else [wanted]
    if parts is not None and len(made) > 1:
        raise common.usage_error(f"--parts writes two parts, and {wanted} has {len(made)} splits: take one of one")
    written = [out]
    if joined is not None:
        written += [_written(rows, joined)]
    save_splits(made, out, rows)
    if parts is not None:
        written += _parts(made[0].apply(rows), parts)
    facts = [split.describe(rows) for split in made]
    if as_json:
        files = list(map(str, written))
        common.emit({"path": str(out), "files": files, "splits": [{**vars(fact), "says": fact.says} for fact in facts]})
        return
    stdout = common.console()
    for fact in facts:
        stdout.print(f"{fact.name}: {fact.says}")
    source = inputs.words_of(data or str(joined), None, None, "raise", tables if joined is None else tables.of_joined())
    done = f"saved to {', '.join(map(str, written))}"
    common.show_next(stdout, "compare", Path(source[0]), *source[1:], "--split", out, done=done)


def _parts(two: tuple[Interactions, Interactions], folder: Path) -> list[Path]:
    """Write a training and a test part into a folder, and return their paths."""
    from palate.errors import DataError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError.of_disk("cannot write the parts to", folder, error) from None
    return [_written(part, folder / f"{name}.parquet") for name, part in zip(("train", "test"), two, strict=True)]


def _written(rows: Interactions, path: Path) -> Path:
    """Write rows as a table that every command reads, and return its path."""
    from palate.atomic import replacing

    with replacing(path) as file:
        rows.to_table().write_parquet(file)
    return path


def show_card(made: Card, stdout: Console) -> None:
    """Print a data card."""
    from palate.cli.draw import bar, table

    stdout.print(made.name, style="bold")
    facts = table(None, (("", "left"), ("", "right")))
    facts.show_header = False
    for name, value in made.facts():
        facts.add_row(name, value)
    stdout.print(facts)
    counts = table(None, (("", "left"), *((word, "right") for word in ("fewest", "quarter", "median", "3/4", "most"))))
    for name, numbers in (("ratings per user", made.per_user), ("ratings per item", made.per_item)):
        counts.add_row(name, *(f"{n:,g}" for n in numbers.values()))
    stdout.print(counts)
    values = table(None, (("value", "right"), ("ratings", "right"), ("", "left")))
    most = max(count for _, count in made.histogram)
    for label, count in made.histogram:
        values.add_row(label, f"{count:,}", bar(count / most))
    stdout.print(values)
    top = table(None, (("most rated", "left"), ("ratings", "right"), ("mean", "right")))
    for title, count, mean in made.top:
        top.add_row(title, f"{count:,}", f"{mean:.2f}")
    stdout.print(top)
    for note in made.notes:
        stdout.print(f"note: {note}")
