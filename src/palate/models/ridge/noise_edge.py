"""How strongly the factors of `ALS` are to be shrunk: a penalty that the data choose.

With w the rows' and columns' weights in the penalty, and R what mean and biases leave of the ratings, factors are worth
their penalty only where reg is below the largest singular value of inv(sqrt(W_u)) R inv(sqrt(W_i)): summed over both
sides, the penalty is 2 reg times the nuclear norm of the weighted product (Srebro, Rennie & Jaakkola 2004). Of a matrix
of noise alone that value is the same, whatever the signs of its cells; of a structure it is not. So the edge of the
noise is that of R with random signs (Hong, Sheng & Dobriban 2020, "signflip"), found by power iteration,

    edge = |inv(sqrt(W_u)) (S * R) inv(sqrt(W_i))|                                                                   (1)

and reg is a share of it. A tenth of the ratings is held out; reg falls from the edge, where no factor is left, in steps
of RATIO, and the factors of one step begin the next one. The least error of what is held out, between the steps by a
parabola, gives the share; all ratings give the edge that it is a share of. Values times a number give an edge times it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from palate.data.interactions import Interactions
from palate.sparse import Array

HELD_OUT = 0.1  # of the ratings
RATIO = 0.8
MOST_STEPS = 8  # the last one is a sixth of the edge
USUAL = 0.5  # of the edge, where there are too few ratings to hold some out
POWERS = 30


def noise_edge(data: Interactions, left: Array, weights: tuple[Array, Array], seed: int) -> float:
    """Return eq. 1.

    Args:
        data: ratings.
        left: what mean and biases leave of each, (n,).
        weights: w of users and of items; 0 without ratings.
        seed: of the signs.
    """
    from scipy.sparse import csr_array

    rng = np.random.default_rng([seed, 5])
    cells = left * rng.choice(np.array([-1.0, 1.0]), len(left))
    if data.weights is not None:
        cells = cells * data.weights
    cells = cells / np.sqrt(weights[0][data.user_index] * weights[1][data.item_index])
    unit = float(np.sqrt(np.square(cells).sum()))
    if not unit:
        return 0.0
    A = csr_array((cells / unit, (data.user_index, data.item_index)), shape=(data.n_users, data.n_items))
    x = rng.standard_normal(data.n_items)
    size = 0.0
    for _ in range(POWERS):
        x /= np.sqrt(np.square(x).sum())
        y = A @ x
        size = float(np.sqrt(np.square(y).sum()))
        x = A.T @ y
    return size * unit


def best_share(error: Callable[[float, int], float], without: float) -> float:
    """Return the share of the edge with the least error.

    Args:
        error: (share of the edge, step from 1 on) -> error of what is held out; called with falling shares, until two
            in turn are worse.
        without: the error without factors, which is that of the share 1.
    """
    errors, best = [without], 0
    for step in range(1, MOST_STEPS + 1):
        errors.append(error(RATIO**step, step))
        best = int(np.argmin(errors))
        if step == best + 2:
            break
    between = _vertex(*errors[best - 1 : best + 2]) if 0 < best < len(errors) - 1 else 0.0
    return float(RATIO ** (best + between))


def _vertex(before: float, at: float, after: float) -> float:
    """Return how far from the middle one of three errors the parabola through them is least, in steps."""
    bend = before - 2 * at + after
    return 0.5 * (before - after) / bend if bend > 0 else 0.0
