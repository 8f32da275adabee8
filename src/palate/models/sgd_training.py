"""The training loop of SGD models: blocks laid out for the cache, epochs on threads, early stopping, divergence."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.errors import DivergenceError
from palate.kernels import sgd
from palate.parallel import Workers, chunks, shares
from palate.progress import Progress, ProgressCallback

log = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 21  # factors of one block: smaller ones change too often for their few ratings
SMALL = 500_000  # ratings; below it one block, for strictly random order costs nothing worth having
CHUNK = 1 << 16  # ratings a task when errors are summed

Factors = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]  # P, Q, b, c


def default_blocks(n_ratings: int, n_rows: int, row_bytes: int) -> int:
    """Return how many row blocks (and as many column blocks) the data asks for; threads have no say."""
    if n_ratings < SMALL:
        return 1
    return max(16, -(-n_rows * row_bytes // BLOCK_BYTES))


@dataclass
class BlockedRatings:
    """Ratings grouped into n_blocks x n_blocks blocks; blocks of one round share no row and no column.

    Attributes:
        arrays: rows, cols (int32) and values (float32), grouped by block; shuffled in place inside their block.
        ptr: (n_blocks**2 + 1,) int64, where each block starts.
        seed: keys every shuffle, with epoch and block.
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
        order, ptr = sgd.group_by_block(row_block[data.user_index], col_block[data.item_index], n_blocks)
        return cls((data.user_index[order], data.item_index[order], data.values[order]), ptr, n_blocks, seed)

    def rounds(self, epoch: int) -> Iterator[NDArray[np.int64]]:
        """Yield the blocks of each round: a random Latin square, new every epoch."""
        rng = np.random.default_rng([self.seed, 2, epoch])
        row, col, shift = (rng.permutation(self.n_blocks) for _ in range(3))
        for s in shift:
            yield row * self.n_blocks + col[(np.arange(self.n_blocks) + s) % self.n_blocks]

    def epoch(self, factors: Factors, mean: Any, steps: tuple[Any, ...], epoch: int, workers: Workers) -> float:
        """Pass once over all ratings and return the mean of the squared errors met on the way."""
        losses = np.zeros(self.n_blocks**2)
        key = np.uint64(np.random.default_rng([self.seed, 3, epoch]).integers(2**63))
        for blocks in self.rounds(epoch):
            call = partial(sgd.descend_blocks, factors, mean, self.arrays, self.ptr)
            workers.run([partial(call, part, key, steps, losses) for part in shares(blocks, workers.n_threads)])
        return float(losses.sum()) / len(self.arrays[0])


def rmse_both(
    factors: Factors, mean: Any, ratings: tuple[NDArray[Any], ...], limits: tuple[float, float], workers: Workers
) -> tuple[float, float]:
    """Return RMSE of the raw scores and of the clipped ones, over rows, cols, values."""
    rows, cols, vals = ratings
    call = partial(sgd.squared_errors, factors, mean)
    low, high = mean.dtype.type(limits[0]), mean.dtype.type(limits[1])
    sums = workers.run([partial(call, rows[c], cols[c], vals[c], low, high) for c in chunks(len(vals), CHUNK)])
    raw, clipped = np.sqrt(np.sum(sums, axis=0) / len(vals))
    return float(raw), float(clipped)


@dataclass
class Run:
    """One training run: what it starts from, what it watches, and what it leaves.

    Attributes:
        factors, mean: changed in place while training; at the end those of the best epoch, where one is watched.
        ratings: the training part in blocks.
        watched: rows, cols and values of the validation part, or None.
        steps: epoch -> (rate, shrink) of factors and of biases.
        limits: lowest and highest rating, for the clipped figures.
        advice: (learning rate, mean square of the ratings) -> what to try after divergence.
        history: one record an epoch.
    """

    factors: Factors
    mean: Any
    ratings: BlockedRatings
    watched: tuple[NDArray[Any], ...] | None
    steps: Callable[[int], tuple[Any, ...]]
    limits: tuple[float, float]
    stage: str
    learning_rate: Callable[[int], float]
    advice: Callable[[float, float], str]
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    interrupted: bool = False

    def train(self, n_epochs: int, patience: int, workers: Workers, progress: ProgressCallback) -> None:
        """Train until n_epochs, or patience epochs after the best; Ctrl-C ends it after the best epoch so far."""
        best = self.factors
        lowest = np.inf
        try:
            for epoch in range(1, n_epochs + 1):
                record = self._epoch(epoch, workers)
                watched = record.get("validation_rmse_unclipped")
                if watched is None or watched < lowest:
                    P, Q, b, c = self.factors  # copied before they are named the best, as Ctrl-C may fall between
                    copies = P.copy(), Q.copy(), b.copy(), c.copy()
                    best, self.best_epoch, lowest = copies, epoch, watched if watched is not None else np.inf
                progress(Progress(self.stage, epoch, n_epochs, record))
                if watched is not None and epoch - self.best_epoch >= patience:
                    break
        except KeyboardInterrupt:
            if not self.best_epoch:
                raise
            self.interrupted = True
        _copy(best, self.factors)

    def _epoch(self, epoch: int, workers: Workers) -> dict[str, float]:
        started = time.perf_counter()
        loss = self.ratings.epoch(self.factors, self.mean, self.steps(epoch), epoch, workers)
        rate = self.learning_rate(epoch)
        self._check(loss, epoch, rate)
        record = {"epoch": epoch, "loss": loss, "learning_rate": rate}
        for name, part in (("train", self.ratings.arrays), ("validation", self.watched)):
            if part is not None:
                both = rmse_both(self.factors, self.mean, part, self.limits, workers)
                record[f"{name}_rmse_unclipped"], record[f"{name}_rmse"] = both
        self._check(record["train_rmse_unclipped"], epoch, rate)
        record["seconds"] = time.perf_counter() - started
        self.history.append(record)
        return record

    def _check(self, figure: float, epoch: int, rate: float) -> None:
        if not figure < self._worst:
            raise DivergenceError(
                f"training diverged in epoch {epoch}: the error reached {figure:.3g} at learning rate {rate:g}; "
                f"try {self.advice(rate, self._mean_square)}"
            )

    @property
    def _worst(self) -> float:
        """Return the mean squared error from which training has diverged."""
        return 100 * (1 + self._mean_square)

    @cached_property
    def _mean_square(self) -> float:
        return float(np.square(self.ratings.arrays[2], dtype=np.float64).mean())


def _copy(source: tuple[NDArray[Any], ...], target: tuple[NDArray[Any], ...]) -> None:
    for s, t in zip(source, target, strict=True):
        np.copyto(t, s)
