"""The taste map: items as points of a plane, near each other where a model takes them for like each other.

t-SNE over the nearest neighbors (van der Maaten & Hinton 2008), begun at the two main directions of the likeness, so
that no chance takes part and every worker draws the same map:

    p_j|i = exp(b_i l_ij) / sum_k exp(b_i l_ik) over i's neighbors, b_i such that their entropy is log(PERPLEXITY)   (1)
    p_ij = (p_j|i + p_i|j) / 2m                                                                                      (2)

l (m, m) is the model's likeness of the items; the gradient is eq. 2 of `palate.kernels.layout`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import eigsh

from palate.models import Recommender
from palate.models.contract.abilities import LikensItems
from palate.serve.engine.genres import genres_of_items

MOST = 2000  # points: a map of more is neither read nor drawn
PERPLEXITY = 10  # neighbors that count, about
FEWEST = 5  # items that make a map
EARLY, STEPS = 80, 300  # steps in which neighbors pull harder, and steps in all
PULL = 12.0  # how much harder
REGIONS, NEAR, APART = 8, 30, 0.35  # names on the map, points around one, and how far two are apart


@dataclass(frozen=True, eq=False, slots=True)
class TasteMap:
    """The most popular items of a model on a plane.

    Attributes:
        items: (m,) positions, the most popular first.
        points: (m, 2) from -1 to 1.
        regions: genres, and where on the map most of each stands.
    """

    items: NDArray[np.int32]
    points: NDArray[np.float32]
    regions: list[tuple[str, float, float]]

    @classmethod
    def of(cls, model: Recommender) -> TasteMap:
        """Return the map of a model; without items where it does not tell which are alike."""
        items = _mapped(model)
        points = layout(model, items)
        return cls(items, points, regions(points, genres_of_items(model, items)))


def layout(model: Recommender, items: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return a point for each item, (m, 2) from -1 to 1: items near each other are like each other."""
    if len(items) < FEWEST:
        return np.zeros((len(items), 2), np.float32)
    likeness = model.ranker.scorer.likeness(items)
    return _scaled(_descended(_affinities(likeness), directions(likeness)))


def directions(likeness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the coordinates of items along the two main directions of their likeness, (m, 2)."""
    centred = likeness - likeness.mean(0) - likeness.mean(1)[:, None] + likeness.mean()
    if np.abs(centred).max() < 1e-9:  # all are equally alike
        return np.zeros((len(likeness), 2))
    values, vectors = eigsh(centred, 2, which="LA", v0=np.ones(len(centred)) + np.arange(len(centred)) % 7)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))


def _mapped(model: Recommender) -> NDArray[np.int32]:
    """Return the most popular items that something is known of, by popularity."""
    if not isinstance(model, LikensItems):
        return np.empty(0, np.int32)
    order = model.item_order.order[:MOST]
    return order[model.item_order.counts[order] > 0]


def _affinities(likeness: NDArray[np.float64]) -> csr_array[Any]:
    """Return eq. 2, sparse."""
    m = len(likeness)
    k = min(3 * PERPLEXITY, m - 1)
    alike = likeness.copy()
    np.fill_diagonal(alike, -np.inf)
    near = np.argpartition(-alike, k - 1, axis=1)[:, :k]
    shares = _shares(np.take_along_axis(alike, near, 1), np.log(min(PERPLEXITY, k / 2)))
    given = coo_array((shares.ravel(), (np.repeat(np.arange(m), k), near.ravel())), (m, m)).tocsr()
    return csr_array((given + given.T) / (2 * m))


def _shares(likeness: NDArray[np.float64], entropy: float) -> NDArray[np.float64]:
    """Return eq. 1 by bisection of each row's b."""
    best = likeness - likeness.max(1, keepdims=True)
    low, high = np.zeros((len(best), 1)), np.full((len(best), 1), 1e6)
    for _ in range(60):
        b = np.where(high < 1e6, (low + high) / 2, np.maximum(2 * low, 1.0))
        shares = np.exp(b * best)
        shares /= shares.sum(1, keepdims=True)
        too_even = -(shares * np.log(np.maximum(shares, 1e-300))).sum(1, keepdims=True) > entropy
        low, high = np.where(too_even, b, low), np.where(too_even, high, b)
    return np.asarray(shares)


def _descended(P: csr_array[Any], begin: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the points after gradient descent with momentum and a gain for each coordinate, as in the paper."""
    from palate.kernels.layout import push  # Numba is slow to import

    edges = P.tocoo()
    i, j = edges.coords
    turn = 2.4 * np.arange(len(begin))  # radians: items of one place begin a little apart
    apart = 1e-3 * np.stack([np.cos(turn), np.sin(turn)], 1)
    Y = (1e-2 * begin / max(begin.std(), 1e-12) + apart).T.astype(np.float32)  # (2, m)
    moved, gains = np.zeros_like(Y), np.ones_like(Y)
    r, s, z = np.empty((3, Y.shape[1]), np.float32)
    rate = max(Y.shape[1] / PULL / 4, 50.0)
    for step in range(STEPS):
        push(Y[0], Y[1], r, s, z)
        dx, dy = (of[i] - of[j] for of in Y)
        pull = edges.data * (PULL if step < EARLY else 1) / (1 + dx**2 + dy**2)
        pulled = np.stack([np.bincount(i, pull * d, len(z)) for d in (dx, dy)])
        slope = 4 * (pulled - np.stack([r, s]) / z.sum(dtype=np.float64))
        gains = np.maximum(np.where(slope * moved < 0, gains + 0.2, gains * 0.8), 0.01)
        moved = ((0.5 if step < EARLY else 0.8) * moved - rate * gains * slope).astype(np.float32)
        Y = Y + moved
    return np.ascontiguousarray(Y.T, np.float32)


def _scaled(Y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the points from -1 to 1; a few that are far off stand on the edge."""
    low, high = np.quantile(Y, [0.005, 0.995], axis=0)
    return np.asarray(np.clip(2 * (Y - low) / np.maximum(high - low, 1e-12) - 1, -1, 1), np.float32)


def regions(points: NDArray[np.float32], genres: Sequence[Sequence[str]]) -> list[tuple[str, float, float]]:
    """Return the genres that keep together, each with the point that has most of it around.

    Args:
        points: (m, 2).
        genres: of each point.
    """
    if len(points) < FEWEST:
        return []
    near = _nearest_points(points, NEAR)
    found: list[tuple[float, str, int]] = []
    for name in sorted({name for of in genres for name in of}):
        has = np.array([name in of for of in genres])
        around = has[near].mean(1)
        at = int(np.argmax(around * has))
        found.append((float(around[at] / has.mean()) * min(1.0, has.sum() / NEAR), name, at))
    kept: list[tuple[str, float, float]] = []
    for _, name, at in sorted(found, reverse=True):
        x, y = points[at].tolist()
        if len(kept) < REGIONS and all(abs(x - a) > APART or abs(y - b) > APART / 2 for _, a, b in kept):
            kept.append((name, x, y))
    return kept


def _nearest_points(points: NDArray[Any], n: int) -> NDArray[np.intp]:
    from scipy.spatial import KDTree

    return np.asarray(KDTree(points).query(points, min(n, len(points)))[1])


def kept_neighbors(points: NDArray[Any], likeness: NDArray[np.float64], n: int = 10) -> float:
    """Return which share of each item's n most like items are among its n nearest points, over all items."""
    far = np.square(points[:, None].astype(float) - points[None]).sum(2)
    np.fill_diagonal(far, np.inf)
    alike = likeness - 2 * np.abs(likeness).max() * np.eye(len(likeness))
    near, like = (np.argpartition(of, n, axis=1)[:, :n] for of in (far, -alike))
    return float(np.mean([len(np.intersect1d(a, b)) for a, b in zip(near, like, strict=True)]) / n)
