"""What a chain begins with: features of both sides as numbers, and the state before the first sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, eigsh

from palate.models.bayes.hyper import Hyper
from palate.models.bayes.side import Dense, Incidence, SideChain
from palate.sparse import Array, Rows

SMALLEST_COMPONENT = 1e-4  # of the largest singular value: below it there is nothing but rounding
BANDS = 8  # of the number of rows: octiles


@dataclass(frozen=True)
class CountEncoding:
    """How the number of a row's cells becomes features: its logarithm, the square of that, and its octile.

    Numbers beyond those of training are taken for the nearest of them: a square leads far away. Having no cells is no
    number: nothing was learned of it, and such a row has what is expected of the row of a rating taken at random.

    Attributes:
        mean, scale: of the logarithms in training.
        edges: (BANDS - 1,) octiles in training.
        low, high: the least and the largest number in training.
        none: (2 + BANDS,) features of a row without cells.
    """

    mean: float
    scale: float
    edges: Array
    low: float = 0.0
    high: float = np.inf
    none: Array | None = None

    @classmethod
    def of(cls, counts: Array) -> CountEncoding | None:
        """Learn the encoding from the counts of the training part, or nothing where they do not differ."""
        seen = counts[counts > 0]
        if len(seen) == 0 or seen.min() == seen.max():
            return None
        logs = np.log1p(seen)
        edges = np.quantile(seen, np.arange(1, BANDS) / BANDS)
        one = cls(float(logs.mean()), float(logs.std()), edges, float(seen.min()), float(seen.max()))
        return replace(one, none=seen @ one.matrix(seen) / seen.sum())

    def matrix(self, counts: Array) -> Array:
        """Return the features, (n, 2 + BANDS) float32."""
        within = np.clip(counts, self.low, self.high)
        logs = (np.log1p(within) - self.mean) / self.scale
        band = np.eye(BANDS)[np.searchsorted(self.edges, within, side="right")]
        features = np.column_stack([logs, logs**2, band])
        if self.none is not None:
            features[counts == 0] = self.none
        return features.astype(np.float32)

    def plain(self) -> Array:
        """Return all of it as one array, for a file."""
        beyond = [] if self.none is None else [self.low, self.high, *self.none]
        return np.concatenate([[self.mean, self.scale], self.edges, beyond])

    @classmethod
    def from_plain(cls, numbers: Array) -> CountEncoding:
        """Return what `plain` gave; files of before had mean, scale and octiles alone."""
        first, edges, beyond = np.split(np.asarray(numbers), [2, 1 + BANDS])
        one = cls(float(first[0]), float(first[1]), edges)
        if not len(beyond):
            return one
        return replace(one, low=float(beyond[0]), high=float(beyond[1]), none=beyond[2:])


PLAIN_SIZES = (1 + BANDS, 5 + 2 * BANDS)  # of `CountEncoding`: of before, and now


@dataclass(frozen=True)
class Components:
    """The leading singular vectors of the incidence, divided by the roots of the numbers of cells of both sides.

    The first, which is the same for all cells, is left out: A = D_users^-1/2 X D_items^-1/2 = U S V' (as in
    correspondence analysis, Greenacre 1984). They give directions in which many people differ a ridge of their own.

    Attributes:
        users, items: (n_users, k), (n_items, k) float32, singular vectors times the root of the number of rows.
        projection: (n_items, k) float32: a user's are the sum of the rows of the items they have, over the root of
            the number of those.
        item_projection: (n_users, k) float32: an item's are the sum of the rows of its users, likewise.
    """

    users: Array
    items: Array
    projection: Array
    item_projection: Array

    @classmethod
    def of(cls, by_user: Rows, n_items: int, wanted: int) -> Components:
        """Return up to ``wanted`` components, fewer where the data has no more."""
        n_users = by_user.n_rows
        k = min(wanted, n_users - 2, n_items - 2)
        if k < 1:
            return cls(*(np.zeros((n, 0), np.float32) for n in (n_users, n_items, n_items, n_users)))
        X = by_user.to_scipy(n_items, np.ones(len(by_user.indices)))
        of_items = 1 / np.sqrt(np.maximum(np.bincount(by_user.indices, minlength=n_items), 1))
        of_users = 1 / np.sqrt(np.maximum(by_user.sizes, 1))
        A = sparse.diags_array(of_users) @ X @ sparse.diags_array(of_items)
        wide = n_users > n_items
        narrow = A.T if wide else A
        S, first = _leading(narrow, k + 1)
        other = narrow.T @ first / S
        U, V = (other, first) if wide else (first, other)
        U, V = U * n_users**0.5, V * n_items**0.5
        of_items, of_users = of_items * (n_users / n_items) ** 0.5, of_users * (n_items / n_users) ** 0.5
        components = U, V, V / S * of_items[:, None], U / S * of_users[:, None]
        return cls(*(x.astype(np.float32) for x in components))


def _leading(A: Any, k: int) -> tuple[Array, Array]:
    """Return the singular values of A from the second of k on, descending, and their left vectors.

    Those below SMALLEST_COMPONENT are left out. `svds` would hand no generator on to ARPACK, which needs chance where a
    subspace is used up.
    """
    product = LinearOperator((A.shape[0],) * 2, lambda x: A @ (A.T @ x), dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(A.shape[0])
    squares, vectors = eigsh(product, k, v0=start, rng=np.random.default_rng(0))
    order = np.argsort(-squares)
    S = np.sqrt(np.maximum(squares[order], 0))
    kept = np.flatnonzero(SMALLEST_COMPONENT * S[0] < S)[1:]
    return S[kept], np.linalg.qr(vectors[:, order])[0][:, kept]


@dataclass(frozen=True)
class Encoders:
    """How a newcomer's rows become features.

    Attributes:
        counts: of the number of ratings, or None.
        projection: (n_items, k) onto the components of the incidence; no columns where they take no part.
    """

    counts: CountEncoding | None
    projection: Array


def projected(rows: Rows, projection: Array) -> Array:
    """Return the components of rows of users, each row summed by itself: see `Components.projection`."""
    components: Array = incidence(rows, len(projection)) @ projection
    return components


def incidence(rows: Rows, n_columns: int) -> Any:
    """Return which columns rows have cells in, over the root of their number, as a sparse array."""
    counts = rows.sizes
    data = np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts).astype(np.float32)
    return rows.to_scipy(n_columns, data)


def side(
    rows: Rows,
    columns: Rows,
    dense: Sequence[Array],
    hyper: Hyper,
    E: Array,
    *,
    init_scale: float,
    incidence: bool,
) -> SideChain:
    """Return one side before the first sweep.

    Args:
        rows, columns: cells by this side, and by the other.
        dense: groups of features of the rows, (n_rows, F) each.
        hyper: constants.
        E: (n_rows, D) standard normal numbers.
        init_scale: standard deviation of the factors at the start.
        incidence: whether whom or what a row has cells with is a group, too.
    """
    D = E.shape[1]
    groups: list[Dense | Incidence] = [Dense.of(features, D, np.flatnonzero(rows.sizes == 0)) for features in dense]
    if incidence:
        groups.append(Incidence.of(rows, columns, D))
    return SideChain(rows, first_rows(E, init_scale), groups, hyper)


def first_rows(E: Array, init_scale: float) -> Array:
    """Return rows before the first sweep, by standard normal numbers (n_rows, D): biases are 0."""
    X = (E * init_scale).astype(np.float32)
    X[:, -1] = 0
    return X
