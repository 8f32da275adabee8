"""``palate versions``: which models a store has, and which one answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palate.cli import common
from palate.cli.store import NamespaceOption, StoreOption, moment
from palate.cli.store_rules import FolderOption
from palate.cli.together import CheckedCommand

if TYPE_CHECKING:
    from palate.store.records import Namespace
    from palate.store.store import Store
    from palate.store.versions import Version

app = typer.Typer(
    help="Model versions of a store: list, add, activate, roll back, overrule the gate.", no_args_is_help=True
)
VersionArgument = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Its number, as list shows it.")]


@contextmanager
def _opened(
    url: str, folder: Path | None, namespace: str, *, create: bool = False
) -> Iterator[tuple[Store, Namespace]]:
    from palate.store import open_store

    with open_store(url, folder=folder, create=create) as store:
        yield store, store.namespace(namespace)


@app.command("list", cls=CheckedCommand)
def list_(
    store: StoreOption,
    namespace: NamespaceOption = "default",
    folder: FolderOption = None,
    as_json: common.Json = False,
) -> None:
    """List versions, the newest first: their state, what they learned from, and what the gate said.

    [dim]palate versions list --store sqlite:///shop.db[/]
    """
    from palate.store import versions

    with _opened(store, folder, namespace) as (there, ns):
        found = versions.listed(there, ns)
    if as_json:
        common.emit({"versions": [_record(version) for version in found]})
        return
    if not found:
        common.tell("there is no version yet: 'palate versions add' makes one of a model file")
        return
    from palate.cli.draw import table

    names = ("model", "state", "trained", "newest event", "gate")
    rows = table(None, (("version", "right"), *((name, "left") for name in names)))
    for one in found:
        cells = (one.model, one.state, moment(one.trained), moment(one.newest_event) or "", _gate(one))
        rows.add_row(str(one.number), *map(str, cells))
    common.console().print(rows)


@app.command("add", cls=CheckedCommand)
def add(
    model: common.ModelArgument,
    store: StoreOption,
    namespace: NamespaceOption = "default",
    activate: Annotated[bool, typer.Option("--activate", help="Let it answer at once.")] = False,
    folder: FolderOption = None,
    as_json: common.Json = False,
) -> None:
    """Make a version of a model file; a store that is not there is made.

    [dim]palate versions add model.safetensors --activate --store sqlite:///shop.db[/]
    """
    from palate.store import versions

    with _opened(store, folder, namespace, create=True) as (there, ns):
        number = versions.add(there, ns, model)
        if activate:
            versions.activate(there, ns, number)
        made = next(one for one in versions.listed(there, ns) if one.number == number)
    _show(made, as_json=as_json)


@app.command("activate", cls=CheckedCommand)
def activate_(
    version: VersionArgument,
    store: StoreOption,
    namespace: NamespaceOption = "default",
    folder: FolderOption = None,
    as_json: common.Json = False,
) -> None:
    """Let a version answer, in all workers of a running service; no request is dropped.

    [dim]palate versions activate 3 --store sqlite:///shop.db[/]
    """
    from palate.store import versions

    with _opened(store, folder, namespace) as (there, ns):
        _show(versions.activate(there, ns, version), as_json=as_json)


@app.command("roll-back", cls=CheckedCommand)
def roll_back(
    store: StoreOption,
    namespace: NamespaceOption = "default",
    folder: FolderOption = None,
    as_json: common.Json = False,
) -> None:
    """Let the version answer that was active before; again, the one before that.

    [dim]palate versions roll-back --store sqlite:///shop.db[/]
    """
    from palate.store import versions

    with _opened(store, folder, namespace) as (there, ns):
        _show(versions.roll_back(there, ns), as_json=as_json)


@app.command("overrule", cls=CheckedCommand)
def overrule(
    version: VersionArgument,
    store: StoreOption,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who answers for it; it is kept with the version.")],
    why: Annotated[str, typer.Option(help="Kept beside the name.")] = "",
    namespace: NamespaceOption = "default",
    folder: FolderOption = None,
    as_json: common.Json = False,
) -> None:
    """Let a version answer that the gate refused.

    [dim]palate versions overrule 3 --by Ada --why "the newest days were a sale" --store sqlite:///shop.db[/]
    """
    from palate.retraining import overrule as run

    with _opened(store, folder, namespace) as (there, ns):
        _show(run(there, ns, version, by, why), as_json=as_json)


@app.command("figures", cls=CheckedCommand)
def figures(
    results: Annotated[
        Path, typer.Argument(metavar="RESULTS", help="A folder of palate compare --out, or a JSON file of figures.")
    ],
    store: StoreOption,
    namespace: NamespaceOption = "default",
    folder: FolderOption = None,
    as_json: common.Json = False,
) -> None:
    """Keep what was measured of models with their newest versions: the page shows it, and chooses models by it.

    [dim]palate versions figures results --store sqlite:///shop.db[/]
    """
    from palate.serve.engine.purposes import make_purposes
    from palate.store import versions

    measured = versions.read_figures(results)
    with _opened(store, folder, namespace) as (there, ns):
        kept = versions.keep_figures(there, ns, measured)
        make_purposes(there, ns)
    if as_json:
        common.emit({"versions": kept})
        return
    told = ", ".join(f"{number} ({key})" for key, number in kept.items())
    common.console().print(f"what was measured is kept with version {told}")


def _show(version: Version, *, as_json: bool) -> None:
    if as_json:
        common.emit(_record(version))
        return
    common.console().print(f"version {version.number} ({version.model}) is {version.state}")


def _gate(version: Version) -> str:
    """Return what the gate said in a few words."""
    verdict = version.details.get("verdict") or {}
    by = verdict.get("overruled_by")
    said = str(verdict.get("decision", ""))
    return f"{said}, overruled by {by['name']}" if by else said


def _record(version: Version) -> dict[str, Any]:
    times = {name: moment(getattr(version, name)) for name in ("trained", "newest_event", "activated")}
    details = {name: version.details.get(name) for name in ("users", "items", "verdict", "error")}
    return {"version": version.number, "model": version.model, "state": version.state, **times, **details}
