"""The ids of the page's visitors: random, so that nobody guesses one, and named to nobody else."""

from __future__ import annotations

import secrets

import polars as pl

PREFIX = "visitor-"
FIRST_NUMBER = 2**52  # visitors of integer ids stand above the caller's own, where a float is still exact


def new_visitor(id_kind: str) -> str:
    """Return the id of somebody new.

    Args:
        id_kind: of the namespace, "text" or "integer".
    """
    if id_kind == "integer":
        return str(FIRST_NUMBER + secrets.randbelow(FIRST_NUMBER))
    return f"{PREFIX}{secrets.token_urlsafe(16)}"


def without_visitors(ids: pl.Series) -> pl.Series:
    """Return the ids, integers or texts, that are no visitor's."""
    if ids.dtype.is_integer():
        return ids.filter(ids < FIRST_NUMBER)
    return ids.filter(~ids.str.starts_with(PREFIX))
