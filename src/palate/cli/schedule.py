"""``palate schedule``: what the service does again and again."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from palate.cli import common
from palate.cli.store import NamespaceOption, StoreOption, moment, opened
from palate.cli.together import CheckedCommand

if TYPE_CHECKING:
    from palate.store.schedules import StoredSchedule

app = typer.Typer(
    help="Retrains at fixed times, which a running service starts: set, list, pause, resume, remove.",
    no_args_is_help=True,
)
KIND = "retrain"
AT = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


@app.command("set", cls=CheckedCommand)
def set_(
    every: Annotated[str, typer.Argument(help="From one retrain to the next: 30m, 12h, 1d, from a minute to a year.")],
    store: StoreOption,
    namespace: NamespaceOption = "default",
    at: Annotated[
        str | None, typer.Option(metavar="HH:MM", help="The first time, in UTC; after EVERY without it.")
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="What a retrain is told, as JSON; as before without it."),
    ] = None,
    as_json: common.Json = False,
) -> None:
    """Let the model be trained anew at fixed times, in place of the schedule that there is.

    A service starts it; times at which none ran are made up by one.

    [dim]palate schedule set 1d --at 03:00 --store sqlite:///shop.db[/]
    """
    from palate.retraining import checked
    from palate.store import schedules

    first = None if at is None else _first(at)
    with opened(store, create=True) as there:
        ns = there.namespace(namespace)
        with there.read() as conn:
            before = {one.kind: dict(one.details) for one in schedules.listed(conn, ns)}.get(KIND, {})
        made = schedules.put(there, ns, KIND, every, checked(before if settings is None else _read(settings)), first)
    _show(made, as_json=as_json)


@app.command("list", cls=CheckedCommand)
def list_(store: StoreOption, namespace: NamespaceOption = "default", as_json: common.Json = False) -> None:
    """List the schedules of a namespace and their next times.

    [dim]palate schedule list --store sqlite:///shop.db[/]
    """
    from palate.store import schedules

    with opened(store) as there, there.read() as conn:
        found = schedules.listed(conn, there.namespace(namespace))
    if as_json:
        common.emit({"schedules": [_record(one) for one in found]})
    elif not found:
        common.tell("nothing is scheduled")
    else:
        for one in found:
            _show(one, as_json=False)


@app.command("pause", cls=CheckedCommand)
def pause(store: StoreOption, namespace: NamespaceOption = "default", as_json: common.Json = False) -> None:
    """Let retrains rest until resume; one that runs goes on.

    [dim]palate schedule pause --store sqlite:///shop.db[/]
    """
    _pause(store, namespace, paused=True, as_json=as_json)


@app.command("resume", cls=CheckedCommand)
def resume(store: StoreOption, namespace: NamespaceOption = "default", as_json: common.Json = False) -> None:
    """Let a schedule go on; times that passed meanwhile are made up by one.

    [dim]palate schedule resume --store sqlite:///shop.db[/]
    """
    _pause(store, namespace, paused=False, as_json=as_json)


@app.command("remove", cls=CheckedCommand)
def remove(store: StoreOption, namespace: NamespaceOption = "default", as_json: common.Json = False) -> None:
    """Remove the schedule of retrains; one that runs goes on.

    [dim]palate schedule remove --store sqlite:///shop.db[/]
    """
    from palate.store import schedules

    with opened(store) as there:
        schedules.remove(there, there.namespace(namespace), KIND)
    if as_json:
        common.emit({"removed": KIND})
    else:
        common.console().print("nothing is retrained by itself any more")


def _pause(store: str, namespace: str, *, paused: bool, as_json: bool) -> None:
    from palate.store import schedules

    with opened(store) as there:
        _show(schedules.pause(there, there.namespace(namespace), KIND, paused=paused), as_json=as_json)


def _first(at: str, now: datetime | None = None) -> int:
    """Return the next time of a day's hour and minute, microseconds."""
    found = AT.fullmatch(at)
    if found is None:
        raise common.usage_error(f"--at takes an hour and a minute in UTC, such as 03:00, got '{at}'")
    now = now or datetime.now(UTC)
    day = now.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
    return int((day if day > now else day + timedelta(days=1)).timestamp()) * 1_000_000


def _read(file: Path) -> Any:
    """Return what a file says, as JSON.

    Raises:
        ParameterError: it does not hold JSON.
        PalateError: it cannot be read.
    """
    from palate.errors import PalateError, ParameterError

    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PalateError.of_disk("cannot read", file, error) from None
    except ValueError as error:
        raise ParameterError.of("--from", f": {file} does not hold JSON ({error})") from None


def _show(schedule: StoredSchedule, *, as_json: bool) -> None:
    record = _record(schedule)
    if as_json:
        common.emit(record)
        return
    when = "is paused" if schedule.paused else f"next at {record['due']}"
    common.console().print(f"{schedule.kind} every {record['every']}, {when}")


def _record(schedule: StoredSchedule) -> dict[str, Any]:
    from palate.store.schedules import interval_said

    return {
        "kind": schedule.kind,
        "every": interval_said(schedule.every),
        "due": moment(schedule.due),
        "paused": schedule.paused,
        "settings": dict(schedule.details),
    }
