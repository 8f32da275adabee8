"""What a search may try for a parameter: a range or a choice, declared beside each model's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included.

    Attributes:
        low, high: the ends.
        log: equal steps of the logarithm are equally likely.
        whole: whole numbers only; of a parameter that is a whole number they are anyway.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __contains__(self, value: Any) -> bool:
        """Return whether the search could try a value."""
        number = isinstance(value, int) if self.whole else isinstance(value, int | float)
        return number and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """One of ``values``: texts, numbers, truth values or None."""

    values: tuple[Any, ...]

    def __contains__(self, value: Any) -> bool:
        """Return whether the search could try a value."""
        return value in self.values


SearchSpace = Mapping[str, Range | Choice]
