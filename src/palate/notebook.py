"""What a notebook shows of data, models and results, and of work that takes long: HTML tables, and one live bar.

Colours are the notebook's own, light or dark; every text is escaped; nothing is asked of any host, and no script runs.
"""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from palate.markup import Html, bdi, element, join, paragraph
from palate.progress import DONE, Progress, ProgressCallback, automatic, figures, label, silent
from palate.terminal import replaced

if TYPE_CHECKING:
    import polars as pl

MOST_ROWS, MOST_COLUMNS, MOST_CHARACTERS = 5, 12, 80
SECONDS_BETWEEN = 0.1  # between two drawings of a bar
NOTHING = "\N{EN DASH}"
Fact = tuple[str, str]


def card(heading: str, facts: Iterable[Fact] = (), *more: Html, sentences: Sequence[str] = ()) -> str:
    """Return HTML of one object: a heading, sentences, a table of facts, and further parts."""
    rows = [element("tr", element("th", name, scope="row"), element("td", bdi(shown(fact)))) for name, fact in facts]
    table = element("table", element("tbody", *rows)) if rows else None
    paragraphs = [paragraph(shown(sentence, most=1000)) for sentence in sentences]
    return element("div", paragraph(element("strong", shown(heading))), *paragraphs, table, *more, class_="palate")


def preview(frame: pl.DataFrame, n: int = MOST_ROWS, *, of: int | None = None) -> Html:
    """Return the first rows and columns of a table, and how many it has, or ``of`` how many these are the first."""
    some = frame.head(n).select(frame.columns[:MOST_COLUMNS])
    head = element("tr", *(element("th", shown(name), scope="col") for name in some.columns))
    rows = [element("tr", *(element("td", bdi(shown(value))) for value in row)) for row in some.iter_rows()]
    table = element("table", element("thead", head), element("tbody", *rows))
    n_rows = frame.height if of is None else of
    left = n_rows > some.height or frame.width > MOST_COLUMNS
    return join([table, paragraph(f"of {n_rows:,} rows and {frame.width:,} columns") if left else None])


def shown(value: Any, most: int = MOST_CHARACTERS) -> str:
    """Return a value as text for a cell: short, without control or bidirectional characters."""
    if value is None:
        return NOTHING
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".") if 1e-3 <= abs(value) < 1e6 else f"{value:.4g}"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    text = replaced(re.sub(r"[\t\n]+", " ", text), "\N{REPLACEMENT CHARACTER}")
    return text if len(text) <= most else f"{text[: most - 1]}…"


def plainly(text: str) -> str:
    """Return a text of the data for a ``repr``: as it is where it can be printed, else quoted with escapes."""
    return text if text.isprintable() else repr(text)


def values_in_words(figures: Mapping[str, float], most: int = 4) -> str:
    """Return "rmse 0.9051, mae 0.7128 and 3 more"."""
    written = [f"{name} {value:.4f}" for name, value in list(figures.items())[:most]]
    return ", ".join(written) + (f" and {len(figures) - most} more" if len(figures) > most else "")


def is_here() -> bool:
    """Return whether a notebook shows what is displayed; IPython is not imported to find out."""
    ask: Callable[[], Any] | None = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return ask is not None and any(kind.__name__ == "ZMQInteractiveShell" for kind in type(ask()).__mro__)


@contextmanager
def watched(progress: ProgressCallback | None) -> Iterator[ProgressCallback]:
    """Give the function to call after each step: a bar where nothing was asked for in a notebook, else the caller's."""
    if progress is not automatic or not is_here():
        yield silent if progress is None or progress is automatic else progress
        return
    bars = _Bars()
    try:
        yield bars
    finally:
        bars.close()


class _Bars:
    """Bars of the tasks that run, in one output that is drawn again as they go on."""

    def __init__(self) -> None:
        self.steps: dict[str, Progress] = {}
        self.last: Progress | None = None
        self.drawn_at = -math.inf
        self.output: Any = None

    def __call__(self, step: Progress) -> None:
        if step.stage == DONE:
            self.steps.pop(step.task, None)
        else:
            self.steps[step.task] = self.last = step
        if time.monotonic() - self.drawn_at >= SECONDS_BETWEEN:
            self._draw([*self.steps.values()], _bar)

    def close(self) -> None:
        """Leave one line of the last step, without a bar."""
        if self.last is not None:
            self._draw([self.steps.get("", self.last)], lambda step: element("div", _line(step)))

    def _draw(self, steps: Sequence[Progress], draw: Callable[[Progress], Html]) -> None:
        from IPython.display import display

        plain = "\n".join(map(_line, steps))
        data = {"text/plain": plain, "text/html": element("div", *map(draw, steps), class_="palate")}
        if self.output is None:
            self.output = display(data, raw=True, display_id=True)
        else:
            self.output.update(data, raw=True)
        self.drawn_at = time.monotonic()


def _line(step: Progress) -> str:
    return f"{shown(label(step))} {step.step:,} of {step.total:,}  {figures(step.record)}".rstrip()


def _bar(step: Progress) -> Html:
    bar = element("progress", value=str(step.step), max=str(max(step.total, 1)), aria_label=shown(label(step)))
    return element("div", bar, f" {_line(step)}")
