"""``palate store`` forget, clean, kinds and namespaces: what holds in a namespace, and what is kept in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import common
from palate.cli.store import NamespaceOption, StoreOption
from palate.cli.store import app as app
from palate.cli.together import CheckedCommand

if TYPE_CHECKING:
    from palate.store.kinds import Kinds
    from palate.store.store import Store

FolderOption = Annotated[
    Path | None,
    typer.Option("--folder", help="Where the service keeps model files; beside the file of SQLite without it."),
]


@contextmanager
def _opened(url: str, folder: Path | None, *, create: bool = False) -> Iterator[Store]:
    from palate.store import open_store

    with open_store(url, folder=folder, create=create) as there:
        yield there


@app.command("forget", cls=CheckedCommand)
def forget(
    users: Annotated[list[str], typer.Argument(metavar="USER…", help="Ids of the users.")],
    store: StoreOption,
    namespace: NamespaceOption = "default",
    folder: FolderOption = None,
    as_json: common.Json = False,
) -> None:
    """Forget people: events, lists, attributes, their rows in kept models, and the bytes that deleting leaves.

    It cannot be undone. A keyed hash stays, so that no backup and no import brings back what is older.

    [dim]palate store forget ann --store sqlite:///shop.db[/]
    """
    from palate.store.forgetting import copies
    from palate.store.forgetting import forget as run

    with _opened(store, folder) as there:
        done = run(there, there.namespace(namespace), users)
        kept = [str(path) for path in copies(there)]
    record = {name: getattr(done, name) for name in done.__slots__} | {"copies": kept}
    if as_json:
        common.emit(record)
        return
    common.console().print(
        f"forgotten: {done.users:,} users with {done.events:,} events and {done.lists:,} lists; "
        f"{done.models:,} model files written anew"
    )
    for path in kept:
        common.tell(f"{path} was kept by an upgrade, and holds what it held: delete it")
    if not done.scrubbed:
        common.tell("some bytes are still in files: `palate store clean` tries again")


@app.command("clean", cls=CheckedCommand)
def clean(
    store: StoreOption,
    namespace: Annotated[str | None, typer.Option("--namespace", help="One tenant alone; all without it.")] = None,
    keep_lists: Annotated[
        float | None, typer.Option("--keep-lists", metavar="DAYS", help="Delete lists that are older.")
    ] = None,
    keep_events: Annotated[
        float | None, typer.Option("--keep-events", metavar="DAYS", help="Delete events received longer ago.")
    ] = None,
    full: Annotated[
        bool,
        typer.Option("--full", help="Write the database anew, which gives room back; PostgreSQL locks its tables."),
    ] = False,
    folder: FolderOption = None,
    as_json: common.Json = False,
) -> None:
    """Delete what is older than so many days, and the bytes of people who were forgotten, where some are left.

    [dim]palate store clean --store sqlite:///shop.db --keep-lists 30 --keep-events 730[/]
    """
    from palate.store.cleaning import clean as run
    from palate.store.forgetting import scrub

    with _opened(store, folder) as there:
        ns = None if namespace is None else there.namespace(namespace)
        done = run(there, keep_lists, keep_events, ns=ns)
        scrubbed = scrub(there, full=full) is not None
    if as_json:
        common.emit({"lists": done.lists, "events": done.events, "scrubbed": scrubbed})
        return
    common.console().print(f"deleted: {done.lists:,} lists, {done.events:,} events")
    if not scrubbed:
        common.tell("bytes of people who were forgotten are still in files: the lines above say why")


@app.command("kinds", cls=CheckedCommand)
def kinds(
    store: StoreOption,
    namespace: NamespaceOption = "default",
    from_file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help='Take these instead: JSON, [{"name": "click"}, …]; - for stdin.'),
    ] = None,
    as_json: common.Json = False,
) -> None:
    """Show the event kinds of a namespace, or take others; what is popular is counted anew by them.

    A kind has name, positive ("value >= 4"), weight, negative, hides, returns_after and counts_for (days), repeated
    (last, once, sum) and rating ("value" or a number).

    [dim]palate store kinds --store sqlite:///shop.db --json[/]
    """
    from palate.store.kinds import kinds_of

    given = None if from_file is None else _read(from_file)
    with _opened(store, None, create=given is not None) as there:
        ns = there.namespace(namespace)
        if given is not None:
            from palate.store.configuring import set_kinds

            left = set_kinds(there, ns, given)
            for name, count in left.items():
                common.tell(f"{count:,} events of kind '{name}' stay in the log, and count for nothing")
        with there.read() as connection:
            found = kinds_of(connection, ns)
    if as_json:
        common.emit({"namespace": namespace, "kinds": _records(found)})
    else:
        _show(found)


def _read(file: Path) -> Kinds:
    """Return the kinds of a file.

    Raises:
        ParameterError: it holds none, or others than kinds.
    """
    import json
    import sys

    from palate.errors import DataError
    from palate.store.kinds import kinds_from

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        given = json.loads(text)
    except OSError as error:
        raise DataError.of_disk("cannot read", file, error) from error
    except ValueError as error:
        raise DataError(f"{file} is no JSON: {error}", code="format", subject=file) from None
    return kinds_from(given.get("kinds") if isinstance(given, dict) else given)


def _records(found: Kinds) -> list[dict[str, Any]]:
    from dataclasses import asdict

    return [asdict(kind) for kind in found.values()]


def _show(found: Kinds) -> None:
    from palate.cli.draw import table

    columns = ("name", "positive", "weight", "returns", "counts", "repeated", "rating")
    rows = table(None, tuple((column, "left") for column in columns))
    for kind in found.values():
        sign = ("never, hides" if kind.is_hiding else "never") if kind.negative else "always"
        rows.add_row(
            kind.name,
            kind.positive or sign,
            f"{kind.weight:g}",
            _days(kind.returns_after, "never"),
            _days(kind.counts_for, "ever"),
            kind.repeated,
            "" if kind.rating is None else str(kind.rating),
        )
    common.console().print(rows)


def _days(days: float | None, otherwise: str) -> str:
    return otherwise if days is None else f"{days:g} days"


@app.command("namespaces", cls=CheckedCommand)
def namespaces(
    store: StoreOption,
    add: Annotated[str | None, typer.Option("--add", metavar="NAME", help="Make one of this name.")] = None,
    ids: Annotated[
        Literal["text", "integer"], typer.Option("--ids", help="With --add: what ids of its users and items are.")
    ] = "text",
    as_json: common.Json = False,
) -> None:
    """List the namespaces of a store, or make one: a tenant with models, kinds, keys and limits of its own.

    [dim]palate store namespaces --store sqlite:///shop.db --add films --ids integer[/]
    """
    from palate.store import open_store

    with open_store(store, create=add is not None) as there:
        if add is not None:
            there.create_namespace(add, id_kind=ids)
        found = there.namespaces()
    if as_json:
        common.emit({"namespaces": [{"name": ns.name, "ids": ns.id_kind} for ns in found]})
        return
    stdout = common.console()
    for ns in found:
        stdout.print(f"{ns.name}: ids are {ns.id_kind}")
