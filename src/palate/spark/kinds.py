"""What the driver knows of a model's half sweeps: their settings, the sums that they need, the figures of an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from palate.models.ridge.rows import Prior
from palate.models.ridge.sweeps import ALSSettings
from palate.spark.halves import Common, Half, RatingHalf, Weights
from palate.spark.parts import FeatureSums, prior_weights, tree_sum, weights_penalty
from palate.spark.sweeps import Sums
from palate.sparse import Array

Priors = tuple[Weights | None, Weights | None]


class Kind(Protocol):
    """A model as the driver sees it."""

    key: ClassVar[str]
    needs_own: ClassVar[bool]  # whether a half sweep goes on from the rows' last factors

    @property
    def reg_features(self) -> float:
        """Penalty of the features' weights, as `prior_weights` takes it."""
        ...

    def start_scale(self, side: int) -> float:
        """Return the standard deviation of a side's factors to begin with."""
        ...

    def half(self, side: int, common: Common, other: Sums | None, *, last: bool) -> Half:
        """Return a half sweep.

        Args:
            side: that is solved, 0 for users.
            common: of all models.
            other: sums of the other side.
            last: whether it is the last of training.
        """
        ...

    def record(self, sums: tuple[Sums, Sums], priors: Priors) -> dict[str, float]:
        """Return the figures of an epoch."""
        ...

    def facts(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        ...


@dataclass(frozen=True)
class Ratings:
    """`ALS` as the driver sees it.

    Attributes:
        settings: as they are used.
        limits: lowest and highest rating.
        scale: standard deviation of the users' factors to begin with.
    """

    key: ClassVar[str] = "als"
    needs_own: ClassVar[bool] = False
    settings: ALSSettings
    limits: tuple[float, float]
    scale: float

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Self:
        """Return what `facts` has made."""
        low, high = facts["limits"]
        return cls(ALSSettings(**facts["settings"]), (low, high), facts["scale"])

    @property
    def reg_features(self) -> float:
        """Penalty of the features' weights, as `prior_weights` takes it."""
        return self.settings.reg_features

    def start_scale(self, side: int) -> float:
        """Return that of users; items, which are solved first, begin with zeros."""
        return self.scale if side == 0 else 0.0

    def regs(self, side: int) -> tuple[float, float]:
        """Return the penalties of a side's factors and biases."""
        on = self.settings
        return on.reg, (on.reg_users, on.reg_items)[side]

    def half(self, side: int, common: Common, other: Sums | None, *, last: bool) -> RatingHalf:
        """Return a half sweep; errors are summed with the users, where both sides are new."""
        on, limits = self.settings, self.limits if side == 0 else None
        return RatingHalf(common, self.regs(side), on.reg_exponent, on.mean, on.biases, limits)

    def record(self, sums: tuple[Sums, Sums], priors: Priors) -> dict[str, float]:
        """Return RMSE, loss and objective."""
        users, items = (tree_sum(side.figures) for side in sums)
        n, squares, clipped, weighted, of_users = users.tolist()
        penalty = of_users + float(items[4]) + sum(self._weights_penalty(side, priors[side]) for side in (0, 1))
        record = {"train_rmse_unclipped": float(np.sqrt(squares / n)), "train_rmse": float(np.sqrt(clipped / n))}
        return {**record, "loss": squares / n, "objective": weighted + penalty}

    def facts(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        return {"settings": asdict(self.settings), "limits": list(self.limits), "scale": self.scale}

    def _weights_penalty(self, side: int, prior: Weights | None) -> float:
        prior_of = None if prior is None else Prior(np.zeros((0, len(prior[0]))), *prior)
        return weights_penalty(prior_of, self.regs(side), self.settings.reg_features)


def prior_of(parts: Sequence[Array], n_features: int, reg: float, dtype: str) -> Weights | None:
    """Return the weights of a side's features, of what its blocks have summed; None without features."""
    if not parts:
        return None
    total = tree_sum(parts)
    of_biases = n_features * (n_features + 1)
    sums = FeatureSums(
        total[:-of_biases].reshape(n_features, -1), total[-of_biases:].reshape(n_features, n_features + 1)
    )
    return prior_weights(sums, reg, np.dtype(dtype).type)
