"""How models that learn from clicks read values: by a rule that is stated, never silently."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np

from palate.data.interactions import Interactions
from palate.errors import DataError, ParameterError, Remedy, Set
from palate.models.contract.parameters import Checked, check_number
from palate.sparse import Array, Rows

RULES = "'any' (every row is a click), 'values' (a row's value is its confidence) or a number (values of at least it)"


def check_positive_rule(positive: Any) -> None:
    """Refuse what is no rule.

    Raises:
        ParameterError: names the value and the rules.
    """
    if positive is None or positive in ("any", "values"):
        return
    if isinstance(positive, str):
        raise ParameterError.outside("positive", f"none, {RULES}", positive)
    check_number("positive", positive, low=-np.inf)


Positive = Annotated[
    float | Literal["any", "values"] | None,
    Checked(check_positive_rule),
    'how values become clicks: none (they must all be equal), "any" (every row is a click), "values" (a row\'s value '
    "is how much it counts), or a number (values of at least it are clicks).",
]


class FromClicks:
    """What models that learn from clicks have: the rule by which values become them."""

    positive: Positive


@dataclass(frozen=True)
class Unit:
    """What a value is divided by before its logarithm is taken.

    Attributes:
        least: the least value of training; 0 where values are taken as they are.
        scale: makes the mean square of training's logarithms 1, so that a penalty is in clicks.
    """

    least: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, values: Array) -> Unit:
        """Return the unit of training's values."""
        least = float(values.min())
        return cls(least, float(1 / np.sqrt(np.square(np.log1p(values.astype(np.float64) / least)).mean())))

    def taken(self, clicks: Rows) -> Rows:
        """Return clicks that count as scale log(1 + value / least)."""
        if not self.least:
            return clicks
        logs = self.scale * np.log1p(clicks.values.astype(np.float64) / self.least)
        return replace(clicks, values=logs.astype(np.float32))


def clicks_of(rows: Rows, positive: Positive, what: str, typical: float = 0.0) -> Rows:
    """Return the clicks of compressed rows: their values are how much each click counts, 1 or its value.

    Sample weights multiply it.

    Args:
        rows, positive: what is to be read, and how.
        what: it is, for messages.
        typical: of a value that counts 1, others as their logarithm (`damped`); 0 for values as they are.

    Raises:
        DataError: the values differ and no rule is given, or one that is to be a confidence is not above 0.
    """
    values = rows.values
    if positive is None and len(values) and (values != values[0]).any():
        raise DataError(
            f"the values of {what} differ, from {values.min():g} to {values.max():g}, and this model learns from "
            "clicks",
            Remedy(f": say how values count, positive={RULES}; ", Set("positive", 4), " suits ratings of 1 to 5"),
            code="clicks",
            subject="positive",
        )
    if positive == "values" and len(values) and not values.min() > 0:
        raise DataError.of(what, f"holds the value {values.min():g}: with positive='values' all must lie above 0")
    keep = np.ones(len(values), bool) if positive is None or isinstance(positive, str) else values >= positive
    counts = damped(values, typical) if positive == "values" else np.ones(len(values), np.float32)
    if rows.weights is not None:
        counts = counts * rows.weights
    return Rows(rows.indptr, rows.indices, counts).filter(keep)


def damped(values: Array, typical: float) -> Array:
    """Return log2(1 + value / typical), 1 for what is typical and twice as much for three times it."""
    if not typical:
        return values
    return np.log2(1 + values.astype(np.float64) / typical).astype(np.float32)


def typical_value(data: Interactions, positive: Positive) -> float:
    """Return the median of values that are confidences, 0 where they are none."""
    if positive != "values" or not len(data.values):
        return 0.0
    return float(np.median(data.values))


def training_clicks(data: Interactions, positive: Positive, typical: float = 0.0) -> Rows:
    """Return the clicks of the training part by user; ``typical`` as `clicks_of` takes it.

    Raises:
        DataError: as `clicks_of`, or no row is a click.
    """
    clicks = clicks_of(data.by_user(), positive, "the training part", typical)
    if not len(clicks.indices):
        raise DataError(
            f"no training row has a value of at least {positive:g}, the highest is {data.values.max():g}",
            subject="positive",
        )
    return clicks
