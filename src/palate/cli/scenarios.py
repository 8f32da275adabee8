"""``palate scenarios``: named presets of what lists are asked with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palate.cli import common
from palate.cli.store import NamespaceOption, StoreOption, moment, opened
from palate.cli.store_rules import FolderOption
from palate.cli.together import CheckedCommand

if TYPE_CHECKING:
    from palate.store.scenarios import Scenario

app = typer.Typer(
    help="Named presets of lists: filters, boosts, diversity, exploring, rotation, model. Services follow at once.",
    no_args_is_help=True,
)
ScenarioName = Annotated[str, typer.Argument(help="Of the scenario; default is that of requests which name none.")]


@app.command("set", cls=CheckedCommand)
def set_(
    name: ScenarioName,
    preset: Annotated[
        str,
        typer.Argument(
            metavar="PRESET",
            help="What it says, as JSON: where, exclude, boosts, diversity, seen, not_mine, n, new_items_share, "
            "explore, rotation, model; or a file with that, or - for standard input.",
        ),
    ],
    store: StoreOption,
    namespace: NamespaceOption = "default",
    folder: FolderOption = None,
    as_json: common.Json = False,
) -> None:
    """Write a scenario, in place of what it was; that stays as a revision, which the lists made by it name.

    [dim]palate scenarios set home '{"where": ["year>=1990"], "diversity": 0.3}' --store sqlite:///shop.db[/]

    [dim]palate scenarios set home-bold '{"explore": {"policy": "softmax"}}' --store sqlite:///shop.db[/]
    """
    from palate.serve.engine.presets import checked
    from palate.store import open_store, scenarios
    from palate.store.presets import Preset

    said = Preset.of(_read(preset))
    with open_store(store, folder=folder, create=False) as there:
        ns = there.namespace(namespace)
        made = scenarios.put(there, ns, name, checked(there, ns, said))
    _show(made, as_json=as_json)


@app.command("list", cls=CheckedCommand)
def list_(store: StoreOption, namespace: NamespaceOption = "default", as_json: common.Json = False) -> None:
    """List the scenarios of a namespace, as they are now.

    [dim]palate scenarios list --store sqlite:///shop.db[/]
    """
    from palate.store import scenarios

    with opened(store) as there, there.read() as conn:
        found = scenarios.listed(conn, there.namespace(namespace))
    _show_all(found, "there is no scenario", as_json=as_json)


@app.command("revisions", cls=CheckedCommand)
def revisions(
    name: ScenarioName, store: StoreOption, namespace: NamespaceOption = "default", as_json: common.Json = False
) -> None:
    """List what a scenario was, the newest revision first.

    [dim]palate scenarios revisions home --store sqlite:///shop.db[/]
    """
    from palate.store import scenarios

    with opened(store) as there, there.read() as conn:
        found = scenarios.revisions(conn, there.namespace(namespace), name)
    _show_all(found, "", as_json=as_json)


@app.command("delete", cls=CheckedCommand)
def delete(
    name: ScenarioName, store: StoreOption, namespace: NamespaceOption = "default", as_json: common.Json = False
) -> None:
    """Delete a scenario: requests may not name it any more. Its revisions stay.

    [dim]palate scenarios delete home-bold --store sqlite:///shop.db[/]
    """
    from palate.store import scenarios

    with opened(store) as there:
        gone = scenarios.delete(there, there.namespace(namespace), name)
    _show(gone, as_json=as_json)


def _read(preset: str) -> Any:
    """Return what a preset says, as JSON.

    Raises:
        ParameterError: it is no JSON.
        PalateError: its file cannot be read.
    """
    from palate.errors import PalateError, ParameterError

    text = preset
    try:
        if preset == "-":
            text = sys.stdin.read()
        elif not preset.lstrip().startswith("{"):
            text = Path(preset).read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as error:
        raise PalateError.of_disk("the preset is neither JSON nor a file that can be read:", preset, error) from error
    except ValueError as error:
        raise ParameterError.of("the preset", f"is no JSON: {error}", value=text) from None


def _show_all(found: list[Scenario], nothing: str, *, as_json: bool) -> None:
    if as_json:
        common.emit({"scenarios": [_record(one) for one in found]})
        return
    if not found:
        common.tell(nothing)
    for one in found:
        _show(one, as_json=False)


def _show(one: Scenario, *, as_json: bool) -> None:
    if as_json:
        common.emit(_record(one))
        return
    said = "deleted" if one.preset is None else json.dumps(one.preset.as_dict(), ensure_ascii=False)
    common.console().print(f"{one.name}, revision {one.revision} of {moment(one.created)}: {said}", soft_wrap=True)


def _record(one: Scenario) -> dict[str, Any]:
    return {
        "name": one.name,
        "revision": one.revision,
        "preset": None if one.preset is None else one.preset.as_dict(),
        "created": moment(one.created),
    }
