"""Half sweeps of ridge regressions: what `ALS`, `ImplicitALS` and fold-in share around `palate.kernels.ridge`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from palate.data.features import Features
from palate.data.ids import Ids
from palate.kernels import given, ridge
from palate.kernels import prior as prior_kernel
from palate.models.contract.explanation import Part
from palate.parallel import GRAIN, Workers
from palate.sparse import Array, Rows

PARTS = 16  # pieces a thread, so that long rows at one end hold nobody up


@dataclass(frozen=True)
class Prior:
    """Where rows lie before their cells are seen: features times weights.

    Attributes:
        features: (n_rows, n_features).
        weights: (n_features, k) of the factors.
        weights_biases: (n_features,) of the biases.
    """

    features: Array
    weights: Array
    weights_biases: Array

    def means(self) -> tuple[Array, Array]:
        """Return the mean of each row's factors and bias, (n_rows, k) and (n_rows,)."""
        both = np.column_stack([self.weights, self.weights_biases])
        out = np.empty((len(self.features), both.shape[1]), both.dtype)
        prior_kernel.means(self.features, both, out)
        return np.ascontiguousarray(out[:, :-1]), np.ascontiguousarray(out[:, -1])


@dataclass(frozen=True)
class FixedSide:
    """What a half sweep holds fixed: the other side's factors and biases, and what a cell means.

    Attributes:
        Q: (n_columns, k).
        c: (n_columns,).
        mean: of the ratings; 0 for clicks.
        unobserved: weight of a cell without a click, for clicks.
        gram: unobserved Q'Q for clicks, its upper triangle; padded where rows are solved. None for ratings.
        biases: whether rows have one.
    """

    Q: Array
    c: Array
    mean: float = 0.0
    unobserved: float = 0.0
    gram: Array | None = None
    biases: bool = False


def solve(
    rows: Rows,
    weights: Array | None,
    side: FixedSide,
    penalties: tuple[Array, Array],
    prior: Prior | None,
    workers: Workers,
) -> tuple[Array, Array, Array, int]:
    """Return factors, biases and (for clicks) losses of all rows, and one that could not be solved, or -1.

    Args:
        rows: cells by row.
        weights: of each cell, (n,), or None where all weigh 1, as clicks do not.
        side: what is fixed.
        penalties: of the factors and of the bias of each row, (n_rows,) each.
        prior: mean of the rows, or None for zero.
        workers: threads.
    """
    dtype = side.Q.dtype.type
    n_rows, k = rows.n_rows, side.Q.shape[1]
    P, b, losses = np.zeros((n_rows, k), dtype), np.zeros(n_rows, dtype), np.zeros(n_rows)
    (weighted,) = given(None if weights is None else np.ascontiguousarray(weights, dtype))
    l, h = given(*(np.ascontiguousarray(p, dtype) for p in penalties))  # noqa: E741
    M, N = given(*((None, None) if prior is None else prior.means()))
    if side.gram is None:
        Q, c = given(side.Q, side.c)
        ratings = ridge.RatingColumns(Q, c, dtype(side.mean), side.biases)
        means = None if prior is None else ridge.PriorMeans(M, N)
        call = partial(ridge.solve_ratings, rows.cells, weighted, ratings, ridge.Penalties(l, h), means)
        written = P, b
    else:
        Q, G = given(side.Q, side.gram)
        clicks = ridge.ClickColumns(Q, G, dtype(side.unobserved))
        call = partial(ridge.solve_clicks, rows.cells_with(weighted), clicks, l, M)
        written = P, losses
    tasks = [partial(call, start, stop, *written) for start, stop in row_ranges(rows, workers, GRAIN.solved)]
    return P, b, losses, max(workers.run(tasks), default=-1)


def row_ranges(rows: Rows, workers: Workers, smallest: int) -> list[tuple[int, int]]:
    """Return ranges of rows of about the same work: cells, and a little for each row; not below ``smallest``."""
    n_rows = rows.n_rows
    if n_rows == 1:  # a fold-in, where microseconds count
        return [(0, 1)]
    work = rows.indptr + 32 * np.arange(n_rows + 1)
    pieces = max(1, min(int(work[-1]) // smallest, PARTS * workers.n_threads))
    ends = np.linspace(0, work[-1], pieces + 1)
    cuts = np.unique(np.concatenate([[0], np.searchsorted(work, ends[1:-1]), [n_rows]])).clip(max=n_rows)
    return [(int(a), int(b)) for a, b in pairwise(cuts)]


def explained(
    row: Rows,
    weights: Array,
    pulls: Array,
    side: FixedSide,
    penalties: tuple[float, float],
    at: int,
    prior: Prior | None,
    names: list[str],
) -> tuple[list[Part], Array]:
    """Return the parts of a row's score of the column ``at``, of features and of each cell (Hu et al. 2008, section 5).

    x = inv(A) (sum_j pull_j d_j + L m) with d_j = [q_j, 1], so that d_i . x = sum_j pull_j (d_j . inv(A) d_i) + ….

    Args:
        row: one row of cells.
        weights, pulls: w and w t of each cell (eq. 3 of the kernel).
        side: what is fixed.
        penalties: of factors and of the bias.
        at: the column explained.
        prior: of this one row, or None.
        names: of the features.
    """
    size = side.Q.shape[1]
    D = np.column_stack([side.Q, np.full(len(side.Q), float(side.biases))]).astype(np.float64)
    own = D[row.indices]
    A = (own.T * weights) @ own
    if side.gram is not None:
        A[:size, :size] += side.gram + np.triu(side.gram, 1).T
    h = penalties[1] if side.biases else 1.0
    A[np.diag_indices(size + 1)] += [*[penalties[0]] * size, h]
    way = np.linalg.solve(A, D[at])
    parts = []
    if prior is not None:
        both = np.column_stack([prior.weights, prior.weights_biases]).astype(np.float64)
        pull = penalties[0] * both[:, :size] @ way[:size] + (penalties[1] if side.biases else 0) * both[:, -1] * way[-1]
        parts = [
            Part("feature", name, float(x * p)) for name, x, p in zip(names, prior.features[0], pull, strict=True) if x
        ]
    return parts, pulls * (own @ way)


def feature_names(encoding: list[Mapping[str, Any]]) -> list[str]:
    """Return the names of an encoding's columns, as `Features` has them."""
    names = ["all"]
    for spec in encoding:
        names += [spec["column"]] if spec["kind"] == "number" else [f"{spec['column']}={v}" for v in spec["values"]]
        names += [f"{spec['column']}=missing"] if spec["missing"] else []
    return names


def on_ids(features: Features | None, ids: Ids) -> Array | None:
    """Return the features of these ids, or None where there are none."""
    return None if features is None else features.on(ids)


def started(shape: tuple[int, int], scale: float, rng: np.random.Generator, dtype: Any) -> Array:
    """Return random factors, normal around zero."""
    X = rng.standard_normal(shape)
    X *= scale
    return X.astype(dtype)


def copy_known(X: Array, ids: Ids, old: Array, old_ids: Ids) -> None:
    """Copy the rows of ids that both know from ``old`` to X."""
    if ids.kind != old_ids.kind:
        return
    index = old_ids.index(ids.values, on_unknown="mark")
    X[index >= 0] = old[index[index >= 0]]
