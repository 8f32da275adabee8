"""A figure in words, and how a function that draws gets them into what it returns."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, NamedTuple, ParamSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")


class Words(NamedTuple):
    """What a figure shows: the finding in a sentence, and the numbers in others; together they are its alt text."""

    finding: str
    numbers: str

    def __str__(self) -> str:
        """Return both."""
        return f"{self.finding} {self.numbers}".strip()


def in_words(draw: Callable[P, Figure], say: Callable[P, Words]) -> Callable[P, Figure]:
    """Return a function that draws a figure and writes into it what it shows, for a notebook's alt text."""

    @wraps(draw)
    def draw_and_say(*args: P.args, **named: P.kwargs) -> Figure:
        figure = draw(*args, **named)
        figure.words = str(say(*args, **named))  # type: ignore[attr-defined]  # house makes DescribedFigure
        return figure

    return draw_and_say
