"""The prior means of rows by their features, in a fixed order of operations: a row has the same bits in any batch.

    M_uf = sum_d F_ud W_df                                                                                           (1)

Letters: F (n_rows, n_features), W (n_features, k), M (n_rows, k).
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from palate.kernels.compiling import njit


@njit(nogil=True, cache=True)
def means(F, W, M):
    """Write eq. 1 into M, feature by feature."""
    for u in range(len(F)):
        row = M[u]
        row[:] = 0
        for d in range(F.shape[1]):
            factor = F[u, d]
            if factor != 0:
                for f in range(M.shape[1]):
                    row[f] += factor * W[d, f]
