"""A sum of products M = sum_s L_s R_s' of thin matrices, sketched as it grows: M itself is never made.

With fixed sparse signs O (n_columns, k) and S (n_rows, l) only

    Y = M O (n_rows, k)        W = M' S (n_columns, l)                                                          (1)

are summed. Q being an orthonormal basis of Y, M is near Q B, where B solves S'Q B = W' by least squares (Tropp,
Yurtsever, Udell & Cevher 2017, algorithm 4), and Q B is cut to its leading singular vectors. Where one side has at most
k rows, it is M but for rounding. What is left out is seen by further columns of O that take no part in the basis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from scipy import linalg, sparse

from palate.parallel import GRAIN, Workers, chunks
from palate.sparse import Array

WIDTH = 320  # k; l is twice as many
PROBES = 16  # columns of O by which the error is seen
ENTRIES = 8  # signs in a row of O or S
HELD = 16  # parts of a sum that are held at once
BUFFER = 128  # columns that are gathered before they are summed: products of few columns are slow


class ProductSum:
    """The sketch of a sum of products.

    Args:
        n_rows, n_columns: of M.
        width: columns of L and R as `add` takes them.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("Y", "W", "left", "right", "filled")

    def __init__(self, n_rows: int, n_columns: int, width: int) -> None:
        rng = np.random.default_rng(0)
        across, probes = _signs(n_columns, WIDTH, rng), _drawn(rng, (n_columns, PROBES))
        self.O, self.S = sparse.hstack([across, probes], "csr"), _signs(n_rows, 2 * WIDTH, rng)
        self.of_rows, self.of_columns = _blocks(self.S), _blocks(self.O)
        self.Y = np.zeros((n_rows, self.O.shape[1]), np.float32)
        self.W = np.zeros((n_columns, self.S.shape[1]), np.float32)
        room = width * max(1, BUFFER // width)
        self.left, self.right = (np.zeros((n, room), np.float32) for n in (n_rows, n_columns))
        self.filled = 0

    def add(self, L: Array, R: Array) -> None:
        """Add L R' of ``width`` columns, at once or with what comes later."""
        if self.filled == self.left.shape[1]:
            self.flush()
        place = slice(self.filled, self.filled + L.shape[1])
        self.left[:, place], self.right[:, place] = L, R
        self.filled += L.shape[1]

    def flush(self) -> None:
        """Sum what has been gathered."""
        if self.filled:
            with Workers(1) as alone:
                self.add_blocks(self.left[:, : self.filled].__getitem__, self.right[:, : self.filled], alone)
        self.filled = 0

    def add_blocks(self, left: Callable[[slice], Array], R: Array, workers: Workers) -> None:
        """Add L R', where ``left`` makes some rows of L: the same bits on any number of threads."""
        across = _summed([partial(_product, signs, R[p]) for p, signs in self.of_columns], workers)

        def some(p: slice, signs: Any) -> Array:
            L = left(p)
            self.Y[p] += L @ across.T
            return _product(signs, L)

        down = _summed([partial(some, p, signs) for p, signs in self.of_rows], workers)
        workers.run([partial(_add_product, self.W, R, down, p) for p, _ in self.of_columns])

    def join(self, other: ProductSum) -> None:
        """Add another sum."""
        self.flush()
        other.flush()
        self.Y += other.Y
        self.W += other.W

    def factors(self, rank: int, divisor: float) -> tuple[Array, Array, float]:
        """Return factors of M / divisor (n_rows, r), (n_columns, r), and the root mean square of what is left out.

        The sum is spent.
        """
        self.flush()
        self.left = self.right = np.zeros((0, 0), np.float32)
        Y, W = self.Y, self.W
        Y /= np.float32(divisor)
        W /= np.float32(divisor)
        k = Y.shape[1] - PROBES
        Q = linalg.qr(Y[:, :k], mode="economic", check_finite=False)[0]
        inner, triangle = linalg.qr(self.S.T @ Q, mode="economic", check_finite=False)
        side = linalg.solve_triangular(triangle, inner.T @ W.T, check_finite=False)
        basis, core = linalg.qr(side.T, mode="economic", check_finite=False)
        U, s, Vt = linalg.svd(core.T, check_finite=False)
        root = np.sqrt(s[:rank])
        left = np.ascontiguousarray(Q @ (U[:, : len(root)] * root))
        right = np.ascontiguousarray(basis @ (Vt[: len(root)].T * root))
        missed = Y[:, k:] - left @ (self.O[:, k:].T @ right).T
        size = len(Y) * len(W) * PROBES
        return left, right, float(np.sqrt(np.square(missed, dtype=np.float64).sum() / size))


def bytes_of_sum(n_rows: int, n_columns: int) -> int:
    """Return what a sum of this shape takes, with what is gathered and what its factors are found with."""
    return 4 * (n_rows * (3 * WIDTH + PROBES + BUFFER) + n_columns * (4 * WIDTH + BUFFER))


def _drawn(rng: np.random.Generator, shape: Any) -> Array:
    return np.asarray(rng.choice(np.array([-1, 1], np.float32), shape))


def _signs(n: int, width: int, rng: np.random.Generator) -> Any:
    """Return sparse signs (n, width), or where n is not above the width the identity, so that nothing is lost."""
    if n <= width:
        return sparse.eye_array(n, dtype=np.float32, format="csr")
    indices = rng.integers(width, size=(n, ENTRIES)).ravel()
    values = _drawn(rng, n * ENTRIES)
    return sparse.csr_array((values, indices, np.arange(n + 1) * ENTRIES), shape=(n, width))


def _blocks(signs: Any) -> list[tuple[slice, Any]]:
    """Return ranges of rows, and the signs that multiply them from the left."""
    return [(p, signs[p].T) for p in chunks(signs.shape[0], GRAIN.asked)]


def _summed(tasks: Sequence[Callable[[], Array]], workers: Workers) -> Array:
    """Return the sum of the tasks' results, of which a few are held at once."""
    total: Any = 0
    for some in chunks(len(tasks), HELD):
        total = total + sum(workers.run(tasks[some]))
    return np.asarray(total)


def _product(signs: Any, X: Array) -> Array:
    product: Array = signs @ X
    return product


def _add_product(total: Array, X: Array, by: Array, p: slice) -> None:
    total[p] += X[p] @ by.T
