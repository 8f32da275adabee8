"""myFM and SMURFF, measured beside `BayesianMF`: in an environment of their own, of a newer Python than ours may be."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import peers
import polars as pl
from common import ROOT
from peer_environment import Environment
from pythons import interpreter

PINNED = ("myfm==0.5.0", "smurff==1.1")  # newest on 2026-11-25; the first needs Python 3.12 or newer
ENVIRONMENT = Environment(ROOT / "out" / "peers-myfm", PINNED)
FEWEST = (3, 12)
MINORS = ("3.12", "3.13")  # for which both have wheels
AGES = (18, 25, 35, 45, 50, 56)
YEARS = (1930, 1940, 1950, 1960, 1970, 1980, 1985, 1990, 1993, 1994, 1995, 1996, 1997)


@cache
def python() -> Path:
    """Return the interpreter that has the peers, made where it is missing."""
    return ENVIRONMENT.made(_newer)


def _newer() -> str:
    """Return a Python that the peers have wheels for."""
    if sys.version_info >= FEWEST:
        return sys.executable
    found = next(filter(None, map(interpreter, MINORS)), None)
    if found is None:
        raise SystemExit(f"myFM needs Python {' or '.join(MINORS)}, on the PATH or of pyenv")
    return found


def run(task: str, arrays: dict[str, np.ndarray], n_threads: int, **options: Any) -> dict[str, Any]:
    """Return what a task of `bayes_peer_tasks.py` reports; as `peers.run`."""
    return peers.run_by(python(), "bayes_peer_tasks.py", task, arrays, n_threads, options)


def version_of(name: str) -> str:
    """Return a peer's pinned version."""
    return ENVIRONMENT.version_of(name)


def one_hot(train: Any, users: pl.DataFrame, items: pl.DataFrame) -> dict[str, np.ndarray]:
    """Return the attributes as myFM takes them, and which group each column is of.

    Age by band, gender and occupation; year by band, and genres over the root of their number.
    """
    u, i = _in_order(train.users, users, "user_id"), _in_order(train.items, items, "item_id")
    of_users = [_flags(_bands(u["age"], AGES)), _flags(u["gender"]), _flags(u["occupation"])]
    genres = i["genres"].list.eval(pl.element().cast(pl.String)).to_list()
    names = sorted({one for several in genres for one in several or ()})
    table = np.array([[name in (several or ()) for name in names] for several in genres], float)
    of_items = [_flags(_bands(i["year"], YEARS)), table / np.sqrt(np.maximum(table.sum(axis=1, keepdims=True), 1))]
    return {
        "U": np.hstack(of_users), "U_groups": np.repeat(np.arange(len(of_users)), [b.shape[1] for b in of_users]),
        "I": np.hstack(of_items), "I_groups": np.repeat(np.arange(len(of_items)), [b.shape[1] for b in of_items]),
    }  # fmt: skip


def _in_order(ids: Any, table: pl.DataFrame, column: str) -> pl.DataFrame:
    order = pl.DataFrame({column: ids.values}).cast({column: table.schema[column]})
    return order.join(table, on=column, how="left", maintain_order="left")


def _bands(values: pl.Series, edges: tuple[int, ...]) -> pl.Series:
    return pl.Series([None if v is None else int(np.searchsorted(edges, v, side="right")) for v in values])


def _flags(values: pl.Series) -> np.ndarray:
    """Return one column for each value that occurs; a missing value has zeros."""
    return np.array([[v == level for level in sorted(values.drop_nulls().unique())] for v in values], float)
