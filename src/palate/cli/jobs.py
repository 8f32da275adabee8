"""``palate jobs``: what a store's long pieces of work do, and did."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import common
from palate.cli.store import NamespaceOption, StoreOption, moment, opened
from palate.cli.together import CheckedCommand

if TYPE_CHECKING:
    from palate.store.jobs import StoredJob
    from palate.store.records import Namespace
    from palate.store.store import Store

app = typer.Typer(help="Jobs of a store, such as retrains: list, show, read their logs, cancel.", no_args_is_help=True)
SECONDS = 0.5  # between two looks at a log that is followed

JobArgument = Annotated[int, typer.Argument(metavar="JOB", min=1, help="Its number, as list shows it.")]


@app.command("list", cls=CheckedCommand)
def list_(
    store: StoreOption,
    namespace: NamespaceOption = "default",
    kind: Annotated[str | None, typer.Option(help="One kind alone, such as retrain.")] = None,
    state: Annotated[
        Literal["waiting", "running", "done", "failed", "cancelled"] | None, typer.Option(help="Those in this state.")
    ] = None,
    n: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    as_json: common.Json = False,
) -> None:
    """List jobs, the newest first.

    [dim]palate jobs list --store sqlite:///shop.db --kind retrain[/]
    """
    from palate.store import jobs

    with opened(store) as there:
        ns = there.namespace(namespace)
        jobs.bury(there, ns)
        with there.read() as conn:
            found = jobs.listed(conn, ns, kind, () if state is None else (state,), n)
    if as_json:
        common.emit({"jobs": [_record(job) for job in found]})
        return
    if not found:
        common.tell("there is no such job")
        return
    from palate.cli.draw import table

    columns = (("job", "right"), *((name, "left") for name in ("kind", "state")), ("done", "right"))
    rows = table(None, (*columns, *((name, "left") for name in ("created", "ended", "what came of it"))))
    for job in found:
        cells = (job.kind, job.state, f"{job.progress:.0%}", moment(job.created), moment(job.ended) or "")
        rows.add_row(str(job.number), *map(str, cells), _outcome(job))
    common.console().print(rows)


@app.command("show", cls=CheckedCommand)
def show(
    job: JobArgument, store: StoreOption, namespace: NamespaceOption = "default", as_json: common.Json = False
) -> None:
    """Show a job: what it is to do, how far it is, what came of it, and the end of its log.

    [dim]palate jobs show 7 --store sqlite:///shop.db[/]
    """
    with opened(store) as there:
        found = _job(there, there.namespace(namespace), job)
    if as_json:
        common.emit({**_record(found), "log": found.log})
        return
    out = common.console()
    asked = ", asked to stop" if found.cancel_asked and found.state == "running" else ""
    out.print(f"job {found.number}: {found.kind}, {found.state}{asked}, {found.progress:.0%}")
    for name in ("created", "started", "ended"):
        if getattr(found, name) is not None:
            out.print(f"  {name} {moment(getattr(found, name))}")
    for name, value in {**found.details, **found.outcome}.items():
        out.print(f"  {name}: {_plain(value)}")
    for line in found.log.splitlines()[-10:]:
        out.print(f"  | {line}")


@app.command("log", cls=CheckedCommand)
def log(
    job: JobArgument,
    store: StoreOption,
    namespace: NamespaceOption = "default",
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the job has ended.")] = False,
) -> None:
    """Print the log of a job, also while it runs.

    [dim]palate jobs log 7 --follow --store sqlite:///shop.db[/]
    """
    with opened(store) as there:
        ns = there.namespace(namespace)
        found = _job(there, ns, job)
        common.write(found.log)
        while follow and found.state in ("waiting", "running"):
            time.sleep(SECONDS)
            before, found = found.log, _job(there, ns, job)
            common.write(_new(before, found.log))
    if follow:
        common.tell(f"job {found.number} is {found.state}")


@app.command("cancel", cls=CheckedCommand)
def cancel(
    job: JobArgument, store: StoreOption, namespace: NamespaceOption = "default", as_json: common.Json = False
) -> None:
    """Cancel a job that waits, or ask one that runs to stop: it does in some seconds. What runs in a service goes on.

    [dim]palate jobs cancel 7 --store sqlite:///shop.db[/]
    """
    from palate.store import jobs

    with opened(store) as there:
        done = jobs.cancel(there, there.namespace(namespace), job)
    if as_json:
        common.emit(_record(done))
        return
    words = "is asked to stop" if done.state == "running" else f"is {done.state}"
    common.console().print(f"job {done.number} {words}")


def _job(store: Store, ns: Namespace, number: int) -> StoredJob:
    from palate.store import jobs

    jobs.bury(store, ns)
    with store.read() as conn:
        return jobs.get(conn, ns, number)


def _new(before: str, now: str) -> str:
    """Return what came to a log, of which the oldest lines may be gone."""
    if now.startswith(before):
        return now[len(before) :]
    at = now.find(before[-1000:])
    return now if at < 0 else now[at + len(before[-1000:]) :]


def _outcome(job: StoredJob) -> str:
    """Return what came of a job in a few words: what it says, else the last line of its log."""
    short = ", ".join(f"{name} {value}" for name, value in job.outcome.items() if isinstance(value, int | float | str))
    lines = job.log.splitlines()
    return short or (lines[-1] if lines else "")


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(one)}" for name, one in value.items() if one not in (None, {}))
    return str(value)


def _record(job: StoredJob) -> dict[str, Any]:
    return {
        "job": job.number,
        "kind": job.kind,
        "state": job.state,
        "progress": job.progress,
        **{name: moment(getattr(job, name)) for name in ("created", "started", "ended", "scheduled")},
        "settings": dict(job.details),
        "outcome": dict(job.outcome),
        "cancel_asked": job.cancel_asked,
    }
