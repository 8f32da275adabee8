"""Mixtures of normal distributions in equal parts: what a rating may be, one part a kept draw.

    F(y) = (1/K) sum_k Phi((y - m_k) / s_k)                                                                          (1)

    CRPS(F, y) = (1/K) sum_k A(y - m_k, s_k^2) - (1/(2 K^2)) sum_k sum_l A(m_k - m_l, s_k^2 + s_l^2)                 (2)

    A(m, s^2) = 2 s phi(m / s) + m (2 Phi(m / s) - 1)

(Grimit, Gneiting, Berrocal & Johnson 2006, eq. 5 and 6.) Letters: M, S (n, K) means and standard deviations.
"""

# No `from __future__ import annotations`: Numba reads these functions as they stand.
import math

from palate.kernels.compiling import njit

STEPS = 40  # halvings of the interval in which a quantile lies
ROOT_2, ROOT_2PI = math.sqrt(2.0), math.sqrt(2.0 * math.pi)


@njit(nogil=True, cache=True)
def normal_cdf(z):
    """Return Phi(z)."""
    return 0.5 * math.erfc(-z / ROOT_2)


@njit(nogil=True, cache=True)
def cdf(m, s, y):
    """Return eq. 1 of one mixture."""
    total = 0.0
    for k in range(len(m)):
        total += normal_cdf((y - m[k]) / s[k])
    return total / len(m)


@njit(nogil=True, cache=True)
def cdfs(M, S, Y, first, last, out):
    """Write eq. 1 of mixtures first … last - 1 at each of their points Y (n, points)."""
    for n in range(first, last):
        for j in range(Y.shape[1]):
            out[n, j] = cdf(M[n], S[n], Y[n, j])


@njit(nogil=True, cache=True)
def quantiles(M, S, levels, first, last, out):
    """Write the quantiles of mixtures first … last - 1: levels (q,), out (n, q)."""
    for n in range(first, last):
        m, s = M[n], S[n]
        lowest, highest = m[0], m[0]
        for k in range(len(m)):
            lowest, highest = min(lowest, m[k] - 9 * s[k]), max(highest, m[k] + 9 * s[k])
        for j in range(len(levels)):
            low, high = lowest, highest
            for _ in range(STEPS):
                middle = (low + high) / 2
                if cdf(m, s, middle) < levels[j]:
                    low = middle
                else:
                    high = middle
            out[n, j] = (low + high) / 2


@njit(nogil=True, cache=True)
def apart(m, s):
    """Return A(m, s^2) of eq. 2."""
    z = m / s
    return 2 * s * math.exp(-z * z / 2) / ROOT_2PI + m * (2 * normal_cdf(z) - 1)


@njit(nogil=True, cache=True)
def crps(M, S, truth, first, last, out):
    """Write eq. 2 of mixtures first … last - 1."""
    for n in range(first, last):
        m, s = M[n], S[n]
        own, pairs = 0.0, 0.0
        for k in range(len(m)):
            own += apart(truth[n] - m[k], s[k])
            pairs += apart(0.0, math.sqrt(2.0) * s[k])
            for j in range(k):
                pairs += 2 * apart(m[k] - m[j], math.sqrt(s[k] * s[k] + s[j] * s[j]))
        out[n] = own / len(m) - pairs / (2.0 * len(m) * len(m))
