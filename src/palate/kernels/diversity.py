"""Maximal marginal relevance (Carbonell & Goldstein 1998): the next item is relevant, and unlike those before it.

    next = argmax_(i not chosen)  (1 - d) r_i - d max_(j chosen) l_ij                                                (1)

Letters: r (m,) relevance, L (m, m) likeness, d diversity from 0 to 1; of equal ones the first given comes first.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
import numpy as np

from palate.kernels.compiling import njit


@njit(nogil=True, cache=True)
def reorder(r, L, d, order):
    """Write the places of r in the order of eq. 1; the most relevant one comes first, before it there is none."""
    m = len(r)
    nearest = np.full(m, -np.inf)
    left = np.ones(m, np.bool_)
    for n in range(m):
        best, most = -1, -np.inf
        for i in range(m):
            if left[i]:
                value = r[i] if n == 0 else (1 - d) * r[i] - d * nearest[i]
                if best < 0 or value > most:
                    best, most = i, value
        order[n] = best
        left[best] = False
        for i in range(m):
            nearest[i] = max(nearest[i], L[best, i])
