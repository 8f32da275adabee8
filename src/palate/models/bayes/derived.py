"""What a `BayesianMF` takes for parameters that are None, from the training part alone.

Ratings less damped biases have a variance s^2, of noise and of taste. A row of n ratings can fit min(n, D) of them by
its D = n_factors + 1 numbers alone: so many say nothing of the noise. Where that is most of them, nothing but its prior
holds the noise precision alpha, and a weak one lets the chain take noise for taste: alpha climbs, and the error with
it. So the prior speaks for the ratings that cannot:

    alpha ~ Gamma(k / 2, q k s^2 / 2)        k = sum_u min(n_u, D) + sum_i min(n_i, D)        q = 3/4                (1)

so that k ratings of noise variance q s^2 are added to those of training: taste explains something between nothing and
half of what biases leave, and q is the middle. Where rows are long k is small beside N.

The variances are those of the model r_ui = mean + b_u + c_i + e_ui of random effects, by the fixed point of MacKay 1992
(section 4.4) in turns with the biases:

    b_u = sum_i (r_ui - mean - c_i) / (n_u + l)        f = sum_u n_u / (n_u + l)        l = s^2 f / sum_u b_u^2      (2)

and likewise the items, with s^2 = sum e^2 / (N - f_users - f_items): free of what the biases have fitted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np

from palate.data.interactions import Interactions
from palate.models.contract.learned import Learned, Used
from palate.sparse import Array, Rows

if TYPE_CHECKING:
    from palate.models.bayes.model import BayesianMF

TURNS = 20  # of eq. 2: more change no digit that matters
LEAST_LEFT = 0.25  # of the ratings, as degrees of freedom of what biases leave
BITS = 16  # of a variance: what is below is order of summation
SHARE = 0.75  # q of eq. 1
LEAST_NOISE = 1e-3  # of the variance of the ratings
FACTORS = 16  # a multiple of them is taken
MOST_FACTORS = 32


@dataclass(frozen=True, eq=False)
class Settings(Learned):
    """Parameters as they were used.

    Attributes:
        n_factors: length of the rows, their bias left out.
        noise_shape, noise_rate: eq. 1, in the unit that is sampled in.
    """

    n_factors: Annotated[int, Used()]
    noise_shape: Annotated[float, Used()]
    noise_rate: Annotated[float, Used()]


@dataclass(frozen=True)
class Noise:
    """What the training part says of its noise before anything is learned.

    Attributes:
        left: s^2, variance of ratings less damped biases.
        unidentified: k, the ratings that rows can fit by themselves.
        n_ratings: N.
    """

    left: float
    unidentified: int
    n_ratings: int

    @classmethod
    def of(cls, data: Interactions, n_factors: int) -> Noise:
        """Judge the ratings by eq. 1 and 2."""
        rows = data.by_user()
        left = max(noise_left(rows, data.n_items), LEAST_NOISE * float(np.var(rows.values, dtype=np.float64)))
        return cls(left or 1.0, unidentified(rows, data.by_item(), n_factors), len(data))

    def in_ratings(self, unit: float) -> Noise:
        """Return the same in the ratings' own unit."""
        return replace(self, left=self.left * unit**2)


def factors_for(n_users: int, n_items: int, n_ratings: int) -> int:
    """Return the number of factors where it is left to the data: two ratings for each number of a row, in halves of 32.

    Fewer than 16 gain nothing where the noise has its prior; more than 32 cost more time than they bring.
    """
    wanted = n_ratings / (2 * max(n_users + n_items, 1))
    return int(min(MOST_FACTORS, max(1, round(wanted / FACTORS)) * FACTORS))


def settings_for(model: BayesianMF, noise: Noise, n_factors: int) -> Settings:
    """Return what the parameters are: the number given, or what follows from the data."""
    shape = noise.unidentified / 2 if model.noise_shape is None else model.noise_shape
    rate = shape * SHARE * noise.left if model.noise_rate is None else model.noise_rate
    return Settings(n_factors, float(shape), float(rate))


@dataclass
class Biases:
    """One side of eq. 2.

    Attributes:
        index: (n,) whose rating each is.
        counts: (n_rows,) of ratings.
        values: (n_rows,) the biases.
        ridge: l.
        fitted: f, the ratings that the biases have fitted.
    """

    index: Array
    counts: Array
    values: Array
    ridge: float = 1.0
    fitted: float = 0.0

    @classmethod
    def of(cls, index: Array, n_rows: int) -> Biases:
        """Begin with none."""
        return cls(index, np.bincount(index, minlength=n_rows), np.zeros(n_rows))

    def turn(self, left: Array) -> Array:
        """Fit the biases to what is ``left`` with them; return what is left without them."""
        damped = self.counts + self.ridge
        self.values = np.bincount(self.index, left, len(self.counts)) / damped
        self.fitted = float(np.sum(self.counts / damped))
        return left - self.values[self.index]

    def restrain(self, variance: float) -> None:
        """Bring the ridge up to date."""
        squares = float(np.square(self.values).sum())
        self.ridge = variance * self.fitted / squares if squares > 0 else math.inf


def noise_left(rows: Rows, n_items: int) -> float:
    """Return s^2 of eq. 2: the variance of ratings less damped biases; 0 where all ratings are equal."""
    values = rows.values.astype(np.float64)
    users, items = Biases.of(rows.row_of_cells(), rows.n_rows), Biases.of(rows.indices, n_items)
    left, variance = values - values.mean(), 0.0
    for _ in range(TURNS):
        for side in (users, items):
            left = side.turn(left + side.values[side.index])
        free = max(len(values) - users.fitted - items.fitted, LEAST_LEFT * len(values))
        variance = float(left @ left) / free
        for side in (users, items):
            side.restrain(variance)
    mantissa, exponent = math.frexp(variance)
    return math.ldexp(round(math.ldexp(mantissa, BITS)), exponent - BITS)


def unidentified(rows: Rows, columns: Rows, n_factors: int) -> int:
    """Return k of eq. 1: how many ratings the rows of both sides can fit by themselves."""
    return sum(int(np.minimum(side.sizes, n_factors + 1).sum()) for side in (rows, columns))
