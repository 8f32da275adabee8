"""``palate recommend``: the best items of users, as a table or a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import common, inputs

if TYPE_CHECKING:
    import polars as pl

    from palate.data.features import Features
    from palate.data.interactions import Interactions
    from palate.models import Recommender


def recommend(
    model: common.ModelArgument,
    user: Annotated[list[str] | None, typer.Option("--user", "-u", help="A user id; may be repeated.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="All users of the model.")] = False,
    had: Annotated[
        list[str] | None,
        typer.Option("--had", help="What somebody unknown to the model had, ITEM or ITEM=RATING; repeat."),
    ] = None,
    rows: Annotated[Path | None, typer.Option("--rows", help="A file of rows of people unknown to the model.")] = None,
    users: Annotated[
        Path | None,
        typer.Option("--users", help="A table of what is known of people: alone, or beside --rows or --had."),
    ] = None,
    item: Annotated[
        list[str] | None, typer.Option("--item", help="An item id: the users to whom it is best shown; repeat.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many items a user, or users an item.")] = 10,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write to this .parquet, .csv or .jsonl file.")
    ] = None,
    safe_csv: Annotated[
        bool,
        typer.Option(
            "--safe-csv", help="For a .csv that a spreadsheet opens: texts that begin like a formula get an apostrophe."
        ),
    ] = False,
    where: common.WhereOption = None,
    allow: common.Allow = None,
    deny: common.Deny = None,
    exclude: Annotated[Path | None, typer.Option("--exclude", help="A file of further pairs to leave out.")] = None,
    include_seen: Annotated[
        bool, typer.Option("--include-seen", help="Also items that the user had in training, or has in the rows given.")
    ] = False,
    on_unknown: Annotated[
        Literal["raise", "popular"], typer.Option(help="For unknown users: an error, or popular items.")
    ] = "raise",
    one_per_title: Annotated[
        bool, typer.Option("--one-per-title", help="Of items of one title and year show the best, and name the others.")
    ] = False,
    clip: Annotated[bool, typer.Option("--clip", help="Show predicted ratings clipped to their range.")] = False,
    read: common.Read = None,
    as_json: common.Json = False,
) -> None:
    """List the best items that a user has not had yet.

    The user may be known to the model, or by rows, items or attributes alone. With --item: the best users for an item.

    [dim]palate recommend model.safetensors --user 1 -n 10[/]
    """
    from palate import files
    from palate.atomic import replacing
    from palate.data.spreadsheets import disarmed

    asked = [name for name, given in (("--user", user), ("--all", everyone), ("--had", had), ("--rows", rows)) if given]
    asked += ["--item"] if item else []
    if len(asked) > 1 or not (asked or users) or (users and asked not in ([], ["--had"], ["--rows"])):
        raise common.usage_error("name users with --user, or take --all, --had, --rows, --users or --item")
    if not (user or everyone) and (clip or exclude is not None or on_unknown != "raise"):
        raise common.usage_error("--clip, --exclude and --on-unknown go with --user and --all")
    if item and (where or allow or deny or one_per_title):
        raise common.usage_error("--item asks for users: --where, --allow, --deny and --one-per-title choose items")
    if users and not asked and include_seen:
        raise common.usage_error("--include-seen is about items that somebody had, and --users alone has none")
    if everyone and on_unknown != "raise":
        raise common.usage_error("--on-unknown is about people whom the model does not know, and --all are known")
    _check_read(read, exclude, rows, users)
    writer = _writer(out)
    if safe_csv and writer != "write_csv":
        raise common.usage_error("--safe-csv is for a file that ends in .csv: name one with --out")
    if out is not None:
        common.check_writable(out)
    fitted = files.load(model)
    if clip and fitted.score_kind != "rating":
        raise common.usage_error(f"--clip is for predicted ratings, and {fitted.key} has scores for an order alone")
    started = time.perf_counter()
    if item:
        table = fitted.recommend_users([fitted.items_.parse(i) for i in item], n, exclude_seen=not include_seen)
    else:
        options = inputs.part_of_catalogue(fitted.items_, allow, deny, where)
        options |= {"exclude_seen": not include_seen, "one_per_title": one_per_title}
        if user or everyone:
            options |= {"on_unknown": on_unknown, "clip": clip, "exclude": _pairs(exclude, read)}
            wanted = fitted.users_.values if everyone else [fitted.users_.parse(u) for u in user or ()]
            table = fitted.recommend(wanted, n, **options)
        else:
            known = None if users is None else _attributes(fitted, users, read)
            basket = _basket(fitted, had) if had else _pairs(rows, read)
            table = fitted.recommend_for(basket, n, features=known, **options)
    seconds = time.perf_counter() - started
    if out is not None and writer is not None:
        with replacing(out) as file:
            flat = _flat(table) if out.suffix == ".csv" else table
            getattr(disarmed(flat) if safe_csv else flat, writer)(file)
    if as_json:
        printed = {} if out else {"recommendations": table.to_dicts()}
        common.emit({**printed, "rows": len(table), "seconds": seconds, "out": str(out) if out else None})
    elif out:
        side = "item_id" if item else "user_id"
        lists = f"{table[side].n_unique():,} {'items' if item else 'users'}"
        common.console().print(f"{len(table):,} rows for {lists} in {seconds:.2f} s: {out}")
    else:
        _show(table)


def _check_read(read: list[str] | None, exclude: Path | None, rows: Path | None, users: Path | None) -> None:
    """Refuse --read where no file is read by it."""
    from palate.data.sources.loading import check_table_options

    options = inputs.read_options(read)
    if "title" in options or "lists" in options:
        raise common.usage_error("--read title= and lists= are of what a model learns from, and it is fitted already")
    if options and exclude is None and rows is None:
        check_table_options("--read", "reads files here", options, has_users=users is not None)


def _pairs(path: Path | None, read: list[str] | None) -> Interactions | None:
    from palate.data.reading.ratings import read_ratings

    if path is None:
        return None
    return read_ratings(path, **inputs.read_options(read))


def _basket(fitted: Recommender, words: list[str]) -> dict[Any, float] | list[Any]:
    """Return {item: rating}, or a list of items where no word has a rating."""
    pairs = [word.rpartition("=")[::2] if "=" in word else (word, "") for word in words]
    ids = [fitted.items_.parse(text) for text, _ in pairs]
    if not any(value for _, value in pairs):
        return ids
    try:
        return {item: float(value) for item, (_, value) in zip(ids, pairs, strict=True)}
    except ValueError:
        raise common.usage_error("--had takes ITEM=RATING with a number each, or ITEM alone each") from None


def _attributes(fitted: Recommender, path: Path, read: list[str] | None) -> Features:
    from palate.data.features import Features
    from palate.data.sources.loading import read_attributes

    table, id_name = read_attributes(path, "user", fitted.users_, inputs.read_options(read))
    if id_name is not None:
        table = table.rename({id_name: "user_id"})
    return Features.from_table(table, "user", encoding=getattr(fitted, "user_encoding_", None) or None)


def _flat(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table that a csv file can hold: lists of ids become text."""
    import polars as pl

    lists = [name for name, kind in table.schema.items() if isinstance(kind, pl.List)]
    return table.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join(", ") for name in lists)


def _writer(out: Path | None) -> str | None:
    if out is None:
        return None
    writers = {".parquet": "write_parquet", ".csv": "write_csv", ".jsonl": "write_ndjson"}
    if out.suffix not in writers:
        raise common.usage_error(f"--out takes a name ending in {', '.join(writers)}; got '{out}'")
    return writers[out.suffix]


def _show(table: pl.DataFrame) -> None:
    from palate.cli.draw import recommendations, users_for

    stdout = common.console()
    if "rank" in table.columns and table.columns[0] == "item_id":
        for (_, title), rows in table.group_by("item_id", "title", maintain_order=True):
            stdout.print(users_for(rows, f"Users for {title}"))
        return
    for (user_id,), rows in table.group_by("user_id", maintain_order=True):
        stdout.print(recommendations(rows, "For these items" if user_id is None else f"For user {user_id}"))
    if table.is_empty():
        stdout.print("nothing to recommend: the filters leave no item")
