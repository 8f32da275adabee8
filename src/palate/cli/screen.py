"""The door to the terminal: whatever a command prints is rid of control characters here, and no text is markup."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from palate.terminal import plain

WIDEST = 100  # columns, so that wide terminals stay readable


class Screen(Console):
    """A console on which text stands as it is: ``[red]`` and ``:smile:`` are no markup; colours are given by style."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)
        self.width = min(self.width, WIDEST)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a string as text; cleaned before lines are broken, so that widths are true."""
        return super().render_str(plain(text, lines=True), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is written; this catches whatever was no string before."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=plain(segment.text, lines=True))


class Grid(Table):
    """A table in the house style whose cells keep to their row: a line end in a text is written, not obeyed."""

    def __init__(self, title: str | None) -> None:
        shown = None if title is None else plain(title)
        super().__init__(title=shown, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row."""
        super().add_row(*(plain(cell) if isinstance(cell, str) else cell for cell in cells), **options)
