"""Ratios over people: the lists of one person are not independent, so whatever is drawn again are people.

A person has y_i (clicks) in n_i lists. The figure is R = sum y_i / sum n_i, and by the delta method its squared
standard error is

    se^2 = P / (P - 1) * sum (y_i - R n_i)^2 / (sum n_i)^2        over P people.                              (1)

People with the same numbers are the same to every statistic here. They are kept as cells with a count: a resample of
people is one multinomial draw of the counts, a permutation of the arms' names one hypergeometric draw.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.parallel import chunks

HELD = 1 << 21  # counts held at once
Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean per list and its interval; NaN where there is none."""

    value: float
    low: float
    high: float


def as_json(value: Any) -> Any:
    """Return records' dictionaries as JSON holds them: NaN is null, a tuple is a list."""
    if isinstance(value, Mapping):
        return {name: as_json(of) for name, of in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(of) for of in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True, eq=False)
class Crowd:
    """People of several arms by their numbers.

    Attributes:
        counts: (n_arms, n_cells) people of each arm in each cell.
        lists: (n_cells,) lists of each of them.
        values: (n_values, n_cells) sums of each of them over their lists, such as clicks.
    """

    counts: NDArray[np.int64]
    lists: Reals
    values: Reals

    @classmethod
    def of(cls, arm: NDArray[np.int64], lists: Reals, values: Reals, n_arms: int) -> Crowd:
        """Return people, a column each, as cells."""
        cells, cell = np.unique(np.vstack([lists, values]), axis=1, return_inverse=True)
        counts = np.zeros((n_arms, cells.shape[1]), np.int64)
        np.add.at(counts, (arm, cell.reshape(-1)), 1)
        return cls(counts, cells[0], cells[1:])

    @property
    def people(self) -> NDArray[np.int64]:
        """How many people each arm has."""
        sizes: NDArray[np.int64] = self.counts.sum(axis=1)
        return sizes

    def features(self, value: int) -> Reals:
        """Return what ratios are made of, (n_cells, 5): n, y, n^2, n y, y^2."""
        n, y = self.lists, self.values[value]
        return np.stack([n, y, n * n, n * y, y * y], axis=1)


@dataclass(frozen=True, eq=False)
class Ratios:
    """Ratios and their standard errors, (n,); NaN without a list, or of a single person."""

    value: Reals
    error: Reals


def ratios(counts: NDArray[np.int64], features: Reals) -> Ratios:
    """Return the ratio of each row of counts, (n, n_cells), and its standard error by eq. 1."""
    n, y, nn, ny, yy = (counts @ features).T
    people = counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = y / n
        spread = np.maximum(yy - 2 * value * ny + value**2 * nn, 0)
        error = np.sqrt(people / (people - 1) * spread) / n
    return Ratios(value, np.where(people > 1, error, np.nan))


def bootstrap(cells: Crowd, arm: int, n_resamples: int, rng: np.random.Generator) -> Reals:
    """Return the ratios of an arm in resamples of its people, (n_values, n_resamples)."""
    counts = cells.counts[arm]
    there = counts > 0
    own, people = counts[there], int(counts.sum())
    features = [cells.features(value)[there] for value in range(len(cells.values))]
    drawn = np.empty((len(features), n_resamples))
    for block in chunks(n_resamples, max(1, HELD // len(own))):
        again = rng.multinomial(people, own / people, size=block.stop - block.start)
        for value, made in enumerate(features):
            drawn[value, block] = ratios(again, made).value
    return drawn


def permutation(cells: Crowd, arms: tuple[int, int], n_resamples: int, rng: np.random.Generator) -> Reals:
    """Return p-values, (n_values,): could the two arms' names be exchanged between people?

    The statistic is the difference over its standard error: the test then holds for equal ratios too where the arms
    differ in spread or size (Janssen 1997; Chung & Romano 2013). p = (1 + draws as far from 0) / (1 + draws).
    """
    pair = cells.counts[list(arms)]
    there = pair.sum(axis=0) > 0
    pair, features = pair[:, there], [cells.features(value)[there] for value in range(len(cells.values))]
    observed = np.array([_apart(pair[:1], pair[1:], made)[0] for made in features])
    reached = np.zeros(len(features))
    for first in _exchanged(pair, n_resamples, rng):
        second = pair.sum(axis=0) - first
        for value, made in enumerate(features):
            reached[value] += np.count_nonzero(_apart(first, second, made) >= observed[value] * (1 - 1e-9))
    return (1 + reached) / (1 + n_resamples)


def _exchanged(pair: NDArray[np.int64], n_resamples: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    both, n_first = pair.sum(axis=0), int(pair[0].sum())
    for block in chunks(n_resamples, max(1, HELD // len(both))):
        yield rng.multivariate_hypergeometric(both, n_first, size=block.stop - block.start, method="marginals")


def _apart(first: NDArray[np.int64], second: NDArray[np.int64], features: Reals) -> NDArray[Any]:
    """Return how many standard errors two arms lie apart; infinity where they differ without any spread."""
    a, b = ratios(first, features), ratios(second, features)
    gap, error = abs(b.value - a.value), np.hypot(a.error, b.error)
    apart = np.where(gap > 0, np.inf, 0.0)
    np.divide(gap, error, out=apart, where=error > 0)
    return apart
