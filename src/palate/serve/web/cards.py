"""How an item is told to the page: title, year and genres, whatever its columns hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from palate.serve.answers import Said
from palate.serve.engine.genres import genres_of

MOST_GENRES = 8
YEAR_BEHIND = re.compile(r"(?<=\S)\s*\(\d{4}\)\s*$")
BEHIND = re.compile(r"^(?P<rest>.+), (?P<article>The|A|An|Le|La|Les|L'|Der|Die|Das|El|Il)$")


class Film(Said):
    """An item."""

    item: str
    title: str
    year: int | None
    genres: list[str]


def film(item: str, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item as the page tells it, by the attributes of a list."""
    title = title_of(str(columns.get("title") or item))
    return {
        "item": item,
        "title": title,
        "year": _year(columns.get("year")),
        "genres": genres_of(columns)[:MOST_GENRES],
    }


def title_of(title: str) -> str:
    """Return a title as people say it: without the year behind it, and with its article in front."""
    plain = YEAR_BEHIND.sub("", title)
    found = BEHIND.match(plain)
    if found is None:
        return plain
    article = found["article"]
    return f"{article}{'' if article.endswith(chr(39)) else ' '}{found['rest']}"


def _year(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and value == value and abs(value) < 1e6 else None
