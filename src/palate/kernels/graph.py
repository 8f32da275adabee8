"""Products of compressed rows and a few dense columns, which stand beside each other: steps of graph filters.

    Y_rl = sum_c a_rc X_cl        over the cells c of row r                                                          (1)

A lane l is summed in the order of a row's cells, and has the same bits whatever the other lanes hold.

Letters: A compressed rows (n_rows, n_columns); X (n_columns, n_lanes); Y (n_rows, n_lanes).
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from palate.kernels import Cells
from palate.kernels.compiling import njit


@njit(nogil=True, cache=True)
def product(A: Cells, X, Y):
    """Write eq. 1."""
    indptr, indices, values = A
    n_lanes = X.shape[1]
    for r in range(len(indptr) - 1):
        y = Y[r]
        for lane in range(n_lanes):
            y[lane] = 0
        for c in range(indptr[r], indptr[r + 1]):
            x, a = X[indices[c]], values[c]
            for lane in range(n_lanes):
                y[lane] += a * x[lane]
