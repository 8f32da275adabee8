"""What the driver keeps of the sweeps: the sum of the mean score, and the draws; one machine's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from palate.models.bayes.kept import Kept
from palate.models.bayes.mean import MeanFactors, MeanScore
from palate.models.bayes.start import CountEncoding, Encoders
from palate.spark.bayes.chains import DriverChain
from palate.spark.bayes.rows import ChainShape
from palate.sparse import Array


@dataclass(frozen=True, eq=False)
class SideRows:
    """All rows of a side at the driver.

    Attributes:
        X, scales: (n, C D), (n, C).
        means: (n, C D) of users.
    """

    X: Array
    scales: Array
    means: Array

    def of_chain(self, shape: ChainShape, chain: int) -> dict[str, Array]:
        """Return those of one chain."""
        X, means = shape.of_chain(self.X, chain), shape.of_chain(self.means, chain)
        return {"X": X, "means": means, "scales": np.ascontiguousarray(self.scales[:, chain])}


def viewed(chain: DriverChain | None, sides: Sequence[dict[str, Array]]) -> Any:
    """Return a chain as `MeanScore` and `Kept` look at it; sides: rows of users and of items."""
    users: Any = SimpleNamespace(**sides[0])
    if chain is not None:
        users.mean, users.L, users.groups = chain.users.mean, chain.users.L, chain.users.groups
    mu, alpha = (0.0, 1.0) if chain is None else (chain.mu, chain.alpha)
    return SimpleNamespace(users=users, items=SimpleNamespace(**sides[1]), mu=mu, alpha=alpha, effects=[], stars=None)


@dataclass(eq=False)
class DrawSums:
    """The sums and draws of all chains so far.

    Attributes:
        shape: of records.
        means: by chain, the sum of its scores.
        kept: draws.
        open: how many of the last draws have no noise scales of items yet, which the next sweep draws.
        counter: `CountEncoding.plain` of users, or nothing.
        projection: `Components.projection`.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("means", "kept", "open", "counter", "projection")

    shape: ChainShape
    means: list[MeanScore]
    kept: Kept
    counter: Array
    projection: Array
    open: int = 0

    @classmethod
    def of(cls, shape: ChainShape, n: tuple[int, int], wanted: int, encoders: Encoders) -> DrawSums:
        """Return what is kept before the first sweep of so many users and items."""
        empty = [{"X": np.zeros((size, shape.width), np.float32)} for size in n]
        view = viewed(None, empty)
        counter = np.zeros(0) if encoders.counts is None else encoders.counts.plain()
        means = [MeanScore(view) for _ in range(shape.n_chains)]
        return cls(shape, means, Kept(wanted, view, encoders), counter, encoders.projection)

    def add(self, chains: Sequence[DriverChain], users: SideRows, items: SideRows, *, keep: bool) -> None:
        """Add the state after a sweep; keep it as a draw of each chain, its items' noise scales apart."""
        before = self.kept.count
        for number, (chain, mean) in enumerate(zip(chains, self.means, strict=True)):
            view = viewed(chain, [side.of_chain(self.shape, number) for side in (users, items)])
            mean.chain = view
            mean.add()
            if keep:
                self.kept.add(view)
        self.open = self.kept.count - before

    def close(self, scales: Array) -> None:
        """Take the items' noise scales of the last draws, (n_items, C)."""
        if self.open:
            self.kept.scales[1][:, self.kept.count - self.open : self.kept.count] = scales[:, : self.open]
        self.open = 0

    def score(self) -> MeanFactors:
        """Return the mean score of all chains; the sums are spent."""
        first, *others = self.means
        for other in others:
            first.join(other)
        return first.learned()

    @property
    def encoders(self) -> Encoders:
        """How newcomers' rows become features."""
        return Encoders(CountEncoding.from_plain(self.counter) if len(self.counter) else None, self.projection)
