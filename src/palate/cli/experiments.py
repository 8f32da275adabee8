"""``palate experiments``: arms of a scenario, and what came of them."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from palate.cli import common
from palate.cli.store import NamespaceOption, StoreOption, moment, opened
from palate.cli.together import CheckedCommand

if TYPE_CHECKING:
    from rich.console import Console

    from palate.experiments.arms import Difference, Report
    from palate.experiments.people import Figure
    from palate.store.experiments import Arm, Experiment

app = typer.Typer(help="Experiments on a scenario: start, list, report, end.", no_args_is_help=True)
ExperimentName = Annotated[str, typer.Argument(help="Of the experiment.")]


@app.command("start", cls=CheckedCommand)
def start(
    name: ExperimentName,
    store: StoreOption,
    arm: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=SHARE:SCENARIO",
            help="A share of people, and the scenario that makes their lists; two at least, the first is the control.",
        ),
    ],
    scenario: Annotated[
        str, typer.Option(help="Whose requests take part; default is that of requests which name none.")
    ] = "default",
    metric: Annotated[Literal["positives", "clicks"], typer.Option(help="What decides, per list.")] = "positives",
    effect: Annotated[
        float | None, typer.Option(help="The smallest difference that matters; plans how many lists each arm needs.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Of the metric now; without it, counted from the lists of the last 28 days.")
    ] = None,
    power: Annotated[float, typer.Option(help="The chance to find such a difference.")] = 0.8,
    alpha: Annotated[float, typer.Option(help="The chance to find one where there is none.")] = 0.05,
    namespace: NamespaceOption = "default",
    as_json: common.Json = False,
) -> None:
    """Start an experiment: each person is in one arm from now on, by a hash of their id, and what decides is fixed.

    [dim]palate experiments start bold --arm as-is=0.5:default --arm bold=0.5:home-bold --store sqlite:///shop.db[/]
    """
    from palate.store import reports

    arms = [_arm(word) for word in arm]
    with opened(store) as there:
        ns = there.namespace(namespace)
        made = reports.start(
            there, ns, name, scenario, arms, metric=metric, effect=effect, rate=rate, power=power, alpha=alpha
        )
    _show(made, as_json=as_json)


@app.command("list", cls=CheckedCommand)
def list_(store: StoreOption, namespace: NamespaceOption = "default", as_json: common.Json = False) -> None:
    """List experiments, the newest first, without what came of them.

    [dim]palate experiments list --store sqlite:///shop.db[/]
    """
    from palate.store import experiments

    with opened(store) as there, there.read() as conn:
        found = experiments.listed(conn, there.namespace(namespace))
    if as_json:
        common.emit({"experiments": [_record(one) for one in found]})
        return
    if not found:
        common.tell("there is no experiment")
    for one in found:
        _show(one, as_json=False)


@app.command("report", cls=CheckedCommand)
def report(
    name: ExperimentName, store: StoreOption, namespace: NamespaceOption = "default", as_json: common.Json = False
) -> None:
    """Report what came of an experiment. While it runs, that somebody looked is kept, and reports warn of early looks.

    [dim]palate experiments report bold --store sqlite:///shop.db[/]
    """
    from palate.store import reports

    with opened(store) as there:
        found, made = reports.report(there, there.namespace(namespace), name)
    if as_json:
        common.emit({"experiment": _record(found), "report": made.as_dict()})
        return
    _show_report(made, common.console())


@app.command("end", cls=CheckedCommand)
def end(
    name: ExperimentName, store: StoreOption, namespace: NamespaceOption = "default", as_json: common.Json = False
) -> None:
    """End an experiment for good; its report can still be asked for.

    [dim]palate experiments end bold --store sqlite:///shop.db[/]
    """
    from palate.store import experiments

    with opened(store) as there:
        ended = experiments.end(there, there.namespace(namespace), name)
    _show(ended, as_json=as_json)


def _arm(word: str) -> Arm:
    from palate.store.experiments import Arm

    name, _, rest = word.partition("=")
    share, _, scenario = rest.partition(":")
    try:
        number = float(share)
    except ValueError:
        raise common.usage_error(f"--arm takes NAME=SHARE:SCENARIO, such as bold=0.5:home, got '{word}'") from None
    return Arm(name, number, scenario)


def _show(one: Experiment, *, as_json: bool) -> None:
    if as_json:
        common.emit(_record(one))
        return
    arms = ", ".join(f"{arm.name} {arm.share:.0%} by {arm.scenario}" for arm in one.arms)
    state = f"ended {moment(one.ended)}" if one.ended is not None else "runs"
    out = common.console()
    out.print(f"{one.name} on {one.scenario}, started {moment(one.started)}, {state}: {arms}", soft_wrap=True)
    if one.plan.get("lists"):
        needed = ", ".join(f"{arm.name} {lists:,}" for arm, lists in zip(one.arms, one.plan["lists"], strict=True))
        out.print(f"decided by {one.plan['metric']} per list, after so many lists: {needed}", soft_wrap=True)


def _show_report(made: Report, out: Console) -> None:
    from palate.cli.draw import table

    columns = (("arm", "left"), *((name, "right") for name in ("share", "people", "lists")))
    rows = table(None, (*columns, ("clicks a list", "left"), ("positives a list", "left")))  # these may be folded
    for arm in made.arms:
        sizes = (f"{arm.share:.0%}", f"{arm.people:,}", f"{arm.lists:,}")
        rows.add_row(arm.name, *sizes, _figure(arm.clicks), _figure(arm.positives))
    out.print(rows)
    for one in made.differences:
        out.print(_difference(one, made.arms[0].name))
    for warning in made.warnings:
        out.print(f"warning: {warning}")
    out.print(made.verdict, style="bold")


def _figure(figure: Figure) -> str:
    if math.isnan(figure.value):
        return ""
    return f"{figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f})"


def _difference(one: Difference, first: str) -> str:
    return (
        f"{one.arm} against {first}, {one.metric} per list: {one.value:+.4f} ({one.low:+.4f} to {one.high:+.4f}), "
        f"p = {one.p_corrected:.2g}"
    )


def _record(one: Experiment) -> dict[str, Any]:
    return {
        "name": one.name,
        "scenario": one.scenario,
        "arms": [asdict(arm) for arm in one.arms],
        "plan": dict(one.plan),
        "looks": [dict(look) for look in one.looks],
        "started": moment(one.started),
        "ended": moment(one.ended),
    }
