"""The rule of the gate: what is measured, on which days, and what is shown before a candidate may answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from palate.errors import ParameterError
from palate.metrics import at
from palate.models.contract.parameters import check_choice, check_number, check_whole

GateTest = Literal["not_worse", "better"]
LONGEST = 36_500.0  # days


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRule:
    """When a candidate takes the place of the running model.

    Attributes:
        metric: such as "ndcg@10" or "rmse".
        days: the newest days of the log, which are kept from both models and judged on.
        margin: in the metric's unit: by how much the candidate is to be better, below 0 by how much it may be worse.
        test: "not_worse" refuses where the whole interval of the difference lies below the margin; "better" refuses
            where any of it does.
        level: of the interval, a bootstrap over people.
        fewest: people in the newest days below whom nothing is judged, and a running model stays.
        positive: ratings of at least this are relevant in metrics of lists; None: as the namespace's event kinds say,
            else each.
        coverage: how many different items the candidate's lists must hold, in those of the running model's.
        overlap: which part of the running lists the candidate's must share, from 0 to 1.
    """

    metric: str = "ndcg@10"
    days: float = 7.0
    margin: float = 0.0
    test: GateTest = "not_worse"
    level: float = 0.95
    fewest: int = 30
    positive: float | None = None
    coverage: float = 0.5
    overlap: float = 0.02

    def __post_init__(self) -> None:
        """Refuse what is no rule.

        Raises:
            ParameterError: names the field, and what it may be.
        """
        _check_metric(self.metric)
        check_number("days", self.days, low=0, high=LONGEST, open_low=True)
        check_number("margin", self.margin, low=-1e9)
        check_choice("test", self.test, get_args(GateTest))
        check_number("level", self.level, low=0.5, high=0.999)
        check_whole("fewest", self.fewest, low=2)
        if self.positive is not None:
            check_number("positive", self.positive, low=-1e9)
        check_number("coverage", self.coverage, low=0, high=1)
        check_number("overlap", self.overlap, low=0, high=1)

    @property
    def sign(self) -> int:
        """1 where more of the metric is better, -1 where less is."""
        return -1 if at(self.metric).metric.higher_is_better is False else 1

    @property
    def is_of_lists(self) -> bool:
        """Whether the metric judges lists, which every model has."""
        return at(self.metric).metric.kind != "rating"

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, as JSON holds them."""
        return asdict(self)

    @classmethod
    def of(cls, said: object) -> GateRule:
        """Return the rule of some fields, the others as usual.

        Raises:
            ParameterError: it is no object, a field is unknown, or a value wrong.
        """
        return cls(**record_of(said, "rule", [field.name for field in fields(cls)]))


def record_of(said: object, what: str, known: list[str]) -> dict[str, Any]:
    """Return the fields of an object; None counts as not said.

    Raises:
        ParameterError: it is no object, or has an unknown field.
    """
    if not isinstance(said, Mapping):
        raise ParameterError.outside(what, f"an object with any of {', '.join(known)}", said)
    for name in said:
        if name not in known:
            raise ParameterError.unknown(f"a {what} has no field", name, known, having="there are")
    return {name: value for name, value in said.items() if value is not None}


def _check_metric(name: object) -> None:
    if not isinstance(name, str):
        raise ParameterError.outside("metric", "a name such as 'ndcg@10' or 'rmse'", name)
    metric = at(name).metric
    if metric.kind == "catalogue" or metric.higher_is_better is None or "predictive" in metric.inputs:
        raise ParameterError.of(
            "metric",
            f"'{name}' does not say of two models which one is better for people: take one such as ndcg@10 or rmse",
            value=name,
        )
