"""Slow, obvious twins of the fast code, written from the papers. Nothing here imports Palate.

Letters as in the papers: P (n_users, k), Q (n_items, k), b (n_users,), c (n_items,), all float64.
"""

from __future__ import annotations

import itertools
import math

import numpy as np


def prediction(P, Q, b, c, mean, u, i):
    """Koren, Bell & Volinsky 2009, eq. 4: mean + b_u + c_i + p_u . q_i, summed from the first factor on."""
    dot = 0.0
    for f in range(P.shape[1]):
        dot += float(P[u, f]) * float(Q[i, f])
    return (mean + float(b[u]) + float(c[i])) + dot


def all_scores(P, Q, b, c, mean):
    """Return eq. 4 for all pairs, (n_users, n_items)."""
    P, Q, b, c = (np.asarray(a, np.float64) for a in (P, Q, b, c))
    dots = np.zeros((len(P), len(Q)))
    for f in range(P.shape[1]):
        dots += P[:, f : f + 1] * Q[:, f]
    return (mean + b[:, None] + c) + dots


def objective(P, Q, b, c, mean, u, i, r, reg, reg_biases):
    """Return one rating's term of eq. 5, with a penalty of its own for the biases."""
    e = r - prediction(P, Q, b, c, mean, u, i)
    return e**2 + reg * (P[u] @ P[u] + Q[i] @ Q[i]) + reg_biases * (b[u] ** 2 + c[i] ** 2)


def sgd_epoch(P, Q, b, c, mean, ratings, rate, reg=0.0, reg_biases=0.0, biases=True):
    """Return (P, Q, b, c, sum of squared errors) after one step along minus the gradient for each rating in turn."""
    P, Q, b, c = (np.array(a, np.float64) for a in (P, Q, b, c))
    loss = 0.0
    for u, i, r in ratings:
        e = float(r) - prediction(P, Q, b, c, mean, u, i)
        loss += e**2
        p, q = P[u].copy(), Q[i].copy()
        P[u] = p + rate * (2 * e * q - 2 * reg * p)
        Q[i] = q + rate * (2 * e * p - 2 * reg * q)
        if biases:
            b[u] += rate * (2 * e - 2 * reg_biases * b[u])
            c[i] += rate * (2 * e - 2 * reg_biases * c[i])
    return P, Q, b, c, loss


def squared_errors(P, Q, b, c, mean, ratings, low, high):
    """Return the sums of squared errors of raw predictions and of those clipped to [low, high]."""
    raw = clipped = 0.0
    for u, i, r in ratings:
        s = prediction(P, Q, b, c, mean, u, i)
        raw += (float(r) - s) ** 2
        clipped += (float(r) - min(max(s, low), high)) ** 2
    return raw, clipped


def best(scores, n, excluded=(), allowed=None, places=None):
    """Return the n best items of one row by a full sort: higher score first, then lower place, or lower item."""
    out = {int(i) for i in excluded}
    items = [i for i in range(len(scores)) if i not in out and (allowed is None or allowed[i])]
    return sorted(items, key=lambda i: (-float(scores[i]), i if places is None else places[i]))[:n]


def last_of_each_user(users, times, n):
    """Return the rows of the n latest events of each user; at equal times the later row is the later event."""
    test = []
    for user in set(users):
        rows = [row for row in range(len(users)) if users[row] == user]
        test += sorted(rows, key=lambda row: (times[row], row))[-n:]
    return sorted(test)


def latest(times, part):
    """Return the rows from the cut on that leaves at least ``part`` of them on the later side."""
    cut = sorted(times)[len(times) - math.ceil(part * len(times))]
    return [row for row in range(len(times)) if times[row] >= cut]


def biases(users, items, ratings, n_users, n_items, reg_users, reg_items):
    """Return (mean, b, c) of Koren et al. 2009, eq. 3, with the least squared error and an L2 penalty once a row.

    Ridge regression by its normal equations: one column of X for each user and each item.
    """
    mean = sum(map(float, ratings)) / len(ratings)
    X = np.zeros((len(ratings), n_users + n_items))
    for row, (u, i) in enumerate(zip(users, items, strict=True)):
        X[row, u] = X[row, n_users + i] = 1
    penalty = np.diag([float(reg_users)] * n_users + [float(reg_items)] * n_items)
    both = np.linalg.solve(X.T @ X + penalty, X.T @ (np.asarray(ratings, np.float64) - mean))
    return mean, both[:n_users], both[n_users:]


def intercept(users, items, ratings, n_users, n_items, reg_users, reg_items):
    """Return (mean, b, c) of the same objective, least over the mean, too: a column of ones without a penalty."""
    X = np.zeros((len(ratings), 1 + n_users + n_items))
    for row, (u, i) in enumerate(zip(users, items, strict=True)):
        X[row, 0] = X[row, 1 + u] = X[row, 1 + n_users + i] = 1
    penalty = np.diag([0.0] + [float(reg_users)] * n_users + [float(reg_items)] * n_items)
    both = np.linalg.solve(X.T @ X + penalty, X.T @ np.asarray(ratings, np.float64))
    return both[0], both[1 : 1 + n_users], both[1 + n_users :]


def bias_penalties(users, items, ratings, n_users, n_items, start=3.0, steps=300):
    """Return (reg_users, reg_items): noise by biases' variance, each solution of the equations giving the next ones."""
    regs = [start, start]
    for _ in range(steps):
        mean, b, c = intercept(users, items, ratings, n_users, n_items, *regs)
        left = sum((r - mean - b[u] - c[i]) ** 2 for u, i, r in zip(users, items, ratings, strict=True))
        determined = []
        for index, n, reg in ((users, n_users, regs[0]), (items, n_items, regs[1])):
            counts = [sum(1 for row in index if row == at) for at in range(n)]
            determined.append(sum(count / (count + reg) for count in counts))
        noise = left / max(len(ratings) - 1 - sum(determined), 1)
        regs = [
            max((g + 1) / (sum(x * x for x in xs) / noise + 1 / start), 0.01)
            for g, xs in zip(determined, (b, c), strict=True)
        ]
    return tuple(regs)


def popularity(items, n_items, times=None, half_life=None):
    """Return how often each item stands, an event that is one half life older than the latest counting half."""
    scores = [0.0] * n_items
    for row, item in enumerate(items):
        scores[item] += 1 if half_life is None else 0.5 ** ((max(times) - times[row]) / half_life)
    return scores


def als(cells, n_items, start, mean, n_epochs, penalties, *, exponent, biases, first_biases=None):
    """Return P, b, Q, c after sweeps of ridge regressions, each by NumPy's solver; items first.

    penalties: of factors, of users' biases, of items'.
    """
    reg, reg_users, reg_items = penalties
    users, items, ratings = cells
    size = start.shape[1]
    P, b = start.copy(), np.zeros(len(start)) if first_biases is None else first_biases.copy()
    Q, c = np.zeros((n_items, size)), np.zeros(n_items)

    def half(own, other, other_factors, other_biases, factors, own_biases, reg_biases):
        for row in range(len(factors)):
            rows = np.flatnonzero(own == row)
            factors[row], own_biases[row] = 0, 0
            if not len(rows):
                continue
            F = other_factors[other[rows]]
            t = ratings[rows] - mean - other_biases[other[rows]]
            weight = len(rows) ** exponent
            D = np.hstack([np.ones((len(rows), 1)), F]) if biases else F
            penalty = np.array([reg_biases] * biases + [reg * weight] * size)
            x = np.linalg.solve(D.T @ D + np.diag(penalty), D.T @ t)
            factors[row] = x[-size:]
            own_biases[row] = x[0] if biases else 0

    for _ in range(n_epochs):
        half(items, users, P, b, Q, c, reg_items)
        half(users, items, Q, c, P, b, reg_users)
    return P, b, Q, c


def edge(users, items, left, n_users, n_items, exponent, signs):
    """Return the largest singular value of what is left, with these signs, over the roots of both sides' weights."""
    A = np.zeros((n_users, n_items))
    for u, i, x, sign in zip(users, items, left, signs, strict=True):
        weights = [sum(1 for row in index if row == at) ** exponent for index, at in ((users, u), (items, i))]
        A[u, i] = sign * x / np.sqrt(weights[0] * weights[1])
    return np.linalg.norm(A, 2)


def ridge_row(Q, t, w, reg, reg_bias, mean):
    """Return [p, b], least sum w (t - b - p . q)^2 + reg |p - m|^2 + reg_bias (b - n)^2; b = 0 without reg_bias."""
    D = np.hstack([Q, np.ones((len(Q), 1))]) if reg_bias is not None else Q
    size = D.shape[1]
    penalty = np.diag([reg] * Q.shape[1] + [reg_bias] * (size - Q.shape[1]))
    x = np.linalg.solve(D.T @ np.diag(w) @ D + penalty, D.T @ (w * t) + penalty @ mean[:size])
    return x if reg_bias is not None else np.append(x, 0)


def sums_of_row(Q, w, x, t):
    """Return the sums over a row's cells: w q q' upper row by row, x q, w q, w, w t, w t^2 and how many, end to end."""
    k = Q.shape[1]
    S = sum((weight * np.outer(q, q) for weight, q in zip(w, Q, strict=True)), np.zeros((k, k)))
    upper = [S[f, g] for f in range(k) for g in range(f, k)]
    return np.array([*upper, *(x @ Q), *(w @ Q), w.sum(), (w * t).sum(), (w * t * t).sum(), len(Q)])


def conjugate_gradients(A, s, x, steps):
    """Return x after steps towards A x = s (Hestenes & Stiefel 1952)."""
    r = s - A @ x
    d = r
    for _ in range(steps):
        length = (r @ r) / (d @ A @ d)
        x, left = x + length * d, r - length * A @ d
        d, r = left + (left @ left) / (r @ r) * d, left
    return x


def bfloat16(x):
    """Return the nearest float32 whose last 16 bits are 0, of two as near the even one, by trying; x is finite."""
    bits = int(np.float32(x).view(np.uint32))
    below = bits >> 16
    sides = [np.uint32(upper << 16).view(np.float32) for upper in (below, below + 1)]
    values = [float(side) for side in sides]
    if np.isinf(values[1]):
        values[1] = float(np.sign(values[0]) * 2.0**128)  # where the next one would be
    apart = [abs(float(x) - value) for value in values]
    return sides[0] if apart[0] < apart[1] or (apart[0] == apart[1] and below % 2 == 0) else sides[1]


def philox(counter, key):
    """Return Philox4x32-10 of four and two numbers of 32 bits (Salmon et al. 2011)."""
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [
            second // 2**32 ^ counter[1] ^ key[0],
            second % 2**32,
            first // 2**32 ^ counter[3] ^ key[1],
            first % 2**32,
        ]
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    return counter


def click_loss(p, Q, clicked, weights, unobserved):
    """Return Hu et al. 2008, eq. 3, of one user without the penalty, cell by cell."""
    weight = dict(zip(clicked.tolist(), weights.tolist(), strict=True))
    total = 0.0
    for i in range(len(Q)):
        s = float(p @ Q[i])
        total += (unobserved + weight[i]) * (1 - s) ** 2 if i in weight else unobserved * s**2
    return total


def ials_objective(P, Q, cells, unobserved, penalties_of_users, penalties_of_items):
    """Return the objective of implicit ALS over all cells; cells is {(u, i): weight}."""
    total = 0.0
    for u in range(len(P)):
        for i in range(len(Q)):
            s = float(P[u] @ Q[i])
            w = cells.get((u, i))
            total += unobserved * s**2 if w is None else (unobserved + w) * (1 - s) ** 2
    total += sum(one * p @ p for one, p in zip(penalties_of_users, P, strict=True))
    return total + sum(one * q @ q for one, q in zip(penalties_of_items, Q, strict=True))


def ease(X, reg, dropout=0.0, intercept=0.0, among=None):
    """Return EASE's weights column by column: a ridge regression of each item on others (Steck 2019, eq. 2).

    With an intercept e, a last row: the weights of an item that everybody has had, of value e and penalty reg.
    among: of each item the others it is regressed on; None for all.
    """
    n = X.shape[1]
    penalty = reg + dropout / (1 - dropout) * np.square(X).sum(axis=0)
    if intercept:
        X, penalty = np.column_stack([X, np.full(len(X), intercept)]), np.append(penalty, reg)
    B = np.zeros((X.shape[1], n))
    for j in range(n):
        others = [i for i in (range(n) if among is None else among[j]) if i != j] + [n] * bool(intercept)
        A = X[:, others]
        B[others, j] = np.linalg.solve(A.T @ A + np.diag(penalty[others]), A.T @ X[:, j])
    return B


def nearest_items(X, reg, dropout, n):
    """Return of each item the n others of largest cosine, penalties added to squares; of those that somebody shares."""
    G = X.T @ X
    lengths = np.sqrt(np.diag(G) * (1 + dropout / (1 - dropout)) + reg)
    cosines = G / np.outer(lengths, lengths)
    out = []
    for j in range(len(G)):
        others = [i for i in range(len(G)) if i != j and G[i, j] > 0]
        out.append(sorted(others, key=lambda i: -cosines[i, j])[:n])
    return out


def gibbs_row(Z, y, w, L, m, e):
    """Return mean and draw of x with prior N(m, inv(L)) and y ~ N(Z x, 1 / w): Salakhutdinov & Mnih 2008, eq. 11 to 13.

    The draw is the mean and inv(U) e, where U'U = L + Z' diag(w) Z.
    """
    A, s = L.copy(), L @ m
    for z, target, weight in zip(Z, y, w, strict=True):
        A += weight * np.outer(z, z)
        s += weight * target * z
    mean = np.linalg.inv(A) @ s
    return mean, mean + np.linalg.inv(np.linalg.cholesky(A).T) @ e


def gibbs_weights(X, T, B, ridge, E):
    """Return B after one turn of single rows: b_j given all others of T ~ N(X B, I), b_j ~ N(0, I / ridge)."""
    B = np.array(B, np.float64)
    for j in range(len(B)):
        others = [i for i in range(len(B)) if i != j]
        left = T - X[:, others] @ B[others]
        precision = X[:, j] @ X[:, j] + ridge
        B[j] = X[:, j] @ left / precision + E[j] / math.sqrt(precision)
    return B


def ridge_posterior(X, T, L, ridge):
    """Return mean (F, D) and covariance (F D, F D), rows one after another, of B: T ~ N(X B, inv(L)) by row, B's rows
    ~ N(0, inv(ridge L))."""
    A = X.T @ X + ridge * np.eye(X.shape[1])
    return np.linalg.solve(A, X.T @ T), np.kron(np.linalg.inv(A), np.linalg.inv(L))


def knn(X, shrinkage, idf, n, user_power=0.0):
    """Return the weights of nearest neighbours, from the item had to the item scored, pair by pair."""
    n_users, n_items = X.shape
    sizes = [max((X[u] > 0).sum(), 1) for u in range(n_users)]
    w = [np.log(n_items / sizes[u]) ** 2 if idf else 1.0 for u in range(n_users)]
    B = np.zeros((n_items, n_items))
    for i in range(n_items):
        for j in range(n_items):
            both = sum(w[u] / sizes[u] ** user_power * X[u, j] * X[u, i] for u in range(n_users))
            lengths = [math.sqrt(sum(w[u] * X[u, k] ** 2 for u in range(n_users))) for k in (j, i)]
            if j != i and both > 0:
                B[j, i] = both / (lengths[0] * lengths[1] + shrinkage)
    return largest_of_columns(B, n)


def beta_of_walks(X):
    """Return the power of popularity that follows from the walks of two steps, counted one by one."""
    walks = sum((X[v, i] > 0) for u in range(len(X)) for i in np.flatnonzero(X[u]) for v in range(len(X)))
    return 0.65 * (1 - math.exp(-walks / len(X) / 2500))


def shrinkage_of_lengths(X):
    """Return what makes b = L^2 / (2 L^2 + 2 shrinkage) the power of the walks, L the mean length over clicks."""
    clicks = np.argwhere(X)
    L = math.exp(sum(math.log(math.sqrt((X[:, i] ** 2).sum())) for _, i in clicks) / len(clicks))
    return max(L**2 / (2 * beta_of_walks(X)) - L**2, 0)


def rp3beta(X, alpha, beta, n, alpha_users=None, normalize=False):
    """Return the weights of the walk of three steps, as products of its probabilities."""
    of_users, of_items = X.sum(axis=1), X.sum(axis=0)
    to_item = np.array(
        [[X[u, i] / of_users[u] if of_users[u] else 0.0 for i in range(X.shape[1])] for u in range(len(X))]
    )
    to_user = np.array(
        [[X[u, i] / of_items[i] if of_items[i] else 0.0 for u in range(len(X))] for i in range(X.shape[1])]
    )
    B = to_user**alpha @ to_item ** (alpha if alpha_users is None else alpha_users)
    B = np.where(of_items > 0, B / np.where(of_items > 0, of_items, 1) ** beta, 0)
    np.fill_diagonal(B, 0)
    B = largest_of_columns(B.T, n).T
    return B / np.where(B.sum(axis=1) > 0, B.sum(axis=1), 1)[:, None] if normalize else B


def graph_filter(X, kind, k, weight, power):
    """Return the weights of a filter on the graph of items, whole matrices of it, row had by column scored."""
    of_users, of_items = (np.where(d > 0, d, 1) for d in (X.sum(axis=1), X.sum(axis=0)))
    N = X / np.sqrt(np.outer(of_users, of_items))
    P, V = N.T @ N, np.linalg.svd(N)[2][:k].T
    ideal = np.diag(of_items**-power) @ V @ V.T @ np.diag(of_items**power)
    if kind == "linear":
        return P + weight * ideal
    if kind == "sharpening":
        y, t = P + weight * ideal, 2.5  # one step of the 3/8 rule for dy/dt = -y P
        k1 = -y @ P
        k2 = -(y + t / 3 * k1) @ P
        k3 = -(y + t * (k2 - k1 / 3)) @ P
        k4 = -(y + t * (k1 - k2 + k3)) @ P
        return y + t / 8 * (k1 + 3 * k2 + 3 * k3 + k4)
    values, vectors = np.linalg.eigh(P)
    nodes = np.cos(np.pi * (np.arange(9) + 0.5) / 9)
    through = np.polyfit(nodes, 0.5 - np.sign(nodes) * np.abs(nodes) ** 1.5 / 2, 8)
    h = vectors @ np.diag(np.polyval(through, 1 - 2 * values)) @ vectors.T
    return np.diag(of_items**-power) @ h @ np.diag(of_items**power) + weight * ideal


def largest_of_columns(B, n):
    """Keep the n largest of each column, of equal ones those of smaller rows."""
    kept = np.zeros_like(B)
    for i in range(B.shape[1]):
        for j in sorted(range(len(B)), key=lambda j: (-B[j, i], j))[:n]:
            kept[j, i] = B[j, i]
    return kept


def pair_loss(P, Q, c, u, i, j, weight, margin):
    """Return one draw's loss: -log sigma(x) (Rendle et al. 2009), or with a margin weight max(0, margin - x)."""
    x = c[i] + P[u] @ Q[i] - c[j] - P[u] @ Q[j]
    return weight * (max(0.0, margin - x) if margin else math.log1p(math.exp(-x)))


def pair_objective(P, Q, c, u, i, j, weight, margin, regs):
    """Return the loss of a draw and its penalties, of users, items, negatives and biases, all at zero."""
    of_users, of_items, of_negatives, of_biases = regs
    penalty = of_users * P[u] @ P[u] + of_items * Q[i] @ Q[i] + of_negatives * Q[j] @ Q[j]
    return pair_loss(P, Q, c, u, i, j, weight, margin) + (penalty + of_biases * (c[i] ** 2 + c[j] ** 2)) / 2


def pair_step(P, Q, c, u, i, j, weight, margin, regs, rate):
    """Return (P, Q, c) after one step along minus the gradient of `pair_objective`, written out."""
    of_users, of_items, of_negatives, of_biases = regs
    x = c[i] + P[u] @ Q[i] - c[j] - P[u] @ Q[j]
    g = (weight if x < margin else 0.0) if margin else 1 / (1 + math.exp(x))
    new_P, new_Q, new_c = P.copy(), Q.copy(), c.copy()
    new_P[u] += rate * (g * (Q[i] - Q[j]) - of_users * P[u])
    new_Q[i] += rate * (g * P[u] - of_items * Q[i])
    new_Q[j] += rate * (-g * P[u] - of_negatives * Q[j])
    new_c[i] += rate * (g - of_biases * c[i])
    new_c[j] += rate * (-g - of_biases * c[j])
    return new_P, new_Q, new_c


def feature_sums(X, F, penalties, reg):
    """Return the embeddings W of features that minimise sum_u d_u |x_u - F_u W|^2 + reg |W|^2, by normal equations."""
    W = np.zeros((F.shape[1], X.shape[1]))
    A, B = reg * np.eye(F.shape[1]), np.zeros_like(W)
    for d, x, f in zip(penalties, X, F, strict=True):
        A += d * np.outer(f, f)
        B += d * np.outer(f, x)
    return np.linalg.solve(A, B)


def diversified(relevance, likeness, d):
    """Return the order of maximal marginal relevance, eq. 1 of Carbonell & Goldstein; the first of equals first."""
    left, order = list(range(len(relevance))), []
    while left:
        gains = [
            (1 - d) * relevance[i] - d * max(likeness[i][j] for j in order) if order else relevance[i] for i in left
        ]
        order.append(left.pop(gains.index(max(gains))))
    return order


def orders(weights):
    """Yield every order of items, and its probability by Plackett 1975: each place in proportion to what is left."""
    for order in itertools.permutations(range(len(weights))):
        probability = 1.0
        for r, i in enumerate(order):
            probability *= weights[i] / sum(weights[j] for j in order[r:])
        yield order, probability


def places_taken(weights):
    """Return how probable it is that each item takes each place, (m, m), summed over all orders."""
    P = np.zeros((len(weights), len(weights)))
    for order, probability in orders(weights):
        for r, i in enumerate(order):
            P[i, r] += probability
    return P


def first_places(weights, items):
    """Return how probable it is that the first places are these items in this order, summed over all orders."""
    return sum(p for order, p in orders(weights) if order[: len(items)] == tuple(items))


def mixed_places(own, share, uniform):
    """Return the probability of each item at each place where chance takes part in a share of lists, (m, m).

    own: (m, m) of the policy; item r stands at place r of the order without chance.
    """
    m = len(own)
    return share * ((1 - uniform) * own + uniform * np.full((m, m), 1 / m)) + (1 - share) * np.eye(m)


def tsne_pushes(points):
    """van der Maaten & Hinton 2008, eq. 4 and 5: of each point sum_j w_ij^2 (y_i - y_j), and sum_(j != i) w_ij."""
    pushes, sums = np.zeros((len(points), 2)), np.zeros(len(points))
    for i, one in enumerate(np.asarray(points, np.float64)):
        for j, other in enumerate(np.asarray(points, np.float64)):
            if i != j:
                w = 1 / (1 + ((one - other) ** 2).sum())
                pushes[i] += w**2 * (one - other)
                sums[i] += w
    return pushes, sums


def blended(scores, weights):
    """Return the weighted mean of a person's scores by several models, each standardised over all items.

    scores: (n_parts, n_items). A part of equal scores adds nothing, and its weight goes to the others.
    """
    total, whole = [0.0] * len(scores[0]), 0.0
    for x, w in zip(scores, weights, strict=True):
        mean = sum(x) / len(x)
        deviation = math.sqrt(sum((one - mean) ** 2 for one in x) / len(x))
        if max(x) > min(x) and deviation > 0:
            whole += w
            total = [sum_ + w * (one - mean) / deviation for sum_, one in zip(total, x, strict=True)]
    return [sum_ / whole for sum_ in total] if whole else total
