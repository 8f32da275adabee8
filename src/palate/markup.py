"""HTML from small functions: a text is escaped wherever it goes in, unless it was made here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

LONG = 14  # characters that no small tile holds
VOID = frozenset({"br", "img", "link", "meta"})


class Html(str):
    """Markup; any other string is plain text, and is escaped where it becomes part of an element."""

    __slots__ = ()


def element(tag: str, *children: str | None, **attributes: str | bool | None) -> Html:
    """Return an element; None is left out, ``class_`` is class, ``aria_label`` is aria-label."""
    written = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in VOID:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{join(children)}</{tag}>")


def join(parts: Iterable[str | None]) -> Html:
    """Return parts one after the other, escaped where they are plain text."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts if part is not None))


def paragraph(*children: str | None, class_: str | None = None) -> Html:
    """Return a paragraph."""
    return element("p", *children, class_=class_)


def code(lines: str) -> Html:
    """Return commands as they are typed."""
    return element("pre", element("code", lines))


def bdi(text: str) -> Html:
    """Return a text of unknown direction that cannot turn around what stands beside it."""
    return element("bdi", text)


class TableColumn(NamedTuple):
    """A column of a table: its heading, and whether it holds numbers, which stand to the right."""

    heading: str
    is_number: bool = False


def table(caption: str, columns: Sequence[TableColumn], rows: Iterable[Sequence[str]]) -> Html:
    """Return a table whose first column names its rows; it scrolls by itself where the page is narrow."""
    head = [element("th", column.heading, scope="col", class_=_side(column)) for column in columns]
    body = [
        element(
            "tr",
            element("th", row[0], scope="row", class_=_side(columns[0])),
            *(element("td", cell, class_=_side(column)) for column, cell in zip(columns[1:], row[1:], strict=True)),
        )
        for row in rows
    ]
    made = element(
        "table", element("caption", caption), element("thead", element("tr", *head)), element("tbody", *body)
    )
    return element("div", made, class_="scroll", role="group", tabindex="0", aria_label=caption)


def pairs(facts: Iterable[tuple[str, str]], class_: str | None = None) -> Html:
    """Return names and values as a description list."""
    rows = (element("div", element("dt", name), element("dd", value), class_=_broad(value)) for name, value in facts)
    return element("dl", *rows, class_=class_)


def _broad(value: str) -> str | None:
    return "broad" if len(value) > LONG else None


def _side(column: TableColumn) -> str | None:
    return "number" if column.is_number else None


def _attribute(name: str, value: str | bool | None) -> str:
    if value is None or value is False:
        return ""
    shown = name.rstrip("_").replace("_", "-")
    return f" {shown}" if value is True else f' {shown}="{escape(value)}"'
