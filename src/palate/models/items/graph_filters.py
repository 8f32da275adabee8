"""What a graph filter does to a row of clicks: polynomials of the normalised graph of items, and its singular vectors.

With R (n_users, n_items) the clicks, d their sums by user and by item, D diagonal matrices of these,

    N = D_u^(-1/2) R D_i^(-1/2)        P = N'N, its eigenvalues from 0 to 1        L = I - 2 P                       (1)

and V_k the k largest right singular vectors of N, a row r of clicks is scored by

    s = [ r D_i^-a h(L) D_i^a + w r D_i^-b V_k V_k' D_i^b ] g(L)                                                     (2)

h and g are polynomials, written by their Chebyshev coefficients, for the eigenvalues of L lie between -1 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev

from palate.kernels import given
from palate.kernels import graph as kernel
from palate.parallel import blas_threads
from palate.sparse import Array, Rows

DEGREE = 8  # of the polynomial of ChebyCF
STEEPNESS = 1.5  # of its response
TIME = 2.5  # to which BSPM sharpens, in one step of fourth order
STEPS, SPARE = 8, 0.25  # of subspace iteration, and how much wider than k the subspace is
ROUNDING = 16 * np.finfo(np.float32).eps
SEED = 0

interpolated: Any = chebyshev.chebinterpolate  # NumPy's stubs take no function of real numbers


@dataclass(frozen=True, eq=False)
class Response:
    """The polynomials and powers of eq. 2.

    Attributes:
        h, g: Chebyshev coefficients.
        a, b: powers of the items' degrees.
    """

    h: Array
    g: Array
    a: float
    b: float

    @classmethod
    def linear(cls, power: float) -> Response:
        """Return that of GF-CF (Shen et al. 2021, eq. 12): h(L) = P."""
        return cls(np.array([0.5, -0.5]), np.ones(1), 0.0, power)

    @classmethod
    def sharpening(cls, power: float) -> Response:
        """Return that of BSPM (Choi et al. 2023): P, and then dy/dt = -y P up to TIME by one step of Runge-Kutta.

        A step of fourth order multiplies by the first five terms of exp(-TIME P).
        """
        terms = np.array([1, -1, 1 / 2, -1 / 6, 1 / 24]) * TIME ** np.arange(5)

        def step(x: Any) -> Any:
            return np.polynomial.polynomial.polyval((1 - x) / 2, terms)

        g = interpolated(step, 4)
        return cls(np.array([0.5, -0.5]), g, 0.0, power)

    @classmethod
    def chebyshev(cls, power: float) -> Response:
        """Return that of ChebyCF (Kim et al. 2025): a flat low pass, interpolated at Chebyshev nodes."""
        h = interpolated(lambda x: 0.5 - np.sign(x) * np.abs(x) ** STEEPNESS / 2, DEGREE)
        return cls(h, np.ones(1), power, power)


@dataclass(frozen=True, eq=False)
class Graph:
    """The normalised graph of eq. 1, and its largest singular vectors.

    Attributes:
        of_users, of_items: compressed rows of N and of N'.
        degrees: (n_items,) sums of clicks, 1 for items without one.
        V: (n_items, k).
    """

    of_users: Rows
    of_items: Rows
    degrees: Array
    V: Array

    @classmethod
    def of(cls, clicks: Rows, n_items: int, k: int, n_threads: int) -> Graph:
        """Return the graph of clicks by user."""
        users = clicks.row_of_cells()
        of_users, of_items = (
            np.maximum(np.bincount(at, clicks.values, n), np.finfo(np.float32).tiny)
            for at, n in ((users, clicks.n_rows), (clicks.indices, n_items))
        )
        values = (clicks.values / np.sqrt(of_users[users] * of_items[clicks.indices])).astype(np.float32)
        N = Rows(clicks.indptr, clicks.indices, values)
        degrees = np.where(np.bincount(clicks.indices, minlength=n_items) > 0, of_items, 1.0)
        with blas_threads(n_threads):
            V = singular_vectors(N, n_items, k)
        return cls(N, N.transpose(n_items), degrees, V)

    def weights(self, first: int, last: int, response: Response, weight: float) -> Array:
        """Return rows first … last - 1 of the matrix of eq. 2, from the item had to the item scored, (m, n_items)."""
        m = last - first
        items, lanes = np.arange(first, last), np.arange(m)
        to, back = self._powers(response.a)
        X = np.zeros((len(self.degrees), m), np.float32)
        X[items, lanes] = back[items]
        X = to[:, None] * self._polynomial(response.h, X)
        if self.V.shape[1]:
            to, back = self._powers(response.b)
            X += to[:, None] * (self.V @ (weight * back[items] * self.V[items].T))
        return np.ascontiguousarray(self._polynomial(response.g, X).T)

    def _powers(self, power: float) -> tuple[Array, Array]:
        """Return the degrees to this power, and to minus it."""
        return (self.degrees**power).astype(np.float32), (self.degrees**-power).astype(np.float32)

    def _polynomial(self, coefficients: Array, X: Array) -> Array:
        """Return a polynomial of L times X, (n_items, m), by the recurrence T_(n+1) = 2 L T_n - T_(n-1)."""
        c = coefficients.astype(np.float32)
        total: Array = c[0] * X
        if len(c) == 1:
            return total
        before, now = X, self._step(X)
        total += c[1] * now
        for coefficient in c[2:]:
            before, now = now, 2 * self._step(now) - before
            total += coefficient * now
        return total

    def _step(self, X: Array) -> Array:
        """Return L X."""
        between = np.empty((self.of_users.n_rows, X.shape[1]), np.float32)
        kernel.product(self.of_users.cells, *given(X), between)
        out: Array = np.empty_like(X)
        kernel.product(self.of_items.cells, *given(between), out)
        out *= -2
        out += X
        return out


def singular_vectors(N: Rows, n_items: int, k: int) -> Array:
    """Return the k largest right singular vectors of N, (n_items, k) float32, by subspace iteration from a fixed start.

    Halko, Martinsson & Tropp 2011, algorithm 4.4. What the last vectors lack in accuracy lies in the space of their
    neighbours: eq. 2 uses the space alone. Vectors whose singular value is 0 are left out.
    """
    k = min(k, N.n_rows, n_items)
    if not k:
        return np.zeros((n_items, 0), np.float32)
    A = N.to_scipy(n_items)
    A_transposed = A.T.tocsr()
    width = k + max(8, int(SPARE * k))
    if width >= min(A.shape):
        return _all_singular_vectors(A)[:, :k]
    Y = np.random.default_rng(SEED).standard_normal((n_items, width), np.float32)
    for _ in range(STEPS):
        Y = _orthonormal(A_transposed @ (A @ Y))
    values, vectors = _eigen(A @ Y)
    return np.ascontiguousarray(Y @ vectors[:, :k][:, _above_rounding(values[:k])])


def _all_singular_vectors(A: Any) -> Array:
    """Return all right singular vectors of a sparse matrix whose smaller side is short, those of value 0 left out."""
    A = A.astype(np.float64)
    wide = A.shape[0] < A.shape[1]
    values, vectors = np.linalg.eigh((A @ A.T if wide else A.T @ A).toarray())
    values, vectors = values[::-1], vectors[:, ::-1]
    found = values > 1e-10 * values[0]
    V = vectors[:, found]
    if wide:
        V = A.T @ (V / np.sqrt(values[found]))
    return np.ascontiguousarray(V, np.float32)


def _orthonormal(Y: Array) -> Array:
    """Return an orthonormal basis of what the columns of Y span, those beyond its rank left out.

    By the eigenvectors of Y'Y: one step stretches the columns little, so their squares fit into single precision.
    """
    values, vectors = _eigen(Y)
    found = _above_rounding(values)
    basis: Array = Y @ (vectors[:, found] / np.sqrt(values[found]))
    return basis


def _eigen(Y: Array) -> tuple[Array, Array]:
    """Return the eigenvalues of Y'Y, descending, and its eigenvectors."""
    values, vectors = np.linalg.eigh(Y.T @ Y)
    return values[::-1], vectors[:, ::-1]


def _above_rounding(values: Array) -> Array:
    """Return which eigenvalues, given descending, are more than rounding."""
    above: Array = values > ROUNDING * values[0]
    return above
