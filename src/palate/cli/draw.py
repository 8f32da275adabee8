"""Tables and bars for the terminal; plain characters where the output has no colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from palate.cli.screen import Grid
from palate.terminal import plain

if TYPE_CHECKING:
    import polars as pl

BAR = 24


def table(title: str | None, columns: Sequence[tuple[str, str]]) -> Grid:
    """Return an empty table in the house style; columns are (header, "left" or "right")."""
    made = Grid(title)
    for header, side in columns:
        wrap = {"overflow": "fold"} if side == "left" else {"no_wrap": True}
        made.add_column(plain(header), justify="right" if side == "right" else "left", **wrap)
    return made


def bar(share: float, width: int = BAR) -> str:
    """Return a bar of at most ``width`` characters for a share from 0 to 1."""
    return "█" * round(share * width)


def recommendations(rows: pl.DataFrame, title: str) -> Grid:
    """Return the recommendations of one user."""
    if (rows["source"] == "popular").all():
        title += ": popular items, as the model scores them all alike"
    titled = rows["title"].ne(rows["item_id"].cast(rows["title"].dtype)).any()
    made = table(title, (("#", "right"), ("title", "left"), *([("id", "right")] if titled else []), ("score", "right")))
    digits = 0 if (rows["score"].drop_nulls() % 1 == 0).all() else 4  # counts are whole
    for row in rows.iter_rows(named=True):
        score = "popular" if row["score"] is None else f"{row['score']:.{digits}f}"
        others = row.get("same_title") or ()  # of recommend(one_per_title=True)
        cells = (row["title"], ", ".join(map(str, (row["item_id"], *others)))) if titled else (row["title"],)
        made.add_row(str(row["rank"]), *map(str, cells), score)
    return made


def users_for(rows: pl.DataFrame, title: str) -> Grid:
    """Return the users to whom one item is best shown."""
    made = table(title, (("#", "right"), ("user", "left"), ("score", "right")))
    for row in rows.iter_rows(named=True):
        made.add_row(str(row["rank"]), str(row["user_id"]), f"{row['score']:.4f}")
    return made


def metrics(rows: Sequence[tuple[str, Mapping[str, Any]]], title: str | None = None) -> Grid:
    """Return a table of metrics, one row a model."""
    names = list(rows[0][1])
    made = table(title, (("", "left"), *((name, "right") for name in names)))
    for label, values in rows:
        made.add_row(label, *(f"{values[n]:.4f}" if isinstance(values[n], float) else str(values[n]) for n in names))
    return made
