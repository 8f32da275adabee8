"""The state of the Bayesian factorization's chain, and one sweep over it; equations of `palate.models.bayes.model`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import ClassVar

import numpy as np

from palate.kernels import gibbs as kernel
from palate.models.bayes.chance import ITEMS, USERS, ByName, InOrder, RowChance
from palate.models.bayes.ordinal import Stars
from palate.models.bayes.side import SideChain
from palate.models.bayes.time_effects import TimeEffect
from palate.parallel import GRAIN, Workers
from palate.sparse import Array, Rows

MOST_TRIES = 100  # of a rejection
SHARPEST = 1e30
MOST_BLOCKS = 16  # of cells whose sums by item are made apart


@dataclass(frozen=True)
class Constants:
    """Priors of what belongs to no side: mu (eq. 6), alpha and noise scales (eq. 5).

    Attributes:
        mean_center, mean_sd: of mu; flat where mean_sd is None.
        noise_shape, noise_rate: of alpha.
        scale_df: nu; None gives all rows the same noise.
    """

    mean_center: float
    mean_sd: float | None
    noise_shape: float
    noise_rate: float
    scale_df: float | None


def stream(seed: int, chain: int, sweep: int) -> np.random.Generator:
    """Return the chance of one sweep of one chain; sweep 0 is the start."""
    return np.random.Generator(np.random.Philox(key=[seed, (chain << 40) + sweep]))


@dataclass
class Chain:
    """The state of the chain; cells stand in the order of the users' rows.

    Attributes:
        users, items: the two sides.
        effects: offsets by group of ratings.
        number: which of several chains of one seed it is, from 0.
        by_name: whether the numbers that rows are drawn by follow from their positions, as on Spark.
        stars: cut points and latent ratings of the ordinal likelihood, or None.
        mu, alpha: mean and noise precision.
        errors: (n,) what is left of each rating: rating less score and offsets.
        loss: their mean square.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("users", "items", "effects", "stars", "mu", "alpha", "errors", "loss")

    users: SideChain
    items: SideChain
    constants: Constants
    seed: int
    effects: list[TimeEffect]
    stars: Stars | None = None
    number: int = 0
    by_name: bool = False
    mu: float = 0.0
    alpha: float = 1.0
    errors: Array = field(init=False)
    loss: float = 0.0

    def __post_init__(self) -> None:
        rows = self.users.rows
        self._of_cell = rows.row_of_cells()
        self._to_items = np.argsort(rows.indices, kind="stable")  # from the users' order to that of the items
        self._n = rows.sizes, self.items.rows.sizes
        self._blocks = blocks(rows)
        self.errors = np.zeros(len(rows.values), np.float32)

    def rng(self, sweep: int) -> np.random.Generator:
        """Return the sweep's own stream of a counter-based generator: whatever was drawn before, and by any thread."""
        return stream(self.seed, self.number, sweep)

    def sweep(self, number: int, workers: Workers) -> None:
        """Draw everything once: items, users, offsets, mu, alpha, noise scales."""
        rng = self.rng(number)
        chance: RowChance = ByName(self.seed, self.number, number) if self.by_name else InOrder(rng)
        users, items = self.users, self.items
        if self.stars is not None:
            self.stars.draw(self.scores(), self._row_sd(), rng)
        targets = self.targets()
        items.draw_hyper(rng)
        items.draw_weights(rng, workers)
        items.draw_rows(
            self._in_items_order(targets), users, self.alpha, chance.normals(ITEMS, *items.X.shape), workers
        )
        users.draw_hyper(rng)
        users.draw_weights(rng, workers)
        E = chance.normals(USERS, *users.X.shape)
        users.draw_rows(targets, items, self.alpha, E, workers)
        self._rescale(rng)
        self.find_errors(targets, workers)
        if self.effects:
            w = users.scales[self._of_cell] * items.scales[users.rows.indices]
            for effect in self.effects:
                effect.draw(self.errors, w, self.alpha, rng)
        sums = self._sums_of_errors(workers)
        self._draw_mean(sums, rng)
        self._draw_noise(sums, rng)
        if self.constants.scale_df is not None:
            self._draw_scales(sums, chance, workers)
        self.loss = float(sums[:, 4].sum()) / max(len(self.errors), 1)

    def _rescale(self, rng: np.random.Generator) -> None:
        """Move scale between the two sides, which the ratings do not see, factor by factor (Liu & Sabatti 2000).

        With all of one side multiplied by c and the other divided, only the Wishart priors tell one c from another:
        y = log(c^2 / c0^2) has a density proportional to exp(-b cosh y), c0^4 = L_U,ff / L_I,ff and
        b = wishart_scale (L_U,ff L_I,ff)^(1/2).
        """
        c = draw_rescaling(self.users.L, self.items.L, self.users.hyper.wishart_scale, rng)
        self.users.rescale(c)
        self.items.rescale(1 / c)

    def targets(self) -> Array:
        """Return the ratings less all but the rows' parts."""
        values = self.users.rows.values if self.stars is None else self.stars.latent
        targets = values - np.float32(self.mu)
        for effect in self.effects:
            targets -= effect.of_cells()
        return targets

    def _in_items_order(self, targets: Array) -> Array:
        """Return the targets by item; where they are ratings less mu alone, without moving those."""
        if self.stars is None and not self.effects:
            return np.asarray(self.items.rows.values - np.float32(self.mu))
        return np.asarray(targets[self._to_items])

    def find_errors(self, targets: Array, workers: Workers) -> None:
        """Bring ``errors`` up to date."""
        rows = self.users.rows
        both = kernel.padded_apart(self.users.X), kernel.padded_apart(self.items.X)
        call = partial(kernel.residuals, rows.cells_with(targets), *both)
        workers.run([partial(call, a, b, self.errors) for a, b in self.users.ranges(workers, GRAIN.passed)])

    def scores(self) -> Array:
        """Return the score of each cell, (n,): what the latent ratings of the ordinal likelihood lie around."""
        values = self.users.rows.values if self.stars is None else self.stars.latent
        return np.asarray(values - self.errors)

    def _row_sd(self) -> Array:
        """Return the noise of each cell, (n,) float64, where alpha is 1."""
        rows = self.users.rows
        w = self.users.scales[self._of_cell] * self.items.scales[rows.indices].astype(np.float64)
        return np.asarray(1 / np.sqrt(w))

    def _sums_of_errors(self, workers: Workers) -> Array:
        """Return the sums of `palate.kernels.gibbs.sums_of_errors` of each user, h being the items' noise scales."""
        rows, out = self.users.rows, np.empty((len(self.users.X), 5))
        call = partial(kernel.sums_of_errors, rows.cells_with(self.errors), self.items.scales)
        workers.run([partial(call, a, b, out) for a, b in self.users.ranges(workers, GRAIN.passed)])
        return out

    def _draw_mean(self, sums: Array, rng: np.random.Generator) -> None:
        """Draw mu, and take the step out of the errors and their sums; eq. 6."""
        if self.stars is not None:
            return  # the cut points hold the mean
        g = self.users.scales.astype(np.float64)
        weight, error = float(g @ sums[:, 0]), float(g @ sums[:, 1])
        new = draw_mean(self.constants, self.mu, self.alpha, (weight, error), rng)
        step = new - self.mu
        self.errors -= np.float32(step)
        self.mu = new
        sums[:, 2] += step * (step * sums[:, 0] - 2 * sums[:, 1])
        sums[:, 4] += step * (step * self._n[0] - 2 * sums[:, 3])

    def _draw_noise(self, sums: Array, rng: np.random.Generator) -> None:
        """Draw alpha; eq. 5. The ordinal likelihood has 1: its cut points hold the scale."""
        if self.stars is not None:
            return
        squares = float(self.users.scales.astype(np.float64) @ sums[:, 2])
        self.alpha = draw_noise(self.constants, len(self.errors), squares, rng)

    def _draw_scales(self, sums: Array, chance: RowChance, workers: Workers) -> None:
        """Draw g, then h; eq. 5."""
        nu, users, items = float(self.constants.scale_df or 0), self.users, self.items
        users.scales = draw_scales(nu, self._n[0], self.alpha * sums[:, 2], USERS, chance)
        rows = users.rows
        call = partial(kernel.column_sums, rows.cells_with(self.errors), users.scales)
        totals = np.zeros((len(self._blocks), len(items.X)))
        workers.run([partial(call, a, b, total) for (a, b), total in zip(self._blocks, totals, strict=True)])
        items.scales = draw_scales(nu, self._n[1], self.alpha * totals.sum(axis=0), ITEMS, chance)

    def norms(self) -> Mapping[str, float]:
        """Return what is watched of the chain beside its errors: norms about the mean row, which mu may exchange."""
        return {
            "noise_precision": self.alpha,
            "user_norm": _norm(self.users.X),
            "item_norm": _norm(self.items.X),
        }


def draw_rescaling(L_users: Array, L_items: Array, wishart_scale: float, rng: np.random.Generator) -> Array:
    """Return what the coordinates of the users are multiplied by, and those of the items divided: (D,)."""
    a, b = np.diag(L_users)[:-1], np.diag(L_items)[:-1]
    y = draw_log_scale(wishart_scale * np.sqrt(a * b), rng)
    return np.append((a / b) ** 0.25 * np.exp(y / 2), 1.0)


def draw_mean(c: Constants, mu: float, alpha: float, sums: tuple[float, float], rng: np.random.Generator) -> float:
    """Return a draw of mu; eq. 6.

    Args:
        c: constants.
        mu, alpha: as they are.
        sums: over all cells of g h, and of g h times the error.
        rng: chance.
    """
    precision = alpha * sums[0]
    pull = alpha * sums[1] + precision * mu
    if c.mean_sd is not None:
        precision += 1 / c.mean_sd**2
        pull += c.mean_center / c.mean_sd**2
    new: float = pull / precision + float(rng.standard_normal()) / precision**0.5
    return new


def draw_noise(c: Constants, n: int, squares: float, rng: np.random.Generator) -> float:
    """Return a draw of alpha, given the sum of g h times the squared error over n cells; eq. 5."""
    return float(rng.standard_gamma(c.noise_shape + n / 2)) / (c.noise_rate + squares / 2)


def draw_log_scale(sharp: Array, rng: np.random.Generator) -> Array:
    """Draw y of the density proportional to exp(-b cosh y), for each b of ``sharp`` (within SHARPEST and its inverse).

    From the normal that lies above it, N(0, 1 / b), of which nearly all draws are kept unless b is tiny. What is open
    after MOST_TRIES is drawn as the logarithm of a generalised inverse Gaussian number of order 0: it has this density
    exactly, and SciPy keeps a share of its tries that no b makes small (Hörmann & Leydold 2014).
    """
    b = np.clip(sharp, 1 / SHARPEST, SHARPEST)
    y, open_ = np.zeros(len(b)), np.ones(len(b), bool)
    for _ in range(MOST_TRIES):
        tried = rng.standard_normal(len(b)) / np.sqrt(b)
        with np.errstate(over="ignore"):  # infinitely unlikely
            kept = open_ & (rng.random(len(b)) < np.exp(-b * (np.cosh(tried) - 1 - tried**2 / 2)))
        y[kept], open_[kept] = tried[kept], False
        if not open_.any():
            return y
    from scipy.stats import geninvgauss  # hardly ever needed, and slow to import

    y[open_] = np.log(geninvgauss.rvs(0.0, b[open_], random_state=rng))
    return y


def _norm(X: Array) -> float:
    n, mean = len(X), X.mean(axis=0, dtype=np.float64)
    return float(np.sqrt(max(np.vdot(X, X) / n - mean @ mean, 0) / X.shape[1]))


def draw_scales(nu: float, counts: Array, squares: Array, side: int, chance: RowChance) -> Array:
    """Return noise scales of a side's rows, given numbers of cells and sums of squared errors over their variance."""
    return np.asarray((chance.gammas(side, (nu + counts) / 2) / ((nu + squares) / 2)).astype(np.float32))


def blocks(rows: Rows) -> list[tuple[int, int]]:
    """Return ranges of rows, at most MOST_BLOCKS: by the data alone, and so are sums over them."""
    n = int(min(MOST_BLOCKS, 1 + rows.indptr[-1] // GRAIN.apart))
    cuts = np.searchsorted(rows.indptr, np.linspace(0, rows.indptr[-1], n + 1)[1:-1])
    return list(pairwise([0, *cuts.tolist(), rows.n_rows]))
