"""Tables and bars for the terminal; plain characters where the output has no colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    import polars as pl

BAR = 24


def table(title: str | None, columns: Sequence[tuple[str, str]]) -> Table:
    """Return an empty table in the house style; columns are (header, "left" or "right")."""
    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for header, side in columns:
        wrap = {"overflow": "fold"} if side == "left" else {"no_wrap": True}
        made.add_column(header, justify="right" if side == "right" else "left", **wrap)
    return made


def bar(share: float, width: int = BAR) -> str:
    """Return a bar of at most ``width`` characters for a share from 0 to 1."""
    return "█" * round(share * width)


def recommendations(rows: pl.DataFrame, title: str) -> Table:
    """Return the recommendations of one user."""
    if (rows["source"] == "popular").all():
        title += ": popular items, for the model tells none of them apart"
    titled = rows["title"].ne(rows["item_id"].cast(rows["title"].dtype)).any()
    made = table(title, (("#", "right"), ("title", "left"), *([("id", "right")] if titled else []), ("score", "right")))
    digits = 0 if (rows["score"].drop_nulls() % 1 == 0).all() else 4  # counts are whole
    for row in rows.iter_rows(named=True):
        score = "popular" if row["score"] is None else f"{row['score']:.{digits}f}"
        cells = (row["title"], row["item_id"]) if titled else (row["title"],)
        made.add_row(str(row["rank"]), *(escape(str(cell)) for cell in cells), score)
    return made


def users_for(rows: pl.DataFrame, title: str) -> Table:
    """Return the users to whom one item is best shown."""
    made = table(title, (("#", "right"), ("user", "left"), ("score", "right")))
    for row in rows.iter_rows(named=True):
        made.add_row(str(row["rank"]), escape(str(row["user_id"])), f"{row['score']:.4f}")
    return made


def metrics(rows: Sequence[tuple[str, Mapping[str, Any]]], title: str | None = None) -> Table:
    """Return a table of metrics, one row a model."""
    names = list(rows[0][1])
    made = table(title, (("", "left"), *((name, "right") for name in names)))
    for label, values in rows:
        made.add_row(
            escape(label), *(f"{values[n]:.4f}" if isinstance(values[n], float) else str(values[n]) for n in names)
        )
    return made
