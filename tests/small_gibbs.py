"""A tiny Bayesian factorization whose priors are all proper and tight, drawn from its equations: what the chain must
agree with. Only states are set; every draw here is NumPy's and SciPy's own.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import wishart
from synthetic import interactions

from palate.models.bayes.chain import Chain, Constants
from palate.models.bayes.hyper import Hyper
from palate.models.bayes.side import Dense, Incidence, SideChain
from palate.models.bayes.time_effects import TimeEffect
from palate.parallel import Workers

N_USERS, N_ITEMS, D = 12, 10, 3
HYPER = Hyper(wishart_scale=5.0, wishart_df=10.0, mean_strength=2.0, ridge_shape=20.0, ridge_rate=10.0)
CONSTANTS = Constants(mean_center=3.0, mean_sd=0.5, noise_shape=20.0, noise_rate=5.0, scale_df=20.0)
TAU_SHAPE, TAU_RATE = 20.0, 5.0
ALONE = Workers(1)


def pattern():
    """Return about half of the cells, every row and column among them, with times of a few days."""
    rng = np.random.default_rng(5)
    kept = rng.random((N_USERS, N_ITEMS)) < 0.5
    kept[np.arange(N_USERS), np.arange(N_USERS) % N_ITEMS] = True
    users, items = np.nonzero(kept)
    return interactions(users, items, np.full(len(users), 3.0), times=86400 * rng.integers(0, 3, len(users)))


DATA = pattern()
ATTRIBUTES = np.random.default_rng(6).normal(0, 1, (N_USERS, 2)).astype(np.float32)


def chain(seed):
    """Return the chain on the pattern; its ratings are its own to change."""
    by_user, by_item = DATA.by_user(), DATA.by_item()
    start = np.zeros((N_USERS, D), np.float32), np.zeros((N_ITEMS, D), np.float32)
    users = [Dense.of(ATTRIBUTES, D, np.flatnonzero(by_user.sizes == 0)), Incidence.of(by_user, by_item, D)]
    sides = (
        SideChain(by_user, start[0], users, HYPER),
        SideChain(by_item, start[1], [Incidence.of(by_item, by_user, D)], HYPER),
    )
    order = np.lexsort((DATA.item_index, DATA.user_index))
    return Chain(*sides, CONSTANTS, seed, [TimeEffect.of("day", DATA, order, TAU_SHAPE, TAU_RATE)])


def matrix(group):
    """Return the features of a group, (n_rows, F)."""
    if isinstance(group, Dense):
        return ATTRIBUTES.astype(float)
    indptr, indices, _ = group.columns
    X = np.zeros((len(group.scales), len(group.B)))
    X[indices, np.repeat(np.arange(len(group.B)), np.diff(indptr))] = 1
    return X / np.sqrt(np.maximum(X.sum(axis=1, keepdims=True), 1))


def correlated(L, n, rng):
    """Return n rows of N(0, inv(L))."""
    return rng.standard_normal((n, len(L))) @ np.linalg.inv(np.linalg.cholesky(L))


def draw_side(side, rng):
    """Draw Lambda, m, ridges, weights, rows, and noise scales from the prior; eq. 2 to 5 of `palate.models.bayes`."""
    side.L = wishart.rvs(D + HYPER.wishart_df, np.eye(D) / HYPER.wishart_scale, random_state=rng)
    side.mean = correlated(HYPER.mean_strength * side.L, 1, rng)[0]
    parts = np.zeros(side.X.shape)
    for group in side.groups:
        group.ridge = rng.gamma(HYPER.ridge_shape) / HYPER.ridge_rate
        group.B = correlated(group.ridge * side.L, len(group.B), rng)
        parts += matrix(group) @ group.B
    side._parts = parts.astype(np.float32)
    side.X = (side.mean + parts + correlated(side.L, len(side.X), rng)).astype(np.float32)
    side.scales = (rng.gamma(CONSTANTS.scale_df / 2, 2 / CONSTANTS.scale_df, len(side.X))).astype(np.float32)


def draw_parameters(c, rng):
    """Draw everything but the ratings from the prior."""
    draw_side(c.users, rng)
    draw_side(c.items, rng)
    c.mu = rng.normal(CONSTANTS.mean_center, CONSTANTS.mean_sd)
    c.alpha = rng.gamma(CONSTANTS.noise_shape) / CONSTANTS.noise_rate
    effect = c.effects[0]
    effect.tau = rng.gamma(TAU_SHAPE) / TAU_RATE
    effect.values = (rng.standard_normal(len(effect.keys)) / effect.tau**0.5).astype(np.float32)


def draw_ratings(c, rng):
    """Draw the ratings given all else; eq. 1."""
    rows = c.users.rows
    u, i = np.repeat(np.arange(N_USERS), np.diff(rows.indptr)), rows.indices
    P, Q = c.users.X[u].astype(float), c.items.X[i].astype(float)
    expected = c.mu + (P[:, :-1] * Q[:, :-1]).sum(axis=1) + P[:, -1] + Q[:, -1] + c.effects[0].of_cells()
    precision = c.alpha * c.users.scales[u].astype(float) * c.items.scales[i]
    values = (expected + rng.standard_normal(len(u)) / np.sqrt(precision)).astype(np.float32)
    c.users.rows = type(rows)(rows.indptr, rows.indices, values)
    c.errors = (values - expected).astype(np.float32)


def names():
    """Return the names of what is looked at."""
    c, rng = chain(0), np.random.default_rng(0)
    draw_parameters(c, rng)
    draw_ratings(c, rng)
    return list(seen(c))


def seen(c):
    """Return what is looked at: every block of parameters, by functions that no rotation of the factors changes."""
    P, Q, effect = c.users.X.astype(float), c.items.X.astype(float), c.effects[0]
    dense, of_items = c.users.groups
    of_users = c.items.groups[0]
    return {
        "mu": c.mu,
        "alpha": np.log(c.alpha),
        "user bias": P[0, -1],
        "item bias": Q[1, -1],
        "product": np.arctan(P[0, :-1] @ Q[0, :-1]),  # products have heavy tails: bounded, their moments settle
        "spread": np.log(np.square(P[:, :-1]).sum()),
        "precision of users": np.linalg.slogdet(c.users.L)[1],
        "precision of items": np.linalg.slogdet(c.items.L)[1],
        "mean of users": c.users.mean[-1],
        "mean of items": c.items.mean[-1],
        "ridge of attributes": np.log(dense.ridge),
        "ridge of incidence": np.log(of_items.ridge),
        "weight of an attribute": dense.B[0, -1],
        "weights of attributes": np.arctan(dense.B[1, :-1] @ Q[2, :-1]),
        "weight of an item": of_items.B[0, -1],
        "weights of a user": np.arctan(of_users.B[1, :-1] @ P[3, :-1]),
        "noise of a user": np.log(c.users.scales[0]),
        "noise of an item": np.log(c.items.scales[1]),
        "offset": effect.values[0],
        "offsets": np.log(np.square(effect.values, dtype=float).sum()),
        "tau": np.log(effect.tau),
        "rating": c.users.rows.values[0],
        "ratings": np.log(np.var(c.users.rows.values, dtype=float)),
        "misfit": np.log(np.square(c.errors, dtype=float).mean()),
    }
