"""Points of a plane that push each other away: the part of t-SNE's gradient that goes over all pairs.

    w_ij = 1 / (1 + |y_i - y_j|^2),    Z = sum_(k != l) w_kl,    q_ij = w_ij / Z                                     (1)
    dKL(P || Q)/dy_i = 4 sum_j (p_ij - q_ij) w_ij (y_i - y_j)                                                        (2)

Van der Maaten & Hinton 2008 (Visualizing Data using t-SNE), eq. 4 and 5. The sums with p_ij go over neighbors alone and
are made where this is called; here are those with q_ij, without the factor 1 / Z.

Letters: x, y (m,) the points; r, s (m,) their pushes; z (m,) the sums of w.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
from palate.kernels.compiling import njit


@njit(nogil=True, cache=True, error_model="numpy")
def push(x, y, r, s, z):
    """Write sum_j w_ij^2 (y_i - y_j), both coordinates, and sum_(j != i) w_ij, of each point, eq. 1 and 2.

    The inner loop goes over i, so that many points are moved at once and each sum has one order on every machine.
    """
    one = x.dtype.type(1)
    r[:], s[:], z[:] = 0, 0, -one
    for j in range(len(x)):
        xj, yj = x[j], y[j]
        for i in range(len(x)):
            dx, dy = x[i] - xj, y[i] - yj
            w = one / (one + dx * dx + dy * dy)
            z[i] += w
            w *= w
            r[i] += w * dx
            s[i] += w * dy
