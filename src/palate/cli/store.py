"""``palate store``: make and upgrade a store, and bring users, items and events in and out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from palate.cli import common, inputs
from palate.cli.together import CheckedCommand

if TYPE_CHECKING:
    from rich.console import Console

    from palate.store.bulk.columns import Kind
    from palate.store.bulk.importing import Imported
    from palate.store.store import Store

app = typer.Typer(
    help="The store of the service: make, upgrade, import, export, show what is in it.", no_args_is_help=True
)

StoreOption = Annotated[
    str,
    typer.Option("--store", metavar="URL", help="Such as sqlite:///shop.db or postgresql+psycopg://USER@HOST/NAME."),
]
NamespaceOption = Annotated[str, typer.Option("--namespace", help="Which tenant of the store.")]


def moment(micros: int | None) -> str | None:
    """Return a time of the store as people read it."""
    return None if micros is None else datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


@contextmanager
def opened(url: str, *, create: bool = False) -> Iterator[Store]:
    """Open the store of --store for a command."""
    from palate.store import open_store

    with open_store(url, create=create) as store:
        yield store


@app.command("upgrade", cls=CheckedCommand)
def upgrade(
    store: StoreOption,
    backed_up: Annotated[
        bool, typer.Option("--backed-up", help="There is a backup: asked for with PostgreSQL; SQLite is copied first.")
    ] = False,
    as_json: common.Json = False,
) -> None:
    """Bring a store of an older Palate to the schema of this one; workers refuse any other.

    [dim]palate store upgrade --store sqlite:///shop.db[/]
    """
    from palate.store import upgrade as run

    before, after = run(store, backed_up=backed_up)
    if as_json:
        common.emit({"schema_before": before, "schema": after})
    elif before == after:
        common.console().print(f"the store has schema {after} already")
    else:
        common.console().print(f"the store went from schema {before} to {after}")


@app.command("import", cls=CheckedCommand)
def import_(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder as export writes it; a file of users, items or events (Parquet, CSV, JSON lines), or a "
            "folder of parts as Spark writes it; Gorse's users.jsonl, items.jsonl, feedback.jsonl or dump; ml-100k, a "
            "folder of MovieLens, any file of ratings; - for standard input."
        ),
    ],
    store: StoreOption,
    namespace: NamespaceOption = "default",
    kind: Annotated[
        Literal["users", "items", "events"] | None,
        typer.Option("--as", help="What a file holds, where its columns do not say it."),
    ] = None,
    event_kind: Annotated[
        str | None,
        typer.Option(
            "--kind", help="Event kind of rows that name none; else rating where there are values, else click."
        ),
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option("--rename", metavar="OLD=NEW", help="Take one event kind for another; repeat.")
    ] = None,
    new_kinds: Annotated[
        bool, typer.Option("--new-kinds", help="Add event kinds that the namespace has not; their events are positive.")
    ] = False,
    skip_faulty: Annotated[
        bool, typer.Option("--skip-faulty", help="Leave faulty rows out; without it they are listed, and none is read.")
    ] = False,
    read: common.Read = None,
    as_json: common.Json = False,
) -> None:
    """Import users, items and events; a store that is not there is made.

    All is checked before anything is written. What was imported before counts once: by the ids of events, or, for rows
    without ids, by what they say. An import that was stopped is typed again.

    [dim]palate store import ml-100k --store sqlite:///shop.db[/]

    [dim]palate store import feedback.jsonl --store sqlite:///shop.db --rename read=impression --new-kinds[/]
    """
    from palate.store.bulk.importing import import_into
    from palate.store.bulk.sources import namespace_for

    options = inputs.read_options(read)
    with opened(store, create=True) as there, common.live_progress() as progress:
        ns = namespace_for(there, namespace, source)
        done = import_into(
            there,
            ns,
            source,
            kind=kind,
            event_kind=event_kind,
            rename=inputs.key_values(rename, "--rename"),
            new_kinds=new_kinds,
            skip_faulty=skip_faulty,
            progress=progress,
            **options,
        )
    if as_json:
        common.emit({"namespace": namespace, **done.as_dict()})
        return
    stdout = common.console()
    _show_import(done, stdout)
    address = f"store:{store}" + ("" if namespace == "default" else f"#{namespace}")
    common.show_next(stdout, "train", address, "--model", "ials", "--out", "model.safetensors")


def _show_import(done: Imported, stdout: Console) -> None:
    """Print what became of the rows."""
    for name, put in (("users", done.users), ("items", done.items)):
        if any(vars(put).values()):
            stdout.print(f"{name}: {put.new:,} new, {put.changed:,} changed, {put.known:,} known")
    stdout.print(f"events: {done.events.new:,} new, {done.events.known:,} known, which count once")
    forgotten = done.users.forgotten + done.events.forgotten
    if forgotten:
        stdout.print(f"left out: {forgotten:,} rows of people who were forgotten since")
    for reason, count in done.faulty.items():
        stdout.print(f"left out: {count:,} rows: {reason}")
    if done.new_kinds:
        stdout.print(f"new event kinds: {', '.join(done.new_kinds)}")
    if done.new_scenarios:
        stdout.print(f"new scenarios: {', '.join(done.new_scenarios)}")
    for note in done.notes:
        stdout.print(f"note: {note}")


@app.command("export", cls=CheckedCommand)
def export(
    folder: Annotated[Path, typer.Argument(help="The folder for users, items and events; made where it is not there.")],
    store: StoreOption,
    namespace: NamespaceOption = "default",
    form: Annotated[Literal["parquet", "csv", "jsonl"], typer.Option("--format", help="Of the files.")] = "parquet",
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="users|items|events", help="These alone; repeat.")
    ] = None,
    as_json: common.Json = False,
) -> None:
    """Write users, items and events of a namespace into files, as they are at one moment.

    [dim]palate store export backup --store sqlite:///shop.db --format jsonl[/]
    """
    from palate.store.bulk.columns import KINDS
    from palate.store.bulk.exporting import export as write

    with opened(store) as there:
        written = write(there, there.namespace(namespace), folder, form, cast("list[Kind]", only) or KINDS)
    if as_json:
        common.emit({"namespace": namespace, "files": {str(path): rows for path, rows in written.items()}})
        return
    stdout = common.console()
    for path, rows in written.items():
        stdout.print(f"{path}: {rows:,} rows")
    common.show_next(stdout, "store", "import", folder, "--store", "sqlite:///other.db")


@app.command("info", cls=CheckedCommand)
def info(store: StoreOption, as_json: common.Json = False) -> None:
    """Show what is in a store: schema, sizes, and for each namespace users, items, events by kind, lists, versions.

    [dim]palate store info --store sqlite:///shop.db[/]
    """
    from palate.store.info import facts

    with opened(store) as there:
        found = facts(there)
    if as_json:
        common.emit(found)
        return
    stdout = common.console()
    stdout.print(f"{found['store']}: schema {found['schema']}, {found['bytes'] / 1e6:,.1f} MB")
    for what in ("event", "list"):
        size = found[f"bytes_a{'n' if what == 'event' else ''}_{what}"]
        if size is not None:
            stdout.print(f"{size:,.0f} bytes {'an' if what == 'event' else 'a'} {what}, indexes included")
    for record in found["namespaces"]:
        _show_namespace(record, stdout)


def _show_namespace(record: Mapping[str, Any], stdout: Console) -> None:
    from palate.cli.draw import table

    stdout.print(f"namespace {record['name']}, ids are {record['id_kind']}", style="bold")
    rows = table(None, (("", "left"), ("", "right")))
    rows.show_header = False
    always = ("users", "items", "hidden_items", "lists", "versions", "tombstones")
    where_any = ("uncounted_lists", "scenarios", "experiments", "running_experiments", "schedules", "jobs")
    for name in (*always, *(name for name in where_any if record[name])):
        rows.add_row(name.replace("_", " "), f"{record[name]:,}")
    for kind, count in record["events"].items():
        rows.add_row(f"events: {kind}", f"{count:,}")
    if record["newest_event"] is not None:
        rows.add_row("first event", _moment(record["first_event"]))
        rows.add_row("newest event", _moment(record["newest_event"]))
    stdout.print(rows)


def _moment(micros: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@app.command("merge", cls=CheckedCommand)
def merge(
    visitor: Annotated[str, typer.Argument(help="The anonymous visitor's id.")],
    account: Annotated[str, typer.Argument(help="The id of the account that goes on.")],
    store: StoreOption,
    namespace: NamespaceOption = "default",
    as_json: common.Json = False,
) -> None:
    """Give a visitor's events and lists to an account, and whatever comes under the visitor's id from now on.

    [dim]palate store merge visitor-4f1 ann --store sqlite:///shop.db[/]
    """
    from palate.store import feedback

    with opened(store) as there:
        moved = feedback.merge(there, there.namespace(namespace), visitor, account)
    if as_json:
        common.emit({"visitor": visitor, "account": account, "events": moved})
        return
    common.console().print(f"{moved:,} events of {visitor} are those of {account} now")
