"""``palate recommend``: the best items of users, as a table or a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import common, inputs

if TYPE_CHECKING:
    import polars as pl

FORMULA = "^[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"  # with the wide letters that some spreadsheets take for these


def recommend(
    model: common.Model,
    user: Annotated[list[str] | None, typer.Option("--user", "-u", help="A user id; may be repeated.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="All users of the model.")] = False,
    n: Annotated[int, typer.Option("-n", min=1, help="How many items a user.")] = 10,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write to this .parquet, .csv or .jsonl file.")
    ] = None,
    safe_csv: Annotated[
        bool,
        typer.Option(
            "--safe-csv", help="For a .csv that a spreadsheet opens: texts that begin like a formula get an apostrophe."
        ),
    ] = False,
    where: Annotated[
        list[str] | None, typer.Option("--where", help="A condition on items, such as genres=Comedy or 'year>=1990'.")
    ] = None,
    allow: Annotated[list[str] | None, typer.Option("--allow", help="An item id to choose from; repeat.")] = None,
    deny: Annotated[list[str] | None, typer.Option("--deny", help="An item id to leave out; repeat.")] = None,
    exclude: Annotated[Path | None, typer.Option("--exclude", help="A file of further pairs to leave out.")] = None,
    include_seen: Annotated[
        bool, typer.Option("--include-seen", help="Also items that the user had in training.")
    ] = False,
    on_unknown: Annotated[
        Literal["raise", "popular"], typer.Option(help="For unknown users: an error, or popular items.")
    ] = "raise",
    clip: Annotated[bool, typer.Option("--clip", help="Show predicted ratings clipped to their range.")] = False,
    read: common.Read = None,
    as_json: common.Json = False,
) -> None:
    """List the best items that a user has not had yet.

    [dim]palate recommend model.safetensors --user 1 -n 10[/]
    """
    from palate import files
    from palate.atomic import replacing

    if bool(user) == everyone:
        raise common.usage_error("name users with --user, or take --all")
    writer = _writer(out)
    if safe_csv and writer != "write_csv":
        raise common.usage_error("--safe-csv is for a file that ends in .csv: name one with --out")
    if out is not None:
        common.check_writable(out)
    fitted = files.load(model)
    users = fitted.users_.values if everyone else [fitted.users_.parse(u) for u in user or ()]
    options: dict[str, Any] = {"exclude_seen": not include_seen, "on_unknown": on_unknown, "clip": clip}
    if exclude is not None:
        from palate.data.reading import read_ratings

        options["exclude"] = read_ratings(exclude, **inputs.read_options(read))
    for name, ids in (("allow", allow), ("deny", deny)):
        options[name] = None if ids is None else [fitted.items_.parse(i) for i in ids]
    started = time.perf_counter()
    table = fitted.recommend(users, n, where=where or None, **options)
    seconds = time.perf_counter() - started
    if out is not None and writer is not None:
        with replacing(out) as file:
            getattr(_without_formulas(table) if safe_csv else table, writer)(file)
    if as_json:
        rows = {} if out else {"recommendations": table.to_dicts()}
        common.emit({**rows, "rows": len(table), "seconds": seconds, "out": str(out) if out else None})
    elif out:
        common.console().print(f"{len(table):,} rows for {len(users):,} users in {seconds:.2f} s: {out}")
    else:
        _show(table)


def _writer(out: Path | None) -> str | None:
    if out is None:
        return None
    writers = {".parquet": "write_parquet", ".csv": "write_csv", ".jsonl": "write_ndjson"}
    if out.suffix not in writers:
        raise common.usage_error(f"--out takes a name ending in {', '.join(writers)}; got '{out}'")
    return writers[out.suffix]


def _without_formulas(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table with an apostrophe before each text that a spreadsheet would take for a formula (OWASP)."""
    import polars as pl

    text = pl.col(pl.String)
    return table.with_columns(pl.when(text.str.contains(FORMULA)).then("'" + text).otherwise(text).name.keep())


def _show(table: pl.DataFrame) -> None:
    from palate.cli.draw import recommendations

    stdout = common.console()
    for (user_id,), rows in table.group_by("user_id", maintain_order=True):
        stdout.print(recommendations(rows, f"For user {user_id}"))
    if table.is_empty():
        stdout.print("nothing to recommend: the filters leave no item")
