"""What a `BayesianMF` takes for parameters that are None, from the training part alone.

Ratings less damped biases have a variance s^2, of noise and of taste. A row of n ratings can fit min(n, D) of them by
its D = n_factors + 1 numbers alone: so many say nothing of the noise. Where that is most of them, nothing but its prior
holds the noise precision alpha, and a weak one lets the chain take noise for taste: alpha climbs, and the error with
it. So the prior speaks for the ratings that cannot:

    alpha ~ Gamma(k / 2, q k s^2 / 2)        k = sum_u min(n_u, D) + sum_i min(n_i, D)        q = 3/4                (1)

so that k ratings of noise variance q s^2 are added to those of training: taste explains something between nothing and
half of what biases leave, and q is the middle. Where rows are long k is small beside N.

The covariance of rows about what their features say has little to hold it, either, where rows are short, and then walks
about. Its prior is Wishart(D, I) and f rows more for each side, whose numbers have the variance v each:

    L ~ Wishart(D + f, inv((1 + f v) I))        f = min(6 D, rows / 10)        n_factors v^2 = s^2 / 20             (2)

with the rows of the smaller side.

s^2 is the noise variance of `palate.models.ridge.biases`, eq. 6, where no penalty is given: the squares that are left,
over the ratings less those that the biases have fitted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np

from palate.data.interactions import Interactions
from palate.errors import DivergenceError
from palate.models.contract.learned import Learned, Used
from palate.models.ridge.biases import fit_biases
from palate.sparse import Rows

if TYPE_CHECKING:
    from palate.models.bayes.model import BayesianMF

LEAST_LEFT = 0.25  # of the ratings, as degrees of freedom of what biases leave
BITS = 16  # of a variance: what is below is order of summation
SHARE = 0.75  # q of eq. 1
ROWS, MOST_ROWS = 6, 0.1  # of eq. 2: for each of the D numbers of a row; of those that there are
OWN_TASTE = 0.05  # of s^2: what factors explain beyond features, eq. 2
LEAST_NOISE = 1e-3  # of the variance of the ratings
FACTORS = 16  # a multiple of them is taken
MOST_FACTORS = 32
PRIORS = (
    *("scale_df", "wishart_scale", "wishart_df", "mean_strength", "ridge_shape", "ridge_rate", "noise_shape"),
    *("noise_rate", "time_shape", "time_rate", "mean_center", "mean_sd", "init_scale"),
)


@dataclass(frozen=True, eq=False)
class BayesSettings(Learned):
    """Parameters as they were used.

    Attributes:
        n_factors: length of the rows, their bias left out.
        noise_shape, noise_rate: eq. 1, in the unit that is sampled in.
        wishart_df, wishart_scale: eq. 2, in this unit.
    """

    n_factors: Annotated[int, Used()]
    noise_shape: Annotated[float, Used()]
    noise_rate: Annotated[float, Used()]
    wishart_df: Annotated[float, Used()]
    wishart_scale: Annotated[float, Used()]


@dataclass(frozen=True)
class NoiseEstimate:
    """What the training part says of its noise before anything is learned.

    Attributes:
        left: s^2, variance of ratings less damped biases.
        unidentified: k, the ratings that rows can fit by themselves.
        n_ratings: N.
        n_rows: of the smaller side.
    """

    left: float
    unidentified: int
    n_ratings: int
    n_rows: int

    @classmethod
    def of(cls, data: Interactions, n_factors: int, *, latent: bool = False) -> NoiseEstimate:
        """Judge the ratings by eq. 1; those that are slices of a ``latent`` rating have the noise variance 1."""
        left = max(noise_left(data), LEAST_NOISE * float(np.var(data.values, dtype=np.float64)))
        left = 1 / SHARE if latent else left or 1.0
        fitted = unidentified(data.by_user(), data.by_item(), n_factors)
        return cls(left, fitted, len(data), min(data.n_users, data.n_items))

    def in_ratings(self, unit: float) -> NoiseEstimate:
        """Return the same in the ratings' own unit."""
        return replace(self, left=self.left * unit**2)


def factors_for(n_users: int, n_items: int, n_ratings: int) -> int:
    """Return the number of factors where it is left to the data: two ratings for each number of a row, in halves of 32.

    Fewer than 16 gain nothing where the noise has its prior; more than 32 cost more time than they bring.
    """
    wanted = n_ratings / (2 * max(n_users + n_items, 1))
    return int(min(MOST_FACTORS, max(1, round(wanted / FACTORS)) * FACTORS))


def settings_for(model: BayesianMF, noise: NoiseEstimate, n_factors: int) -> BayesSettings:
    """Return what the parameters are: the number given, or what follows from the data."""
    shape = noise.unidentified / 2 if model.noise_shape is None else model.noise_shape
    rate = shape * SHARE * noise.left if model.noise_rate is None else model.noise_rate
    return BayesSettings(n_factors, float(shape), float(rate), *_wishart(model, noise, n_factors))


def _wishart(model: BayesianMF, noise: NoiseEstimate, n_factors: int) -> tuple[float, float]:
    """Return degrees of freedom beyond D and scale, eq. 2; of those given alone, 0 goes with a scale and 1 with 0."""
    df, scale = model.wishart_df, model.wishart_scale
    if df is None:
        df = 0.0 if scale is not None else min(ROWS * (n_factors + 1), MOST_ROWS * noise.n_rows)
    if scale is None:
        scale = 1 + df * math.sqrt(OWN_TASTE * noise.left / n_factors)
    return float(df), float(scale)


def noise_left(data: Interactions) -> float:
    """Return s^2: the variance of ratings less damped biases; 0 where all ratings are equal."""
    fit = fit_biases(data)
    left, sides = fit.left(data), ((data.by_user(), fit.reg_users), (data.by_item(), fit.reg_items))
    fitted = sum(float((rows.sizes / (rows.sizes + reg)).sum()) for rows, reg in sides)
    mantissa, exponent = math.frexp(float(left @ left) / max(len(data) - 1 - fitted, LEAST_LEFT * len(data)))
    return math.ldexp(round(math.ldexp(mantissa, BITS)), exponent - BITS)


def unidentified(rows: Rows, columns: Rows, n_factors: int) -> int:
    """Return k of eq. 1: how many ratings the rows of both sides can fit by themselves."""
    return sum(int(np.minimum(side.sizes, n_factors + 1).sum()) for side in (rows, columns))


def diverged(model: BayesianMF, error: np.linalg.LinAlgError) -> DivergenceError:
    """Return the error of a chain that left the finite numbers: names the priors that were changed, and their usual."""
    changed = [name for name in PRIORS if getattr(model, name) != model.declarations[name].default]
    given = ", ".join(f"{name}={getattr(model, name)}" for name in changed)
    advice = ", ".join(f"{name}={model.declarations[name].default}" for name in changed)
    tried = f"with {given}; try {advice}" if changed else "; try another random_state"
    return DivergenceError(f"the chain left the finite numbers ({error}) {tried}".replace(" ;", ";"), subject="chain")
