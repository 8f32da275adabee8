"""``palate keys``: make, list and revoke API keys, on the store itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import common
from palate.cli.store import NamespaceOption, StoreOption, moment
from palate.cli.together import CheckedCommand

if TYPE_CHECKING:
    from palate.store.keys import ApiKey

app = typer.Typer(help="API keys of the service: make one, list them, revoke one.", no_args_is_help=True)


@app.command("create", cls=CheckedCommand)
def create(
    store: StoreOption,
    role: Annotated[
        Literal["read", "write", "admin"],
        typer.Option(help="read asks for lists; write sends feedback, users and items, too; admin switches models."),
    ],
    namespace: NamespaceOption = "default",
    name: Annotated[str, typer.Option(help="What it is for, to be told from others.")] = "",
    as_json: common.Json = False,
) -> None:
    """Make a key and show it once: the store keeps a hash of it alone. A store that is not there is made.

    [dim]palate keys create --store sqlite:///shop.db --role write --name shop[/]
    """
    from palate.store import keys, open_store

    with open_store(store) as there:
        made, key = keys.create(there, there.namespace(namespace), role, name)
    if as_json:
        common.emit({"key": key, **_record(made)})
        return
    common.tell(f"a key of the role {made.role} in the namespace {made.namespace}, shown this once:")
    common.console().print(key, soft_wrap=True)


@app.command("list", cls=CheckedCommand)
def list_(
    store: StoreOption,
    namespace: Annotated[str | None, typer.Option("--namespace", help="One tenant alone; all without it.")] = None,
    as_json: common.Json = False,
) -> None:
    """List keys by their prefixes, revoked ones too; the keys themselves nobody has but their holders.

    [dim]palate keys list --store sqlite:///shop.db[/]
    """
    from palate.store import keys, open_store

    with open_store(store, create=False) as there:
        ns = None if namespace is None else there.namespace(namespace)
        with there.read() as connection:
            found = keys.listed(connection, ns)
    if as_json:
        common.emit({"keys": [_record(key) for key in found]})
        return
    if not found:
        common.tell("no key was made yet")
        return
    from palate.cli.draw import table

    columns = ("prefix", "namespace", "role", "name", "created", "revoked")
    rows = table(None, tuple((column, "left") for column in columns))
    for key in found:
        rows.add_row(*(str(value or "") for value in _record(key).values()))
    common.console().print(rows)


@app.command("revoke", cls=CheckedCommand)
def revoke(
    prefix: Annotated[str, typer.Argument(help="Of the key, as list shows it; or the whole key.")],
    store: StoreOption,
    namespace: NamespaceOption = "default",
    as_json: common.Json = False,
) -> None:
    """Revoke a key for good: within a second no worker takes it any more.

    [dim]palate keys revoke 7k3mq9x2ab --store sqlite:///shop.db[/]
    """
    from palate.store import keys, open_store

    with open_store(store, create=False) as there:
        gone = keys.revoke(there, there.namespace(namespace), prefix)
    if as_json:
        common.emit(_record(gone))
        return
    common.console().print(f"the key {gone.prefix} is revoked since {moment(gone.revoked)}")


def _record(key: ApiKey) -> dict[str, Any]:
    return {
        "prefix": key.prefix,
        "namespace": key.namespace,
        "role": key.role,
        "name": key.name,
        "created": moment(key.created),
        "revoked": moment(key.revoked),
    }
