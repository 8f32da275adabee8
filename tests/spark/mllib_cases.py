"""The cases of the suite of MLlib's ALS, as data that any solver can be given.

The suite (`ALSSuite` of Spark's JVM tests) generates small matrices of a known rank, trains on six cells of ten, and
asks for three others. Here are its cases with its sizes, ranks, penalties and bounds. Its ``maxIter`` never reaches the
solver, so that every case has ten sweeps; those of types of numbers have two here. What it holds of partitioners,
clean-up and storage levels is of its insides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from palate import ALS, ImplicitALS
from palate.models.contract.base import Recommender

SWEEPS = 10
FEW = 17  # seed of four users and items: of most others some have no row, or parts that do not hang together
TRAINED, ASKED = 0.6, 0.3  # shares of the cells
CLICKED, UNCLICKED = 0.8, 0.2  # shares that are observed of the cells above 0, and of the others
NAMES = ("user", "item", "rating")
BEYOND_INTEGERS = 2**31  # the first id that MLlib refuses
HUGE = 2**63 - 1


@dataclass(frozen=True)
class Case:
    """One training: what goes in, and what must come out.

    Attributes:
        name: of the case.
        rows: user, item and rating of the training part.
        asked: cells that are not in it, with their values without noise.
        model: unfitted.
        most: error of the asked cells that the suite allows: RMSE; of clicks as `error` says.
        n_blocks: of both sides, where there are blocks.
        options: of reading the rows, as `Interactions.from_table` and ``prepare`` take them.
        refused: words of the error, where there must be one.
    """

    name: str
    rows: pl.DataFrame
    asked: pl.DataFrame
    model: Recommender
    most: float = np.inf
    n_blocks: int = 2
    options: dict[str, Any] = field(default_factory=dict)
    refused: str | None = None

    def unfitted(self, **changes: Any) -> Recommender:
        """Return a new model of these parameters, some of them changed."""
        return type(self.model)(**{**self.model.get_params(), **changes})


# -- generators


def table(rows: Any) -> pl.DataFrame:
    """Return cells (user, item, rating) as a table."""
    kinds: dict[str, Any] = dict(zip(NAMES, (pl.Int64, pl.Int64, pl.Float64), strict=True))
    return pl.DataFrame(list(rows), schema=kinds, orient="row")


def ids(n: int, rng: np.random.Generator) -> list[int]:
    """Return n different 32-bit integers in order, negative ones among them."""
    return sorted(int(i) for i in rng.choice(np.arange(-(2**31), 2**31, 7919), n, replace=False))


def exact(
    n_users: int = 20, n_items: int = 40, rank: int = 1, noise: float = 0.0, low: float = -1.0, seed: int = 12
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the training part and the asked cells of a matrix of this rank, its factors uniform from ``low`` to 1."""
    rng = np.random.default_rng(seed)
    users, items = ids(n_users, rng), ids(n_items, rng)
    P, Q = (rng.uniform(low, 1, (n, rank)) for n in (n_users, n_items))
    drawn, errors, values = rng.random((n_users, n_items)), rng.normal(0, noise, (n_users, n_items)), P @ Q.T
    parts: tuple[list[Any], list[Any]] = [], []
    for u, i in np.ndindex(*drawn.shape):
        if drawn[u, i] < TRAINED:
            parts[0].append((users[u], items[i], values[u, i] + errors[u, i]))
        elif drawn[u, i] < TRAINED + ASKED:
            parts[1].append((users[u], items[i], values[u, i]))
    return table(parts[0]), table(parts[1])


def implicit(
    n_users: int = 20, n_items: int = 40, rank: int = 2, noise: float = 0.01, seed: int = 12
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the same where cells above 0 are seen more often: negative values stand for what was not liked."""
    rng = np.random.default_rng([seed, 1])
    rows, asked = exact(n_users, n_items, rank, noise, seed=seed)
    chances = [np.where(part["rating"] > 0, CLICKED, UNCLICKED) for part in (rows, asked)]
    seen = [part.filter(rng.random(len(part)) < c) for part, c in zip((rows, asked), chances, strict=True)]
    return seen[0], seen[1]


def error(case: Case, predicted: Any) -> float:
    """Return the RMSE of the asked cells; of clicks it is weighted, and both are cut to 0 and 1, as the suite does."""
    values = case.asked["rating"].cast(pl.Float64).to_numpy()
    if case.model.score_kind == "rating":
        return float(np.sqrt(np.mean((predicted - values) ** 2)))
    squares = (np.clip(predicted, 0, 1) - np.clip(values, 0, 1)) ** 2
    return float(np.sqrt(np.average(squares, weights=1 + np.abs(values))))


# -- what MLlib's parameters are here


def explicit_model(rank: int, reg: float, **more: Any) -> ALS:
    """Return the model of ``rank`` and ``regParam``: no biases, and a penalty that grows with a row's ratings."""
    settings = {"n_epochs": SWEEPS, "init_scale": rank**-0.5, "dtype": "float64", "random_state": 0, **more}
    return ALS(rank, reg=reg, reg_exponent=1.0, biases=False, **settings)


def implicit_model(rank: int, reg: float, positive: Any, **more: Any) -> ImplicitALS:
    """Return the model of ``implicitPrefs``: alpha 1, and 1 for a cell without a click."""
    settings = {"n_epochs": SWEEPS, "dtype": "float64", "cg_steps": 0, "init_scale": 1.0, "random_state": 0, **more}
    return ImplicitALS(rank, reg=reg, alpha=1.0, unobserved_weight=1.0, positive=positive, **settings)


# -- the cases


def _of_exact_ranks() -> list[Case]:
    cases = []
    for name, rank, noise, seed, reg, most in (
        ("exact rank 1", 1, 0.0, 11, 1e-5, 0.001),
        ("rank 1 with noise", 1, 0.01, 12, 0.01, 0.02),
        ("rank 2 with noise", 2, 0.01, 12, 0.01, 0.03),
    ):
        parts = exact(rank=rank, noise=noise, seed=seed)
        cases += [Case(f"{name}, {k} factors", *parts, explicit_model(k, reg), most) for k in (rank, rank + 1)]
    parts = exact(rank=2, low=0.0)
    return [*cases, Case("non-negative", *parts, explicit_model(2, 1e-5), 0.01)]


def _of_blocks() -> list[Case]:
    parts, few = exact(rank=2, noise=0.01), exact(4, 4, seed=FEW)
    cases = [Case(f"{n} blocks", *parts, explicit_model(3, 0.01), 0.03, n) for n in (1, 3, 16)]
    return [*cases, Case("more blocks than rows", *few, explicit_model(1, 1e-4), 0.002, 5)]


def _of_clicks() -> list[Case]:
    rows, asked = implicit()
    liked = rows.filter(pl.col("rating") > 0)
    three = table([(0, 0, 1), (1, 1, 1), (0, 1, -3)])
    values = "with positive='values' all must lie above 0"
    return [
        Case("clicks above 0", rows, asked, implicit_model(2, 0.01, 1e-9), 0.3),
        Case("counts above 0", liked, asked, implicit_model(2, 0.01, "values"), 0.3),
        Case("negative values are no clicks", three, three, implicit_model(1, 0.01, 1.0)),
        Case("negative counts", three, three, implicit_model(1, 0.01, "values"), refused=values),
        Case("no rule for values", three, three, implicit_model(1, 0.01, None), refused="say how values count"),
    ]


def _of_ids() -> list[Case]:
    rows, asked = exact(rank=2, noise=0.01)
    beyond = {name: pl.col(name) + BEYOND_INTEGERS for name in ("user", "item")}
    least = rows["user"].min(), asked["user"].max()
    users = {i: i if i not in least else {least[0]: -HUGE, least[1]: HUGE}[i] for i in rows["user"].unique()}
    huge = [part.with_columns(user=pl.col("user").replace_strict(users)) for part in (rows, asked)]
    texts = [part.with_columns(pl.col("user", "item").cast(pl.String)) for part in (rows, asked)]
    doubles = [part.with_columns(pl.col("user", "item").cast(pl.Float64)) for part in (rows, asked)]
    model, fraction = partial(explicit_model, 2, 0.01), [rows.with_columns(user=pl.col("user") + 0.5), asked]
    return [
        Case("ids beyond 32 bits", *(part.with_columns(**beyond) for part in (rows, asked)), model(), 0.03),
        Case("ids at the ends of 64 bits", *huge, model(), 0.03),
        Case("text ids", *texts, model(), 0.03),
        Case("ids as doubles", *doubles, model(), 0.03),
        Case("ids with a fraction", *fraction, model(), refused="user cannot be read"),
    ]


def _of_kinds() -> list[Case]:
    """Ratings of every type of numbers that Spark has."""
    rows = table([(i, 10 * i + 10, i + 1) for i in range(5)])
    model = explicit_model(1, 0.1, n_epochs=2)  # the types are what counts
    kinds = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Decimal(10, 0))
    return [
        Case(f"ratings of type {kind}", rows.with_columns(pl.col("rating").cast(kind)), rows, model) for kind in kinds
    ]


def _of_few() -> list[Case]:
    one_user = table([(7, i, v) for i, v in enumerate((1.0, 2.0, 3.0, 5.0))])
    one_item = one_user.select(user="item", item="user", rating="rating")
    twice = pl.concat([one_user, one_user.with_columns(pl.col("rating") + 1)])
    rows, asked = exact(4, 4, seed=FEW)
    model = partial(explicit_model, 1)
    return [
        Case("no rows", table([]), table([]), model(0.01), refused="empty"),
        Case("one user", one_user, one_user, model(1e-6), 0.01),
        Case("one item", one_item, one_item, model(1e-6), 0.01),
        Case("duplicates", twice, twice, model(0.1), refused="a user-item pair stands again"),
        Case("mean of duplicates", twice, one_user, model(1e-6), 0.51, options={"on_duplicate": "mean"}),
        Case("50 sweeps", rows, asked, model(1e-4, n_epochs=50), 0.002),
        Case("50 sweeps of clicks", rows, asked, implicit_model(1, 0.1, 1e-9, n_epochs=50)),
    ]


GROUPS: tuple[Callable[[], list[Case]], ...] = (_of_exact_ranks, _of_blocks, _of_clicks, _of_ids, _of_kinds, _of_few)
CASES = {case.name: case for group in GROUPS for case in group()}

# -- lists: the suite's model of two factors, and what its lists must be

USERS = {0: (6.0, 4.0), 1: (3.0, 4.0), 2: (3.0, 6.0)}
ITEMS = {3: (5.0, 6.0), 4: (6.0, 2.0), 5: (3.0, 6.0), 6: (4.0, 1.0)}
LISTS = {
    0: [(3, 54), (4, 44), (5, 42), (6, 28)],
    1: [(3, 39), (5, 33), (4, 26), (6, 16)],
    2: [(3, 51), (5, 45), (4, 30), (6, 18)],
}
LENGTHS = (2, 4, 6)  # below, equal to and above the catalogue


def listed() -> Case:
    """Return the matrix of those factors, whole: a model of two factors learns them, up to a rotation."""
    cells = [(u, i, float(np.dot(p, q))) for u, p in USERS.items() for i, q in ITEMS.items()]
    return Case("lists", table(cells), table(cells), explicit_model(2, 1e-7), 1e-3)
