"""Small models for the page's tests, titles that mean harm, and what a reader sees of HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import polars as pl

from palate.data.interactions import Interactions
from palate.models import MatrixFactorization

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "${alert(1)} `${document.title}` \\",
    "{{constructor}} {{#each value}}",
    "\u202egnp.exe & Sons' <b>bold</b>",
    "A" * 5000,
    "line\nbreak\x00\x1b[31m",
    "&lt;i&gt; &amp;",
]


def small_model(user_ids: list[Any], item_ids: list[Any], items: pl.DataFrame | None = None, **parameters: Any) -> Any:
    """Fit a tiny model in which each user has rated every second item."""
    rows = [
        (u, i, 1 + (3 * r + 2 * c) % 5) for r, u in enumerate(user_ids) for c, i in enumerate(item_ids) if (r + c) % 2
    ]
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "rating"], orient="row")
    value_range = parameters.pop("rating_range", (1, 5))
    data = Interactions.from_table(table, rating_range=value_range)
    settings = {"n_factors": 2, "n_epochs": 2, "validation_fraction": 0.0, "random_state": 0, "n_threads": 1}
    return MatrixFactorization(**{**settings, **parameters}).fit(data, items=items)


class Reader(HTMLParser):
    """Collects the tags, and the text a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def seen(self) -> str:
        return " ".join(" ".join(self.words).split())
