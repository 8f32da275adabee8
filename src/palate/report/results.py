"""What all sections look at: the run, with its tables and tests worked out once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from palate.data.card import Card
from palate.evaluation import Comparison
from palate.evaluation.findings import finding, measured, ranked
from palate.evaluation.jobs import part_words, positive_words, split_words
from palate.metrics import METRICS, named
from palate.terminal import command

NOTHING = "\N{EN DASH}"  # in a cell


@dataclass(frozen=True, eq=False)
class Results:
    """A run and what is worked out from it.

    Attributes:
        run: the comparison.
        table, tests: as `Comparison.table` and `Comparison.tests` give them.
        everything: model, metric, mean of all metrics, also of those recorded without being asked for.
        card: of the data.
    """

    run: Comparison
    table: pl.DataFrame
    tests: pl.DataFrame
    everything: pl.DataFrame
    card: Card

    @classmethod
    def of(cls, run: Comparison) -> Results:
        """Return the results of a run."""
        everything = run.results.group_by("model", "metric", maintain_order=True).agg(
            pl.col("value").mean().alias("mean")
        )
        return cls(run, run.table(), run.tests(), everything, Card(**run.plan["data"]["card"]))

    @property
    def labels(self) -> list[str]:
        """The models with results, in the order asked for."""
        known = set(self.table["model"])
        return [model["label"] for model in self.run.plan["models"] if model["label"] in known]

    @property
    def metrics(self) -> list[str]:
        """The metrics asked for that any model has."""
        return measured(self.table, self.run.plan["metrics"])

    def model_keys(self, *more: str) -> list[str]:
        """Return the keys of the models asked for, and further ones, each once."""
        return list(dict.fromkeys([*(model["key"] for model in self.run.plan["models"]), *more]))

    @property
    def ranking(self) -> list[str]:
        """Of these, the metrics of ranked lists."""
        return [metric for metric in self.metrics if named(metric).metric.kind == "ranking"]

    @property
    def day(self) -> str:
        """The day of the run, such as 24 November 2026."""
        made = datetime.fromisoformat(self.run.plan["created"])
        return f"{made.day} {made:%B %Y}"

    @property
    def beside(self) -> list[str]:
        """What is recorded beside metrics of lists, such as novelty@20; what a user sees comes before the catalogue."""
        names = reversed(self.everything["metric"].unique(maintain_order=True).to_list())
        first = {named(name).metric.key: name for name in names}
        asked = sorted(METRICS.values(), key=lambda metric: metric.per != "user")
        return [first[metric.key] for metric in asked if metric.beside and metric.key in first]

    def command(self, metrics: Sequence[str] | None = None, models: Sequence[str] | None = None) -> str:
        """Return the command that would make such a run, with these metrics or models instead of its own."""
        plan = self.run.plan
        asked = models or self.model_keys()
        words = ["palate", "compare", *(plan["data"]["words"] or ["DATA"]), "--models", ",".join(asked)]
        words += [*split_words(words, plan["split"]), "--metrics", ",".join(metrics or plan["metrics"])]
        words += [*positive_words(plan["positive"]), *part_words(plan.get("part"))]
        return command(*words, "--out", "RUN")

    def best(self, metric: str) -> dict[str, Any]:
        """Return the best row of a metric, or the first where neither end is best."""
        return ranked(self.table, metric).row(0, named=True)

    def finding(self, metric: str) -> str:
        """Return in a sentence which model is best in a metric; see `palate.evaluation.findings`."""
        return finding(self.table, self.tests, metric)


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with so many decimals, or a dash where it is not known."""
    return NOTHING if value is None else f"{value:,.{digits}f}"


def interval(row: Mapping[str, Any]) -> str:
    """Return "0.9050 to 0.9190" from low and high, or a dash."""
    return NOTHING if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}"
