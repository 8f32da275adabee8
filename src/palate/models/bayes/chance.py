"""Random numbers of the rows of a sweep: one after the other from a generator, or each by its row's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from palate.errors import ParameterError
from palate.kernels import keyed
from palate.sparse import Array

USERS, ITEMS = 0, 1
MOST_CHAINS, MOST_SWEEPS = 1 << 10, 1 << 20  # that have streams of their own


class RowChance(Protocol):
    """What rows are drawn by."""

    def normals(self, side: int, n_rows: int, width: int) -> Array:
        """Return standard normal numbers of a side's rows, (n_rows, width) float32."""
        ...

    def gammas(self, side: int, shapes: Array) -> Array:
        """Return gamma numbers of a side's rows, of the rate 1, (n_rows,) float64."""
        ...


@dataclass(frozen=True)
class InOrder:
    """Numbers as a generator gives them: for rows that are all in one place."""

    rng: np.random.Generator

    def normals(self, side: int, n_rows: int, width: int) -> Array:
        """Return the next ones."""
        return self.rng.standard_normal((n_rows, width), np.float32)

    def gammas(self, side: int, shapes: Array) -> Array:
        """Return the next ones."""
        return self.rng.standard_gamma(shapes)


@dataclass(frozen=True, eq=False)
class ByName:
    """Numbers that are a function of seed, chain, sweep, side and row: the same wherever a row lies.

    Attributes:
        seed, chain, sweep: of the sampler; sweep 0 is the start.
        names: positions of the rows, or None for all from 0 on.
    """

    seed: int
    chain: int
    sweep: int
    names: Array | None = None

    def normals(self, side: int, n_rows: int, width: int) -> Array:
        """Return those of the rows."""
        return keyed.normals(self.seed, self._stream(side), self._names(n_rows), width, np.float32)

    def gammas(self, side: int, shapes: Array) -> Array:
        """Return those of the rows."""
        return keyed.gammas(self.seed, self._stream(side) + 2, self._names(len(shapes)), shapes)

    def _names(self, n_rows: int) -> Array:
        return np.arange(n_rows) if self.names is None else self.names

    def _stream(self, side: int) -> int:
        return 4 * (self.chain * MOST_SWEEPS + self.sweep) + side


def check_streams(n_chains: int, n_sweeps: int) -> None:
    """Refuse more chains or sweeps than there are streams for.

    Raises:
        ParameterError: names the limit.
    """
    for name, value, most in (("n_chains", n_chains, MOST_CHAINS), ("n_sweeps", n_sweeps, MOST_SWEEPS - 2)):
        if value > most:
            raise ParameterError.outside(name, f"at most {most} on Spark", value)
