"""The figure of the simulated month: docs/images/month.png."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from palate.plots.house import BLUE, GREEN, GREY, GRID, INK, ORANGE, RED

if TYPE_CHECKING:
    from month_replications import Coverage
    from simulated_month import Month, Truths

ESTIMATORS = ("ips", "snips", "dr")
ASKED = (("keen", "keen", BLUE), ("shadow", "the order itself", GREEN))


def drawn(month: Month, truths: Truths, found: list[Coverage]) -> Figure:
    """Return the figure: the days, the experiment, the estimates beside the truth, and how often intervals hold it."""
    figure = Figure(figsize=(10, 6.4), dpi=110, layout="constrained")
    days, experiment, estimates, coverage = figure.subplots(2, 2, width_ratios=(1.5, 1)).flat
    for axes in (days, experiment, estimates, coverage):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=GREY, labelsize=9)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
    _days(days, month)
    _experiment(experiment, month)
    _estimates(estimates, month, truths)
    _coverage(coverage, found)
    return figure


def _title(axes: Any, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK)
    axes.set_xlabel(x, color=GREY, fontsize=9)
    axes.set_ylabel(y, color=GREY, fontsize=9)


def _reach(figure: Any) -> list[list[float]]:
    return [[figure.value - figure.low], [figure.high - figure.value]]


def _days(axes: Any, month: Month) -> None:
    day = [one["day"] for one in month.daily]
    lists = np.array([one["lists"] for one in month.daily])
    for name, colour, label in (("clicks", ORANGE, "clicked"), ("worth", BLUE, "what the lists were worth")):
        axes.plot(day, np.array([one[name] for one in month.daily]) / lists, color=colour, marker=".", label=label)
    top = max(one["worth"] / one["lists"] for one in month.daily) * 1.12
    for at, words in month.events:
        colour = RED if "refused" in words else GREY
        axes.axvline(at - 0.5, color=colour, linewidth=0.9, linestyle=":")
        axes.text(at - 0.4, top, words, rotation=90, va="bottom", ha="left", fontsize=7, color=colour)
    axes.set_ylim(0, top * 1.75)
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    _title(axes, "The month", "day", "clicks per list")


def _experiment(axes: Any, month: Month) -> None:
    if month.report is None:
        return
    for at, arm in enumerate(month.report.arms):
        axes.errorbar(at, arm.clicks.value, _reach(arm.clicks), fmt="o", color=BLUE, capsize=4)
    axes.set_xticks(range(len(month.report.arms)), [f"{one.name}\n{one.lists:,} lists" for one in month.report.arms])
    axes.set_xlim(-0.6, len(month.report.arms) - 0.4)
    _title(axes, "The experiment at its planned end", "", "clicks per list, 95 %")


def _estimates(axes: Any, month: Month, truths: Truths) -> None:
    for turn, (scenario, name, colour) in enumerate(ASKED):
        told = month.asked(scenario).clicks
        truth = truths.worth(scenario)
        places = 4 * turn + np.arange(3)
        axes.hlines(truth, places[0] - 0.4, places[-1] + 0.4, color=INK, linewidth=1.5, label=None if turn else "truth")
        for at, one in zip(places, ESTIMATORS, strict=True):
            figure = told[one].value
            if told[one].refused is not None:
                axes.text(at, truth, "refused", rotation=90, va="center", ha="center", fontsize=8, color=RED)
                continue
            label = f"{name}, estimated" if one == "dr" else None
            axes.errorbar(at, figure.value, _reach(figure), fmt="o", color=colour, capsize=4, label=label)
    ran = month.asked("keen").clicks.logged.value
    axes.axhline(ran, color=GREY, linestyle=":", linewidth=1, label="the policy that ran")
    axes.set_xticks([0, 1, 2, 4, 5, 6], [one.upper() for one in ESTIMATORS] * 2)
    axes.set_xlim(-0.6, 10.5)
    axes.legend(loc="center right", fontsize=8, frameon=False)
    _title(axes, "Policies that were not run, from the log of days 7 to 13", "", "clicks per list, 95 %")


def _coverage(axes: Any, found: list[Coverage]) -> None:
    axes.axhspan(93, 97, color=GRID, zorder=0)
    for turn, how in enumerate(("as stated", "cascade")):
        own = [one for one in found if one.how == how]
        colour, marker = (BLUE, "o") if turn == 0 else (RED, "s")
        axes.plot(range(len(own)), [100 * one.covered for one in own], marker, color=colour, label=f"clicks {how}")
    axes.set_xticks(range(3), [one.upper() for one in ESTIMATORS])
    axes.set_xlim(-0.5, 2.5)
    axes.legend(loc="center left", fontsize=8, frameon=False)
    _title(axes, "Intervals that hold the truth", "", "% of replications")
