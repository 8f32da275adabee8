"""What looking early does: a test of 5 % that is looked at often finds a difference where there is none more often.

Under the null hypothesis the test's statistic at a share t of the planned lists is W(t) / sqrt(t), W a Brownian motion.
The chance that one of several looks passes the bound is found by carrying the density of W from look to look, without
what has passed (Armitage, McPherson & Rowe 1969).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import special

NODES = 200  # of the quadrature at each look
NEAR = 0.02  # looks nearer to each other than this share of the plan count as one


def false_alarm(shares: Iterable[float], alpha: float = 0.05) -> float:
    """Return the chance that a difference is found at one of these looks or at the end where there is none.

    Args:
        shares: of the planned lists, those that each look had.
        alpha: of each test.
    """
    bound = float(special.ndtri(1 - alpha / 2))
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    at, mass, before = np.zeros(1), np.ones(1), 0.0  # W(0) = 0
    for share in _apart(shares):
        end, step = bound * np.sqrt(share), np.sqrt(share - before)
        to = end * nodes
        density = np.exp(-(((to[:, None] - at) / step) ** 2) / 2) / (step * np.sqrt(2 * np.pi))
        at, mass, before = to, (density @ mass) * weights * end, share
    return float(1 - mass.sum())


def _apart(shares: Iterable[float]) -> list[float]:
    """Return shares in order, none near another one, and 1 at the end."""
    kept: list[float] = []
    for share in sorted(share for share in shares if share > 0):
        if share - (kept[-1] if kept else 0) >= NEAR and share <= 1 - NEAR:
            kept.append(share)
    return [*kept, 1.0]
