"""Mixtures of fewer parts: draws of like scores put together."""

from __future__ import annotations

import numpy as np

from palate.models.contract.learned import Array

FEWEST_PARTS = 8
PARTS = 16  # of a mixture: draws of like scores are put together


def grouped(means: Array, sds: Array) -> tuple[Array, Array]:
    """Return mixtures of at most PARTS parts, (n, PARTS) each: draws of neighbouring scores make one normal part.

    A part has the mean and variance of its draws, so those of the mixture are kept; a few parts are as good as a
    hundred draws, and a continuous ranked probability score takes the square of their number. Where no number of parts
    from FEWEST_PARTS on divides the draws, the last few are left out.
    """
    n_kept = means.shape[1]
    if n_kept > PARTS:
        parts = next((p for p in range(PARTS, FEWEST_PARTS - 1, -1) if n_kept % p == 0), PARTS)
        n_kept -= n_kept % parts
    else:
        parts = n_kept
    means, sds, size = means[:, :n_kept], sds[:, :n_kept], n_kept // parts
    order = np.argsort(means, axis=1)
    shape = len(means), parts, size
    m, s = (np.take_along_axis(x, order, axis=1).reshape(shape) for x in (means, sds))
    return m.mean(axis=2), np.sqrt(m.var(axis=2) + (s**2).mean(axis=2))
