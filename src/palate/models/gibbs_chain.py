"""The whole state of the Bayesian factorization's chain, and one sweep over it; equations of `palate.models.bayes`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.kernels import gibbs as kernel
from palate.models.gibbs_side import LIGHT, SideChain
from palate.models.gibbs_time import TimeEffect
from palate.models.ordinal import Stars
from palate.models.ridge_rows import row_ranges
from palate.parallel import Workers

Array = NDArray[Any]


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


@dataclass
class Chain:
    """The state of the chain; cells stand in the order of the users' rows.

    Attributes:
        users, items: the two sides.
        effects: offsets by group of ratings.
        stars: cut points and latent ratings of the ordinal likelihood, or None.
        mu, alpha: mean and noise precision.
        errors: (n,) what is left of each rating: rating less score and offsets.
    """

    users: SideChain
    items: SideChain
    constants: Constants
    seed: int
    effects: list[TimeEffect]
    stars: Stars | None = None
    mu: float = 0.0
    alpha: float = 1.0
    errors: Array = field(init=False)

    def __post_init__(self) -> None:
        rows = self.users.rows
        self._of_cell = np.repeat(np.arange(len(self.users.X), dtype=np.int32), np.diff(rows.indptr))
        self._to_items = np.argsort(rows.indices, kind="stable")  # from the users' order to that of the items
        self._n = np.diff(rows.indptr), np.diff(self.items.rows.indptr)
        self.errors = np.zeros(len(rows.values), np.float32)

    def rng(self, sweep: int) -> np.random.Generator:
        """Return the sweep's own stream of a counter-based generator: whatever was drawn before, and by any thread."""
        return np.random.Generator(np.random.Philox(key=[self.seed, sweep]))

    def sweep(self, number: int, workers: Workers) -> None:
        """Draw everything once: items, users, offsets, mu, alpha, noise scales."""
        rng = self.rng(number)
        users, items = self.users, self.items
        if self.stars is not None:
            self.stars.draw(self.scores(), self._row_sd(), rng)
        targets = self.targets()
        items.draw_hyper(rng)
        items.draw_weights(rng, workers)
        g = users.scales[items.rows.indices]
        items.draw_rows(targets[self._to_items], g, users.X, self.alpha, rng, workers)
        h = items.scales[users.rows.indices]
        users.draw_hyper(rng)
        users.draw_weights(rng, workers)
        users.draw_rows(targets, h, items.X, self.alpha, rng, workers)
        self._rescale(rng)
        self.find_errors(targets, workers)
        w = users.scales[self._of_cell] * h
        for effect in self.effects:
            effect.draw(self.errors, w, self.alpha, rng)
        self._draw_mean(w, rng)
        squares = self.errors * self.errors
        self._draw_noise(w, squares, rng)
        if self.constants.scale_df is not None:
            self._draw_scales(h, squares, rng, workers)

    def _rescale(self, rng: np.random.Generator) -> None:
        """Move scale between the two sides, which the ratings do not see, factor by factor (Liu & Sabatti 2000).

        With all of one side multiplied by c and the other divided, only the Wishart priors tell one c from another:
        y = log(c^2 / c0^2) has a density proportional to exp(-b cosh y), c0^4 = L_U,ff / L_I,ff and
        b = wishart_scale (L_U,ff L_I,ff)^(1/2). It is drawn from the normal that lies above it, N(0, 1 / b).
        """
        a, b = (np.diag(side.L)[:-1] for side in (self.users, self.items))
        sharp = self.users.hyper.wishart_scale * np.sqrt(a * b)
        y, open_ = np.zeros(len(a)), np.ones(len(a), bool)
        while open_.any():
            tried = rng.standard_normal(len(a)) / np.sqrt(sharp)
            kept = open_ & (rng.random(len(a)) < np.exp(-sharp * (np.cosh(tried) - 1 - tried**2 / 2)))
            y[kept], open_[kept] = tried[kept], False
        c = np.append((a / b) ** 0.25 * np.exp(y / 2), 1.0)
        self.users.rescale(c)
        self.items.rescale(1 / c)

    def targets(self) -> Array:
        """Return the ratings less all but the rows' parts."""
        values = self.users.rows.values if self.stars is None else self.stars.latent
        targets = values - np.float32(self.mu)
        for effect in self.effects:
            targets -= effect.of_cells()
        return targets

    def find_errors(self, targets: Array, workers: Workers) -> None:
        """Bring ``errors`` up to date."""
        rows = self.users.rows
        call = partial(kernel.residuals, (rows.indptr, rows.indices, targets), self.users.X, self.items.X)
        workers.run([partial(call, a, b, self.errors) for a, b in row_ranges(rows, workers, LIGHT)])

    def scores(self) -> Array:
        """Return the score of each cell, (n,): what the latent ratings of the ordinal likelihood lie around."""
        values = self.users.rows.values if self.stars is None else self.stars.latent
        return np.asarray(values - self.errors)

    def _row_sd(self) -> Array:
        """Return the noise of each cell, (n,) float64, where alpha is 1."""
        rows = self.users.rows
        w = self.users.scales[self._of_cell] * self.items.scales[rows.indices].astype(np.float64)
        return np.asarray(1 / np.sqrt(w))

    def _draw_mean(self, w: Array, rng: np.random.Generator) -> None:
        """Draw mu and take the step out of the errors; eq. 6."""
        if self.stars is not None:
            return  # the cut points hold the mean
        c = self.constants
        precision = self.alpha * float(w.sum(dtype=np.float64))
        pull = self.alpha * float((w * self.errors).sum(dtype=np.float64)) + precision * self.mu
        if c.mean_sd is not None:
            precision += 1 / c.mean_sd**2
            pull += c.mean_center / c.mean_sd**2
        new = pull / precision + float(rng.standard_normal()) / precision**0.5
        self.errors -= np.float32(new - self.mu)
        self.mu = new

    def _draw_noise(self, w: Array, squares: Array, rng: np.random.Generator) -> None:
        """Draw alpha; eq. 5. The ordinal likelihood has 1: its cut points hold the scale."""
        if self.stars is not None:
            return
        c = self.constants
        rate = c.noise_rate + float((w * squares).sum(dtype=np.float64)) / 2
        self.alpha = float(rng.standard_gamma(c.noise_shape + len(squares) / 2)) / rate

    def _draw_scales(self, h: Array, squares: Array, rng: np.random.Generator, workers: Workers) -> None:
        """Draw g, then h; eq. 5."""
        nu, users, items = float(self.constants.scale_df or 0), self.users, self.items
        of_users = users.sums(h * squares, workers)
        users.scales = _scales(nu, self._n[0], self.alpha * of_users, rng)
        of_items = items.sums((users.scales[self._of_cell] * squares)[self._to_items], workers)
        items.scales = _scales(nu, self._n[1], self.alpha * of_items, rng)

    def norms(self) -> Mapping[str, float]:
        """Return what is watched of the chain beside its errors: norms about the mean row, which mu may exchange."""
        return {
            "noise_precision": self.alpha,
            "user_norm": float(np.sqrt(self.users.X.var(axis=0, dtype=np.float64).mean())),
            "item_norm": float(np.sqrt(self.items.X.var(axis=0, dtype=np.float64).mean())),
        }


def _scales(nu: float, counts: Array, squares: Array, rng: np.random.Generator) -> Array:
    return (rng.standard_gamma((nu + counts) / 2) / ((nu + squares) / 2)).astype(np.float32)
