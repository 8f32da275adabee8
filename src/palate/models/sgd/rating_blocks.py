"""Ratings laid out in blocks for the cache, and the epochs of squared error over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.errors import DivergenceError
from palate.kernels import Factors, given, sgd
from palate.kernels.order import dealt, stable_order
from palate.models.sgd.embeddings import Embeddings
from palate.parallel import GRAIN, Workers, chunks, shares

BLOCK_BYTES = 1 << 20  # factors of the shorter side in one block: they are met again and again, while the other's
# pass through the cache once a block
FEWEST_BLOCKS = 8  # so that as many threads have something to do
SMALL = 500_000  # ratings; below it one block, for strictly random order costs nothing worth having
STREAMS = 4  # ratings side by side that share no user: their steps need not wait for each other
JUDGED = 500_000  # ratings of the training part whose error is measured after an epoch
LEAST_EXPLAINED = 0.05  # of what mean and biases leave of the training part: with less, factors have not begun to learn


def default_blocks(
    n_cells: int, n_rows: int, row_bytes: int, *, block_bytes: int = BLOCK_BYTES, fewest: int = FEWEST_BLOCKS
) -> int:
    """Return how many blocks of users (and as many of items) the data ask for; threads have no say.

    Args:
        n_cells: ratings or clicks of the training part.
        n_rows: rows of factors that blocks are to keep in the cache.
        row_bytes: of one row of factors.
        block_bytes: of the factors of one block.
        fewest: blocks, where there is more than one.
    """
    return 1 if n_cells < SMALL else max(fewest, -(-n_rows * row_bytes // block_bytes))


def rounds(n_blocks: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield the blocks of each round, row block x n_blocks + column block: a random Latin square."""
    row, col, shift = (rng.permutation(n_blocks) for _ in range(3))
    for s in shift:
        yield row * n_blocks + col[(np.arange(n_blocks) + s) % n_blocks]


@dataclass
class BlockedRatings:
    """Ratings grouped into n_blocks x n_blocks blocks; blocks of one round share no row and no column.

    One block alone is shuffled every epoch. Of more, each keeps the rows of the longer side together, so that their
    factors stay near, and begins at another rating every epoch: measured, as good an order, and no time for shuffling.

    Attributes:
        arrays: rows, cols (int32) and values (float32), grouped by block; a block alone is shuffled in place.
        ptr: (n_blocks**2 + 1,) int64, where each block starts.
        seed: keys every choice, with epoch and block.
    """

    arrays: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]
    ptr: NDArray[np.int64]
    n_blocks: int
    seed: int

    @classmethod
    def build(cls, data: Interactions, n_blocks: int, seed: int) -> BlockedRatings:
        """Deal users and items to blocks at random and group the ratings."""
        rng = np.random.default_rng([seed, 1])
        row_block = (rng.permutation(data.n_users) % n_blocks).astype(np.int32)
        col_block = (rng.permutation(data.n_items) % n_blocks).astype(np.int32)
        longer = (data.user_index, data.n_users) if data.n_users >= data.n_items else (data.item_index, data.n_items)
        together, _ = stable_order(*given(*longer))
        block = row_block[data.user_index[together]] * np.int32(n_blocks) + col_block[data.item_index[together]]
        order, ptr = stable_order(*given(block, n_blocks**2))
        order = together[order]
        if n_blocks > 1:
            order = dealt(order, ptr, STREAMS)
        return cls((data.user_index[order], data.item_index[order], data.values[order]), ptr, n_blocks, seed)

    def epoch(
        self,
        factors: Factors,
        means: tuple[sgd.Means | None, sgd.Means | None],
        steps: sgd.Steps,
        epoch: int,
        workers: Workers,
    ) -> float:
        """Pass once over all ratings and return the mean of the squared errors met on the way."""
        losses = np.zeros(self.n_blocks**2)
        key = np.uint64(np.random.default_rng([self.seed, 3, epoch]).integers(2**63))
        for blocks in rounds(self.n_blocks, np.random.default_rng([self.seed, 2, epoch])):
            call = partial(sgd.descend_blocks, factors, *means, sgd.Ratings(*self.arrays), self.ptr)
            workers.run([partial(call, part, key, steps, losses) for part in shares(blocks, workers.n_threads)])
        return float(losses.sum()) / len(self.arrays[0])


def rmse_both(
    factors: Factors, ratings: tuple[NDArray[Any], ...], limits: tuple[float, float], workers: Workers
) -> tuple[float, float]:
    """Return RMSE of the raw scores and of the clipped ones, over rows, cols, values."""
    rows, cols, vals = given(*ratings)
    call = partial(sgd.squared_errors, Factors(*given(*factors)))
    low, high = map(factors.mean.dtype.type, limits)
    parts = [sgd.Ratings(rows[c], cols[c], vals[c]) for c in chunks(len(vals), GRAIN.errors)]
    sums = workers.run([partial(call, part, low, high) for part in parts])
    raw, clipped = np.sqrt(np.sum(sums, axis=0) / len(vals))
    return float(raw), float(clipped)


@dataclass
class RatingEpochs:
    """Epochs of squared error: what a `TrainingRun` does with ratings.

    Attributes:
        factors: changed in place.
        sides: features of users and of items, whose embeddings are changed in place.
        ratings: the training part in blocks.
        watched: rows, cols and values of the validation part, or None.
        steps: epoch -> (rate, shrink) of factors and of biases.
        limits: lowest and highest rating, for the clipped figures.
        learning_rate: epoch -> rate.
        advice: (learning rate, mean square of the ratings) -> what to try after divergence.
    """

    factors: Factors
    sides: tuple[Embeddings | None, Embeddings | None]
    ratings: BlockedRatings
    watched: tuple[NDArray[Any], ...] | None
    steps: Callable[[int], sgd.Steps]
    limits: tuple[float, float]
    learning_rate: Callable[[int], float]
    advice: Callable[[float, float], str]
    _train_error: float = np.inf

    def __call__(self, epoch: int, workers: Workers) -> dict[str, float]:
        """Pass once over the ratings; return the record of the epoch.

        Raises:
            DivergenceError: the errors have left all bounds.
        """
        of_users, of_items = (None if side is None else sgd.Means(*side.means) for side in self.sides)
        loss = self.ratings.epoch(self.factors, (of_users, of_items), self.steps(epoch), epoch, workers)
        rate = self.learning_rate(epoch)
        self._check(loss, epoch, rate)
        P, Q, b, c, _ = self.factors
        for side, X, biases in zip(self.sides, (P, Q), (b, c), strict=True):
            if side is not None:
                side.follow(X, biases)
        record = {"epoch": epoch, "loss": loss, "learning_rate": rate}
        for name, part in (("train", self._judged), ("validation", self.watched)):
            if part is not None:
                both = rmse_both(self.factors, part, self.limits, workers)
                record[f"{name}_rmse_unclipped"], record[f"{name}_rmse"] = both
        self._train_error = record["train_rmse_unclipped"]
        self._check(self._train_error, epoch, rate)
        return record

    def has_begun(self) -> bool:
        """Return whether the factors explain a part of the training ratings.

        They start near zero and grow slowly at first, while biases fit already and validation may get worse.
        """
        rows, cols, vals = self._judged
        _, _, b, c, mean = self.factors
        left = vals.astype(np.float64) - mean - b[rows] - c[cols]
        return self._train_error**2 <= (1 - LEAST_EXPLAINED) * float(np.mean(left * left))

    def _check(self, figure: float, epoch: int, rate: float) -> None:
        if not figure < 100 * (1 + self._mean_square):
            raise DivergenceError(
                f"training diverged in epoch {epoch}: the error reached {figure:.3g} at learning rate {rate:g}; "
                f"try {self.advice(rate, self._mean_square)}",
                subject="learning_rate",
            )

    @cached_property
    def _judged(self) -> tuple[NDArray[Any], ...]:
        """Return the ratings of the training part whose error is measured: all, or every so many of a large part."""
        step = -(-len(self.ratings.arrays[0]) // JUDGED)
        return tuple(np.ascontiguousarray(array[::step]) for array in self.ratings.arrays)

    @cached_property
    def _mean_square(self) -> float:
        return float(np.square(self.ratings.arrays[2], dtype=np.float64).mean())
