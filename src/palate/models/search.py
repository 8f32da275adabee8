"""What a search may try for a parameter: a range or a choice, declared beside each model's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included.

    Attributes:
        low, high: the ends.
        log: equal steps of the logarithm are equally likely.
        whole: whole numbers only; of a parameter that is a whole number they are anyway.
        relative: the ends are multiples of what the first trial has used.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    relative: bool = False

    def around(self, used: float) -> Self:
        """Return the range that a relative one stands for, where the first trial has used a value."""
        low, high = self.low * used, self.high * used
        if self.whole:
            low, high = max(1, round(low)), max(1, round(high))
        return replace(self, low=low, high=high, relative=False)

    def __contains__(self, value: Any) -> bool:
        """Return whether the search could try a value; of a relative range any number above 0 is the middle."""
        if self.relative:
            return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
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
