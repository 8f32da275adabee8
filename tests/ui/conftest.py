"""Models for the page's tests: of MovieLens, and small ones that lack something or mean harm; and a real Chromium."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from real_browser import started
from ui_browser import Tab
from ui_models import HOSTILE, small_model

from palate.models import EASE, MatrixFactorization
from palate.ui import incidents, launch


@pytest.fixture(autouse=True)
def _no_lines_hidden_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log spares lines after ten a minute: each test begins with none."""
    monkeypatch.setattr(incidents.log, "filters", [incidents.Sparing()])


@pytest.fixture(scope="session")
def films(movielens: Any) -> Any:
    """A model of MovieLens 100K, learned in a moment."""
    return MatrixFactorization(n_factors=8, n_epochs=5, random_state=0).fit(
        movielens.interactions, items=movielens.items
    )


@pytest.fixture(scope="session")
def liked(movielens: Any) -> Any:
    """A model of the same users and films that learns from likes alone, and scores for an order alone."""
    return EASE(positive=4).fit(movielens.interactions, items=movielens.items)


@pytest.fixture(scope="session")
def hostile() -> Any:
    """A model whose user ids, titles and genres try to break out of the page."""
    n = len(HOSTILE)
    items = pl.DataFrame({"item_id": range(n), "title": HOSTILE, "genres": [[text[:40], "Plain"] for text in HOSTILE]})
    return small_model(["<b>Ann</b>", "Bob {{1}} ${2}", "ça va"], list(range(n)), items)


@pytest.fixture(scope="session")
def bare() -> Any:
    """A model with ids alone: no titles, years or genres."""
    return small_model(list(range(1, 8)), list(range(10, 130, 10)))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with started() as browser:
        yield browser


@pytest.fixture(scope="module")
def films_url(films: Any) -> Iterator[str]:
    with launch(films, port=0, name="MovieLens 100K", block=False) as page:
        yield page.url


@pytest.fixture(scope="module")
def both_url(films: Any, liked: Any) -> Iterator[str]:
    with launch({"ratings": films, "likes": liked}, port=0, name="MovieLens 100K", block=False) as page:
        yield page.url


@pytest.fixture
def open_tab(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Tab]]:
    """Open tabs; at the end none may have complained, nor asked anything of another host."""
    pictures = Path(os.environ.get("PALATE_SCREENSHOTS") or tmp_path)
    pictures.mkdir(parents=True, exist_ok=True)
    tabs: list[Tab] = []
    contexts: list[Any] = []

    def opened(url: str, width: int = 1280, height: int = 900, **options: Any) -> Tab:
        contexts.append(chromium.new_context(viewport={"width": width, "height": height}, **options))
        contexts[-1].set_default_timeout(10_000)
        tabs.append(Tab(contexts[-1].new_page(), url, pictures))
        return tabs[-1]

    yield opened
    told = [tab.complaints for tab in tabs], [tab.outside() for tab in tabs], [len(tab.requests) for tab in tabs]
    for context in contexts:
        context.close()
    complaints, outside, asked = told
    assert complaints == [[] for _ in tabs]
    assert outside == [[] for _ in tabs]
    assert all(n > 10 for n in asked)  # the recorder did listen
