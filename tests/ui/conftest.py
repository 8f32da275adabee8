"""Models for the page's tests: one learned from MovieLens, and small ones that lack something or mean harm."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from ui_models import HOSTILE, small_model

from palate.models import MatrixFactorization


@pytest.fixture(scope="session")
def films(movielens: Any) -> Any:
    """A model of MovieLens 100K, learned in a moment."""
    return MatrixFactorization(n_factors=8, n_epochs=5, random_state=0).fit(
        movielens.interactions, items=movielens.items
    )


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
